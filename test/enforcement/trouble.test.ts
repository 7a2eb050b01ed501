import { describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { DAY, HOUR, SECOND } from '#domain/time';
import { loadEntries } from '#storage/facts';
import { active, driver, eventually, network, start, stateOf, time, useLoop, walled } from '#test/enforcement/harness';
import { ACTIVE, done, gone, silent, testSealer, WALLED } from '#test/enforcement/network';

useLoop();

describe('one NAS and another', () => {
  test('a dead NAS holds up nobody but its own, and catches up when it is back', async () => {
    const [dead, live] = [await network.nas(), await network.nas()];
    const until = time.clock() + HOUR;
    const ids = await network.lines(dead, 400, until, active);
    ids.push(...(await network.lines(live, 400, until, active)));
    const unanswered: (() => void)[] = [];
    let isDead = true;
    driver.answer = ({ nasId }) => {
      if (nasId !== dead || !isDead) return done;
      return new Promise((resolve) => unanswered.push(() => resolve(silent)));
    };
    const loop = await start();
    await network.mark(ids);
    await eventually(async () => (await stateOf(ids.at(-1)!))?.dueAt).toBe(until);
    time.moveTo(until);
    await eventually(() => network.countTold(WALLED, live)).toBe(400);
    await eventually(() => unanswered.length).toBe(128);
    for (const giveUp of unanswered.splice(0)) giveUp();
    await eventually(() => loop.status().nases.find(({ nasId }) => nasId === dead)?.silent).toBe(true);
    // Its whole queue is let go, and asks for no more than one try at a time.
    await eventually(() => loop.status().held).toBeLessThanOrEqual(1);
    expect(driver.calls.filter(({ nasId }) => nasId === dead).length).toBeLessThan(150);

    const failed = async () => {
      const [row] = await network.db.query<{ count: number }>(
        'select count(*) as count from due where attempts > 0 and claimed_until is null',
      );
      return row!.count;
    };
    await eventually(failed).toBe(400);
    // However long the back-off of the others is by now, the first answer brings them all back.
    const [trial] = ids;
    await network.db.execute(
      "update due set due_at = due_at + interval '1 hour' where attempts > 0 and subscriber_id <> $1",
      [trial],
    );
    isDead = false;
    for (const giveUp of unanswered) giveUp();
    time.moveTo(time.clock() + 5 * SECOND);
    await eventually(() => network.countTold(WALLED, dead)).toBe(400);
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
    const waiting = async () => {
      const [row] = await network.db.query<{ count: number }>(
        `select count(*) as count from due where claimed_until is null and due_at > $1::timestamptz
         and due_at < $1::timestamptz + interval '1 minute'`,
        [new Date(until).toISOString()],
      );
      return row!.count;
    };
    await eventually(waiting).toBeGreaterThan(100);
    network.nases.set(nas, { ...network.nases.get(nas)!, coaPerSecond: 2000 });
    time.moveTo(time.clock() + 20 * SECOND);
    await eventually(() => network.countTold(WALLED, nas)).toBe(700);
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
    await start({
      loadEntries: async (ids) => {
        if (ids.includes(broken!)) throw new Error('a row that cannot be read');
        return loadEntries(network.db, testSealer(), ids);
      },
    });
    await Promise.all([network.grant(broken!, time.clock()), network.grant(budi!, time.clock())]);
    await eventually(async () => (await stateOf(budi!))?.told).toBe(ACTIVE);
    await eventually(async () => (await stateOf(broken!))?.attempts).toBeGreaterThan(0);
    expect((await stateOf(broken!))?.error).toBe('a row that cannot be read');
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
    await eventually(() => network.countTold(ACTIVE, nas)).toBe(1_200);
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
    const nas = await network.nas({ coaPerSecond: 3 });
    const ids = await network.lines(nas, 8, null, walled);
    await network.db.execute(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
       select id, $2, now() - interval '1 hour', now() + interval '1 day' from unnest($1::bigint[]) id`,
      [ids, await network.plan()],
    );
    await network.mark(ids);
    await Promise.all([start({ leaseMs: 1_500 }), start({ leaseMs: 1_500 })]);
    let lapsed = 0;
    const told = async () => {
      const [row] = await network.db.query<{ count: number }>(
        'select count(*) as count from due where claimed_until < now()',
      );
      lapsed += row!.count;
      return network.countTold(ACTIVE, nas);
    };
    await eventually(told).toBe(8);
    expect(lapsed).toBe(0);
    expect(driver.calls.length).toBe(8);
  });
});

describe('probing', () => {
  test('a subscriber at the limit: sessions the NAS does not know are closed, the others stay', async () => {
    const nas = await network.nas();
    const [budi] = await network.lines(nas, 1, time.clock() + DAY, active);
    await network.db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, started_at, heard_at, day)
       values ('other', $1, '127.0.0.1', '81ffffff', 'ghost', $2, now(), now(), current_date)`,
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
