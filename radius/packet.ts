/**
 * RADIUS packets on the wire (RFC 2865 section 3): reading one without building objects, writing one into memory that
 * is used again, and the shared-secret mathematics of both directions. One thread answers some 75,000 exchanges a
 * second, so nothing on the path of a request allocates.
 */
import type { Arena } from '#radius/md5';
import {
  AUTHENTICATOR_AT,
  Code,
  HEADER_OCTETS,
  MAX_ATTRIBUTES,
  MAX_PACKET_OCTETS,
  packetArena,
  sumEquals,
  vendorValueIsWellFormed,
  ZERO_AUTHENTICATOR,
} from '#radius/octets';
import type { Secret } from '#radius/secret';

export {
  Code,
  equalOctets,
  MAX_PACKET_OCTETS,
  MAX_VALUE_OCTETS,
  MAX_VENDOR_VALUE_OCTETS,
  vendorValueIsWellFormed,
} from '#radius/octets';
export { Secret } from '#radius/secret';
export { Writer } from '#radius/writer';

const VENDOR_SPECIFIC = 26;
const MESSAGE_AUTHENTICATOR = 80;
const MESSAGE_AUTHENTICATOR_OCTETS = 18;
/** The digest at hand: verifying is synchronous, so one is enough. */
const sum = new Int32Array(4);

/** Why a datagram is no packet: counted by the server, never answered. */
export type FramingFault =
  | 'short-datagram'
  | 'wrong-length'
  | 'broken-attribute'
  | 'too-many-attributes'
  | 'broken-message-authenticator';

/**
 * One received packet, read in place. Make one and `parse` every datagram into it: what it shows is good until the
 * next `parse`. An attribute is named by its *offset* in `buffer` (of its type octet; the length octet follows, then the
 * value), 0 meaning "there is none". Vendor sub-attributes have the same shape and are named the same way.
 */
export class Packet {
  /** Package-internal: the memory the mathematics works on. */
  readonly arena: Arena = packetArena();
  /** The packet's octets, own copy: [0, length) are the packet. */
  readonly buffer: Buffer = this.arena.bytes;
  /** The 16 octets of Request or Response Authenticator. */
  readonly authenticator: Buffer = this.buffer.subarray(AUTHENTICATOR_AT, HEADER_OCTETS);
  code = 0;
  identifier = 0;
  length = 0;
  /** Why the last `parse` said false. */
  fault: FramingFault | null = null;
  /** Offset of the Message-Authenticator or 0. */
  messageAuthenticatorAt = 0;
  /** For each type `generation << 12 | offset` of its first attribute: valid only while the generation is the current. */
  readonly #first = new Uint32Array(256);
  #generation = 0;

  /**
   * Takes in one datagram. False if its framing is broken (RFC 2865 section 3, 5; `fault` says how): then it must be
   * dropped without a word. Octets behind Length are padding and ignored. A value of a wrong size is no fault here.
   */
  parse(datagram: Uint8Array, received: number = datagram.length): boolean {
    this.fault = this.#frame(datagram, received);
    if (this.fault === null) return true;
    this.length = 0;
    this.messageAuthenticatorAt = 0;
    return false;
  }

  #frame(datagram: Uint8Array, received: number): FramingFault | null {
    if (received < HEADER_OCTETS) return 'short-datagram';
    const length = (datagram[2]! << 8) | datagram[3]!;
    if (length < HEADER_OCTETS || length > MAX_PACKET_OCTETS || length > received) return 'wrong-length';
    const bytes = this.buffer;
    for (let i = 0; i < length; i++) bytes[i] = datagram[i]!;
    this.code = bytes[0]!;
    this.identifier = bytes[1]!;
    this.length = length;
    return this.#index(bytes, length);
  }

  #index(bytes: Buffer, length: number): FramingFault | null {
    const first = this.#first;
    this.#generation = (this.#generation + 1) & 0xfffff;
    if (this.#generation === 0) {
      first.fill(0);
      this.#generation = 1;
    }
    const generation = this.#generation;
    let count = 0;
    let messageAuthenticatorAt = 0;
    for (let at = HEADER_OCTETS; at < length; ) {
      const octets = at + 1 < length ? bytes[at + 1]! : 0;
      if (octets < 2 || at + octets > length) return 'broken-attribute';
      if (++count > MAX_ATTRIBUTES) return 'too-many-attributes';
      const type = bytes[at]!;
      if (first[type]! >>> 12 !== generation) first[type] = (generation << 12) | at;
      if (type === MESSAGE_AUTHENTICATOR) {
        if (messageAuthenticatorAt !== 0 || octets !== MESSAGE_AUTHENTICATOR_OCTETS) {
          return 'broken-message-authenticator';
        }
        messageAuthenticatorAt = at;
      }
      at += octets;
    }
    this.messageAuthenticatorAt = messageAuthenticatorAt;
    return null;
  }

  /** Offset of the first attribute of this type, or 0. */
  find(type: number): number {
    const entry = this.#first[type]!;
    return entry >>> 12 === this.#generation && this.length !== 0 ? entry & 0xfff : 0;
  }

  /** Offset of the next attribute of the same type as the one at `at`, or 0. */
  findNext(at: number): number {
    const type = this.buffer[at]!;
    let next = this.next(at);
    while (next !== 0 && this.buffer[next] !== type) next = this.next(next);
    return next;
  }

  /** Offset of the packet's first attribute, or 0. */
  first(): number {
    return this.length > HEADER_OCTETS ? HEADER_OCTETS : 0;
  }

  /** Offset of the attribute behind the one at `at`, or 0. Not for vendor sub-attributes. */
  next(at: number): number {
    const next = at + this.buffer[at + 1]!;
    return next < this.length ? next : 0;
  }

  /**
   * Offset of the first sub-attribute (`type` octet) of the vendor, or 0; with `after`, the first behind that offset. A
   * Vendor-Specific attribute whose inside does not add up is ignored whole (RFC 6929 section 2.8).
   */
  findVendor(vendor: number, type: number, after = 0): number {
    const bytes = this.buffer;
    for (let at = this.find(VENDOR_SPECIFIC); at !== 0; at = this.findNext(at)) {
      const end = at + bytes[at + 1]!;
      if (!this.#holdsVendor(at, end, vendor)) continue;
      for (let sub = at + 6; sub < end; sub += bytes[sub + 1]!) {
        if (bytes[sub] === type && sub > after) return sub;
      }
    }
    return 0;
  }

  #holdsVendor(at: number, end: number, vendor: number): boolean {
    if (end - at < 8 || this.#wordAt(at + 2) !== vendor) return false;
    return vendorValueIsWellFormed(this.buffer, at + 6, end);
  }

  /** Visits every attribute in the packet's order with its value's place in `buffer`. */
  forEach(visit: (type: number, valueStart: number, valueLength: number) => void): void {
    for (let at = this.first(); at !== 0; at = this.next(at)) {
      visit(this.buffer[at]!, at + 2, this.buffer[at + 1]! - 2);
    }
  }

  valueStart(at: number): number {
    return at + 2;
  }

  valueLength(at: number): number {
    return this.buffer[at + 1]! - 2;
  }

  /** The value at an offset as UTF-8 text (octets that are no UTF-8 become U+FFFD; NUL stays). */
  textAt(at: number): string {
    return this.buffer.toString('utf8', at + 2, at + this.buffer[at + 1]!);
  }

  /** The value at an offset: a view, good until the next `parse`. */
  bytesAt(at: number): Buffer {
    return this.buffer.subarray(at + 2, at + this.buffer[at + 1]!);
  }

  /** The value at an offset as an unsigned number; undefined unless it has 4 octets. */
  uint32At(at: number): number | undefined {
    return this.buffer[at + 1] === 6 ? this.#wordAt(at + 2) : undefined;
  }

  text(type: number): string | undefined {
    const at = this.find(type);
    return at === 0 ? undefined : this.textAt(at);
  }

  bytes(type: number): Buffer | undefined {
    const at = this.find(type);
    return at === 0 ? undefined : this.bytesAt(at);
  }

  /** The first value of the right size: others of that type are ignored (RFC 6929 section 2.8). */
  uint32(type: number): number | undefined {
    const at = this.#findSized(type, 4);
    return at === 0 ? undefined : this.#wordAt(at + 2);
  }

  /** Dotted; the first value of four octets. */
  ipv4(type: number): string | undefined {
    const at = this.#findSized(type, 4);
    if (at === 0) return undefined;
    const bytes = this.buffer;
    return `${bytes[at + 2]}.${bytes[at + 3]}.${bytes[at + 4]}.${bytes[at + 5]}`;
  }

  #findSized(type: number, octets: number): number {
    let at = this.find(type);
    while (at !== 0 && this.buffer[at + 1] !== octets + 2) at = this.findNext(at);
    return at;
  }

  #wordAt(at: number): number {
    const bytes = this.buffer;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }
}

const keptAuthenticator = new Uint8Array(16);
const keptMessageAuthenticator = new Uint8Array(16);

/**
 * Checks a *request's* Message-Authenticator (RFC 3579 section 3.2): over the packet as received, for Accounting-, CoA-
 * and Disconnect-Requests over a zero authenticator (RFC 5176 section 3.4). Wrong means: drop without a word.
 */
export function verifyMessageAuthenticator(packet: Packet, secret: Secret): 'absent' | 'valid' | 'wrong' {
  if (packet.messageAuthenticatorAt === 0) return 'absent';
  const { code } = packet;
  const own = code === Code.accessRequest || code === Code.statusServer;
  return messageAuthenticatorHolds(packet, secret, own ? null : ZERO_AUTHENTICATOR) ? 'valid' : 'wrong';
}

/** Checks the Request Authenticator of an Accounting-, CoA- or Disconnect-Request (RFC 2866 section 3, 5176 section 2.3). */
export function verifyAccountingAuthenticator(packet: Packet, secret: Secret): boolean {
  return authenticatorHolds(packet, ZERO_AUTHENTICATOR, secret);
}

/**
 * Checks a reply against the authenticator of the request it claims to answer: Response Authenticator, and
 * Message-Authenticator where there is one. (Identifier and source address are the caller's to check.)
 */
export function verifyReply(reply: Packet, requestAuthenticator: Uint8Array, secret: Secret): boolean {
  const signed = authenticatorHolds(reply, requestAuthenticator, secret);
  if (!signed || reply.messageAuthenticatorAt === 0) return signed;
  return messageAuthenticatorHolds(reply, secret, requestAuthenticator);
}

function authenticatorHolds(packet: Packet, over: Uint8Array, secret: Secret): boolean {
  const { arena, buffer } = packet;
  replace(buffer, AUTHENTICATOR_AT, over, keptAuthenticator);
  secret.sign(arena, packet.length, sum);
  restore(buffer, AUTHENTICATOR_AT, keptAuthenticator);
  return sumEquals(buffer, AUTHENTICATOR_AT, sum);
}

/** `over` null: the authenticator the packet came with. */
function messageAuthenticatorHolds(packet: Packet, secret: Secret, over: Uint8Array | null): boolean {
  const { arena, buffer } = packet;
  const at = packet.messageAuthenticatorAt + 2;
  replace(buffer, at, ZERO_AUTHENTICATOR, keptMessageAuthenticator);
  if (over !== null) replace(buffer, AUTHENTICATOR_AT, over, keptAuthenticator);
  secret.hmac(arena, packet.length, sum);
  if (over !== null) restore(buffer, AUTHENTICATOR_AT, keptAuthenticator);
  restore(buffer, at, keptMessageAuthenticator);
  return sumEquals(buffer, at, sum);
}

function replace(bytes: Uint8Array, at: number, by: Uint8Array, kept: Uint8Array): void {
  for (let i = 0; i < 16; i++) {
    kept[i] = bytes[at + i]!;
    bytes[at + i] = by[i]!;
  }
}

function restore(bytes: Uint8Array, at: number, kept: Uint8Array): void {
  for (let i = 0; i < 16; i++) bytes[at + i] = kept[i]!;
}
