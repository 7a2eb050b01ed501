import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs';
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

/** What the server of this folder says of itself; `absent` when it does not run (or is not the process `pid`). */
export function postmasterState(data: string, pid?: number): 'absent' | 'starting' | 'ready' {
  const lines = pidFile(data);
  const recorded = Number(lines?.[0]);
  if (lines === null || !isProcessId(recorded)) return 'absent';
  if (pid === undefined ? whoIs(recorded, data) !== 'ours' : recorded !== pid) return 'absent';
  return lines[7]?.trim() === 'ready' ? 'ready' : 'starting';
}

export function postmasterPort(data: string): number | null {
  const port = Number(pidFile(data)?.[3]);
  return Number.isInteger(port) && port > 0 ? port : null;
}

/**
 * Ends a server that a killed parent left behind in this folder, and sees to a `postmaster.pid` that was left by one
 * that is no more.
 *
 * Throws `Unavailable` when it does not end, or when we cannot tell whose it is.
 */
export async function retireLeftBehind(data: string): Promise<void> {
  const pid = Number(pidFile(data)?.[0]);
  if (!isProcessId(pid)) return;
  switch (whoIs(pid, data)) {
    case 'nobody':
    case 'another':
      disown(data);
      return;
    case 'unknown':
      throw new Unavailable(
        `${data}/postmaster.pid names process ${pid}, a PostgreSQL we may not look into: stop it, or remove that file if it serves another folder`,
      );
    case 'ours':
      await end(pid, data);
  }
}

/** pid_max is 2^22 at most on Linux (proc_sys_kernel(5)), less elsewhere. */
const NO_PROCESS = 2_147_483_647;

/**
 * PostgreSQL refuses to start while the process of the pid file lives, be it another program that got the number, or a
 * zombie that no init collects (a container whose first process is not one). So the number is replaced; the file stays,
 * because by its other lines PostgreSQL checks that no backend still uses the old shared memory (CreateLockFile,
 * miscinit.c).
 */
function disown(data: string): void {
  const file = join(data, 'postmaster.pid');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(NO_PROCESS)));
}

/** Fast shutdown first, then immediate (recovers from the log at the next start), then the kernel's way. */
async function end(pid: number, data: string): Promise<void> {
  const steps = [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const;
  for (const [signal, patienceMs] of steps) {
    if (!signalled(pid, signal)) return;
    const giveUp = monotonicMs() + patienceMs;
    while (monotonicMs() < giveUp) {
      if (whoIs(pid, data) !== 'ours') return;
      await pause(10);
    }
  }
  throw new Unavailable(`a PostgreSQL left behind in ${data} (process ${pid}) does not end`);
}

const isProcessId = (value: number): boolean => Number.isInteger(value) && value > 0;

/**
 * Whose the process is that a pid file names: a postmaster works in its data folder and has it in its command line; by
 * that it is told from a process that got its number later. As root in a container without CAP_SYS_PTRACE the working
 * folder of another user's process cannot be read, its command line can (proc_pid_cwd(5)).
 */
function whoIs(pid: number, data: string): 'ours' | 'another' | 'nobody' | 'unknown' {
  const command = commandLine(pid);
  if (command === null || command.length === 0) return 'nobody'; // none, or a zombie
  if (basename(command[0]!) !== 'postgres') return 'another';
  if (command[command.indexOf('-D') + 1] === data) return 'ours';
  const folder = workingFolder(pid);
  if (folder === null) return 'unknown';
  return folder === realpathSync(data) ? 'ours' : 'another';
}

function commandLine(pid: number): string[] | null {
  try {
    const read = existsSync('/proc/self/cmdline')
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      : execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' })
          .trim()
          .split(' ');
    return read.filter((word) => word !== '');
  } catch {
    // No such process: no file, or `ps` ends with 1.
    return null;
  }
}

function workingFolder(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
  } catch {
    // Not permitted, or no /proc: the caller takes null for "cannot tell".
    return null;
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
