import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { onlyPolicy } from '#domain/rollout';
import { rollBack } from '#operations/publish-policy';
import type { Database } from '#storage/database';
import { ACTIVE, POLICY, writeKeyFile } from '#test/enforcement/network';
import { HALF, HALVED, RolloutWorld } from '#test/enforcement/rollout-harness';
import { testDatabase } from '#test/support/database';
import { type CuttablePath, cuttablePath } from '#test/system/proxy';

const folder = mkdtempSync(join(tmpdir(), 'gerbang-rollout-'));
const keyFile = join(folder, 'master.key');
const nodes: ChildProcess[] = [];
const soon = { timeout: 60_000, interval: 20 };
let db: Database;
let world: RolloutWorld;
let path: CuttablePath;

beforeAll(async () => {
  writeKeyFile(keyFile);
  db = await testDatabase();
  path = await cuttablePath(Number(new URL(db.url).port));
});
beforeEach(async () => {
  world = await RolloutWorld.of(db, 300);
});
afterEach(async () => {
  for (const node of nodes.splice(0)) await kill(node);
  path.mend();
});
afterAll(async () => {
  await path.close();
  rmSync(folder, { recursive: true });
});

async function kill(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const closed = once(node, 'close');
  node.kill('SIGKILL');
  await closed;
}

async function startNode(url = db.url): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'rollout-child.ts');
  const node = spawn(process.execPath, [program, url, keyFile, String(world.nas)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  nodes.push(node);
  await once(node.stdout!, 'data');
  return node;
}

const halved = async () => (await world.told(HALVED)).length;
const stage = async () => (await world.status()).stage;

/** How often a router was told, of all who were. */
async function toldMoreThanOnce(): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    `select count(*) as count from (select 1 from enforcement_act where act = 'coa' group by subscriber_id having count(*) > 1) twice`,
  );
  return row!.count;
}

test('the driving node is killed in the middle, three times: the next one goes on where it was', async () => {
  await world.start({ perSecond: 60 });
  let before = 0;
  for (let kills = 0; kills < 3; kills += 1) {
    const node = await startNode();
    await expect.poll(halved, soon).toBeGreaterThan(before + 10);
    await kill(node);
    before = await halved();
    expect(before).toBeLessThan(300);
    expect(await stage()).toBe('spreading');
  }
  await startNode();
  await expect.poll(stage, soon).toBe('done');
  expect(await world.told(HALVED)).toEqual(world.ids);
  expect(await world.policies()).toEqual(onlyPolicy(HALF));
  expect(await world.status()).toMatchObject({ live: { wanted: 300, told: 300 } });
  expect(await world.audited()).toEqual(['start policy rollout', 'publish policy']);
});

test('the driving node is paused: another takes over, and what the first does when it wakes changes nothing', async () => {
  const first = await startNode();
  await world.start({ perSecond: 20 });
  await expect.poll(halved, soon).toBeGreaterThan(5);
  await startNode();
  first.kill('SIGSTOP');
  const paused = (await world.status()).share;
  await expect.poll(async () => (await world.status()).share, { timeout: 15_000 }).toBeGreaterThan(paused);
  first.kill('SIGCONT');
  await expect.poll(stage, soon).toBe('done');
  expect(await world.told(HALVED)).toEqual(world.ids);
  const [most] = await db.query<{ steps: number; sum: number }>('select steps from policy_rollout');
  expect(most!.steps).toBeGreaterThan(5);
});

test('two nodes share the work and drive one rollout, at one pace', async () => {
  await startNode();
  await startNode();
  const beganMs = performance.now();
  await world.start({ perSecond: 50 });
  await expect.poll(stage, soon).toBe('done');
  expect(performance.now() - beganMs, 'twice the pace would take half the time').toBeGreaterThan(5_000);
  expect(await world.told(HALVED)).toEqual(world.ids);
  expect(await toldMoreThanOnce()).toBe(0);
});

test('the database goes away in the middle: it goes on when that is back', async () => {
  const url = new URL(db.url);
  url.port = String(path.port);
  await startNode(url.href);
  await world.start({ perSecond: 100 });
  await expect.poll(halved, soon).toBeGreaterThan(30);
  path.cut();
  await expect
    .poll(async () => {
      const before = await halved();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return (await halved()) - before;
    }, soon)
    .toBe(0);
  expect(await stage()).toBe('spreading');
  path.mend();
  await expect.poll(stage, soon).toBe('done');
  expect(await world.told(HALVED)).toEqual(world.ids);
});

test('rolled back while the driving node is dead: sessions are told back by whoever is alive, and then it is over', async () => {
  const first = await startNode();
  await world.start({ perSecond: 60 });
  await expect.poll(halved, soon).toBeGreaterThan(60);
  await kill(first);
  await rollBack(world.desk, { reason: 'the node died' });
  await startNode();
  await expect.poll(stage, soon).toBe('rolled-back');
  expect(await world.told(ACTIVE)).toEqual(world.ids);
  expect(await world.policies()).toEqual(onlyPolicy(POLICY));
});
