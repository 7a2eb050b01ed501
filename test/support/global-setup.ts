import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { lockDataDir, runningServer } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { retireLeftBehind } from '#storage/postmaster';

const PREFIX = 'gerbang-test-';
/** A run takes a tenth of it; what else runs on the machine shall not miss it. */
const ROOM_BYTES = 4 * 1024 ** 3;

/**
 * A folder for all that the run writes, one embedded PostgreSQL, and compiled code that its processes share (it halves
 * the start of a server or a command). All of it goes away with the run.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const place = inMemory() ?? tmpdir();
  for (const each of new Set([place, tmpdir()])) await sweepAbandoned(each);
  const folder = mkdtempSync(join(place, PREFIX));
  chmodSync(folder, 0o1777); // as /tmp itself: PostgreSQL and others run as users of their own
  process.env.TMPDIR = folder;
  process.env.NODE_COMPILE_CACHE ??= join(folder, 'compiled');
  const dataDir = join(folder, 'data');
  const lock = lockDataDir(dataDir);
  const embedded = await startForTests(dataDir);
  await migrate(embedded.url);
  project.provide('templateUrl', embedded.url);
  return async () => {
    await embedded.stop();
    lock.release();
    process.env.TMPDIR = place;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** Hundreds of databases come and go: in memory that takes half the time, where there is room and programs may run. */
function inMemory(): string | null {
  const place = '/dev/shm';
  if (process.env.TMPDIR !== undefined || !existsSync(place) || process.availableMemory() < ROOM_BYTES) return null;
  const { bavail, bsize } = statfsSync(place);
  if (bavail * bsize < ROOM_BYTES) return null;
  const program = join(place, `${PREFIX}${process.pid}`);
  try {
    writeFileSync(program, '', { mode: 0o700 });
    accessSync(program, constants.X_OK);
    return place;
  } catch {
    // Not for us to write, or mounted noexec: then the disk it is.
    return null;
  } finally {
    rmSync(program, { force: true });
  }
}

/** More than a product's worth of connections: a database made for one test keeps its own until the file ends. */
const MAX_CONNECTIONS = 400;

/** It never outlives a crash of the machine, so nothing of it has to reach a disk. What is durable has tests of its own. */
async function startForTests(dataDir: string): ReturnType<typeof startEmbedded> {
  const first = await startEmbedded(dataDir);
  const admin = openDatabase({ url: first.url, poolSize: 1 });
  for (const name of ['fsync', 'full_page_writes', 'synchronous_commit']) {
    await admin.query(`alter system set ${name} = off`);
  }
  await admin.query(`alter system set max_connections = ${MAX_CONNECTIONS}`);
  await admin.close();
  await first.stop();
  return startEmbedded(dataDir);
}

/** Runs that were killed left their PostgreSQL and its folder behind; those nobody holds any more are ended here. */
async function sweepAbandoned(place: string): Promise<void> {
  const before = Date.now() - 10 * 60_000;
  for (const name of readdirSync(place).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(place, name);
    const dataDir = join(folder, 'data');
    if (!existsSync(join(dataDir, 'gerbang.lock')) || statSync(folder).mtimeMs > before) continue;
    if (runningServer(dataDir) !== null) continue;
    await retireLeftBehind(join(dataDir, 'postgres'));
    rmSync(folder, { recursive: true, force: true });
  }
}
