import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addDays, nextBillingDay, restOf, startOf } from '#domain/billing';
import {
  billingPeriod,
  giveBack,
  type Held,
  LATE_RUN_MS,
  periodCharge,
  restOfHeld,
  toldEnd,
  usedUntil,
} from '#domain/proration';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';

const ZONE = 'Asia/Jakarta';
const GB = 2 ** 30;
const rupiah = fc.integer({ min: 0, max: 100_000_000 });
const billingDay = fc.integer({ min: 1, max: 31 });
const date = fc.integer({ min: 0, max: 40 * 365 }).map((days) => addDays('2020-01-01', days));
const daysOf = (month: string): number => new Date(Date.UTC(+month.slice(0, 4), +month.slice(5, 7), 0)).getUTCDate();

describe('the whole period in which a date lies', () => {
  test('holds the date, ends where the next one begins, and is of one month', () => {
    fc.assert(
      fc.property(date, billingDay, (on, day) => {
        const { from, until } = billingPeriod(on, day);
        expect(from <= on && on < until).toBe(true);
        expect(billingPeriod(until, day).from).toBe(until);
        expect(billingPeriod(addDays(from, -1), day).until).toBe(from);
      }),
    );
  });

  test('begins on the billing day, or on the last day of a month that has no such day', () => {
    fc.assert(
      fc.property(date, billingDay, (on, day) => {
        const { from } = billingPeriod(on, day);
        expect(Number(from.slice(8))).toBe(Math.min(day, daysOf(from)));
      }),
    );
  });

  test('keeps its day through February, leap years and the turn of the year', () => {
    const seen = ['2027-10-31'];
    while (seen.length < 7) seen.push(nextBillingDay(seen.at(-1)!, 31));
    expect(seen).toEqual([
      '2027-10-31',
      '2027-11-30',
      '2027-12-31',
      '2028-01-31',
      '2028-02-29',
      '2028-03-31',
      '2028-04-30',
    ]);
    expect(billingPeriod('2027-02-28', 30)).toEqual({ from: '2027-02-28', until: '2027-03-30' });
    expect(billingPeriod('2027-02-27', 30)).toEqual({ from: '2027-01-30', until: '2027-02-28' });
    expect(billingPeriod('2028-02-29', 29)).toEqual({ from: '2028-02-29', until: '2028-03-29' });
  });
});

describe('what is asked for a period', () => {
  test('is the price from a billing day on, and a share of it from any other day, both together never more', () => {
    fc.assert(
      fc.property(rupiah, date, billingDay, (price, on, day) => {
        const { from } = billingPeriod(on, day);
        expect(periodCharge(price, from, day, ZONE).amountRupiah).toBe(price);
        const part = periodCharge(price, on, day, ZONE);
        const used =
          restOf(price, startOf(from, ZONE), startOf(part.until, ZONE), startOf(from, ZONE)) - part.amountRupiah;
        expect(part.amountRupiah).toBeGreaterThanOrEqual(0);
        expect(part.amountRupiah + used).toBe(price);
        expect(Number.isInteger(part.amountRupiah)).toBe(true);
      }),
    );
  });

  test('ten of thirty days cost a third', () => {
    expect(periodCharge(300_000, '2026-11-21', 1, ZONE)).toEqual({
      from: '2026-11-21',
      until: '2026-12-01',
      amountRupiah: 100_000,
      days: 10,
      ofDays: 30,
    });
  });
});

const FROM: Instant = Date.parse('2026-11-01T00:00+07:00');
const UNTIL = FROM + 30 * DAY;
const held = (more: Partial<Held> = {}): Held => ({
  priceRupiah: 300_000,
  from: FROM,
  until: UNTIL,
  begins: FROM,
  lessRupiah: 0,
  allowanceBytes: null,
  usedBytes: 0,
  ...more,
});

const anyHeld = fc
  .record({
    priceRupiah: rupiah,
    days: fc.integer({ min: 1, max: 366 }),
    late: fc.double({ min: 0, max: 0.99, noNaN: true }),
    less: fc.double({ min: 0, max: 1, noNaN: true }),
    allowanceBytes: fc.option(fc.integer({ min: 1, max: 1000 * GB })),
    used: fc.double({ min: 0, max: 1.2, noNaN: true }),
  })
  .map(({ priceRupiah, days, late, less, allowanceBytes, used }): Held => {
    const until = FROM + days * DAY;
    const begins = FROM + Math.floor(late * days) * DAY;
    const asked = restOf(priceRupiah, FROM, until, begins);
    const usedBytes = Math.floor((allowanceBytes ?? 0) * used);
    return { priceRupiah, from: FROM, until, begins, lessRupiah: Math.floor(asked * less), allowanceBytes, usedBytes };
  });
const anyInstant = fc.integer({ min: -5 * 24, max: 400 * 24 }).map((hours) => FROM + hours * HOUR);

describe('what the rest of a package is worth', () => {
  test('is whole rupiah, never below zero, never more than was asked for it, and never grows', () => {
    fc.assert(
      fc.property(anyHeld, anyInstant, anyInstant, (one, a, b) => {
        const [at, later] = [Math.min(a, b), Math.max(a, b)];
        const worth = restOfHeld(one, at);
        expect(Number.isInteger(worth)).toBe(true);
        expect(worth).toBeGreaterThanOrEqual(0);
        expect(worth).toBeLessThanOrEqual(restOf(one.priceRupiah, one.from, one.until, one.begins) - one.lessRupiah);
        expect(restOfHeld(one, later)).toBeLessThanOrEqual(worth);
      }),
    );
  });

  test('by time is what is left of the price: with what is used it is the price', () => {
    fc.assert(
      fc.property(rupiah, anyInstant, (priceRupiah, at) => {
        const rest = restOfHeld(held({ priceRupiah }), at);
        expect(rest).toBe(restOf(priceRupiah, FROM, UNTIL, at));
      }),
    );
    expect(restOfHeld(held(), FROM + 20 * DAY)).toBe(100_000);
    expect(restOfHeld(held(), UNTIL)).toBe(0);
  });

  test('of a limited package is the smaller share of time and data; a begun percent counts whole', () => {
    const limited = (usedBytes: number) => held({ allowanceBytes: 100 * GB, usedBytes });
    expect(restOfHeld(limited(10 * GB), FROM + 15 * DAY)).toBe(150_000);
    expect(restOfHeld(limited(80 * GB), FROM + 15 * DAY)).toBe(60_000);
    expect(restOfHeld(limited(80 * GB + 1), FROM + 15 * DAY)).toBe(60_000);
    expect(restOfHeld(limited(100 * GB), FROM + 15 * DAY)).toBe(0);
    expect(restOfHeld(limited(120 * GB), FROM)).toBe(0);
  });

  test('what a promo or a credit note took off it is not given back', () => {
    expect(restOfHeld(held({ lessRupiah: 150_000 }), FROM + 15 * DAY)).toBe(75_000);
    expect(restOfHeld(held({ lessRupiah: 300_000 }), FROM)).toBe(0);
  });
});

describe('a change and its way back at the same instant', () => {
  const between = fc.integer({ min: 0, max: 40 * 24 }).map((hours) => FROM + hours * HOUR);

  test('cost nothing within a period, however often', () => {
    fc.assert(
      fc.property(fc.array(rupiah, { minLength: 2, maxLength: 6 }), between, (prices, at) => {
        const way = [...prices, prices[0]!];
        let paid = 0;
        for (const [index, price] of way.entries()) {
          if (index === 0) continue;
          const before = restOfHeld(held({ priceRupiah: way[index - 1]! }), at);
          const after = restOf(price, FROM, UNTIL, at);
          const { givenRupiah, overRupiah } = giveBack(after, [before]);
          paid += after - givenRupiah[0]! - overRupiah;
        }
        expect(paid).toBe(0);
      }),
    );
  });
});

describe('how much of a package counts as used', () => {
  test('begun hours, at least one, and nothing at the instant in which it begins', () => {
    expect(usedUntil(FROM, FROM, FROM)).toBe(FROM);
    expect(usedUntil(FROM, FROM - MINUTE, FROM + 1)).toBe(FROM + HOUR);
    expect(usedUntil(FROM, FROM + HOUR, FROM + HOUR)).toBe(FROM + HOUR);
    expect(usedUntil(FROM, FROM + HOUR + 1, FROM + HOUR + 1)).toBe(FROM + 2 * HOUR);
    expect(usedUntil(FROM, FROM, FROM - DAY)).toBe(FROM);
  });
});

describe('when cover ends as people are told', () => {
  test('is the end of the period, though it outlasts it; of any other cover it is its own end', () => {
    expect(toldEnd(UNTIL + LATE_RUN_MS, UNTIL, FROM)).toBe(UNTIL);
    expect(toldEnd(UNTIL + LATE_RUN_MS + 1, UNTIL, FROM)).toBe(UNTIL + LATE_RUN_MS + 1);
    expect(toldEnd(UNTIL - DAY, UNTIL, FROM)).toBe(UNTIL - DAY);
    expect(toldEnd(UNTIL + LATE_RUN_MS, UNTIL, UNTIL + 1)).toBe(UNTIL + LATE_RUN_MS);
  });
});

describe('giving back', () => {
  test('creates and loses no rupiah, and leaves nothing to pay below zero', () => {
    fc.assert(
      fc.property(rupiah, fc.array(rupiah, { maxLength: 5 }), (price, rests) => {
        const { givenRupiah, overRupiah } = giveBack(price, rests);
        const given = givenRupiah.reduce((sum, one) => sum + one, 0);
        const all = rests.reduce((sum, one) => sum + one, 0);
        expect(given + overRupiah).toBe(all);
        expect(price - given).toBeGreaterThanOrEqual(0);
        expect(overRupiah === 0 || given === price).toBe(true);
        for (const [index, one] of givenRupiah.entries()) expect(one).toBeLessThanOrEqual(rests[index]!);
      }),
    );
  });
});
