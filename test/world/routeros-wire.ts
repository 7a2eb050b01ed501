/**
 * The RouterOS API on the wire, from the router's side: words of a length and octets, sentences ended by an empty word.
 * Its own code, so that it agrees with the product's only where both are right. Source: help.mikrotik.com, API.
 */

/** One sentence as octets. */
export function sentence(words: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const word of [...words, '']) {
    const octets = Buffer.from(word, 'utf8');
    parts.push(lengthOf(octets.length), octets);
  }
  return Buffer.concat(parts);
}

const forms: readonly (readonly [below: number, octets: number, mark: number])[] = [
  [0x80, 1, 0x00],
  [0x4000, 2, 0x80],
  [0x200000, 3, 0xc0],
  [0x10000000, 4, 0xe0],
];

function lengthOf(length: number): Buffer {
  const form = forms.find(([below]) => length < below);
  if (form === undefined) throw new Error('nobody sends words of 256 MiB');
  const [, octets, mark] = form;
  const out = Buffer.alloc(octets);
  for (let at = octets - 1, rest = length; at >= 0; at -= 1, rest = Math.floor(rest / 256)) out[at] = rest % 256;
  out[0] = out[0]! | mark;
  return out;
}

/** Yields a sentence for each that becomes complete; waits for more octets wherever they were cut. */
export class Sentences {
  #octets: number[] = [];
  #words: string[] = [];
  #word: { left: number; octets: number[] } | null = null;

  take(chunk: Buffer): string[][] {
    const complete: string[][] = [];
    for (const octet of chunk) {
      if (this.#word === null) {
        this.#octets.push(octet);
        const length = this.#length();
        if (length === null) continue;
        this.#octets = [];
        this.#word = { left: length, octets: [] };
      } else {
        this.#word.octets.push(octet);
        this.#word.left -= 1;
      }
      if (this.#word.left > 0) continue;
      const word = Buffer.from(this.#word.octets).toString('utf8');
      this.#word = null;
      if (word !== '') this.#words.push(word);
      else if (this.#words.length > 0) complete.push(this.#words.splice(0));
    }
    return complete;
  }

  #length(): number | null {
    const [first = 0] = this.#octets;
    const octets = first < 0x80 ? 1 : first < 0xc0 ? 2 : first < 0xe0 ? 3 : 4;
    if (this.#octets.length < octets) return null;
    const mask = [0xff, 0x3f, 0x1f, 0x0f][octets - 1]!;
    return this.#octets.reduce((sum, octet, at) => sum * 256 + (at === 0 ? octet & mask : octet), 0);
  }
}
