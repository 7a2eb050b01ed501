import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDays,
  daysBetween,
  discountOf,
  invoiceState,
  nextBillingDay,
  printNumber,
  restOf,
  startOf,
  totalOf,
} from '#domain/billing';
import { DAY } from '#domain/time';

const date = fc
  .integer({ min: Date.UTC(2020, 0, 1) / DAY, max: Date.UTC(2040, 0, 1) / DAY })
  .map((day) => new Date(day * DAY).toISOString().slice(0, 10));
const billingDay = fc.integer({ min: 1, max: 31 });
const rupiah = fc.integer({ min: 0, max: 100_000_000 });

describe('the billing day', () => {
  test('31 bills on the last day of a short month and comes back to the 31st', () => {
    const days = ['2027-01-31'];
    for (let month = 0; month < 5; month++) days.push(nextBillingDay(days.at(-1)!, 31));
    expect(days).toEqual(['2027-01-31', '2027-02-28', '2027-03-31', '2027-04-30', '2027-05-31', '2027-06-30']);
  });

  test('29 February exists once in four years', () => {
    expect(nextBillingDay('2028-01-30', 30)).toBe('2028-02-29');
    expect(nextBillingDay('2027-01-30', 30)).toBe('2027-02-28');
  });

  test('the year turns', () => {
    expect(nextBillingDay('2026-12-05', 5)).toBe('2027-01-05');
    expect(nextBillingDay('2026-12-04', 5)).toBe('2026-12-05');
  });

  test('any chain bills every month once, on the anchor or the last day of the month', () => {
    fc.assert(
      fc.property(date, billingDay, (start, anchor) => {
        let at = nextBillingDay(start, anchor);
        expect(at > start).toBe(true);
        for (let month = 0; month < 24; month++) {
          const next = nextBillingDay(at, anchor);
          const months =
            (Number(next.slice(0, 4)) - Number(at.slice(0, 4))) * 12 +
            Number(next.slice(5, 7)) -
            Number(at.slice(5, 7));
          expect(months, `${at} → ${next}`).toBe(1);
          const day = Number(next.slice(8));
          expect(day === anchor || (day < anchor && addDays(next, 1).endsWith('-01'))).toBe(true);
          at = next;
        }
      }),
    );
  });
});

test('local dates are counted and begin at local midnight', () => {
  expect(addDays('2026-12-31', 1)).toBe('2027-01-01');
  expect(daysBetween('2026-02-28', '2026-03-01')).toBe(1);
  expect(startOf('2026-11-21', 'Asia/Jakarta')).toBe(Date.parse('2026-11-20T17:00Z'));
  expect(startOf('2026-11-21', 'Asia/Jayapura')).toBe(Date.parse('2026-11-20T15:00Z'));
});

describe('proration', () => {
  test('half of the time is half of the price, rounded down', () => {
    expect(restOf(75_001, 0, 10 * DAY, 5 * DAY)).toBe(37_500);
    expect(restOf(75_001, 0, 10 * DAY, 0)).toBe(75_001);
    expect(restOf(75_001, 0, 10 * DAY, -DAY)).toBe(75_001);
    expect(restOf(75_001, 0, 10 * DAY, 10 * DAY)).toBe(0);
    expect(restOf(75_001, 0, 10 * DAY, 11 * DAY)).toBe(0);
  });

  test('it only falls as time goes by and never leaves 0 to the price', () => {
    fc.assert(
      fc.property(rupiah, fc.nat(400 * DAY), fc.nat(400 * DAY), (price, one, other) => {
        const until = 365 * DAY;
        const [early, late] = [Math.min(one, other), Math.max(one, other)];
        expect(restOf(price, 0, until, early)).toBeGreaterThanOrEqual(restOf(price, 0, until, late));
        expect(restOf(price, 0, until, late)).toBeGreaterThanOrEqual(0);
        expect(restOf(price, 0, until, early)).toBeLessThanOrEqual(price);
      }),
    );
  });
});

test('a discount is never more than the price', () => {
  expect(discountOf({ percent: 10, fixedRupiah: null }, 75_005)).toBe(7_500);
  expect(discountOf({ percent: null, fixedRupiah: 20_000 }, 75_000)).toBe(20_000);
  expect(discountOf({ percent: null, fixedRupiah: 80_000 }, 75_000)).toBe(75_000);
  expect(discountOf({ percent: 100, fixedRupiah: null }, 75_000)).toBe(75_000);
  expect(discountOf({ percent: 50, fixedRupiah: null }, -10)).toBe(0);
});

describe('totals', () => {
  const lines = (...amounts: number[]) => amounts.map((amountRupiah) => ({ amountRupiah }));

  test('without tax, with tax contained, with tax added', () => {
    expect(totalOf(lines(111_000), { is: 'off' })).toEqual({ taxRupiah: 0, totalRupiah: 111_000 });
    expect(totalOf(lines(111_000), { is: 'included', permille: 110 })).toEqual({
      taxRupiah: 11_000,
      totalRupiah: 111_000,
    });
    expect(totalOf(lines(100_000, -10_000), { is: 'added', permille: 110 })).toEqual({
      taxRupiah: 9_900,
      totalRupiah: 99_900,
    });
  });

  test('discounts never make a total negative', () => {
    expect(totalOf(lines(50_000, -60_000), { is: 'added', permille: 110 })).toEqual({ taxRupiah: 0, totalRupiah: 0 });
  });

  test('the contained tax and the rest are the total, within half a rupiah of the rate', () => {
    fc.assert(
      fc.property(rupiah, fc.integer({ min: 1, max: 300 }), (sum, permille) => {
        const { taxRupiah, totalRupiah } = totalOf(lines(sum), { is: 'included', permille });
        expect(totalRupiah).toBe(sum);
        expect(Math.abs(taxRupiah * 1000 - (sum - taxRupiah) * permille)).toBeLessThanOrEqual(500 + permille);
      }),
    );
  });
});

test('an invoice is paid, unpaid, overdue or void by what was done and by the clock', () => {
  const open = { settledAt: null, voidedAt: null, dueAt: 100 };
  expect(invoiceState(open, 99)).toBe('unpaid');
  expect(invoiceState(open, 100)).toBe('overdue');
  expect(invoiceState({ ...open, settledAt: 50 }, 200)).toBe('paid');
  expect(invoiceState({ ...open, voidedAt: 50 }, 200)).toBe('void');
});

test('numbers have three places and grow past them', () => {
  expect(printNumber('INV', 2025, 1)).toBe('INV-2025-001');
  expect(printNumber('MN', 2026, 12345)).toBe('MN-2026-12345');
});
