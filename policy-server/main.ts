import '#policy-server/shared-clock';
import { monotonicMs, systemClock } from '#domain/clock';
import { InvalidInput, Unavailable } from '#domain/errors';
import { sweep } from '#enforcement/sweep';
import { startHttp } from '#http/server';
import { autoPayJob, billNoticesJob } from '#jobs/auto-pay';
import { booksJob, refundsJob } from '#jobs/books';
import { directoryCopyJob } from '#jobs/directory-copy';
import { figuresJob } from '#jobs/figures';
import { invoicesJob } from '#jobs/invoices';
import { paymentsJob } from '#jobs/payments';
import { remindersJob } from '#jobs/reminders';
import { retentionJob } from '#jobs/retention';
import { startSchedule } from '#jobs/schedule';
import { sweepJob } from '#jobs/sweep';
import { closeBooks } from '#operations/close-books';
import type { Desk } from '#operations/desk';
import { firstAdmin } from '#operations/first-admin';
import { type FirstPolicy, firstPolicy } from '#operations/first-policy';
import { queueBillNotices } from '#operations/queue-bill-notices';
import { queueReminders } from '#operations/queue-reminders';
import { askForDueRefunds } from '#operations/refund-payment';
import { runAutoPay } from '#operations/run-auto-pay';
import { runInvoices } from '#operations/run-invoices';
import { keepToldMethods } from '#operations/saved-methods';
import { lookAtWallets } from '#operations/wallet';
import { startAcs } from '#policy-server/acs-side';
import { banner } from '#policy-server/banner';
import { startClock } from '#policy-server/clock-side';
import { companyZone } from '#policy-server/company-zone';
import { type Config, readConfig } from '#policy-server/config';
import { DatabaseSide, untilAvailable } from '#policy-server/database-side';
import { DirectorySide, longestInterimSeconds } from '#policy-server/directory-side';
import { startEnforcement } from '#policy-server/enforcement-side';
import { openGateways } from '#policy-server/gateways-side';
import { startIntake } from '#policy-server/intake-side';
import { type Log, openLog } from '#policy-server/log';
import { existingMasterKey, masterKey } from '#policy-server/master-key';
import { startMessages } from '#policy-server/messages-side';
import { nodeMetrics } from '#policy-server/node-metrics';
import { type NodeParts, noParts, stopParts } from '#policy-server/node-parts';
import { startPayments } from '#policy-server/payments-side';
import { portalPages } from '#policy-server/portal-side';
import { bindFault, journalRoot, startRadius } from '#policy-server/radius-side';
import { readiness } from '#policy-server/readiness';
import { rejectRecorder } from '#policy-server/rejects-side';
import { signsRecorder } from '#policy-server/signs-side';
import { startStaticLines } from '#policy-server/static-side';
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
  await startEnforcing(prepared.config, prepared.db, prepared.sealer);
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
    zoneIsSet: config.zoneIsSet,
    log,
    broadcast: (message) => parts.radius?.broadcast(message),
    ownNas: (nases) => probe?.ownNas(nases) ?? [],
  });
  const rejects = rejectRecorder({ db: () => parts.db, log });
  parts.rejects = rejects;
  const signs = signsRecorder({ db: () => parts.db, clock: systemClock, log });
  parts.signs = signs;
  parts.radius = await startRadius(
    config,
    {
      onJournalled: () => parts.intake?.wake(),
      onLimitReached: (id) => void parts.enforcement?.loop.probeSessions(id).catch(doubt('a session limit')),
      onLearnedMessageAuthenticator: (id) => void remember(id).catch(doubt('that a router signs')),
      onRejected: (dials) => rejects.add(dials),
      onNasSigns: signs.add,
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

/**
 * Everything that has to be in the database before this node works with it; done again until the database lets it. The
 * configuration comes back with the zone in force.
 */
async function prepare(started: Config, url: string): Promise<{ config: Config; db: Database; sealer: Sealer }> {
  parts.db ??= openDatabase({ url, poolSize: POOL_SIZE, entities });
  const db = parts.db;
  parts.clock ??= await startClock(db, log, () => void lookAtEverybody());
  const config = { ...started, zone: await companyZone(started, db) };
  parts.zone = config.zone;
  const sealer = await masterKey(config.masterKeyFile, db);
  const desk = systemDesk(config, db, sealer);
  await preparePartitions(db, systemClock());
  tellOfPolicy(await firstPolicy(desk));
  firstPassword ??= await firstAdmin(desk);
  await parts.directory!.openDatabase(db, sealer, config.zone);
  parts.gateways = openGateways({ ...config, db, sealer, clock: systemClock, log });
  parts.sealer = sealer;
  return { config, db, sealer };
}

function tellOfPolicy({ did, lacks }: FirstPolicy): void {
  if (did === 'renewed')
    log.info('the default policy was renewed: it has rules for overdue lines and payment windows now');
  const missing = { overdue: 'lines that owe stay open', paying: 'no payment windows are given' };
  for (const is of lacks) log.warn(`no rule of the policy in force looks at "${is}": ${missing[is]}`);
}

/** A declaration, for the `await` at the top runs before the constants below it are there. */
function systemDesk({ zone, publicUrl }: Config, db: Database, sealer: Sealer): Desk {
  return {
    db,
    sealer,
    clock: systemClock,
    zone,
    actor: 'system',
    publicUrl,
  };
}

/** The parts that work on the database, in the order in which they feed each other. */
async function startEnforcing(config: Config, db: Database, sealer: Sealer): Promise<void> {
  const directory = parts.directory!;
  const staticLines = await startStaticLines({ db, sealer, log });
  parts.staticLines = staticLines;
  parts.enforcement = await startEnforcement({
    db,
    sealer,
    zone: config.zone,
    directory,
    staticLines,
    host: config.radius.host,
    onAnswer: (session, answer) => parts.signs?.answered(session, answer),
    log,
  });
  parts.intake = await startIntake(
    {
      databaseUrl: db.url,
      journalsFolder: journalRoot(config.dataDir),
      zone: config.zone,
      interimSeconds: longestInterimSeconds(directory.policies!),
    },
    () => parts.enforcement?.loop.wake(),
    (signs) => parts.signs?.add(signs),
    log,
  );
  const payments = await startPayments({ desk: systemDesk(config, db, sealer), gateways: parts.gateways!, log });
  parts.payments = payments;
  parts.messages = await startMessages({
    db,
    sealer,
    clock: systemClock,
    log,
    zone: config.zone,
    whatsAppUrl: config.whatsAppUrl,
  });
  parts.acs = startAcs({ db, sealer, clock: systemClock, log });
  parts.schedule = await startSchedule({
    jobs: [
      sweepJob((spreadMs) => {
        staticLines.look();
        return sweep(db, systemClock(), spreadMs);
      }),
      remindersJob((signal) => queueReminders(systemDesk(config, db, sealer), signal)),
      invoicesJob((signal) => runInvoices(systemDesk(config, db, sealer), { signal })),
      billNoticesJob((signal) => queueBillNotices(systemDesk(config, db, sealer), signal)),
      autoPayJob(async (signal) => {
        const desk = systemDesk(config, db, sealer);
        try {
          return await runAutoPay(desk, parts.gateways!, signal);
        } finally {
          // A charge that a person has to look at keeps nobody's card or wallet waiting.
          await keepToldMethods(desk, parts.gateways!);
          await lookAtWallets(desk, parts.gateways!);
        }
      }),
      booksJob(systemClock, config.zone, () => closeBooks(systemDesk(config, db, sealer))),
      refundsJob(async (signal) => {
        const asked = await askForDueRefunds(systemDesk(config, db, sealer), parts.gateways!, signal);
        return asked.length;
      }),
      paymentsJob((signal) => payments.match(signal)),
      figuresJob(db, systemClock),
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
      pages: portalPages(
        config,
        parts,
        () => {
          const { db, sealer, gateways } = parts;
          return db === null || sealer === null || gateways === null ? null : { db, sealer, gateways };
        },
        log,
      ),
      trustedProxies: config.trustedProxies,
      webhook: () => parts.messages?.webhook ?? null,
      gatewayWebhooks: () => parts.payments?.webhooks ?? null,
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

/** What was decided by another time may be wrong. */
async function lookAtEverybody(): Promise<void> {
  if (parts.db === null) return;
  await sweep(parts.db, systemClock(), 0).catch(doubt('another time'));
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
