import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Unavailable } from '#domain/errors';
import { embeddedUrl } from '#storage/embedded';

export type DataDirLock = { release(): void };

/** Another Gerbang works in this folder. */
export class DataDirInUse extends Unavailable {
  override name = 'DataDirInUse';
}

/** Long enough to outlast a `runningServer` that only looks. */
const PATIENCE_MS = 500;

/** A lock held must not be collected as garbage with the object that stands for it. */
const held = new Set<DatabaseSync>();

/**
 * Takes the data folder for this process, for journals, directory file and embedded PostgreSQL alike. Node has no
 * flock; SQLite, which it has, locks a file by the system's own means (fcntl on POSIX): atomic, seen from other
 * containers on this kernel too, let go by the kernel however the process ends, so there is nothing stale to judge by
 * process numbers. The number in `gerbang.pid` only serves the message.
 *
 * Throws `DataDirInUse` naming the process, `Unavailable` when the folder cannot be written.
 */
export function lockDataDir(dataDir: string): DataDirLock {
  const folder = resolve(dataDir);
  const lock = tryLock(folder);
  if (lock === null) {
    const pid = recordedPid(folder);
    throw new DataDirInUse(
      `${folder} is in use by another Gerbang${pid === null ? '' : ` (process ${pid})`}: stop that one, or choose another DATA_DIR`,
    );
  }
  writeFileSync(join(folder, 'gerbang.pid'), `${process.pid}\n`, { mode: 0o644 });
  held.add(lock);
  return {
    release: () => {
      if (!held.delete(lock)) return;
      rmSync(join(folder, 'gerbang.pid'), { force: true });
      lock.close();
    },
  };
}

export type RunningServer = {
  readonly pid: number | null;
  /** Of its embedded PostgreSQL; null while that starts, or when it uses another database. Never print it. */
  readonly databaseUrl: string | null;
};

/** The server that works in this folder now; null when none does. For a command beside a server. */
export function runningServer(dataDir: string): RunningServer | null {
  const folder = resolve(dataDir);
  const lock = tryLock(folder, 0);
  if (lock !== null) {
    lock.close();
    return null;
  }
  return { pid: recordedPid(folder), databaseUrl: embeddedUrl(folder) };
}

/** SQLITE_BUSY (https://www.sqlite.org/rescode.html): somebody else has it. */
const SQLITE_BUSY = 5;

function tryLock(folder: string, patienceMs = PATIENCE_MS): DatabaseSync | null {
  let file: DatabaseSync | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    file = new DatabaseSync(join(folder, 'gerbang.lock'));
    file.exec(`pragma busy_timeout = ${patienceMs}; pragma journal_mode = memory; begin exclusive`);
    return file;
  } catch (error) {
    file?.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`the data folder ${folder} cannot be used: ${why}`, { cause: error });
  }
}

function recordedPid(folder: string): number | null {
  try {
    const pid = Number(readFileSync(join(folder, 'gerbang.pid'), 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    // Written a moment after the lock is taken, and only for the message.
    return null;
  }
}
