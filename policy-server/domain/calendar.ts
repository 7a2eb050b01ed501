/** Spans of the local calendar, for figures by day and month. */
import { DAY, type Instant, instantOfLocal, localMidnight, nextLocalMidnight, wallClock } from '#domain/time';

/** A local day, week or month: `from` inclusive, `until` exclusive; `label` is `2026-11-20` (of a week its Monday) or `2026-11`. */
export type Span = { readonly label: string; readonly from: Instant; readonly until: Instant };

/** The first instant of the local month that contains `at`. */
export function localMonthStart(at: Instant, zone: string): Instant {
  const { year, month } = wallClock(at, zone);
  return instantOfLocal(Date.UTC(year, month - 1, 1), zone);
}

/** The first instant of the local month after the one that contains `at`. */
export function nextLocalMonthStart(at: Instant, zone: string): Instant {
  const { year, month } = wallClock(at, zone);
  return instantOfLocal(Date.UTC(year, month, 1), zone);
}

/** Every local day that has an instant in `from` ≤ at < `to`, whole, oldest first. */
export const localDays = (from: Instant, to: Instant, zone: string): Span[] =>
  spans(localMidnight(from, zone), to, zone, nextLocalMidnight, 10);

/** The first instant of the Monday of the local week that contains `at`, or of one that many weeks later. */
export function localWeekStart(at: Instant, zone: string, later = 0): Instant {
  const { year, month, day } = wallClock(at, zone);
  const date = Date.UTC(year, month - 1, day);
  const sinceMonday = (new Date(date).getUTCDay() + 6) % 7;
  return instantOfLocal(date + (7 * later - sinceMonday) * DAY, zone);
}

/** Every local week (Monday to Sunday) that has an instant in `from` ≤ at < `to`, whole, oldest first. */
export const localWeeks = (from: Instant, to: Instant, zone: string): Span[] =>
  spans(localWeekStart(from, zone), to, zone, (at) => localWeekStart(at, zone, 1), 10);

/** Every local month that has an instant in `from` ≤ at < `to`, whole, oldest first. */
export const localMonths = (from: Instant, to: Instant, zone: string): Span[] =>
  spans(localMonthStart(from, zone), to, zone, nextLocalMonthStart, 7);

/** More than anybody looks at: a mistyped year must not become a million spans. */
const MOST_SPANS = 4_000;

function spans(
  first: Instant,
  to: Instant,
  zone: string,
  next: (at: Instant, zone: string) => Instant,
  labelLength: number,
): Span[] {
  const all: Span[] = [];
  for (let from = first; from < to && all.length < MOST_SPANS; from = all.at(-1)!.until) {
    const { year, month, day } = wallClock(from, zone);
    const label = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`.slice(0, labelLength);
    all.push({ label, from, until: next(from, zone) });
  }
  return all;
}
