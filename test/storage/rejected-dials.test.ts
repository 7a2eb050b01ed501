import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Unavailable } from '#domain/errors';
import { MINUTE } from '#domain/time';
import { rejectRecorder } from '#policy-server/rejects-side';
import type { RejectedDial } from '#radius/worker-messages';
import type { Database, Queryable } from '#storage/database';
import { type RejectedRun, recordRejects } from '#storage/rejected-dials';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const NOW = Date.now();
let db: Database;
let budi: number;
beforeEach(async () => {
  db ??= await testDatabase();
  await db.execute('truncate rejected_dial, subscriber cascade');
  budi = await new Shop(db).subscriber('budi');
});

const run = (over: Partial<RejectedRun> = {}): RejectedRun => ({
  username: 'budi',
  nasId: 1,
  mac: 'AA:BB:CC:00:00:01',
  reason: 'wrong-password',
  times: 1,
  firstAt: NOW,
  lastAt: NOW,
  ...over,
});
const rows = () =>
  db.query<{
    username: string;
    subscriberId: number | null;
    mac: string | null;
    times: number;
    first: number;
    last: number;
  }>(
    `select username, subscriber_id as "subscriberId", mac, times, first_at as first, last_at as last from rejected_dial order by id`,
  );

describe('rejected dials', () => {
  test('one after the other are one row; after ten minutes without one it is another', async () => {
    await recordRejects(db, [run()]);
    await recordRejects(db, [run({ times: 4, firstAt: NOW + 9 * MINUTE, lastAt: NOW + 12 * MINUTE })]);
    await recordRejects(db, [run({ firstAt: NOW + 21 * MINUTE, lastAt: NOW + 21 * MINUTE })]);
    await recordRejects(db, [run({ firstAt: NOW + 31 * MINUTE, lastAt: NOW + 31 * MINUTE })]);
    expect(await rows()).toMatchObject([
      { times: 6, first: NOW, last: NOW + 21 * MINUTE, subscriberId: budi },
      { times: 1, first: NOW + 31 * MINUTE },
    ]);
  });

  test('of another name, router, device or reason are another row, also in one batch', async () => {
    const different = [
      run(),
      run({ nasId: 2 }),
      run({ mac: null }),
      run({ reason: 'denied' }),
      run({ username: 'nobody' }),
    ];
    await recordRejects(db, different);
    await recordRejects(db, different);
    expect((await rows()).map(({ times }) => times)).toEqual([2, 2, 2, 2, 2]);
    expect((await rows()).map(({ subscriberId }) => subscriberId)).toEqual([budi, budi, budi, budi, null]);
  });

  test('what comes over the air is stored, whatever it holds', async () => {
    await recordRejects(db, [run({ username: "a\0b'; drop", mac: '\0', times: 2 })]);
    expect(await rows()).toMatchObject([{ username: "a\ufffdb'; drop", mac: '\ufffd', times: 2 }]);
  });
});

const dial = (username: string, at = NOW): RejectedDial => ({
  username,
  nasId: 1,
  mac: null,
  reason: 'unknown-user',
  at,
});
const quiet = () => ({ warn: vi.fn() });

describe('the recorder of rejected dials', () => {
  test('writes equal ones as one, in batches', async () => {
    const execute = vi.fn(db.execute);
    const counting: Queryable = { ...db, execute };
    const recorder = rejectRecorder({ db: () => counting, log: quiet(), pauseMs: 5 });
    recorder.add([dial('budi', NOW), dial('budi', NOW + 5), dial('siti')]);
    recorder.add([dial('budi', NOW + 9)]);
    await expect.poll(() => rows()).toHaveLength(2);
    expect(await rows()).toMatchObject([
      { username: 'budi', times: 3, first: NOW, last: NOW + 9 },
      { username: 'siti' },
    ]);
    expect(execute).toHaveBeenCalledTimes(1);
    await recorder.stop();
  });

  test('keeps what comes before there is a database and while it is away, and loses none of it', async () => {
    let open: Queryable | null = null;
    let away = true;
    let tries = 0;
    const shaky: Queryable = {
      ...db,
      execute: async (...of) => {
        tries += 1;
        if (away) throw new Unavailable('gone');
        return db.execute(...of);
      },
    };
    const recorder = rejectRecorder({ db: () => open, log: quiet(), pauseMs: 2 });
    recorder.add([dial('budi')]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    open = shaky;
    await expect.poll(() => tries).toBeGreaterThan(2);
    recorder.add([dial('budi', NOW + 1)]);
    away = false;
    await expect.poll(() => rows()).toMatchObject([{ times: 2 }]);
    expect(recorder.dropped()).toBe(0);
    await recorder.stop();
  });

  test('has room for so many; what is too much is counted and said, and nothing is thrown', async () => {
    const log = quiet();
    let open: Queryable | null = null;
    const recorder = rejectRecorder({ db: () => open, log, most: 3, pauseMs: 2 });
    recorder.add(['a', 'b', 'c', 'd', 'e', 'a'].map((name) => dial(name)));
    open = db;
    await expect.poll(() => rows()).toHaveLength(3);
    await recorder.stop();
    expect(recorder.dropped()).toBe(2);
    expect(log.warn).toHaveBeenCalledWith("2 rejected dials are missing in the subscribers' timelines");
    expect((await rows())[0]).toMatchObject({ username: 'a', times: 2 });
  });

  test('gives up what the database refuses, says so, and goes on', async () => {
    const log = quiet();
    let refuse = true;
    const refusing: Queryable = {
      ...db,
      execute: (...of) => {
        if (!refuse) return db.execute(...of);
        refuse = false;
        return Promise.reject(new Error('no'));
      },
    };
    const recorder = rejectRecorder({ db: () => refusing, log, pauseMs: 2 });
    recorder.add([dial('a'), dial('b')]);
    await expect.poll(() => recorder.dropped()).toBe(2);
    recorder.add([dial('c')]);
    await expect.poll(() => rows()).toMatchObject([{ username: 'c' }]);
    expect(log.warn).toHaveBeenCalled();
    await recorder.stop();
  });

  test('writes what is left when it stops', async () => {
    const recorder = rejectRecorder({ db: () => db, log: quiet(), pauseMs: 60_000 });
    recorder.add([dial('budi')]);
    await recorder.stop();
    expect(await rows()).toHaveLength(1);
  });
});
