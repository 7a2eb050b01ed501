import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CsvValue, csvField, csvLines, readCsv, writeCsv } from '#operations/csv';

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

describe('writing CSV', () => {
  const unit = fc.constantFrom(...'a=+-@\'",;\t\r\n é＝\u200b0'.split(''));
  const field = fc.string({ unit, maxLength: 12 });
  const records = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 6 });

  test('whatever is written, the same fields are read back', () => {
    fc.assert(
      fc.property(records, (rows) => {
        const header = ['a', 'b'];
        expect(fieldsOf(writeCsv(header, rows))).toEqual([header, ...rows]);
      }),
      { numRuns: 2_000 },
    );
  });

  /** What a spreadsheet makes of a file: quotes count where the divider is the comma, and not otherwise. */
  const cells = (text: string, divider: ',' | ';') => {
    const body = text.replace(/^\ufeff/, '');
    if (divider === ';') return body.split(/[;\r\n]/);
    return body.match(/(?<=^|,|\r\n)("(?:""|[^"])*"|[^,\r\n]*)(?=,|\r\n|$)/g)!.map(shown);
  };
  const shown = (cell: string) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
  const RUNS = /^[\s"\u200b]*[=+\-@＝]|^[\t\r]/;

  test('no text becomes a formula, whether the spreadsheet divides by comma or by semicolon', () => {
    fc.assert(
      fc.property(records, (rows) => {
        const text = writeCsv(['a'], rows);
        expect(cells(text, ',').filter((cell) => RUNS.test(cell))).toEqual([]);
        // Each record is one cell to a comma; behind a semicolon or line end none may begin one.
        expect(cells(text, ';').filter((cell) => /^[^\S\r\n]*[=+\-@＝]/.test(cell))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  const written: [CsvValue, string][] = [
    ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
    ['+6281234567890', "'+6281234567890"],
    ['-5', "'-5"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['  =1+1', "'  =1+1"],
    ["'=1", "''=1"],
    ['\tx', "'\tx"],
    ['\rx', `"'\rx"`],
    ['Budi;=cmd|x', `"Budi;'=cmd|x"`],
    ["O'Brien", "O'Brien"],
    ['a-b', 'a-b'],
    [-5, '-5'],
    [75_000n, '75000'],
    [1.5, '1.5'],
    [null, ''],
    [true, 'true'],
    ['', ''],
    ['a,b', '"a,b"'],
  ];
  test.each(written)('%s is written %j', (value, text) => {
    expect(csvField(value)).toBe(text);
  });

  test('a file begins with a byte order mark and its lines end as RFC 4180 says', () => {
    expect(writeCsv(['name', 'paid'], [['Budi', 75_000]])).toBe('\ufeffname,paid\r\nBudi,75000\r\n');
  });

  test('a long list comes in pieces that make up the same file', async () => {
    const rows = Array.from({ length: 1_234 }, (_, at) => [`subscriber ${at}`, at]);
    const pieces: string[] = [];
    let taken = 0;
    const source = async function* () {
      for (const row of rows) {
        taken += 1;
        yield row;
      }
    };
    for await (const piece of csvLines(['name', 'number'], source())) {
      if (pieces.length === 0) expect(taken).toBeLessThan(rows.length / 2);
      pieces.push(piece);
    }
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join('')).toBe(writeCsv(['name', 'number'], rows));
  });

  test('hostile fields take no longer than they should', () => {
    for (const part of [' ', "'", '"', ';', '\t', '=', '\r', " '"]) {
      const began = process.cpuUsage();
      const text = csvField(part.repeat(100_000));
      expect([...readCsv(`${text},x\r\n`)]).toHaveLength(1);
      expect(process.cpuUsage(began).user / 1000).toBeLessThan(2_000);
    }
  });
});
