import { afterEach, beforeAll, expect, test } from 'vitest';
import { bucketOf, onlyPolicy } from '#domain/rollout';
import { MINUTE, SECOND } from '#domain/time';
import { rollBack } from '#operations/publish-policy';
import type { Database } from '#storage/database';
import { policyInForce } from '#storage/policy';
import { lastRollout } from '#storage/rollouts';
import { ACTIVE, POLICY } from '#test/enforcement/network';
import { activeGets, HALF, HALVED, RolloutWorld } from '#test/enforcement/rollout-harness';
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

async function worldOf(lines: number): Promise<RolloutWorld> {
  world = await RolloutWorld.of(db, lines);
  await world.startLoop();
  return world;
}

/** Time goes on, second by second, until the rollout has ended. */
async function untilEnded(seconds = 60): Promise<void> {
  for (let second = 0; second < seconds && (await world.status()).endedAt === null; second += 1) {
    await world.second();
    await world.quietened();
  }
}

async function published(): Promise<void> {
  await world.start({ perSecond: 1000 });
  await untilEnded();
  expect(await world.status()).toMatchObject({ stage: 'done' });
  expect(await world.told(HALVED)).toEqual(world.ids);
}

test('a rollout under way that is rolled back is nobody’s policy from that instant on, and sessions are told at its pace', async () => {
  await worldOf(60);
  await world.start({ perSecond: 10 });
  for (let second = 0; second < 3; second += 1) {
    await world.second();
    await world.quietened();
  }
  world.time.moveTo(world.time.clock() + SECOND);
  await world.quietened();
  expect(await world.told(HALVED)).toHaveLength(30);
  const back = await rollBack(world.desk, { reason: 'too slow in the evening' });
  expect(back).toMatchObject({
    stage: 'rolling-back',
    share: 0,
    reason: 'too slow in the evening',
  });
  expect(back.expectedEnd! - world.time.clock()).toBeGreaterThan(2 * SECOND);
  expect(await world.policies()).toEqual(onlyPolicy(POLICY));
  expect(await faults(rollBack(world.desk, { reason: '' }))).toEqual([
    'policy revision 2 is being rolled back: wait until live sessions are told',
  ]);
  expect(await faults(world.start())).toHaveLength(1);
  expect(await world.second()).toMatchObject({ stage: 'rolling-back', live: { wanted: 10 } });
  await untilEnded();
  expect(await world.status()).toMatchObject({ stage: 'rolled-back', from: 1, to: 2, live: { wanted: 30, told: 30 } });
  expect(await world.told(ACTIVE)).toEqual(world.ids);
  expect(await world.audited()).toEqual(['start policy rollout', 'roll policy back', 'policy rolled back']);
  expect((await policyInForce(db))!.id).toBe(1);
});

test('a canary that is rolled back before it is told is looked at as if it had never been', async () => {
  await worldOf(40);
  await world.start({ canary: 1, perSecond: 5 });
  await rollBack(world.desk, { reason: '' });
  await untilEnded();
  expect(await world.told(ACTIVE)).toEqual(world.ids);
});

test('a policy that is in force goes back to the one before, at the pace it came', async () => {
  await worldOf(40);
  await published();
  await db.execute('update policy_rollout set per_second = 10');
  expect(await rollBack(world.desk, { reason: 'complaints' })).toMatchObject({ stage: 'rolling-back', from: 1, to: 2 });
  expect(await world.policies(), 'at once for dials').toEqual(onlyPolicy(POLICY));
  expect(await world.second()).toMatchObject({ stage: 'rolling-back', live: { wanted: 10 } });
  await untilEnded();
  expect(await world.told(ACTIVE)).toEqual(world.ids);
  expect(await world.status()).toMatchObject({ stage: 'rolled-back', share: 0, perSecond: 10 });
});

test('going back twice goes back twice, and not forth', async () => {
  await worldOf(5);
  await published();
  const third = await world.revise(activeGets({ rate: { is: 'share', share: 0.25 } }));
  await world.start({ revision: third, perSecond: 1000 });
  await untilEnded();
  for (const inForce of [2, 1]) {
    await rollBack(world.desk, { reason: '' });
    await untilEnded();
    expect((await policyInForce(db))!.id).toBe(inForce);
  }
  expect(await faults(rollBack(world.desk, { reason: '' }))).toEqual(['there is no policy revision to go back to']);
  // And it can be rolled out again.
  await world.start({ perSecond: 1000 });
  await untilEnded();
  expect(await world.policies()).toEqual(onlyPolicy(HALF));
});

test('a way back that a router bars is over when that router is known to, and the loop goes on with it', async () => {
  await worldOf(20);
  await published();
  world.driver.answer = () => ({ is: 'silent', said: 'no answer' });
  await rollBack(world.desk, { reason: '' });
  await untilEnded();
  expect(await world.status()).toMatchObject({ stage: 'rolled-back', live: { wanted: 20, told: 0, timeouts: 20 } });
  world.driver.answer = () => ({ is: 'done', said: 'ack' });
  // The router is tried again in real time, subscribers after at most five minutes of the world's.
  const later = async () => {
    world.time.moveTo(world.time.clock() + 6 * MINUTE);
    await world.quietened();
    return world.told(ACTIVE);
  };
  await expect.poll(later, { timeout: 60_000, interval: 500 }).toEqual(world.ids);
});

test('a step that was worked out before somebody rolled back changes nothing', async () => {
  await worldOf(30);
  await world.start({ perSecond: 10 });
  await world.second();
  const before = await world.status();
  // The step reads, then waits for the row; meanwhile it is rolled back.
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const holding = db.transaction(async (tx) => {
    await tx.query('select 1 from policy_rollout where id = $1 for update', [before.id]);
    await held;
    await tx.execute('update policy_rollout set steps = steps + 1 where id = $1', [before.id]);
  });
  const stepping = world.step(1);
  const waits = () =>
    db.query(`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`);
  await expect.poll(waits, { timeout: 20_000 }).toHaveLength(1);
  release();
  await holding;
  await stepping;
  expect(await world.status()).toEqual(before);
});

test('a rollout that stops after it told more than fit into one commit is taken back from all of them', async () => {
  await worldOf(60);
  await world.start({ perSecond: 1000 });
  await world.second();
  world.time.moveTo(world.time.clock() + SECOND);
  await world.quietened();
  expect(await world.told(HALVED)).toEqual(world.ids);
  // As it is left when the driver died after the first of several commits.
  await db.execute(
    `update policy_rollout set stage = 'stopped', ended_at = now(), share = 0, back_below = 1, back_to = 0.4`,
  );
  await world.step(1);
  await world.quietened();
  const { salt } = (await lastRollout(db))!;
  await expect
    .poll(() => world.told(ACTIVE), { timeout: 20_000 })
    .toEqual(world.ids.filter((id) => bucketOf(id, salt) >= 0.4));
  expect(await world.step(1), 'there is nothing left to do').toBe(false);
});
