/**
 * MD4 (RFC 1320), which MS-CHAP makes password hashes with and OpenSSL 3 no longer offers. Not used for anything else.
 */
import { Arena, INITIAL, pad } from '#radius/md5';

/** Which word each of the 48 steps takes, and by how much it rotates (RFC 1320 section 3.4). */
const WORDS = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
] as const;
const SHIFTS = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const;

/** Holds every message of a usual length; making an arena costs four times as much as hashing a password. */
const usual = new Arena(512);

/** MD4 of a message of any length, 16 octets. */
export function md4(message: Uint8Array): Buffer {
  const arena = message.length <= 512 ? usual : new Arena(message.length);
  arena.bytes.set(message);
  const end = pad(arena, message.length, 0);
  const state = Int32Array.from(INITIAL);
  for (let at = 0; at < end; at += 16) compress(state, arena.words, at);
  return Buffer.from(state.buffer);
}

function compress(state: Int32Array, words: Int32Array, at: number): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let round = 0; round < 3; round++) {
    const order = WORDS[round]!;
    const shifts = SHIFTS[round]!;
    for (let step = 0; step < 16; step++) {
      const mixed = (a + mix(round, b, c, d) + words[at + order[step]!]!) | 0;
      const shift = shifts[step & 3]!;
      a = d;
      d = c;
      c = b;
      b = (mixed << shift) | (mixed >>> (32 - shift));
    }
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
}

function mix(round: number, b: number, c: number, d: number): number {
  if (round === 0) return (b & c) | (~b & d);
  if (round === 1) return ((b & c) | (b & d) | (c & d)) + 0x5a827999;
  return (b ^ c ^ d) + 0x6ed9eba1;
}
