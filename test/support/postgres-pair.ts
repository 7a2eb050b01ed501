import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, vi } from 'vitest';
import { openDatabase } from '#storage/database';
import { type Binaries, binaries, commandAs, type Identity, serviceIdentity } from '#storage/embedded-host';

/** A PostgreSQL primary with a streaming standby, of the npm package's own programs. They end with the test file. */
export type PostgresPair = {
  /** Names both hosts; `urls` each alone: the primary first. */
  readonly url: string;
  readonly urls: readonly [string, string];
  /** Ends the primary as a power cut would. */
  killPrimary(): Promise<void>;
  /** The standby gets nothing more from the primary. */
  stopStreaming(): Promise<void>;
  /** A process of the standby dies by SIGKILL, so that its postmaster ends all of them and begins anew by itself. */
  crashStandby(): Promise<void>;
  /** The standby takes writes from here on. */
  promote(): Promise<void>;
};

const USER = 'gerbang';
const soon = { timeout: 30_000, interval: 20 };

/** Nothing outlives the machine, so nothing has to reach a disk; a process that is killed loses nothing by that. */
const SETTINGS = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = '32MB'
fsync = off
max_connections = 100
hot_standby = on
wal_receiver_status_interval = 1s
`;

const folders: string[] = [];
const servers: ChildProcess[] = [];
afterAll(async () => {
  await Promise.all(servers.map(kill));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** `synchronous`: a commit is answered once the standby has it. Takes about 1.5 s. */
export async function postgresPair({ synchronous }: { synchronous: boolean }): Promise<PostgresPair> {
  const folder = mkdtempSync(join(tmpdir(), 'gerbang-pair-'));
  folders.push(folder);
  const host = { programs: await binaries(), identity: await serviceIdentity() };
  const ports = [await freePort(), await freePort()] as const;
  const primaryFolder = join(folder, 'primary');
  await initialise(host, folder, primaryFolder);
  // A copy of a server that never ran is a base backup: both begin at the same place of the same log.
  const standbyFolder = join(folder, 'standby');
  cpSync(primaryFolder, standbyFolder, { recursive: true, preserveTimestamps: true });
  chmodSync(standbyFolder, 0o700);
  own(host.identity, folder);
  appendFileSync(join(primaryFolder, 'postgresql.conf'), `${SETTINGS}port = ${ports[0]}\n`);
  const source = `host=127.0.0.1 port=${ports[0]} user=${USER} application_name=standby`;
  appendFileSync(
    join(standbyFolder, 'postgresql.conf'),
    `${SETTINGS}port = ${ports[1]}\nprimary_conninfo = '${source}'\n`,
  );
  writeFileSync(join(standbyFolder, 'standby.signal'), '');
  const primary = run(host, primaryFolder);
  const urls = ports.map((port) => `postgres://${USER}@127.0.0.1:${port}/gerbang`) as [string, string];
  await sql(maintenance(urls[0]), 'create database gerbang');
  run(host, standbyFolder);
  const streaming = async () =>
    (await sql(maintenance(urls[0]), `select from pg_stat_replication where state = 'streaming'`)).length === 1;
  await vi.waitFor(async () => {
    if (!(await streaming())) throw new Error(`the standby does not stream: ${readFileSync(`${standbyFolder}.log`)}`);
  }, soon);
  if (synchronous) {
    await sql(maintenance(urls[0]), `alter system set synchronous_standby_names = 'standby'`);
    await sql(maintenance(urls[0]), 'select pg_reload_conf()');
  }
  return {
    url: `postgres://${USER}@127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}/gerbang`,
    urls,
    killPrimary: () => kill(primary),
    stopStreaming: async () => {
      await sql(maintenance(urls[1]), `alter system set primary_conninfo = ''`);
      await sql(maintenance(urls[1]), 'select pg_reload_conf()');
      await vi.waitFor(async () => {
        if (await streaming()) throw new Error('the standby still streams');
      }, soon);
    },
    crashStandby: async () => {
      const [row] = await sql(
        maintenance(urls[1]),
        `select pid from pg_stat_activity where backend_type = 'background writer'`,
      );
      process.kill((row as { pid: number }).pid, 'SIGKILL');
    },
    promote: async () => {
      await sql(maintenance(urls[1]), 'select pg_promote(true, 30)');
    },
  };
}

type Host = { readonly programs: Binaries; readonly identity: Identity | null };

async function initialise({ programs, identity }: Host, folder: string, data: string): Promise<void> {
  chmodSync(folder, 0o711);
  mkdirSync(data, { mode: 0o700 });
  if (identity !== null) chownSync(data, identity.uid, identity.gid);
  const options = ['--pgdata', data, '--username', USER, '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'];
  const { file, args, uid, gid } = commandAs(identity, programs.initdb, options, [data]);
  const child = spawn(file, args, { cwd: folder, stdio: 'ignore', ...(uid === undefined ? {} : { uid, gid }) });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`initdb ended with ${code}`);
}

function own(identity: Identity | null, folder: string): void {
  if (identity === null) return;
  for (const path of readdirSync(folder, { recursive: true }) as string[])
    chownSync(join(folder, path), identity.uid, identity.gid);
}

/** In a process group of its own, so that all of it can be killed at once. */
function run({ programs, identity }: Host, data: string): ChildProcess {
  const { file, args, uid, gid } = commandAs(identity, programs.postgres, ['-D', data], [data]);
  const log = openSync(`${data}.log`, 'a');
  const server = spawn(file, args, {
    cwd: data,
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    ...(uid === undefined ? {} : { uid, gid }),
  });
  servers.push(server);
  return server;
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  process.kill(-server.pid!, 'SIGKILL');
  await ended;
}

/** Tries until the server is up. */
async function sql(url: string, text: string): Promise<object[]> {
  const db = openDatabase({ url, poolSize: 1 });
  try {
    return await vi.waitFor(() => db.query(text), soon);
  } finally {
    await db.close();
  }
}

const maintenance = (url: string): string => url.replace(/gerbang$/, 'postgres');

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
