import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { MINUTE } from '#domain/time';
import type { Job } from '#jobs/job';
import { runSlot, slotOf } from '#jobs/run-slot';
import { type Schedule, startSchedule } from '#jobs/schedule';
import { type Database, openDatabase } from '#storage/database';
import { testDatabase } from '#test/support/database';

const NOON = Date.parse('2026-11-21T12:00:00Z');
const idle = new AbortController().signal;
let db: Database;
let names = 0;
beforeAll(async () => {
  db = await testDatabase();
});

function job(run: Job['run'], scope: Job['scope'] = 'cluster'): Job {
  names += 1;
  return { name: `job-${names}`, everySeconds: 300, scope, run };
}

describe('the slots of a job', () => {
  test('are counted from 1970, and a clock that fires a moment early means the slot it was set for', () => {
    expect(slotOf(NOON + 4 * MINUTE, 300)).toBe(NOON);
    expect(slotOf(NOON + 5 * MINUTE - 3, 300)).toBe(NOON + 5 * MINUTE);
  });

  test('each is done once, by whichever node comes first', async () => {
    const other = openDatabase({ url: db.url, poolSize: 2 });
    let runs = 0;
    const counted = job(async () => {
      runs += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return 'said';
    });
    const outcomes = await Promise.all([
      runSlot(db, counted, NOON, idle),
      runSlot(other, counted, NOON, idle),
      runSlot(other, counted, NOON, idle),
    ]);
    await other.close();
    expect(runs).toBe(1);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['busy-elsewhere', 'busy-elsewhere', 'done']);
    expect((await runSlot(db, counted, NOON, idle)).outcome).toBe('done-before');
    expect(await runSlot(db, counted, NOON + 5 * MINUTE, idle)).toEqual({ outcome: 'done', said: 'said' });
  });

  test('one that failed is not done: the next look does it', async () => {
    let fails = true;
    const shaky = job(async () => {
      if (fails) throw new Error('no');
      return null;
    });
    await expect(runSlot(db, shaky, NOON, idle)).rejects.toThrow('no');
    fails = false;
    expect((await runSlot(db, shaky, NOON, idle)).outcome).toBe('done');
  });

  test('slots missed while everything was down are made up for by one run', async () => {
    let runs = 0;
    const counted = job(async () => {
      runs += 1;
      return null;
    });
    await runSlot(db, counted, NOON, idle);
    await runSlot(db, counted, NOON + 60 * MINUTE, idle);
    expect(runs).toBe(2);
  });
});

test('jobs that are all due at once, more than the pool has connections, are all done', async () => {
  const small = openDatabase({ url: db.url, poolSize: 7 });
  const done: string[] = [];
  const jobs = Array.from({ length: 12 }, (_, at) =>
    job(async () => {
      await small.query('select pg_sleep(0.02)');
      done.push(`${at}`);
      return null;
    }),
  );
  const warn = vi.fn();
  const schedule = await startSchedule({ jobs, db: small, clock: () => NOON, log: { info: vi.fn(), warn } });
  await vi.waitFor(() => expect(done.length + warn.mock.calls.length).toBeGreaterThanOrEqual(12), 20_000);
  await schedule.stop();
  await small.close();
  expect(warn.mock.calls).toEqual([]);
  expect(done).toHaveLength(12);
});

describe('the clocks', () => {
  let schedule: Schedule | null = null;
  afterEach(async () => {
    await schedule?.stop();
    schedule = null;
  });

  const log = { info: vi.fn(), warn: vi.fn() };
  const start = async (jobs: Job[], tickMs = 200) => {
    schedule = await startSchedule({ jobs, db, clock: () => NOON, log, tickMs });
    return schedule;
  };
  const count = (of: string, outcome: string) =>
    schedule!.counts().find((one) => one.job === of && one.outcome === outcome)?.count ?? 0;

  test('every job looks at once and again and again, and does its slot once', async () => {
    const cluster = job(async () => 'done it');
    const node = job(async () => null, 'node');
    await start([cluster, node]);
    await vi.waitFor(() => expect(count(cluster.name, 'done-before')).toBeGreaterThan(1), { timeout: 30_000 });
    await vi.waitFor(() => expect(count(node.name, 'done-before')).toBeGreaterThan(1), { timeout: 30_000 });
    expect([count(cluster.name, 'done'), count(node.name, 'done')]).toEqual([1, 1]);
    expect(log.info).toHaveBeenCalledWith(`job ${cluster.name}: done it`);
  });

  test('a job that throws is said and tried again, and the others go on', async () => {
    let runs = 0;
    const shaky = job(async () => {
      runs += 1;
      throw new Error('disk full');
    });
    await start([shaky]);
    await vi.waitFor(() => expect(runs).toBeGreaterThan(1), { timeout: 30_000 });
    expect(log.warn).toHaveBeenCalledWith(`job ${shaky.name}: Error: disk full; it is tried again within a minute`);
  });

  test('stopping ends a running job by its signal, and does not wait for one that does not listen', async () => {
    let aborted = false;
    let listens = false;
    const listening = job(
      (signal) =>
        new Promise((resolve) => {
          listens = true;
          signal.addEventListener('abort', () => {
            aborted = true;
            resolve(null);
          });
        }),
      'node',
    );
    let began = false;
    const deaf = job(() => {
      began = true;
      return new Promise(() => undefined);
    }, 'node');
    await start([listening, deaf]);
    await vi.waitFor(() => expect([listens, began]).toEqual([true, true]), { timeout: 30_000 });
    const before = performance.now();
    await schedule!.stop(300);
    expect(aborted).toBe(true);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});
