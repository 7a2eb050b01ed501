import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCsv } from '#operations/csv';

const fieldsOf = (text: string) => [...readCsv(text)].map((record) => record.fields);

describe('reading CSV (RFC 4180)', () => {
  test('whatever fields are written quoted, the same fields are read', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', ';') });
    const records = fc.array(fc.array(field, { minLength: 2, maxLength: 5 }), { maxLength: 8 });
    fc.assert(
      fc.property(records, fc.constantFrom('\n', '\r\n'), (written, end) => {
        const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
        const text = written.map((fields) => fields.map(quoted).join(',') + end).join('');
        expect(fieldsOf(text)).toEqual(written);
      }),
      { numRuns: 500 },
    );
  });

  test('plain fields need no quotes, the last line no end, and empty lines do not count', () => {
    expect(fieldsOf('a,b\r\n\r\nc,d\n\n,')).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['', ''],
    ]);
  });

  test('a byte order mark, as Excel writes it, is no part of the first field', () => {
    expect(fieldsOf('\ufeffa,b\n')).toEqual([['a', 'b']]);
  });

  test('a line number is that of the file, also after a field with line ends inside', () => {
    const records = [...readCsv('h,i\n"two\nlines",x\nplain,y\n')];
    expect(records.map((record) => record.line)).toEqual([1, 2, 4]);
  });

  test('each broken line is named, and the lines after it are read all the same', () => {
    const records = [...readCsv('a,b"c\nd,"e"f\ng,h\n"never closed,i\nj,k\n')];
    expect(records.map(({ line, fault }) => [line, fault])).toEqual([
      [1, 'a quote inside a field that does not begin with one'],
      [2, 'something after the closing quote of a field'],
      [3, null],
      [4, 'a quote that is never closed'],
      [5, null],
    ]);
  });

  test('nothing makes it read for ever', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r') }), (text) => {
        expect([...readCsv(text)].length).toBeLessThanOrEqual(text.length + 1);
      }),
      { numRuns: 2_000 },
    );
  });
});
