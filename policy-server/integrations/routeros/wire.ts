/**
 * The RouterOS API on the wire: sentences of words, each word a length and so many octets, an empty word at the end.
 * Lengths take 1 to 5 octets; a first octet of 0xF8 or more is reserved. Source: help.mikrotik.com, API, "API words".
 */

/** Longer than any word a router has reason to send: beyond it the stream is not what we take it for. */
const LONGEST_WORD = 1 << 20;
const MOST_WORDS = 1_000;

/** What came is not the protocol: nothing that follows can be trusted. */
export class WireFault extends Error {
  override name = 'WireFault';
}

export function encodeSentence(words: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const word of words) {
    const octets = Buffer.from(word, 'utf8');
    parts.push(encodeLength(octets.length), octets);
  }
  parts.push(Buffer.alloc(1));
  return Buffer.concat(parts);
}

function encodeLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x4000) return Buffer.from([(length >> 8) | 0x80, length & 0xff]);
  if (length < 0x200000) return Buffer.from([(length >> 16) | 0xc0, (length >> 8) & 0xff, length & 0xff]);
  throw new RangeError(`a word of ${length} octets: we never send one so long`);
}

/**
 * Puts sentences together from chunks that may be cut anywhere, inside a length and inside a UTF-8 character too. Octets
 * that are no UTF-8 (comments typed into old versions are in the code page of their Windows) become U+FFFD.
 */
export class SentenceReader {
  #held = Buffer.alloc(4_096);
  #start = 0;
  #end = 0;
  #words: string[] = [];

  /** The sentences this chunk completes, without empty ones. Throws `WireFault`. */
  push(chunk: Buffer): string[][] {
    this.#append(chunk);
    const complete: string[][] = [];
    for (let word = this.#next(); word !== null; word = this.#next()) {
      if (word !== '') this.#words.push(word);
      else if (this.#words.length > 0) complete.push(this.#words.splice(0));
      if (this.#words.length > MOST_WORDS) throw new WireFault('a sentence that does not end');
    }
    return complete;
  }

  /** The next whole word, or null when more octets are needed. */
  #next(): string | null {
    const available = this.#end - this.#start;
    const first = this.#held[this.#start];
    if (available === 0 || first === undefined) return null;
    const octets = lengthOctets(first);
    if (available < octets) return null;
    let length = octets === 5 ? 0 : first & (0xff >> octets);
    for (let at = 1; at < octets; at += 1) length = length * 256 + this.#held[this.#start + at]!;
    if (length > LONGEST_WORD) throw new WireFault(`a word of ${length} octets`);
    if (available < octets + length) return null;
    const from = this.#start + octets;
    this.#start = from + length;
    return this.#held.toString('utf8', from, this.#start);
  }

  #append(chunk: Buffer): void {
    const available = this.#end - this.#start;
    if (this.#end + chunk.length > this.#held.length) {
      const larger = available + chunk.length > this.#held.length / 2;
      const into = larger ? Buffer.alloc((available + chunk.length) * 2) : this.#held;
      this.#held.copy(into, 0, this.#start, this.#end);
      this.#held = into;
      this.#start = 0;
      this.#end = available;
    }
    chunk.copy(this.#held, this.#end);
    this.#end += chunk.length;
  }
}

function lengthOctets(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc0) return 2;
  if (first < 0xe0) return 3;
  if (first < 0xf0) return 4;
  if (first < 0xf8) return 5;
  throw new WireFault(`a control octet ${first}, which no version is known to send`);
}
