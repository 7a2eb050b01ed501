import { MINUTE } from '#domain/time';

/** So many may go one after another after a silence; a bot is told from a person by what goes on longer. */
const BURST = 3;

/**
 * When the next message may go: a token bucket that fills at `perMinute`, and after each message a pause of random length,
 * up to half of the mean distance. Times are milliseconds of a clock that never jumps.
 */
export class Pace {
  readonly #random: () => number;
  #tokens = BURST;
  #filledAt: number;
  #notBefore: number;

  /** `random`: 0 ≤ x < 1. */
  constructor(now: number, random: () => number) {
    this.#random = random;
    this.#filledAt = now;
    this.#notBefore = now;
  }

  /** How long to wait from now; 0 = one may go. */
  waitMs(now: number, perMinute: number): number {
    this.#fill(now, perMinute);
    const missing = Math.max(0, 1 - this.#tokens);
    return Math.max(0, (missing * MINUTE) / perMinute, this.#notBefore - now);
  }

  /** One goes. */
  take(now: number, perMinute: number): void {
    this.#fill(now, perMinute);
    this.#tokens -= 1;
    this.#notBefore = now + (this.#random() * MINUTE) / perMinute / 2;
  }

  #fill(now: number, perMinute: number): void {
    // Rounded up: what is missing by a rounding error would be waited for in timers of 0 ms.
    const filled = this.#tokens + ((now - this.#filledAt) * perMinute) / MINUTE + 1e-9;
    this.#tokens = Math.min(BURST, filled);
    this.#filledAt = now;
  }
}
