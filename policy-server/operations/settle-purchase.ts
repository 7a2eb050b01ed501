import { z } from 'zod';
import { assert } from '#domain/assert';
import { InvalidInput } from '#domain/errors';
import { printLocalBytes, printLocalDateTime } from '#domain/print-local';
import { say } from '#domain/say';
import { addPeriod, type Instant } from '#domain/time';
import { startOfNext } from '#operations/add-grant';
import type { Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { queueNotice } from '#operations/queue-notice';
import { type ChangeTransaction, change } from '#storage/change';
import { grantsOf, insertGrants } from '#storage/grants';
import { insertPayment, type LockedPurchase, lockPurchase, setGranted } from '#storage/purchases';

export const purchaseNumber = z
  .string()
  .transform((text) => text.trim().toUpperCase())
  .refine((text) => /^P-[0-9A-Z]{8}$/.test(text))
  .describe(say`the number of a purchase, for example P-7K3M9QXA`);

/** How money comes in by hand. */
export const paymentFields = {
  method: z.enum(['cash', 'transfer']).describe(say`cash or transfer`),
  note: z
    .string()
    .regex(/^[^\p{Cc}]*$/u)
    .max(500)
    .default('')
    .describe(say`a line of at most 500 characters, for example BCA 20 Nov`),
};
export const settlePurchaseSchema = z.object({ number: purchaseNumber, ...paymentFields });
export type PaymentByHand = Pick<z.output<typeof settlePurchaseSchema>, 'method' | 'note'>;

export type Settled = {
  readonly grantId: number;
  readonly from: Instant;
  readonly until: Instant;
  /** It was settled before, and nothing was done now. */
  readonly alreadySettled: boolean;
};

/**
 * The money for a purchase is in hand: the payment, the grant, the notice to the subscriber and "enforcement is due now"
 * are one commit. Settled twice, also at the same moment, it is settled once. One that expired or was cancelled is
 * settled all the same: what was paid for is given.
 *
 * @throws InvalidInput for wrong fields, or when there is no purchase of that number
 */
export async function settlePurchase(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<Settled> {
  const { number, ...payment } = parseInput(settlePurchaseSchema, input);
  const detail: Record<string, unknown> = { number, ...payment };
  const why = { actor: desk.actor, why: 'settle purchase', detail };
  return change(desk.db, why, async (tx) => {
    const purchase = (await lockPurchase(tx, number)) ?? noSuchPurchase(number);
    Object.assign(why, { subscriberId: purchase.subscriberId });
    const settled = await settle(tx, desk, purchase, payment);
    Object.assign(detail, auditOf(purchase, settled));
    return settled;
  });
}

/** Settles a purchase in the caller's transaction; its row and its subscriber's are locked. `payment` null: it costs nothing. */
export async function settle(
  tx: ChangeTransaction,
  desk: Desk,
  purchase: LockedPurchase,
  payment: PaymentByHand | null,
): Promise<Settled> {
  const { grantId: before, from: begun, until: ended, subscriberId } = purchase;
  if (before !== null) return { grantId: before, from: begun!, until: ended!, alreadySettled: true };
  const at = desk.clock();
  const from = purchase.begins === 'now' ? at : startOfNext(await grantsOf(tx, subscriberId), at);
  const until = addPeriod(from, purchase.period, desk.zone);
  const [grantId] = (await insertGrants(tx, [
    { subscriberId, planRevisionId: purchase.planRevisionId, from, until },
  ])) as [number];
  await setGranted(tx, purchase.id, grantId, at);
  assert(payment !== null || purchase.priceRupiah === 0, 'what costs something is paid for');
  if (payment !== null && purchase.priceRupiah > 0) {
    const money = { ...payment, amountRupiah: purchase.priceRupiah, receivedAt: at, receivedBy: desk.actor };
    await insertPayment(tx, { purchaseId: purchase.id, subscriberId, ...money });
  }
  await queueNotice(tx, desk, {
    subscriberId,
    notice: 'activated',
    values: activation(desk, purchase, until),
    onceKey: `activated:${grantId}`,
  });
  await tx.mark([subscriberId]);
  return { grantId, from, until, alreadySettled: false };
}

function activation({ zone }: Desk, { addressee, plan, allowanceBytes, language }: LockedPurchase, until: Instant) {
  const unlimited = language === 'id' ? 'tanpa batas' : 'unlimited';
  return {
    name: addressee,
    plan,
    until: printLocalDateTime(until, zone, language),
    quota: allowanceBytes === null ? unlimited : printLocalBytes(allowanceBytes, language),
  };
}

/** What the audit says of a settlement. */
export function auditOf(purchase: LockedPurchase, { grantId, alreadySettled }: Settled): Record<string, unknown> {
  const { username, plan, priceRupiah, cancelledAt } = purchase;
  return { username, plan, priceRupiah, grantId, alreadySettled, wasCancelled: cancelledAt !== null };
}

export function noSuchPurchase(number: string): never {
  throw new InvalidInput([say`there is no purchase ${number}; see: purchase list`]);
}
