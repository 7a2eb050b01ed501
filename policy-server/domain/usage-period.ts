/**
 * Usage counted by the day, the week and the month. A grant is charged as a whole; what of that belongs to the period that
 * runs is told by what had been charged when each period began, so that six numbers do for any rule that a policy may get.
 */
import { localMonthStart, localWeekStart, nextLocalMonthStart } from '#domain/calendar';
import type { Grant } from '#domain/facts';
import { USAGE_ANCHORS, USAGE_SPANS, type UsagePeriod } from '#domain/policy';
import { addPeriod, DAY, FARTHEST, type Instant, localMidnight, NEVER, nextLocalMidnight } from '#domain/time';

/**
 * What of a grant's usage was charged before each of its present periods. It grows with usage alone: that a period is over is
 * seen by `lastAt`, when somebody asks.
 */
export type Metered = {
  /** An instant of usage in the newest of the periods that were charged; every period that began later has used nothing. */
  readonly lastAt: Instant;
  /** `usedBytes` when the period of each of `METERED_PERIODS` began in which `lastAt` lies, late records of earlier ones included. */
  readonly bases: readonly number[];
};

/** The periods that are metered, in the order of `Metered.bases`. */
export const METERED_PERIODS: readonly UsagePeriod[] = USAGE_ANCHORS.flatMap((from) =>
  USAGE_SPANS.map((every) => ({ every, from })),
);

type Span = { readonly from: Instant; readonly until: Instant };

/**
 * The period in which an instant lies, `from` inclusive, `until` exclusive. Of the calendar: the company's days, weeks from
 * Monday and months. From a renewal (`anchor`): as many of them after it, at its local time of day; months keep its day of
 * the month through short ones.
 */
export function periodAt(period: UsagePeriod, anchor: Instant, zone: string, at: Instant): Span {
  // Past the calendar's ends there are no days.
  if (!(Math.abs(at) < FARTHEST - 400 * DAY))
    return at > 0 ? { from: at, until: NEVER } : { from: -NEVER, until: NO_DAYS };
  return period.from === 'calendar'
    ? calendarPeriod(period.every, zone, at)
    : renewalPeriod(period.every, anchor, zone, at);
}

const NO_DAYS = -(FARTHEST - 400 * DAY);

function calendarPeriod(every: UsagePeriod['every'], zone: string, at: Instant): Span {
  if (every === 'day') return { from: localMidnight(at, zone), until: nextLocalMidnight(at, zone) };
  if (every === 'week') return { from: localWeekStart(at, zone), until: localWeekStart(at, zone, 1) };
  return { from: localMonthStart(at, zone), until: nextLocalMonthStart(at, zone) };
}

const LONGEST: Readonly<Record<UsagePeriod['every'], number>> = { day: DAY, week: 7 * DAY, month: 31 * DAY };

function renewalPeriod(every: UsagePeriod['every'], anchor: Instant, zone: string, at: Instant): Span {
  const beginning = (n: number): Instant => {
    // The anchor may be the second of two equal times of a day on which the clock is set back.
    if (n === 0) return anchor;
    return addPeriod(anchor, every === 'month' ? { months: n } : { days: every === 'week' ? 7 * n : n }, zone);
  };
  let number = Math.floor((at - anchor) / LONGEST[every]);
  let from = beginning(number);
  while (from > at) from = beginning(--number);
  for (let until = beginning(number + 1); ; until = beginning(number + 1)) {
    if (at < until) return { from, until };
    from = until;
    number += 1;
  }
}

type Charged = Pick<Grant, 'from' | 'usedBytes' | 'metered'>;

/**
 * Bytes charged to a grant in the period in which an instant lies. Time alone only ever lowers it, to 0 where the next period
 * begins. An instant before usage that is charged already (a clock that is behind) is answered for as that usage's instant.
 * Usage from before there was metering counts only where all of the grant lies in the period.
 */
export function usedIn(grant: Charged, period: UsagePeriod, zone: string, at: Instant): number {
  const { metered, usedBytes } = grant;
  const { from } = periodAt(period, grant.from, zone, Math.max(at, metered?.lastAt ?? at));
  if (metered === null) return from <= grant.from ? usedBytes : 0;
  return metered.lastAt < from ? 0 : usedBytes - (metered.bases[indexOf(period)] ?? 0);
}

/** The end of the period that `usedIn` answers for. */
export function usedUntil(grant: Charged, period: UsagePeriod, zone: string, at: Instant): Instant {
  return periodAt(period, grant.from, zone, Math.max(at, grant.metered?.lastAt ?? at)).until;
}

/**
 * The metering of a grant after `bytes` more were used at an instant; `grant` is as before. The same object where nothing
 * changes but `usedBytes`, which is nearly always.
 */
export function meter(grant: Charged, zone: string, at: Instant, bytes: number): Metered {
  const { metered, usedBytes } = grant;
  if (metered !== null && isSameDay(grant.from, zone, metered.lastAt, at)) return metered;
  const lastAt = Math.max(at, metered?.lastAt ?? at);
  const bases = METERED_PERIODS.map((period, index) => {
    const { from } = periodAt(period, grant.from, zone, lastAt);
    // A late record of an earlier period is no usage of the one that runs.
    const late = at < from ? bytes : 0;
    if (metered === null) return late + (from <= grant.from ? 0 : usedBytes);
    return late + (metered.lastAt < from ? usedBytes : metered.bases[index]!);
  });
  return { lastAt, bases };
}

/** Every week and month begins with a day of its kind, so within one day of both kinds no period begins. */
function isSameDay(anchor: Instant, zone: string, one: Instant, other: Instant): boolean {
  return METERED_DAYS.every((day) => {
    const { from, until } = periodAt(day, anchor, zone, one);
    return from <= other && other < until;
  });
}

const METERED_DAYS = METERED_PERIODS.filter(({ every }) => every === 'day');

const indexOf = (period: UsagePeriod): number =>
  USAGE_ANCHORS.indexOf(period.from) * USAGE_SPANS.length + USAGE_SPANS.indexOf(period.every);
