import { type Duplicates, NONE } from '#radius/duplicates';
import type { AwaitedReply } from '#radius/server';

/**
 * Access-Rejects on their way: each leaves `least` to `most` milliseconds after its request, at random, so that a password
 * is guessed slowly and how long we took says nothing (draft-ietf-radext-deprecating-radius). The octets wait in the
 * memory of duplicates; here is only when and where to. Bounded: above `MOST_WAITING` the one next in turn leaves early.
 */
export class DelayedReplies {
  readonly #memory: Duplicates;
  readonly #least: number;
  readonly #spread: number;
  readonly #monotonicMs: () => number;
  /** One bucket for each TICK_MS of time to come, used over and over. */
  readonly #buckets: AwaitedReply[][];
  /** The tick of which the bucket is to be emptied next. */
  #nextTick = 0;
  #waiting = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    memory: Duplicates,
    delayMs: { readonly least: number; readonly most: number },
    monotonicMs: () => number,
  ) {
    this.#memory = memory;
    this.#least = delayMs.least;
    this.#spread = Math.max(0, delayMs.most - delayMs.least);
    this.#monotonicMs = monotonicMs;
    this.#buckets = Array.from({ length: Math.ceil(delayMs.most / TICK_MS) + 2 }, () => []);
  }

  get delays(): boolean {
    return this.#least + this.#spread > 0;
  }

  get waiting(): number {
    return this.#waiting;
  }

  add(reply: AwaitedReply): void {
    // The buckets go round once in the longest delay: while one is overdue (a stall), its place is not free.
    if (this.#waiting > 0) this.#sendDue();
    if (this.#waiting >= MOST_WAITING) this.#sendEarliest();
    const now = this.#monotonicMs();
    if (this.#timer === null) {
      this.#nextTick = Math.floor(now / TICK_MS);
      this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
    }
    const tick = Math.ceil((now + this.#least + Math.random() * this.#spread) / TICK_MS);
    this.#buckets[tick % this.#buckets.length]!.push(reply);
    this.#waiting += 1;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#waiting = 0;
    for (const bucket of this.#buckets) bucket.length = 0;
  }

  #sendDue(): void {
    const nowTick = Math.floor(this.#monotonicMs() / TICK_MS);
    // After a long stall every bucket may be due; each is looked at once.
    const last = Math.min(nowTick, this.#nextTick + this.#buckets.length - 1);
    for (let tick = this.#nextTick; tick <= last; tick += 1) {
      const bucket = this.#buckets[tick % this.#buckets.length]!;
      for (const reply of bucket) this.#send(reply);
      this.#waiting -= bucket.length;
      bucket.length = 0;
    }
    this.#nextTick = nowTick + 1;
    if (this.#waiting === 0) this.close();
  }

  #sendEarliest(): void {
    for (let i = 0; i < this.#buckets.length; i += 1) {
      const reply = this.#buckets[(this.#nextTick + i) % this.#buckets.length]!.shift();
      if (reply === undefined) continue;
      this.#waiting -= 1;
      this.#send(reply);
      return;
    }
  }

  #send({ position, length, port, address, socket }: AwaitedReply): void {
    const offset = this.#memory.offsetOf(position);
    this.#memory.answered(position);
    if (offset !== NONE) socket.send(this.#memory.ring, offset, length, port, address);
  }
}

const TICK_MS = 10;
/** 20,000 Rejects a second are no dials any more; with their octets they are 4 MB. */
const MOST_WAITING = 20_000;
