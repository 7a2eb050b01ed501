import { type Rupiah, totalOf } from '#domain/billing';
import type { Settings } from '#domain/settings';
import { addPeriod, DAY, HOUR, type Instant } from '#domain/time';
import { type PaidFor, paidFor } from '#operations/auto-pay-notices';
import type { Desk } from '#operations/desk';
import { taxOf } from '#operations/issue-invoice';
import { type AutoPay, type Renewal, renewalOf } from '#storage/auto-pay';
import type { Queryable } from '#storage/database';
import { type Invoice, invoiceWithId, openInvoices } from '#storage/invoices';

/** What auto-pay pays next. */
export type Due = {
  /** `invoice:<id>` of a postpaid line, or `cover:<its end>`: each is paid once. */
  readonly key: string;
  readonly what: PaidFor;
  readonly amountRupiah: Rupiah;
  /** From when on it is charged, if it was told long enough before. */
  readonly from: Instant;
  /** By when it should be paid: the cover ends, or the invoice is overdue. */
  readonly until: Instant;
  /** null: the order for the renewal is still to be placed. */
  readonly invoice: Invoice | null;
  /** null: it is an invoice that was issued. */
  readonly renewal: Renewal | null;
};

type Of = Pick<AutoPay, 'subscriberId' | 'planId' | 'begunAt' | 'workingOn' | 'invoiceId'>;

/** A cover that ended longer ago is not renewed without asking: nobody was waiting for it. */
export const LATE_MS = 3 * DAY;
/** So long before a charge the customer is told of it, and at least … */
const TOLD_BEFORE_MS = DAY;
/** … so long, where it was begun late; */
const LEAST_TOLD_MS = 12 * HOUR;
/** … but for this long before the end it is charged all the same. */
const LAST_MOMENT_MS = HOUR;

/**
 * What is to be paid next: what a postpaid line owes, the earliest due first, otherwise the cover of a prepaid one that
 * runs out. null: nothing, as far as can be seen now.
 */
export async function whatIsDue(q: Queryable, desk: Desk, billing: Settings['billing'], of: Of): Promise<Due | null> {
  const leadMs = billing.autoPayDays * DAY;
  const [open] = await openInvoices(q, of.subscriberId, 'period');
  if (open !== undefined) {
    const { id, number, owedRupiah, dueAt } = open;
    const due = { key: `invoice:${id}`, what: { number }, amountRupiah: owedRupiah, until: dueAt };
    return { ...due, from: Math.max(open.issuedAt, dueAt - leadMs), invoice: open, renewal: null };
  }
  const renewal = await renewalOf(q, of.subscriberId, of.planId);
  if (renewal === null || renewal.until < desk.clock() - LATE_MS || renewal.until <= of.begunAt) return null;
  const key = `cover:${renewal.until}`;
  const invoice = of.workingOn === key && of.invoiceId !== null ? await invoiceWithId(q, of.invoiceId) : null;
  const standing = invoice?.voidedAt === null ? invoice : null;
  const { plan, priceRupiah, until } = renewal;
  return {
    key,
    what: standing === null ? { plan } : await paidFor(q, standing),
    amountRupiah: standing?.owedRupiah ?? totalOf([{ amountRupiah: priceRupiah }], taxOf(billing)).totalRupiah,
    from: until - Math.min(leadMs, halfOf(renewal, desk)),
    until,
    invoice: standing,
    renewal,
  };
}

/** A package of a day is not bought a day before: that would be as soon as the one before it begins. */
const halfOf = ({ period, until }: Renewal, { zone }: Desk): number => (addPeriod(until, period, zone) - until) / 2;

/** When the customer is told of a charge. */
export const tellAt = ({ from }: Due): Instant => from - TOLD_BEFORE_MS;

/** When it is charged, told at `toldAt`. */
export const chargeAt = ({ from, until }: Due, toldAt: Instant): Instant =>
  Math.max(from, Math.min(toldAt + LEAST_TOLD_MS, until - LAST_MOMENT_MS));

const FIRST_RETRY_MS = 6 * HOUR;

/** When it is tried again after so many failures: the distance doubles. */
export const retryAt = (failures: number, now: Instant): Instant => now + FIRST_RETRY_MS * 2 ** (failures - 1);
