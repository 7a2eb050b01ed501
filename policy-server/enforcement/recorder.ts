import { Unavailable } from '#domain/errors';
import { type Instant, SECOND } from '#domain/time';
import type { Database } from '#storage/database';
import { type Settlement, settleDue } from '#storage/due';
import {
  type Act,
  closeGone,
  type EndingSession,
  recordActs,
  recordDoubt,
  recordEnding,
  recordTold,
  type ToldSession,
} from '#storage/sessions';
import { type ListedAddress, recordListed } from '#storage/static-addresses';

/** What one subscriber's turn came to; written in one commit. */
export type Turn = {
  readonly acts: readonly Act[];
  readonly told: readonly ToldSession[];
  /** Sessions of which it is not known any more what their NAS holds. */
  readonly doubtful: readonly number[];
  readonly ending: readonly EndingSession[];
  /** Sessions the NAS no longer knows. */
  readonly gone: readonly number[];
  /** Static addresses and what their routers said. */
  readonly listed: readonly ListedAddress[];
  readonly settlement: Settlement | null;
};

export type RecorderLog = {
  warn(fields: object, line: string): void;
  error(fields: object, line: string): void;
};

const RETRY_MS = SECOND;

/**
 * Writes turns down, as many as came while the last commit was under way in one transaction: at 500 acknowledgements a
 * second that is some 50 commits. While the database is away turns are kept and tried again. What is lost with the
 * process was only said to the NAS: its claim lapses, it is looked at again and said again, to the same effect.
 */
export class Recorder {
  readonly #db: Database;
  readonly #clock: () => Instant;
  readonly #log: RecorderLog;
  #waiting: { readonly turn: Turn; readonly written: () => void }[] = [];
  #writing: Promise<void> | null = null;
  #givesUp = false;
  #stopped = false;

  constructor(db: Database, clock: () => Instant, log: RecorderLog) {
    this.#db = db;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the turn is committed, or given up: because of a stop, or because it cannot be written at all. */
  write(turn: Turn): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((written) => {
      this.#waiting.push({ turn, written });
      this.#writing ??= this.#drain().finally(() => {
        this.#writing = null;
      });
    });
  }

  /** What cannot be written at once is from here on left unwritten. */
  giveUpOnFailure(): void {
    this.#givesUp = true;
  }

  /** Writes what is waiting, if the database lets it, and nothing that comes later. */
  async stop(): Promise<void> {
    this.giveUpOnFailure();
    this.#stopped = true;
    await this.#writing;
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // let everybody who has something now join
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#commit(batch.map(({ turn }) => turn));
      for (const { written } of batch) written();
    }
  }

  async #commit(turns: readonly Turn[]): Promise<void> {
    for (;;) {
      try {
        await this.#transact(turns);
        return;
      } catch (error) {
        if (!(error instanceof Unavailable)) return this.#oneByOne(turns, error);
        if (this.#givesUp) return;
        this.#log.warn({ err: error, turns: turns.length }, 'enforcement cannot write down what it did; trying again');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Something in there cannot be written: it must not take the others with it. */
  async #oneByOne(turns: readonly Turn[], error: unknown): Promise<void> {
    if (turns.length > 1) {
      for (const turn of turns) await this.#commit([turn]);
      return;
    }
    this.#log.error({ err: error, act: turns[0]?.acts[0] }, 'enforcement did something that cannot be written down');
  }

  async #transact(turns: readonly Turn[]): Promise<void> {
    const at = this.#clock();
    await this.#db.transaction(async (tx) => {
      // Sessions before due rows: the order in which the accounting intake locks them.
      await recordDoubt(
        tx,
        turns.flatMap((turn) => turn.doubtful),
      );
      await recordTold(
        tx,
        turns.flatMap((turn) => turn.told),
      );
      await recordEnding(
        tx,
        turns.flatMap((turn) => turn.ending),
      );
      await closeGone(
        tx,
        turns.flatMap((turn) => turn.gone),
      );
      await recordListed(
        tx,
        turns.flatMap((turn) => turn.listed),
      );
      await recordActs(
        tx,
        turns.flatMap((turn) => turn.acts),
      );
      const settlements = turns.flatMap((turn) => turn.settlement ?? []);
      if (settlements.length > 0) await settleDue(tx, settlements, at);
    });
  }
}
