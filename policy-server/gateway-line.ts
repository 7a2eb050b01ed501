import { backoffMs } from '#domain/backoff';
import type { GatewayName } from '#domain/gateway';
import { DAY, type Instant, MINUTE } from '#domain/time';
import type { Log } from '#policy-server/log';

const LONGEST_PAUSE_MS = MINUTE;
/** A gateway tells of a payment within seconds; who is still untold by then is not told any more. */
const TOLD_WITHIN_MS = MINUTE;
const DEAF_FOR_MS = DAY;

/** How it goes with one gateway, both ways: whether it answers what it is asked, and whether its events arrive. */
export class GatewayLine {
  readonly #name: GatewayName;
  readonly #log: Pick<Log, 'info' | 'warn'>;
  readonly #random: () => number;
  #failures = 0;
  #pausedUntil: Instant = Number.NEGATIVE_INFINITY;
  #silentSince: Instant | null = null;
  #deafUntil: Instant = Number.NEGATIVE_INFINITY;

  constructor(name: GatewayName, log: Pick<Log, 'info' | 'warn'>, random: () => number) {
    this.#name = name;
    this.#log = log;
    this.#random = random;
  }

  /** One that was silent is left alone for a while. */
  mayBeAsked(now: Instant): boolean {
    return this.#pausedUntil <= now;
  }

  answered(now: Instant): void {
    if (this.#silentSince !== null) {
      const minutes = Math.round((now - this.#silentSince) / MINUTE);
      this.#log.info({ gateway: this.#name, minutes }, 'the payment gateway answers again');
    }
    this.#failures = 0;
    this.#pausedUntil = Number.NEGATIVE_INFINITY;
    this.#silentSince = null;
  }

  /** Those that were asked at the same moment tell nothing more. */
  unanswered(now: Instant, error: Error): void {
    if (this.#pausedUntil > now) return;
    this.#failures += 1;
    this.#pausedUntil = now + backoffMs(this.#failures, this.#random, LONGEST_PAUSE_MS);
    if (this.#silentSince !== null) return;
    this.#silentSince = now;
    const says = 'the payment gateway does not answer: payments wait and are asked about again';
    this.#log.warn({ gateway: this.#name, err: error }, says);
  }

  /** Its events do not arrive: what is open has to be asked about often. */
  isDeaf(now: Instant): boolean {
    return now < this.#deafUntil;
  }

  /** An event of it led to money: they do arrive. */
  told(): void {
    this.#deafUntil = Number.NEGATIVE_INFINITY;
  }

  /** Asking found money that no event told of. Returns whether that is news. */
  foundByAsking(paidAt: Instant | null, now: Instant): boolean {
    if (paidAt === null || now - paidAt < TOLD_WITHIN_MS) return false;
    const before = this.isDeaf(now);
    this.#deafUntil = now + DEAF_FOR_MS;
    if (before) return false;
    const says =
      'payments were found by asking that no event told of: is the webhook address set at the gateway? Open links are asked about every few minutes';
    this.#log.warn({ gateway: this.#name }, says);
    return true;
  }
}
