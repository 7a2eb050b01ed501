/**
 * What MS-CHAP is made of: version 1 (RFC 2433), version 2 (RFC 2759), the MPPE keys both lead to (RFC 3079) and how
 * RADIUS hides them (RFC 2548). Functions of octets to octets; which attributes they come from is in `credentials.ts`.
 */
import { hash, randomFillSync } from 'node:crypto';
import { desEncrypt } from '#radius/des';
import { md4 } from '#radius/md4';
import type { Secret } from '#radius/packet';

/** Fills `count` octets of `out` from `at` with random ones. */
export type RandomOctets = (out: Uint8Array, at: number, count: number) => void;

const pool = Buffer.alloc(4096);
let drawn = pool.length;

/** From the system's generator by the page: one call an exchange would cost as much as the exchange. */
export const randomOctets: RandomOctets = (out, at, count) => {
  if (drawn + count > pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  out.set(pool.subarray(drawn, drawn + count), at);
  pool.fill(0, drawn, drawn + count);
  drawn += count;
};

const sha1 = (...parts: Uint8Array[]): Buffer => hash('sha1', Buffer.concat(parts), 'buffer');

/** NtPasswordHash (RFC 2759 section 8.3): 16 octets, as good as the password itself. */
export function ntPasswordHash(password: string): Buffer {
  return md4(Buffer.from(password, 'utf16le'));
}

/** HashNtPasswordHash (RFC 2759 section 8.4). */
export function hashNtPasswordHash(passwordHash: Uint8Array): Buffer {
  return md4(passwordHash);
}

/** LmPasswordHash (RFC 2433 section A.2): 16 octets; only its first 8 are used, as the old 40-bit MPPE key. */
export function lmPasswordHash(password: string): Buffer {
  const upper = Buffer.alloc(14);
  upper.write(password.toUpperCase(), 'latin1');
  const hashed = Buffer.alloc(16);
  const plain = Buffer.from('KGS!@#$%', 'latin1');
  desEncrypt(upper, 0, plain, 0, hashed, 0);
  desEncrypt(upper, 7, plain, 0, hashed, 8);
  return hashed;
}

/** ChallengeResponse (RFC 2433 section A.6, 2759 section 8.5): 24 octets from a challenge of 8 and a hash of 16. */
export function challengeResponse(challenge: Uint8Array, passwordHash: Uint8Array): Buffer {
  const keys = Buffer.alloc(21);
  keys.set(passwordHash);
  const response = Buffer.alloc(24);
  for (let part = 0; part < 3; part++) desEncrypt(keys, 7 * part, challenge, 0, response, 8 * part);
  return response;
}

/** The user's name as MS-CHAPv2 hashes it: without a Windows domain before it (RFC 2759 section 4). */
export function withoutDomain(username: string): string {
  return username.slice(username.indexOf('\\') + 1);
}

/** ChallengeHash (RFC 2759 section 8.2): 8 octets from two challenges of 16 and the name without its domain. */
export function challengeHash(peerChallenge: Uint8Array, authenticatorChallenge: Uint8Array, username: string): Buffer {
  return sha1(peerChallenge, authenticatorChallenge, Buffer.from(username, 'utf8')).subarray(0, 8);
}

const MAGIC_1 = Buffer.from('Magic server to client signing constant', 'latin1');
const MAGIC_2 = Buffer.from('Pad to make it do more than one iteration', 'latin1');

/** GenerateAuthenticatorResponse (RFC 2759 section 8.7): `S=` and 40 upper-case hex digits. */
export function authenticatorResponse(
  passwordHashHash: Uint8Array,
  ntResponse: Uint8Array,
  challenge: Uint8Array,
): string {
  const digest = sha1(passwordHashHash, ntResponse, MAGIC_1);
  return `S=${sha1(digest, challenge, MAGIC_2).toString('hex').toUpperCase()}`;
}

const MASTER_MAGIC = Buffer.from('This is the MPPE Master Key', 'latin1');
const CLIENT_SENDS_MAGIC = Buffer.from(
  'On the client side, this is the send key; on the server side, it is the receive key.',
  'latin1',
);
const CLIENT_RECEIVES_MAGIC = Buffer.from(
  'On the client side, this is the receive key; on the server side, it is the send key.',
  'latin1',
);
const KEY_PAD_1 = Buffer.alloc(40, 0x00);
const KEY_PAD_2 = Buffer.alloc(40, 0xf2);

/** GetMasterKey (RFC 3079 section 3.4): 16 octets. */
export function masterKey(passwordHashHash: Uint8Array, ntResponse: Uint8Array): Buffer {
  return sha1(passwordHashHash, ntResponse, MASTER_MAGIC).subarray(0, 16);
}

/** GetAsymmetricStartKey (RFC 3079 section 3.4) of 128 bits, as the server's (the NAS's) side has it. */
export function startKey(master: Uint8Array, direction: 'send' | 'receive'): Buffer {
  const magic = direction === 'send' ? CLIENT_RECEIVES_MAGIC : CLIENT_SENDS_MAGIC;
  return sha1(master, KEY_PAD_1, magic, KEY_PAD_2).subarray(0, 16);
}

/**
 * A salt for an MS-MPPE key: top bit set, and unlike the `other` salt of the packet (RFC 2548 section 2.4.2).
 */
export function mppeSalt(random: RandomOctets, other: number | null): number {
  const octets = new Uint8Array(2);
  random(octets, 0, 2);
  const salt = 0x8000 | (octets[0]! << 8) | octets[1]!;
  return salt === other ? salt ^ 1 : salt;
}

/** The value of MS-MPPE-Send-Key or -Recv-Key (RFC 2548 section 2.4.2): salt, then length and key hidden in 32 octets. */
export function hideMppeKey(key: Uint8Array, salt: number, requestAuthenticator: Uint8Array, secret: Secret): Buffer {
  const value = Buffer.alloc(2 + 32);
  value.writeUInt16BE(salt, 0);
  value[2] = key.length;
  value.set(key, 3);
  secret.mask(sum, requestAuthenticator, 0, 16, value, 0, 2);
  cover(value, 2);
  secret.mask(sum, value, 2, 16);
  cover(value, 18);
  return value;
}

/**
 * The value of MS-CHAP-MPPE-Keys (RFC 2548 section 2.4.1): LM key of 8 octets, NT key of 16, 8 zeros, hidden as a
 * User-Password is. The NT key is the hash of the password's hash: section 2.4.1 can be read otherwise, but RFC 3079
 * section 2.4 starts from this and so do the NASes (FreeRADIUS learnt it the same way).
 */
export function hideMppeKeys(
  lmHash: Uint8Array,
  passwordHashHash: Uint8Array,
  requestAuthenticator: Uint8Array,
  secret: Secret,
): Buffer {
  const value = Buffer.alloc(32);
  value.set(lmHash.subarray(0, 8));
  value.set(passwordHashHash, 8);
  secret.mask(sum, requestAuthenticator, 0, 16);
  cover(value, 0);
  secret.mask(sum, value, 0, 16);
  cover(value, 16);
  return value;
}

const sum = new Int32Array(4);
const sumOctets = new Uint8Array(sum.buffer);

function cover(value: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) value[at + i] = value[at + i]! ^ sumOctets[i]!;
}
