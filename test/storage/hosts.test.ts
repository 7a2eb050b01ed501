import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backUp, checkBackup } from '#storage/backup';
import { type Database, openDatabase } from '#storage/database';
import { currentCursor, followChanges } from '#storage/feed';
import { placeOf, urlsOf } from '#storage/hosts';
import { migrate } from '#storage/migrate';
import { type PostgresPair, postgresPair } from '#test/support/postgres-pair';

test('a URL of several hosts is one URL for each, and is shown without its password', () => {
  const url = 'postgres://gerbang:s%2Cecret@db1:5433,db2,[::1]:5434/gerbang?sslmode=require';
  expect(urlsOf(url)).toEqual([
    'postgres://gerbang:s%2Cecret@db1:5433/gerbang?sslmode=require',
    'postgres://gerbang:s%2Cecret@db2/gerbang?sslmode=require',
    'postgres://gerbang:s%2Cecret@[::1]:5434/gerbang?sslmode=require',
  ]);
  expect(placeOf(url)).toBe('db1:5433, db2:5432, [::1]:5434/gerbang');
  expect(urlsOf('postgres://db/one')).toEqual(['postgres://db/one']);
});

let pair: PostgresPair;
let db: Database;

beforeAll(async () => {
  pair = await postgresPair({ synchronous: false });
  // The standby is named first.
  const url = pair.url.replace(/@(.*),(.*)\//, '@$2,$1/');
  await migrate(url);
  db = openDatabase({ url, poolSize: 3 });
});
afterAll(async () => {
  await db.close();
});

const named = (name: string) =>
  db.query(`insert into nas (name, address, secret_sealed) values ($1, '192.0.2.1', '') returning id`, [name]);
const names = async () => (await db.query<{ name: string }>('select name from nas')).map(({ name }) => name);

describe('of several hosts', () => {
  test('the one that takes writes is used, wherever it stands in the list', async () => {
    expect(await db.query('select pg_is_in_recovery() as standby')).toEqual([{ standby: false }]);
  });

  test('the promoted one is found by itself; what it never got is forgotten by who followed the changes', async () => {
    await named('kept');
    let resets = 0;
    const told: number[] = [];
    const feed = await followChanges(db, {
      from: await currentCursor(db),
      onChanges: async ({ nasIds }) => void told.push(...nasIds),
      onReset: async () => {
        resets += 1;
      },
    });
    await untilReplayed();
    // Its standby may be backed up in its place.
    const file = join(tmpdir(), `gerbang-standby-${process.pid}.gz`);
    expect(await backUp(pair.urls[1], file)).toMatchObject({ rows: expect.any(Number) });
    expect(await checkBackup(file)).toMatchObject({ tables: expect.any(Number) });
    rmSync(file);
    await pair.stopStreaming();
    await db.query(`delete from nas`);
    await named('lost');
    await db.query(`insert into change (topic, key) values ('nas', 7)`);
    await feed.catchUp();
    expect({ told, resets }).toEqual({ told: [7], resets: 0 });
    await pair.killPrimary();
    // It says of each host what is wrong, and no password.
    const failure = () =>
      db.query('select 1').then(String, (error) => `${(error as Error).name} ${(error as Error).message}`);
    await expect
      .poll(failure, { timeout: 30_000 })
      .toMatch(
        /^Unavailable database: no host takes writes \(127\.0\.0\.1:\d+ is a standby; 127\.0\.0\.1:\d+: connect ECONNREFUSED [^@]*\)$/,
      );
    await pair.promote();
    expect(await names()).toEqual(['kept']);
    // Numbers of transactions go on beyond what the feed had seen before it looks: they alone would say nothing is amiss.
    for (let i = 0; i < 20; i += 1) await db.query(`insert into job_run values ($1, now(), now())`, [`j${i}`]);
    await feed.catchUp();
    expect(resets).toBe(1);
    await db.query(`insert into change (topic, key) values ('nas', 8)`);
    await feed.catchUp();
    expect({ told, resets }).toEqual({ told: [7, 8], resets: 1 });
    await feed.close();
  });

  test('a server that crashed may give numbers out again: everything is loaded anew, once', async () => {
    let resets = 0;
    const feed = await followChanges(db, {
      from: await currentCursor(db),
      onChanges: async () => undefined,
      onReset: async () => {
        resets += 1;
      },
    });
    await feed.catchUp();
    await db.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gerbang listener'`,
    );
    await feed.catchUp();
    expect(resets).toBe(0);
    await pair.crashStandby();
    await expect
      .poll(
        () =>
          feed.catchUp().then(
            () => resets,
            () => -1,
          ),
        { timeout: 30_000 },
      )
      .toBe(1);
    await feed.catchUp();
    expect(resets).toBe(1);
    await feed.close();
  });
});

async function untilReplayed(): Promise<void> {
  const behind = async () =>
    (
      await db.query<{ behind: boolean }>(
        'select bool_or(replay_lsn < pg_current_wal_lsn()) as behind from pg_stat_replication',
      )
    )[0]!.behind;
  await expect.poll(behind, { timeout: 30_000, interval: 20 }).toBe(false);
}
