import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { HOUR } from '#domain/time';
import { change, mark } from '#storage/change';
import type { Database, Transaction } from '#storage/database';
import { openDatabase } from '#storage/database';
import type { Changes, Cursor, Feed } from '#storage/feed';
import { currentCursor, followChanges, pruneChanges } from '#storage/feed';
import { testDatabase } from '#test/support/database';

const db = await testDatabase({ poolSize: 8 });
await db.query(
  `insert into subscriber (id, username, password_sealed) overriding system value
   select n, 'user' || n, '\\x00' from generate_series(1, 60) as n`,
);

/** A reader that notes who changed, in the order told. */
async function follow(
  on: Database,
  from?: Cursor,
): Promise<{ feed: Feed; told: number[]; resets: () => number; all: Changes[] }> {
  const told: number[] = [];
  const all: Changes[] = [];
  let resets = 0;
  const feed = await followChanges(on, {
    from: from ?? (await currentCursor(on)),
    onChanges: async (changes) => {
      all.push(changes);
      told.push(...changes.subscriberIds);
    },
    onReset: async () => {
      resets += 1;
    },
  });
  onTestFinished(() => feed.close());
  return { feed, told, all, resets: () => resets };
}

test('a change, its audit row and its marks are one commit', async () => {
  const before = await db.query('select from audit');
  await expect(
    change(db, { actor: 'cli:root', why: 'suspend' }, async (tx) => {
      await tx.mark([1]);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await db.query('select from audit')).toHaveLength(before.length);
  expect(await db.query('select from due where subscriber_id = 1')).toHaveLength(0);

  const done = await change(db, { actor: 'cli:root', why: 'suspend', detail: { username: 'user1' } }, async (tx) => {
    await tx.query('update subscriber set suspended_at = now() where id = 1');
    await tx.mark([1]);
    return 'done';
  });
  expect(done).toBe('done');
  expect(await db.query('select actor, why, subscriber_id, detail from audit order by id desc limit 1')).toEqual([
    { actor: 'cli:root', why: 'suspend', subscriber_id: 1, detail: { username: 'user1' } },
  ]);
  const [state] = await db.query(
    `select s.version = (select max(seq) from change where topic = 'subscriber' and key = 1) as fresh,
            d.due_at <= now() as due, d.claimed_until, d.attempts
       from subscriber s join due d on d.subscriber_id = s.id where s.id = 1`,
  );
  expect(state).toEqual({ fresh: true, due: true, claimed_until: null, attempts: 0 });
});

test('the audit can be added to, and nothing else', async () => {
  await change(db, { actor: 'system', why: 'test' }, async () => undefined);
  await expect(db.query("update audit set actor = 'nobody'")).rejects.toThrow('audit is append-only');
  await expect(db.query('delete from audit')).rejects.toThrow('audit is append-only');
  await expect(db.query('truncate audit')).rejects.toThrow('audit is append-only');
});

test('a mark takes the claim from a visit that is under way and makes it due at once', async () => {
  await mark(db, [2]);
  await db.query(
    "update due set due_at = now() + interval '1 day', claimed_until = now() + interval '1 minute', attempts = 3 where subscriber_id = 2",
  );
  await mark(db, [2]);
  expect(
    await db.query('select claimed_until, attempts, due_at <= now() as due from due where subscriber_id = 2'),
  ).toEqual([{ claimed_until: null, attempts: 0, due: true }]);
});

test('marks of the same subscribers from many sides, in any order, never deadlock; versions only grow', async () => {
  const ids = Array.from({ length: 50 }, (_, index) => index + 1);
  const before = await db.query<{ version: number }>('select version from subscriber where id <= 50 order by id');
  await Promise.all(
    Array.from({ length: 8 }, (_, n) => db.transaction((tx) => mark(tx, n % 2 === 0 ? ids : ids.toReversed()))),
  );
  const after = await db.query<{ version: number }>('select version from subscriber where id <= 50 order by id');
  expect(after.every(({ version }, at) => version > before[at]!.version)).toBe(true);
  const [deadlocks] = await db.query<{ deadlocks: number }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  expect(deadlocks).toEqual({ deadlocks: 0 });
});

test('a reader is told of subscribers, routers and policies, once, soon after the commit', async () => {
  const alone = await follow(db);
  await mark(db, [6]);
  await expect.poll(() => alone.told, { timeout: 30_000 }).toEqual([6]);

  const { told, all } = await follow(db);
  await change(db, { actor: 'system', why: 'test' }, async (tx) => {
    await tx.mark([3, 4]);
    await tx.mark([4, 5]);
    await tx.markNas(7);
    await tx.markPolicy(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told, 'not before the commit').toEqual([]);
  });
  await expect.poll(() => told.toSorted()).toEqual([3, 4, 5]);
  expect(all[0]).toEqual({ subscriberIds: [], nasIds: [7], policy: true });
});

test('a transaction that began early and commits late is not missed, nor one that is told twice', async () => {
  const { feed, told } = await follow(db);
  const slow = await opened((tx) => mark(tx, [10]));
  await mark(db, [11]);
  await feed.catchUp();
  expect(told).toEqual([11]);
  await mark(db, [12]);
  await slow.commit();
  await feed.catchUp();
  expect(told.toSorted()).toEqual([10, 11, 12]);
});

test('writers that commit in any order, and readers that read at any moment: everything is told, in the end and once', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('begin' as const), id: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant('commit' as const), at: fc.nat(5) }),
    fc.record({ do: fc.constant('roll back' as const), at: fc.nat(5) }),
    fc.record({ do: fc.constant('read' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { feed, told } = await follow(db);
      const open: { id: number; commit(): Promise<void>; rollBack(): Promise<void> }[] = [];
      const committed: number[] = [];
      const settle = async (at: number, how: 'commit' | 'roll back') => {
        const [one] = open.splice(at % Math.max(open.length, 1), 1);
        if (one === undefined) return;
        if (how === 'commit') committed.push(one.id);
        await (how === 'commit' ? one.commit() : one.rollBack());
      };
      for (const one of steps) {
        // One open transaction a subscriber (its row is locked) and five in all (so many connections).
        const mayBegin = one.do === 'begin' && open.length < 5 && !open.some(({ id }) => id === one.id);
        if (one.do === 'begin' && mayBegin) open.push({ id: one.id, ...(await opened((tx) => mark(tx, [one.id]))) });
        if (one.do === 'commit' || one.do === 'roll back') await settle(one.at, one.do);
        if (one.do === 'read') await feed.catchUp();
      }
      while (open.length > 0) await settle(0, 'commit');
      await feed.catchUp();
      await feed.close();
      expect(new Set(told)).toEqual(new Set(committed));
      expect(told.length).toBeLessThanOrEqual(committed.length);
    }),
    { numRuns: 40 },
  );
});

test('a reader whose listener was dropped is told of what happened meanwhile', async () => {
  const { told } = await follow(db);
  await db.query(`select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen "gerbang_change"'`);
  await mark(db, [20]);
  await expect.poll(() => told, { timeout: 30_000 }).toEqual([20]);
  await mark(db, [21]);
  await expect.poll(() => told, { timeout: 30_000 }).toEqual([20, 21]);
});

test('a reader goes on from a kept cursor; a batch whose reader failed comes again', async () => {
  const from = await currentCursor(db);
  await mark(db, [30]);
  let failures = 2;
  const told: number[] = [];
  const troubles: unknown[] = [];
  const feed = await followChanges(db, {
    from,
    onChanges: async ({ subscriberIds }) => {
      if (failures-- > 0) throw new Error('not now');
      told.push(...subscriberIds);
    },
    onReset: () => Promise.reject(new Error('not expected')),
    onTrouble: (error) => troubles.push(error),
  });
  onTestFinished(() => feed.close());
  await expect.poll(() => troubles.length).toBe(1);
  await expect(feed.catchUp()).rejects.toThrow('not now');
  await feed.catchUp();
  expect(told).toEqual([30]);
});

test('a cursor older than the kept rows, or from a future that was lost, is answered by loading everything', async () => {
  const now = await currentCursor(db);
  const [snapshot, at] = now.split('@');
  const old = await follow(db, `${snapshot}@${Number(at) - 80 * HOUR}`);
  await old.feed.catchUp();
  expect(old.resets()).toBe(1);
  const future = await follow(db, `900000000:900000001:@${at}`);
  await future.feed.catchUp();
  expect(future.resets()).toBe(1);
  await mark(db, [40]);
  await future.feed.catchUp();
  expect([future.resets(), future.told]).toEqual([1, [40]]);
});

test('rows of the feed go after 72 hours', async () => {
  await db.query("insert into change (topic, key, at) values ('nas', 1, now() - interval '73 hours')");
  const [{ n } = { n: 0 }] = await db.query<{ n: number }>('select count(*) as n from change');
  expect(await pruneChanges(db, Date.now())).toBe(1);
  expect(await db.query('select count(*) as n from change')).toEqual([{ n: n - 1 }]);
});

test('while the database is away nothing is handed over, and then everything is', async () => {
  const away = openDatabase({ url: db.url, poolSize: 1 });
  onTestFinished(() => away.close());
  const { told } = await follow(away);
  const name = new URL(db.url).pathname.slice(1);
  const admin = openDatabase({ url: db.url.replace(name, 'postgres'), poolSize: 1 });
  onTestFinished(() => admin.close());
  await mark(db, [50]);
  await expect.poll(() => told).toEqual([50]);
  await admin.query(`alter database ${name} allow_connections false`);
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  await admin.query(`alter database ${name} allow_connections true`);
  const again = () => mark(db, [51]).then(() => 'marked');
  await expect.poll(again, { timeout: 30_000 }).toBe('marked');
  await expect.poll(() => told, { timeout: 30_000 }).toEqual([50, 51]);
});

/** A transaction that stays open, its work done, until told what to do. */
async function opened(
  work: (tx: Transaction) => Promise<void>,
): Promise<{ commit(): Promise<void>; rollBack(): Promise<void> }> {
  const ready = Promise.withResolvers<void>();
  const verdict = Promise.withResolvers<void>();
  const whole = db.transaction(async (tx) => {
    await work(tx);
    ready.resolve();
    await verdict.promise;
  });
  whole.catch(ready.reject);
  await ready.promise;
  return {
    commit: async () => {
      verdict.resolve();
      await whole;
    },
    rollBack: async () => {
      verdict.reject(new Error('rolled back'));
      // It was made to fail.
      await whole.catch(() => undefined);
    },
  };
}
