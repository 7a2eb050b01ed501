import { setTimeout as pause } from 'node:timers/promises';
import { Unavailable } from '#domain/errors';
import type { Config } from '#policy-server/config';
import type { Log } from '#policy-server/log';
import { type Embedded, startEmbedded } from '#storage/embedded';
import { placeOf } from '#storage/hosts';
import { migrate } from '#storage/migrate';

/** The database server: our own in DATA_DIR, or the one DATABASE_URL names. */
export class DatabaseSide {
  readonly #config: Config;
  #embedded: Embedded | null = null;

  constructor(config: Config) {
    this.#config = config;
  }

  /** In words, without the password. */
  get where(): string {
    const { databaseUrl, dataDir } = this.#config;
    if (databaseUrl === null) return `embedded PostgreSQL in ${dataDir}/postgres`;
    return `PostgreSQL ${placeOf(databaseUrl)}`;
  }

  /** Starts it where it is ours, and brings it to this program's schema. Returns its URL. Throws `Unavailable`. */
  async open(): Promise<string> {
    if (this.#config.databaseUrl === null) this.#embedded ??= await startEmbedded(this.#config.dataDir);
    const url = this.#config.databaseUrl ?? this.#embedded!.url;
    await migrate(url);
    return url;
  }

  async stop(): Promise<void> {
    await this.#embedded?.stop();
  }
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Does `work` again and again until the outside lets it: while it throws `Unavailable` it is told once, and again when
 * the reason changes. Ends with null when `signal` says so. Whatever else is thrown goes through.
 */
export async function untilAvailable<Result>(
  work: () => Promise<Result>,
  signal: AbortSignal,
  log: Log,
  meanwhile: () => string,
): Promise<Result | null> {
  let told = '';
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (error.message !== told) log.warn(`${error.message}; ${meanwhile()}`);
      told = error.message;
    }
    // Called off: the loop's condition ends it.
    await pause(pauseMs, undefined, { signal }).catch(() => undefined);
  }
  return null;
}
