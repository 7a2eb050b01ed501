import type { Clock } from '#domain/clock';
import { within } from '#domain/patience';
import { type Instant, SECOND } from '#domain/time';
import type { DriftLine, Live } from '#portal/shared/parts';

/** What the last comparison of all live sessions found. */
export type Compared = { readonly at: Instant; readonly lines: readonly DriftLine[] };

export const MOST_DIFFERING = 200;
const FRESH_MS = 30 * SECOND;
/** A comparison that took long is not begun again for so many times as long. */
const REST_TIMES = 20;
const PATIENCE_MS = 30;

/**
 * Compares what every live session was told with what is decided, for the page of the redirect. With tens of thousands
 * of sessions that takes seconds, so that a page waits for it a moment only, and all that ask share one comparison.
 */
export class Comparison {
  readonly #clock: Clock;
  #last: Compared | null = null;
  #freshUntil: Instant = 0;
  #running: Promise<void> | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest comparison there is; `running` while a newer one is on its way. Throws what the comparison threw. */
  async look(live: Live, ask: 'fresh' | 'now'): Promise<{ readonly last: Compared | null; readonly running: boolean }> {
    if (this.#running === null && (ask === 'now' || this.#clock() >= this.#freshUntil))
      this.#running = this.#compare(live);
    if (this.#running !== null) await within(this.#running, PATIENCE_MS);
    return { last: this.#last, running: this.#running !== null };
  }

  async #compare(live: Live): Promise<void> {
    const begun = this.#clock();
    try {
      const lines = await live.drift(MOST_DIFFERING);
      const at = this.#clock();
      this.#last = { at, lines };
      this.#freshUntil = at + Math.max(FRESH_MS, REST_TIMES * (at - begun));
    } finally {
      this.#running = null;
    }
  }
}
