import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printInstant, printInstantExactly } from '#domain/print';
import {
  addPeriod,
  DAY,
  HOUR,
  instantOfLocal,
  isZone,
  localDate,
  localMidnight,
  NEVER,
  nextLocalMidnight,
  parseInstant,
  wallClock,
  windowAt,
  zoneOffsetMs,
} from '#domain/time';

const ZONES = [
  'Asia/Jakarta',
  'Asia/Makassar',
  'Asia/Jayapura',
  'Europe/Amsterdam',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'UTC',
];
const zone = fc.constantFrom(...ZONES);
const at = fc.integer({ min: Date.UTC(1995, 0), max: Date.UTC(2060, 0) });
const iso = (text: string) => Date.parse(text);

describe('wall clocks', () => {
  test('show what Intl shows, at any instant in any zone', () => {
    const formats = new Map(
      ZONES.map((name) => [
        name,
        new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'medium' }),
      ]),
    );
    fc.assert(
      fc.property(at, zone, (t, name) => {
        const { year, month, day, hour, minute, second } = wallClock(t, name);
        const two = (n: number) => String(n).padStart(2, '0');
        const shown = `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`;
        expect(shown).toBe(formats.get(name)!.format(t));
        expect(localDate(t, name)).toBe(shown.slice(0, 10));
      }),
    );
  });

  test('change their offset at the very millisecond', () => {
    const change = iso('2026-10-25T01:00:00Z');
    expect(zoneOffsetMs(change - 1, 'Europe/Amsterdam')).toBe(2 * HOUR);
    expect(zoneOffsetMs(change, 'Europe/Amsterdam')).toBe(HOUR);
    expect(zoneOffsetMs(change, 'Asia/Jayapura')).toBe(9 * HOUR);
  });

  test('lead back to their instant, or to the first of two that show the same', () => {
    fc.assert(
      fc.property(at, zone, (t, name) => {
        const back = instantOfLocal(t + zoneOffsetMs(t, name), name);
        expect(back).toBeLessThanOrEqual(t);
        expect(back + zoneOffsetMs(back, name)).toBe(t + zoneOffsetMs(t, name));
      }),
    );
    expect(instantOfLocal(iso('2026-10-25T02:30:00Z'), 'Europe/Amsterdam')).toBe(iso('2026-10-25T02:30:00+02:00'));
  });

  test('that skip an hour move a time in it on by an hour', () => {
    expect(instantOfLocal(iso('2026-03-29T02:30:00Z'), 'Europe/Amsterdam')).toBe(iso('2026-03-29T03:30:00+02:00'));
  });

  test('begin the day at its first instant, also where midnight is skipped', () => {
    expect(localMidnight(iso('2026-11-20T18:00:00+07:00'), 'Asia/Jakarta')).toBe(iso('2026-11-20T00:00:00+07:00'));
    expect(localMidnight(iso('2026-11-19T17:00:00Z'), 'Asia/Jakarta')).toBe(iso('2026-11-20T00:00:00+07:00'));
    expect(nextLocalMidnight(iso('2026-11-19T16:59:59Z'), 'Asia/Jakarta')).toBe(iso('2026-11-20T00:00:00+07:00'));
    expect(localMidnight(iso('2026-04-24T12:00:00+03:00'), 'Africa/Cairo')).toBe(iso('2026-04-24T01:00:00+03:00'));
    fc.assert(
      fc.property(at, zone, (t, name) => {
        const midnight = localMidnight(t, name);
        expect(midnight).toBeLessThanOrEqual(t);
        expect(localDate(midnight, name)).toBe(localDate(t, name));
        expect(localDate(midnight - 1, name)).not.toBe(localDate(t, name));
        expect(localMidnight(nextLocalMidnight(t, name), name)).toBe(nextLocalMidnight(t, name));
      }),
    );
  });

  test('exist for zones, not for offsets or nonsense', () => {
    expect(['Asia/Jakarta', 'UTC', 'Asia/Bandung', '+07:00', ''].map(isZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('periods', () => {
  test.each([
    ['2026-01-31T10:00:00+07:00', { months: 1 }, '2026-02-28T10:00:00+07:00'],
    ['2028-01-31T10:00:00+07:00', { months: 1 }, '2028-02-29T10:00:00+07:00'],
    ['2026-01-31T10:00:00+07:00', { months: 2 }, '2026-03-31T10:00:00+07:00'],
    ['2026-12-31T23:30:00+07:00', { months: 2 }, '2027-02-28T23:30:00+07:00'],
    ['2026-11-20T18:00:00+07:00', { days: 30 }, '2026-12-20T18:00:00+07:00'],
    // Half past midnight on the 1st in Jakarta is still the 31st in UTC: the local month counts.
    ['2026-02-01T00:30:00+07:00', { months: 1 }, '2026-03-01T00:30:00+07:00'],
  ])('%s + %o = %s in Jakarta', (from, period, until) => {
    expect(addPeriod(iso(from), period, 'Asia/Jakarta')).toBe(iso(until));
  });

  test('keep the time of day across daylight saving', () => {
    expect(addPeriod(iso('2026-10-24T18:00:00+02:00'), { days: 1 }, 'Europe/Amsterdam')).toBe(
      iso('2026-10-25T18:00:00+01:00'),
    );
    expect(addPeriod(iso('2026-10-20T18:00:00+02:00'), { months: 1 }, 'Europe/Amsterdam')).toBe(
      iso('2026-11-20T18:00:00+01:00'),
    );
  });
});

describe('instants as people write them', () => {
  test.each([
    ['2026-11-20T18:00:00+07:00', '2026-11-20T11:00:00Z'],
    ['2026-11-20T18:00+0700', '2026-11-20T11:00:00Z'],
    ['2026-11-20 18:00+07', '2026-11-20T11:00:00Z'],
    ['2026-11-20T11:00:00.250Z', '2026-11-20T11:00:00.250Z'],
    ['2026-11-20', '2026-11-20T00:00:00+07:00'],
  ])('%s is %s', (text, instant) => {
    expect(parseInstant(text, 'Asia/Jakarta')).toBe(iso(instant));
  });

  test.each([
    '2026-11-20T18:00',
    '2026-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-11-20T24:00Z',
    '20-11-2026',
    'tomorrow',
    '',
    '2026-11-20T18:00+19:00',
  ])('%s is refused', (text) => {
    expect(parseInstant(text, 'Asia/Jakarta')).toBeNull();
  });

  test('come back as they were from ISO text', () => {
    fc.assert(
      fc.property(at, zone, (t, name) => {
        expect(parseInstant(new Date(t).toISOString(), name)).toBe(t);
      }),
    );
  });

  test('are printed in the zone', () => {
    const t = iso('2026-11-20T11:00:00Z');
    expect(printInstant(t, 'Asia/Jakarta')).toBe('20 Nov 2026 18.00 WIB');
    expect(printInstant(t, 'Asia/Makassar')).toBe('20 Nov 2026 19.00 WITA');
    expect(printInstant(t, 'Asia/Jayapura')).toBe('20 Nov 2026 20.00 WIT');
    expect(printInstant(t, 'Europe/Amsterdam')).toBe('20 Nov 2026 12.00 UTC+01:00');
    expect(printInstant(NEVER, 'Asia/Jakarta')).toBe('never');
    expect(printInstantExactly(t + 1234, 'Asia/Jakarta')).toBe('20 Nov 2026 18.00.01,234 WIB');
  });
});

describe('a window of the day', () => {
  const night = { from: '23:00', to: '06:00' };

  test('runs past midnight and says its next edge', () => {
    const t = iso('2026-11-20T22:00:00+07:00');
    expect(windowAt(t, night, 'Asia/Jakarta')).toEqual({ inside: false, until: t + HOUR });
    expect(windowAt(t + HOUR, night, 'Asia/Jakarta')).toEqual({ inside: true, until: t + 8 * HOUR });
    expect(windowAt(t + 8 * HOUR, night, 'Asia/Jakarta')).toEqual({ inside: false, until: t + 25 * HOUR });
  });

  test('ends just before its end', () => {
    const office = { from: '08:00', to: '17:00' };
    const end = iso('2026-11-20T17:00:00+07:00');
    expect(windowAt(end - 1, office, 'Asia/Jakarta')).toEqual({ inside: true, until: end });
    expect(windowAt(end, office, 'Asia/Jakarta')).toEqual({ inside: false, until: end + 15 * HOUR });
  });

  test('belongs to the day on which it begins', () => {
    const friday = { ...night, days: ['fri' as const] };
    const t = iso('2026-11-20T23:00:00+07:00'); // a Friday
    expect(windowAt(t + 5 * HOUR, friday, 'Asia/Jakarta')).toEqual({ inside: true, until: t + 7 * HOUR });
    expect(windowAt(t - 18 * HOUR, friday, 'Asia/Jakarta').inside).toBe(false);
    expect(windowAt(t + 7 * HOUR, friday, 'Asia/Jakarta')).toEqual({ inside: false, until: t + 7 * DAY });
  });

  test('may end at midnight', () => {
    const evening = { from: '18:00', to: '24:00' };
    const t = iso('2026-11-20T23:59:00+07:00');
    expect(windowAt(t, evening, 'Asia/Jakarta')).toEqual({ inside: true, until: t + 60_000 });
    expect(windowAt(t + 60_000, evening, 'Asia/Jakarta').inside).toBe(false);
  });

  test('is an hour longer in the night that is', () => {
    const t = iso('2026-10-24T23:00:00+02:00');
    let end = t;
    while (windowAt(end, night, 'Europe/Amsterdam').inside) end = windowAt(end, night, 'Europe/Amsterdam').until;
    expect(end - t).toBe(8 * HOUR);
  });
});
