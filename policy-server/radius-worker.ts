import '#policy-server/shared-clock';
import { parentPort, workerData } from 'node:worker_threads';
import { assert, unreachable } from '#domain/assert';
import { monotonicMs, systemClock } from '#domain/clock';
import type { DirectoryEntry } from '#radius/directory';
import { Directory } from '#radius/directory';
import { decodeChunk, ENTRIES_PER_CHUNK, encodeChunk } from '#radius/directory-file';
import { Feed } from '#radius/feed';
import { Journal } from '#radius/journal';
import { RestDoor } from '#radius/rest';
import { RestDesk } from '#radius/rest-desk';
import { RadiusServer } from '#radius/server';
import { UdpPort } from '#radius/sockets';
import type { FromRadiusWorker, RadiusMetrics, RadiusWorkerSettings, ToRadiusWorker } from '#radius/worker-messages';

/**
 * A RADIUS worker thread: two ports, a directory, a journal. It waits for nobody but its own disk, so a slow query or
 * page elsewhere never delays a dial. What it is told and tells is in `radius/worker-messages.ts`.
 */
assert(parentPort !== null, 'radius-worker runs as a worker thread');
const main = parentPort;
const settings = workerData as RadiusWorkerSettings;
const post = (message: FromRadiusWorker): void => main.postMessage(message);

const JOURNALLED_EVERY_MS = 5;
const SIGNS_EVERY_SECONDS = 5;
const directory = new Directory();
const feed = new Feed(post);
const journal = await Journal.open(settings.journalFolder, { onDurable, onHealth });
const server = new RadiusServer({
  directory,
  journal,
  events: feed,
  clock: systemClock,
  monotonicMs,
  onError,
  ...(settings.rejectDelayMs === undefined ? {} : { rejectDelayMs: settings.rejectDelayMs }),
});

const { hosts, reusePort } = settings;
const auth = await UdpPort.open({
  hosts,
  port: settings.authPort,
  reusePort,
  onDatagram: (datagram, from, socket) => server.authentication(datagram, from, socket),
  onError,
});
const acct = await UdpPort.open({
  hosts,
  port: settings.acctPort,
  reusePort,
  onDatagram: (datagram, from, socket) => server.accounting(datagram, from, socket),
  onError,
});

const rest = await openRest();

const seconds = setInterval(everySecond, 1000);
main.on('message', (message: ToRadiusWorker) => {
  try {
    take(message);
  } catch (error) {
    onError(error);
  }
});
post({
  kind: 'ready',
  authPort: auth.port,
  acctPort: acct.port,
  restPort: rest?.port ?? null,
  addresses: auth.addresses,
});

async function openRest(): Promise<RestDoor | null> {
  if (settings.rest === undefined || settings.rest === null) return null;
  return RestDoor.open({
    ...settings.rest,
    reusePort,
    desk: new RestDesk(directory, server.counters, feed),
    nases: () => server.nases,
    record: (packet, router, recorded) => server.record(packet, router, recorded),
    counters: server.counters,
    clock: systemClock,
    onError,
  });
}

function take(message: ToRadiusWorker): void {
  switch (message.kind) {
    case 'nases':
      server.setNases(message.nases);
      break;
    case 'policy':
      directory.setPolicies(message.policies);
      break;
    case 'subscribers':
      directory.put(message.subscribers);
      break;
    case 'forget':
      directory.forget(message.subscriberIds);
      break;
    case 'sessions':
      directory.setSessions(message.subscribers);
      break;
    case 'doubt':
      directory.doubt();
      break;
    case 'snapshotDone':
      directory.snapshotDone();
      break;
    case 'export':
      exportChunks(directory.entries());
      break;
    case 'import':
      directory.putFromDisk(decodeChunk(message.chunk));
      break;
    case 'stop':
      void stop();
      break;
    default:
      unreachable(message);
  }
}

/** A chunk a turn of the event loop: requests are answered in between. */
function exportChunks(entries: Iterator<DirectoryEntry>): void {
  const chunk: DirectoryEntry[] = [];
  while (chunk.length < ENTRIES_PER_CHUNK) {
    const next = entries.next();
    if (next.done) {
      post({ kind: 'exported', chunk: encodeChunk(chunk), last: true });
      return;
    }
    chunk.push(next.value);
  }
  post({ kind: 'exported', chunk: encodeChunk(chunk), last: false });
  setImmediate(exportChunks, entries);
}

let tellsSoon = false;

/** The replies leave at once; the intake hears of it every few milliseconds only: a message for each fsync cost 11 %. */
function onDurable(upTo: number): void {
  server.durable(upTo);
  if (tellsSoon) return;
  tellsSoon = true;
  setTimeout(() => {
    tellsSoon = false;
    const { segment, offset } = journal.durable;
    post({ kind: 'journalled', journal: journal.id, segment, offset });
  }, JOURNALLED_EVERY_MS);
}

function onHealth(healthy: boolean, error: Error | null): void {
  const line = healthy
    ? 'the accounting journal writes again'
    : `the accounting journal cannot write: ${error?.message}`;
  post({ kind: 'log', level: healthy ? 'warn' : 'error', line });
}

let errorsThisSecond = 0;

/** One line a second: the rest is in the counters. */
function onError(error: unknown): void {
  errorsThisSecond += 1;
  if (errorsThisSecond > 1) return;
  post({ kind: 'log', level: 'error', line: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

let secondsRun = 0;

function tellSigns(): void {
  const signs = server.signs.take(systemClock());
  if (signs.length > 0) post({ kind: 'nasSigns', signs });
}

function everySecond(): void {
  errorsThisSecond = 0;
  server.everySecond();
  feed.everySecond();
  secondsRun += 1;
  if (secondsRun % SIGNS_EVERY_SECONDS === 0) tellSigns();
  post({ kind: 'metrics', worker: settings.worker, metrics: metrics() });
}

function metrics(): RadiusMetrics {
  const { counters } = server;
  return {
    accepts: counters.accepts,
    restAuthorized: counters.restAuthorized,
    restRefused: counters.restRefused,
    rejects: counters.rejects,
    drops: counters.drops,
    duplicatesAnswered: counters.duplicatesAnswered,
    accountingReceived: counters.accountingReceived,
    accountingAnswered: counters.accountingAnswered,
    statusServerAnswered: counters.statusServerAnswered,
    subscribers: directory.size,
    nases: server.nases.size,
    journalHealthy: journal.healthy,
    journalPending: journal.pending,
  };
}

/** What is on its way to the disk is still answered; nothing new is taken. */
async function stop(): Promise<void> {
  clearInterval(seconds);
  const authClosed = auth.close();
  rest?.close();
  await journal.close();
  await Promise.all([authClosed, acct.close()]);
  server.close();
  rest?.closeAll();
  everySecond();
  tellSigns();
  post({ kind: 'stopped' });
  main.close();
}
