import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, vi } from 'vitest';

const main = fileURLToPath(new URL('../../policy-server/main.ts', import.meta.url));
const cli = fileURLToPath(new URL('../../policy-server/cli.ts', import.meta.url));

/** The program as its own process, from the moment it is launched: also when it refuses to start or is killed. */
export type Node = {
  readonly child: ChildProcess;
  /** All it has printed, to both streams. */
  output(): string;
  /** Resolves with the text from the first match on; rejects when it ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when it has ended. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
};

/** What a node listens on, as its banner says. */
export type Ports = { readonly authPort: number; readonly acctPort: number; readonly httpPort: number };

const dataDirs: string[] = [];
export function newDataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gerbang-node-'));
  dataDirs.push(folder);
  return folder;
}

/** Loopback only and whatever ports are free. */
export const environment = (dataDir: string, more: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
  DATA_DIR: dataDir,
  HTTP_HOST: '127.0.0.1',
  HTTP_PORT: '0',
  RADIUS_HOST: '127.0.0.1',
  RADIUS_AUTH_PORT: '0',
  RADIUS_ACCT_PORT: '0',
  ...more,
});

const launched = new Set<ChildProcess>();
/** Whatever a test that failed has left running is stopped in order, so that its PostgreSQL goes with it. */
afterAll(async () => {
  const ended = [...launched].map((child) => once(child, 'close'));
  for (const child of launched) child.kill('SIGTERM');
  await Promise.all(ended);
  for (const folder of dataDirs) {
    await stopPostgresOf(folder);
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A node that was killed leaves its PostgreSQL to the next start, which after the last test never comes. */
async function stopPostgresOf(dataDir: string): Promise<void> {
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  if (!isPostgresOf(pid, dataDir)) return;
  process.kill(pid, 'SIGINT');
  await vi.waitUntil(() => !isPostgresOf(pid, dataDir), { timeout: 60_000, interval: 20 });
}

function isPostgresOf(pid: number, dataDir: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataDir);
  } catch {
    // It has ended: not a failure here, but the answer.
    return false;
  }
}

export function launchNode(env: Record<string, string>): Node {
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  launched.add(child);
  let text = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      for (const look of watchers) look();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    launched.delete(child);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  return {
    child,
    output: () => text,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(text);
          if (match === null) return;
          watchers.delete(look);
          resolve(match);
        };
        watchers.add(look);
        look();
        void ended.then(({ code }) => reject(new Error(`it ended with ${code} and never said ${pattern}:\n${text}`)));
      }),
    ended,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Waits for the banner and reads the ports off it. */
export async function portsOf(node: Node): Promise<Ports> {
  await node.says(/Gerbang is ready/);
  const auth = await node.says(/:(\d+) \(authentication\)/);
  const acct = await node.says(/:(\d+) \(accounting\)/);
  const http = await node.says(/HTTP +http:\/\/[^:]+:(\d+)/);
  return { authPort: Number(auth[1]), acctPort: Number(acct[1]), httpPort: Number(http[1]) };
}

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** One `gerbang` command. */
export function gerbang(env: Record<string, string>, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [cli, ...args], { env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** The same where it has to succeed: what it printed. Throws what it complained of. */
export async function gerbangSays(env: Record<string, string>, ...args: readonly string[]): Promise<string> {
  const ran = await gerbang(env, args);
  if (ran.code !== 0) throw new Error(`gerbang ${args.join(' ')}: ${ran.stderr || ran.stdout}`);
  return ran.stdout;
}

/** What a node says about its own readiness. */
export async function readyz(httpPort: number): Promise<{ ready: boolean; checks: Record<string, { ok: boolean }> }> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
  return (await answer.json()) as { ready: boolean; checks: Record<string, { ok: boolean }> };
}
