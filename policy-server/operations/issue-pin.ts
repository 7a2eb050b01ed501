import type { Desk } from '#operations/desk';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import {
  type PortalCredentials,
  queueCredentials,
  withDrawnCredentials,
  writeCredentials,
} from '#operations/portal-credentials';
import { change } from '#storage/change';
import { findSubscriberAccount } from '#storage/subscribers';

/**
 * Issues a new PIN, and a Portal ID to who has none. The older PIN, web sessions and known devices are no more, failed
 * tries are forgotten, and the PIN is to be changed or confirmed at the first login. `send` queues the message;
 * `messageQueued` is false when there is no usable telephone number.
 *
 * @throws InvalidInput when there is nobody of that number
 */
export async function issuePin(
  desk: Desk,
  subscriberId: number,
  { send }: { readonly send: boolean },
): Promise<PortalCredentials & { readonly messageQueued: boolean }> {
  const found = (await findSubscriberAccount(desk.db, subscriberId)) ?? noSubscriberOfNumber(subscriberId);
  return withDrawnCredentials(desk, found, (drawn) => {
    const { portalId, pin } = drawn;
    const detail = { username: found.username, portalId, send };
    return change(desk.db, { actor: desk.actor, why: 'issue PIN', subscriberId, detail }, async (tx) => {
      const subscriber = (await findSubscriberAccount(tx, subscriberId, 'lock')) ?? noSubscriberOfNumber(subscriberId);
      await writeCredentials(tx, subscriberId, drawn, desk.clock());
      const messageQueued = send && (await queueCredentials(tx, desk, subscriber, drawn));
      return { portalId, pin, messageQueued };
    });
  });
}
