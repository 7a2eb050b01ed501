import { createCipheriv, createHash } from 'node:crypto';

/**
 * The subscriber's side of CHAP, MS-CHAPv1 and MS-CHAPv2, written for the simulated world alone so that the product's
 * own mathematics is checked by something else. Vectors: RFC 2433 B.2, RFC 2759 9.2 (see chap.test.ts).
 */

/** CHAP response of RFC 1994: MD5(identifier, password, challenge). */
export function chapResponse(identifier: number, password: string, challenge: Buffer): Buffer {
  return createHash('md5')
    .update(Buffer.from([identifier]))
    .update(password, 'utf8')
    .update(challenge)
    .digest();
}

/** The 24-octet NT response to an 8-octet challenge (RFC 2433 A.5). */
export function ntResponse(challenge: Buffer, password: string): Buffer {
  return challengeResponse(challenge, ntHash(password));
}

/** The 24-octet NT response of MS-CHAPv2 (RFC 2759 8.1). */
export function ntResponse2(authChallenge: Buffer, peerChallenge: Buffer, username: string, password: string): Buffer {
  return challengeResponse(challengeHash(peerChallenge, authChallenge, username), ntHash(password));
}

/** What the server must prove in MS-CHAP2-Success: `S=` and 40 hex digits (RFC 2759 8.7). */
export function authenticatorResponse(
  password: string,
  response: Buffer,
  peerChallenge: Buffer,
  authChallenge: Buffer,
  username: string,
): string {
  const digest = createHash('sha1')
    .update(md4(ntHash(password)))
    .update(response)
    .update('Magic server to client signing constant', 'latin1')
    .digest();
  const proof = createHash('sha1')
    .update(digest)
    .update(challengeHash(peerChallenge, authChallenge, username))
    .update('Pad to make it do more than one iteration', 'latin1')
    .digest('hex');
  return `S=${proof.toUpperCase()}`;
}

function challengeHash(peerChallenge: Buffer, authChallenge: Buffer, username: string): Buffer {
  const withoutDomain = username.slice(username.indexOf('\\') + 1);
  return createHash('sha1')
    .update(peerChallenge)
    .update(authChallenge)
    .update(withoutDomain, 'utf8')
    .digest()
    .subarray(0, 8);
}

export function ntHash(password: string): Buffer {
  return md4(Buffer.from(password, 'utf16le'));
}

function challengeResponse(challenge: Buffer, hash: Buffer): Buffer {
  const key = Buffer.concat([hash, Buffer.alloc(5)]);
  return Buffer.concat([0, 7, 14].map((at) => des(key.subarray(at, at + 7), challenge)));
}

/** One DES block with a 7-octet key. OpenSSL 3 has no single DES: three equal keys of triple DES are the same. */
function des(key7: Buffer, block: Buffer): Buffer {
  const bits = BigInt(`0x${key7.toString('hex')}`);
  const key8 = Buffer.from(Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(49 - 7 * i)) & 0x7fn) << 1));
  const cipher = createCipheriv('des-ede3', Buffer.concat([key8, key8, key8]), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]);
}

const rotate = (value: number, by: number) => (value << by) | (value >>> (32 - by));

/** MD4 (RFC 1320), which OpenSSL 3 no longer offers. */
export function md4(message: Buffer): Buffer {
  const padded = Buffer.alloc((((message.length + 8) >> 6) + 1) * 64);
  message.copy(padded);
  padded[message.length] = 0x80;
  padded.writeUInt32LE((message.length << 3) >>> 0, padded.length - 8);
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let block = 0; block < padded.length; block += 64) {
    const word = (i: number) => padded.readInt32LE(block + 4 * i);
    let [a, b, c, d] = state as [number, number, number, number];
    const step = (mixed: number, by: number) => {
      [a, b, c, d] = [d, rotate((a + mixed) | 0, by), b, c];
    };
    for (let i = 0; i < 16; i++) step(((b & c) | (~b & d)) + word(i), [3, 7, 11, 19][i % 4] as number);
    for (let i = 0; i < 16; i++) {
      step(((b & c) | (b & d) | (c & d)) + word((i % 4) * 4 + (i >> 2)) + 0x5a827999, [3, 5, 9, 13][i % 4] as number);
    }
    const order = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
    for (let i = 0; i < 16; i++) {
      step((b ^ c ^ d) + word(order[i] as number) + 0x6ed9eba1, [3, 9, 11, 15][i % 4] as number);
    }
    [a, b, c, d].forEach((value, i) => {
      state[i] = ((state[i] as number) + value) | 0;
    });
  }
  const digest = Buffer.alloc(16);
  state.forEach((value, i) => {
    digest.writeInt32LE(value | 0, 4 * i);
  });
  return digest;
}
