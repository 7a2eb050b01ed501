import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Facts } from '#domain/facts';
import { paymentWindow } from '#domain/payment-window';
import { type Condition, defaultPolicy, type Policy } from '#domain/policy';
import { sameTerms } from '#domain/terms';
import { DAY, type Instant, MINUTE } from '#domain/time';
import { facts, instant, policy } from '#test/domain/generate';

const NOON = Date.parse('2026-11-21T12:00+07:00');
const MIDNIGHT = Date.parse('2026-11-22T00:00+07:00');
const defaults = defaultPolicy();

const walled: Facts = {
  subscriberId: 1,
  username: 'budi',
  billing: 'prepaid',
  tags: [],
  suspendedSince: null,
  owesSince: null,
  openings: [],
  grants: [],
  chargedBytes: 0,
  nas: null,
  version: 1,
};
const PLAN: Facts['grants'][number]['plan'] = {
  revisionId: 1,
  name: '20GB',
  rate: { downloadBps: 20_000_000, uploadBps: 20_000_000, burst: null },
  allowanceBytes: null,
  period: { days: 30 },
  priceRupiah: 75_000,
  profile: null,
};
const covered: Facts['grants'] = [
  { id: 1, plan: PLAN, from: NOON - DAY, until: NOON + 30 * DAY, usedBytes: 0, metered: null },
];

const opened = (...minutesAgo: number[]) => minutesAgo.map((minutes) => NOON - minutes * MINUTE);
const rule = (name: string, when: Condition, give = defaults.rules.at(-1)!.give) => ({ name, when, give });

describe('the payment window of the default policy', () => {
  test('is given to a line without a package, and to a postpaid one that is three days overdue', () => {
    const fresh = { minutes: 15, timesADay: 3, openUntil: null, timesLeft: 3, nextFrom: NOON };
    expect(paymentWindow(walled, defaults, NOON)).toEqual(fresh);
    const owing: Facts = { ...walled, billing: 'postpaid', grants: covered, owesSince: NOON - 3 * DAY };
    expect(paymentWindow(owing, defaults, NOON)).toEqual(fresh);
    expect(paymentWindow({ ...owing, owesSince: NOON - 3 * DAY + 1 }, defaults, NOON)).toBe('not-needed');
  });

  test('is open for a quarter of an hour, and then shut', () => {
    const once = { ...walled, openings: opened(14) };
    expect(paymentWindow(once, defaults, NOON)).toMatchObject({
      openUntil: NOON + MINUTE,
      timesLeft: 2,
      nextFrom: NOON + MINUTE,
    });
    expect(paymentWindow(once, defaults, NOON + MINUTE)).toMatchObject({ openUntil: null, timesLeft: 2 });
  });

  test('is given three times on a day of the company, and again after midnight', () => {
    const spent = { ...walled, openings: opened(90, 60, 30) };
    const usedUp = { openUntil: null, timesLeft: 0, nextFrom: MIDNIGHT };
    expect(paymentWindow(spent, defaults, NOON)).toMatchObject(usedUp);
    expect(paymentWindow(spent, defaults, MIDNIGHT - 1)).toMatchObject(usedUp);
    expect(paymentWindow(spent, defaults, MIDNIGHT)).toMatchObject({ timesLeft: 3, nextFrom: MIDNIGHT });
  });

  test('the third, while it is open, is followed by one of the next day', () => {
    const third = { ...walled, openings: opened(90, 60, 5) };
    expect(paymentWindow(third, defaults, NOON)).toMatchObject({ openUntil: NOON + 10 * MINUTE, nextFrom: MIDNIGHT });
  });

  test('is not needed with a package, and does not help a suspended line', () => {
    expect(paymentWindow({ ...walled, grants: covered }, defaults, NOON)).toBe('not-needed');
    expect(paymentWindow({ ...walled, suspendedSince: NOON - 1 }, defaults, NOON)).toBe('suspended');
  });
});

describe('of another policy', () => {
  const without = (...names: string[]): Policy => ({
    ...defaults,
    rules: defaults.rules.filter(({ name }) => !names.includes(name)),
  });

  test('it is given to those only whom a rule gives it', () => {
    expect(paymentWindow(walled, without('paying'), NOON)).toBe('not-given');
    const owing: Facts = { ...walled, billing: 'postpaid', owesSince: NOON - 9 * DAY };
    expect(paymentWindow(owing, without('paying'), NOON)).toMatchObject({ timesLeft: 3 });
    expect(paymentWindow(owing, without('overdue, paying'), NOON)).toBe('not-given');
  });

  test('each has the minutes and times of the rule that serves it', () => {
    const [first, ...rest] = defaults.rules;
    const vip: Condition = {
      is: 'all',
      of: [
        { is: 'tag', tag: 'vip' },
        { is: 'paying', minutes: 5, timesADay: 1 },
      ],
    };
    const mixed = { ...defaults, rules: [first!, rule('vip', vip, rest[0]!.give), ...rest] };
    expect(paymentWindow(walled, mixed, NOON)).toMatchObject({ minutes: 15, timesADay: 3 });
    expect(paymentWindow({ ...walled, tags: ['vip'] }, mixed, NOON)).toMatchObject({ minutes: 5, timesADay: 1 });
  });

  test('it may be said the other way round, as the rule that does not hold while paying', () => {
    const shut = rule('shut', { is: 'not', of: { is: 'paying', minutes: 7, timesADay: 2 } });
    const other = { ...defaults, rules: [shut, rule('open', { is: 'all', of: [] }, defaults.rules[1]!.give)] };
    expect(paymentWindow(walled, other, NOON)).toMatchObject({ minutes: 7, timesADay: 2 });
  });
});

/** The same policy with one kind of window in it. */
function uniform(condition: Condition): Condition {
  switch (condition.is) {
    case 'paying':
      return { is: 'paying', minutes: 45, timesADay: 2 };
    case 'not':
      return { is: 'not', of: uniform(condition.of) };
    case 'all':
    case 'any':
      return { is: condition.is, of: condition.of.map(uniform) };
    default:
      return condition;
  }
}

test('for every policy and line: an opening now changes what the line gets exactly when one is given and times are left', () => {
  let given = 0;
  const check = fc.property(facts(), policy(), instant, (made, made2, at: Instant) => {
    const line = { ...made, openings: made.openings.filter((opening) => opening <= at) };
    const p = { ...made2, rules: made2.rules.map((one) => ({ ...one, when: uniform(one.when) })) };
    const terms = (openings: readonly Instant[]) => decide({ ...line, openings }, p, at);
    const [shut, open, now, after] = [[], [at], line.openings, [...line.openings, at]].map(terms);
    const window = paymentWindow(line, p, at);
    if (typeof window === 'string') {
      expect(sameTerms(shut!, open!)).toBe(true);
      return;
    }
    given += 1;
    expect(sameTerms(shut!, open!)).toBe(false);
    expect(sameTerms(now!, window.openUntil === null ? shut! : open!)).toBe(true);
    if (window.openUntil === null) expect(sameTerms(after!, window.timesLeft > 0 ? open! : shut!)).toBe(true);
  });
  fc.assert(check, { numRuns: 3000 });
  expect(given).toBeGreaterThan(300);
});
