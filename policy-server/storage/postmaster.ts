import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';

/**
 * `postmaster.pid` of a data folder, line by line (PostgreSQL, storage-file-layout and miscadmin.h): 1 pid, 2 data
 * folder, 3 start time, 4 port, 5 socket folder, 6 listen address, 7 shared memory, 8 state ("ready" once it answers).
 */
function pidFile(data: string): string[] | null {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
    throw error;
  }
}

/** What the server of this folder says of itself; `absent` when its process (or the one asked for) does not run. */
export function postmasterState(data: string, pid?: number): 'absent' | 'starting' | 'ready' {
  const lines = pidFile(data);
  const recorded = Number(lines?.[0]);
  if (lines === null || !Number.isInteger(recorded) || (pid !== undefined && pid !== recorded)) return 'absent';
  if (!isPostmasterOf(recorded, data)) return 'absent';
  return lines[7]?.trim() === 'ready' ? 'ready' : 'starting';
}

export function postmasterPort(data: string): number | null {
  const port = Number(pidFile(data)?.[3]);
  return Number.isInteger(port) && port > 0 ? port : null;
}

/**
 * Ends a server that a killed parent left behind in this folder, and clears away a `postmaster.pid` whose number now
 * belongs to another program (PostgreSQL would refuse to start on it). A pid file of a process that is no more stays:
 * PostgreSQL itself checks by it that no backend still uses the old shared memory.
 */
export async function retireLeftBehind(data: string): Promise<void> {
  const pid = Number(pidFile(data)?.[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  if (!isPostmasterOf(pid, data)) {
    if (isAlive(pid)) rmSync(join(data, 'postmaster.pid'), { force: true });
    return;
  }
  // Fast shutdown first, then immediate (recovers from the log at the next start), then the kernel's.
  for (const [signal, patienceMs] of [['SIGINT', 20_000], ['SIGQUIT', 5_000], ['SIGKILL', 5_000]] as const) {
    if (!signalled(pid, signal)) return;
    const giveUp = monotonicMs() + patienceMs;
    while (monotonicMs() < giveUp) {
      if (!isPostmasterOf(pid, data)) return;
      await pause(10);
    }
  }
  throw new Unavailable(`a PostgreSQL left behind in ${data} (process ${pid}) does not end`);
}

/** A postmaster works in its data folder; that and its name tell it from a process that got its number later. */
function isPostmasterOf(pid: number, data: string): boolean {
  if (!isAlive(pid)) return false;
  if (existsSync('/proc/self/stat')) {
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`);
      const program = basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ''));
      return program === 'postgres' && cwd.replace(/ \(deleted\)$/, '') === realpathSync(data);
    } catch {
      // Gone between two looks, a zombie, or another user's: in none of these cases a server of ours.
      return false;
    }
  }
  try {
    const command = execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' });
    return command.includes('postgres') && command.includes(data);
  } catch {
    // `ps` ends with 1 when there is no such process.
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function signalled(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw new Unavailable(`the PostgreSQL left behind (process ${pid}) cannot be stopped`, { cause: error });
  }
}
