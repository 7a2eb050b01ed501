import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { desEncrypt } from '#radius/des';
import { md4 } from '#radius/md4';
import { Arena, digest, hmac, hmacKey, INITIAL } from '#radius/md5';
import { hex } from '#test/radius-protocol/wire';

const octetsOf = (words: Int32Array): string => Buffer.from(words.buffer).toString('hex');

test('MD5 agrees with OpenSSL for every length around block ends, in memory used again', () => {
  const arena = new Arena(400);
  const out = new Int32Array(4);
  for (let length = 400; length >= 0; length--) {
    const message = randomBytes(length);
    arena.bytes.set(message);
    digest(arena, length, INITIAL, 0, out);
    expect(octetsOf(out)).toBe(createHash('md5').update(message).digest('hex'));
  }
});

test('HMAC-MD5 agrees with OpenSSL for keys shorter and longer than a block', () => {
  const arena = new Arena(300);
  const out = new Int32Array(4);
  for (const keyLength of [1, 16, 63, 64, 65, 200]) {
    const key = randomBytes(keyLength);
    const prepared = hmacKey(key);
    for (const length of [0, 1, 55, 56, 63, 64, 119, 120, 300]) {
      const message = randomBytes(length);
      arena.bytes.set(message);
      hmac(arena, length, prepared, out);
      expect(octetsOf(out)).toBe(createHmac('md5', key).update(message).digest('hex'));
    }
  }
});

/** RFC 1320 section A.5. */
test.each([
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
  ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db351ce627e153e7f0e4'],
  ['1234567890'.repeat(8), 'e33b4ddc9c38f2199c3e7b164fcc0536'],
])('MD4 of %j is as RFC 1320 has it', (text, expected) => {
  expect(md4(Buffer.from(text)).toString('hex')).toBe(expected);
});

test('MD4 takes messages longer than any password', () => {
  // Made with OpenSSL's legacy provider.
  expect(md4(Buffer.alloc(1000, 0x61)).toString('hex')).toBe('5f1bf26a8067c9159b91f1440f7c9e8a');
});

/** Puts 7 octets of key as 8 with room for parity, which DES does not look at. */
function withParityBits(key: Buffer): Buffer {
  let bits = BigInt(`0x${key.toString('hex')}`);
  const out = Buffer.alloc(8);
  for (let i = 7; i >= 0; i--) {
    out[i] = Number(bits & 0x7fn) << 1;
    bits >>= 7n;
  }
  return out;
}

/** The only DES in OpenSSL 3: triple DES with three equal keys. */
function openSslDes(key: Buffer, plain: Buffer): string {
  const cipher = createCipheriv('des-ede3', Buffer.concat([key, key, key]), null).setAutoPadding(false);
  return cipher.update(plain).toString('hex');
}

test('DES agrees with OpenSSL for a thousand random keys', () => {
  const out = Buffer.alloc(8);
  for (let i = 0; i < 1000; i++) {
    const key = randomBytes(7);
    const plain = randomBytes(8);
    desEncrypt(key, 0, plain, 0, out, 0);
    expect(out.toString('hex')).toBe(openSslDes(withParityBits(key), plain));
  }
});

test('V5: the keys of RFC 2433 B.2, with and without parity, are the same keys', () => {
  const out = Buffer.alloc(8);
  const plain = hex('102db5df085d3041');
  for (const [plainKey, parityKey] of [
    ['fc156af7edcd6c', 'fd0b5b5e7f6e34d9'],
    ['0edde3337d427f', '0e6e796737ea08fe'],
  ] as const) {
    desEncrypt(hex(plainKey), 0, plain, 0, out, 0);
    expect(out.toString('hex')).toBe(openSslDes(hex(parityKey), plain));
  }
});
