import { Unavailable } from '#domain/errors';
import type { Log } from '#policy-server/log';
import type { RejectedDial } from '#radius/worker-messages';
import type { Queryable } from '#storage/database';
import { type RejectedRun, recordRejects } from '#storage/rejected-dials';

/** Writes rejected dials down for the subscribers' timelines. It may lose some; it never throws and never blocks RADIUS. */
export type RejectRecorder = {
  add(dials: readonly RejectedDial[]): void;
  /** Dials that were not written down since the start, for want of room or because the database would not take them. */
  dropped(): number;
  /** Writes what is left, if the database takes it at once. */
  stop(): Promise<void>;
};

export type RejectRecorderOptions = {
  /** Null while there is no database yet. */
  readonly db: () => Queryable | null;
  readonly log: Pick<Log, 'warn'>;
  /** Runs of equal dials that wait at most. */
  readonly most?: number;
  readonly pauseMs?: number;
};

const MOST = 10_000;
const BATCH = 1_000;
const PAUSE_MS = 1_000;

type Waiting = { -readonly [Field in keyof RejectedRun]: RejectedRun[Field] };

export function rejectRecorder({ db, log, most = MOST, pauseMs = PAUSE_MS }: RejectRecorderOptions): RejectRecorder {
  const waiting = new Map<string, Waiting>();
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();
  let dropped = 0;
  let said = 0;

  const schedule = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      writing = flush().then(() => {
        if (waiting.size > 0) schedule();
      });
    }, pauseMs).unref();
  };

  const put = (run: RejectedRun): void => {
    const key = JSON.stringify([run.username, run.nasId, run.mac, run.reason]);
    const one = waiting.get(key);
    if (one !== undefined) {
      one.times += run.times;
      one.firstAt = Math.min(one.firstAt, run.firstAt);
      one.lastAt = Math.max(one.lastAt, run.lastAt);
    } else if (waiting.size < most) waiting.set(key, { ...run });
    else dropped += run.times;
  };

  const flush = async (): Promise<void> => {
    const open = db();
    const batch = [...waiting].slice(0, BATCH);
    if (open === null || batch.length === 0) return;
    for (const [key] of batch) waiting.delete(key);
    const runs = batch.map(([, run]) => run);
    try {
      await recordRejects(open, runs);
    } catch (error) {
      // Nobody waits for this: while the database is away it is kept, and what it refuses is given up.
      if (error instanceof Unavailable) for (const run of runs) put(run);
      else {
        dropped += runs.reduce((sum, { times }) => sum + times, 0);
        log.warn({ err: error }, 'rejected dials could not be written down');
      }
    }
    if (dropped > said) log.warn(`${dropped - said} rejected dials are missing in the subscribers' timelines`);
    said = dropped;
  };

  return {
    add: (dials) => {
      for (const { username, nasId, mac, reason, at } of dials) {
        put({ username, nasId, mac, reason, times: 1, firstAt: at, lastAt: at });
      }
      if (waiting.size > 0) schedule();
    },
    dropped: () => dropped,
    stop: async () => {
      if (timer !== null) clearTimeout(timer);
      await writing;
      if (timer !== null) clearTimeout(timer);
      await flush();
    },
  };
}
