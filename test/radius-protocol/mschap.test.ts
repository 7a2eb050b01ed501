import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  authenticatorResponse,
  challengeHash,
  challengeResponse,
  hashNtPasswordHash,
  hideMppeKey,
  hideMppeKeys,
  lmPasswordHash,
  masterKey,
  mppeSalt,
  ntPasswordHash,
  randomOctets,
  startKey,
  withoutDomain,
} from '#radius/mschap';
import {
  AUTHENTICATOR_CHALLENGE,
  hex,
  md5,
  PEER_CHALLENGE,
  REQUEST_AUTHENTICATOR,
  SHARED,
  secret,
} from '#test/radius-protocol/wire';

test('V5 A09: MS-CHAPv1 of RFC 2433 B.2', () => {
  const passwordHash = ntPasswordHash('MyPw');
  expect(passwordHash.toString('hex')).toBe('fc156af7edcd6c0edde3337d427f4eac');
  const response = challengeResponse(hex('102db5df085d3041'), passwordHash);
  expect(response.toString('hex')).toBe('4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61');
});

/** RFC 2759 section 9.2. */
const passwordHash = ntPasswordHash('clientPass');
const passwordHashHash = hashNtPasswordHash(passwordHash);
const challenge = challengeHash(PEER_CHALLENGE, AUTHENTICATOR_CHALLENGE, 'User');
const ntResponse = challengeResponse(challenge, passwordHash);

test('V6 A10: MS-CHAPv2 of RFC 2759 9.2, every step', () => {
  expect(challenge.toString('hex')).toBe('d02e4386bce91226');
  expect(passwordHash.toString('hex')).toBe('44ebba8d5312b8d611474411f56989ae');
  expect(ntResponse.toString('hex')).toBe('82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df');
  expect(passwordHashHash.toString('hex')).toBe('41c00c584bd2d91c4017a2a12fa59f3f');
  const response = authenticatorResponse(passwordHashHash, ntResponse, challenge);
  expect(response).toBe('S=407A5589115FD0D6209F510FE9C04566932CDA56');
});

test('A10: a Windows domain before the name is no part of what is hashed', () => {
  expect(withoutDomain('BIGCO\\User')).toBe('User');
  expect(withoutDomain('User')).toBe('User');
});

/** RC4, which MPPE encrypts with and neither OpenSSL 3 nor our product has: to reach RFC 3079's last printed values. */
function rc4(key: Uint8Array, text: Uint8Array): Buffer {
  const box = Array.from({ length: 256 }, (_, i) => i);
  const swap = (i: number, j: number) => {
    [box[i], box[j]] = [box[j]!, box[i]!];
  };
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + box[i]! + key[i % key.length]!) & 255;
    swap(i, j);
  }
  let i = 0;
  let j = 0;
  return Buffer.from(
    text.map((octet) => {
      i = (i + 1) & 255;
      j = (j + box[i]!) & 255;
      swap(i, j);
      return octet ^ box[(box[i]! + box[j]!) & 255]!;
    }),
  );
}

const sha1 = (...parts: Uint8Array[]): Buffer => createHash('sha1').update(Buffer.concat(parts)).digest();

/** GetNewKeyFromSHA (RFC 3079 section 3.4), weakened to fewer bits: the first key the NAS makes of a start key. */
function sessionKey(start: Uint8Array, weaken: string): Buffer {
  const key = sha1(start, Buffer.alloc(40), start, Buffer.alloc(40, 0xf2)).subarray(0, start.length);
  hex(weaken).copy(key);
  return key;
}

test.each([
  { bits: 40, octets: 8, weaken: 'd1269e', start: '8b7cdc149b993a1b', session: 'd1269ec49fa62e3e' },
  { bits: 56, octets: 8, weaken: 'd1', start: '8b7cdc149b993a1b', session: 'd15c00c49fa62e3e' },
  {
    bits: 128,
    octets: 16,
    weaken: '',
    start: '8b7cdc149b993a1ba118cb153f56dccb',
    session: '405cb2247a7956e6e211007ae27b22d4',
  },
])('V7: our send key leads to the $bits-bit session key of RFC 3079 3.5', ({ octets, weaken, start, session }) => {
  const send = startKey(masterKey(passwordHashHash, ntResponse), 'send').subarray(0, octets);
  expect(send.toString('hex')).toBe(start);
  const key = sessionKey(send, weaken);
  expect(key.toString('hex')).toBe(session);
  const encrypted: Record<string, string> = {
    d1269ec49fa62e3e: '929137917e5803d668d75898',
    // RFC 3079 prints 58 as the last octet; recomputed it is b8 (known erratum).
    d15c00c49fa62e3e: '3f106833fa448da842bc57b8',
    '405cb2247a7956e6e211007ae27b22d4': '81848317df68846272fb5abe',
  };
  expect(rc4(key, Buffer.from('test message')).toString('hex')).toBe(encrypted[session]);
});

test('V7: master key, and the receive key RFC 3079 does not print', () => {
  const master = masterKey(passwordHashHash, ntResponse);
  expect(master.toString('hex')).toBe('fdece3717a8c838cb388e527ae3cdd31');
  expect(startKey(master, 'receive').toString('hex')).toBe('d5f0e9521e3ea9589645e86051c82226');
});

test('V8: the LM hash of RFC 3079 2.5 and the 40- and 56-bit keys from it', () => {
  const lm = lmPasswordHash('clientPass');
  expect(lm.toString('hex')).toBe('76a152936096d7830e2390227404afd2');
  const start = lm.subarray(0, 8);
  expect(sessionKey(start, 'd1269e').toString('hex')).toBe('d1269e538cec4a08');
  expect(sessionKey(start, 'd1').toString('hex')).toBe('d10801538cec4a08');
});

test('V8: the 128-bit key of RFC 3079 2.5 starts from the hash of the hash, which is the NT key we send', () => {
  // GetStartKey (RFC 3079 section 2.4); the RFC prints acca for acc1.
  const start = sha1(passwordHashHash, passwordHashHash, hex('102db5df085d3041')).subarray(0, 16);
  expect(start.toString('hex')).toBe('a8947850cfc0acc1d1789fb62ddcddb0');
  expect(sessionKey(start, '').toString('hex')).toBe('59d159bc09f76f1da2a86a28ffec0b1e');

  const value = hideMppeKeys(lmPasswordHash('clientPass'), passwordHashHash, REQUEST_AUTHENTICATOR, secret);
  const plain = unhidden(value, REQUEST_AUTHENTICATOR);
  expect(plain.toString('hex')).toBe(`76a152936096d783${passwordHashHash.toString('hex')}0000000000000000`);
});

/** Undoes RFC 2865 section 5.2 with node:crypto. */
function unhidden(value: Uint8Array, first: Uint8Array): Buffer {
  const plain = Buffer.from(value);
  for (let at = 0; at < value.length; at += 16) {
    const mask = md5(SHARED, at === 0 ? first : value.subarray(at - 16, at));
    for (let i = 0; i < 16; i++) plain[at + i] = plain[at + i]! ^ mask[i]!;
  }
  return plain;
}

test('V11 A11: MS-MPPE-Send-Key for V1 authenticator, salt 8001', () => {
  const key = startKey(masterKey(passwordHashHash, ntResponse), 'send');
  const value = hideMppeKey(key, 0x8001, REQUEST_AUTHENTICATOR, secret);
  expect(value.toString('hex')).toBe('8001d7c4aaa4718a06cddca737c2f3bcd1ffef26b141dc036e4cdb731d79248c658e');
  const plain = unhidden(value.subarray(2), Buffer.concat([REQUEST_AUTHENTICATOR, value.subarray(0, 2)]));
  expect(plain.subarray(0, 17)).toEqual(Buffer.concat([Buffer.of(16), key]));
});

test('A11: salts have the top bit set and differ within a packet, 100,000 times and with a stuck generator', () => {
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) {
    const first = mppeSalt(randomOctets, null);
    const second = mppeSalt(randomOctets, first);
    if (first < 0x8000 || second < 0x8000 || first > 0xffff || second > 0xffff || first === second) wrong++;
  }
  const stuck = (out: Uint8Array, at: number, count: number) => void out.fill(0xff, at, at + count);
  expect(mppeSalt(stuck, mppeSalt(stuck, null))).not.toBe(mppeSalt(stuck, null));
  expect(wrong).toBe(0);
});

test('random octets are not handed out twice', () => {
  const seen = new Set<string>();
  const octets = Buffer.alloc(16);
  for (let i = 0; i < 5000; i++) {
    randomOctets(octets, 0, 16);
    seen.add(octets.toString('hex'));
  }
  expect(seen.size).toBe(5000);
});
