/**
 * Single DES (FIPS 46-3), which MS-CHAP encrypts a challenge with, three times under parts of the password's hash. OpenSSL
 * 3 offers it only as `des-ede3`, at 13 us for the cipher object each key needs; this takes 1.9 us, key schedule and all.
 */

/** FIPS 46-3's tables. Positions count from 1, from the most significant bit. */
const INITIAL_PERMUTATION = [
  58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24,
  16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31,
  23, 15, 7,
];
const KEY_CHOICE_1 = [
  57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63, 55,
  47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];
const KEY_CHOICE_2 = [
  14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30,
  40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
const ROUND_PERMUTATION = [
  16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
];
const KEY_ROTATIONS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
/** The eight S-boxes, a hex digit a value, row after row. */
const S_BOXES = [
  'e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d',
  'f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9',
  'a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c',
  '7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e',
  '2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453',
  'c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d',
  '4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c',
  'd2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b',
];

/** The inverse of the initial permutation: where its output bits came from. */
const FINAL_PERMUTATION = INITIAL_PERMUTATION.map((_, i) => INITIAL_PERMUTATION.indexOf(i + 1) + 1);

/** For each S-box and each of its 64 inputs: its output after the round permutation, so a round is eight look-ups. */
const SUBSTITUTED = new Int32Array(8 * 64);
for (let box = 0; box < 8; box++) {
  for (let input = 0; input < 64; input++) {
    const row = ((input >> 4) & 2) | (input & 1);
    const nibble = Number.parseInt(S_BOXES[box]!.charAt(16 * row + ((input >> 1) & 15)), 16);
    const before = nibble << (28 - 4 * box);
    let after = 0;
    for (const from of ROUND_PERMUTATION) after = (after << 1) | ((before >>> (32 - from)) & 1);
    SUBSTITUTED[64 * box + input] = after;
  }
}

/** Key choice 1 in positions from 0 among the 56 bits that are left without the parity bits. */
const KEY_BITS = Uint8Array.from(KEY_CHOICE_1, (position) => position - 1 - Math.floor((position - 1) / 8));
const SUBKEY_BITS = Uint8Array.from(KEY_CHOICE_2, (position) => position - 1);
const FIRST_BITS = Uint8Array.from(INITIAL_PERMUTATION, (position) => position - 1);
const LAST_BITS = Uint8Array.from(FINAL_PERMUTATION, (position) => position - 1);

const chosen = new Uint8Array(56);
/** Eight groups of six bits for each of the 16 rounds. */
const subkeys = new Uint8Array(16 * 8);
const halves = new Int32Array(2);
const swapped = new Uint8Array(8);

/**
 * Encrypts the 8 octets of `plain` at `plainAt` into `out` at `outAt` under the 56 bits of `key` at `keyAt` (7 octets
 * without parity bits, as MS-CHAP has them: RFC 2433 section A.7).
 */
export function desEncrypt(
  key: Uint8Array,
  keyAt: number,
  plain: Uint8Array,
  plainAt: number,
  out: Uint8Array,
  outAt: number,
): void {
  schedule(key, keyAt);
  gather(FIRST_BITS, plain, plainAt);
  let left = halves[0]!;
  let right = halves[1]!;
  for (let round = 0; round < 128; round += 8) {
    let mixed = left;
    for (let box = 0; box < 8; box++) {
      const turn = (4 * box + 5) & 31;
      const six = ((right << turn) | (right >>> (32 - turn))) & 63;
      mixed ^= SUBSTITUTED[64 * box + (six ^ subkeys[round + box]!)]!;
    }
    left = right;
    right = mixed;
  }
  putWord(swapped, 0, right);
  putWord(swapped, 4, left);
  gather(LAST_BITS, swapped, 0);
  putWord(out, outAt, halves[0]!);
  putWord(out, outAt + 4, halves[1]!);
}

function schedule(key: Uint8Array, keyAt: number): void {
  for (let i = 0; i < 56; i++) {
    const bit = KEY_BITS[i]!;
    chosen[i] = (key[keyAt + (bit >> 3)]! >> (7 - (bit & 7))) & 1;
  }
  let turned = 0;
  for (let round = 0; round < 16; round++) {
    turned += KEY_ROTATIONS[round]!;
    for (let group = 0; group < 8; group++) {
      let six = 0;
      for (let i = 6 * group; i < 6 * group + 6; i++) {
        const bit = SUBKEY_BITS[i]!;
        const half = bit < 28 ? 0 : 28;
        let from = bit - half + turned;
        if (from >= 28) from -= 28;
        six = (six << 1) | chosen[half + from]!;
      }
      subkeys[8 * round + group] = six;
    }
  }
}

/** Puts the 64 bits of `bytes` at `at`, in the order `bits` says, into `halves`. */
function gather(bits: Uint8Array, bytes: Uint8Array, at: number): void {
  for (let half = 0; half < 2; half++) {
    let word = 0;
    for (let i = 32 * half; i < 32 * half + 32; i++) {
      const bit = bits[i]!;
      word = (word << 1) | ((bytes[at + (bit >> 3)]! >> (7 - (bit & 7))) & 1);
    }
    halves[half] = word;
  }
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}
