/** What reading and writing a packet share: its measures and codes, and octets put, compared and read. */
import { Arena } from '#radius/md5';

export const MAX_PACKET_OCTETS = 4096;
export const HEADER_OCTETS = 20;
export const AUTHENTICATOR_AT = 4;
/** FreeRADIUS' default for `max_attributes`: no honest packet comes near it. */
export const MAX_ATTRIBUTES = 200;
export const MAX_SECRET_OCTETS = 256;
/** A value fills at most 255 - 2 octets (RFC 2865 section 5); a vendor's 255 - 2 - 4 - 2 (section 5.26). */
export const MAX_VALUE_OCTETS = 253;
export const MAX_VENDOR_VALUE_OCTETS = 247;

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
export const packetArena = (): Arena => new Arena(MAX_PACKET_OCTETS + MAX_SECRET_OCTETS);

export const ZERO_AUTHENTICATOR = new Uint8Array(16);

/** Puts the four words of a digest as its 16 octets. */
export function putSum(bytes: Uint8Array, at: number, words: Int32Array): void {
  for (let i = 0; i < 4; i++) {
    const word = words[i]!;
    bytes[at + 4 * i] = word;
    bytes[at + 4 * i + 1] = word >>> 8;
    bytes[at + 4 * i + 2] = word >>> 16;
    bytes[at + 4 * i + 3] = word >>> 24;
  }
}

/** Compares in constant time: how many octets of a forgery were right must not show in how long the answer takes. */
export function sumEquals(bytes: Uint8Array, at: number, words: Int32Array): boolean {
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
