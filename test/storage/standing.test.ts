import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Grant } from '#domain/facts';
import { coverEnd, STANDINGS, type Standing, standing } from '#domain/standing';
import { DAY, HOUR, type Instant, NEVER } from '#domain/time';
import { type Database, timestamp } from '#storage/database';
import { coverEnd as coverEndSql, isCovered, LAST_COVER, standsSql, wasCovered } from '#storage/standing';
import { plan } from '#test/domain/generate';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const AT = Date.parse('2026-11-21T02:00:00Z');
const grant = (from: Instant, until: Instant, usedBytes = 0, allowanceBytes: number | null = 1000): Grant => ({
  id: from,
  plan: plan({ allowanceBytes }),
  from,
  until,
  usedBytes,
  metered: null,
});
const stands = (grants: Grant[], suspendedSince: Instant | null = null) => standing({ grants, suspendedSince }, AT);

describe('how a subscriber stands', () => {
  test('who never had a package needs one, and so does who only has one to come', () => {
    expect(stands([])).toBe('no-package');
    expect(stands([grant(AT + 1, AT + DAY)])).toBe('no-package');
  });

  test('cover is from the first instant to before the last', () => {
    expect(stands([grant(AT, AT + 2 * DAY)])).toBe('active');
    expect(stands([grant(AT - DAY, AT)])).toBe('expired');
  });

  test('it ends soon within a day, unless another package follows without a gap', () => {
    expect(stands([grant(AT - DAY, AT + DAY)])).toBe('ends-soon');
    expect(stands([grant(AT - DAY, AT + DAY + 1)])).toBe('active');
    expect(stands([grant(AT - DAY, AT + HOUR), grant(AT + HOUR, AT + 3 * DAY)])).toBe('active');
    expect(stands([grant(AT - DAY, AT + HOUR), grant(AT + 2 * HOUR, AT + 3 * DAY)])).toBe('ends-soon');
  });

  test('with everything spent it is depleted, whenever it ends; with something left in any it is not', () => {
    expect(stands([grant(AT - DAY, AT + HOUR, 1000)])).toBe('depleted');
    expect(stands([grant(AT - DAY, AT + 5 * DAY, 1000), grant(AT - DAY, AT + 5 * DAY, 999)])).toBe('active');
    expect(stands([grant(AT - DAY, AT + 5 * DAY, 5000, null)])).toBe('active');
  });

  test('a suspension counts from its instant, over everything else', () => {
    expect(stands([grant(AT - DAY, AT + 5 * DAY)], AT)).toBe('suspended');
    expect(stands([grant(AT - DAY, AT + 5 * DAY)], AT + 1)).toBe('active');
  });
});

describe('the same in SQL', () => {
  let db: Database;
  let revisions: number[];
  const plans = [null, 300, 1000].map((allowanceBytes) => plan({ allowanceBytes }));
  beforeAll(async () => {
    db = await testDatabase();
    const shop = new Shop(db);
    revisions = [await shop.plan('unlimited', null), await shop.plan('small', 300), await shop.plan('big', 1000)];
  });

  const hours = fc.integer({ min: -72, max: 72 });
  const oneGrant = fc.record({
    which: fc.integer({ min: 0, max: 2 }),
    from: hours,
    length: fc.integer({ min: 1, max: 60 }),
    endless: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
    used: fc.constantFrom(0, 299, 300, 1000, 1200),
    revoked: fc.option(hours, { freq: 5 }),
  });
  const oneSubscriber = fc.record({
    grants: fc.array(oneGrant, { maxLength: 4 }),
    suspended: fc.option(hours, { freq: 6 }),
  });
  type One = {
    grants: { which: number; from: number; length: number; endless: boolean; used: number; revoked: number | null }[];
    suspended: number | null;
  };

  async function put(all: readonly One[]): Promise<number[]> {
    await db.execute('truncate subscriber, grants cascade');
    const shop = new Shop(db);
    const ids: number[] = [];
    for (const [at, one] of all.entries()) {
      const suspended = one.suspended === null ? {} : { suspendedAt: AT + one.suspended * HOUR };
      const id = await shop.subscriber(`s${at}`, suspended);
      for (const { which, from, length, endless, used, revoked } of one.grants) {
        const until = endless ? NEVER : AT + (from + length) * HOUR;
        const revokedAt = revoked === null ? null : AT + revoked * HOUR;
        await shop.grant(id, revisions[which]!, AT + from * HOUR, until, { used, revokedAt });
      }
      ids.push(id);
    }
    return ids;
  }

  const grantsOf = (one: One): Grant[] =>
    one.grants
      .map(({ which, from, length, endless, used, revoked }, id) => ({
        id,
        plan: plans[which]!,
        from: AT + from * HOUR,
        until: Math.min(endless ? NEVER : AT + (from + length) * HOUR, revoked === null ? NEVER : AT + revoked * HOUR),
        usedBytes: used,
        metered: null,
      }))
      .filter(({ from, until }) => from < until);

  const group = fc.uniqueArray(fc.constantFrom(...STANDINGS), { maxLength: 6 });

  test('for whatever grants the words, the ends of cover and any choice of words agree with the domain', async () => {
    const property = fc.asyncProperty(
      fc.array(oneSubscriber, { minLength: 20, maxLength: 40 }),
      group,
      async (all, some) => {
        const ids = await put(all);
        const expected = new Map(all.map((one, at) => [ids[at]!, one] as const));
        const word = (one: One): Standing =>
          standing(
            { grants: grantsOf(one), suspendedSince: one.suspended === null ? null : AT + one.suspended * HOUR },
            AT,
          );
        for (const wanted of [...STANDINGS.map((one) => [one]), some]) {
          const found = await db.query<{ id: number }>(
            `select s.id from subscriber s ${LAST_COVER} where $1::timestamptz is not null and ${standsSql(wanted, '$1')} order by s.id`,
            [timestamp(AT)],
          );
          const right = ids.filter((id) => wanted.includes(word(expected.get(id)!)));
          expect([wanted, found.map(({ id }) => id)]).toEqual([wanted, right]);
        }
        const rows = await db.query<{ id: number; at: Instant | null; covered: boolean | null; was: boolean | null }>(
          `select s.id, ${coverEndSql('$1')} as at, ${isCovered('$1')} as covered, ${wasCovered('$1')} as was
             from subscriber s ${LAST_COVER} order by s.id`,
          [timestamp(AT)],
        );
        const facts = ids.map((id) => grantsOf(expected.get(id)!));
        expect(rows.map(({ at }) => at)).toEqual(facts.map((grants) => coverEnd(grants, AT)));
        expect(rows.map(({ covered }) => covered === true)).toEqual(
          facts.map((grants) => coverEnd(grants, AT) !== null),
        );
        expect(rows.map(({ was }) => was === true)).toEqual(
          facts.map((grants) => grants.some(({ from }) => from <= AT)),
        );
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });
});
