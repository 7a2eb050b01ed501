import type { Packet, Writer } from '#radius/packet';

/**
 * The memory of one socket's replies (RFC 5080 section 2.2.2): a NAS that asks the same again gets the same octets again,
 * or nothing while the answer is still on its way, and nothing is done twice. A request is the same when source address
 * and port, Identifier and all 16 octets of its authenticator are; another authenticator under the same Identifier is a
 * new request and takes the old one's place.
 *
 * Memory is bounded and made once. Replies stand one behind the other in a ring, from which they are also sent: `dgram`
 * may still need the octets after `send` returned, and a place in the ring comes round again only after all the others.
 * A reply takes 32 + its own octets (some 200 for an Access-Accept), so 64 MiB hold the 5 seconds RFC 5080 asks for at
 * 65,000 a second. Forgetting earlier costs a second answer, which is harmless: an Accept with another token, and an
 * accounting record that the intake counts once.
 *
 * Where a reply stands is in a table of sets of four: a request belongs to one set and takes the place of the oldest in it.
 * A lookup that finds nothing, the usual case, reads sixteen octets.
 */
export class Duplicates {
  readonly #ring: Buffer;
  /** The same memory: records begin at a multiple of four octets, and four are copied at once. */
  readonly #words: Int32Array;
  readonly #lifeMs: number;
  readonly #mask: number;
  /** Of each entry: a hash of who asked, and where in the stream of all octets ever written the record begins. */
  readonly #tags: Int32Array;
  readonly #positions: Float64Array;
  #head = WORD;

  /** `entries` is rounded up to a power of two; an entry costs 12 octets. `lifeMs` 5,000 to 30,000 (RFC 5080). */
  constructor(settings: { readonly entries: number; readonly ringOctets: number; readonly lifeMs: number }) {
    const entries = 2 ** Math.ceil(Math.log2(Math.max(settings.entries, WAYS)));
    const ringOctets = settings.ringOctets & ~(WORD - 1);
    this.#ring = Buffer.allocUnsafeSlow(ringOctets);
    this.#words = new Int32Array(this.#ring.buffer, this.#ring.byteOffset, ringOctets / WORD);
    this.#lifeMs = settings.lifeMs;
    this.#mask = entries - 1;
    this.#tags = new Int32Array(entries);
    this.#positions = new Float64Array(entries);
  }

  /** The memory replies are sent from: `offsetOf` says where. */
  get ring(): Buffer {
    return this.#ring;
  }

  /**
   * The entry of this very request, or NONE. Only for requests whose authenticity is settled: a forgery must not reach
   * the memory. `nowMs` is monotonic.
   */
  find(sourceKey: number, port: number, packet: Packet, nowMs: number): number {
    const tag = tagOf(sourceKey, port, packet.identifier);
    const set = this.#setOf(tag);
    for (let entry = set; entry < set + WAYS; entry += 1) {
      if (this.#tags[entry] !== tag) continue;
      return this.#isOf(entry, sourceKey, port, packet, nowMs) ? entry : NONE;
    }
    return NONE;
  }

  /** Remembers the reply to `packet`: octets [0, length) of what `reply` has written. `pending`: not to be sent yet. */
  keep(
    sourceKey: number,
    port: number,
    packet: Packet,
    nowMs: number,
    reply: Writer,
    length: number,
    pending: boolean,
  ): number {
    const tag = tagOf(sourceKey, port, packet.identifier);
    const entry = this.#place(tag);
    const position = this.#reserve(HEADER_OCTETS + length);
    const words = this.#words;
    const at = (position % this.#ring.length) / WORD;
    words[at + SOURCE] = sourceKey;
    words[at + PORT_AND_ID] = (port << 8) | packet.identifier;
    words[at + BORN_MS] = nowMs;
    words[at + LENGTH] = pending ? -length : length;
    const request = packet.arena.words;
    for (let i = 0; i < 4; i += 1) words[at + AUTHENTICATOR + i] = request[AUTHENTICATOR_IN_PACKET + i]!;
    const written = reply.arena.words;
    const replyWords = (length + WORD - 1) >> 2;
    const to = at + HEADER_OCTETS / WORD;
    for (let i = 0; i < replyWords; i += 1) words[to + i] = written[i]!;
    this.#tags[entry] = tag;
    this.#positions[entry] = position;
    return entry;
  }

  /** Of an entry just found. */
  isPending(entry: number): boolean {
    return this.#words[this.#wordOf(this.#positions[entry]!) + LENGTH]! < 0;
  }

  /** Of an entry just found: how long ago its request was first read, in milliseconds. */
  ageOf(entry: number, nowMs: number): number {
    return (nowMs - this.#words[this.#wordOf(this.#positions[entry]!) + BORN_MS]!) | 0;
  }

  /** Of an entry just found or kept. */
  lengthOf(entry: number): number {
    return Math.abs(this.#words[this.#wordOf(this.#positions[entry]!) + LENGTH]!);
  }

  /** Names a kept reply for later: an entry may be another's by then, a position never is. */
  positionOf(entry: number): number {
    return this.#positions[entry]!;
  }

  /** Where in `ring` the reply at a position begins, or NONE when it has been written over since. */
  offsetOf(position: number): number {
    if (position < this.#head - this.#ring.length || position === NOWHERE) return NONE;
    return (position % this.#ring.length) + HEADER_OCTETS;
  }

  /** The reply kept at `position` is being sent: from here duplicates are answered. */
  answered(position: number): void {
    if (this.offsetOf(position) === NONE) return;
    const at = this.#wordOf(position) + LENGTH;
    this.#words[at] = Math.abs(this.#words[at]!);
  }

  #isOf(entry: number, sourceKey: number, port: number, packet: Packet, nowMs: number): boolean {
    const position = this.#positions[entry]!;
    if (this.offsetOf(position) === NONE) return false;
    const words = this.#words;
    const at = this.#wordOf(position);
    if (words[at + SOURCE] !== (sourceKey | 0) || words[at + PORT_AND_ID] !== ((port << 8) | packet.identifier))
      return false;
    if (((nowMs - words[at + BORN_MS]!) | 0) >= this.#lifeMs) return false;
    const request = packet.arena.words;
    for (let i = 0; i < 4; i += 1)
      if (words[at + AUTHENTICATOR + i] !== request[AUTHENTICATOR_IN_PACKET + i]) return false;
    return true;
  }

  /** The request's own place if it has one, else that of the oldest of its set: positions grow with time. */
  #place(tag: number): number {
    const set = this.#setOf(tag);
    let oldest = set;
    for (let entry = set; entry < set + WAYS; entry += 1) {
      if (this.#tags[entry] === tag) return entry;
      if (this.#positions[entry]! < this.#positions[oldest]!) oldest = entry;
    }
    return oldest;
  }

  #reserve(octets: number): number {
    const whole = (octets + WORD - 1) & ~(WORD - 1);
    const at = this.#head % this.#ring.length;
    // A record does not go over the end: the rest of the ring stays empty this time round.
    if (at + whole > this.#ring.length) this.#head += this.#ring.length - at;
    const position = this.#head;
    this.#head += whole;
    return position;
  }

  #wordOf(position: number): number {
    return (position % this.#ring.length) / WORD;
  }

  #setOf(tag: number): number {
    return tag & this.#mask & ~(WAYS - 1);
  }
}

export const NONE = -1;

const NOWHERE = 0;
const WAYS = 4;
const WORD = 4;

/** A record's header, in words: who asked, when (milliseconds, wrapping), the reply's length (negative: pending). */
const SOURCE = 0;
const PORT_AND_ID = 1;
const BORN_MS = 2;
const LENGTH = 3;
const AUTHENTICATOR = 4;
const HEADER_OCTETS = 32;
const AUTHENTICATOR_IN_PACKET = 1;

/** MurmurHash3's last steps over who asked. */
function tagOf(sourceKey: number, port: number, identifier: number): number {
  let h = Math.imul(((port << 8) | identifier) ^ Math.imul(sourceKey, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}
