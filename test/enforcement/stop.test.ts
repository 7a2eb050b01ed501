import { expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { loadEntries } from '#storage/facts';
import { network, start, stateOf, time, useLoop, walled } from '#test/enforcement/harness';
import { done, testSealer } from '#test/enforcement/network';

useLoop();

test('who had a turn while the loop was told to stop is due at once for the next one, and not settled as if told', async () => {
  const nas = await network.nas({ coaPerSecond: 1 });
  const [last, ...ids] = await network.lines(nas, 5, time.clock() + DAY, walled);
  let letGo = (): void => undefined;
  const visiting = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let stopping: Promise<void> | null = null;
  let looks = 0;
  const loop = await start({
    loadEntries: async (some) => {
      looks += 1;
      // A visit keeps the stop waiting; meanwhile a lane, whose pace lets it speak by now, looks once more at its next.
      if (some.includes(last!)) await visiting;
      else if (some.length < ids.length) stopping ??= loop.stop();
      return loadEntries(network.db, testSealer(), some);
    },
    driver: { coa: async () => done, disconnect: async () => done, probe: async () => done },
  });
  await network.mark(ids);
  await expect.poll(() => looks, { timeout: 20_000, interval: 5 }).toBe(1);
  await network.mark([last!]);
  await expect.poll(() => stopping !== null, { timeout: 20_000, interval: 10 }).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300)); // the turn has all the time it wants
  letGo();
  await stopping;
  const states = await Promise.all(ids.map(stateOf));
  const untold = states.filter((state) => state!.told === walled.live);
  expect(untold.length).toBeGreaterThan(0);
  for (const { dueAt } of untold.map((state) => state!)) expect(dueAt).toBeLessThanOrEqual(time.clock());
});
