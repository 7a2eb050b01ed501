import { Worker } from 'node:worker_threads';
import { monotonicMs } from '#domain/clock';

/** A worker thread that is started again when it ends by itself. */
export type SupervisedWorker<To> = {
  post(message: To): void;
  /** How often it was started again. */
  restarts(): number;
  running(): boolean;
  /** Asks it to end by `farewell`, waits so long, then ends it whatever it does. */
  stop(farewell: To, patienceMs: number): Promise<void>;
};

export type SupervisedOptions<From> = {
  /** In logs, for example `RADIUS worker 0`. */
  readonly name: string;
  readonly file: URL;
  readonly workerData: () => unknown;
  readonly onMessage: (message: From) => void;
  /** It was started again and knows nothing yet. */
  readonly onRestart: () => void;
  readonly log: { error(fields: object, message: string): void };
};

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** After so long without trouble the next pause is the first again. */
const CALM_MS = 60_000;

/**
 * Starts a worker thread from a `.ts` file. `first` settles with what came of the first start: it rejects with the
 * worker's own error when the worker ends before `isReady` said yes to a message of it, and then nothing is restarted.
 */
export function superviseWorker<To, From>(
  options: SupervisedOptions<From>,
  isReady: (message: From) => boolean,
): { worker: SupervisedWorker<To>; first: Promise<void> } {
  let worker: Worker;
  let running = false;
  let begun = false;
  let stopping = false;
  let restarts = 0;
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;
  const first = Promise.withResolvers<void>();

  const start = () => {
    const startedAt = monotonicMs();
    let failure: unknown = null;
    const mine = new Worker(options.file, { workerData: options.workerData() });
    worker = mine;
    running = true;
    mine.on('message', (message: From) => {
      if (!begun && isReady(message)) {
        begun = true;
        first.resolve();
      }
      options.onMessage(message);
    });
    mine.on('error', (error) => {
      failure = error;
    });
    mine.on('exit', (code) => {
      running = false;
      if (stopping) return;
      if (!begun) {
        first.reject(failure ?? new Error(`${options.name} ended with code ${code} before it was ready`));
        return;
      }
      if (monotonicMs() - startedAt > CALM_MS) pauseMs = FIRST_PAUSE_MS;
      options.log.error(
        { err: failure ?? `exit code ${code}` },
        `${options.name} ended; it is started again in ${pauseMs} ms`,
      );
      timer = setTimeout(() => {
        restarts += 1;
        start();
        options.onRestart();
      }, pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    });
  };

  const stop = async (farewell: To, patienceMs: number) => {
    stopping = true;
    clearTimeout(timer);
    if (!running) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(farewell);
    const impatient = setTimeout(() => void worker.terminate(), patienceMs);
    await ended;
    clearTimeout(impatient);
  };

  start();
  return {
    worker: {
      post: (message) => worker.postMessage(message),
      restarts: () => restarts,
      running: () => running,
      stop,
    },
    first: first.promise,
  };
}
