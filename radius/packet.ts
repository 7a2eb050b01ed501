/**
 * RADIUS packets on the wire (RFC 2865 section 3): reading one without building objects, writing one into memory that
 * is used again, and the shared-secret mathematics of both directions. One thread answers some 75,000 exchanges a
 * second, so nothing on the path of a request allocates.
 */
import { inspect } from 'node:util';
import { Arena, digest, type HmacKey, hmac, hmacKey, INITIAL } from '#radius/md5';

export const MAX_PACKET_OCTETS = 4096;
export const HEADER_OCTETS = 20;
const AUTHENTICATOR_AT = 4;
/** FreeRADIUS' default for `max_attributes`: no honest packet comes near it. */
export const MAX_ATTRIBUTES = 200;
export const MAX_SECRET_OCTETS = 256;
/** A value fills at most 255 - 2 octets (RFC 2865 section 5); a vendor's 255 - 2 - 4 - 2 (section 5.26). */
export const MAX_VALUE_OCTETS = 253;
export const MAX_VENDOR_VALUE_OCTETS = 247;

const VENDOR_SPECIFIC = 26;
const PROXY_STATE = 33;
const MESSAGE_AUTHENTICATOR = 80;
const MESSAGE_AUTHENTICATOR_OCTETS = 18;

/** Packet codes (RFC 2865 section 3, 2866, 5176 section 2.3, 5997). */
export const Code = {
  accessRequest: 1,
  accessAccept: 2,
  accessReject: 3,
  accountingRequest: 4,
  accountingResponse: 5,
  accessChallenge: 11,
  statusServer: 12,
  disconnectRequest: 40,
  disconnectAck: 41,
  disconnectNak: 42,
  coaRequest: 43,
  coaAck: 44,
  coaNak: 45,
} as const;

/** Room for a packet and a secret behind it. */
const packetArena = (): Arena => new Arena(MAX_PACKET_OCTETS + MAX_SECRET_OCTETS);
/** The result of the digest at hand: everything here is synchronous, so one is enough. */
const sum = new Int32Array(4);

/**
 * A NAS's shared secret, 1 to 256 octets, with what can be computed from it beforehand. Prints as `[secret]` wherever
 * it may turn up. Throws RangeError for another length (an empty secret would make every packet forgeable).
 */
export class Secret {
  readonly #length: number;
  /** The secret at octet 0, room for what is hashed behind it. */
  readonly #arena: Arena;
  readonly #key: HmacKey;

  constructor(secret: string | Uint8Array) {
    const bytes = Buffer.from(secret);
    if (bytes.length < 1 || bytes.length > MAX_SECRET_OCTETS) {
      throw new RangeError(`a shared secret has 1 to ${MAX_SECRET_OCTETS} octets, not ${bytes.length}`);
    }
    this.#length = bytes.length;
    this.#arena = new Arena(bytes.length + 32);
    this.#arena.bytes.set(bytes);
    this.#key = hmacKey(bytes);
  }

  /** MD5 of octets [0, length) of `message` and then the secret, as four words (authenticators). */
  sign(message: Arena, length: number, out: Int32Array): void {
    const own = this.#arena.bytes;
    for (let i = 0; i < this.#length; i++) message.bytes[length + i] = own[i]!;
    digest(message, length + this.#length, INITIAL, 0, out);
  }

  /** HMAC-MD5 under the secret of octets [0, length) of `message`, as four words (Message-Authenticator). */
  hmac(message: Arena, length: number, out: Int32Array): void {
    hmac(message, length, this.#key, out);
  }

  /**
   * MD5 of the secret, then `count` octets of `bytes` at `at`, then (salt) `moreCount` of `more`: the key stream of
   * User-Password (RFC 2865 section 5.2) and of salted attributes (RFC 2548 section 2.4.2). At most 32 octets in all.
   */
  mask(out: Int32Array, bytes: Uint8Array, at: number, count: number, more = bytes, moreAt = 0, moreCount = 0): void {
    const arena = this.#arena.bytes;
    let end = this.#length;
    for (let i = 0; i < count; i++) arena[end++] = bytes[at + i]!;
    for (let i = 0; i < moreCount; i++) arena[end++] = more[moreAt + i]!;
    digest(this.#arena, end, INITIAL, 0, out);
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

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
      if (end <= after || !this.#holdsVendor(at, end, vendor)) continue;
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

/** Whether octets [start, end) are whole sub-attributes of one octet of type and one of length (RFC 2865 section 5.26). */
export function vendorValueIsWellFormed(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const octets = at + 1 < end ? bytes[at + 1]! : 0;
    if (octets < 2) return false;
    at += octets;
  }
  return at === end;
}

/**
 * Builds one packet after the other in its own memory. `begin…`, `add…`, `finish…`; then octets [0, length) of `buffer` are
 * the packet until the next `begin`. (`dgram` may still need them after `send` returned: hand it a copy, or wait.)
 * A packet that would pass 4096 octets is never sent: `finish…` then gives 0. A value too long for its attribute is our
 * own mistake and throws RangeError.
 */
export class Writer {
  readonly arena: Arena = packetArena();
  readonly buffer: Buffer = this.arena.bytes;
  length = 0;
  /** Whether something did not fit. */
  overflowed = false;
  #messageAuthenticatorAt = 0;

  begin(code: number, identifier: number): void {
    this.buffer[0] = code;
    this.buffer[1] = identifier;
    this.length = HEADER_OCTETS;
    this.overflowed = false;
    this.#messageAuthenticatorAt = 0;
  }

  /**
   * Begins a reply to `request`. Access-Accept, -Reject and -Challenge get their Message-Authenticator here and thus
   * first, always: without it a man in the middle can turn a Reject into an Accept (CVE-2024-3596).
   */
  beginReply(code: number, request: Packet): void {
    this.begin(code, request.identifier);
    if (code === Code.accessAccept || code === Code.accessReject || code === Code.accessChallenge) {
      this.addMessageAuthenticator();
    }
  }

  /** Reserves the Message-Authenticator here; `finish…` fills it in. At most one a packet. */
  addMessageAuthenticator(): void {
    const at = this.#room(MESSAGE_AUTHENTICATOR, 16, MAX_VALUE_OCTETS);
    if (at === 0) return;
    this.#messageAuthenticatorAt = at;
    this.buffer.fill(0, at, at + 16);
  }

  addText(type: number, text: string): void {
    const octets = textOctets(text);
    const at = this.#room(type, octets, MAX_VALUE_OCTETS);
    if (at !== 0) writeText(this.buffer, at, text, octets);
  }

  /** `value` 0 to 2^32 - 1. */
  addUint32(type: number, value: number): void {
    const at = this.#room(type, 4, MAX_VALUE_OCTETS);
    if (at !== 0) this.#putWord(at, value);
  }

  /** `address` dotted; our own mistake (RangeError) if it is no IPv4 address. */
  addIpv4(type: number, address: string): void {
    const at = this.#room(type, 4, MAX_VALUE_OCTETS);
    if (at !== 0) this.#putWord(at, parseIpv4(address));
  }

  addBytes(type: number, bytes: Uint8Array): void {
    const at = this.#room(type, bytes.length, MAX_VALUE_OCTETS);
    if (at !== 0) this.buffer.set(bytes, at);
  }

  addVendorText(vendor: number, type: number, text: string): void {
    const octets = textOctets(text);
    const at = this.#vendorRoom(vendor, type, octets);
    if (at !== 0) writeText(this.buffer, at, text, octets);
  }

  addVendorUint32(vendor: number, type: number, value: number): void {
    const at = this.#vendorRoom(vendor, type, 4);
    if (at !== 0) this.#putWord(at, value);
  }

  addVendorBytes(vendor: number, type: number, bytes: Uint8Array): void {
    const at = this.#vendorRoom(vendor, type, bytes.length);
    if (at !== 0) this.buffer.set(bytes, at);
  }

  /** Appends whole attributes as they are on the wire (from `encodeAttribute`, a cache, a credential's reply). */
  addEncoded(attributes: Uint8Array): void {
    const at = this.#reserve(attributes.length);
    if (at === 0) return;
    if (attributes.length > 32) this.buffer.set(attributes, at);
    else for (let i = 0; i < attributes.length; i++) this.buffer[at + i] = attributes[i]!;
  }

  /** Copies every Proxy-State of the request, unchanged and in order (RFC 2865 section 5.33): every reply needs it. */
  copyProxyStates(request: Packet): void {
    for (let from = request.find(PROXY_STATE); from !== 0; from = request.findNext(from)) {
      const octets = request.buffer[from + 1]!;
      const at = this.#reserve(octets);
      if (at !== 0) request.buffer.copy(this.buffer, at, from, from + octets);
    }
  }

  /**
   * Signs a reply: Message-Authenticator if reserved (over the Request Authenticator, RFC 3579 section 3.2), then the
   * Response Authenticator (RFC 2865 section 3). Gives the packet's length, or 0 if it did not fit.
   */
  finishReply(requestAuthenticator: Uint8Array, secret: Secret): number {
    return this.#finish(requestAuthenticator, secret, true);
  }

  /**
   * Signs an Accounting-, CoA- or Disconnect-Request: Message-Authenticator if reserved (over a zero authenticator, RFC
   * 5176 section 3.4), then the Request Authenticator over it (RFC 2866 section 3). Length, or 0 if it did not fit.
   */
  finishRequest(secret: Secret): number {
    return this.#finish(ZERO_AUTHENTICATOR, secret, true);
  }

  /** Closes an Access-Request or Status-Server, whose authenticator is 16 random octets (RFC 2865 section 3, 5997). */
  finishAccessRequest(authenticator: Uint8Array, secret: Secret): number {
    return this.#finish(authenticator, secret, false);
  }

  #finish(authenticator: Uint8Array, secret: Secret, signed: boolean): number {
    if (this.overflowed) return 0;
    const bytes = this.buffer;
    const length = this.length;
    bytes[2] = length >>> 8;
    bytes[3] = length & 0xff;
    for (let i = 0; i < 16; i++) bytes[AUTHENTICATOR_AT + i] = authenticator[i]!;
    if (this.#messageAuthenticatorAt !== 0) {
      secret.hmac(this.arena, length, sum);
      putSum(bytes, this.#messageAuthenticatorAt, sum);
    }
    if (signed) {
      secret.sign(this.arena, length, sum);
      putSum(bytes, AUTHENTICATOR_AT, sum);
    }
    return length;
  }

  /** Place for `octets`, or 0 (and `overflowed`) if the packet is full. */
  #reserve(octets: number): number {
    const at = this.length;
    if (at + octets > MAX_PACKET_OCTETS) {
      this.overflowed = true;
      return 0;
    }
    this.length = at + octets;
    return at;
  }

  #room(type: number, octets: number, limit: number): number {
    if (octets > limit) throw new RangeError(`attribute ${type}: ${octets} octets, at most ${limit}`);
    const at = this.#reserve(octets + 2);
    if (at === 0) return 0;
    this.buffer[at] = type;
    this.buffer[at + 1] = octets + 2;
    return at + 2;
  }

  #vendorRoom(vendor: number, type: number, octets: number): number {
    if (octets > MAX_VENDOR_VALUE_OCTETS) {
      throw new RangeError(`attribute ${vendor}/${type}: ${octets} octets, at most ${MAX_VENDOR_VALUE_OCTETS}`);
    }
    const at = this.#room(VENDOR_SPECIFIC, octets + 6, MAX_VALUE_OCTETS);
    if (at === 0) return 0;
    this.#putWord(at, vendor);
    this.buffer[at + 4] = type;
    this.buffer[at + 5] = octets + 2;
    return at + 6;
  }

  #putWord(at: number, value: number): void {
    const bytes = this.buffer;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }
}

const ZERO_AUTHENTICATOR = new Uint8Array(16);
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

function putSum(bytes: Uint8Array, at: number, words: Int32Array): void {
  for (let i = 0; i < 4; i++) {
    const word = words[i]!;
    bytes[at + 4 * i] = word;
    bytes[at + 4 * i + 1] = word >>> 8;
    bytes[at + 4 * i + 2] = word >>> 16;
    bytes[at + 4 * i + 3] = word >>> 24;
  }
}

/** Compares in constant time: how many octets of a forgery were right must not show in how long the answer takes. */
function sumEquals(bytes: Uint8Array, at: number, words: Int32Array): boolean {
  let difference = 0;
  for (let i = 0; i < 4; i++) {
    const from = at + 4 * i;
    const word = bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24);
    difference |= word ^ words[i]!;
  }
  return difference === 0;
}

/** Compares `count` octets at two places in constant time. */
export function equalOctets(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, count: number): boolean {
  let difference = 0;
  for (let i = 0; i < count; i++) difference |= a[aAt + i]! ^ b[bAt + i]!;
  return difference === 0;
}

/** A dotted IPv4 address as an unsigned number. Throws RangeError for anything else. */
export function parseIpv4(address: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  const octets = parts?.slice(1).map(Number) ?? [];
  if (octets.length !== 4 || octets.some((octet) => octet > 255)) {
    throw new RangeError(`no IPv4 address: ${JSON.stringify(address)}`);
  }
  return octets.reduce((value, octet) => value * 256 + octet, 0);
}

/** Octets the text takes as UTF-8: attributes are mostly ASCII, for which this is its length. */
function textOctets(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text, 'utf8');
  return text.length;
}

function writeText(bytes: Buffer, at: number, text: string, octets: number): void {
  if (octets !== text.length) bytes.write(text, at, 'utf8');
  else for (let i = 0; i < octets; i++) bytes[at + i] = text.charCodeAt(i);
}
