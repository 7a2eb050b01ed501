import { addDays, type InvoiceLine, type LocalDate, type Rupiah, startOf } from '#domain/billing';
import { type Language, printLocalDate } from '#domain/print-local';
import { LATE_RUN_MS, type PeriodCharge, periodCharge } from '#domain/proration';
import { type Instant, localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { type InvoiceOrder, issueInvoices } from '#operations/issue-invoice';
import { payFromCredit } from '#operations/receive-payment';
import { type ChangeTransaction, change } from '#storage/change';
import { readSettings } from '#storage/settings';
import {
  countDue,
  type DuePeriod,
  lockDuePeriods,
  type Moved,
  movePeriods,
  subscribersDue,
  withCredit,
} from '#storage/subscriptions';

/** Subscribers of one commit. Whoever else issues an invoice meanwhile waits for it, some tenths of a second. */
const BATCH = 100;

export type InvoiceRun = {
  readonly subscribers: number;
  readonly invoices: number;
  readonly rupiah: Rupiah;
  /** Settled at once, out of their subscribers' credit. */
  readonly settled: number;
};

export type RunOptions = {
  /** Aborted, no further batch is begun. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, of: number) => void;
};

const NOTHING: InvoiceRun = { subscribers: 0, invoices: 0, rupiah: 0, settled: 0 };

/**
 * Bills every period that has begun and is not billed yet, also several of one subscription after an outage: invoice,
 * cover of the period that runs, and the move to the next one are one commit, a hundred subscribers at a time. Run again,
 * killed in the middle or run by two nodes at once, each period is billed once: the subscription says what is next.
 */
export async function runInvoices(desk: Desk, { signal, onProgress }: RunOptions = {}): Promise<InvoiceRun> {
  const today = localDate(desk.clock(), desk.zone);
  const all = onProgress === undefined ? 0 : await countDue(desk.db, today);
  let total = NOTHING;
  while (signal?.aborted !== true) {
    const ids = await subscribersDue(desk.db, today, BATCH);
    if (ids.length === 0) break;
    const detail: Record<string, unknown> = {};
    const why = { actor: desk.actor, why: 'issue period invoices', detail };
    const batch = await change(desk.db, why, async (tx) => {
      const done = await billDue(tx, desk, ids, today);
      Object.assign(detail, done);
      return done;
    });
    total = sum(total, batch);
    onProgress?.(total.subscribers, Math.max(all, total.subscribers));
  }
  return total;
}

const sum = (one: InvoiceRun, other: InvoiceRun): InvoiceRun => ({
  subscribers: one.subscribers + other.subscribers,
  invoices: one.invoices + other.invoices,
  rupiah: one.rupiah + other.rupiah,
  settled: one.settled + other.settled,
});

/** Bills what is due of these subscribers by the local date `today`, in the caller's transaction; their rows are locked here. */
export async function billDue(
  tx: ChangeTransaction,
  desk: Desk,
  subscriberIds: readonly number[],
  today: LocalDate,
): Promise<InvoiceRun> {
  const due = await lockDuePeriods(tx, subscriberIds, today);
  if (due.length === 0) return NOTHING;
  const { billing } = await readSettings(tx);
  const orders: InvoiceOrder[] = [];
  const moved: Moved[] = [];
  for (const one of due) {
    const periods = periodsUpTo(one, today, desk.zone);
    // Nobody owes nothing: an invoice over nothing would be overdue all the same.
    const asked = periods.filter(({ amountRupiah }) => amountRupiah > 0);
    orders.push(...asked.map((period) => periodOrder(one, period, desk.zone)));
    moved.push(movedTo(one, periods.at(-1)!, desk.zone));
  }
  const issued = await issueInvoices(tx, desk, billing, orders);
  await movePeriods(tx, moved);
  const ids = due.map((one) => one.subscriberId);
  let settled = 0;
  for (const id of await withCredit(tx, ids)) settled += await payFromCredit(tx, desk, id);
  await tx.mark(ids);
  const rupiah = issued.reduce((all, { totalRupiah }) => all + totalRupiah, 0);
  return { subscribers: due.length, invoices: issued.length, rupiah, settled };
}

/** Every period from the next one to the one that runs today. */
function periodsUpTo({ priceRupiah, nextOn, billingDay }: DuePeriod, today: LocalDate, zone: string): PeriodCharge[] {
  const periods: PeriodCharge[] = [];
  for (let from = nextOn; from <= today; ) {
    const period = periodCharge(priceRupiah, from, billingDay, zone);
    periods.push(period);
    from = period.until;
  }
  return periods;
}

/** Periods that are over need no cover any more: what was not given cannot be given afterwards. */
function movedTo(one: DuePeriod, last: PeriodCharge, zone: string): Moved {
  const { id, subscriberId, grantId, planRevisionId } = one;
  return {
    id,
    subscriberId,
    nextOn: last.until,
    before: grantId === null ? null : { grantId, endsAt: startOf(one.nextOn, zone) },
    cover: { planRevisionId, from: startOf(last.from, zone), until: startOf(last.until, zone) + LATE_RUN_MS },
  };
}

const periodOrder = (one: DuePeriod, period: PeriodCharge, zone: string): InvoiceOrder => ({
  subscriberId: one.subscriberId,
  kind: 'period',
  subscriptionId: one.id,
  lines: [periodLine(one, period, zone)],
  service: { from: startOf(period.from, zone), until: startOf(period.until, zone) },
});

/** `Home 20 (21 Nov 2026 – 30 Nov 2026, 10 dari 30 hari)`: what, for when, and why it is less than a whole period's price. */
function periodLine(
  { plan, planRevisionId, language }: DuePeriod,
  { from, until, days, ofDays, amountRupiah }: PeriodCharge,
  zone: string,
): InvoiceLine {
  const span = spanWords(startOf(from, zone), startOf(addDays(until, -1), zone), zone, language);
  const share = language === 'id' ? `${days} dari ${ofDays} hari` : `${days} of ${ofDays} days`;
  return days === ofDays
    ? { kind: 'plan', description: `${plan} (${span})`, planRevisionId, amountRupiah }
    : { kind: 'proration', description: `${plan} (${span}, ${share})`, planRevisionId, amountRupiah };
}

/** From a day to another one, both meant, as the lines of invoices say it. */
export const spanWords = (from: Instant, to: Instant, zone: string, language: Language): string =>
  `${printLocalDate(from, zone, language)} – ${printLocalDate(to, zone, language)}`;
