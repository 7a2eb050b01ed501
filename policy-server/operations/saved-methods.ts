import type { Gateways, SavedMethod } from '#domain/gateway';
import { DAY } from '#domain/time';
import type { Desk } from '#operations/desk';
import type { Queryable } from '#storage/database';
import { rawEventsOf } from '#storage/gateway-events';
import { intentsToKeep, lockIntent, type PaymentIntent, setMethodKept } from '#storage/payment-intents';
import { keepMethod } from '#storage/saved-methods';

/** Keeps what a payment was made by, where the customer asked for that and it was not done yet; the intent is locked. */
export async function keepPaidBy(
  tx: Queryable,
  { sealer, clock }: Desk,
  { id, subscriberId, gateway, saveMethod }: PaymentIntent,
  saved: SavedMethod,
): Promise<void> {
  if (!saveMethod) return;
  await keepMethod(tx, sealer, subscriberId, gateway, saved, clock());
  await setMethodKept(tx, id);
}

/** Events of a payment come within a day of it, however often their delivery fails. */
const TOLD_WITHIN_MS = 2 * DAY;

/**
 * Keeps what customers asked to be kept and only an event told of: Midtrans names the token of a card in its notification,
 * and not where it is asked (`ReadEvent.saved`). An event counts when its signature does.
 * Returns how many are kept.
 */
export async function keepToldMethods(desk: Desk, gateways: Gateways): Promise<number> {
  let kept = 0;
  for (const { orderId, gateway: name } of await intentsToKeep(desk.db, desk.clock() - TOLD_WITHIN_MS)) {
    const gateway = await gateways.named(name);
    if (gateway === null) continue;
    const events = await rawEventsOf(desk.db, desk.sealer, name, orderId);
    const read = events.map((raw) => gateway.readEvent({}, raw));
    const saved = read.find((event) => event.verified && event.orderId === orderId && event.saved != null)?.saved;
    if (saved == null) continue;
    await desk.db.transaction(async (tx) => {
      const intent = await lockIntent(tx, orderId);
      if (intent?.state === 'paid') await keepPaidBy(tx, desk, intent, saved);
    });
    kept += 1;
  }
  return kept;
}
