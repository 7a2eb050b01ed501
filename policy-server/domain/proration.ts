/**
 * What a part of a period costs, and what the rest of something held is worth. Whole rupiah; whatever is split adds up to
 * what it was before.
 */
import { assert } from '#domain/assert';
import { addDays, daysBetween, type LocalDate, nextBillingDay, type Rupiah, restOf, startOf } from '#domain/billing';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';

/** From one billing day to the next, as local dates; `until` is the first day after it. */
export type BillingPeriod = { readonly from: LocalDate; readonly until: LocalDate };

/** The whole period in which a date lies. */
export function billingPeriod(on: LocalDate, billingDay: number): BillingPeriod {
  // No period is longer than 31 days, so the billing day before `on`, or `on` itself, comes next after 31 days earlier.
  let from = nextBillingDay(addDays(on, -32), billingDay);
  for (let next = nextBillingDay(from, billingDay); next <= on; next = nextBillingDay(from, billingDay)) from = next;
  return { from, until: nextBillingDay(from, billingDay) };
}

/** What is asked for the service from a date to the next billing day. */
export type PeriodCharge = BillingPeriod & {
  readonly amountRupiah: Rupiah;
  readonly days: number;
  /** Of the whole period. */
  readonly ofDays: number;
};

/** A price is for a whole period; of one that begins between two billing days its share is asked. */
export function periodCharge(priceRupiah: Rupiah, from: LocalDate, billingDay: number, zone: string): PeriodCharge {
  const whole = billingPeriod(from, billingDay);
  return {
    from,
    until: whole.until,
    amountRupiah: restOf(priceRupiah, startOf(whole.from, zone), startOf(whole.until, zone), startOf(from, zone)),
    days: daysBetween(from, whole.until),
    ofDays: daysBetween(whole.from, whole.until),
  };
}

/** A package that somebody has, by what it cost them. */
export type Held = {
  /** For all of the time from `from` to `until`. */
  readonly priceRupiah: Rupiah;
  readonly from: Instant;
  readonly until: Instant;
  /** When theirs begins: `from`, or later in the period of a subscription. */
  readonly begins: Instant;
  /** What of theirs was not paid, or was given back: discounts, credit notes, refunds. */
  readonly lessRupiah: Rupiah;
  readonly allowanceBytes: number | null;
  readonly usedBytes: number;
};

/**
 * What the rest of something held is worth at an instant: its share of the time that is left or, of a limited package,
 * its share of the data that is left where that is less, for both are needed to use the rest. Data counts in whole percent,
 * a begun one as whole, so that a price that was shown holds while the line is used.
 */
export function restOfHeld(held: Held, at: Instant): Rupiah {
  const byTime = worthByTime(held, at);
  if (held.allowanceBytes === null) return byTime;
  const share = Math.max(0, (held.allowanceBytes - held.usedBytes) / held.allowanceBytes);
  const percent = Math.min(100, Math.ceil(share * 100));
  return Math.min(byTime, Math.floor((worthByTime(held, held.begins) * percent) / 100));
}

function worthByTime({ priceRupiah, from, until, begins, lessRupiah }: Held, at: Instant): Rupiah {
  const when = Math.max(at, begins);
  if (when >= until) return 0;
  const rest = restOf(priceRupiah, from, until, when);
  // What was never paid is taken off rounded up, so that no rupiah comes from nowhere.
  const less = lessRupiah - restOf(lessRupiah, begins, until, begins + until - when);
  return Math.max(0, rest - less);
}

/** A price less what is given back, which is never more than it; what is over is for the customer's credit. */
export function giveBack(
  priceRupiah: Rupiah,
  rests: readonly Rupiah[],
): { readonly givenRupiah: readonly Rupiah[]; readonly overRupiah: Rupiah } {
  assert(priceRupiah >= 0 && rests.every((rest) => rest >= 0), 'prices and rests are not below zero');
  let left = priceRupiah;
  const givenRupiah = rests.map((rest) => {
    const given = Math.min(rest, left);
    left -= given;
    return given;
  });
  const all = rests.reduce((sum, rest) => sum + rest, 0);
  return { givenRupiah, overRupiah: all - (priceRupiah - left) };
}

/** Prices that follow the time change at full minutes, so that what was shown can be accepted. */
export const minuteOf = (at: Instant): Instant => Math.floor(at / MINUTE) * MINUTE;

/**
 * Until when a package that is changed for another one counts as used: in begun hours, and at least one as soon as it was
 * used at all, however early it was priced. Otherwise whoever changes to and fro often enough would use it for nothing.
 */
export const usedUntil = (begins: Instant, pricedAt: Instant, now: Instant): Instant =>
  now <= begins ? begins : begins + Math.max(1, Math.ceil((pricedAt - begins) / HOUR)) * HOUR;

/**
 * How long the cover of a subscription's period outlasts it. The run that brings the next period cuts it at the period's
 * end; a run that is late, or a server that was down over a weekend, walls nobody.
 */
export const LATE_RUN_MS = 2 * DAY;

/** When cover ends as people are told: that of a subscription at the end of its period, though it outlasts it a little. */
export const toldEnd = (end: Instant, periodEnd: Instant, now: Instant): Instant =>
  periodEnd > now && end > periodEnd && end <= periodEnd + LATE_RUN_MS ? periodEnd : end;
