/**
 * MD5 (RFC 1321) and the pieces HMAC-MD5 (RFC 2104) is made of, in plain JavaScript over memory that is used again
 * and again. A RADIUS exchange needs about twelve MD5 blocks; `crypto.createHash` costs over a microsecond a message
 * before the first block, the function below about 0.13 us a block and allocates nothing.
 *
 * Everything works on an {@link Arena}: octets and 32-bit words over the same memory, the message starting at octet 0,
 * so that words are read aligned. Words are in the machine's order, which must be little-endian as MD5's is.
 */

if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) throw new Error('radius/md5 needs a little-endian machine');

/** Octets an {@link Arena} needs behind a message for MD5's padding: 0x80, up to 63 zeros, 8 octets of length. */
const PADDING_OCTETS = 72;

/** A message's memory, seen as octets and as words. `capacity` is the longest message that may be digested in it. */
export class Arena {
  readonly bytes: Buffer;
  readonly words: Int32Array;

  constructor(capacity: number) {
    const memory = new ArrayBuffer((capacity + PADDING_OCTETS + 63) & ~63);
    this.bytes = Buffer.from(memory);
    this.words = new Int32Array(memory);
  }
}

/** A state (four words) before anything was hashed. */
export const INITIAL: Readonly<Int32Array> = Int32Array.of(1732584193, -271733879, -1732584194, 271733878);

/**
 * Puts the padding of MD5 and MD4 behind `length` octets; `already` octets were taken in before. Gives the words' end.
 */
export function pad(arena: Arena, length: number, already: number): number {
  const { bytes, words } = arena;
  const lengthAt = (((length + 8) >>> 6) << 4) + 14;
  bytes[length] = 0x80;
  let at = length + 1;
  for (; (at & 3) !== 0; at++) bytes[at] = 0;
  for (let word = at >>> 2; word < lengthAt; word++) words[word] = 0;
  words[lengthAt] = (already + length) << 3;
  words[lengthAt + 1] = 0;
  return lengthAt + 2;
}

/**
 * Completes an MD5 over octets [0, length) of `arena` into the four words `out`. `from` is the state to go on from and
 * `already` the octets (a multiple of 64) it has taken in: INITIAL and 0, or a precomputed key state and 64.
 * Overwrites the arena behind `length`.
 */
export function digest(
  arena: Arena,
  length: number,
  from: Readonly<Int32Array>,
  already: number,
  out: Int32Array,
): void {
  const end = pad(arena, length, already);
  out[0] = from[0]!;
  out[1] = from[1]!;
  out[2] = from[2]!;
  out[3] = from[3]!;
  for (let at = 0; at < end; at += 16) compress(out, arena.words, at);
}

/** The two states an HMAC-MD5 key leads to after its first block, inside and outside (RFC 2104 section 4). */
export type HmacKey = { readonly inner: Int32Array; readonly outer: Int32Array };

/** Prepares a key of any length. */
export function hmacKey(key: Uint8Array): HmacKey {
  const block = new Uint8Array(64);
  if (key.length > 64) {
    const arena = new Arena(key.length);
    arena.bytes.set(key);
    const short = new Int32Array(4);
    digest(arena, key.length, INITIAL, 0, short);
    block.set(new Uint8Array(short.buffer));
  } else block.set(key);
  const state = (pad: number): Int32Array => {
    const words = new Int32Array(block.map((octet) => octet ^ pad).buffer);
    const after = Int32Array.from(INITIAL);
    compress(after, words, 0);
    return after;
  };
  return { inner: state(0x36), outer: state(0x5c) };
}

/** The outer message's only block: 16 octets of inner digest, then padding for 64 + 16 octets. */
const outerBlock = new Int32Array(16);
outerBlock[4] = 0x80;
outerBlock[14] = (64 + 16) << 3;

/** HMAC-MD5 over octets [0, length) of `arena` into the four words `out`. Overwrites the arena behind `length`. */
export function hmac(arena: Arena, length: number, key: HmacKey, out: Int32Array): void {
  digest(arena, length, key.inner, 64, out);
  const { outer } = key;
  for (let word = 0; word < 4; word++) {
    outerBlock[word] = out[word]!;
    out[word] = outer[word]!;
  }
  compress(out, outerBlock, 0);
}

/**
 * Takes the 16 words at `words[at]` into `state` (RFC 1321 section 3.4), unrolled: a loop costs three times as much. What
 * waits for the newest word stands last in each sum, and round 2's choice is a sum of its disjoint halves, so that a
 * processor can work ahead: 85 ns a block against 129 as the RFC writes it (2 million blocks in a row, Node 24).
 */
export function compress(state: Int32Array, words: Int32Array, at: number): void {
  const m0 = words[at + 0]!;
  const m1 = words[at + 1]!;
  const m2 = words[at + 2]!;
  const m3 = words[at + 3]!;
  const m4 = words[at + 4]!;
  const m5 = words[at + 5]!;
  const m6 = words[at + 6]!;
  const m7 = words[at + 7]!;
  const m8 = words[at + 8]!;
  const m9 = words[at + 9]!;
  const m10 = words[at + 10]!;
  const m11 = words[at + 11]!;
  const m12 = words[at + 12]!;
  const m13 = words[at + 13]!;
  const m14 = words[at + 14]!;
  const m15 = words[at + 15]!;
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  a = (m0 - 680876936 + a + (d ^ (b & (c ^ d)))) | 0;
  a = (((a << 7) | (a >>> 25)) + b) | 0;
  d = (m1 - 389564586 + d + (c ^ (a & (b ^ c)))) | 0;
  d = (((d << 12) | (d >>> 20)) + a) | 0;
  c = (m2 + 606105819 + c + (b ^ (d & (a ^ b)))) | 0;
  c = (((c << 17) | (c >>> 15)) + d) | 0;
  b = (m3 - 1044525330 + b + (a ^ (c & (d ^ a)))) | 0;
  b = (((b << 22) | (b >>> 10)) + c) | 0;
  a = (m4 - 176418897 + a + (d ^ (b & (c ^ d)))) | 0;
  a = (((a << 7) | (a >>> 25)) + b) | 0;
  d = (m5 + 1200080426 + d + (c ^ (a & (b ^ c)))) | 0;
  d = (((d << 12) | (d >>> 20)) + a) | 0;
  c = (m6 - 1473231341 + c + (b ^ (d & (a ^ b)))) | 0;
  c = (((c << 17) | (c >>> 15)) + d) | 0;
  b = (m7 - 45705983 + b + (a ^ (c & (d ^ a)))) | 0;
  b = (((b << 22) | (b >>> 10)) + c) | 0;
  a = (m8 + 1770035416 + a + (d ^ (b & (c ^ d)))) | 0;
  a = (((a << 7) | (a >>> 25)) + b) | 0;
  d = (m9 - 1958414417 + d + (c ^ (a & (b ^ c)))) | 0;
  d = (((d << 12) | (d >>> 20)) + a) | 0;
  c = (m10 - 42063 + c + (b ^ (d & (a ^ b)))) | 0;
  c = (((c << 17) | (c >>> 15)) + d) | 0;
  b = (m11 - 1990404162 + b + (a ^ (c & (d ^ a)))) | 0;
  b = (((b << 22) | (b >>> 10)) + c) | 0;
  a = (m12 + 1804603682 + a + (d ^ (b & (c ^ d)))) | 0;
  a = (((a << 7) | (a >>> 25)) + b) | 0;
  d = (m13 - 40341101 + d + (c ^ (a & (b ^ c)))) | 0;
  d = (((d << 12) | (d >>> 20)) + a) | 0;
  c = (m14 - 1502002290 + c + (b ^ (d & (a ^ b)))) | 0;
  c = (((c << 17) | (c >>> 15)) + d) | 0;
  b = (m15 + 1236535329 + b + (a ^ (c & (d ^ a)))) | 0;
  b = (((b << 22) | (b >>> 10)) + c) | 0;
  a = (m1 - 165796510 + a + (c & ~d) + (b & d)) | 0;
  a = (((a << 5) | (a >>> 27)) + b) | 0;
  d = (m6 - 1069501632 + d + (b & ~c) + (a & c)) | 0;
  d = (((d << 9) | (d >>> 23)) + a) | 0;
  c = (m11 + 643717713 + c + (a & ~b) + (d & b)) | 0;
  c = (((c << 14) | (c >>> 18)) + d) | 0;
  b = (m0 - 373897302 + b + (d & ~a) + (c & a)) | 0;
  b = (((b << 20) | (b >>> 12)) + c) | 0;
  a = (m5 - 701558691 + a + (c & ~d) + (b & d)) | 0;
  a = (((a << 5) | (a >>> 27)) + b) | 0;
  d = (m10 + 38016083 + d + (b & ~c) + (a & c)) | 0;
  d = (((d << 9) | (d >>> 23)) + a) | 0;
  c = (m15 - 660478335 + c + (a & ~b) + (d & b)) | 0;
  c = (((c << 14) | (c >>> 18)) + d) | 0;
  b = (m4 - 405537848 + b + (d & ~a) + (c & a)) | 0;
  b = (((b << 20) | (b >>> 12)) + c) | 0;
  a = (m9 + 568446438 + a + (c & ~d) + (b & d)) | 0;
  a = (((a << 5) | (a >>> 27)) + b) | 0;
  d = (m14 - 1019803690 + d + (b & ~c) + (a & c)) | 0;
  d = (((d << 9) | (d >>> 23)) + a) | 0;
  c = (m3 - 187363961 + c + (a & ~b) + (d & b)) | 0;
  c = (((c << 14) | (c >>> 18)) + d) | 0;
  b = (m8 + 1163531501 + b + (d & ~a) + (c & a)) | 0;
  b = (((b << 20) | (b >>> 12)) + c) | 0;
  a = (m13 - 1444681467 + a + (c & ~d) + (b & d)) | 0;
  a = (((a << 5) | (a >>> 27)) + b) | 0;
  d = (m2 - 51403784 + d + (b & ~c) + (a & c)) | 0;
  d = (((d << 9) | (d >>> 23)) + a) | 0;
  c = (m7 + 1735328473 + c + (a & ~b) + (d & b)) | 0;
  c = (((c << 14) | (c >>> 18)) + d) | 0;
  b = (m12 - 1926607734 + b + (d & ~a) + (c & a)) | 0;
  b = (((b << 20) | (b >>> 12)) + c) | 0;
  a = (m5 - 378558 + a + (c ^ d ^ b)) | 0;
  a = (((a << 4) | (a >>> 28)) + b) | 0;
  d = (m8 - 2022574463 + d + (b ^ c ^ a)) | 0;
  d = (((d << 11) | (d >>> 21)) + a) | 0;
  c = (m11 + 1839030562 + c + (a ^ b ^ d)) | 0;
  c = (((c << 16) | (c >>> 16)) + d) | 0;
  b = (m14 - 35309556 + b + (d ^ a ^ c)) | 0;
  b = (((b << 23) | (b >>> 9)) + c) | 0;
  a = (m1 - 1530992060 + a + (c ^ d ^ b)) | 0;
  a = (((a << 4) | (a >>> 28)) + b) | 0;
  d = (m4 + 1272893353 + d + (b ^ c ^ a)) | 0;
  d = (((d << 11) | (d >>> 21)) + a) | 0;
  c = (m7 - 155497632 + c + (a ^ b ^ d)) | 0;
  c = (((c << 16) | (c >>> 16)) + d) | 0;
  b = (m10 - 1094730640 + b + (d ^ a ^ c)) | 0;
  b = (((b << 23) | (b >>> 9)) + c) | 0;
  a = (m13 + 681279174 + a + (c ^ d ^ b)) | 0;
  a = (((a << 4) | (a >>> 28)) + b) | 0;
  d = (m0 - 358537222 + d + (b ^ c ^ a)) | 0;
  d = (((d << 11) | (d >>> 21)) + a) | 0;
  c = (m3 - 722521979 + c + (a ^ b ^ d)) | 0;
  c = (((c << 16) | (c >>> 16)) + d) | 0;
  b = (m6 + 76029189 + b + (d ^ a ^ c)) | 0;
  b = (((b << 23) | (b >>> 9)) + c) | 0;
  a = (m9 - 640364487 + a + (c ^ d ^ b)) | 0;
  a = (((a << 4) | (a >>> 28)) + b) | 0;
  d = (m12 - 421815835 + d + (b ^ c ^ a)) | 0;
  d = (((d << 11) | (d >>> 21)) + a) | 0;
  c = (m15 + 530742520 + c + (a ^ b ^ d)) | 0;
  c = (((c << 16) | (c >>> 16)) + d) | 0;
  b = (m2 - 995338651 + b + (d ^ a ^ c)) | 0;
  b = (((b << 23) | (b >>> 9)) + c) | 0;
  a = (m0 - 198630844 + a + (c ^ (b | ~d))) | 0;
  a = (((a << 6) | (a >>> 26)) + b) | 0;
  d = (m7 + 1126891415 + d + (b ^ (a | ~c))) | 0;
  d = (((d << 10) | (d >>> 22)) + a) | 0;
  c = (m14 - 1416354905 + c + (a ^ (d | ~b))) | 0;
  c = (((c << 15) | (c >>> 17)) + d) | 0;
  b = (m5 - 57434055 + b + (d ^ (c | ~a))) | 0;
  b = (((b << 21) | (b >>> 11)) + c) | 0;
  a = (m12 + 1700485571 + a + (c ^ (b | ~d))) | 0;
  a = (((a << 6) | (a >>> 26)) + b) | 0;
  d = (m3 - 1894986606 + d + (b ^ (a | ~c))) | 0;
  d = (((d << 10) | (d >>> 22)) + a) | 0;
  c = (m10 - 1051523 + c + (a ^ (d | ~b))) | 0;
  c = (((c << 15) | (c >>> 17)) + d) | 0;
  b = (m1 - 2054922799 + b + (d ^ (c | ~a))) | 0;
  b = (((b << 21) | (b >>> 11)) + c) | 0;
  a = (m8 + 1873313359 + a + (c ^ (b | ~d))) | 0;
  a = (((a << 6) | (a >>> 26)) + b) | 0;
  d = (m15 - 30611744 + d + (b ^ (a | ~c))) | 0;
  d = (((d << 10) | (d >>> 22)) + a) | 0;
  c = (m6 - 1560198380 + c + (a ^ (d | ~b))) | 0;
  c = (((c << 15) | (c >>> 17)) + d) | 0;
  b = (m13 + 1309151649 + b + (d ^ (c | ~a))) | 0;
  b = (((b << 21) | (b >>> 11)) + c) | 0;
  a = (m4 - 145523070 + a + (c ^ (b | ~d))) | 0;
  a = (((a << 6) | (a >>> 26)) + b) | 0;
  d = (m11 - 1120210379 + d + (b ^ (a | ~c))) | 0;
  d = (((d << 10) | (d >>> 22)) + a) | 0;
  c = (m2 + 718787259 + c + (a ^ (d | ~b))) | 0;
  c = (((c << 15) | (c >>> 17)) + d) | 0;
  b = (m9 - 343485551 + b + (d ^ (c | ~a))) | 0;
  b = (((b << 21) | (b >>> 11)) + c) | 0;
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
}
