import { randomBytes, randomFillSync } from 'node:crypto';
import { type Instant, NEVER } from '#domain/time';
import type { Counters } from '#radius/counters';
import { type CredentialFailure, verifyCredential } from '#radius/credentials';
import type { Directory, Subscriber } from '#radius/directory';
import { macIn, UNKNOWN_MAC } from '#radius/mikrotik';
import type { Nas } from '#radius/nas-table';
import { Code, type Packet, verifyMessageAuthenticator, Writer } from '#radius/packet';
import { sessionTimeoutSeconds } from '#radius/reply';
import { type Template, writeToken } from '#radius/template';
import type { DropReason, RejectReason } from '#radius/worker-messages';

/**
 * Access-Request in, Access-Accept or Access-Reject out: everything about it but sockets, duplicates and delays, so that
 * a test can put a million packets through. One request is looked at at a time and nothing here waits.
 */
export class AccessDesk {
  /** The reply, in octets [0, the length `answer` gave), until the next request. */
  readonly writer = new Writer();
  readonly #directory: Directory;
  readonly #counters: Counters;
  readonly #events: AccessEvents;
  readonly #tokens = Buffer.allocUnsafeSlow(TOKEN_OCTETS * 4096);
  #nextToken = this.#tokens.length;

  constructor(directory: Directory, counters: Counters, events: AccessEvents) {
    this.#directory = directory;
    this.#counters = counters;
    this.#events = events;
  }

  /**
   * Whether a request may be looked at at all (RFC 3579 section 3.2; CVE-2024-3596): a wrong Message-Authenticator never,
   * a missing one by the NAS' setting, an unsigned Proxy-State never (it is how the collision is carried, and a router has
   * no use for it). Counts what it refuses. Under `auto` a signed request teaches us that this NAS signs; EAP does not,
   * for it is signed by every NAS.
   */
  admits(packet: Packet, nas: Nas): boolean {
    switch (verifyMessageAuthenticator(packet, nas.secret)) {
      case 'wrong':
        return this.unproven(nas, 'message-authenticator-wrong');
      case 'valid':
        if (!nas.requiresMessageAuthenticator && nas.learnsMessageAuthenticator && packet.find(EAP_MESSAGE) === 0) {
          nas.requiresMessageAuthenticator = true;
          this.#events.learnedMessageAuthenticator(nas.id);
        }
        return true;
      case 'absent':
        if (nas.requiresMessageAuthenticator || packet.code === Code.statusServer || packet.find(EAP_MESSAGE) !== 0)
          return this.unproven(nas, 'message-authenticator-missing');
        return packet.find(PROXY_STATE) === 0 || this.unproven(nas, 'proxy-state-unsigned');
    }
  }

  /** Counts and tells a drop for lack of proof; always false. */
  unproven(nas: Nas, reason: UnprovenReason): false {
    this.#counters.drops[reason] += 1;
    this.#events.unproven(nas.name, reason);
    return false;
  }

  /**
   * Answers an admitted Access-Request: the length of the reply in `writer`, 0 = stay silent. `writer` knows which. The
   * reply is signed for `nas`, which sent it; the dial is one of `router`, which is another behind a proxy.
   */
  answer(packet: Packet, nas: Nas, at: Instant, router: Nas = nas): number {
    const directory = this.#directory;
    if (!directory.ready) return this.#silent();
    const fault = faultOf(packet);
    const username = packet.text(USER_NAME) ?? '';
    if (fault !== null) return this.#reject(packet, nas, router, username, fault, null, at);
    const subscriber = directory.find(username);
    if (subscriber === undefined) {
      if (!directory.complete) return this.#silent();
      // The reply must look like that to a wrong password: MS-CHAP wants an MS-CHAP-Error in it.
      const { reply } = verifyCredential(packet, nas.secret, username, NOBODYS_PASSWORD);
      return this.#reject(packet, nas, router, username, 'unknown-user', reply, at);
    }
    const credential = verifyCredential(packet, nas.secret, username, subscriber.password);
    if (!credential.ok)
      return this.#reject(packet, nas, router, username, REASON_OF_FAILURE[credential.kind], credential.reply, at);
    return this.#decide(packet, nas, router, subscriber, credential.reply, at);
  }

  /** Answers an admitted Status-Server (RFC 5997 section 4.2: Access-Accept without a word about anybody). */
  answerStatus(packet: Packet, nas: Nas): number {
    if (!this.#directory.ready) return this.#silent();
    const writer = this.writer;
    writer.beginReply(Code.accessAccept, packet);
    writer.copyProxyStates(packet);
    this.#counters.statusServerAnswered += 1;
    return writer.finishReply(packet.authenticator, nas.secret);
  }

  #decide(
    packet: Packet,
    nas: Nas,
    router: Nas,
    subscriber: Subscriber,
    extra: Uint8Array | null,
    at: Instant,
  ): number {
    const callingStation = packet.find(CALLING_STATION_ID);
    const mac =
      callingStation === 0
        ? UNKNOWN_MAC
        : macIn(packet.buffer, packet.valueStart(callingStation), packet.valueLength(callingStation));
    const outcome = answerOrRefusal(this.#directory, subscriber, router, mac, at);
    if (typeof outcome !== 'string') return this.#accept(packet, nas, subscriber, outcome, extra, at);
    if (outcome === 'session-limit') this.#events.limitReached(subscriber.id);
    return this.#reject(packet, nas, router, subscriber.username, outcome, null, at);
  }

  #accept(
    packet: Packet,
    nas: Nas,
    subscriber: Subscriber,
    template: Template,
    extra: Uint8Array | null,
    at: Instant,
  ): number {
    const writer = this.writer;
    writer.beginReply(Code.accessAccept, packet);
    const start = writer.length;
    writer.addEncoded(template.octets);
    if (!writer.overflowed) this.#writeToken(writer.buffer, start + template.tokenAt);
    if (subscriber.line.octets !== '') writer.addEncoded(Buffer.from(subscriber.line.octets, 'latin1'));
    const { validUntil } = subscriber;
    if (validUntil !== NEVER) writer.addUint32(SESSION_TIMEOUT, sessionTimeoutSeconds(validUntil, at) ?? 0);
    if (extra !== null) writer.addEncoded(extra);
    writer.copyProxyStates(packet);
    const length = writer.finishReply(packet.authenticator, nas.secret);
    if (length === 0) this.#counters.drops['reply-too-long'] += 1;
    else this.#counters.accepts += 1;
    return length;
  }

  /** RFC 2865 section 5.44, RFC 5080 section 2.6: nothing in it but why not. */
  #reject(
    packet: Packet,
    nas: Nas,
    router: Nas,
    username: string,
    reason: RejectReason,
    extra: Uint8Array | null,
    at: Instant,
  ): number {
    const writer = this.writer;
    writer.beginReply(Code.accessReject, packet);
    if (extra !== null) writer.addEncoded(extra);
    writer.addText(REPLY_MESSAGE, REPLY_MESSAGES[reason]);
    writer.copyProxyStates(packet);
    this.#counters.rejects[reason] += 1;
    this.#events.rejected(username, router.id, reason, packet.text(CALLING_STATION_ID) ?? null, at);
    return writer.finishReply(packet.authenticator, nas.secret);
  }

  #silent(): number {
    this.#counters.drops['directory-not-loaded'] += 1;
    return 0;
  }

  #writeToken(target: Buffer, at: number): void {
    if (this.#nextToken === this.#tokens.length) {
      randomFillSync(this.#tokens);
      this.#nextToken = 0;
    }
    writeToken(this.#tokens, this.#nextToken, target, at);
    this.#nextToken += TOKEN_OCTETS;
  }
}

/**
 * What comes of a dial from `nas` whose password is right, `mac` being the device's (UNKNOWN_MAC where it did not say): the
 * answer, or why there is none. In the path of every request: allocates nothing.
 */
export function answerOrRefusal(
  directory: Directory,
  subscriber: Subscriber,
  nas: Nas,
  mac: number,
  at: Instant,
): Template | RejectReason {
  const { line, mac: lockedTo } = subscriber.line;
  if (line.mac !== null && (mac === UNKNOWN_MAC || mac !== lockedTo)) return 'mac-mismatch';
  const answer = directory.answer(subscriber, nas, at);
  if (answer === null) return 'denied';
  return directory.isLimitReached(subscriber, mac, at) ? 'session-limit' : answer;
}

/** What others want to hear of. Called in the path of a request: take note and return. */
export type AccessEvents = {
  rejected(username: string, nasId: number, reason: RejectReason, mac: string | null, at: Instant): void;
  limitReached(subscriberId: number): void;
  learnedMessageAuthenticator(nasId: number): void;
  /** A request of a known NAS is dropped in silence, for lack of a proof that it is genuine. */
  unproven(nas: string, reason: UnprovenReason): void;
};

export type UnprovenReason = Extract<
  DropReason,
  | 'message-authenticator-wrong'
  | 'message-authenticator-missing'
  | 'proxy-state-unsigned'
  | 'request-authenticator-wrong'
  | 'unknown-router'
>;

/** What is wrong with a request before we look at who asks. */
function faultOf(packet: Packet): RejectReason | null {
  if (packet.find(NAS_IP_ADDRESS) === 0 && packet.find(NAS_IPV6_ADDRESS) === 0 && packet.find(NAS_IDENTIFIER) === 0)
    return 'no-nas-identity';
  const serviceType = packet.uint32(SERVICE_TYPE);
  if (serviceType === CALL_CHECK || serviceType === AUTHORIZE_ONLY) return 'authorize-only';
  return packet.find(EAP_MESSAGE) === 0 ? null : 'unsupported-credential';
}

const REASON_OF_FAILURE: Readonly<Record<CredentialFailure, RejectReason>> = {
  'wrong-password': 'wrong-password',
  'no-credential': 'no-credential',
  'several-credentials': 'several-credentials',
  'malformed-credential': 'malformed-credential',
  eap: 'unsupported-credential',
  'eap-unsigned': 'unsupported-credential',
  unsupported: 'unsupported-credential',
};

/** For a technician at the router's log. Fixed texts: nothing a stranger sent comes back, and who exists does not show. */
export const REPLY_MESSAGES: Readonly<Record<RejectReason, string>> = {
  'unknown-user': 'wrong user name or password',
  'wrong-password': 'wrong user name or password',
  'no-credential': 'no password was sent',
  'several-credentials': 'more than one kind of password was sent',
  'unsupported-credential': 'this way to authenticate is not supported',
  'malformed-credential': 'the password could not be read',
  denied: 'this line has no service',
  'mac-mismatch': 'this device is not the one registered for the line',
  'session-limit': 'this line is online on another device',
  'authorize-only': 'authorization without authentication is not supported',
  'no-nas-identity': 'NAS-IP-Address or NAS-Identifier is required',
};

const TOKEN_OCTETS = 16;
const NOBODYS_PASSWORD = randomBytes(32).toString('base64');

const USER_NAME = 1;
const NAS_IP_ADDRESS = 4;
const SERVICE_TYPE = 6;
const REPLY_MESSAGE = 18;
const SESSION_TIMEOUT = 27;
const CALLING_STATION_ID = 31;
const NAS_IDENTIFIER = 32;
const PROXY_STATE = 33;
const EAP_MESSAGE = 79;
const NAS_IPV6_ADDRESS = 95;
/** Values of Service-Type (RFC 2865 section 5.6, RFC 5176 section 3.6). */
export const CALL_CHECK = 10;
export const AUTHORIZE_ONLY = 17;
