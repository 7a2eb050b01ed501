import { say } from '#domain/say';

/** One record of a CSV text with the line (from 1) it begins on; `fault` says why it is not well formed. */
export type CsvRecord = { readonly line: number; readonly fields: readonly string[]; readonly fault: string | null };

/**
 * Cuts CSV (RFC 4180) into records: comma, double quotes with `""` inside, quoted line ends, CRLF or LF. A byte order
 * mark before the first field is left out, so are empty lines. A quote where none may stand is a fault of its record
 * and the reading goes on after the line, so that every bad line of a file is found at once. The guard that `csvField`
 * sets before formulas is taken off again.
 */
export function* readCsv(text: string): Generator<CsvRecord> {
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const begun = line;
    const fields: string[] = [];
    let fault: string | null = null;
    for (;;) {
      const quoted = text[at] === '"';
      const field: Field = quoted ? quotedField(text, at) : plainField(text, at);
      fields.push(unguarded(field.value));
      fault ??= field.fault;
      line += field.linesInside;
      at = field.end;
      if (field.fault !== null) at = endOfLine(text, at);
      if (text[at] !== ',') break;
      at += 1;
    }
    if (text[at] === '\r') at += 1;
    if (text[at] === '\n') at += 1;
    line += 1;
    if (fields.length > 1 || fields[0] !== '' || fault !== null) yield { line: begun, fields, fault };
  }
}

type Field = { value: string; end: number; linesInside: number; fault: string | null };

function plainField(text: string, start: number): Field {
  let end = start;
  while (end < text.length && text[end] !== ',' && text[end] !== '\n' && !isCrLf(text, end)) end += 1;
  const value = text.slice(start, end);
  const fault = value.includes('"') ? say`a quote inside a field that does not begin with one` : null;
  return { value, end, linesInside: 0, fault };
}

function quotedField(text: string, start: number): Field {
  let value = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return { value: '', end: start, linesInside: 0, fault: say`a quote that is never closed` };
    value += text.slice(at, quote);
    at = quote + 1;
    if (text[at] !== '"') break;
    value += '"';
    at += 1;
  }
  const closed = at === text.length || text[at] === ',' || text[at] === '\n' || isCrLf(text, at);
  const fault = closed ? null : say`something after the closing quote of a field`;
  return { value, end: at, linesInside: value.split('\n').length - 1, fault };
}

const isCrLf = (text: string, at: number): boolean => text[at] === '\r' && text[at + 1] === '\n';

function endOfLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from);
  return newline === -1 ? text.length : newline;
}

/** A number is written as one; null is an empty field. */
export type CsvValue = string | number | bigint | boolean | null;

/** Spreadsheets take such a beginning for a formula (OWASP, CSV injection), blanks, quotes and invisible signs aside. */
const BLANK = String.raw`(?:[^\S\r\n]|["'\p{Cf}])*`;
const FORMULA = String.raw`[=+\-@\t＝＋－＠]`;
/**
 * Where a field can begin a cell: at its beginning, and behind `;` and line ends. Excel in Indonesian divides cells by `;`
 * and then sees no quotes in a file like ours.
 */
const begins = (before: string): RegExp =>
  new RegExp(`(?<=^|[;\\r\\n])${before}(?=${BLANK}${FORMULA})|^${before}(?=${BLANK}\\r)`, 'gu');
const TO_GUARD = begins('');
const GUARDED = begins("'");

const guarded = (text: string): string => text.replace(TO_GUARD, "'");
const unguarded = (text: string): string => (text.includes("'") ? text.replace(GUARDED, '') : text);

/** One field as it is written: quoted where it must be, and a `'` before whatever a spreadsheet would run. */
export function csvField(value: CsvValue): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = guarded(value);
  return /[",;\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One record with its line end. */
export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}

/** Excel takes a file for UTF-8 only with it. */
const BYTE_ORDER_MARK = '\ufeff';

/** A whole file: RFC 4180, UTF-8 with a byte order mark, safe to open in a spreadsheet; `readCsv` gives the fields back. */
export function writeCsv(header: readonly string[], rows: Iterable<readonly CsvValue[]>): string {
  return BYTE_ORDER_MARK + [header, ...rows].map(csvLine).join('');
}

/** Records written at once: enough to be quick, few enough to hold in memory. */
const RECORDS_AT_ONCE = 500;

/** The same in pieces, for a list that is longer than memory should hold. */
export async function* csvLines(
  header: readonly string[],
  rows: AsyncIterable<readonly CsvValue[]>,
): AsyncGenerator<string, void, void> {
  let piece = [BYTE_ORDER_MARK + csvLine(header)];
  for await (const row of rows) {
    piece.push(csvLine(row));
    if (piece.length < RECORDS_AT_ONCE) continue;
    yield piece.join('');
    piece = [];
  }
  if (piece.length > 0) yield piece.join('');
}
