import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { addSigns, type NasSigns, noSigns } from '#domain/nas-signs';
import { SECOND } from '#domain/time';
import type { Answer, DrivenSession } from '#enforcement/driver';
import type { Log } from '#policy-server/log';
import type { Database } from '#storage/database';
import { recordNasSigns } from '#storage/nas-signs';

/** Writes down what this node sees of routers. It may lose a few seconds of it; it never throws and holds nobody up. */
export type SignsRecorder = {
  add(signs: readonly NasSigns[]): void;
  /** What a router said to a CoA, Disconnect or probe. */
  answered(session: Pick<DrivenSession, 'nasId' | 'nasAddress'>, answer: Answer): void;
  /** Writes what is left, if the database takes it at once. */
  stop(): Promise<void>;
};

export type SignsRecorderOptions = {
  /** Null while there is no database yet. */
  readonly db: () => Database | null;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly pauseMs?: number;
};

const PAUSE_MS = 5 * SECOND;
/** Routers of a statement; a provider with more has them written one pause later. */
const BATCH = 1_000;

export function signsRecorder({ db, clock, log, pauseMs = PAUSE_MS }: SignsRecorderOptions): SignsRecorder {
  const waiting = new Map<string, NasSigns>();
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();
  let stopped = false;

  const put = (signs: NasSigns): void => {
    const key = `${signs.nasId} ${signs.nasAddress}`;
    const known = waiting.get(key);
    waiting.set(key, known === undefined ? signs : addSigns(known, signs));
  };

  const schedule = (): void => {
    if (stopped) return;
    timer ??= setTimeout(() => {
      timer = null;
      writing = flush().then(() => {
        if (waiting.size > 0) schedule();
      });
    }, pauseMs).unref();
  };

  const flush = async (): Promise<void> => {
    const open = db();
    const batch = [...waiting.values()].slice(0, BATCH);
    if (open === null || batch.length === 0) return;
    for (const { nasId, nasAddress } of batch) waiting.delete(`${nasId} ${nasAddress}`);
    try {
      await open.transaction((tx) => recordNasSigns(tx, batch, clock()));
    } catch (error) {
      // While the database is away it adds up; the routers are as many as before.
      if (error instanceof Unavailable) for (const signs of batch) put(signs);
      else log.warn({ err: error }, 'what was seen of routers could not be written down');
    }
  };

  const add = (signs: readonly NasSigns[]): void => {
    for (const one of signs) put(one);
    if (waiting.size > 0) schedule();
  };

  return {
    add,
    answered: ({ nasId, nasAddress }, answer) => {
      const count = countOf(answer);
      if (count !== null) add([{ ...noSigns(nasId, nasAddress), counts: { [count]: 1 } }]);
    },
    stop: async () => {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      await writing;
      await flush();
    },
  };
}

/** Null: it was not asked. */
function countOf({ is, said }: Answer): 'coaAcknowledged' | 'coaRefused' | 'coaSilent' | null {
  if (is === 'done') return 'coaAcknowledged';
  if (is === 'silent') return 'coaSilent';
  return said.startsWith('nak') ? 'coaRefused' : null;
}
