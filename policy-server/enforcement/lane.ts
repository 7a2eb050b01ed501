import { backoffMs } from '#domain/backoff';
import { monotonicMs } from '#domain/clock';
import { SECOND } from '#domain/time';

/**
 * The way to one router (a NAS, or one address of a NAS that is a block): who waits for a word to it, how fast words may
 * go, and whether it answers at all. Lanes know nothing of each other, so a router that is dead or slow holds up nobody but
 * its own.
 */
export type LaneOptions = {
  /** Requests a second this NAS is to get; read at each step, so that a change of it takes hold. */
  readonly perSecond: () => number;
  /** Carries out what is to be done for these subscribers and calls `ended` for each of them, once. Never throws. */
  readonly work: (subscriberIds: readonly number[], ended: (subscriberId: number) => void) => void;
  /** It stopped answering: these had been waiting and are not going to be worked on. */
  readonly released: (subscriberIds: readonly number[]) => void;
  /** It answers again after a silence. */
  readonly recovered: () => void;
  readonly random: () => number;
};

/** At most so many subscribers of one NAS are worked on at once. */
const IN_FLIGHT = 128;
/** Steps of a long queue: one load of facts serves all who go in one step. */
const STEP_MS = 20;
/** What may go at once after a pause, as a part of the pace. */
const BURST_SECONDS = 0.1;
/** So many requests in a row without an answer, and the NAS counts as silent. */
const SILENT_AFTER = 3;
const LONGEST_TRIAL_GAP_MS = 30 * SECOND;
/** A queue longer than this many seconds of the pace is full. */
const FULL_SECONDS = 10;
const FULL_AT_LEAST = 500;

export class Lane {
  readonly #options: LaneOptions;
  readonly #queue = new Set<number>();
  readonly #inFlight = new Set<number>();
  /** Asked for again while in flight. */
  readonly #again = new Set<number>();
  #allowance = 1;
  #refilledAt = monotonicMs();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #unanswered = 0;
  #trials = 0;
  #trialAt = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** The NAS does not answer; one at a time may try (`accepts`). */
  get silent(): boolean {
    return this.#unanswered >= SILENT_AFTER;
  }

  /** Milliseconds until a subscriber not yet waiting could be worked on, were it to come then; 0 = come in. */
  waitMs(subscriberId: number): number {
    if (this.#queue.has(subscriberId) || this.#inFlight.has(subscriberId)) return 0;
    if (this.silent) {
      const busy = this.#queue.size + this.#inFlight.size > 0;
      return Math.max(busy ? SECOND : 0, this.#trialAt - monotonicMs());
    }
    const perSecond = this.#options.perSecond();
    const full = this.#queue.size >= Math.max(FULL_AT_LEAST, perSecond * FULL_SECONDS);
    return full ? (this.#queue.size / perSecond) * SECOND * 0.8 : 0;
  }

  /** Queues a subscriber; one in flight is worked on once more afterwards. */
  add(subscriberId: number): void {
    if (this.#inFlight.has(subscriberId)) this.#again.add(subscriberId);
    else this.#queue.add(subscriberId);
    this.#step();
  }

  /** It was added once more while in flight: its turn is not its last. */
  wantsAgain(subscriberId: number): boolean {
    return this.#again.has(subscriberId);
  }

  /** Takes `requests` from the pace for something sent beside the queue, or in excess of one a subscriber. */
  spend(requests: number): void {
    this.#refill();
    this.#allowance -= requests;
  }

  /** Whatever the NAS said, it said something. */
  answered(): void {
    const wasSilent = this.silent;
    this.#unanswered = 0;
    this.#trials = 0;
    if (wasSilent) this.#options.recovered();
  }

  /** A request got no answer. Those that were under way when the silence began are no trials of it. */
  unanswered(): void {
    const straggler = this.silent && monotonicMs() < this.#trialAt;
    this.#unanswered += 1;
    if (!this.silent || straggler) return;
    this.#trials += 1;
    this.#trialAt = monotonicMs() + backoffMs(this.#trials, this.#options.random, LONGEST_TRIAL_GAP_MS);
    const waiting = [...this.#queue];
    this.#queue.clear();
    if (waiting.length > 0) this.#options.released(waiting);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue.clear();
  }

  #step(): void {
    if (this.#stopped || this.#timer !== undefined || this.#queue.size === 0) return;
    this.#refill();
    const count = Math.min(Math.floor(this.#allowance), IN_FLIGHT - this.#inFlight.size, this.#queue.size);
    if (count > 0) this.#start(count);
    if (this.#queue.size === 0 || this.#inFlight.size >= IN_FLIGHT) return; // the next `add` or `ended` goes on
    const untilNextMs = ((1 - this.#allowance) / this.#options.perSecond()) * SECOND;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#step();
      },
      Math.max(STEP_MS, untilNextMs),
    );
  }

  #start(count: number): void {
    const batch: number[] = [];
    for (const subscriberId of this.#queue) {
      if (batch.length === count) break;
      batch.push(subscriberId);
    }
    for (const subscriberId of batch) {
      this.#queue.delete(subscriberId);
      this.#inFlight.add(subscriberId);
    }
    this.#allowance -= count;
    this.#options.work(batch, (subscriberId) => this.#ended(subscriberId));
  }

  #ended(subscriberId: number): void {
    this.#inFlight.delete(subscriberId);
    if (this.#again.delete(subscriberId)) this.#queue.add(subscriberId);
    this.#step();
  }

  #refill(): void {
    const now = monotonicMs();
    const perSecond = this.#options.perSecond();
    const gained = ((now - this.#refilledAt) / SECOND) * perSecond;
    this.#allowance = Math.min(this.#allowance + gained, Math.max(1, perSecond * BURST_SECONDS));
    this.#refilledAt = now;
  }
}
