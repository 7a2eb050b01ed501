import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeSentence, SentenceReader, WireFault } from '#integrations/routeros/wire';
import { Sentences, sentence } from '#test/world/routeros-wire';

const word = fc.oneof(
  { weight: 5, arbitrary: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }) },
  { weight: 1, arbitrary: fc.nat({ max: 20_000 }).map((length) => `=comment=${'é'.repeat(length / 2)}`) },
);
const sentences = fc.array(fc.array(word, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 });

function cut(octets: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((one) => one % (octets.length + 1)))].sort((a, b) => a - b);
  return [...places, octets.length].map((end, index) => octets.subarray(places[index - 1] ?? 0, end));
}

describe('what goes over the wire', () => {
  test('is read by a router as we meant it', () => {
    fc.assert(
      fc.property(sentences, (sent) => {
        expect(new Sentences().take(Buffer.concat(sent.map(encodeSentence)))).toEqual(sent);
      }),
    );
  });

  test('is read by us as the router meant it, wherever it is cut, inside of a length and of a character too', () => {
    fc.assert(
      fc.property(sentences, fc.array(fc.nat(), { maxLength: 40 }), (sent, cuts) => {
        const reader = new SentenceReader();
        expect(cut(Buffer.concat(sent.map(sentence)), cuts).flatMap((chunk) => reader.push(chunk))).toEqual(sent);
      }),
    );
  });

  test.each([127, 128, 16_383, 16_384, 300_000])('a word of %i octets comes through octet by octet', (length) => {
    const sent = ['!re', `=comment=${'x'.repeat(length - 9)}`];
    const reader = new SentenceReader();
    const read: string[][] = [];
    for (const octet of sentence(sent)) read.push(...reader.push(Buffer.of(octet)));
    expect(read).toEqual([sent]);
    expect(encodeSentence(sent)).toEqual(sentence(sent));
  });

  test('what is not the protocol is said to be so and not waited for', () => {
    expect(() => new SentenceReader().push(Buffer.of(0xf8))).toThrow(WireFault);
    expect(() => new SentenceReader().push(Buffer.of(0xf0, 0x7f, 0xff, 0xff, 0xff))).toThrow(WireFault);
    const endless = Buffer.concat(Array.from({ length: 2_000 }, () => Buffer.from('\u0001a')));
    expect(() => new SentenceReader().push(endless)).toThrow(WireFault);
  });

  test('a comment in the code page of some Windows harms only itself', () => {
    const octets = Buffer.concat([Buffer.of(3), Buffer.from('!re'), Buffer.of(4, 0x61, 0xe9, 0x62, 0x63, 0)]);
    expect(new SentenceReader().push(octets)).toEqual([['!re', 'a\ufffdbc']]);
  });
});
