import type { Desk } from '#operations/desk';
import { worthOf } from '#operations/held';
import type { Queryable } from '#storage/database';
import { heldGrantsById } from '#storage/held-grants';
import { type Invoice, linesOf } from '#storage/invoices';
import { replacedBy } from '#storage/purchases';
import { subscriptionOf } from '#storage/subscriptions';

/**
 * Of the price of what is given back, so much may have been used up between the order and its money: five days of thirty.
 * An order is good for one day, and so is a payment link unless it is set otherwise.
 */
const MOST_USED = 1 / 6;

/**
 * Whether what an invoice is for is still to be had as it was offered. Only of a change of package it may not be: it gives
 * back the rest of what the subscriber has, and that may be used up, replaced by another change, or its period over by
 * now. Money that comes for it then is credit: nobody gets the rest of a package twice.
 */
export async function offerStands(
  q: Queryable,
  { clock, zone }: Pick<Desk, 'clock' | 'zone'>,
  invoice: Pick<Invoice, 'id' | 'purchaseId' | 'subscriberId'>,
): Promise<boolean> {
  const purchase = invoice.purchaseId === null ? null : await replacedBy(q, invoice.purchaseId);
  if (purchase === null || (purchase.replaces.length === 0 && purchase.endsAt === null)) return true;
  const at = clock();
  const subscription = purchase.endsAt === null ? null : await subscriptionOf(q, invoice.subscriberId);
  if (purchase.endsAt !== null && (purchase.endsAt <= at || subscription === null)) return false;
  const held = await heldGrantsById(q, purchase.replaces);
  if (held.length < purchase.replaces.length) return false;
  const isOther = ({ id }: { readonly id: number }) => id !== subscription?.grantId;
  if (subscription !== null && held.some(isOther)) return false;
  const worth = held.reduce((sum, grant) => sum + worthOf(grant, subscription, { pricedAt: at, now: at }, zone), 0);
  const price = held.reduce((sum, { listRupiah, boughtRupiah }) => sum + (boughtRupiah ?? listRupiah), 0);
  const given = (await linesOf(q, invoice.id)).reduce(
    (sum, { kind, amountRupiah }) => (kind === 'proration' && amountRupiah < 0 ? sum - amountRupiah : sum),
    0,
  );
  return given - worth <= price * MOST_USED;
}
