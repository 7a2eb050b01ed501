/**
 * Time as the domain speaks it: instants are milliseconds since the UNIX epoch (UTC) in a plain number, durations say
 * their unit in their name, and wall-clock questions are asked in the company's zone (Asia/Jakarta, Asia/Makassar,
 * Asia/Jayapura, or any other IANA zone, with daylight saving or without). Nothing in here reads a clock: `clock.ts`
 * alone does.
 */
import type { Period } from '#domain/plan';
import { offsetSpan } from '#domain/zone';

export { isZone } from '#domain/zone';

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** "No instant": later than every instant. Printed as "never", stored as PostgreSQL's 'infinity'. */
export const NEVER: Instant = Number.POSITIVE_INFINITY;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The calendar's end on either side (ECMA-262, 21.4.1.1): past it no wall clock shows anything. */
export const FARTHEST: Instant = 8.64e15;

/** What a clock on the wall and a calendar beside it show; `month` 1–12, `weekday` 0 = Sunday … 6 = Saturday. */
export type WallClock = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  readonly weekday: number;
};

/** Milliseconds by which the zone's wall clock is ahead of UTC at an instant. */
export function zoneOffsetMs(at: Instant, zone: string): number {
  return offsetSpan(at, zone).offsetMs;
}

/** The wall clock of a finite instant in a zone. */
export function wallClock(at: Instant, zone: string): WallClock {
  const local = new Date(at + zoneOffsetMs(at, zone));
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    millisecond: local.getUTCMilliseconds(),
    weekday: local.getUTCDay(),
  };
}

/** The local date of an instant as `YYYY-MM-DD`. */
export function localDate(at: Instant, zone: string): string {
  return new Date(at + zoneOffsetMs(at, zone)).toISOString().slice(0, 10);
}

/** The first instant of the local day that contains `at` (not always 00:00: some zones skip midnight once a year). */
export function localMidnight(at: Instant, zone: string): Instant {
  const local = at + zoneOffsetMs(at, zone);
  return instantOfLocal(Math.floor(local / DAY) * DAY, zone);
}

/** The first instant of the local day after the one that contains `at`. */
export function nextLocalMidnight(at: Instant, zone: string): Instant {
  const local = at + zoneOffsetMs(at, zone);
  return instantOfLocal((Math.floor(local / DAY) + 1) * DAY, zone);
}

/**
 * The end of a period that begins at an instant: the same time of day so many local days or calendar months later.
 * Months keep the day of the month where the month has it and else take its last (31 Jan → 28 Feb); a chain of months
 * that must come back to the 31st has to count from its anchor: `addPeriod(anchor, { months: n }, zone)`.
 */
export function addPeriod(from: Instant, period: Period, zone: string): Instant {
  const local = from + zoneOffsetMs(from, zone);
  if ('days' in period) return instantOfLocal(local + period.days * DAY, zone);
  const date = new Date(local);
  const monthIndex = date.getUTCFullYear() * 12 + date.getUTCMonth() + period.months;
  const year = Math.floor(monthIndex / 12);
  const month = monthIndex - year * 12;
  const day = Math.min(date.getUTCDate(), daysInMonth(year, month + 1));
  const timeOfDay = local - Math.floor(local / DAY) * DAY;
  return instantOfLocal(Date.UTC(year, month, day) + timeOfDay, zone);
}

/**
 * Reads an instant as people write it: ISO 8601 with `Z` or an offset (`2026-11-20T18:00+07:00`, seconds and fraction
 * optional), or a date alone (`2026-11-20`), which is the first instant of that day in the zone. A time without an
 * offset is refused rather than guessed. Null for anything else, including dates the calendar does not have.
 */
export function parseInstant(text: string, zone: string): Instant | null {
  const match = ISO.exec(text.trim());
  if (match === null) return null;
  const [, year, month, day, hour, minute, second = '00', fraction = '', offset] = match;
  const dayNumber = Number(day);
  if (Number(month) < 1 || Number(month) > 12 || dayNumber < 1) return null;
  if (dayNumber > daysInMonth(Number(year), Number(month))) return null;
  const date = Date.UTC(Number(year), Number(month) - 1, dayNumber);
  if (offset === undefined) return instantOfLocal(date, zone);
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  const offsetMs = parseOffset(offset);
  if (offsetMs === null) return null;
  const milliseconds = Number(fraction.padEnd(3, '0').slice(0, 3));
  return date + Number(hour) * HOUR + Number(minute) * MINUTE + Number(second) * SECOND + milliseconds - offsetMs;
}

const ISO = /^([1-9]\d{3})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?))?$/;

function parseOffset(text: string): number | null {
  if (text === 'Z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(3).replace(':', '') || '0');
  if (hours > 18 || minutes > 59) return null;
  return (text[0] === '-' ? -1 : 1) * (hours * HOUR + minutes * MINUTE);
}

function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/**
 * The instant at which a zone's wall clock shows `local` (milliseconds as if the wall clock were UTC). A time the clock
 * skips is moved on by what was skipped, of a time it shows twice the first is taken (RFC 5545 section 3.3.5).
 */
export function instantOfLocal(local: number, zone: string): Instant {
  const before = offsetSpan(local - DAY, zone).offsetMs;
  const early = local - before;
  // The offset of a day earlier is the one before a change near `local`, if there is one.
  if (offsetSpan(early, zone).offsetMs === before) return early;
  const late = local - offsetSpan(early, zone).offsetMs;
  return late + zoneOffsetMs(late, zone) === local ? late : early;
}

/** A daily span of wall-clock time, `from` inclusive to `to` exclusive; it runs past midnight when `to` is earlier. */
export type Window = {
  /** `HH:MM`, 00:00 to 23:59. */
  readonly from: string;
  /** `HH:MM`, 00:01 to 24:00. */
  readonly to: string;
  /** The days on which the window begins; absent = every day. */
  readonly days?: readonly Weekday[] | undefined;
};

export type Weekday = (typeof WEEKDAYS)[number];
export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/**
 * Whether an instant is inside a window, and until when that is certain: the window's next edge, or an earlier instant
 * where the zone's offset may change. Costs no Intl call once the zone's offsets around the instant are known.
 */
export function windowAt(at: Instant, window: Window, zone: string): { inside: boolean; until: Instant } {
  if (Math.abs(at) > FARTHEST) return { inside: false, until: at < 0 ? -FARTHEST : NEVER };
  const span = offsetSpan(at, zone);
  const local = at + span.offsetMs;
  const from = timeOfDayMs(window.from);
  const to = timeOfDayMs(window.to);
  const inside = insideLocal(local, from, to, window.days);
  const midnight = Math.floor(local / DAY) * DAY;
  const first = Math.min(from, to);
  const second = Math.max(from, to);
  // A window of one weekday has its next edge at most a week away.
  for (let day = midnight; day <= midnight + 7 * DAY; day += DAY) {
    if (day + first > local && insideLocal(day + first, from, to, window.days) !== inside)
      return { inside, until: Math.min(day + first - span.offsetMs, span.until) };
    if (day + second > local && insideLocal(day + second, from, to, window.days) !== inside)
      return { inside, until: Math.min(day + second - span.offsetMs, span.until) };
  }
  return { inside, until: span.until };
}

function insideLocal(local: number, from: number, to: number, days: readonly Weekday[] | undefined): boolean {
  const day = Math.floor(local / DAY);
  const time = local - day * DAY;
  if (from < to) return time >= from && time < to && beginsOn(day, days);
  return time >= from ? beginsOn(day, days) : time < to && beginsOn(day - 1, days);
}

function beginsOn(day: number, days: readonly Weekday[] | undefined): boolean {
  // Day 0, 1 January 1970, was a Thursday.
  return days === undefined || days.includes(WEEKDAYS[(((day + 4) % 7) + 7) % 7]!);
}

function timeOfDayMs(text: string): number {
  const digit = (index: number) => text.charCodeAt(index) - 48;
  return (digit(0) * 10 + digit(1)) * HOUR + (digit(3) * 10 + digit(4)) * MINUTE;
}
