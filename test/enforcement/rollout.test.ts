import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bucketOf, onlyPolicy, policyFor } from '#domain/rollout';
import { DAY, MINUTE, SECOND } from '#domain/time';
import { rollBack } from '#operations/publish-policy';
import type { Database } from '#storage/database';
import { claimDue, settleDue } from '#storage/due';
import { activeRollout } from '#storage/rollouts';
import { ACTIVE, POLICY } from '#test/enforcement/network';
import { HALF, HALVED, RolloutWorld } from '#test/enforcement/rollout-harness';
import { faults } from '#test/operations/desk';
import { testDatabase } from '#test/support/database';

let db: Database;
let world: RolloutWorld;
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  await world.stop();
});

/** A world of so many lines whose loop has looked at everybody. */
async function worldOf(lines: number, next = HALF): Promise<RolloutWorld> {
  world = await RolloutWorld.of(db, lines, next);
  await world.startLoop();
  return world;
}

/** Those whom the stored share gives the new policy, as any node works it out. */
async function inShare(): Promise<number[]> {
  const policies = await world.policies();
  return world.ids.filter((id) => policyFor(policies, id) !== policies.current);
}

describe('a rollout without a canary', () => {
  test('reaches so many lines a second, in the order of their buckets, and dials and sessions agree at each step', async () => {
    await worldOf(45);
    await world.start({ perSecond: 10 });
    for (const expected of [10, 20, 30, 40, 45]) {
      const { stage } = await world.second();
      expect(stage).toBe('spreading');
      expect(await inShare()).toHaveLength(expected);
      world.time.moveTo(world.time.clock() + SECOND);
      await world.quietened();
      expect(await world.told(HALVED)).toEqual(await inShare());
    }
    const { salt } = (await activeRollout(db))!;
    const usernames = world.driver.calls.map(({ username }) => Number(username.slice(`line${world.nas}-`.length)));
    const buckets = usernames.map((place) => bucketOf(world.ids[place]!, salt));
    for (let step = 0; step < 40; step += 10)
      expect(Math.max(...buckets.slice(step, step + 10))).toBeLessThan(Math.min(...buckets.slice(step + 10)));
  });

  test('is done when all are told: it leaves no trace in decisions, nor of the sessions it watched', async () => {
    await worldOf(20);
    await world.start({ perSecond: 100 });
    await world.second();
    expect(await world.status()).toMatchObject({ stage: 'spreading', share: 1 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    const done = await world.second();
    expect(done).toMatchObject({ stage: 'done', share: 1, reason: null, expectedEnd: null });
    expect(done.live).toEqual({ wanted: 20, told: 20, naks: 0, timeouts: 0, lost: 0 });
    expect(await world.policies()).toEqual(onlyPolicy(HALF));
    expect(await db.query('select 1 from policy_rollout_session')).toEqual([]);
    expect(await world.step(1)).toBe(false);
    expect(world.driver.calls).toHaveLength(20);
    expect(await world.audited()).toEqual(['start policy rollout', 'publish policy']);
  });

  test('of an edit that changes nobody now says nothing to any router and is done', async () => {
    await worldOf(10, { ...POLICY, rules: POLICY.rules.map((rule) => ({ ...rule, name: `${rule.name} again` })) });
    await world.start({ perSecond: 100 });
    await world.second();
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    expect(await world.second()).toMatchObject({ stage: 'done', live: { wanted: 10, told: 10 } });
    expect(world.driver.calls).toEqual([]);
  });

  test('without a single live session is done at the next steps', async () => {
    await worldOf(0);
    await world.start();
    await world.second();
    expect(await world.second()).toMatchObject({ stage: 'done', live: { wanted: 0 } });
  });

  test('does not run away from routers that are slower than its pace', async () => {
    await worldOf(60);
    world.driver.answer = () => new Promise(() => undefined);
    await world.start({ perSecond: 1 });
    for (let second = 0; second < 20; second += 1) await world.second();
    expect((await world.status()).live).toMatchObject({ wanted: 11, told: 0 });
  });
});

describe('a canary', () => {
  test('has its share of dials at once, is told at the pace, and spreads when it was watched for so long', async () => {
    await worldOf(200);
    const begun = await world.start({ canary: 0.1, perSecond: 10, watchSeconds: 60 });
    expect(begun).toMatchObject({ stage: 'canary', share: 0.1, from: 1, to: 2, startedBy: 'staff:andi' });
    const canary = await inShare();
    expect(canary.length).toBe(begun.live.wanted);
    expect(canary.length).toBeGreaterThan(5);
    expect(canary.length).toBeLessThan(45);
    const turns = await db.query<{ at: number }>(
      'select s.reached_at as at from policy_rollout_session s order by policy_bucket(subscriber_id, (select salt from policy_rollout))',
    );
    expect(turns.map(({ at }) => at - begun.startedAt)).toEqual(turns.map((_turn, place) => place * 100));
    world.time.moveTo(world.time.clock() + 10 * SECOND);
    await world.quietened();
    expect(await world.told(HALVED)).toEqual(canary);
    expect(await world.second()).toMatchObject({ stage: 'canary', live: { told: canary.length } });
    expect(await world.second(57)).toMatchObject({ stage: 'canary', share: 0.1 });
    expect(await world.second(5)).toMatchObject({ stage: 'spreading', share: 0.1 });
    expect(await world.second()).toMatchObject({ stage: 'spreading' });
    expect((await inShare()).length).toBe(canary.length + 10);
    expect(await world.audited()).toEqual(['start policy rollout', 'spread policy']);
  });

  test('has one line at least, however small its share', async () => {
    await worldOf(10);
    await world.start({ canary: 0.000001 });
    expect(await inShare()).toHaveLength(1);
  });

  test('with routers that refuse stops by itself, says why, and takes back everything', async () => {
    await worldOf(100);
    world.driver.answer = ({ do: act, live }) =>
      act === 'coa' && live === HALVED
        ? { is: 'cannot', said: 'nak 401 unsupported attribute' }
        : act === 'disconnect'
          ? { is: 'later', said: 'nak 506 resources unavailable' }
          : { is: 'done', said: 'ack' };
    const { live } = await world.start({ canary: 0.3, perSecond: 1000 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    const stopped = await world.second();
    expect(stopped).toMatchObject({ stage: 'stopped', share: 0, live: { naks: live.wanted, told: 0 } });
    expect(stopped.reason).toBe(
      `routers refused ${live.wanted} of ${live.wanted} sessions (100 %, the limit is 5 %); nas1 said: nak 401 unsupported attribute`,
    );
    expect(await world.policies()).toEqual(onlyPolicy(POLICY));
    world.time.moveTo(world.time.clock() + 10 * MINUTE);
    await world.quietened();
    expect(await world.told(ACTIVE)).toEqual(world.ids);
    await expect.poll(() => db.query('select 1 from due where attempts > 0'), { timeout: 20_000 }).toEqual([]);
    expect(await world.audited()).toEqual(['start policy rollout', 'stop policy rollout']);
  });

  test('of which a part was told goes back when it stops: every session is as it was', async () => {
    await worldOf(100);
    // Every second router acknowledges.
    const isBad = (username: string) => Number(username.split('-')[1]) % 2 === 0;
    world.driver.answer = ({ username, live }) =>
      isBad(username) && live !== ACTIVE
        ? { is: 'later', said: 'nak 506 resources unavailable' }
        : { is: 'done', said: 'ack' };
    await world.start({ canary: 0.5, perSecond: 1000 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    const told = await world.told(HALVED);
    expect(told.length).toBeGreaterThan(10);
    expect(await world.second()).toMatchObject({ stage: 'stopped' });
    await world.quietened();
    await expect.poll(() => world.told(ACTIVE), { timeout: 20_000 }).toEqual(world.ids);
    world.time.moveTo(world.time.clock() + 10 * MINUTE);
    await world.quietened();
    const takenBack = world.driver.calls.filter(({ live }) => live === ACTIVE).length;
    expect(takenBack).toBe(told.length);
  });

  test('stops for routers that do not answer', async () => {
    await worldOf(50);
    world.driver.answer = () => ({ is: 'silent', said: 'no answer' });
    await world.start({ canary: 0.5, perSecond: 1000 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    const { stage, reason } = await world.second();
    expect(stage).toBe('stopped');
    expect(reason).toMatch(
      /^routers did not answer for \d+ of \d+ sessions \(100 %, the limit is 10 %\); nas1 said: no answer$/,
    );
  });

  test('is not judged by routers that were silent before it', async () => {
    await worldOf(50);
    await db.execute(`insert into due (subscriber_id, due_at, attempts, last_error)
      select id, now() + interval '1 hour', 9, 'nas1 does not answer' from subscriber where id % 2 = 0`);
    const { live } = await world.start({ canary: 1, perSecond: 1000, watchSeconds: 0 });
    expect(live.wanted).toBe(25);
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    expect(await world.second()).toMatchObject({ stage: 'spreading', live: { told: 25, timeouts: 0 } });
  });
});

describe('sessions that a canary disconnects', () => {
  const REDIAL = {
    ...POLICY,
    rules: POLICY.rules.map((rule) =>
      rule.name === 'active' ? { ...rule, give: { ...rule.give, pool: 'north' } as typeof rule.give } : rule,
    ),
  };

  async function disconnected(): Promise<number[]> {
    await worldOf(100, REDIAL);
    await world.start({ canary: 0.5, perSecond: 1000, watchSeconds: 60 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    const canary = await inShare();
    for (const id of canary) await world.endSession(id, world.time.clock());
    expect(await world.second()).toMatchObject({
      stage: 'canary',
      live: { wanted: canary.length, told: canary.length },
    });
    return canary;
  }

  test('and that do not come back within two minutes stop it', async () => {
    const canary = await disconnected();
    for (const id of canary.slice(5)) await world.startSession(id, world.time.clock());
    await world.quietened();
    expect(await world.second(60)).toMatchObject({ stage: 'canary', live: { lost: 0 } });
    expect(await world.second(30), 'watched long enough, but five may be lost yet').toMatchObject({ stage: 'canary' });
    const { stage, reason } = await world.second(31);
    expect(stage).toBe('stopped');
    expect(reason).toMatch(
      /^5 of \d+ sessions went down and did not come back \(\d+(\.\d)? %, the limit is 2 %\); their routers: nas1$/,
    );
  });

  test('and that all come back let it spread', async () => {
    const canary = await disconnected();
    for (const id of canary) await world.startSession(id, world.time.clock());
    await world.quietened();
    expect(await world.second(61)).toMatchObject({ stage: 'spreading', live: { lost: 0, told: canary.length } });
  });

  test('because the policy denies them are not lost', async () => {
    await worldOf(40, {
      ...POLICY,
      rules: [{ name: 'nobody', when: { is: 'covered' }, give: { access: 'denied' } }, ...POLICY.rules],
    });
    await world.start({ canary: 0.5, perSecond: 1000, watchSeconds: 0 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    for (const id of await inShare()) await world.endSession(id, world.time.clock());
    await world.second();
    expect(await world.second(150)).toMatchObject({ stage: 'spreading', live: { lost: 0 } });
  });

  test('a session its router no longer had when it was asked says nothing of the policy', async () => {
    await worldOf(60);
    const isGone = (username: string) => Number(username.split('-')[1]) % 3 === 0;
    world.driver.answer = ({ username }) =>
      isGone(username) ? { is: 'gone', said: 'nak 503 session context not found' } : { is: 'done', said: 'ack' };
    await world.start({ canary: 1, perSecond: 1000, watchSeconds: 60 });
    world.time.moveTo(world.time.clock() + SECOND);
    await world.quietened();
    expect(await world.second()).toMatchObject({ stage: 'canary', live: { wanted: 40, told: 40, naks: 0 } });
    expect(await world.second(61)).toMatchObject({ stage: 'spreading' });
  });
});

test('who is being looked at with the policy of before is looked at once more', async () => {
  world = await RolloutWorld.of(db, 3);
  await world.network.mark(world.ids);
  const at = world.time.clock() + SECOND;
  const claims = await claimDue(db, at, at + MINUTE, 10);
  expect(claims).toHaveLength(3);
  await world.start({ canary: 1, perSecond: 1000 });
  const nothing = { validBelow: Number.POSITIVE_INFINITY, attempts: 0, error: null, acted: false };
  await settleDue(
    db,
    claims.map((claim) => ({ ...nothing, claim, dueAt: at + DAY })),
    at,
  );
  await world.startLoop();
  await expect.poll(() => world.told(HALVED), { timeout: 20_000 }).toEqual(world.ids);
});

test('whose look ends while what was said before it is still being written down is looked at once more', async () => {
  world = await RolloutWorld.of(db, 2);
  const at = world.time.clock() + SECOND;
  const look = async () => {
    await world.network.mark(world.ids);
    return claimDue(db, at, at + MINUTE, 10);
  };
  const nothing = { validBelow: Number.POSITIVE_INFINITY, attempts: 0, error: null, dueAt: at + DAY };
  const spoke = (await look()).map((claim) => ({ ...nothing, claim, acted: true }));
  const looked = (await look()).map((claim) => ({ ...nothing, claim, acted: false }));
  for (const together of [
    [...spoke, ...looked],
    [...looked, ...spoke],
  ]) {
    await settleDue(db, together, at);
    const again = await claimDue(db, at, at + MINUTE, 10);
    expect(again).toHaveLength(2);
    for (const [index, { claim }] of again.entries())
      looked[index] = { ...looked[index]!, claim: { ...looked[index]!.claim, claim } };
  }
});

test('two at once are refused, also when both begin in the same moment', async () => {
  await worldOf(5);
  const third = await world.revise(HALF);
  const both = await Promise.all([faults(world.start()), faults(world.start({ revision: third }))]);
  expect(both.flat()).toHaveLength(1);
  expect(both.flat()[0]).toMatch(/^policy revision [23] is being rolled out: wait until it is done, or roll it back$/);
  await expect(
    db.execute(`insert into policy_rollout (from_id, to_id, stage, share, salt, per_second, watch_seconds, limits, started_at, started_by, stage_at)
      values (1, 2, 'canary', 0.1, 1, 1, 1, '{}', now(), 'x', now())`),
  ).rejects.toThrow(/policy_rollout_active/);
});

test('what cannot be rolled out is refused', async () => {
  await worldOf(0);
  expect(await faults(world.start({ revision: 9 }))).toEqual(['there is no policy revision 9']);
  expect(await faults(world.start({ revision: 1 }))).toEqual(['policy revision 1 is in force already']);
  expect(await faults(world.start({ canary: 1.5, perSecond: 0 }))).toHaveLength(2);
  expect(await faults(rollBack(world.desk, { reason: '' }))).toEqual(['there is no policy revision to go back to']);
});
