import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { timestamp } from '#storage/values';
import {
  active,
  driver,
  eventually,
  network as lines,
  start,
  stateOf,
  time,
  useLoop,
  walled,
} from '#test/enforcement/harness';
import { ACTIVE, FIXED, Network, WALLED, writeKeyFile } from '#test/enforcement/network';
import { testDatabase } from '#test/support/database';

const folder = mkdtempSync(join(tmpdir(), 'gerbang-kill-'));
const keyFile = join(folder, 'master.key');
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

test('kill -9 in the middle of 600 changes, five times: the next start finishes them all', async () => {
  writeKeyFile(keyFile);
  const network = new Network(await testDatabase());
  const nas = await network.nas();
  const ids = await network.lines(nas, 600, Date.now() + DAY, { live: WALLED, fixed: FIXED });
  await network.mark(ids);
  const start = () => {
    const program = join(import.meta.dirname, 'loop-child.ts');
    const child = spawn(process.execPath, [program, network.db.url, keyFile, String(nas)], { stdio: 'inherit' });
    children.push(child);
    return child;
  };
  const told = () => network.countTold(ACTIVE, nas);
  let before = 0;
  for (let kills = 0; kills < 5; kills += 1) {
    const child = start();
    await expect.poll(told, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 20);
    await kill(child);
    before = await told();
    expect(before).toBeLessThan(600);
  }
  const [claimed] = await network.db.query<{ count: number }>(
    'select count(*) as count from due where claimed_until is not null',
  );
  expect(claimed!.count).toBeGreaterThan(0);
  start();
  await expect.poll(told, { timeout: 30_000, interval: 20 }).toBe(600);
  const open = () =>
    network.db.query('select 1 from due where claimed_until is not null or attempts > 0 or due_at < now()');
  await expect.poll(open, { timeout: 30_000, interval: 20 }).toEqual([]);
});

describe('who was held by a process that was killed', () => {
  useLoop();

  /** As the other process left it: claimed, its word at the router, nothing written down. */
  async function killedHolding(id: number): Promise<void> {
    await lines.mark([id]);
    const past = timestamp(time.clock() - 1);
    await lines.db.execute('update due set claim = 7, claimed_until = $2::timestamptz where subscriber_id = $1', [
      id,
      past,
    ]);
  }

  test('is told once more, also where it is decided again what it was told before', async () => {
    const nas = await lines.nas();
    const [budi, sari] = await lines.lines(nas, 2, null, walled);
    await killedHolding(budi!);
    // What was decided for a moment is taken back: with it goes the claim, but not that it never was settled.
    await lines.mark([budi!, sari!]);
    await start();
    await eventually(async () => (await stateOf(budi!))?.dueAt).toBeGreaterThan(time.clock());
    await eventually(async () => (await stateOf(sari!))?.dueAt).toBeGreaterThan(time.clock());
    expect(driver.said()).toEqual([`coa line${nas}-0: ${WALLED}`]);
    expect((await stateOf(budi!))!.told).toBe(WALLED);
    await lines.mark([budi!]);
    await eventually(async () => (await stateOf(budi!))?.dueAt).toBeGreaterThan(time.clock());
    expect(driver.calls).toHaveLength(1);
  });

  test('still has to dial anew for what only a dial can change', async () => {
    const nas = await lines.nas();
    const [budi] = await lines.lines(nas, 1, time.clock() + DAY, { ...active, fixed: 'profile=another' });
    await killedHolding(budi!);
    await start();
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(driver.said()).toEqual([`disconnect line${nas}-0`]);
  });
});
