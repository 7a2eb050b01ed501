import { assert } from '#domain/assert';
import type { Rupiah } from '#domain/billing';
import { type Entry, transfer } from '#domain/ledger';
import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { grantPurchase } from '#operations/grant-purchase';
import type { ChangeTransaction } from '#storage/change';
import { type Invoice, setSettled } from '#storage/invoices';
import { post } from '#storage/ledger';
import { lockPurchaseById } from '#storage/purchases';

/**
 * An invoice is paid out of its subscriber's credit: the books, and what it was for (a package is granted, a postpaid line
 * owes it no longer), in the caller's transaction; the invoice and its subscriber are locked.
 */
export async function settleInvoice(tx: ChangeTransaction, desk: Desk, invoice: Invoice): Promise<void> {
  assert(invoice.settledAt === null, 'an invoice is settled once');
  const { id, subscriberId, purchaseId } = invoice;
  const at = desk.clock();
  await post(tx, {
    kind: 'settled',
    reference: `settled:${id}:${invoice.settlements + 1}`,
    subscriberId,
    at,
    day: localDate(at, desk.zone),
    entries: settlement(invoice),
    detail: { invoice: invoice.number },
  });
  const purchase = purchaseId === null ? null : await lockPurchaseById(tx, purchaseId, 'owner-locked');
  await setSettled(tx, id, at, purchase === null ? null : await grantPurchase(tx, desk, purchase));
  await tx.mark([subscriberId]);
}

/** From the customer's credit to what is to be earned, and to the tax that is not ours. */
function settlement(invoice: Invoice): Entry[] {
  const credit = { account: 'customer-credit', subscriberId: invoice.subscriberId } as const;
  const tax = taxOwed(invoice);
  return [
    ...transfer({ account: 'deferred-revenue' }, credit, invoice.owedRupiah - tax),
    ...transfer({ account: 'tax-payable' }, credit, tax),
  ];
}

/** The tax in what is owed: credit notes take their share of it away. */
export function taxOwed({ taxRupiah, totalRupiah, owedRupiah }: Invoice): Rupiah {
  if (totalRupiah === 0 || owedRupiah === totalRupiah) return owedRupiah === 0 ? 0 : taxRupiah;
  return Math.round((taxRupiah * owedRupiah) / totalRupiah);
}
