import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import { cancelQueued } from '#storage/messages';
import { endPortalAccess } from '#storage/portal-accounts';
import { type GivenBack, giveGrantsBack, setMoveUndone, standingMove } from '#storage/prepaid-moves';
import { findSubscriberAccount, setBilling } from '#storage/subscribers';

/**
 * Makes a subscriber postpaid again: the grants that the move ended are given back from now to their original ends,
 * portal sessions end, the Portal ID stays. What was bought meanwhile stays too. One who was prepaid from the
 * beginning becomes postpaid without a grant.
 *
 * @throws InvalidInput when there is nobody of that number, or they are postpaid
 */
export async function undoPrepaid(
  desk: Desk,
  subscriberId: number,
): Promise<{ readonly username: string; readonly givenBack: readonly GivenBack[] }> {
  const detail: Record<string, unknown> = {};
  return change(desk.db, { actor: desk.actor, why: 'undo prepaid', detail }, async (tx) => {
    const subscriber = (await findSubscriberAccount(tx, subscriberId, 'lock')) ?? noSubscriberOfNumber(subscriberId);
    const { username } = subscriber;
    if (subscriber.billing === 'postpaid')
      throw new InvalidInput([say`${username} is postpaid; there is nothing to undo`]);
    const at = desk.clock();
    const revoked = (await standingMove(tx, subscriberId))?.revokedGrants ?? [];
    const givenBack = await giveGrantsBack(tx, subscriberId, revoked, at);
    Object.assign(detail, { username, givenBack: givenBack.map((grant) => grant.id) });
    await setMoveUndone(tx, subscriberId, at, desk.actor);
    await setBilling(tx, subscriberId, 'postpaid');
    await endPortalAccess(tx, subscriberId);
    await cancelQueued(tx, subscriberId, 'portal-pin', at);
    await tx.mark([subscriberId]);
    return { username, givenBack };
  });
}
