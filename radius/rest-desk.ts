import { randomBytes, randomFillSync } from 'node:crypto';
import { type Instant, NEVER } from '#domain/time';
import { type AccessEvents, AUTHORIZE_ONLY, answerOrRefusal, CALL_CHECK, REPLY_MESSAGES } from '#radius/access';
import { TOKEN_CHARACTERS } from '#radius/class';
import type { Counters } from '#radius/counters';
import type { Directory, Subscriber } from '#radius/directory';
import { macIn, UNKNOWN_MAC } from '#radius/mikrotik';
import type { Nas } from '#radius/nas-table';
import { sessionTimeoutSeconds } from '#radius/reply';
import { type Asked, numberIn, printReply, replyMember, restText, textIn } from '#radius/rest-json';
import { type Template, writeToken } from '#radius/template';
import { REJECT_REASONS, type RejectReason } from '#radius/worker-messages';

/**
 * What a FreeRADIUS is told that asks by rlm_rest and checks passwords itself: the password, and with it all that follows
 * if it is the right one. One question a dial: a second one after the password would halve what it can answer.
 */
export class RestDesk {
  readonly #directory: Directory;
  readonly #counters: Counters;
  readonly #events: AccessEvents;
  readonly #printed = new WeakMap<Template, Printed>();
  readonly #random = Buffer.allocUnsafeSlow(TOKEN_OCTETS * 1024);
  readonly #token = Buffer.allocUnsafeSlow(TOKEN_CHARACTERS);
  #nextToken = this.#random.length;

  constructor(directory: Directory, counters: Counters, events: AccessEvents) {
    this.#directory = directory;
    this.#counters = counters;
    this.#events = events;
  }

  /**
   * The answer to a dial of `nas` as rlm_rest's JSON, whoever asks and whatever their standing; null when it cannot be known
   * (yet). Of somebody we do not know it has a password that nobody has, so that they look like a wrong password.
   */
  authorize(asked: Asked, nas: Nas, at: Instant): string | null {
    if (!this.#directory.ready) return null;
    const serviceType = numberIn(asked, 'Service-Type');
    if (serviceType === CALL_CHECK || serviceType === AUTHORIZE_ONLY) return rejected('authorize-only');
    const subscriber = this.#directory.find(textIn(asked, 'User-Name') ?? '');
    if (subscriber === undefined) return this.#directory.complete ? `{${password('')}}` : null;
    const outcome = answerOrRefusal(this.#directory, subscriber, nas, macOf(asked), at);
    if (typeof outcome === 'string') return `{${password(subscriber.password)}${refusal(outcome)}}`;
    this.#counters.restAuthorized += 1;
    return `{${password(subscriber.password)}${this.#print(outcome, subscriber, at)}}`;
  }

  /** A dial was rejected by FreeRADIUS: for the reason we gave, or for what it found out about the password. */
  rejected(asked: Asked, nas: Nas, at: Instant): void {
    const username = textIn(asked, 'User-Name') ?? '';
    const subscriber = this.#directory.find(username);
    const given = textIn(asked, REASON);
    const known = REJECT_REASONS.find((reason) => reason === given);
    const reason = known ?? (subscriber === undefined ? 'unknown-user' : 'wrong-password');
    this.#counters.rejects[reason] += 1;
    this.#events.rejected(username, nas.id, reason, textIn(asked, 'Calling-Station-Id') ?? null, at);
    if (reason === 'session-limit' && subscriber !== undefined) this.#events.limitReached(subscriber.id);
  }

  #print(template: Template, subscriber: Subscriber, at: Instant): string {
    let printed = this.#printed.get(template);
    if (printed === undefined) {
      printed = print(template);
      this.#printed.set(template, printed);
    }
    const line = subscriber.line.octets === '' ? '' : printReply(Buffer.from(subscriber.line.octets, 'latin1'));
    return `${printed.beforeToken}${this.#tokenInHex()}${printed.afterToken}${line}${sessionTimeout(subscriber, at)}`;
  }

  #tokenInHex(): string {
    if (this.#nextToken === this.#random.length) {
      randomFillSync(this.#random);
      this.#nextToken = 0;
    }
    writeToken(this.#random, this.#nextToken, this.#token, 0);
    this.#nextToken += TOKEN_OCTETS;
    return this.#token.toString('hex');
  }
}

/** Where the reason and the words of a refusal stay until the password was found right (sites-available/gerbang-rest). */
const REASON = 'Tmp-String-0';
const WORDS = 'Tmp-String-1';
const TOKEN_OCTETS = 16;
const NOBODYS_PASSWORD = randomBytes(32).toString('base64');

/** An empty password lets nobody in, and FreeRADIUS would find it equal to an empty one. */
const password = (is: string): string => control('Cleartext-Password', restText(is === '' ? NOBODYS_PASSWORD : is));

const control = (name: string, value: string): string => replyMember(`control:${name}`, [value]);

const refusal = (reason: RejectReason): string =>
  `,${control(REASON, restText(reason))},${control(WORDS, restText(REPLY_MESSAGES[reason]))}`;

/** Rejected whatever the password. */
const rejected = (reason: RejectReason): string => `{${control('Auth-Type', '"Reject"')}${refusal(reason)}}`;

/** The part of an answer that depends on the decision alone, with a gap for the token: 22 characters in hexadecimal. */
type Printed = { readonly beforeToken: string; readonly afterToken: string };

function print(template: Template): Printed {
  const { octets, tokenAt } = template;
  const end = octets[1]!; // Class comes first
  const hex = (from: number, until: number) => octets.toString('hex', from, until);
  return {
    beforeToken: `,"Class":"0x${hex(2, tokenAt)}`,
    afterToken: `${hex(tokenAt + TOKEN_CHARACTERS, end)}"${printReply(octets, end)}`,
  };
}

function sessionTimeout({ validUntil }: Subscriber, at: Instant): string {
  const seconds = validUntil === NEVER ? null : sessionTimeoutSeconds(validUntil, at);
  return seconds === null ? '' : `,${replyMember('Session-Timeout', [String(seconds)])}`;
}

function macOf(asked: Asked): number {
  const [callingStation = ''] = asked.get('Calling-Station-Id') ?? [];
  return callingStation === '' ? UNKNOWN_MAC : macIn(Buffer.from(callingStation, 'latin1'), 0, callingStation.length);
}
