import type { Context } from '#portal/shared/context';
import { hasWords } from '#portal/shared/words';

/** One line of what is known of a change: what a field was and is, or what it says. */
export type DetailLine = {
  readonly name: string;
  /** Null = it is not said what it was. */
  readonly before: string | null;
  readonly after: string;
  /** It changed: `before` is to be shown beside it. */
  readonly changed: boolean;
};

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const MOST_LINES = 60;

/** The detail of an audit row as lines: first what changed, then what else it says. */
export function detailLines(context: Context, detail: Fields): readonly DetailLine[] {
  // Which row it was says least, so it comes last.
  const { changes, before, after, id, ...rest } = detail;
  const lines = [
    ...(isFields(changes) ? changesOf(context, changes) : said(context, { changes })),
    ...(isFields(after) || isFields(before)
      ? comparison(
          context,
          isFields(before) ? before : {},
          isFields(after) ? after : {},
          isFields(before),
          isFields(after),
        )
      : said(context, { before, after })),
    ...said(context, { ...rest, id }),
  ];
  return lines.slice(0, MOST_LINES);
}

/** `{ phone: { before, after } }`, as an edit of a subscriber leaves it. */
function changesOf(context: Context, changes: Fields): DetailLine[] {
  return Object.entries(changes).flatMap(([name, change]) =>
    isFields(change) && ('before' in change || 'after' in change)
      ? [line(context, name, change.before, change.after, true)]
      : said(context, { [name]: change }),
  );
}

/** Two pictures of the same thing: of fields that both know only those that differ are told. */
function comparison(
  context: Context,
  before: Fields,
  after: Fields,
  hasBefore: boolean,
  hasAfter: boolean,
): DetailLine[] {
  const [was, is] = [flat(before), flat(after)];
  if (!hasBefore) return [...is].map(([name, value]) => line(context, name, undefined, value, false));
  if (!hasAfter) return [...was].map(([name, value]) => line(context, name, undefined, value, false));
  return [...is]
    .filter(([name, value]) => was.has(name) && words(was.get(name)) !== words(value))
    .map(([name, value]) => line(context, name, was.get(name), value, true));
}

const said = (context: Context, fields: Fields): DetailLine[] =>
  [...flat(fields)].map(([name, value]) => line(context, name, undefined, value, false));

function line(context: Context, name: string, before: unknown, after: unknown, changed: boolean): DetailLine {
  return { name: nameOf(context, name), before: changed ? words(before) : null, after: words(after), changed };
}

/** Nested fields by their path: `rate.downloadBps`. */
function flat(fields: Fields, path = ''): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const full = path === '' ? name : `${path}.${name}`;
    if (isFields(value) && Object.keys(value).length > 0)
      for (const [inner, of] of flat(value, full)) found.set(inner, of);
    else found.set(full, value);
  }
  return found;
}

const LONGEST = 300;

function words(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  const text = Array.isArray(value)
    ? value.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(', ')
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
  if (text === '' || text === '{}') return '–';
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** A field as people call it; one we have no word for as it is. */
function nameOf(context: Context, name: string): string {
  const key = `audit.field-${name.replaceAll('.', '-')}`;
  return hasWords(context.language, key) ? context.t(key) : name;
}
