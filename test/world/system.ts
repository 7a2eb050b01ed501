import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The whole program as a user runs it: a server of its own in a folder and on ports of its own, and the command line. */
export type System = {
  readonly dataDir: string;
  readonly authPort: number;
  readonly acctPort: number;
  readonly httpPort: number;
  /** What the server has printed so far. */
  output(): string;
  /** `gerbang …`; resolves with what it prints, rejects with what it complains. */
  gerbang(...args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
};

const main = fileURLToPath(new URL('../../policy-server/main.ts', import.meta.url));
const cli = fileURLToPath(new URL('../../policy-server/cli.ts', import.meta.url));

/**
 * Starts the server and resolves when it is ready to answer.
 *
 * @throws Error with its last words when it ends, or is not ready after a minute
 */
export async function startSystem(
  dataDir: string,
  environment: Record<string, string> = {},
  /** Switches of Node for the server alone, such as `--import`. */
  nodeArguments: readonly string[] = [],
): Promise<System> {
  const [authPort, acctPort] = [await freeUdpPort(), await freeUdpPort()];
  const httpPort = Number(environment.HTTP_PORT ?? (await freeTcpPort()));
  const env = {
    ...process.env,
    DATA_DIR: dataDir,
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: String(httpPort),
    RADIUS_HOST: '127.0.0.1',
    RADIUS_AUTH_PORT: String(authPort),
    RADIUS_ACCT_PORT: String(acctPort),
    LOG_LEVEL: 'warn',
    ...environment,
  };
  // A group of its own: Ctrl-C in a terminal reaches us alone, and we stop the server in order.
  const child = spawn(process.execPath, [...nodeArguments, main], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  child.once('close', () => process.off('exit', killed));
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      said.push(part);
      if (said.length > 1000) said.splice(0, 500);
    });
  }
  const lastWords = () => said.join('').split('\n').slice(-25).join('\n');
  try {
    await ready(child, httpPort, lastWords);
  } catch (error) {
    await stop(child, dataDir);
    throw error;
  }
  return {
    dataDir,
    authPort,
    acctPort,
    httpPort,
    output: () => said.join(''),
    gerbang: (...args) =>
      new Promise((resolve, reject) => {
        execFile(process.execPath, [cli, ...args], { env }, (error, stdout, stderr) => {
          if (error) reject(new Error(`gerbang ${args.join(' ')}: ${(stderr || stdout || error.message).trim()}`));
          else resolve(stdout.trimEnd());
        });
      }),
    stop: () => stop(child, dataDir),
  };
}

async function ready(child: ChildProcess, httpPort: number, lastWords: () => string): Promise<void> {
  const until = performance.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server ended:\n${lastWords()}`);
    // While it starts nothing listens yet: any failure only means "not yet".
    const answer = await fetch(`http://127.0.0.1:${httpPort}/readyz`).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    if (performance.now() > until) throw new Error(`the server is not ready after a minute:\n${lastWords()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function stop(child: ChildProcess, dataDir: string): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await closed;
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL') endPostgres(dataDir);
}

/** A killed server leaves its PostgreSQL behind for its next start to find; here there will be none. */
function endPostgres(dataDir: string): void {
  const file = join(dataDir, 'postgres', 'postmaster.pid');
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0;
  if (pid > 0) process.kill(pid, 'SIGINT');
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

export async function freeTcpPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}
