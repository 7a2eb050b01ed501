import type { Instant } from '#domain/time';
import type { AccessEvents } from '#radius/access';
import type { FromRadiusWorker, RejectedDial, RejectReason } from '#radius/worker-messages';

/**
 * What the path of a request notices for others, gathered and passed on once a second: bounded, so that a storm of
 * wrong passwords is a number and not a flood of messages.
 */
export class Feed implements AccessEvents {
  readonly #post: (message: FromRadiusWorker) => void;
  #dials: RejectedDial[] = [];
  #more = 0;
  readonly #limitReached = new Set<number>();

  constructor(post: (message: FromRadiusWorker) => void) {
    this.#post = post;
  }

  rejected(username: string, nasId: number, reason: RejectReason, mac: string | null, at: Instant): void {
    if (this.#dials.length >= DIALS_A_SECOND) this.#more += 1;
    else
      this.#dials.push({ username: printable(username), nasId, reason, mac: mac === null ? null : printable(mac), at });
  }

  /** Passed on at once, the first time in a second: somebody waits at the door while the old sessions are probed. */
  limitReached(subscriberId: number): void {
    if (this.#limitReached.has(subscriberId) || this.#limitReached.size >= LIMITS_A_SECOND) return;
    this.#limitReached.add(subscriberId);
    this.#post({ kind: 'limitReached', subscriberId });
  }

  learnedMessageAuthenticator(nasId: number): void {
    this.#post({ kind: 'learnedMessageAuthenticator', nasId });
  }

  everySecond(): void {
    this.#limitReached.clear();
    if (this.#dials.length === 0) return;
    this.#post({ kind: 'rejected', dials: this.#dials, more: this.#more });
    this.#dials = [];
    this.#more = 0;
  }
}

const DIALS_A_SECOND = 200;
const LIMITS_A_SECOND = 1000;

/** User names come from strangers: no control characters (PostgreSQL text takes no NUL, a log no line feed). */
function printable(text: string): string {
  return text.slice(0, 253).replace(/\p{C}/gu, '\ufffd');
}
