import { HOUR, type Instant, MINUTE } from '#domain/time';

/** What is remembered across restarts and nodes. */
export type BreakerNote = {
  /** How many restrictions in a row. */
  readonly level: number;
  readonly reason: string;
  /** Nothing is sent before. */
  readonly stopUntil: Instant;
  /** Nothing is sent to people who never wrote to us before. */
  readonly coldUntil: Instant;
};

export type BreakerTimes = { readonly stopMs: number; readonly coldMs: number };

/** Trying again while restricted makes WhatsApp restrict for longer, so pauses double. */
const TIMES: BreakerTimes = { stopMs: 5 * MINUTE, coldMs: 30 * MINUTE };
const LONGEST_STOP_MS = 2 * HOUR;
const LONGEST_COLD_MS = 24 * HOUR;

/**
 * Stops sending when WhatsApp restricts us. `open`: nothing goes. `half-open`: only messages to people who wrote to us,
 * which a restriction of new chats seldom hits. Then the next message to anybody is a trial: when it passes all is as it
 * was, when it does not the pause is twice as long.
 */
export class Breaker {
  readonly #times: BreakerTimes;
  #note: BreakerNote | null;

  constructor(note: BreakerNote | null, times: BreakerTimes = TIMES) {
    this.#note = note;
    this.#times = times;
  }

  get note(): BreakerNote | null {
    return this.#note;
  }

  phase(now: Instant): 'closed' | 'half-open' | 'open' {
    if (this.#note === null || now >= this.#note.coldUntil) return 'closed';
    return now < this.#note.stopUntil ? 'open' : 'half-open';
  }

  /** How long until the phase is another; Infinity when it is closed. */
  changesInMs(now: Instant): number {
    if (this.#note === null || now >= this.#note.coldUntil) return Number.POSITIVE_INFINITY;
    return (now < this.#note.stopUntil ? this.#note.stopUntil : this.#note.coldUntil) - now;
  }

  /** WhatsApp restricts us, until an instant that it named or not. */
  trip(reason: string, now: Instant, until: Instant | null = null): void {
    const level = (this.#note?.level ?? 0) + 1;
    const doubled = 2 ** Math.min(level - 1, 20);
    const stopUntil = now + Math.min(this.#times.stopMs * doubled, LONGEST_STOP_MS);
    const coldUntil = now + Math.min(this.#times.coldMs * doubled, LONGEST_COLD_MS);
    this.#note = { level, reason, stopUntil, coldUntil: Math.max(coldUntil, until ?? 0) };
  }

  /** A message passed; `cold`: to somebody who never wrote to us. True when that ended the restriction. */
  passed(cold: boolean, now: Instant): boolean {
    if (this.#note === null || !cold || this.phase(now) !== 'closed') return false;
    this.#note = null;
    return true;
  }
}
