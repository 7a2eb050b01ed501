import { monotonicMs, systemClock } from '#domain/clock';
import { InvalidInput, Unavailable } from '#domain/errors';
import { sweep } from '#enforcement/sweep';
import { startHttp } from '#http/server';
import { directoryCopyJob } from '#jobs/directory-copy';
import { retentionJob } from '#jobs/retention';
import { startSchedule } from '#jobs/schedule';
import { sweepJob } from '#jobs/sweep';
import type { Desk } from '#operations/desk';
import { firstAdmin } from '#operations/first-admin';
import { firstPolicy } from '#operations/first-policy';
import { banner } from '#policy-server/banner';
import { type Config, readConfig } from '#policy-server/config';
import { DatabaseSide, untilAvailable } from '#policy-server/database-side';
import { DirectorySide, longestInterimSeconds } from '#policy-server/directory-side';
import { startEnforcement } from '#policy-server/enforcement-side';
import { startIntake } from '#policy-server/intake-side';
import { type Log, openLog } from '#policy-server/log';
import { existingMasterKey, masterKey } from '#policy-server/master-key';
import { nodeMetrics } from '#policy-server/node-metrics';
import { type NodeParts, noParts, stopParts } from '#policy-server/node-parts';
import { bindFault, journalRoot, startRadius } from '#policy-server/radius-side';
import { readiness } from '#policy-server/readiness';
import { type StatusProbe, statusProbe } from '#policy-server/status-probe';
import { countNases, countPlans } from '#storage/counts';
import { type Database, openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { preparePartitions } from '#storage/history';
import { lockDataDir } from '#storage/lock';
import { DatabaseTooNew } from '#storage/migrate';
import { rememberMessageAuthenticator } from '#storage/nas';
import { type Sealer, SecretsFault } from '#storage/secrets';

const POOL_SIZE = 10;
const SAME_SIGNAL_MS = 1_000;

const startedAt = monotonicMs();
const parts = noParts();
const stopping = new AbortController();
let log: Log = openLog('info');
/** Of the first admin, when it was made by this start. */
let firstPassword: string | null = null;

process.once('SIGINT', () => void stop('SIGINT', 0));
process.once('SIGTERM', () => void stop('SIGTERM', 0));
process.once('uncaughtException', (error) => void crash(error));

try {
  await start(readConfig());
} catch (error) {
  for (const line of refusal(error) ?? [`a mistake of ours: ${error instanceof Error ? error.stack : String(error)}`]) {
    console.error(line);
  }
  await stop(null, 1);
}

async function start(config: Config): Promise<void> {
  log = openLog(config.logLevel);
  parts.lock = lockDataDir(config.dataDir);
  parts.database = new DatabaseSide(config);
  // Both take a while, and neither needs the other.
  const opening = untilAvailable(() => parts.database!.open(), stopping.signal, log, meanwhile);
  opening.catch(() => undefined); // seen below, where it is awaited
  await startAnswering(config);
  const url = await opening;
  if (url === null) return;
  const prepared = await untilAvailable(() => prepare(config, url), stopping.signal, log, meanwhile);
  if (prepared === null || stopping.signal.aborted) return;
  await startEnforcing(config, prepared.db, prepared.sealer);
  const empty = { nases: (await countNases(prepared.db)) === 0, plans: (await countPlans(prepared.db)) === 0 };
  const seconds = (monotonicMs() - startedAt) / 1000;
  console.log(banner({ config, parts, firstPassword, seconds, empty }));
}

/** What needs no database: health, and RADIUS from the copy of the directory on disk. */
async function startAnswering(config: Config): Promise<void> {
  parts.http = await openHttp(config);
  let probe: StatusProbe | null = null;
  const directory = new DirectorySide({
    dataDir: config.dataDir,
    zone: config.zone,
    log,
    broadcast: (message) => parts.radius?.broadcast(message),
    ownNas: (nases) => probe?.ownNas(nases) ?? [],
    onPolicy: () => void lookAtEverybody(),
  });
  parts.radius = await startRadius(
    config,
    {
      onJournalled: () => parts.intake?.wake(),
      onLimitReached: (id) => void parts.enforcement?.loop.probeSessions(id).catch(doubt('a session limit')),
      onLearnedMessageAuthenticator: (id) => void remember(id).catch(doubt('that a router signs')),
      onEmptyWorker: (send) => void parts.directory?.fill(send).catch(crash),
    },
    log,
  );
  probe = statusProbe(parts.radius.addresses);
  parts.probe = probe;
  parts.directory = directory;
  const sealer = existingMasterKey(config.masterKeyFile);
  if (sealer !== null) await directory.openDisk(sealer);
  else await directory.fill(parts.radius.broadcast);
}

/** Everything that has to be in the database before this node works with it; done again until the database lets it. */
async function prepare(config: Config, url: string): Promise<{ db: Database; sealer: Sealer }> {
  parts.db ??= openDatabase({ url, poolSize: POOL_SIZE, entities });
  const db = parts.db;
  const sealer = await masterKey(config.masterKeyFile, db);
  const desk: Desk = { db, sealer, clock: systemClock, zone: config.zone, actor: 'system' };
  await preparePartitions(db, systemClock());
  await firstPolicy(desk);
  firstPassword ??= await firstAdmin(desk);
  await parts.directory!.openDatabase(db, sealer);
  return { db, sealer };
}

/** The parts that work on the database, in the order in which they feed each other. */
async function startEnforcing(config: Config, db: Database, sealer: Sealer): Promise<void> {
  const directory = parts.directory!;
  parts.enforcement = await startEnforcement({ db, sealer, directory, host: config.radius.host, log });
  parts.intake = await startIntake(
    {
      databaseUrl: db.url,
      journalsFolder: journalRoot(config.dataDir),
      zone: config.zone,
      interimSeconds: longestInterimSeconds(directory.policy!),
    },
    () => parts.enforcement?.loop.wake(),
    log,
  );
  parts.schedule = await startSchedule({
    jobs: [
      sweepJob((spreadMs) => sweep(db, systemClock(), spreadMs)),
      retentionJob(db, systemClock, config.historyMonths),
      directoryCopyJob(() => directory.save(parts.radius!.exportChunks())),
    ],
    db,
    clock: systemClock,
    log,
  });
}

async function openHttp(config: Config): Promise<NodeParts['http']> {
  const { host, port } = config.http;
  try {
    return await startHttp({
      host,
      port,
      readiness: () => readiness(parts),
      metrics: () => nodeMetrics(parts),
      frontPage: () => ({
        radius: parts.radius === null ? 'starting' : `ports ${parts.radius.authPort} and ${parts.radius.acctPort}`,
        subscribers: parts.radius?.states()[0]?.metrics?.subscribers ?? null,
        ready: parts.directory?.source === 'database',
      }),
      log,
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new InvalidInput([bindFault(error, 'HTTP_PORT', host, port)]);
    throw error;
  }
}

function meanwhile(): string {
  return parts.directory?.source === 'disk'
    ? 'trying again; meanwhile known subscribers are answered from the copy on disk and accounting is kept'
    : 'trying again; meanwhile accounting is kept and dials get no answer';
}

async function lookAtEverybody(): Promise<void> {
  if (parts.db === null) return;
  await sweep(parts.db, systemClock(), 0).catch(doubt('a new policy'));
  parts.enforcement?.loop.wake();
}

async function remember(nasId: number): Promise<void> {
  if (parts.db === null || !(await rememberMessageAuthenticator(parts.db, nasId))) return;
  log.info(
    { nas: parts.directory?.nases.find((nas) => nas.id === nasId)?.name },
    'a router signs its requests; from now on it must',
  );
  await parts.directory?.reloadNases();
}

/** For work on the side that a later look makes up for. */
function doubt(about: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Unavailable)) crash(error);
    else log.warn({ err: error }, `${about} waits until the database is back`);
  };
}

/** The lines for a start that is refused for a reason outside of us; null for a mistake of ours. */
function refusal(error: unknown): readonly string[] | null {
  if (error instanceof InvalidInput) return error.faults;
  if (error instanceof Unavailable || error instanceof SecretsFault || error instanceof DatabaseTooNew)
    return [error.message];
  return null;
}

/** `why` is null when the lines that say it are printed already. */
async function stop(why: string | null, exitCode: number): Promise<void> {
  // A second signal means now. Ctrl-C under npm comes twice, from the terminal and from npm: that is one.
  const stoppingSince = monotonicMs();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => {
      if (monotonicMs() - stoppingSince > SAME_SIGNAL_MS) process.exit(130);
    });
  }
  stopping.abort();
  if (why !== null) log.info(`stopping (${why})`);
  for (const failure of await stopParts(parts)) log.error({ err: failure }, 'something did not stop as it should');
  if (why !== null) log.info('stopped');
  process.exit(exitCode);
}

function crash(error: unknown): void {
  log.fatal({ err: error }, 'a mistake of ours ends this process');
  void stop('a mistake', 70);
}
