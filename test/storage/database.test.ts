import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { defineEntity, p } from '@mikro-orm/core';
import { expect, onTestFinished, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { NEVER } from '#domain/time';
import { json, openDatabase, sqlState, timestamp, violatedConstraint } from '#storage/database';
import { testDatabase } from '#test/support/database';

const Plan = defineEntity({
  name: 'Plan',
  tableName: 'plan',
  properties: { id: p.integer().primary().autoincrement(), name: p.text() },
});
const db = await testDatabase({ entities: [Plan] });

async function one<Row extends object>(text: string, values: unknown[] = []): Promise<Row | undefined> {
  return (await db.query<Row>(text, values))[0];
}

test('values arrive as the house speaks of them', async () => {
  expect(
    await one(
      `select 9007199254740991::bigint as bytes, array[1, null]::bigint[] as several, '2026-11-21'::date as day,
              array['2026-11-21']::date[] as days, 1.10::numeric as exact, '10.0.0.1'::inet as address,
              '10.0.0.0/8'::cidr as block, '\\x00ff'::bytea as sealed, '{"a": [1]}'::jsonb as document,
              array['x', 'y z', 'a"b']::text[] as tags, pg_current_xact_id() is not null as yes, null::bigint as nothing`,
    ),
  ).toEqual({
    bytes: 9007199254740991,
    several: [1, null],
    day: '2026-11-21',
    days: ['2026-11-21'],
    exact: '1.10',
    address: '10.0.0.1',
    block: '10.0.0.0/8',
    sealed: Buffer.from([0, 255]),
    document: { a: [1] },
    tags: ['x', 'y z', 'a"b'],
    yes: true,
    nothing: null,
  });
  await expect(db.query('select 9007199254740993::bigint')).rejects.toThrow(/beyond 2\^53/);
});

test.each([0, 1, -1, 1795227011342, -877, 253402300799999, -62135596800000, NEVER, -NEVER])(
  'the instant %s comes back as it was sent, alone and in an array, whatever the zone of the server',
  async (instant) => {
    await db.query(`alter database ${new URL(db.url).pathname.slice(1)} set timezone = 'Asia/Jakarta'`);
    const fresh = openDatabase({ url: db.url, poolSize: 1 });
    onTestFinished(() => fresh.close());
    const sent = timestamp(instant);
    const rows = await fresh.query('select $1::timestamptz as at, $2::timestamptz[] as several', [sent, [sent, null]]);
    expect(rows).toEqual([{ at: instant, several: [instant, null] }]);
  },
);

test('a secret sent as a value is not in the SQL text that the server sees', async () => {
  const [row] = await db.query<{ query: string }>(
    "select query from pg_stat_activity where pid = pg_backend_pid() and $1 = 'canary-7731'",
    ['canary-7731'],
  );
  expect(row!.query).toContain('$1');
});

test('a transaction commits as one, with what its entity manager did, or not at all', async () => {
  await db.transaction(async (tx) => {
    await tx.query("insert into plan (name) values ('by hand')");
    tx.em.create(Plan, { name: 'by entity' });
    expect(await tx.em.count(Plan), 'the same connection sees both').toBe(2);
    expect(await tx.query('select from plan')).toHaveLength(2);
    expect(await db.query('select from plan'), 'nobody else does yet').toHaveLength(0);
  });
  expect(await db.query('select from plan')).toHaveLength(2);
  const failing = db.transaction(async (tx) => {
    await tx.em.transactional(async (em) => {
      em.create(Plan, { name: 'nested' });
    });
    await tx.query('delete from plan');
    throw new Error('changed my mind');
  });
  await expect(failing).rejects.toThrow('changed my mind');
  expect(await db.query('select from plan')).toHaveLength(2);
});

test('an unflushed entity is written by the commit', async () => {
  await db.transaction(async (tx) => {
    tx.em.persist(tx.em.create(Plan, { name: 'at the last moment' }));
  });
  expect(await one("select count(*) as n from plan where name = 'at the last moment'")).toEqual({ n: 1 });
});

test('work that another transaction was in the way of is done again: no update is lost', async () => {
  await db.query('create table counter as select 0::bigint as n');
  let runs = 0;
  let openGate = () => {};
  const allHaveRead = new Promise<void>((resolve) => {
    openGate = resolve;
  });
  const increment = () =>
    db.transaction(
      async (tx) => {
        const [row] = await tx.query<{ n: number }>('select n from counter');
        runs += 1;
        // Nobody writes before all three have read the same number: two of them must come too late.
        if (runs === 3) openGate();
        await allHaveRead;
        await tx.query('update counter set n = $1', [row!.n + 1]);
      },
      { isolation: 'serializable' },
    );
  await Promise.all([increment(), increment(), increment()]);
  expect(await one('select n from counter')).toEqual({ n: 3 });
  expect(runs).toBeGreaterThan(3);
});

test('a violated constraint is told by its name', async () => {
  const error: unknown = await db.query("insert into plan (name) values ('')").catch((thrown: unknown) => thrown);
  expect(sqlState(error)).toBe('23514');
  expect(violatedConstraint(error)).toBe('plan_name_check');
  expect(violatedConstraint(new Error('other'))).toBeUndefined();
});

test('a statement past its limit is Unavailable, and the next one works', async () => {
  const slow = db.transaction((tx) => tx.query('select pg_sleep(60)'), { statementTimeoutMs: 50 });
  await expect(slow).rejects.toThrow(Unavailable);
  expect(await one('select $1::jsonb as ok', [json([1, 2])])).toEqual({ ok: [1, 2] });
});

test('a database that is down is Unavailable at once', async () => {
  const nobody = openDatabase({ url: 'postgres://x:y@127.0.0.1:1/z', poolSize: 2 });
  onTestFinished(() => nobody.close());
  const began = performance.now();
  await expect(nobody.query('select 1')).rejects.toThrow(Unavailable);
  await expect(nobody.transaction((tx) => tx.query('select 1'))).rejects.toThrow(Unavailable);
  expect(performance.now() - began).toBeLessThan(2_000);
});

test('a database that takes the connection and then says nothing is Unavailable within 6 s, not a hang', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined));
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
  const { port } = silent.address() as { port: number };
  const database = openDatabase({ url: `postgres://x:y@127.0.0.1:${port}/z`, poolSize: 1 });
  const began = performance.now();
  await expect(database.query('select 1')).rejects.toThrow(Unavailable);
  expect(performance.now() - began).toBeLessThan(6_000);
  silent.close();
  await database.close();
});

test('connections that the server ended are Unavailable once and then made anew', async () => {
  const other = openDatabase({ url: db.url, poolSize: 1 });
  onTestFinished(() => other.close());
  const running = other.query('select pg_sleep(60)');
  const ended = expect(running).rejects.toThrow(Unavailable);
  const end = () =>
    db.query<{ ended: boolean }>(
      "select pg_terminate_backend(pid) as ended from pg_stat_activity where query = 'select pg_sleep(60)' and datname = current_database()",
    );
  await expect.poll(end).toEqual([{ ended: true }]);
  await ended;
  expect(await other.query('select 1 as one')).toEqual([{ one: 1 }]);
});

test('a listener hears what is notified, and after its connection was ended it listens again and says so', async () => {
  const heard: string[] = [];
  let began = 0;
  const listener = await db.listen(
    'news',
    (payload) => heard.push(payload),
    () => {
      began += 1;
    },
  );
  onTestFinished(() => listener.close());
  await db.query("select pg_notify('news', 'first')");
  await expect.poll(() => heard).toEqual(['first']);
  await db.query(`select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen "news"'`);
  await expect.poll(() => began).toBe(2);
  await db.query("select pg_notify('news', 'second')");
  await expect.poll(() => heard).toEqual(['first', 'second']);
});

test('a database prints without its password', () => {
  const { password } = new URL(db.url);
  expect(`${inspect({ db }, { depth: 9 })}${JSON.stringify({ db })}`).not.toContain(password);
});
