import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { lockDataDir, runningServer } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { retireLeftBehind } from '#storage/postmaster';

const PREFIX = 'gerbang-test-';

/**
 * One embedded PostgreSQL for the whole run, and compiled code that every process of the run shares (it halves the start
 * of a server or a command), in a folder that goes away with it.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweepAbandoned();
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  process.env.NODE_COMPILE_CACHE ??= join(folder, 'compiled');
  const dataDir = join(folder, 'data');
  const lock = lockDataDir(dataDir);
  const embedded = await startEmbedded(dataDir);
  await forgetful(embedded.url);
  await migrate(embedded.url);
  project.provide('templateUrl', embedded.url);
  return async () => {
    await embedded.stop();
    lock.release();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** It never outlives a crash of the machine, so nothing of it has to reach a disk. What is durable has tests of its own. */
async function forgetful(url: string): Promise<void> {
  const admin = openDatabase({ url, poolSize: 1 });
  for (const name of ['fsync', 'full_page_writes', 'synchronous_commit']) {
    await admin.query(`alter system set ${name} = off`);
  }
  await admin.query('select pg_reload_conf()');
  await admin.close();
}

/** Runs that were killed left their PostgreSQL and its folder behind; those nobody holds any more are ended here. */
async function sweepAbandoned(): Promise<void> {
  const before = Date.now() - 10 * 60_000;
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name);
    const dataDir = join(folder, 'data');
    if (!existsSync(join(dataDir, 'gerbang.lock')) || statSync(folder).mtimeMs > before) continue;
    if (runningServer(dataDir) !== null) continue;
    await retireLeftBehind(join(dataDir, 'postgres'));
    rmSync(folder, { recursive: true, force: true });
  }
}
