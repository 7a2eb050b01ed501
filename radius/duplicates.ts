import type { Packet } from '#radius/packet';

/**
 * The memory of one socket's replies (RFC 5080 section 2.2.2): a NAS that asks the same again gets the same octets again,
 * or nothing while the answer is still on its way, and nothing is done twice. A request is the same when source address
 * and port, Identifier and all 16 octets of its authenticator are; another authenticator under the same Identifier is a
 * new request and takes the old one's place.
 *
 * Memory is bounded and made once. Replies stand one behind the other in a ring, from which they are also sent: `dgram`
 * may still need the octets after `send` returned, and a place in the ring comes round again only after all the others.
 * A reply takes 16 + its own octets (some 180 for an Access-Accept), so 64 MiB hold the 5 seconds RFC 5080 asks for at
 * 75,000 a second. Forgetting earlier costs a second answer, which is harmless: an Accept with another token, and an
 * accounting record that the intake counts once.
 */
export class Duplicates {
  readonly #ring: Buffer;
  readonly #lifeMs: number;
  /** Sets of WAYS neighbours: a request belongs to one set and takes any place in it. */
  readonly #mask: number;
  readonly #positions: Float64Array;
  readonly #bornAt: Float64Array;
  readonly #sources: Uint32Array;
  readonly #portsAndIds: Uint32Array;
  readonly #lengths: Uint16Array;
  readonly #pending: Uint8Array;
  /** Octets ever written: a position is where in that stream a reply began, so a stale one shows. */
  #head = 1;

  /** `entries` is rounded up to a power of two; an entry costs 27 octets. `lifeMs` 5,000 to 30,000 (RFC 5080). */
  constructor(settings: { readonly entries: number; readonly ringOctets: number; readonly lifeMs: number }) {
    const entries = 2 ** Math.ceil(Math.log2(Math.max(settings.entries, WAYS)));
    this.#ring = Buffer.allocUnsafeSlow(settings.ringOctets);
    this.#lifeMs = settings.lifeMs;
    this.#mask = entries - 1;
    this.#positions = new Float64Array(entries);
    this.#bornAt = new Float64Array(entries);
    this.#sources = new Uint32Array(entries);
    this.#portsAndIds = new Uint32Array(entries);
    this.#lengths = new Uint16Array(entries);
    this.#pending = new Uint8Array(entries);
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
    const portAndId = (port << 8) | packet.identifier;
    const set = this.#setOf(sourceKey, portAndId);
    for (let entry = set; entry < set + WAYS; entry += 1) {
      if (this.#sources[entry] !== sourceKey || this.#portsAndIds[entry] !== portAndId) continue;
      return this.#isAlive(entry, nowMs) && this.#isFrom(entry, packet) ? entry : NONE;
    }
    return NONE;
  }

  /** Remembers the reply to `packet`: octets [0, length) of `reply`. `pending`: it is not to be sent yet. */
  keep(
    sourceKey: number,
    port: number,
    packet: Packet,
    nowMs: number,
    reply: Uint8Array,
    length: number,
    pending: boolean,
  ): number {
    const portAndId = (port << 8) | packet.identifier;
    const entry = this.#place(sourceKey, portAndId, nowMs);
    const position = this.#write(packet.buffer, reply, length);
    this.#sources[entry] = sourceKey;
    this.#portsAndIds[entry] = portAndId;
    this.#positions[entry] = position;
    this.#bornAt[entry] = nowMs;
    this.#lengths[entry] = length;
    this.#pending[entry] = pending ? 1 : 0;
    return entry;
  }

  isPending(entry: number): boolean {
    return this.#pending[entry] === 1;
  }

  /** Names a kept reply for later: an entry may be another's by then, a position never is. */
  positionOf(entry: number): number {
    return this.#positions[entry]!;
  }

  lengthOf(entry: number): number {
    return this.#lengths[entry]!;
  }

  /** Where in `ring` the reply at a position begins, or NONE when it has been written over since. */
  offsetOf(position: number): number {
    if (position < this.#head - this.#ring.length || position === FORGOTTEN) return NONE;
    return (position % this.#ring.length) + AUTHENTICATOR_OCTETS;
  }

  /** The reply kept at `position` in `entry` is being sent: from here duplicates are answered. */
  answered(entry: number, position: number): void {
    if (this.#positions[entry] === position) this.#pending[entry] = 0;
  }

  /** There will be no reply to what was kept at `position` in `entry`: asked again, it is a new request. */
  forget(entry: number, position: number): void {
    if (this.#positions[entry] === position) this.#positions[entry] = FORGOTTEN;
  }

  #isAlive(entry: number, nowMs: number): boolean {
    const position = this.#positions[entry]!;
    if (position === FORGOTTEN || this.offsetOf(position) === NONE) return false;
    return nowMs - this.#bornAt[entry]! < this.#lifeMs;
  }

  #isFrom(entry: number, packet: Packet): boolean {
    const { buffer } = packet;
    const at = this.#positions[entry]! % this.#ring.length;
    for (let i = 0; i < AUTHENTICATOR_OCTETS; i += 1) if (this.#ring[at + i] !== buffer[4 + i]) return false;
    return true;
  }

  /** The request's own place if it has one, else one that is free or dead, else the oldest of its set. */
  #place(sourceKey: number, portAndId: number, nowMs: number): number {
    const set = this.#setOf(sourceKey, portAndId);
    let best = set;
    let bestAge = -1;
    for (let entry = set; entry < set + WAYS; entry += 1) {
      if (this.#sources[entry] === sourceKey && this.#portsAndIds[entry] === portAndId) return entry;
      const age = this.#isAlive(entry, nowMs) ? nowMs - this.#bornAt[entry]! : Number.MAX_VALUE;
      if (age > bestAge) {
        best = entry;
        bestAge = age;
      }
    }
    return best;
  }

  #write(request: Buffer, reply: Uint8Array, length: number): number {
    const ring = this.#ring;
    const octets = AUTHENTICATOR_OCTETS + length;
    let at = this.#head % ring.length;
    if (at + octets > ring.length) {
      this.#head += ring.length - at;
      at = 0;
    }
    const position = this.#head;
    this.#head += octets;
    for (let i = 0; i < AUTHENTICATOR_OCTETS; i += 1) ring[at + i] = request[4 + i]!;
    for (let i = 0; i < length; i += 1) ring[at + AUTHENTICATOR_OCTETS + i] = reply[i]!;
    return position;
  }

  #setOf(sourceKey: number, portAndId: number): number {
    let h = Math.imul(portAndId ^ Math.imul(sourceKey, 0x9e3779b1), 0x85ebca6b);
    h ^= h >>> 15;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 13;
    return h & this.#mask & ~(WAYS - 1);
  }
}

export const NONE = -1;
const FORGOTTEN = 0;
const WAYS = 4;
const AUTHENTICATOR_OCTETS = 16;
