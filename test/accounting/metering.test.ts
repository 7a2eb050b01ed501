import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Grant } from '#domain/facts';
import { FALLBACK, type Policy } from '#domain/policy';
import { DAY, HOUR, type Instant } from '#domain/time';
import { METERED_PERIODS, periodAt, usedIn } from '#domain/usage-period';
import { chargeGrants } from '#storage/accounting-charge';
import type { Slot, Usage } from '#storage/accounting-fold';
import type { Database, Queryable } from '#storage/database';
import { timestamp } from '#storage/database';
import { loadFacts } from '#storage/facts';
import { giveGrantsBack } from '#storage/prepaid-moves';
import { charged, company, emptied, Ledger, ZONE } from '#test/accounting/ledger';
import { routerOs, sessionRecord } from '#test/accounting/requests';
import { testDatabase } from '#test/support/database';

const NOON = Date.parse('2026-11-20T05:00:00Z'); // 12:00 in Jakarta; the grants began a day earlier
let db: Database;
let nasId: number;
let ids: number[];

beforeAll(async () => {
  db = await testDatabase();
});

beforeEach(async () => {
  await emptied(db);
  ({ nasId, ids } = await company(db, NOON, { usernames: ['budi', 'sari'], allowanceBytes: 2000 }));
});

const use = (at: Instant, bytes: number, who = 0): Usage => ({
  slot: { subscriberId: ids[who]! } as Slot,
  at,
  bytes,
});
const put = (q: Queryable, ...all: Usage[]) => chargeGrants(q, all, ZONE, new Set());
const batch = (...all: Usage[]) => db.transaction((tx) => put(tx, ...all));
const grantsOf = async (who = 0): Promise<readonly Grant[]> =>
  (await loadFacts(db, [ids[who]!])).get(ids[who]!)!.grants.toSorted((one, other) => one.id - other.id);
const inEach = (grant: Grant, at: Instant) => METERED_PERIODS.map((period) => usedIn(grant, period, ZONE, at));

describe('usage is metered as it is charged', () => {
  test('each grant knows what was used in each of its six periods, whatever comes late and in which batches', async () => {
    const uses = fc.array(
      fc.record({
        hours: fc.integer({ min: -23, max: 29 * 24 }),
        bytes: fc.integer({ min: 1, max: 400 }),
        who: fc.nat(1),
      }),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(uses, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), async (all, cuts) => {
        await db.query('update grants set used_bytes = 0, metered_at = null, metered_bases = null');
        let running: Usage[] = [];
        for (const [index, { hours, bytes, who }] of all.entries()) {
          running.push(use(NOON + hours * HOUR, bytes, who));
          if (cuts[index] !== true && index < all.length - 1) continue;
          await batch(...running);
          running = [];
        }
        for (const who of [0, 1]) {
          const mine = all.filter((one) => one.who === who);
          if (mine.length === 0) continue;
          const at = NOON + Math.max(...mine.map(({ hours }) => hours)) * HOUR;
          const [grant] = await grantsOf(who);
          const expected = METERED_PERIODS.map((period) => {
            const { from } = periodAt(period, grant!.from, ZONE, at);
            return mine.reduce((sum, { hours, bytes }) => sum + (NOON + hours * HOUR >= from ? bytes : 0), 0);
          });
          expect(inEach(grant!, at)).toEqual(expected);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('a usage that two grants share is metered in each', async () => {
    await db.query(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at) values ($1, 1, $2::timestamptz, $3::timestamptz)`,
      [ids[0], timestamp(NOON - HOUR), timestamp(NOON + 60 * DAY)],
    );
    await batch(use(NOON, 1900));
    await batch(use(NOON + DAY, 300));
    const [first, second] = await grantsOf();
    expect([first!.usedBytes, second!.usedBytes]).toEqual([2000, 200]);
    expect([inEach(first!, NOON + DAY)[0], inEach(second!, NOON + DAY)[0]]).toEqual([100, 200]);
  });

  test('a grant that is given back has used no more of the day than it had, and of its new month nothing', async () => {
    await batch(use(NOON - 13 * HOUR, 100), use(NOON, 7), use(NOON, 50, 1));
    await db.query('update grants set metered_at = null, metered_bases = null where subscriber_id = $1', [ids[1]]);
    const revoked = (await Promise.all([grantsOf(0), grantsOf(1)])).map(([grant]) => grant!);
    await db.query('update grants set revoked_at = $1::timestamptz', [timestamp(NOON + HOUR)]);
    const expected = [
      [7, 107, 107, 0, 0, 0],
      [0, 0, 0, 0, 0, 0],
    ];
    for (const [who, old] of revoked.entries()) {
      await giveGrantsBack(db, ids[who]!, [old.id], NOON + HOUR);
      const given = (await grantsOf(who)).at(-1)!;
      expect([given.from, given.usedBytes]).toEqual([NOON + HOUR, old.usedBytes]);
      expect(inEach(given, NOON + HOUR)).toEqual(expected[who]);
    }
    await batch(use(NOON + 2 * HOUR, 3));
    expect(inEach((await grantsOf()).at(-1)!, NOON + 2 * HOUR)).toEqual([10, 110, 110, 3, 3, 3]);
  });

  test("from the routers' own records, across midnight, down to the decision", async () => {
    const token = Buffer.alloc(16, 7);
    const ledger = new Ledger(db);
    const evening = 11.5 * 3600; // 23:30
    const heard = (seconds: number, down: number) =>
      sessionRecord(routerOs({ token, seconds, down }), NOON + seconds * 1000, { id: nasId, swapOctets: false });
    await ledger.apply(heard(evening, 500), heard(evening + 3600, 530));
    const night: Policy = {
      zone: ZONE,
      rules: [
        {
          name: 'five hundred a day',
          when: { is: 'fair-use', bytes: 500, per: { every: 'day', from: 'calendar' } },
          give: FALLBACK,
        },
        { name: 'full', when: { is: 'covered' }, give: { ...FALLBACK, access: 'full', rate: { is: 'plan' } } },
      ],
    };
    const facts = (await loadFacts(db, [ids[0]!])).get(ids[0]!)!;
    const at = NOON + (evening + 3600) * 1000;
    expect(decide(facts, night, at)).toMatchObject({ access: 'full', validBelow: 530 + 470 });
    await ledger.apply(heard(evening + 7200, 1030));
    const later = (await loadFacts(db, [ids[0]!])).get(ids[0]!)!;
    const slowed = decide(later, night, at + HOUR);
    expect(slowed).toMatchObject({ access: 'walled', validUntil: NOON + 36 * HOUR });
    expect(decide(later, night, slowed.validUntil).access).toBe('full');
  });
});

describe('two nodes charge one grant at once', () => {
  /** The second has read the grant and waits for the row that the first has changed. */
  async function overtaken(first: readonly Usage[], second: readonly Usage[]): Promise<Grant> {
    const [holds, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const one = db.transaction(async (tx) => {
      await put(tx, ...first);
      holds.resolve();
      await release.promise;
    });
    await holds.promise;
    const other = batch(...second);
    await expect
      .poll(async () => (await db.query(`select 1 from pg_stat_activity where wait_event_type = 'Lock'`)).length)
      .toBe(1);
    release.resolve();
    await Promise.all([one, other]);
    return (await grantsOf())[0]!;
  }

  test('in one period', async () => {
    await batch(use(NOON, 10));
    expect(inEach(await overtaken([use(NOON, 5)], [use(NOON + 1, 7)]), NOON + 1)[0]).toBe(22);
  });

  test('when the other begins a new day first: what was read is of yesterday, and so is its usage', async () => {
    await batch(use(NOON, 10));
    const grant = await overtaken([use(NOON + DAY, 5)], [use(NOON + 1, 7)]);
    expect(inEach(grant, NOON + DAY).slice(0, 3)).toEqual([5, 22, 22]);
    expect(await charged(db)).toBe(22);
  });

  test('when both begin the same new day', async () => {
    await batch(use(NOON, 10));
    const grant = await overtaken([use(NOON + DAY, 5)], [use(NOON + DAY + 1, 7)]);
    expect(inEach(grant, NOON + DAY + 1).slice(0, 3)).toEqual([12, 22, 22]);
  });

  test('when both are the first ever', async () => {
    const grant = await overtaken([use(NOON, 5)], [use(NOON + 2 * DAY, 7)]);
    expect(inEach(grant, NOON + 2 * DAY).slice(0, 3)).toEqual([7, 12, 12]);
  });

  test('when both bring late records', async () => {
    await batch(use(NOON + DAY, 10));
    const grant = await overtaken([use(NOON, 5)], [use(NOON + 1, 7)]);
    expect(inEach(grant, NOON + DAY).slice(0, 3)).toEqual([10, 22, 22]);
  });
});

test('a charge touches no index, be it within a day or the first of one: the row stays on its page', async () => {
  const touched = await db.transaction(async (tx) => {
    const counts = async () =>
      (
        await tx.query<{ all: number; hot: number }>(
          `select pg_stat_get_xact_tuples_updated('grants'::regclass) as all,
                  pg_stat_get_xact_tuples_hot_updated('grants'::regclass) as hot`,
        )
      )[0]!;
    // What other transactions of this connection did may be counted too, and does not matter.
    const before = await counts();
    for (const hours of [0, 1, 24, 25, 48]) await put(tx, use(NOON + hours * HOUR, 1), use(NOON + hours * HOUR, 1, 1));
    const now = await counts();
    return { all: now.all - before.all, hot: now.hot - before.hot };
  });
  expect(touched).toEqual({ all: 10, hot: 10 });
});
