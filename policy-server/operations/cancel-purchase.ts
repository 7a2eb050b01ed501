import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { actingSubscriber, type Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { noSuchPurchase, purchaseNumber } from '#operations/settle-purchase';
import { change } from '#storage/change';
import { lockPurchase, setCancelled } from '#storage/purchases';

const cancelPurchaseSchema = z.object({ number: purchaseNumber });

/**
 * Cancels what was ordered and not paid. `changed` is false when that was so already. The subscriber in person (actor
 * `subscriber:<id>`) sees only their own.
 *
 * @throws InvalidInput when there is no purchase of that number, or it is done
 */
export async function cancelPurchase(desk: Desk, number: string): Promise<{ readonly changed: boolean }> {
  const given = parseInput(cancelPurchaseSchema, { number });
  const detail: Record<string, unknown> = given;
  const why = { actor: desk.actor, why: 'cancel purchase', detail };
  return change(desk.db, why, async (tx) => {
    const purchase = (await lockPurchase(tx, given.number)) ?? noSuchPurchase(given.number);
    const { subscriberId, username, plan } = purchase;
    if ((actingSubscriber(desk) ?? subscriberId) !== subscriberId) return noSuchPurchase(given.number);
    if (purchase.grantId !== null) {
      throw new InvalidInput([
        say`purchase ${given.number} is done; to take the package back: grant revoke --username ${username} --grant ${purchase.grantId}`,
      ]);
    }
    Object.assign(detail, { username, plan });
    Object.assign(why, { subscriberId });
    if (purchase.cancelledAt !== null) return { changed: false };
    await setCancelled(tx, purchase.id, desk.clock(), desk.actor);
    return { changed: true };
  });
}
