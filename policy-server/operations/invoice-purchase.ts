import type { InvoiceLine } from '#domain/billing';
import type { Desk } from '#operations/desk';
import { issueInvoice } from '#operations/issue-invoice';
import type { Queryable } from '#storage/database';
import { type Invoice, lockInvoice } from '#storage/invoices';
import type { LockedPurchase } from '#storage/purchases';
import { readSettings } from '#storage/settings';

/**
 * The invoice of a purchase that costs something, in the caller's transaction, the purchase and its subscriber locked.
 * `further`: discounts and what is given back for the package that is replaced, below zero.
 */
export async function invoicePurchase(
  tx: Queryable,
  desk: Desk,
  purchase: LockedPurchase,
  further: readonly InvoiceLine[] = [],
  promoId?: number,
): Promise<Invoice> {
  const { id, subscriberId, plan, planRevisionId, priceRupiah } = purchase;
  const { billing } = await readSettings(tx);
  const line: InvoiceLine = { kind: 'plan', description: plan, planRevisionId, amountRupiah: priceRupiah };
  const promo = promoId === undefined ? {} : { promoId };
  const order = { subscriberId, kind: 'package', purchaseId: id, lines: [line, ...further], ...promo } as const;
  const issued = await issueInvoice(tx, desk, billing, order);
  return (await lockInvoice(tx, issued.id))!;
}
