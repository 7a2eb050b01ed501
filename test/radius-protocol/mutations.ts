/** Structured mutations of packets: what a broken router, a broken network or an attacker makes of a good one. */
import { readFileSync } from 'node:fs';
import { packetsOf } from '#test/radius-protocol/transcript';
import { accessRequest, credentials } from '#test/radius-protocol/wire';

/** Every vector, and a request of each kind of credential. */
export function corpus(): Buffer[] {
  const vectors = packetsOf(readFileSync(new URL('vectors.txt', import.meta.url), 'utf8'));
  const requests = Object.values(credentials).map((add) =>
    accessRequest((writer) => {
      writer.addText(1, 'User');
      writer.addBytes(33, Buffer.alloc(40, 7));
      add(writer, 'clientPass');
      writer.addVendorText(14988, 8, '10M/20M');
    }),
  );
  return [...vectors, ...requests];
}

type Random = (below: number) => number;

/** The datagram under mutation: octets [0, length) of `bytes`. */
export type Draft = { readonly bytes: Buffer; length: number };

export const LONGEST = 4400;

/** Offsets of attributes as far as their lengths lead. */
function attributeAt(draft: Draft, random: Random): number {
  let at = 20;
  for (let skip = random(12); skip > 0 && at + 2 < draft.length; skip--) {
    const next = at + Math.max(2, draft.bytes[at + 1]!);
    if (next + 2 > draft.length) break;
    at = next;
  }
  return at;
}

function insert(draft: Draft, at: number, octets: Uint8Array): void {
  const room = Math.min(octets.length, LONGEST - draft.length);
  draft.bytes.copyWithin(at + room, at, draft.length);
  draft.bytes.set(octets.subarray(0, room), at);
  draft.length += room;
}

function putLength(draft: Draft, length: number): void {
  draft.bytes[2] = length >> 8;
  draft.bytes[3] = length;
}

/** Types that mean something to our code, so that they turn up more often than by chance. */
const TELLING_TYPES = [1, 2, 3, 4, 6, 24, 25, 26, 33, 40, 44, 60, 69, 70, 79, 80, 95, 97, 123];
const LENGTHS = [0, 1, 2, 3, 6, 17, 18, 19, 52, 58, 253, 254, 255];

function insertAttribute(draft: Draft, random: Random): void {
  const octets = Buffer.alloc(2 + random(40));
  for (let i = 2; i < octets.length; i++) octets[i] = random(256);
  octets[0] = TELLING_TYPES[random(TELLING_TYPES.length)]!;
  octets[1] = octets.length;
  insert(draft, attributeAt(draft, random), octets);
  putLength(draft, draft.length);
}

function repeatAttribute(draft: Draft, random: Random): void {
  const at = attributeAt(draft, random);
  const octets = Buffer.from(draft.bytes.subarray(at, Math.min(draft.length, at + draft.bytes[at + 1]!)));
  const times = random(20) === 0 ? 220 : 1;
  for (let i = 0; i < times; i++) insert(draft, attributeAt(draft, random), octets);
  putLength(draft, draft.length);
}

function removeAttribute(draft: Draft, random: Random): void {
  const at = attributeAt(draft, random);
  const octets = Math.min(draft.bytes[at + 1]!, draft.length - at);
  if (octets <= 0) return;
  draft.bytes.copyWithin(at, at + octets, draft.length);
  draft.length -= octets;
  putLength(draft, draft.length);
}

const mutations: readonly ((draft: Draft, random: Random) => void)[] = [
  (draft, random) => {
    draft.bytes[random(draft.length)]! ^= 1 << random(8);
  },
  (draft, random) => {
    draft.bytes[random(draft.length)] = random(256);
  },
  (draft, random) => {
    draft.bytes[attributeAt(draft, random) + 1] = LENGTHS[random(LENGTHS.length)]!;
  },
  (draft, random) => {
    draft.bytes[attributeAt(draft, random)] = TELLING_TYPES[random(TELLING_TYPES.length)]!;
  },
  // Inside of a Vendor-Specific, or where one would be: vendor, type, length.
  (draft, random) => {
    draft.bytes[attributeAt(draft, random) + 2 + random(6)] = random(2) === 0 ? random(256) : LENGTHS[random(13)]!;
  },
  (draft, random) => putLength(draft, random(2) === 0 ? random(65536) : draft.length + random(9) - 4),
  (draft, random) => {
    draft.length = random(draft.length + 1);
    if (random(2) === 0) putLength(draft, draft.length);
  },
  (draft, random) => {
    const more = Math.min(random(300), LONGEST - draft.length);
    draft.bytes.fill(random(256), draft.length, draft.length + more);
    draft.length += more;
    if (random(2) === 0) putLength(draft, draft.length);
  },
  insertAttribute,
  repeatAttribute,
  removeAttribute,
  (draft, random) => {
    draft.bytes[0] = random(2) === 0 ? random(50) : random(256);
  },
];

/** A source of mutated packets: the same for the same seed. One to four mutations each; `draft` is used again. */
export function mutator(packets: readonly Buffer[], random: Random): () => Draft {
  const draft: Draft = { bytes: Buffer.alloc(LONGEST + 300), length: 0 };
  return () => {
    const packet = packets[random(packets.length)]!;
    packet.copy(draft.bytes);
    draft.length = packet.length;
    for (let left = 1 + random(4); left > 0 && draft.length > 0; left--) {
      mutations[random(mutations.length)]!(draft, random);
    }
    return draft;
  };
}
