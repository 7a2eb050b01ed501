import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { figuresJob } from '#jobs/figures';
import type { Job } from '#jobs/job';
import { remindersJob } from '#jobs/reminders';
import { retentionJob } from '#jobs/retention';
import { runSlot, slotOf } from '#jobs/run-slot';
import { type Database, openDatabase, timestamp } from '#storage/database';
import { forgetBeyond } from '#storage/retention';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const NOON = Date.parse('2026-11-21T12:00:00Z');
const idle = new AbortController().signal;
let db: Database;
beforeEach(async () => {
  db = await testDatabase();
});

const runAt = (job: (clock: () => Instant) => Job, at: Instant, on = db) => {
  const made = job(() => at);
  return runSlot(on, made, slotOf(at, made.everySeconds), idle);
};

describe('the figures', () => {
  const job = (clock: () => Instant) => figuresJob(db, clock);
  const kept = () => db.query<{ at: Instant; prepaid: number }>('select at, prepaid from figure order by at');

  test('are kept once in each slot of five minutes, also by two nodes', async () => {
    await new Shop(db).subscriber('budi');
    const other = openDatabase({ url: db.url, poolSize: 2 });
    await Promise.all([
      runAt(job, NOON + MINUTE),
      runAt((clock) => figuresJob(other, clock), NOON + 2 * MINUTE, other),
    ]);
    await runAt(job, NOON + 3 * MINUTE);
    await other.close();
    expect(await kept()).toEqual([{ at: NOON, prepaid: 1 }]);
    await new Shop(db).subscriber('siti');
    await runAt(job, NOON + 5 * MINUTE);
    expect(await kept()).toEqual([
      { at: NOON, prepaid: 1 },
      { at: NOON + 5 * MINUTE, prepaid: 2 },
    ]);
  });

  test('of slots in which nobody counted are not made up', async () => {
    await runAt(job, NOON);
    await runAt(job, NOON + HOUR);
    expect((await kept()).map(({ at }) => at)).toEqual([NOON, NOON + HOUR]);
  });
});

describe('the reminders', () => {
  test('are looked for every minute; what was done is said, and nothing when there was nothing', async () => {
    const counts = { endingSoon: 2, ended: 0, quota: 1, outdated: 0 };
    let result = counts;
    const job = () => remindersJob(async () => result);
    expect(job().everySeconds).toBe(60);
    expect((await runAt(job, NOON)).said).toBe('reminders: 2 of packages that end soon, 1 of used quota');
    result = { endingSoon: 0, ended: 0, quota: 0, outdated: 0 };
    expect((await runAt(job, NOON + MINUTE)).said).toBeNull();
  });
});

describe('retention', () => {
  const forgetting = (at = NOON) => runAt((clock) => retentionJob(db, clock, 12), at);
  const count = async (table: string) => (await db.query<{ n: number }>(`select count(*) as n from ${table}`))[0]!.n;

  test('forgets old figures, rejects, budgets and sessions of the web, and keeps the young ones', async () => {
    const shop = new Shop(db);
    const who = await shop.subscriber('budi');
    for (const days of [373, 371]) {
      await db.execute(`insert into figure values ($1::timestamptz, 0, 0, 0, 0, 0, 0)`, [timestamp(NOON - days * DAY)]);
    }
    for (const days of [91, 89]) {
      await db.execute(
        `insert into rejected_dial (username, nas_id, reason, first_at, last_at) values ('x', 1, 'r', '2020-01-01', $1::timestamptz)`,
        [timestamp(NOON - days * DAY)],
      );
    }
    for (const days of [3, 1]) {
      await db.execute('insert into login_budget values ($1, $2::timestamptz, 1)', [
        `b${days}`,
        timestamp(NOON - days * DAY),
      ]);
    }
    for (const hours of [-1, 1]) {
      await db.execute(
        `insert into web_session (token_hash, subscriber_id, expires_at) values ($1, $2, $3::timestamptz)`,
        [Buffer.from([hours + 1]), who, timestamp(NOON + hours * HOUR)],
      );
    }
    await forgetting();
    for (const table of ['figure', 'rejected_dial', 'login_budget', 'web_session'])
      expect([table, await count(table)]).toEqual([table, 1]);
    const [budget] = await db.query<{ bucket: string }>('select bucket from login_budget');
    expect(budget!.bucket).toBe('b1');
  });

  test('forgets the texts of old messages, but not that they were sent, nor of those that wait', async () => {
    const shop = new Shop(db);
    const who = await shop.subscriber('budi');
    const old = await shop.message(who, NOON - 91 * DAY, { sentAt: NOON - 91 * DAY, onceKey: 'ended:1' });
    const failed = await shop.message(who, NOON - 91 * DAY, { failedAt: NOON - 90 * DAY });
    const waits = await shop.message(who, NOON - 91 * DAY);
    const young = await shop.message(who, NOON - 89 * DAY, { sentAt: NOON - 89 * DAY });
    await forgetting();
    const rows = await db.query<{ id: number; length: number }>(
      'select id, octet_length(body_sealed) as length from message order by id',
    );
    expect(rows.filter(({ length }) => length === 0).map(({ id }) => id)).toEqual([old, failed]);
    expect(rows.filter(({ length }) => length > 0).map(({ id }) => id)).toEqual([waits, young]);
  });

  test('forgets what modems were told long ago, but not what is still on its way', async () => {
    const who = await new Shop(db).subscriber('budi');
    const told = (ended: number | null) =>
      db.execute(
        `insert into acs_task (subscriber_id, device_id, kind, body_sealed, created_at, created_by, due_at, ended_at)
         values ($1, $2, 'wifi', '', $3::timestamptz, 'x', $3::timestamptz, $4::timestamptz)`,
        [
          who,
          ended === null ? 'open' : String(ended),
          timestamp(NOON - 91 * DAY),
          timestamp(ended && NOON - ended * DAY),
        ],
      );
    for (const ended of [91, 89, null]) await told(ended);
    await forgetting();
    expect(await db.query('select device_id as of from acs_task order by id')).toEqual([{ of: '89' }, { of: 'open' }]);
  });

  test('goes in short statements until nothing is left, and stops when it is told to', async () => {
    await db.execute(
      `insert into rejected_dial (username, nas_id, reason, first_at, last_at) select 'x', 1, 'r', '2020-01-01', '2020-01-01' from generate_series(1, 25)`,
    );
    await forgetBeyond(db, NOON, 12, AbortSignal.abort(), 10);
    expect(await count('rejected_dial')).toBe(25);
    await forgetBeyond(db, NOON, 12, idle, 10);
    expect(await count('rejected_dial')).toBe(0);
  });
});
