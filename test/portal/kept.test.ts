import { expect, test } from 'vitest';
import { MINUTE, SECOND } from '#domain/time';
import { Kept } from '#portal/shared/kept';
import type { Queryable } from '#storage/database';

const q: Queryable = { query: async () => [], execute: async () => 0 };

/** Counts that are one more each time, of so many rows; `fail` lets the next ones fail. */
function counter(rows: number) {
  let now = 0;
  let counted = 0;
  let failing = false;
  const kept = new Kept(
    () => now,
    async () => {
      counted += 1;
      if (failing) throw new Error('database away');
      return counted;
    },
    () => rows,
  );
  return {
    look: () => kept.look(q),
    counted: () => counted,
    wait: (ms: number) => {
      now += ms;
    },
    fail: (is: boolean) => {
      failing = is;
    },
  };
}

test('a small company is counted each time: what was just done shows', async () => {
  const of = counter(19_999);
  expect([await of.look(), await of.look()]).toEqual([1, 2]);
});

test('a big one is shown what was counted some seconds ago, and then counted again behind the page', async () => {
  const of = counter(20_000);
  expect(await of.look()).toBe(1);
  of.wait(5 * SECOND - 1);
  expect([await of.look(), of.counted()]).toEqual([1, 1]);
  of.wait(1);
  expect(await Promise.all([of.look(), of.look()]), 'once for both').toEqual([1, 1]);
  await expect.poll(() => of.look()).toBe(2);
  expect(of.counted()).toBe(2);
});

test('what is older than a minute is not shown', async () => {
  const of = counter(20_000);
  await of.look();
  of.wait(MINUTE);
  expect(await of.look()).toBe(2);
});

test('a failure behind the page is not told there, but to who has to wait', async () => {
  const of = counter(20_000);
  await of.look();
  of.fail(true);
  of.wait(6 * SECOND);
  expect(await of.look()).toBe(1);
  of.wait(MINUTE);
  await expect(of.look()).rejects.toThrow('database away');
  of.fail(false);
  expect(await of.look()).toBe(4);
});
