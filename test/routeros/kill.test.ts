import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { writeKeyFile } from '#test/enforcement/network';
import { countIn, LISTS, lines, network, router, useLines } from '#test/routeros/lines';

useLines();

const folder = mkdtempSync(join(tmpdir(), 'gerbang-static-kill-'));
const keyFile = join(folder, 'master.key');
let child: ChildProcess | null = null;

afterEach(async () => {
  await kill();
  rmSync(folder, { recursive: true });
});

async function kill(): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

test('kill -9 in the middle of 600 moves, four times: the next start finishes them, and no line is in two lists or none', async () => {
  writeKeyFile(keyFile);
  const { id, api } = await router();
  const ids = await lines(id, 600, null);
  const start = () => {
    const program = join(import.meta.dirname, 'static-child.ts');
    child = spawn(process.execPath, [program, network.db.url, keyFile], { stdio: 'inherit' });
  };
  start();
  await expect.poll(() => countIn(api, LISTS.walled), { timeout: 30_000, interval: 20 }).toBe(600);
  await kill();
  await network.db.execute(
    `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
     select id, $2, now() - interval '1 hour', $3::timestamptz from unnest($1::bigint[]) id`,
    [ids, await network.plan(), new Date(Date.now() + DAY).toISOString()],
  );
  await network.mark(ids);
  await api.fault({ is: 'slow', ms: 300, on: '/ip/firewall/address-list/set' });
  for (let kills = 0, before = 0; kills < 4; kills += 1) {
    start();
    await expect.poll(() => countIn(api, LISTS.active), { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 20);
    await kill();
    before = countIn(api, LISTS.active);
    expect(before).toBeLessThan(600);
    expect(api.lists()).toHaveLength(600);
  }
  await api.fault(null);
  start();
  await expect.poll(() => countIn(api, LISTS.active), { timeout: 30_000, interval: 20 }).toBe(600);
  expect(api.lists()).toHaveLength(600);
  const open = () =>
    network.db.query(
      `select 1 from due where claimed_until is not null or attempts > 0 or due_at < now()
       union all select 1 from static_address where told_list is distinct from wanted_list`,
    );
  await expect.poll(open, { timeout: 30_000, interval: 20 }).toEqual([]);
}, 120_000);
