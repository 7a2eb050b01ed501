import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import { type Account, type Entry, transfer } from '#domain/ledger';
import { type Instant, localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { tellRefunded } from '#operations/money-notices';
import { taxOwed } from '#operations/settle-invoice';
import type { ChangeTransaction } from '#storage/change';
import { type Invoice, lockInvoice, setRecognised, setSettled } from '#storage/invoices';
import { creditOf, isPosted, post } from '#storage/ledger';
import { insertRefund, type KnownPayment, type RefundKind } from '#storage/payments';
import { takeGrantBack } from '#storage/purchases';
import { endRefundOrder, expenseOf, openRefundOrder, paidOf, type RefundOrder } from '#storage/refunds';

/** A payment that goes back, wholly or in part. */
export type Back = {
  readonly payment: KnownPayment;
  /** Out of whose money: a gateway's, the cash box, or our bank account. */
  readonly gateway: GatewayName | 'cash' | 'bank';
  readonly kind: RefundKind;
  readonly amountRupiah: Rupiah;
  readonly reason: string;
  /** Of the form that told of it by hand, so that it is told once. */
  readonly key?: string;
};

/**
 * Money went back, in the caller's transaction, the subscriber locked. What of a refund lay as the customer's credit leaves
 * that; the rest is our expense, and with all of what was paid refunded the package ends, and what of it was not earned yet
 * makes up for the expense. A reversal or a chargeback means that the money never was there: it leaves the customer's
 * credit, and what it settled is owed again.
 */
export async function takeBack(tx: ChangeTransaction, desk: Desk, told: Back): Promise<void> {
  const order = told.kind === 'chargeback' ? null : await openRefundOrder(tx, told.payment.id);
  // Midtrans cancels a card payment that is only captured where it is to refund it: told as a reversal, it is what we asked for.
  const back: Back = order === null ? told : { ...told, kind: 'refund' };
  const { payment, kind, amountRupiah } = back;
  const { subscriberId } = payment;
  const at = desk.clock();
  const invoice = payment.invoiceId === null ? null : await lockInvoice(tx, payment.invoiceId);
  const fromCredit = kind === 'refund' ? await creditPart(tx, back, invoice) : amountRupiah;
  const id = await insertBack(tx, desk, back, order);
  const from: Account = back.gateway === 'cash' || back.gateway === 'bank' ? back.gateway : `clearing:${back.gateway}`;
  await post(tx, {
    kind,
    reference: `${kind}:${id}`,
    subscriberId,
    at,
    day: localDate(at, desk.zone),
    entries: [
      ...transfer({ account: from }, { account: 'customer-credit', subscriberId }, fromCredit),
      ...transfer({ account: from }, { account: 'refund' }, amountRupiah - fromCredit),
    ],
    detail: { paymentId: payment.id },
  });
  if (kind === 'refund') await tellRefunded(tx, desk, id, { subscriberId, invoice, amountRupiah });
  if (invoice?.settledAt == null) return;
  if (kind === 'refund' && (await paidOf(tx, invoice.id)) <= 0) await endRefunded(tx, desk, invoice);
  if (kind !== 'refund' && (await creditOf(tx, subscriberId)) < 0) await unsettle(tx, desk, invoice);
  await tx.mark([subscriberId]);
}

/** The row of it. Where staff asked the gateway for this refund, it is theirs, and with all of it their order is done. */
async function insertBack(
  tx: ChangeTransaction,
  desk: Desk,
  { payment, kind, amountRupiah, reason, key }: Back,
  order: RefundOrder | null,
): Promise<number> {
  const at = desk.clock();
  const done = order !== null && payment.backRupiah + amountRupiah >= order.backRupiah;
  if (done) await endRefundOrder(tx, order.id, at, null);
  return insertRefund(tx, {
    paymentId: payment.id,
    kind,
    amountRupiah,
    at,
    by: order?.askedBy ?? desk.actor,
    reason: order?.reason ?? reason,
    key: key ?? (done ? order.key : null),
  });
}

/**
 * What of a refund the customer has as credit: all that did not settle anything, and what was paid for an invoice beyond
 * what it asked, as long as it is not spent.
 */
async function creditPart(tx: ChangeTransaction, { payment, amountRupiah }: Back, invoice: Invoice | null) {
  if (invoice?.settledAt == null) return amountRupiah;
  const surplus = (await paidOf(tx, invoice.id)) + (await expenseOf(tx, invoice.id)) - invoice.owedRupiah;
  const credit = await creditOf(tx, payment.subscriberId);
  return Math.max(0, Math.min(amountRupiah, surplus, credit));
}

const released = ({ id, settlements }: Invoice): string => `refund-released:${id}:${settlements}`;

/**
 * What was to be earned, and the tax of it, goes against the expense; what is over was paid out of credit and is that
 * again. Nothing further is earned.
 */
async function endRefunded(tx: ChangeTransaction, desk: Desk, invoice: Invoice): Promise<void> {
  const { subscriberId, recognisedRupiah } = invoice;
  const at = desk.clock();
  const tax = taxOwed(invoice);
  const net = invoice.owedRupiah - tax;
  const over = net - recognisedRupiah + tax;
  const expense = Math.min(over, Math.max(0, await expenseOf(tx, invoice.id)));
  const entries: Entry[] = [
    { account: 'deferred-revenue', amountRupiah: net - recognisedRupiah },
    { account: 'tax-payable', amountRupiah: tax },
    { account: 'refund', amountRupiah: -expense },
    { account: 'customer-credit', subscriberId, amountRupiah: expense - over },
  ];
  await postInvoice(tx, desk, invoice, { kind: 'refund-released', reference: released(invoice), at, entries });
  await setRecognised(tx, invoice.id, net);
  if (invoice.purchaseId !== null) await takeGrantBack(tx, invoice.purchaseId, at);
}

/**
 * The opposite of its settlement: what was earned so far is taken out of the revenue too, and it is owed again. What was
 * refunded of it at our expense is the customer's debt then, for all of what was paid comes back as credit.
 */
async function unsettle(tx: ChangeTransaction, desk: Desk, invoice: Invoice): Promise<void> {
  // Refunded wholly before: there is nothing of it that could be owed again.
  if (await isPosted(tx, released(invoice))) return;
  const { id, subscriberId, purchaseId, recognisedRupiah } = invoice;
  const at = desk.clock();
  const tax = taxOwed(invoice);
  const expense = await expenseOf(tx, id);
  const credit = { account: 'customer-credit', subscriberId } as const;
  const entries = [
    ...transfer(credit, { account: 'deferred-revenue' }, invoice.owedRupiah - tax - recognisedRupiah),
    ...transfer(credit, { account: 'revenue' }, recognisedRupiah),
    ...transfer(credit, { account: 'tax-payable' }, tax),
    ...transfer({ account: 'refund' }, credit, expense),
  ];
  await postInvoice(tx, desk, invoice, {
    kind: 'unsettled',
    reference: `unsettled:${id}:${invoice.settlements}`,
    at,
    entries,
  });
  await setSettled(tx, id, null);
  await setRecognised(tx, id, 0);
  if (purchaseId !== null) await takeGrantBack(tx, purchaseId, at);
}

async function postInvoice(
  tx: ChangeTransaction,
  desk: Desk,
  { subscriberId, number }: Invoice,
  of: { readonly kind: string; readonly reference: string; readonly at: Instant; readonly entries: readonly Entry[] },
): Promise<void> {
  const entries = of.entries.filter(({ amountRupiah }) => amountRupiah !== 0);
  await post(tx, { ...of, entries, subscriberId, day: localDate(of.at, desk.zone), detail: { invoice: number } });
}
