import type { Clock } from '#domain/clock';
import { type Instant, MINUTE, SECOND } from '#domain/time';
import type { Queryable } from '#storage/database';

/** Fewer rows are counted for every page: it takes milliseconds, and what was just done shows at once. */
const KEPT_FROM = 20_000;
/** From this age on a kept count is shown once more and counted anew behind it … */
const FRESH_MS = 5 * SECOND;
/** … and from this age on it is too old to be shown. */
const OLDEST_MS = MINUTE;

/**
 * Counts that a page only displays, over so many rows that counting would be most of the page: those of a big company are
 * kept for a moment, those of a small one never.
 */
export class Kept<Counts> {
  readonly #clock: Clock;
  readonly #count: (q: Queryable, now: Instant) => Promise<Counts>;
  readonly #rows: (counts: Counts) => number;
  #last: { readonly at: Instant; readonly counts: Counts } | null = null;
  #renewing = false;

  /** `rows` says of how many rows the counts are. */
  constructor(clock: Clock, count: (q: Queryable, now: Instant) => Promise<Counts>, rows: (counts: Counts) => number) {
    this.#clock = clock;
    this.#count = count;
    this.#rows = rows;
  }

  async look(q: Queryable): Promise<Counts> {
    const last = this.#last;
    const age = last === null ? OLDEST_MS : this.#clock() - last.at;
    if (last === null || age >= OLDEST_MS) return this.#renew(q);
    if (age >= FRESH_MS && !this.#renewing) {
      this.#renewing = true;
      this.#renew(q)
        // Nobody waits for this one. The next that has to wait asks again, and is told why it cannot be had.
        .catch(() => undefined)
        .finally(() => {
          this.#renewing = false;
        });
    }
    return last.counts;
  }

  async #renew(q: Queryable): Promise<Counts> {
    const at = this.#clock();
    const counts = await this.#count(q, at);
    this.#last = this.#rows(counts) < KEPT_FROM ? null : { at, counts };
    return counts;
  }
}
