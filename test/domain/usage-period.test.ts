import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Facts, Grant } from '#domain/facts';
import { type Condition, FALLBACK, type Policy, type UsagePeriod } from '#domain/policy';
import { printBecause } from '#domain/print';
import { DAY, HOUR, type Instant, NEVER, parseInstant } from '#domain/time';
import { METERED_PERIODS, meter, periodAt, usedIn } from '#domain/usage-period';
import { sessionTimeoutSeconds } from '#radius/reply';
import { plan } from '#test/domain/generate';

const ZONES = ['Asia/Jakarta', 'Asia/Makassar', 'Asia/Jayapura'] as const;
const WIB = 'Asia/Jakarta';
/** `2026-11-21 18:00` on the wall clock of a zone. */
const on = (text: string, zone = WIB): Instant => {
  const offset = { 'Asia/Jakarta': '+07:00', 'Asia/Makassar': '+08:00', 'Asia/Jayapura': '+09:00' }[zone]!;
  return parseInstant(`${text.replace(' ', 'T')}${text.includes(' ') ? '' : 'T00:00'}${offset}`, zone)!;
};
const each = (every: UsagePeriod['every'], from: UsagePeriod['from']): UsagePeriod => ({ every, from });
const span = (period: UsagePeriod, anchor: string, at: string, zone: string = WIB) =>
  periodAt(period, on(anchor, zone), zone, on(at, zone));
const spanOf = (from: string, until: string, zone: string = WIB) => ({ from: on(from, zone), until: on(until, zone) });

describe('a period of the calendar', () => {
  test.each(ZONES)('is a day, a week from Monday or a month of the wall clock in %s', (zone) => {
    const at = '2026-11-21 18:30'; // a Saturday
    expect(span(each('day', 'calendar'), at, at, zone)).toEqual(spanOf('2026-11-21', '2026-11-22', zone));
    expect(span(each('week', 'calendar'), at, at, zone)).toEqual(spanOf('2026-11-16', '2026-11-23', zone));
    expect(span(each('month', 'calendar'), at, at, zone)).toEqual(spanOf('2026-11-01', '2026-12-01', zone));
  });

  test('one midnight of three Indonesian zones is three instants', () => {
    const begins = ZONES.map((zone) => periodAt(each('day', 'calendar'), 0, zone, on('2026-11-21 18:00')).from);
    expect(begins).toEqual([on('2026-11-21'), on('2026-11-21') - HOUR, on('2026-11-21') - 2 * HOUR]);
  });

  test('begins at its first instant and ends before the next one', () => {
    const month = each('month', 'calendar');
    expect(span(month, '2027-02-01', '2027-02-01')).toEqual(spanOf('2027-02-01', '2027-03-01'));
    expect(periodAt(month, 0, WIB, on('2027-02-01') - 1)).toEqual(spanOf('2027-01-01', '2027-02-01'));
  });
});

describe('a period from the renewal', () => {
  test('begins at its local time of day', () => {
    const renewed = '2026-11-05 14:20';
    expect(span(each('day', 'renewal'), renewed, '2026-11-21 14:19')).toEqual(
      spanOf('2026-11-20 14:20', '2026-11-21 14:20'),
    );
    expect(span(each('day', 'renewal'), renewed, '2026-11-21 14:20')).toEqual(
      spanOf('2026-11-21 14:20', '2026-11-22 14:20'),
    );
    expect(span(each('week', 'renewal'), renewed, '2026-11-21 18:00')).toEqual(
      spanOf('2026-11-19 14:20', '2026-11-26 14:20'),
    );
    expect(span(each('month', 'renewal'), renewed, '2026-12-05 14:19')).toEqual(spanOf(renewed, '2026-12-05 14:20'));
  });

  test('a month keeps its anchor day through short months', () => {
    const begins = ['2027-02-10', '2027-03-10', '2027-04-10', '2027-05-01', '2028-02-29 23:00', '2028-03-10'].map(
      (at) =>
        new Date(span(each('month', 'renewal'), '2027-01-31 08:00', at).from + 7 * HOUR).toISOString().slice(0, 16),
    );
    expect(begins).toEqual([
      '2027-01-31T08:00',
      '2027-02-28T08:00',
      '2027-03-31T08:00',
      '2027-04-30T08:00',
      '2028-02-29T08:00',
      '2028-02-29T08:00',
    ]);
  });

  test('of 29, 30 and 31 the last days of February are one', () => {
    for (const day of ['29', '30', '31'])
      expect(span(each('month', 'renewal'), `2026-12-${day}`, '2027-02-28')).toEqual(
        spanOf('2027-02-28', `2027-03-${day}`),
      );
  });
});

type Charged = Pick<Grant, 'from' | 'usedBytes' | 'metered'>;
const plus = (grant: Charged, zone: string, at: Instant, bytes: number): Charged => ({
  from: grant.from,
  metered: meter(grant, zone, at, bytes),
  usedBytes: grant.usedBytes + bytes,
});

const anyZone = fc.constantFrom(...ZONES, 'Europe/Amsterdam', 'America/New_York', 'Australia/Lord_Howe');
const anyPeriod = fc.constantFrom(...METERED_PERIODS);
/** Whole quarters of an hour of some years, the ends of months as often as the rest. */
const anyInstant = fc.oneof(
  fc.integer({ min: 0, max: 6 * 365 * 96 }).map((quarter) => Date.UTC(2026, 0, 1) + quarter * 15 * 60_000),
  fc.tuple(fc.nat(70), fc.integer({ min: -60, max: 60 })).map(([m, hours]) => Date.UTC(2026, m, 0) + hours * HOUR),
);

test('periods follow each other without a gap or an overlap, whatever the anchor and the zone', () => {
  fc.assert(
    fc.property(anyPeriod, anyInstant, anyInstant, anyZone, (period, anchor, at, zone) => {
      const { from, until } = periodAt(period, anchor, zone, at);
      expect(from <= at && at < until).toBe(true);
      expect(periodAt(period, anchor, zone, from)).toEqual({ from, until });
      expect(periodAt(period, anchor, zone, until - 1)).toEqual({ from, until });
      expect(periodAt(period, anchor, zone, until).from).toBe(until);
      const days = { day: [1, 1], week: [7, 7], month: [28, 31] }[period.every];
      expect((until - from) / DAY).toBeGreaterThan(days[0]! - 0.1);
      expect((until - from) / DAY).toBeLessThan(days[1]! + 0.1);
      if (period.from === 'renewal') expect(periodAt(period, anchor, zone, anchor).from).toBe(anchor);
    }),
    { numRuns: 1000 },
  );
});

test('past the ends of the calendar there is a period too', () => {
  for (const period of METERED_PERIODS) {
    for (const at of [-NEVER, -8.64e15, 8.64e15, NEVER]) {
      const { from, until } = periodAt(period, 0, WIB, at);
      expect(from <= at && (at < until || at === NEVER)).toBe(true);
    }
  }
});

describe('usage in a period', () => {
  const fresh = { from: on('2026-11-05 14:20'), usedBytes: 0, metered: null };
  type Use = readonly [at: string, bytes: number];
  const used = (uses: readonly Use[], grant: Charged = fresh) =>
    uses.reduce((one, [at, bytes]) => plus(one, WIB, on(at), bytes), grant);
  const inEach = (grant: Charged, at: string) => METERED_PERIODS.map((period) => usedIn(grant, period, WIB, on(at)));

  test('is counted anew by the day, the week and the month, of the calendar and from the renewal', () => {
    const grant = used([
      ['2026-11-05 15:00', 1], // Thursday
      ['2026-11-17 09:00', 10], // Tuesday of the week that runs
      ['2026-11-20 15:00', 100], // of the day from the renewal that runs until the 21st, 14.20
      ['2026-11-21 09:00', 1000],
    ]);
    expect(inEach(grant, '2026-11-21 10:00')).toEqual([1000, 1110, 1111, 1100, 1100, 1111]);
    expect(inEach(grant, '2026-11-21 14:20')).toEqual([1000, 1110, 1111, 0, 1100, 1111]);
    expect(inEach(grant, '2026-11-22 00:00')).toEqual([0, 1110, 1111, 0, 1100, 1111]);
    expect(inEach(grant, '2026-11-23 00:00')).toEqual([0, 0, 1111, 0, 1100, 1111]);
    expect(inEach(grant, '2026-12-01 00:00')).toEqual([0, 0, 0, 0, 0, 1111]);
    expect(inEach(grant, '2026-12-05 14:20')).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('a record that comes late counts where it belongs, and there it is over', () => {
    const grant = used([
      ['2026-11-21 00:05', 7],
      ['2026-11-20 23:50', 500],
    ]);
    expect(usedIn(grant, each('day', 'calendar'), WIB, on('2026-11-21 00:10'))).toBe(7);
    expect(usedIn(grant, each('week', 'calendar'), WIB, on('2026-11-21 00:10'))).toBe(507);
    expect(grant.usedBytes).toBe(507);
  });

  test('usage from before there was metering counts where all of the grant does', () => {
    const old = { ...fresh, usedBytes: 5000 };
    expect(inEach(old, '2026-11-05 23:00')).toEqual([5000, 5000, 5000, 5000, 5000, 5000]);
    expect(inEach(old, '2026-11-21 10:00')).toEqual([0, 0, 5000, 0, 0, 5000]);
    expect(inEach(used([['2026-11-21 10:00', 3]], old), '2026-11-21 10:00')).toEqual([3, 3, 5003, 3, 3, 5003]);
  });

  test('within a day nothing but the sum changes', () => {
    const one = used([['2026-11-21 00:05', 7]]);
    expect(meter(one, WIB, on('2026-11-21 14:19'), 5)).toBe(one.metered);
    expect(meter(one, WIB, on('2026-11-21 00:00'), 5)).toBe(one.metered);
    expect(meter(one, WIB, on('2026-11-21 14:20'), 5)).not.toBe(one.metered);
    expect(meter(one, WIB, on('2026-11-20 23:59'), 5)).not.toBe(one.metered);
  });

  test('comes out the same in whatever order and parts it was charged', () => {
    const uses = fc.array(fc.tuple(anyInstant, fc.integer({ min: 1, max: 1e12 })), { minLength: 1, maxLength: 8 });
    const shuffled = uses.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, anyZone, anyInstant, ([all, other], zone, later) => {
        const from = Math.min(...all.map(([at]) => at));
        const charged = (list: typeof all) =>
          list.reduce((one, [at, bytes]) => plus(one, zone, at, bytes), {
            from,
            usedBytes: 0,
            metered: null,
          } as Charged);
        const at = Math.max(later, ...all.map(([one]) => one));
        for (const period of METERED_PERIODS) {
          const { from: begun } = periodAt(period, from, zone, at);
          const sum = all.filter(([one]) => one >= begun).reduce((total, [, bytes]) => total + bytes, 0);
          expect(usedIn(charged(all), period, zone, at)).toBe(sum);
          expect(usedIn(charged(other), period, zone, at)).toBe(sum);
        }
      }),
    );
  });
});

describe('a rule that asks for usage of a period', () => {
  const anchor = on('2026-11-05 14:20');
  const ladder = (per: UsagePeriod): Policy => {
    const step = (bytes: number): Condition => ({ is: 'fair-use', bytes, per });
    const slow = (share: number) => ({
      ...FALLBACK,
      access: 'reduced' as const,
      rate: { is: 'share' as const, share },
    });
    return {
      zone: WIB,
      rules: [
        { name: 'second step', when: step(200), give: slow(0.25) },
        { name: 'first step', when: step(100), give: slow(0.5) },
        { name: 'active', when: { is: 'covered' }, give: { ...slow(1), access: 'full' } },
      ],
    };
  };
  const facts = (uses: readonly (readonly [string, number])[], renewal: Grant[] = []): Facts => {
    let grant: Grant = {
      id: 1,
      plan: plan(),
      from: anchor,
      until: on('2027-01-05 14:20'),
      usedBytes: 0,
      metered: null,
    };
    for (const [at, bytes] of uses)
      grant = { ...grant, metered: meter(grant, WIB, on(at), bytes), usedBytes: grant.usedBytes + bytes };
    const grants = [grant, ...renewal];
    const base = { subscriberId: 1, username: 'budi', billing: 'prepaid' as const, tags: [], suspendedSince: null };
    return { ...base, owesSince: null, openings: [], grants, chargedBytes: grant.usedBytes, nas: null, version: 1 };
  };
  const speed = (f: Facts, p: Policy, at: string) => decide(f, p, on(at)).rate!.downloadBps / 1e6;

  test('a daily ladder slows down step by step and is full again at midnight, exactly', () => {
    const p = ladder(each('day', 'calendar'));
    const begun = facts([['2026-11-21 09:00', 60]]);
    expect(decide(begun, p, on('2026-11-21 10:00'))).toMatchObject({ access: 'full', validBelow: 100 });
    expect(decide(begun, p, on('2026-11-21 10:00')).validUntil).toBe(on('2027-01-05 14:20'));
    const once = decide(facts([['2026-11-21 09:00', 130]]), p, on('2026-11-21 10:00'));
    expect(once).toMatchObject({ access: 'reduced', validUntil: on('2026-11-22'), validBelow: 200 });
    expect(once.rate!.downloadBps).toBe(10e6);
    const twice = facts([['2026-11-21 09:00', 230]]);
    expect(speed(twice, p, '2026-11-21 23:59')).toBe(5);
    expect(speed(twice, p, '2026-11-22')).toBe(20);
    expect(decide(twice, p, on('2026-11-22')).validBelow).toBe(330);
  });

  test('the Session-Timeout of a slowed-down line ends with its period, and no sooner', () => {
    const at = on('2026-11-21 10:00');
    const { validUntil } = decide(facts([['2026-11-21 09:00', 130]]), ladder(each('day', 'calendar')), at);
    expect(sessionTimeoutSeconds(validUntil, at)).toBe(14 * 3600);
    const late = on('2026-11-21 23:59') + 59_500;
    expect(sessionTimeoutSeconds(validUntil, late)).toBe(60);
  });

  test("a month from the renewal slows down until the renewal of its day, not the calendar's", () => {
    const p = ladder(each('month', 'renewal'));
    const heavy = facts([['2026-11-21 09:00', 130]]);
    expect(speed(heavy, p, '2026-12-05 14:19')).toBe(10);
    expect(decide(heavy, p, on('2026-12-01')).validUntil).toBe(on('2026-12-05 14:20'));
    expect(speed(heavy, p, '2026-12-05 14:20')).toBe(20);
  });

  test('usage of the day before that comes in late slows nobody down today', () => {
    const p = ladder(each('day', 'calendar'));
    const f = facts([
      ['2026-11-21 00:05', 10],
      ['2026-11-20 23:50', 500],
    ]);
    expect(speed(f, p, '2026-11-21 00:10')).toBe(20);
    expect(decide(f, p, on('2026-11-21 00:10')).validBelow).toBe(510 + 90);
  });

  test('two grants in force count together, each in its own period', () => {
    const p = ladder(each('day', 'renewal'));
    const second: Grant = {
      id: 2,
      plan: plan(),
      from: on('2026-11-20 06:00'),
      until: NEVER,
      usedBytes: 0,
      metered: null,
    };
    const bought = { ...second, metered: meter(second, WIB, on('2026-11-21 09:00'), 70), usedBytes: 70 };
    const f = { ...facts([['2026-11-21 09:00', 60]], [bought]), chargedBytes: 130 };
    expect(speed(f, p, '2026-11-21 14:19')).toBe(10);
    // The first of the two days to end frees 60 of 130.
    expect(decide(f, p, on('2026-11-21 10:00')).validUntil).toBe(on('2026-11-21 14:20'));
    expect(speed(f, p, '2026-11-21 14:20')).toBe(20);
  });

  test('the reason says of which period the usage is', () => {
    const because = (per: UsagePeriod) =>
      printBecause(decide(facts([['2026-11-21 09:00', 130]]), ladder(per), on('2026-11-21 10:00')), WIB);
    expect(because(each('day', 'calendar'))).toMatch(/^used 130 bytes today, past the fair-use step of 100 bytes/);
    expect(because(each('month', 'renewal'))).toMatch(/^used 130 bytes this month of the renewal, past/);
  });
});
