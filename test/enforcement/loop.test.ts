import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { DAY, HOUR, MINUTE, NEVER, SECOND } from '#domain/time';
import { backoffMs } from '#enforcement/backoff';
import { type Loop, type LoopOptions, startLoop } from '#enforcement/loop';
import { type LoadedEntry, loadEntries } from '#storage/facts';
import {
  ACTIVE,
  cannot,
  done,
  doubtful,
  FIXED,
  gone,
  later,
  MovableTime,
  Network,
  ScriptedDriver,
  silent,
  testSealer,
  WALLED,
} from '#test/enforcement/network';
import { testDatabase } from '#test/support/database';

const active = { live: ACTIVE, fixed: FIXED };
const walled = { live: WALLED, fixed: FIXED };

let network: Network;
let time: MovableTime;
let driver: ScriptedDriver;
const loops: Loop[] = [];

beforeEach(async () => {
  network = new Network(await testDatabase());
  time = new MovableTime();
  driver = new ScriptedDriver(time.clock);
});

afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop()));
  await network.db.close();
});

async function start(changes: Partial<LoopOptions<LoadedEntry>> = {}): Promise<Loop> {
  const loop = await startLoop({ ...network.options(driver, time), ...changes });
  loops.push(loop);
  return loop;
}

const eventually = <T>(read: () => T | Promise<T>, timeout = 5_000) => expect.poll(read, { timeout, interval: 10 });
const stateOf = (id: number) => network.state(id);

describe('facts change', () => {
  test('a grant reaches the live session as a CoA, and the next look is when it ends', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    const published: number[] = [];
    await start({ publish: (entries) => published.push(...entries.map((entry) => entry.facts.subscriberId)) });
    const from = time.clock();
    await network.grant(budi!, from);
    await eventually(async () => (await stateOf(budi!))?.told).toBe(ACTIVE);
    expect(driver.said()).toEqual([`coa line${nas}-0: ${ACTIVE}`]);
    expect(published[0]).toBe(budi);
    expect(await network.acts(budi!)).toEqual(['coa → ack']);
    const after = await stateOf(budi!);
    expect(after).toMatchObject({ dueAt: from + 30 * DAY, attempts: 0, error: null, claimedUntil: null });
  });

  test('the directories have the fresh facts before the NAS hears of it', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    const order: string[] = [];
    driver.answer = () => {
      order.push('CoA');
      return done;
    };
    await start({ publish: () => order.push('directories') });
    await network.grant(budi!, time.clock());
    await eventually(() => order.at(-1)).toBe('CoA');
    expect(order[0]).toBe('directories');
  });

  test('a suspended subscriber is disconnected; that the NAS said yes is not yet the end', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    await start();
    await network.suspend(budi!);
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(driver.said()).toEqual([`disconnect line${nas}-0`]);
    expect(await stateOf(budi!)).toMatchObject({ endedAt: null, told: ACTIVE });

    // Accounting shows it alive: the intake takes `ending` back and makes it due; it is asked again.
    await network.db.execute('update session set ending_since = null where subscriber_id = $1', [budi]);
    await network.mark([budi!]);
    await eventually(() => driver.said().length).toBe(2);
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
  });

  test('nothing is said to a session that is as decided', async () => {
    const nas = await network.nas();
    const until = Math.floor(time.clock() / 1000) * 1000 + DAY;
    const [budi] = await network.lines(nas, 1, until, active);
    await start();
    await network.mark([budi!]);
    await eventually(async () => (await stateOf(budi!))?.dueAt).toBe(until);
    expect(driver.calls).toEqual([]);
  });

  test('the newest state wins: what changed while it waited in the queue is said once, as it is now', async () => {
    const nas = await network.nas({ coaPerSecond: 2 });
    const [first, budi] = await network.lines(nas, 2, null, walled);
    await start();
    await network.grant(first!, time.clock());
    await network.grant(budi!, time.clock());
    await eventually(() => driver.calls.length).toBe(1);
    await network.suspend(budi!);
    await network.suspend(budi!, false);
    await network.suspend(budi!);
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(driver.said()).toEqual([`coa line${nas}-0: ${ACTIVE}`, `disconnect line${nas}-1`]);
  });

  test('the newest state wins: what changes while a CoA is under way is said right after it', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    let answer: (value: typeof done) => void = () => undefined;
    driver.answer = () => (driver.calls.length === 1 ? new Promise((resolve) => (answer = resolve)) : done);
    await start();
    await network.grant(budi!, time.clock());
    await eventually(() => driver.calls.length).toBe(1);
    await network.suspend(budi!);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(driver.calls.length).toBe(1);
    answer(done);
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(driver.said()).toEqual([`coa line${nas}-0: ${ACTIVE}`, `disconnect line${nas}-0`]);
    expect((await stateOf(budi!))?.told).toBe(ACTIVE);
  });
});

describe('time and usage', () => {
  test('an expiry is carried out at its instant, not before and not at a next round', async () => {
    const nas = await network.nas();
    const until = time.clock() + 30 * DAY;
    const [budi] = await network.lines(nas, 1, until, active);
    await start();
    await network.mark([budi!]);
    await eventually(async () => (await stateOf(budi!))?.dueAt).toBe(until);
    time.moveTo(until - 200);
    await eventually(() => driver.said()).toEqual([`coa line${nas}-0: ${WALLED}`]);
    const late = driver.calls[0]!.at - until;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(150);
    await eventually(async () => (await stateOf(budi!))?.dueAt).toBeGreaterThan(until);
  });

  test('usage that reaches valid_below walls the line in', async () => {
    const nas = await network.nas();
    await network.plan(1_000_000);
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    await start();
    await network.mark([budi!]);
    await eventually(async () => (await stateOf(budi!))?.validBelow).toBe(1_000_000);
    expect(driver.calls).toEqual([]);
    // What the intake does, in one transaction.
    await network.db.transaction(async (tx) => {
      await tx.execute('update grants set used_bytes = 1000000 where subscriber_id = $1', [budi]);
      await tx.execute('update due set due_at = now(), claimed_until = null where subscriber_id = $1', [budi]);
      await tx.query("select pg_notify('gerbang_change', '')");
    });
    await eventually(async () => (await stateOf(budi!))?.told).toBe(WALLED);
  });

  test('usage applied between the look and its end is not overlooked', async () => {
    const nas = await network.nas();
    await network.plan(1_000_000);
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    let used = false;
    await start({
      loadEntries: async (ids) => {
        const entries = await loadEntries(network.db, testSealer(), ids);
        // The intake saw no threshold yet, so it marks nobody.
        if (!used) await network.db.execute('update grants set used_bytes = 1000000 where subscriber_id = $1', [budi]);
        used = true;
        return entries;
      },
    });
    await network.mark([budi!]);
    await eventually(async () => (await stateOf(budi!))?.told).toBe(WALLED);
  });
});

describe('what a NAS answers', () => {
  test('a NAS that cannot change a session is told to end it', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    driver.answer = (call) => (call.do === 'coa' ? cannot : done);
    await start();
    await network.grant(budi!, time.clock());
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(await network.acts(budi!)).toEqual(['coa → nak 401 unsupported attribute', 'disconnect → ack']);
    expect(await stateOf(budi!)).toMatchObject({ told: WALLED, attempts: 0 });
  });

  test('O10 a CoA that was refused changed nothing: what the session was told stays', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    driver.answer = () => later;
    await start();
    await network.grant(budi!, time.clock());
    await eventually(async () => (await stateOf(budi!))?.attempts).toBe(1);
    expect(await stateOf(budi!)).toMatchObject({ told: WALLED, error: 'nas1: CoA: nak 506 resources unavailable' });
  });

  test('a session the NAS does not know is closed, and its slot is free', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    driver.answer = () => gone;
    const ended: number[] = [];
    await start({ onSessionsEnded: (ids) => ended.push(...ids) });
    await network.grant(budi!, time.clock());
    await eventually(() => ended).toEqual([budi]);
    expect(await stateOf(budi!)).toMatchObject({ flags: ['assumed-ended'], attempts: 0 });
    expect((await stateOf(budi!))?.endedAt).not.toBeNull();
  });

  test('406 from a NAS of which nothing is known: a session surely alive tells what its word is worth', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 2, time.clock() + DAY, active);
    let shown = false;
    driver.answer = (call) => {
      if (call.username.endsWith('-1')) shown = true;
      if (call.username.endsWith('-1')) return done;
      return shown ? { ...gone, said: doubtful.said } : doubtful;
    };
    await start();
    await network.suspend(budi!);
    await eventually(async () => (await stateOf(budi!))?.endedAt).not.toBeNull();
    expect(driver.said()).toEqual([`disconnect line${nas}-0`, `probe line${nas}-1`, `disconnect line${nas}-0`]);
  });

  test('406 that nothing bears out closes no session: it is tried again', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    driver.answer = () => doubtful;
    await start();
    await network.suspend(budi!);
    await eventually(async () => (await stateOf(budi!))?.attempts).toBe(1);
    expect(await stateOf(budi!)).toMatchObject({ endedAt: null, endingSince: null });
  });

  test('what failed is tried again after 2 s, doubling up to 5 min, each up to a half sooner', () => {
    const at = (attempts: number, random: number) => backoffMs(attempts, () => random);
    expect([1, 2, 3, 8, 9, 1000].map((n) => at(n, 0))).toEqual([2, 4, 8, 256, 300, 300].map((s) => s * SECOND));
    expect(at(1, 0.999)).toBeCloseTo(1001, 0);
    expect(at(99, 0.5)).toBe(225 * SECOND);
  });

  test('a failure is forgotten by nobody: it is tried until it succeeds', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    driver.answer = () => (driver.calls.length < 4 ? later : done);
    await start({ random: () => 0 });
    await network.grant(budi!, time.clock());
    for (const attempts of [1, 2, 3]) {
      await eventually(async () => (await stateOf(budi!))?.attempts).toBe(attempts);
      expect((await stateOf(budi!))!.dueAt - time.clock()).toBeGreaterThan(1.5 ** attempts * SECOND);
      time.moveTo((await stateOf(budi!))!.dueAt);
    }
    await eventually(async () => (await stateOf(budi!))?.told).toBe(ACTIVE);
    expect(await stateOf(budi!)).toMatchObject({ attempts: 0, error: null });
  });
});

describe('one NAS and another', () => {
  test('a dead NAS holds up nobody but its own, and catches up when it is back', async () => {
    const [dead, live] = [await network.nas(), await network.nas()];
    const until = time.clock() + HOUR;
    const ids = await network.lines(dead, 400, until, active);
    ids.push(...(await network.lines(live, 400, until, active)));
    let isDead = true;
    driver.answer = async ({ nasId }) => {
      if (nasId !== dead || !isDead) return done;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return silent;
    };
    const loop = await start();
    await network.mark(ids);
    await eventually(async () => (await stateOf(ids.at(-1)!))?.dueAt).toBe(until);
    time.moveTo(until);
    const began = performance.now();
    await eventually(() => network.countTold(WALLED, live)).toBe(400);
    expect(performance.now() - began).toBeLessThan(3_000);
    await eventually(() => loop.status().nases.find(({ nasId }) => nasId === dead)?.silent).toBe(true);
    // Its whole queue is let go, and asks for no more than one try at a time.
    await eventually(() => loop.status().held).toBeLessThanOrEqual(1);
    expect(driver.calls.filter(({ nasId }) => nasId === dead).length).toBeLessThan(150);

    isDead = false;
    time.moveTo(time.clock() + 5 * SECOND);
    await eventually(() => network.countTold(WALLED, dead), 15_000).toBe(400);
    await eventually(async () => loop.status()).toMatchObject({ held: 0 });
  });

  test('each NAS is asked at its own pace', async () => {
    const [slow, quick] = [await network.nas({ coaPerSecond: 50 }), await network.nas({ coaPerSecond: 500 })];
    const until = time.clock() + HOUR;
    const ids = await network.lines(slow, 60, until, active);
    ids.push(...(await network.lines(quick, 300, until, active)));
    await start();
    await network.mark(ids);
    await eventually(async () => (await stateOf(ids.at(-1)!))?.dueAt).toBe(until);
    time.moveTo(until);
    await eventually(() => driver.calls.length).toBe(360);
    const spanOf = (nas: number) => {
      const times = driver.calls.filter(({ nasId }) => nasId === nas).map(({ at }) => at);
      return times.at(-1)! - times[0]!;
    };
    expect(spanOf(slow)).toBeGreaterThan(1_000);
    expect(spanOf(quick)).toBeGreaterThan(450);
    expect(spanOf(quick)).toBeLessThan(spanOf(slow));
  });

  test('a queue too long for the pace goes back to the database and still all is done', async () => {
    const nas = await network.nas({ coaPerSecond: 1000 });
    const until = time.clock() + HOUR;
    const ids = await network.lines(nas, 700, until, active);
    network.nases.set(nas, { ...network.nases.get(nas)!, coaPerSecond: 40 });
    await start();
    await network.mark(ids);
    await eventually(async () => (await stateOf(ids.at(-1)!))?.dueAt).toBe(until);
    time.moveTo(until);
    await eventually(() => driver.calls.length).toBeGreaterThan(10);
    const [row] = await network.db.query<{ waiting: number }>(
      "select count(*) as waiting from due where claimed_until is null and due_at > $1::timestamptz and due_at < $1::timestamptz + interval '1 minute'",
      [new Date(until).toISOString()],
    );
    expect(row!.waiting).toBeGreaterThan(100);
    network.nases.set(nas, { ...network.nases.get(nas)!, coaPerSecond: 2000 });
    time.moveTo(time.clock() + 20 * SECOND);
    await eventually(() => network.countTold(WALLED, nas), 10_000).toBe(700);
    expect(driver.calls.length).toBe(700);
  });
});

describe('when things go wrong on our side', () => {
  test('the database is away for a while: it is looked at again, and readiness can tell', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    let away = true;
    const loop = await start({
      loadEntries: async (ids) => {
        if (away) throw new Unavailable('no database');
        return loadEntries(network.db, testSealer(), ids);
      },
    });
    await network.grant(budi!, time.clock());
    await eventually(() => loop.behindMs()).toBeGreaterThan(300);
    away = false;
    await eventually(async () => (await stateOf(budi!))?.told).toBe(ACTIVE);
    await eventually(() => loop.behindMs()).toBe(0);
  });

  test('one subscriber who cannot be read does not hold up the others', async () => {
    const nas = await network.nas();
    const [broken, budi] = await network.lines(nas, 2, null, walled);
    await network.db.execute("update subscriber set password_sealed = '\\x00' where id = $1", [broken]);
    await start();
    await Promise.all([network.grant(broken!, time.clock()), network.grant(budi!, time.clock())]);
    await eventually(async () => (await stateOf(budi!))?.told).toBe(ACTIVE);
    await eventually(async () => (await stateOf(broken!))?.attempts).toBeGreaterThan(0);
    expect((await stateOf(broken!))?.error).toContain('subscriber.password_sealed');
  });

  test('two nodes on one database share the work: nobody is told twice', async () => {
    const nas = await network.nas();
    const ids = await network.lines(nas, 1_200, null, walled);
    await network.db.execute(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
       select id, $2, now() - interval '1 hour', now() + interval '1 day' from unnest($1::bigint[]) id`,
      [ids, await network.plan()],
    );
    await network.mark(ids);
    await Promise.all([start(), start()]);
    await eventually(() => network.countTold(ACTIVE, nas), 10_000).toBe(1_200);
    expect(driver.calls.length).toBe(1_200);
  });

  test('a stop gives back what was not carried out: the next start does it at once', async () => {
    const nas = await network.nas({ coaPerSecond: 5 });
    const ids = await network.lines(nas, 20, null, walled);
    const loop = await start();
    for (const id of ids) await network.grant(id, time.clock());
    await eventually(() => driver.calls.length).toBeGreaterThan(1);
    await loop.stop();
    network.nases.set(nas, { ...network.nases.get(nas)!, coaPerSecond: 1000 });
    await start();
    await eventually(() => network.countTold(ACTIVE, nas), 2_000).toBe(20);
  });

  test('a claim of a node that died is anybody’s when it lapses', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    await network.grant(budi!, time.clock());
    await network.db.execute("update due set claimed_until = now() + interval '1 second', claim = 1");
    await start({ leaseMs: 600 });
    await eventually(async () => (await stateOf(budi!))?.told).toBe(ACTIVE);
  });

  test('a long wait in the queue keeps its claim', async () => {
    const nas = await network.nas({ coaPerSecond: 4 });
    const ids = await network.lines(nas, 8, null, walled);
    await network.db.execute(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
       select id, $2, now() - interval '1 hour', now() + interval '1 day' from unnest($1::bigint[]) id`,
      [ids, await network.plan()],
    );
    await network.mark(ids);
    await Promise.all([start({ leaseMs: 600 }), start({ leaseMs: 600 })]);
    await eventually(() => network.countTold(ACTIVE, nas)).toBe(8);
    expect(driver.calls.length).toBe(8);
  });
});

describe('probing', () => {
  test('a subscriber at the limit: sessions the NAS does not know are closed, the others stay', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    await network.db.execute(
      `insert into session (key, nas_id, acct_session_id, username, subscriber_id, started_at, heard_at, day)
       values ('other', $1, '81ffffff', 'ghost', $2, now(), now(), current_date)`,
      [nas, budi],
    );
    driver.answer = (call) => (call.username === 'ghost' ? gone : done);
    const ended: number[] = [];
    const loop = await start({ onSessionsEnded: (ids) => ended.push(...ids) });
    const [first, second] = await Promise.all([loop.probeSessions(budi!), loop.probeSessions(budi!)]);
    expect([first, second]).toEqual([1, 1]);
    expect(driver.calls.filter(({ do: act }) => act === 'probe')).toHaveLength(2);
    expect(ended).toEqual([budi]);
    const rows = await network.db.query<{ key: string }>('select key from session where ended_at is null');
    expect(rows.map(({ key }) => key)).toEqual([`key${budi}`]);
  });

  test('silence closes nothing', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    driver.answer = () => silent;
    const loop = await start();
    expect(await loop.probeSessions(budi!)).toBe(0);
    expect(await network.countTold(ACTIVE, nas)).toBe(1);
  });
});

test('a subscriber without a session is looked at next when time could change the answer', async () => {
  const nas = await network.nas();
  const until = time.clock() + 10 * MINUTE;
  const [budi] = await network.lines(nas, 1, until, active);
  await network.db.execute('update session set ended_at = now()');
  await start();
  await network.mark([budi!]);
  await eventually(async () => (await stateOf(budi!))?.dueAt).toBe(until);
  time.moveTo(until);
  await eventually(async () => (await stateOf(budi!))?.dueAt).toBe(NEVER);
  expect(driver.calls).toEqual([]);
});
