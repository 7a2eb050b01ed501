import { assert } from '#domain/assert';
import type { Rupiah } from '#domain/billing';
import { type Account, transfer } from '#domain/ledger';
import { type Instant, localDate } from '#domain/time';
import { offerStands } from '#operations/change-offer';
import type { Desk } from '#operations/desk';
import { tellReceived } from '#operations/money-notices';
import { settleInvoice } from '#operations/settle-invoice';
import type { ChangeTransaction } from '#storage/change';
import { type Invoice, openInvoices } from '#storage/invoices';
import { creditOf, post } from '#storage/ledger';
import { type GatewayPayment, insertPayment } from '#storage/payments';

export type Money = {
  readonly subscriberId: number;
  /** What it is meant for, locked; null: it becomes credit. */
  readonly invoice: Invoice | null;
  readonly amountRupiah: Rupiah;
  /** Such as `cash`, `transfer`, `qris`. */
  readonly method: string;
  /** null: it came in by hand. */
  readonly gateway: GatewayPayment | null;
  readonly receivedAt: Instant;
  readonly note?: string;
  /** Whoever calls tells the subscriber of it; otherwise it is told here that it came. */
  readonly told?: true;
  /** Where it lies in the books; by gateway or method when left out. */
  readonly from?: Account;
};

export type Received = {
  /** null: this payment was received before, and nothing was done now. */
  readonly paymentId: number | null;
  /** Whether the invoice was settled by it. */
  readonly settled: boolean;
  /** What is left as credit of the subscriber, with what was there before. */
  readonly creditRupiah: Rupiah;
};

/**
 * Money came in: the payment, the books and what it settles are in the caller's transaction, the subscriber locked. It is
 * the subscriber's credit first; where that reaches what the invoice asks, the invoice is settled, also a void one: what was
 * paid for is given, but for a change of package that is no longer to be had. What is over stays as credit. A payment of a gateway counts once, however often it is told.
 */
export async function receivePayment(tx: ChangeTransaction, desk: Desk, money: Money): Promise<Received> {
  const { subscriberId, invoice, amountRupiah, gateway, receivedAt } = money;
  assert(amountRupiah > 0, 'a payment is of some money');
  assert(invoice === null || invoice.subscriberId === subscriberId, 'an invoice is paid for its own subscriber');
  const paymentId = await insertPayment(tx, {
    subscriberId,
    invoiceId: invoice?.id ?? null,
    purchaseId: invoice?.purchaseId ?? null,
    gateway,
    method: money.method,
    amountRupiah,
    receivedAt,
    receivedBy: desk.actor,
    note: money.note ?? '',
  });
  if (paymentId === null) return { paymentId, settled: false, creditRupiah: await creditOf(tx, subscriberId) };
  const at = desk.clock();
  await post(tx, {
    kind: 'payment',
    reference: gateway === null ? `payment:hand:${paymentId}` : `payment:${gateway.name}:${gateway.ref}`,
    subscriberId,
    at,
    day: localDate(at, desk.zone),
    entries: transfer({ account: 'customer-credit', subscriberId }, { account: accountOf(money) }, amountRupiah),
    detail: { paymentId },
  });
  if (money.told !== true) await tellReceived(tx, desk, paymentId, money);
  const settled = invoice !== null && (await settleWith(tx, desk, invoice, amountRupiah));
  return { paymentId, settled, creditRupiah: await creditOf(tx, subscriberId) };
}

const accountOf = ({ gateway, method, from }: Money): Account => {
  if (from !== undefined) return from;
  if (gateway !== null) return `clearing:${gateway.name}`;
  return method === 'cash' ? 'cash' : 'bank';
};

/** Settles an invoice, locked, when the credit of its subscriber reaches what it asks; returns whether it did. */
export const settleFromCredit = (tx: ChangeTransaction, desk: Desk, invoice: Invoice): Promise<boolean> =>
  settleWith(tx, desk, invoice, 0);

/** Somebody who owes us from before gets what they paid for now all the same: `paidRupiah` for this invoice is enough. */
async function settleWith(tx: ChangeTransaction, desk: Desk, invoice: Invoice, paidRupiah: Rupiah): Promise<boolean> {
  const { owedRupiah, settledAt, subscriberId } = invoice;
  if (settledAt !== null) return false;
  if (paidRupiah < owedRupiah && (await creditOf(tx, subscriberId)) < owedRupiah) return false;
  if (!(await offerStands(tx, desk, invoice))) return false;
  await settleInvoice(tx, desk, invoice);
  return true;
}

/** Settles what a postpaid line owes out of its credit, the earliest due first, the subscriber locked; returns how many. */
export async function payFromCredit(tx: ChangeTransaction, desk: Desk, subscriberId: number): Promise<number> {
  let settled = 0;
  for (const invoice of await openInvoices(tx, subscriberId, 'period')) {
    if (!(await settleFromCredit(tx, desk, invoice))) break;
    settled += 1;
  }
  return settled;
}
