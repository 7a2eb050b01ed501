import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { openDatabase } from '#storage/database';
import type { Binaries, Identity } from '#storage/embedded-host';
import { binaries, commandAs, serviceIdentity } from '#storage/embedded-host';
import { postmasterPort, postmasterState, retireLeftBehind } from '#storage/postmaster';

/** A PostgreSQL of our own in `DATA_DIR/postgres`. */
export type Embedded = {
  /** Holds the password: never print it. */
  readonly url: string;
  readonly pid: () => number | undefined;
  /** Fast shutdown: open transactions are rolled back, a checkpoint is written. */
  stop(): Promise<void>;
};

const USER = 'gerbang';
const DATABASE = 'gerbang';
const START_LIMIT_MS = 60_000;
const START_ATTEMPTS = 4;
const STOP_LIMIT_MS = 30_000;
const LOG_BYTES = 10 * 1024 * 1024;
const LOG_CHECK_MS = 60_000;

/**
 * Settings for a machine with two cores shared with us. They are in a file that `postgresql.conf` includes, so that
 * ALTER SYSTEM still wins. Nothing a statement holds reaches the log: no statement texts, no parameters, no DETAIL.
 */
const SETTINGS = `# Written by Gerbang at every start. To tune: ALTER SYSTEM SET ... (it wins over this file).
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '256MB'
effective_cache_size = '1GB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
max_parallel_workers_per_gather = 0
jit = off
random_page_cost = 1.1
fsync = on
full_page_writes = on
synchronous_commit = on
wal_compression = pglz
max_wal_size = '2GB'
checkpoint_timeout = '15min'
autovacuum = on
autovacuum_vacuum_cost_limit = 2000
client_connection_check_interval = '10s'
tcp_keepalives_idle = 60
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_min_messages = warning
log_checkpoints = off
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
`;

/**
 * Starts PostgreSQL in `dataDir`/postgres, making it first where there is none; a server that a killed parent left
 * behind is found and stopped before. The caller holds `lockDataDir(dataDir)`. Should the server die it is started again
 * on the same port. Measured on 2 cores: first start 0.8 s, later starts 0.1 s.
 *
 * Throws `Unavailable` when PostgreSQL cannot be made or started here (with the last lines of its log).
 */
export async function startEmbedded(dataDir: string): Promise<Embedded> {
  const place = await placeOf(dataDir);
  await retireLeftBehind(place.data);
  if (!existsSync(join(place.data, 'PG_VERSION'))) await initialise(place);
  writeFileSync(join(place.data, 'gerbang.conf'), SETTINGS, { mode: 0o644 });
  const password = readFileSync(place.passwordFile, 'utf8').trim();
  const { supervisor, port } = await startSupervised(place);
  const url = urlOf(password, port, DATABASE);
  try {
    await ensureDatabase(urlOf(password, port, 'postgres'));
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  return { url, pid: supervisor.pid, stop: supervisor.stop };
}

/** Again when the port was taken meanwhile, or while backends of a killed server are still about to end. */
async function startSupervised(place: Place): Promise<{ supervisor: Supervisor; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const supervisor = supervise(place, port);
    try {
      await supervisor.ready();
      return { supervisor, port };
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      await pause(500);
    }
  }
}

/** The URL of the embedded server that runs in this folder now; null when none does. For a command beside a server. */
export function embeddedUrl(dataDir: string): string | null {
  if (!existsSync(dataDir)) return null;
  const data = join(realpathSync(dataDir), 'postgres');
  const port = postmasterState(data) === 'ready' ? postmasterPort(data) : null;
  if (port === null) return null;
  return urlOf(readFileSync(`${data}.password`, 'utf8').trim(), port, DATABASE);
}

type Place = {
  readonly data: string;
  readonly passwordFile: string;
  readonly log: string;
  readonly binaries: Binaries;
  readonly identity: Identity | null;
};

async function placeOf(dataDir: string): Promise<Place> {
  const identity = await serviceIdentity();
  // Traversable for the database's user, but not to be listed: the master key and the journals are in there, too.
  mkdirSync(dataDir, { recursive: true, mode: identity === null ? 0o700 : 0o711 });
  const data = join(realpathSync(dataDir), 'postgres');
  return { data, passwordFile: `${data}.password`, log: `${data}.log`, binaries: await binaries(), identity };
}

const urlOf = (password: string, port: number, database: string): string =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;

/** Made beside its place and then moved there, so that an interrupted start leaves nothing half made. */
async function initialise(place: Place): Promise<void> {
  const made = `${place.data}.new`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made, { mode: 0o700 });
  writeFileSync(place.passwordFile, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  if (place.identity !== null) {
    chownSync(made, place.identity.uid, place.identity.gid);
    chownSync(place.passwordFile, place.identity.uid, place.identity.gid);
  }
  const options = ['--pgdata', made, '--username', USER, '--pwfile', place.passwordFile, '--auth=scram-sha-256'];
  options.push('--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8');
  options.push('--data-checksums');
  const child = launch(place, place.binaries.initdb, options, place.data.slice(0, -'postgres'.length));
  const [code] = await exitOf(child);
  if (code !== 0) throw new Unavailable(`initdb failed (${code}): ${lastLines(place.log)}`);
  appendFileSync(join(made, 'postgresql.conf'), "\ninclude 'gerbang.conf'\n");
  renameSync(made, place.data);
}

/** In a session of its own, so that Ctrl-C in the terminal reaches us alone and we end it in our own order. */
function launch(place: Place, program: string, options: string[], cwd: string): ChildProcess {
  const command = commandAs(place.identity, program, options, [place.data]);
  const log = openSync(place.log, 'a', 0o600);
  try {
    return spawn(command.file, command.args, {
      cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ...(command.uid === undefined ? {} : { uid: command.uid, gid: command.gid }),
    });
  } finally {
    closeSync(log);
  }
}

const exitOf = (child: ChildProcess): Promise<[number | string | null]> =>
  new Promise((done, failed) => {
    child.once('exit', (code, signal) => done([code ?? signal]));
    child.once('error', (error) => failed(new Unavailable(`PostgreSQL cannot be run: ${error.message}`)));
  });

type Supervisor = { ready(): Promise<void>; stop(): Promise<void>; pid: () => number | undefined };

/** Keeps one server running on `port` until told to stop, and its log bounded. */
function supervise(place: Place, port: number): Supervisor {
  let stopping = false;
  let failure: Error | undefined;
  let child: ChildProcess;
  let ended: Promise<unknown>;
  let restart: NodeJS.Timeout | undefined;

  const start = () => {
    const options = ['-D', place.data, '-c', 'listen_addresses=127.0.0.1', '-p', String(port)];
    child = launch(place, place.binaries.postgres, options, place.data);
    child.unref();
    ended = exitOf(child).then(
      ([code]) => {
        failure = new Unavailable(`PostgreSQL ended (${code}): ${lastLines(place.log)}`);
        if (!stopping) restart = setTimeout(start, 1000);
      },
      (error: Error) => {
        failure = error;
      },
    );
  };

  const rotation = setInterval(() => boundLog(place.log), LOG_CHECK_MS);
  rotation.unref();
  boundLog(place.log);
  start();

  const stop = async () => {
    stopping = true;
    clearInterval(rotation);
    clearTimeout(restart);
    child.kill('SIGINT'); // fast shutdown
    const forced = setTimeout(() => child.kill('SIGQUIT'), STOP_LIMIT_MS); // immediate: recovers at the next start
    await ended;
    clearTimeout(forced);
  };

  const ready = async () => {
    const giveUp = monotonicMs() + START_LIMIT_MS;
    while (postmasterState(place.data, child.pid) !== 'ready') {
      if (failure !== undefined || monotonicMs() > giveUp) {
        await stop();
        throw failure ?? new Unavailable(`PostgreSQL is not ready after ${START_LIMIT_MS / 1000} s`);
      }
      await pause(10);
    }
  };
  return { ready, stop, pid: () => child.pid };
}

async function ensureDatabase(url: string): Promise<void> {
  const database = openDatabase({ url, poolSize: 1 });
  try {
    const found = await database.query('select from pg_database where datname = $1', [DATABASE]);
    if (found.length === 0) await database.query(`create database ${DATABASE}`);
  } finally {
    await database.close();
  }
}

/** The server appends, so cutting the file in place is safe: the next line starts at its new end. */
function boundLog(log: string): void {
  if (!existsSync(log) || statSync(log).size <= LOG_BYTES) return;
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
}

function lastLines(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-5).join(' | ') : 'no log';
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
