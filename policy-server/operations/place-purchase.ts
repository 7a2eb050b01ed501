import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { DAY } from '#domain/time';
import { actingSubscriber, type Desk } from '#operations/desk';
import { rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { invoicePurchase } from '#operations/invoice-purchase';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { applyPromo, promoCode } from '#operations/promos';
import { settle } from '#operations/settle-purchase';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { cancelWaiting, insertPurchase, lockPurchase, revisionForSale, type SoldRevision } from '#storage/purchases';
import { findSubscriberAccount, type SubscriberAccount } from '#storage/subscribers';

/** How long an order may wait for its money; money that comes later still counts. */
export const PURCHASE_WAITS_MS = DAY;

export const placePurchaseSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  planRevisionId: rowNumber('a plan revision'),
  begins: z
    .enum(['after', 'now'])
    .default('after')
    .describe(say`after (when the cover in force ends; at once, where there is none) or now`),
  promoCode: promoCode.nullable().default(null).describe(promoCode.description!),
});
export type Order = z.output<typeof placePurchaseSchema>;

/**
 * Orders a plan for a subscriber: it waits 24 h for its money. What the subscriber ordered before and did not pay is
 * cancelled. The subscriber in person (actor `subscriber:<id>`) can only order for themselves, what is on the portal,
 * and not while suspended; what costs nothing, also by a promo code, is theirs at once (`grantId`), for there is nothing to wait for. A free
 * package that is on the portal can be taken again and again: staff who do not want that do not show it there.
 *
 * @throws InvalidInput when there is no such subscriber, the plan is not for sale (as it was shown), or the promo code is
 * of no use (`applyPromo`)
 */
export async function placePurchase(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly number: string; readonly grantId: number | null }> {
  const order = parseInput(placePurchaseSchema, input);
  const detail: Record<string, unknown> = {};
  const why = { actor: desk.actor, why: 'order package', subscriberId: order.subscriberId, detail };
  return change(desk.db, why, async (tx) => {
    const subscriber = await lockBuyer(tx, desk, order.subscriberId);
    const number = newPurchaseNumber();
    const placed = await place(tx, desk, subscriber, { ...order, number });
    const isFree = actingSubscriber(desk) !== null && placed.totalRupiah === 0;
    const given = isFree ? await settle(tx, desk, (await lockPurchase(tx, number))!, null) : null;
    const grantId = given?.grantId ?? null;
    Object.assign(detail, { username: subscriber.username, ...placed, ...(isFree ? { grantId } : {}) });
    return { number, grantId };
  });
}

/** Locks who buys, so that orders and grants of one subscriber come one after the other. */
export async function lockBuyer(tx: Queryable, desk: Desk, subscriberId: number): Promise<SubscriberAccount> {
  const self = actingSubscriber(desk);
  if (self !== null && self !== subscriberId) return noSubscriberOfNumber(subscriberId);
  const subscriber = (await findSubscriberAccount(tx, subscriberId, 'lock')) ?? noSubscriberOfNumber(subscriberId);
  if (self !== null && subscriber.suspendedAt !== null) {
    throw new InvalidInput([say`the line is suspended, so a package would not help; ask customer service`]);
  }
  return subscriber;
}

/** What the audit should say of an order. `totalRupiah` is asked for it: the price less a discount, with a tax that is added. */
type Placed = {
  readonly number: string;
  readonly plan: string;
  readonly priceRupiah: number;
  readonly totalRupiah: number;
  readonly promo?: string;
  readonly cancelled: readonly string[];
};

/** Writes an order in the caller's transaction, the buyer locked; returns what the audit should say. */
export async function place(
  tx: Queryable,
  desk: Desk,
  { id }: SubscriberAccount,
  order: Pick<Order, 'planRevisionId' | 'begins'> & Partial<Pick<Order, 'promoCode'>> & { readonly number: string },
): Promise<Placed> {
  const { planId, plan, priceRupiah } = await forSale(tx, desk, order.planRevisionId);
  const orderedAt = desk.clock();
  const cancelled = await cancelWaiting(tx, id, orderedAt, desk.actor);
  const inserted = await insertPurchase(tx, {
    ...order,
    subscriberId: id,
    priceRupiah,
    orderedBy: desk.actor,
    orderedAt,
    expiresAt: orderedAt + PURCHASE_WAITS_MS,
  });
  // Of 2^40 numbers, with millions given, one in a million orders meets this.
  if (inserted === null) throw new InvalidInput([say`the order number ${order.number} is taken; try again`]);
  const placed = { number: order.number, plan, priceRupiah, cancelled };
  const code = order.promoCode ?? null;
  if (priceRupiah === 0) return { ...placed, totalRupiah: 0 };
  const use = code === null ? null : { code, planId, subscriberId: id, priceRupiah };
  const promo = use === null ? null : await applyPromo(tx, desk, use);
  const purchase = (await lockPurchase(tx, order.number))!;
  const invoice = await invoicePurchase(tx, desk, purchase, promo === null ? [] : [promo.line], promo?.promoId);
  const totalRupiah = invoice.owedRupiah;
  return { ...placed, totalRupiah, ...(promo === null ? {} : { promo: promo.line.description }) };
}

async function forSale(tx: Queryable, desk: Desk, planRevisionId: number): Promise<SoldRevision> {
  const revision = await revisionForSale(tx, planRevisionId);
  const hidden = actingSubscriber(desk) !== null && revision?.onPortal === false;
  if (revision === null || hidden) throw new InvalidInput([say`there is no package of number ${planRevisionId}`]);
  if (revision.outdated) {
    throw new InvalidInput([say`the package "${revision.plan}" was changed or is no longer sold; choose again`]);
  }
  return revision;
}

/** Crockford's base 32: no I, L, O, U, which are misread or misheard. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** `P-` and eight random characters, 40 bits: nobody finds another's by trying. */
export function newPurchaseNumber(): string {
  return `P-${Array.from({ length: 8 }, () => ALPHABET[randomInt(32)]).join('')}`;
}
