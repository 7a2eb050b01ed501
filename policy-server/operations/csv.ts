/** One record of a CSV text with the line (from 1) it begins on; `fault` says why it is not well formed. */
export type CsvRecord = { readonly line: number; readonly fields: readonly string[]; readonly fault: string | null };

/**
 * Cuts CSV (RFC 4180) into records: comma, double quotes with `""` inside, quoted line ends, CRLF or LF. A byte order
 * mark before the first field is left out, so are empty lines. A quote where none may stand is a fault of its record
 * and the reading goes on after the line, so that every bad line of a file is found at once.
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
      fields.push(field.value);
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
  const fault = value.includes('"') ? 'a quote inside a field that does not begin with one' : null;
  return { value, end, linesInside: 0, fault };
}

function quotedField(text: string, start: number): Field {
  let value = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return { value: '', end: start, linesInside: 0, fault: 'a quote that is never closed' };
    value += text.slice(at, quote);
    at = quote + 1;
    if (text[at] !== '"') break;
    value += '"';
    at += 1;
  }
  const closed = at === text.length || text[at] === ',' || text[at] === '\n' || isCrLf(text, at);
  const fault = closed ? null : 'something after the closing quote of a field';
  return { value, end: at, linesInside: value.split('\n').length - 1, fault };
}

const isCrLf = (text: string, at: number): boolean => text[at] === '\r' && text[at + 1] === '\n';

function endOfLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from);
  return newline === -1 ? text.length : newline;
}
