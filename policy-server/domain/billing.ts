/** The arithmetic of bills: periods from an anchor day, proration, discount, tax. Whole rupiah, no fractions anywhere. */
import { assert } from '#domain/assert';
import { DAY, type Instant, instantOfLocal } from '#domain/time';

/** A local date as `YYYY-MM-DD`. */
export type LocalDate = string;

/** An amount in whole rupiah. */
export type Rupiah = number;

export const LINE_KINDS = ['plan', 'proration', 'discount', 'tax', 'other'] as const;
export type LineKind = (typeof LINE_KINDS)[number];

/** One line of an invoice; discounts and what is given back are below zero. */
export type InvoiceLine = {
  readonly kind: LineKind;
  readonly description: string;
  readonly planRevisionId: number | null;
  readonly amountRupiah: Rupiah;
};

/** PPN as the company has set it: not at all, contained in the prices, or added to them. */
export type Tax = { readonly is: 'off' } | { readonly is: 'included' | 'added'; readonly permille: number };

/** How an invoice stands, computed from acts and time. */
export type InvoiceState = 'paid' | 'unpaid' | 'overdue' | 'void';

export function invoiceState(
  invoice: { readonly settledAt: Instant | null; readonly voidedAt: Instant | null; readonly dueAt: Instant },
  now: Instant,
): InvoiceState {
  if (invoice.voidedAt !== null) return 'void';
  if (invoice.settledAt !== null) return 'paid';
  return invoice.dueAt <= now ? 'overdue' : 'unpaid';
}

/** Days since 1970-01-01 of a local date. */
const dayNumber = (date: LocalDate): number => Date.parse(`${date}T00:00Z`) / DAY;
const dateOf = (day: number): LocalDate => new Date(day * DAY).toISOString().slice(0, 10);

/** The local date so many days later. */
export const addDays = (date: LocalDate, days: number): LocalDate => dateOf(dayNumber(date) + days);

/** Whole days from one local date to another. */
export const daysBetween = (from: LocalDate, to: LocalDate): number => dayNumber(to) - dayNumber(from);

/** The first instant of a local date. */
export const startOf = (date: LocalDate, zone: string): Instant => instantOfLocal(dayNumber(date) * DAY, zone);

/**
 * The first billing day after a date. The anchor is kept through short months: 31 bills on 30 April and on 31 May again.
 * `billingDay` is 1 to 31.
 */
export function nextBillingDay(after: LocalDate, billingDay: number): LocalDate {
  const [year, month] = [Number(after.slice(0, 4)), Number(after.slice(5, 7))];
  const here = billingDayOf(year, month, billingDay);
  return here > after ? here : billingDayOf(year, month + 1, billingDay);
}

/** The billing day in a month; `month` may be 13. */
function billingDayOf(year: number, month: number, billingDay: number): LocalDate {
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1, Math.min(billingDay, last))).toISOString().slice(0, 10);
}

/**
 * The part of a price for the rest of a span, `at` inside of it: in proportion to its time, rounded down to whole rupiah.
 * At the span's begin it is all, at its end nothing. What is left of one price and what is used of it add up to it.
 */
export function restOf(priceRupiah: Rupiah, from: Instant, until: Instant, at: Instant): Rupiah {
  assert(from < until && priceRupiah >= 0, 'a price is for a span of time');
  if (at <= from) return priceRupiah;
  if (at >= until) return 0;
  // Rupiah × milliseconds pass 2^53 at a few million rupiah a month.
  return Number((BigInt(priceRupiah) * BigInt(Math.floor(until - at))) / BigInt(Math.floor(until - from)));
}

/** A discount of a promo on a price, never more than it; above zero. */
export function discountOf(
  promo: { readonly percent: number | null; readonly fixedRupiah: Rupiah | null },
  priceRupiah: Rupiah,
): Rupiah {
  const price = Math.max(priceRupiah, 0);
  return Math.min(price, promo.percent === null ? promo.fixedRupiah! : Math.floor((price * promo.percent) / 100));
}

/** What lines come to: with `included` the tax is contained in the total, with `added` it is a line of its own. */
export function totalOf(
  lines: readonly Pick<InvoiceLine, 'amountRupiah'>[],
  tax: Tax,
): { readonly taxRupiah: Rupiah; readonly totalRupiah: Rupiah } {
  const sum = Math.max(
    0,
    lines.reduce((total, { amountRupiah }) => total + amountRupiah, 0),
  );
  if (tax.is === 'off') return { taxRupiah: 0, totalRupiah: sum };
  if (tax.is === 'included') {
    // Half a rupiah goes to the tax, as receipts round it.
    return { taxRupiah: Math.round((sum * tax.permille) / (1000 + tax.permille)), totalRupiah: sum };
  }
  const taxRupiah = Math.round((sum * tax.permille) / 1000);
  return { taxRupiah, totalRupiah: sum + taxRupiah };
}

/** `INV-2026-001`: the prefix, the year, the number padded to three places and longer where it is greater. */
export const printNumber = (prefix: string, year: number, number: number, places = 3): string =>
  `${prefix}-${year}-${String(number).padStart(places, '0')}`;
