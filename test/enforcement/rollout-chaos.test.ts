import { afterEach, beforeAll, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import { InvalidInput } from '#domain/errors';
import { toldOf } from '#domain/reconcile';
import { policyFor } from '#domain/rollout';
import { MINUTE, SECOND } from '#domain/time';
import { rollBack } from '#operations/publish-policy';
import type { Database } from '#storage/database';
import { loadEntries } from '#storage/facts';
import { liveSessions } from '#storage/sessions';
import { cannot, done, gone, silent, testSealer } from '#test/enforcement/network';
import { activeGets, RolloutWorld } from '#test/enforcement/rollout-harness';
import { testDatabase } from '#test/support/database';

/** What people, routers and nodes do to rollouts, in any order. However it goes, everybody ends with what is decided. */

const LINES = 30;
const MOVES = 40;

let db: Database;
let world: RolloutWorld;
let running = false;
beforeAll(async () => {
  db = await testDatabase();
});
afterEach(async () => {
  if (running) await world.stop();
  running = false;
});

/** Mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Refusals are part of the game: one is under way, there is nothing to go back to. */
async function mayBeRefused(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
  }
}

async function restartLoop(): Promise<void> {
  if (running) await world.stop();
  await world.startLoop();
  running = true;
}

function moves(chance: () => number): readonly (() => Promise<unknown>)[] {
  const pick = <T>(of: readonly T[]): T => of[Math.floor(chance() * of.length)]!;
  const second = () => world.second(pick([1, 1, 1, 5, 40, 130]));
  return [
    second,
    second,
    second,
    () => world.quietened(),
    () =>
      mayBeRefused(
        world.start({
          revision: pick([1, 2, 3, 4]),
          canary: pick([null, 0.1, 0.5, 1]),
          perSecond: pick([1, 5, 50]),
          watchSeconds: pick([0, 10]),
        }),
      ),
    () => mayBeRefused(rollBack(world.desk, { reason: 'chaos' })),
    async () => {
      const [bad, answer] = [pick([0, 0, 0.1, 0.6]), pick([cannot, silent, gone])];
      world.driver.answer = () => (chance() < bad ? answer : done);
    },
    restartLoop,
    async () => {
      const id = pick(world.ids);
      await world.endSession(id, world.time.clock());
      if (chance() < 0.8) await world.startSession(id, world.time.clock());
      await world.network.mark([id]); // as accounting does
    },
  ];
}

/** Live sessions that were told something else than what is decided for them. */
async function otherwise(): Promise<string[]> {
  const [entries, policies] = [await loadEntries(db, testSealer(), world.ids), await world.policies()];
  const sessions = Map.groupBy(await liveSessions(db, world.ids), ({ subscriberId }) => subscriberId);
  return entries.flatMap(({ facts }) => {
    const nas = world.network.nases.get(world.nas)!;
    const decided = toldOf(decide({ ...facts, nas }, policyFor(policies, facts.subscriberId), world.time.clock()));
    const wrong = (sessions.get(facts.subscriberId) ?? []).filter(
      ({ told, endingSince }) => endingSince === null && told?.live !== decided.live,
    );
    return wrong.map(({ told, username }) => `${username} has ${told?.live} and not ${decided.live}`);
  });
}

test.each([1, 2, 3, 4, 5, 6])('seed %i', { timeout: 120_000 }, async (seed) => {
  world = await RolloutWorld.of(db, LINES);
  await world.revise(activeGets({ rate: { is: 'share', share: 0.25 } }));
  await world.revise(activeGets({ pool: 'north' }));
  await restartLoop();
  const chance = random(seed);
  const all = moves(chance);
  for (let move = 0; move < MOVES; move += 1) await all[Math.floor(chance() * all.length)]!();
  world.driver.answer = () => done;
  for (let times = 0; times < 400 && (await world.step(1)); times += 1) {
    world.time.moveTo(world.time.clock() + 10 * SECOND);
    await world.quietened();
  }
  expect(await world.step(1), 'whatever was under way has ended').toBe(false);
  expect((await world.policies()).rollout).toBeNull();
  // A router that was silent is tried again in real time, a subscriber that failed after at most five minutes of the world's.
  const later = async () => {
    world.time.moveTo(world.time.clock() + 6 * MINUTE);
    await world.quietened();
    return otherwise();
  };
  await expect.poll(later, { timeout: 60_000, interval: 500 }).toEqual([]);
});
