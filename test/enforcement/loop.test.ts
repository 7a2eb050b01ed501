import { describe, expect, test } from 'vitest';
import { backoffMs } from '#domain/backoff';
import { DAY, MINUTE, NEVER, SECOND } from '#domain/time';
import { loadEntries } from '#storage/facts';
import { active, driver, eventually, network, start, stateOf, time, useLoop, walled } from '#test/enforcement/harness';
import { ACTIVE, cannot, done, doubtful, gone, later, silent, testSealer, WALLED } from '#test/enforcement/network';

useLoop();

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

  test('a session that staff want ended is disconnected once, whatever is decided, and the request is done with', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    await start();
    await network.askEnd(budi!, time.clock());
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(driver.said()).toEqual([`disconnect line${nas}-0`]);
    expect(await network.acts(budi!)).toEqual(['disconnect → ack']);

    // It lives on: the router said yes and did nothing. Nobody asked for it to be told again.
    await network.db.execute('update session set ending_since = null where subscriber_id = $1', [budi]);
    await network.mark([budi!]);
    await eventually(async () => (await stateOf(budi!))?.dueAt).toBeGreaterThan(time.clock());
    expect(driver.calls.length).toBe(1);
  });

  test('a router that does not answer is asked again for some minutes, and then the request is let go', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    driver.answer = () => silent;
    await start();
    const asked = time.clock();
    await network.askEnd(budi!, asked);
    await eventually(async () => (await stateOf(budi!))?.attempts).toBe(1);
    expect((await network.acts(budi!))[0]).toBe('disconnect → no answer');
    time.moveTo(asked + 4 * MINUTE);
    await eventually(() => driver.calls.length).toBe(2);
    await eventually(async () => (await stateOf(budi!))?.attempts).toBe(2);
    time.moveTo(asked + 20 * MINUTE);
    await eventually(async () => (await stateOf(budi!))?.attempts).toBe(0);
    expect(driver.calls.length).toBe(2);
  });

  test('a CoA that nobody answered may have been carried out: who is decided as before is told so', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, null, walled);
    driver.answer = () => silent;
    await start();
    const until = time.clock() + MINUTE;
    await network.grant(budi!, time.clock(), until);
    await eventually(async () => (await stateOf(budi!))?.attempts).toBe(1);
    expect(driver.said()).toEqual([`coa line${nas}-0: ${ACTIVE}`]);
    driver.answer = () => done;
    time.moveTo(until);
    await eventually(() => driver.said().at(-1)).toBe(`coa line${nas}-0: ${WALLED}`);
    await eventually(async () => (await stateOf(budi!))?.told).toBe(WALLED);
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

test('what is taken back while a CoA is under way is taken back at the NAS too', async () => {
  const nas = await network.nas();
  const [budi] = await network.lines(nas, 1, null, walled);
  let answer: (value: typeof done) => void = () => undefined;
  driver.answer = () => (driver.calls.length === 1 ? new Promise((resolve) => (answer = resolve)) : done);
  await start();
  await network.grant(budi!, time.clock());
  await eventually(() => driver.calls.length).toBe(1);
  await network.db.execute('update grants set revoked_at = now()');
  await network.mark([budi!]);
  await eventually(async () => (await stateOf(budi!))?.claimedUntil).not.toBeNull();
  await new Promise((resolve) => setTimeout(resolve, 50));
  answer(done);
  await eventually(() => driver.said()).toEqual([`coa line${nas}-0: ${ACTIVE}`, `coa line${nas}-0: ${WALLED}`]);
  await eventually(async () => (await stateOf(budi!))?.told).toBe(WALLED);
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
    expect(late).toBeLessThan(2_000); // a round of looking would come within 15 s
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
    expect(await stateOf(budi!)).toMatchObject({
      told: WALLED,
      error: 'nas1 (127.0.0.1): CoA: nak 506 resources unavailable',
    });
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
    await start({ random: () => 0 });
    await network.suspend(budi!);
    // Sooner than a second try after a failure would be.
    await eventually(async () => (await stateOf(budi!))?.endedAt, 1_500).not.toBeNull();
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
