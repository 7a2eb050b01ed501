import { afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { type Loop, type LoopOptions, startLoop } from '#enforcement/loop';
import type { Database } from '#storage/database';
import type { LoadedEntry } from '#storage/facts';
import { ACTIVE, FIXED, MovableTime, Network, ScriptedDriver, WALLED } from '#test/enforcement/network';
import { testDatabase } from '#test/support/database';

export const active = { live: ACTIVE, fixed: FIXED };
export const walled = { live: WALLED, fixed: FIXED };

/** What the tests of the loop share: fresh before each of them; loops are stopped after it. */
export let network: Network;
export let time: MovableTime;
export let driver: ScriptedDriver;
const loops: Loop[] = [];

export function useLoop(): void {
  let db: Database;
  beforeAll(async () => {
    db = await testDatabase();
  });
  beforeEach(async () => {
    network = await Network.in(db);
    time = new MovableTime();
    driver = new ScriptedDriver(time.clock);
  });
  afterEach(async () => {
    await Promise.all(loops.splice(0).map((loop) => loop.stop()));
  });
}

export async function start(changes: Partial<LoopOptions<LoadedEntry>> = {}): Promise<Loop> {
  const loop = await startLoop({ ...network.options(driver, time), ...changes });
  loops.push(loop);
  return loop;
}

export const eventually = <T>(read: () => T | Promise<T>, timeout = 30_000) =>
  expect.poll(read, { timeout, interval: 10 });

export const stateOf = (id: number) => network.state(id);
