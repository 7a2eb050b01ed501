import type { Instant } from '#domain/time';
import type { AccessEvents, UnprovenReason } from '#radius/access';
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
  /** Drops for lack of proof, by NAS and reason. */
  readonly #unproven = new Map<string, { count: number; quietUntil: number }>();
  #seconds = 0;

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

  unproven(nas: string, reason: UnprovenReason): void {
    const key = `router ${nas}: ${UNPROVEN[reason]}`;
    const known = this.#unproven.get(key);
    if (known === undefined) this.#unproven.set(key, { count: 1, quietUntil: 0 });
    else known.count += 1;
  }

  everySecond(): void {
    this.#seconds += 1;
    this.#limitReached.clear();
    this.#tellUnproven();
    if (this.#dials.length === 0) return;
    this.#post({ kind: 'rejected', dials: this.#dials, more: this.#more });
    this.#dials = [];
    this.#more = 0;
  }

  /** The first at once, then one line a minute for each NAS and reason: whoever sends garbage must not fill the log. */
  #tellUnproven(): void {
    for (const [line, known] of this.#unproven) {
      if (known.count === 0 || this.#seconds < known.quietUntil) continue;
      const requests = known.count === 1 ? '1 request was dropped' : `${known.count} requests were dropped`;
      this.#post({ kind: 'log', level: 'warn', line: `${line} (${requests})` });
      known.count = 0;
      known.quietUntil = this.#seconds + QUIET_SECONDS;
    }
  }
}

/** What the admin reads: what is wrong and what to do. */
const UNPROVEN: Readonly<Record<UnprovenReason, string>> = {
  'message-authenticator-wrong': 'a Message-Authenticator is wrong; is the secret the same on both sides?',
  'message-authenticator-missing':
    'a request has no Message-Authenticator though it must: this router is set to require it, or has sent it before',
  'proxy-state-unsigned': 'a request has Proxy-State but no Message-Authenticator, as an attack would (CVE-2024-3596)',
  'request-authenticator-wrong': 'an accounting request is not signed with the secret; is it the same on both sides?',
  'unknown-router': 'it is a proxy and asks for a router whose address is that of no NAS; see: gerbang nas list',
};
const QUIET_SECONDS = 60;
const DIALS_A_SECOND = 200;
const LIMITS_A_SECOND = 1000;

/** User names come from strangers: no control characters (PostgreSQL text takes no NUL, a log no line feed). */
function printable(text: string): string {
  return text.slice(0, 253).replace(/\p{C}/gu, '\ufffd');
}
