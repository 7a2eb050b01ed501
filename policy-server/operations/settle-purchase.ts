import { z } from 'zod';
import { assert } from '#domain/assert';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { offerStands } from '#operations/change-offer';
import type { Desk } from '#operations/desk';
import { grantPurchase, type Settled } from '#operations/grant-purchase';
import { parseInput } from '#operations/input';
import { invoicePurchase } from '#operations/invoice-purchase';
import { receivePayment, settleFromCredit } from '#operations/receive-payment';
import { type ChangeTransaction, change } from '#storage/change';
import { invoiceOfPurchase } from '#storage/invoices';
import { type LockedPurchase, lockPurchase } from '#storage/purchases';

export type { Settled } from '#operations/grant-purchase';

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

/**
 * Settles a purchase in the caller's transaction; its row and its subscriber's are locked. The money is what its invoice
 * asks; `payment` null: it costs nothing.
 */
export async function settle(
  tx: ChangeTransaction,
  desk: Desk,
  purchase: LockedPurchase,
  payment: PaymentByHand | null,
): Promise<Settled> {
  if (purchase.grantId !== null || purchase.priceRupiah === 0) return grantPurchase(tx, desk, purchase);
  const invoice = (await invoiceOfPurchase(tx, purchase.id)) ?? (await invoicePurchase(tx, desk, purchase));
  const { subscriberId, number } = purchase;
  if (invoice.settledAt !== null) {
    throw new InvalidInput([say`purchase ${number} was paid and the money given back; order the package anew`]);
  }
  const { owedRupiah: amountRupiah } = invoice;
  if (!(await offerStands(tx, desk, invoice))) {
    throw new InvalidInput([say`what the change ${number} gives back is used up by now; cancel it and change again`]);
  }
  // A promo may have left nothing to pay.
  if (amountRupiah === 0) await settleFromCredit(tx, desk, invoice);
  else {
    assert(payment !== null, 'what costs something is paid for');
    const receivedAt = desk.clock();
    await receivePayment(tx, desk, { ...payment, subscriberId, invoice, amountRupiah, gateway: null, receivedAt });
  }
  const granted = await lockPurchase(tx, number);
  assert(granted?.grantId != null, 'a purchase that was paid is granted');
  return { grantId: granted.grantId, from: granted.from!, until: granted.until!, alreadySettled: false };
}

/** What the audit says of a settlement. */
export function auditOf(purchase: LockedPurchase, { grantId, alreadySettled }: Settled): Record<string, unknown> {
  const { username, plan, priceRupiah, cancelledAt } = purchase;
  return { username, plan, priceRupiah, grantId, alreadySettled, wasCancelled: cancelledAt !== null };
}

export function noSuchPurchase(number: string): never {
  throw new InvalidInput([say`there is no purchase ${number}; see: purchase list`]);
}
