import type { Format } from '#portal/shared/format';
import { keysOf, words } from '#portal/shared/words';
import { toldOfLine } from '#storage/timeline';

/**
 * What the product says in English (marked with `say` there), in the words of a page. `messages/said.*.json` has each
 * line by its text, `{1}`, `{2}` … standing where its values are.
 */
type Known = { readonly key: string; readonly parts: readonly string[] };

const AREA = 'said.';
/** Nobody reads more at once; a fault may repeat what was typed. */
const LONGEST = 2_000;
/** `line 7: phone "08" is not usable; give …`: a line inside of a line, and what is allowed inside of that. */
const DEEPEST = 4;

/** `line {1}: {2}`: where or why, and then another line. */
const opensAnother = ({ parts }: Known): boolean =>
  parts[0] !== '' && parts.at(-1) === '' && parts.at(-2)!.endsWith(': ');
const lettersIn = ({ parts }: Known): number => parts.join('').length;

/** The outer line is tried before the one inside of it, then the one that says most itself. */
const known: readonly Known[] = keysOf('en')
  .filter((key) => key.startsWith(AREA))
  .map((key) => ({ key, parts: key.slice(AREA.length).split(/\{\d+\}/) }))
  .sort((one, other) => Number(opensAnother(other)) - Number(opensAnother(one)) || lettersIn(other) - lettersIn(one));

/** A line of the product in the reader's language, and so the lines inside of it; what is none of ours stays as it is. */
export function said(format: Format, text: string): string {
  return text
    .split('\n')
    .map((line) => lineSaid(format, line, DEEPEST))
    .join('\n');
}

function lineSaid(format: Format, line: string, deepest: number): string {
  if (deepest === 0 || line.length > LONGEST) return line;
  for (const { key, parts } of known) {
    const values = valuesIn(line, parts);
    if (values === null) continue;
    // What stands in quotes is a name that somebody gave.
    const shown = values.map((value, at) => (parts[at]!.endsWith('"') ? value : valueSaid(format, value, deepest - 1)));
    return words(format.language, key, Object.fromEntries(shown.map((value, at) => [at + 1, value])));
  }
  return line;
}

/** What stands between the parts of a line that is made of them; null when it is not. Takes as long as the line is. */
function valuesIn(line: string, parts: readonly string[]): string[] | null {
  const last = parts.at(-1)!;
  if (parts.length === 1) return line === last ? [] : null;
  const end = line.length - last.length;
  if (!line.startsWith(parts[0]!) || !line.endsWith(last)) return null;
  const values: string[] = [];
  let at = parts[0]!.length;
  for (const part of parts.slice(1, -1)) {
    const found = line.indexOf(part, at);
    if (found === -1) return null;
    values.push(line.slice(at, found));
    at = found + part.length;
  }
  if (at > end) return null;
  return [...values, line.slice(at, end)];
}

function valueSaid(format: Format, value: string, deepest: number): string {
  const { rate, list } = toldOfLine(value);
  if (rate === null) return lineSaid(format, value, deepest);
  const speeds = `${format.rate(rate.downloadBps)} / ${format.rate(rate.uploadBps)}`;
  return list === null ? speeds : `${speeds}, ${list}`;
}
