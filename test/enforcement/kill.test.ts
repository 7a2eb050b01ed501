import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { ACTIVE, FIXED, Network, WALLED, writeKeyFile } from '#test/enforcement/network';
import { testDatabase } from '#test/support/database';

const folder = mkdtempSync(join(tmpdir(), 'gerbang-kill-'));
const keyFile = join(folder, 'master.key');
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(folder, { recursive: true });
});

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
