/** What these tests build requests with: independent of the product's own credentials code wherever that is checked. */
import { createHash } from 'node:crypto';
import { challengeHash, challengeResponse, ntPasswordHash } from '#radius/mschap';
import { Code, Packet, Secret, Writer } from '#radius/packet';

export const SHARED = 'xyzzy5461';
export const secret = new Secret(SHARED);
export const REQUEST_AUTHENTICATOR = hex('0f403f9473978057bd83d5cb98f4227a');

export function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex');
}

export function md5(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function parsed(octets: Uint8Array): Packet {
  const packet = new Packet();
  if (!packet.parse(octets)) throw new Error(`malformed: ${packet.fault}`);
  return packet;
}

/** A signed Access-Request; `add` fills it. */
export function accessRequest(add: (writer: Writer) => void, signed = true): Buffer {
  const writer = new Writer();
  writer.begin(Code.accessRequest, 7);
  if (signed) writer.addMessageAuthenticator();
  add(writer);
  return finished(writer, writer.finishAccessRequest(REQUEST_AUTHENTICATOR, secret));
}

export function finished(writer: Writer, length: number): Buffer {
  return Buffer.from(writer.buffer.subarray(0, length));
}

/** User-Password hidden as RFC 2865 section 5.2 says, by the book and by node:crypto. */
export function hidden(password: string | Buffer, shared = SHARED, authenticator = REQUEST_AUTHENTICATOR): Buffer {
  const octets = Buffer.from(password);
  const value = Buffer.alloc(Math.max(16, Math.ceil(octets.length / 16) * 16));
  octets.copy(value);
  let before = authenticator;
  for (let at = 0; at < value.length; at += 16) {
    const mask = md5(shared, before);
    for (let i = 0; i < 16; i++) value[at + i] = value[at + i]! ^ mask[i]!;
    before = value.subarray(at, at + 16);
  }
  return value;
}

export function chapPassword(identifier: number, password: string, challenge: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(identifier), md5(Buffer.of(identifier), password, challenge)]);
}

export const AUTHENTICATOR_CHALLENGE = hex('5b5d7c7d7b3f2f3e3c2c602132262628');
export const PEER_CHALLENGE = hex('21402324255e262a28295f2b3a337c7e');

/** One maker for each kind of credential, each good for the password given. */
export const credentials = {
  pap: (writer: Writer, password: string) => writer.addBytes(2, hidden(password)),
  chap: (writer: Writer, password: string) => writer.addBytes(3, chapPassword(9, password, REQUEST_AUTHENTICATOR)),
  mschap: (writer: Writer, password: string) => {
    const challenge = AUTHENTICATOR_CHALLENGE.subarray(0, 8);
    const response = challengeResponse(challenge, ntPasswordHash(password));
    writer.addVendorBytes(311, 11, challenge);
    writer.addVendorBytes(311, 1, Buffer.concat([Buffer.of(5, 1), Buffer.alloc(24), response]));
  },
  mschapv2: (writer: Writer, password: string, username = 'User') => {
    const challenge = challengeHash(PEER_CHALLENGE, AUTHENTICATOR_CHALLENGE, username);
    const response = challengeResponse(challenge, ntPasswordHash(password));
    writer.addVendorBytes(311, 11, AUTHENTICATOR_CHALLENGE);
    writer.addVendorBytes(311, 25, Buffer.concat([Buffer.of(5, 0), PEER_CHALLENGE, Buffer.alloc(8), response]));
  },
  eap: (writer: Writer) => writer.addBytes(79, hex('0201000501')),
} as const;

/** Makes the same pseudo-random numbers for the same seed (xorshift32): 0 ≤ n < `below`. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
