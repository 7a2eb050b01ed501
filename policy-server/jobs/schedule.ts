import { fileURLToPath } from 'node:url';
import Bree from 'bree';
import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { within } from '#domain/patience';
import type { Job, JobOutcome } from '#jobs/job';
import { runSlot, slotOf } from '#jobs/run-slot';
import type { Database } from '#storage/database';

export type Schedule = {
  /** Ends the clocks, tells running jobs to stop and waits for them, but not longer than `patienceMs`. */
  stop(patienceMs?: number): Promise<void>;
  /** How often each job came to what, since the start. */
  counts(): { readonly job: string; readonly outcome: JobOutcome; readonly count: number }[];
};

export type ScheduleOptions = {
  readonly jobs: readonly Job[];
  readonly db: Database;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** How often every job looks whether its slot is done. */
  readonly tickMs?: number;
};

const TICK_MS = 60_000;
/**
 * Jobs that this node runs at once. Each holds one connection for its slot while its work takes another: at a start, when
 * all are due, they would otherwise have the whole pool between them and wait for each other until they fail.
 */
const MOST_AT_ONCE = 3;
const PATIENCE_MS = 5_000;

/** The one job that Bree knows: a worker thread for each of ours would cost seconds of a small machine at every start. */
const CLOCK = 'clock';

/** Starts the clock; every job looks at once, so that a slot missed while everything was down is made up for. */
export async function startSchedule(options: ScheduleOptions): Promise<Schedule> {
  const { jobs, log } = options;
  const stopping = new AbortController();
  /** By the name of the job: one that still runs does not look again. */
  const running = new Map<string, Promise<void>>();
  const counts = new Map<string, number>();
  const nodeSlots = new Map<string, number>();

  const turns = new Turns(MOST_AT_ONCE);

  const attempt = async (job: Job): Promise<void> => {
    await turns.take();
    try {
      await inTurn(job);
    } finally {
      turns.give();
    }
  };

  const inTurn = async (job: Job): Promise<void> => {
    if (stopping.signal.aborted) return;
    const { outcome, line } = await runJob(job, options, nodeSlots, stopping.signal);
    const key = `${job.name} ${outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (line === null) return;
    if (outcome === 'failed') log.warn(`job ${job.name}: ${line}; it is tried again within a minute`);
    else log.info(`job ${job.name}: ${line}`);
  };

  const look = (): void => {
    for (const job of jobs) {
      if (running.has(job.name)) continue;
      running.set(
        job.name,
        attempt(job).finally(() => running.delete(job.name)),
      );
    }
  };

  const bree = new Bree({
    root: false,
    logger: false,
    doRootCheck: false,
    acceptedExtensions: ['.ts'],
    // Bree calls this twice for one error; a ticker that dies is started again at its next interval.
    errorHandler: (error) => log.warn(`the clock of the jobs failed: ${String(error)}`),
    workerMessageHandler: ({ message }) => {
      if (!isTick(message)) return;
      if (!stopping.signal.aborted) look();
      bree.workers.get(CLOCK)?.postMessage('finished');
    },
    jobs: [
      {
        name: CLOCK,
        path: fileURLToPath(new URL('ticker.ts', import.meta.url)),
        timeout: 0,
        interval: options.tickMs ?? TICK_MS,
      },
    ],
  });
  await bree.start();

  return {
    stop: async (patienceMs = PATIENCE_MS) => {
      stopping.abort();
      const ended = Promise.allSettled(running.values()).then(() => bree.stop());
      await within(ended, patienceMs);
      for (const worker of bree.workers.values()) await worker.terminate();
    },
    counts: () =>
      [...counts].map(([key, count]) => {
        const [job, outcome] = key.split(' ') as [string, JobOutcome];
        return { job, outcome, count };
      }),
  };
}

async function runJob(
  job: Job,
  { db, clock }: ScheduleOptions,
  nodeSlots: Map<string, number>,
  signal: AbortSignal,
): Promise<{ outcome: JobOutcome; line: string | null }> {
  const slot = slotOf(clock(), job.everySeconds);
  try {
    if (job.scope === 'cluster') {
      const { outcome, said } = await runSlot(db, job, slot, signal);
      return { outcome, line: said };
    }
    if ((nodeSlots.get(job.name) ?? -1) >= slot) return { outcome: 'done-before', line: null };
    const line = await job.run(signal);
    nodeSlots.set(job.name, slot);
    return { outcome: 'done', line };
  } catch (error) {
    // A job is a door: whatever fails in it is said and tried again; nothing of it may end the program.
    const reason = error instanceof Unavailable ? error.message : describe(error);
    return { outcome: 'failed', line: reason };
  }
}

/** So many at a time; the others wait in the order in which they came. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

const isTick = (message: unknown): boolean => message === 'tick';
const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
