import type { Arena } from '#radius/md5';
import {
  AUTHENTICATOR_AT,
  Code,
  HEADER_OCTETS,
  MAX_PACKET_OCTETS,
  MAX_VALUE_OCTETS,
  packetArena,
  parseIpv4,
  putSum,
  ZERO_AUTHENTICATOR,
} from '#radius/octets';
import type { Packet } from '#radius/packet';
import type { Secret } from '#radius/secret';

const VENDOR_SPECIFIC = 26;
const PROXY_STATE = 33;
const MESSAGE_AUTHENTICATOR = 80;
/** The digest at hand: signing is synchronous, so one is enough. */
const sum = new Int32Array(4);

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

/** Octets the text takes as UTF-8: attributes are mostly ASCII, for which this is its length. */
function textOctets(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text, 'utf8');
  return text.length;
}

function writeText(bytes: Buffer, at: number, text: string, octets: number): void {
  if (octets !== text.length) bytes.write(text, at, 'utf8');
  else for (let i = 0; i < octets; i++) bytes[at + i] = text.charCodeAt(i);
}
