import { NO_ONTS, type OntControl } from '#domain/acs';
import { type Clock, monotonicMs } from '#domain/clock';
import { say } from '#domain/say';
import { SECOND } from '#domain/time';
import { GenieAcs } from '#integrations/genieacs/client';
import { OntReadings, type SetAcs } from '#integrations/genieacs/readings';
import { OntTasks } from '#integrations/genieacs/tasks';
import type { Log } from '#policy-server/log';
import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';
import { readSecretSetting, readSettings } from '#storage/settings';

export type AcsOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** How long settings are believed. */
  readonly settingsFreshMs?: number;
  /** Deadlines at the ACS: of a question, of one about all devices, and of an order. */
  readonly readMs?: number;
  readonly searchMs?: number;
  readonly giveMs?: number;
  /** How often tasks are looked for. */
  readonly lookEveryMs?: number;
};

/** ONTs over GenieACS: what pages ask, and the tasks of this node. */
export type AcsSide = {
  readonly control: OntControl;
  /** Nothing is being read any more (tests). */
  idle(): Promise<void>;
  stop(): Promise<void>;
};

const SETTINGS_FRESH_MS = 2 * SECOND;

export function startAcs(options: AcsOptions): AcsSide {
  const { db, clock, log } = options;
  const stopping = new AbortController();
  const set = setAcs(options, stopping.signal);
  const readings = new OntReadings({ db, clock, log, set });
  const tasks = new OntTasks({
    ...options,
    set,
    onDone: (subscriberId) => {
      readings.readNow(subscriberId).catch((error: unknown) => {
        // A node that stops cuts its questions off: that is no trouble.
        if (!stopping.signal.aborted) log.warn({ err: error }, 'an ONT that was changed is read again later');
      });
    },
  });
  return {
    control: {
      ontOf: (subscriberId) => readings.ontOf(subscriberId),
      readNow: (subscriberId) => readings.readNow(subscriberId),
      wake: () => tasks.wake(),
      test: async () => {
        const known = await readSet(options, stopping.signal);
        if (known === null) return { ok: false, says: say`the address of GenieACS is not set` };
        const wrong = await known.acs.test();
        return wrong === null ? { ok: true, says: say`GenieACS answers` } : { ok: false, says: wrong };
      },
    },
    idle: () => readings.idle(),
    stop: async () => {
      stopping.abort();
      await Promise.all([tasks.stop(), readings.idle()]);
    },
  };
}

/** While the node starts. */
export const ONTS_STARTING: OntControl = {
  ...NO_ONTS,
  test: async () => ({ ok: false, says: say`this node is still starting` }),
};

/** The ACS of the settings, read once for all that is asked in two seconds. */
function setAcs(options: AcsOptions, signal: AbortSignal): () => Promise<SetAcs | null> {
  let read: Promise<SetAcs | null> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (read !== null && monotonicMs() - readAt <= (options.settingsFreshMs ?? SETTINGS_FRESH_MS)) return read;
    readAt = monotonicMs();
    const fresh = readSet(options, signal);
    read = fresh;
    fresh.catch(() => {
      if (read === fresh) read = null; // seen by whoever awaits it; the next one asks again
    });
    return fresh;
  };
}

async function readSet(options: AcsOptions, signal: AbortSignal): Promise<SetAcs | null> {
  const { db, sealer, clock, readMs, searchMs, giveMs } = options;
  const { genieacs } = await readSettings(db);
  const { url, informMinutes } = genieacs;
  if (url === null) return null;
  const password = await readSecretSetting(db, sealer, 'genieacs.password');
  const patience = {
    ...(readMs === undefined ? {} : { readMs }),
    ...(searchMs === undefined ? {} : { searchMs }),
    ...(giveMs === undefined ? {} : { giveMs }),
  };
  return { acs: new GenieAcs({ settings: { ...genieacs, url }, password, clock, signal, ...patience }), informMinutes };
}
