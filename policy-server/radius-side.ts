import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import { join } from 'node:path';
import { monotonicMs } from '#domain/clock';
import { InvalidInput, Unavailable } from '#domain/errors';
import type { NasSigns } from '#domain/nas-signs';
import type { Config } from '#policy-server/config';
import type { Log } from '#policy-server/log';
import { type SupervisedWorker, superviseWorker } from '#policy-server/supervised-worker';
import type {
  FromRadiusWorker,
  RadiusMetrics,
  RadiusWorkerSettings,
  RejectedDial,
  ToRadiusWorker,
} from '#radius/worker-messages';

/** What others do about what the RADIUS workers tell. */
export type RadiusListeners = {
  onJournalled(): void;
  onLimitReached(subscriberId: number): void;
  onLearnedMessageAuthenticator(nasId: number): void;
  onRejected(dials: readonly RejectedDial[]): void;
  onNasSigns(signs: readonly NasSigns[]): void;
  /** A worker is new or new again: everything has to be sent to it by `send`. */
  onEmptyWorker(send: (message: ToRadiusWorker) => void): void;
};

/** The RADIUS workers as the main thread sees them. */
export type RadiusSide = {
  readonly authPort: number;
  readonly acctPort: number;
  /** Of the HTTP door for FreeRADIUS; null = closed. */
  readonly restPort: number | null;
  /** Where they listen. */
  readonly addresses: readonly string[];
  /** The folder that holds their journals, one folder for each. */
  readonly journalRoot: string;
  broadcast(message: ToRadiusWorker): void;
  /** The directory of one worker in chunks, not sealed. Throws `Unavailable` when that worker ends meanwhile. */
  exportChunks(): AsyncGenerator<Uint8Array>;
  states(): readonly WorkerState[];
  stop(): Promise<void>;
};

export type WorkerState = {
  readonly worker: number;
  readonly running: boolean;
  readonly restarts: number;
  /** Since its last sign of life; it gives one each second. */
  readonly silentMs: number;
  /** Null before the first second is over. */
  readonly metrics: RadiusMetrics | null;
};

type Member = {
  readonly worker: SupervisedWorker<ToRadiusWorker>;
  readonly ready: Extract<FromRadiusWorker, { kind: 'ready' }>;
  heardAt: number;
  metrics: RadiusMetrics | null;
};

type Ports = { readonly authPort: number; readonly acctPort: number; readonly restPort: number | null };

/** A worker that is started again has the ports it had. */
const portsOf = (
  settings: RadiusWorkerSettings,
  { authPort, acctPort, restPort }: Ports,
): Partial<RadiusWorkerSettings> => ({
  authPort,
  acctPort,
  ...(settings.rest && restPort !== null ? { rest: { ...settings.rest, port: restPort } } : {}),
});

const STOP_PATIENCE_MS = 5_000;
const REJECTS_LOGGED_A_SECOND = 5;

export const journalRoot = (dataDir: string): string => join(dataDir, 'journal');

/**
 * Starts the RADIUS workers. The first one chooses the ports where they are free to choose; the others share them.
 *
 * @throws InvalidInput when a port or address cannot be had: which variable to set
 */
export async function startRadius(config: Config, listeners: RadiusListeners, log: Log): Promise<RadiusSide> {
  await refuseTakenPorts(config);
  const members: Member[] = [];
  const exported = new Exports();
  const begin = async (index: number, { restPort, ...ports }: Ports): Promise<void> => {
    const settings: RadiusWorkerSettings = {
      worker: index,
      hosts: [config.radius.host],
      ...ports,
      reusePort: config.radius.workers > 1,
      journalFolder: join(journalRoot(config.dataDir), String(index)),
      rest: config.aaa === null ? null : { ...config.aaa, port: restPort ?? config.aaa.port },
    };
    let ready: Member['ready'] | null = null;
    const take = (message: FromRadiusWorker): void => {
      const member = members[index];
      if (member !== undefined) member.heardAt = monotonicMs();
      switch (message.kind) {
        case 'ready':
          ready = message;
          break;
        case 'journalled':
          listeners.onJournalled();
          break;
        case 'limitReached':
          listeners.onLimitReached(message.subscriberId);
          break;
        case 'learnedMessageAuthenticator':
          listeners.onLearnedMessageAuthenticator(message.nasId);
          break;
        case 'rejected':
          logRejects(log, message.dials, message.more);
          listeners.onRejected(message.dials);
          break;
        case 'nasSigns':
          listeners.onNasSigns(message.signs);
          break;
        case 'metrics':
          if (member !== undefined) member.metrics = message.metrics;
          break;
        case 'exported':
          exported.push(message.chunk, message.last);
          break;
        case 'log':
          log[message.level](`RADIUS worker ${index}: ${message.line}`);
          break;
        case 'stopped':
          break;
      }
    };
    const { worker, first } = superviseWorker<ToRadiusWorker, FromRadiusWorker>(
      {
        name: `RADIUS worker ${index}`,
        file: new URL('radius-worker.ts', import.meta.url),
        workerData: () => ({
          ...settings,
          ...(ready === null ? {} : portsOf(settings, ready)),
        }),
        onMessage: take,
        onRestart: () => {
          exported.fail();
          listeners.onEmptyWorker(worker.post);
        },
        log,
      },
      (message) => message.kind === 'ready',
    );
    await first;
    members[index] = { worker, ready: ready!, heardAt: monotonicMs(), metrics: null };
    listeners.onEmptyWorker(worker.post);
  };

  try {
    await begin(0, { ...config.radius, restPort: null });
    const { authPort, acctPort, restPort } = members[0]!.ready;
    const others = Array.from({ length: config.radius.workers - 1 }, (_, at) =>
      begin(at + 1, { authPort, acctPort, restPort }),
    );
    await Promise.all(others);
  } catch (error) {
    throw portFault(error, config) ?? error;
  }
  const { authPort, acctPort, restPort, addresses } = members[0]!.ready;
  return {
    authPort,
    acctPort,
    restPort,
    addresses,
    journalRoot: journalRoot(config.dataDir),
    broadcast: (message) => {
      for (const member of members) member.worker.post(message);
    },
    exportChunks: () => {
      exported.begin();
      members[0]!.worker.post({ kind: 'export' });
      return exported.chunks();
    },
    states: () =>
      members.map(({ worker, heardAt, metrics }, index) => ({
        worker: index,
        running: worker.running(),
        restarts: worker.restarts(),
        silentMs: Math.round(monotonicMs() - heardAt),
        metrics,
      })),
    stop: async () => {
      await Promise.all(members.map((member) => member.worker.stop({ kind: 'stop' }, STOP_PATIENCE_MS)));
    },
  };
}

/**
 * Workers that share a port would also share it with those of another Gerbang on this machine, and each would answer
 * half of the routers: so the ports are tried alone first.
 */
async function refuseTakenPorts({ radius, aaa }: Config): Promise<void> {
  const faults: string[] = [];
  for (const [variable, port] of [
    ['RADIUS_AUTH_PORT', radius.authPort],
    ['RADIUS_ACCT_PORT', radius.acctPort],
  ] as const) {
    if (port === 0) continue;
    const socket = createSocket(isIPv6(radius.host) ? 'udp6' : 'udp4');
    try {
      socket.bind({ port, address: radius.host, exclusive: true });
      await once(socket, 'listening');
    } catch (error) {
      faults.push(bindFault(error, variable, radius.host, port));
    } finally {
      socket.close();
    }
  }
  if (aaa !== null && aaa.port !== 0) {
    const server = createServer();
    try {
      server.listen({ port: aaa.port, host: aaa.host, exclusive: true });
      await once(server, 'listening');
    } catch (error) {
      faults.push(bindFault(error, 'AAA_PORT', aaa.host, aaa.port));
    } finally {
      server.close();
    }
  }
  if (faults.length > 0) throw new InvalidInput(faults);
}

/** Why a port cannot be had and what to set, in one line. */
export function bindFault(error: unknown, variable: string, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const hostVariable = `${variable.split('_')[0]!}_HOST`;
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is in use by another program; stop that one, or set ${variable} to a free port`;
    case 'EACCES':
      return `port ${port} may not be used by this user; set ${variable} to a port from 1024, or run as root`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine; set ${hostVariable} to one of its addresses, or to 0.0.0.0`;
    default:
      return `port ${port} on ${host} cannot be opened (${code}); see ${hostVariable} and ${variable}`;
  }
}

function portFault(error: unknown, { radius, aaa }: Config): InvalidInput | null {
  if (!(error instanceof Error) || !('code' in error) || !('port' in error || 'syscall' in error)) return null;
  if (aaa !== null && 'syscall' in error && error.syscall === 'listen')
    return new InvalidInput([bindFault(error, 'AAA_PORT', aaa.host, aaa.port)]);
  const acct = 'port' in error && error.port === radius.acctPort;
  const [variable, port] = acct ? ['RADIUS_ACCT_PORT', radius.acctPort] : ['RADIUS_AUTH_PORT', radius.authPort];
  return new InvalidInput([bindFault(error, variable as string, radius.host, port as number)]);
}

function logRejects(log: Log, dials: readonly RejectedDial[], more: number): void {
  for (const { username, reason, mac } of dials.slice(0, REJECTS_LOGGED_A_SECOND)) {
    log.info({ username, reason, ...(mac === null ? {} : { mac }) }, 'a dial was rejected');
  }
  const unnamed = more + Math.max(0, dials.length - REJECTS_LOGGED_A_SECOND);
  if (unnamed > 0) log.info(`${unnamed} more dials were rejected in this second`);
}

/** Chunks that one worker posts, handed on as they are asked for. One export at a time. */
class Exports {
  #chunks: Uint8Array[] = [];
  #ended = true;
  #failed = false;
  #wake: () => void = () => undefined;

  push(chunk: Uint8Array, last: boolean): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    if (last) this.#ended = true;
    this.#wake();
  }

  fail(): void {
    this.#failed = true;
    this.#wake();
  }

  begin(): void {
    this.#chunks = [];
    this.#ended = false;
    this.#failed = false;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (this.#failed) throw new Unavailable('the RADIUS worker ended while its directory was read');
      if (chunk !== undefined) yield chunk;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
