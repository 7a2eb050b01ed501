import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, NEVER } from '#domain/time';
import { type Database, timestamp } from '#storage/database';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

/** What triggers keep with the grants: the times of cover without a gap, and whether a grant is spent. */

const AT = Date.parse('2026-11-21T02:00:00Z');
let db: Database;
let shop: Shop;
let p20: number;
let serial = 0;

beforeAll(async () => {
  db = await testDatabase();
  shop = new Shop(db);
  p20 = await shop.plan('P20', 1000);
});

type Span = { from: Instant; until: Instant };
const someone = () => shop.subscriber(`s${++serial}`);

async function coverOf(subscriberId: number): Promise<{ spans: Span[]; last: boolean[] }> {
  const rows = await db.query<Span & { last: boolean }>(
    'select starts_at as "from", ends_at as until, last from cover where subscriber_id = $1 order by starts_at',
    [subscriberId],
  );
  return { spans: rows.map(({ from, until }) => ({ from, until })), last: rows.map(({ last }) => last) };
}

/** Spans one after another, those that touch or overlap made one. */
function merged(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const { from, until } of spans.filter((one) => one.from < one.until).sort((a, b) => a.from - b.from)) {
    const before = all.at(-1);
    if (before !== undefined && from <= before.until) before.until = Math.max(before.until, until);
    else all.push({ from, until });
  }
  return all;
}

const hours = fc.integer({ min: 0, max: 60 });
/** 12 = for ever. */
const lengths = fc.integer({ min: 0, max: 12 });
const act = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    spans: fc.array(fc.tuple(hours, lengths), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('revoke' as const), which: fc.nat(), at: fc.option(hours) }),
  fc.record({ kind: fc.constant('move' as const), which: fc.nat(), to: fc.tuple(hours, lengths) }),
  fc.record({ kind: fc.constant('delete' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('use' as const), which: fc.nat() }),
);

test('after whatever acts the cover is what the grants amount to, and its last one is known', async () => {
  const at = (hour: number) => AT + hour * HOUR;
  const until = (length: number, from: number) => (length === 12 ? NEVER : at(from + 1 + length));
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
      const who = await someone();
      const other = await someone();
      await shop.grant(other, p20, AT, AT + DAY);
      const grants = new Map<number, Span & { revokedAt: Instant }>();
      const chosen = (which: number) => [...grants.keys()][which % grants.size];
      for (const one of acts) {
        if (one.kind === 'add') {
          const rows = await db.query<{ id: number; from: Instant; until: Instant }>(
            `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
             select $1, $2, * from unnest($3::timestamptz[], $4::timestamptz[]) returning id, starts_at as "from", ends_at as until`,
            [
              who,
              p20,
              one.spans.map(([from]) => timestamp(at(from))),
              one.spans.map(([from, length]) => timestamp(until(length, from))),
            ],
          );
          for (const { id, ...span } of rows) grants.set(id, { ...span, revokedAt: NEVER });
          continue;
        }
        const id = chosen(one.which);
        if (id === undefined) continue;
        const grant = grants.get(id)!;
        if (one.kind === 'revoke') {
          const revokedAt = one.at === null ? null : at(one.at);
          await db.execute('update grants set revoked_at = $2::timestamptz where id = $1', [id, timestamp(revokedAt)]);
          grant.revokedAt = revokedAt ?? NEVER;
        } else if (one.kind === 'move') {
          const [from, length] = one.to;
          Object.assign(grant, { from: at(from), until: until(length, from) });
          await db.execute('update grants set starts_at = $2::timestamptz, ends_at = $3::timestamptz where id = $1', [
            id,
            timestamp(grant.from),
            timestamp(grant.until),
          ]);
        } else if (one.kind === 'delete') {
          await db.execute('delete from grants where id = $1', [id]);
          grants.delete(id);
        } else await db.execute('update grants set used_bytes = used_bytes + 600 where id = $1', [id]);
      }
      const right = merged(
        [...grants.values()].map(({ revokedAt, ...span }) => ({ ...span, until: Math.min(span.until, revokedAt) })),
      );
      expect(await coverOf(who)).toEqual({
        spans: right,
        last: right.map((_span, place) => place === right.length - 1),
      });
      expect((await coverOf(other)).spans).toEqual([{ from: AT, until: AT + DAY }]);
    }),
    { numRuns: 40 },
  );
});

test('two who add a grant to one subscriber at once both count', async () => {
  const who = await someone();
  const add = (from: Instant) => async (q: Database | Parameters<Parameters<Database['transaction']>[0]>[0]) =>
    q.execute(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at) values ($1, $2, $3::timestamptz, $3::timestamptz + interval '1 day')`,
      [who, p20, timestamp(from)],
    );
  let second: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await add(AT)(tx);
    const [mine] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
    second = add(AT + DAY)(db);
    await expect.poll(() => waitingFor(mine!.pid)).toBe(1);
  });
  await second;
  expect((await coverOf(who)).spans).toEqual([{ from: AT, until: AT + 2 * DAY }]);
});

async function waitingFor(pid: number): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    'select count(*) as count from pg_stat_activity where $1 = any(pg_blocking_pids(pid))',
    [pid],
  );
  return row!.count;
}

test('charging usage touches nothing of the cover, and no index but where it spends the grant', async () => {
  const who = await someone();
  const grant = await shop.grant(who, p20, AT, AT + DAY);
  const version = async () =>
    (await db.query<{ xmin: string }>('select xmin::text from cover where subscriber_id = $1', [who]))[0]!.xmin;
  const before = await version();
  const spent = async (bytes: number) =>
    (
      await db.query<{ spent: boolean }>('update grants set used_bytes = $2 where id = $1 returning spent', [
        grant,
        bytes,
      ])
    )[0]!.spent;
  expect([await spent(999), await spent(1000), await spent(0)]).toEqual([false, true, false]);
  expect(await version()).toBe(before);
  const inPlace = await db.transaction(async (tx) => {
    const counted = async () =>
      (
        await tx.query<{ hot: number }>(
          `select n_tup_hot_upd as hot from pg_stat_xact_user_tables where relname = 'grants'`,
        )
      )[0]!.hot;
    const already = await counted();
    for (const bytes of [1, 999, 1000, 1001])
      await tx.execute('update grants set used_bytes = $2 where id = $1', [grant, bytes]);
    return (await counted()) - already;
  });
  expect(inPlace).toBe(3);
});

test('a grant of an unlimited plan is never spent', async () => {
  const unlimited = await shop.plan('tanpa batas', null);
  const grant = await shop.grant(await someone(), unlimited, AT, AT + DAY, { used: 1e15 });
  expect(await db.query('select spent from grants where id = $1', [grant])).toEqual([{ spent: false }]);
});
