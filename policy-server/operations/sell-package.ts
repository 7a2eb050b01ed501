import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { lockBuyer, newPurchaseNumber, place, placePurchaseSchema } from '#operations/place-purchase';
import { auditOf, paymentFields, purchaseNumber, type Settled, settle } from '#operations/settle-purchase';
import { change } from '#storage/change';
import { lockPurchase } from '#storage/purchases';

export const sellPackageSchema = z.object({
  ...placePurchaseSchema.shape,
  ...paymentFields,
  number: purchaseNumber.nullable().default(null).describe(purchaseNumber.description!),
});

/**
 * Sells a package over the counter: ordered and settled in one transaction. A form that is sent twice sells once when it
 * carries a `number` of its own (`newPurchaseNumber`).
 *
 * @throws InvalidInput for wrong fields, no such subscriber, or a plan that is not for sale
 */
export async function sellPackage(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<Settled & { readonly number: string }> {
  const {
    number: given,
    subscriberId,
    planRevisionId,
    begins,
    promoCode,
    ...payment
  } = parseInput(sellPackageSchema, input);
  const detail: Record<string, unknown> = {};
  return change(desk.db, { actor: desk.actor, why: 'sell package', subscriberId, detail }, async (tx) => {
    const buyer = await lockBuyer(tx, desk, subscriberId);
    const number = given ?? newPurchaseNumber();
    const before = given === null ? null : await lockPurchase(tx, number);
    if (before !== null && before.subscriberId !== subscriberId) {
      throw new InvalidInput([say`number ${number} is of another subscriber's purchase; leave it out`]);
    }
    const placed =
      before === null ? await place(tx, desk, buyer, { planRevisionId, begins, promoCode, number }) : { number };
    const purchase = before ?? (await lockPurchase(tx, number))!;
    const settled = await settle(tx, desk, purchase, payment);
    Object.assign(detail, { ...placed, ...payment, ...auditOf(purchase, settled) });
    return { number, ...settled };
  });
}
