/** Questions to NBI's collections: what its strings may stand for besides themselves, and what of a document is answered. */

type Condition = (value: unknown) => boolean;
type Tree = { readonly [name: string]: unknown };

/** All that a string stands for in a question about devices. Throws a SyntaxError for a pattern that is none, as NBI does. */
function meanings(text: string): Condition[] {
  const is: Condition[] = [(value) => value === text];
  const pattern = /^\/(.*?)\/(g?i?m?y?)$/.exec(text);
  if (pattern !== null) is.push(matching(new RegExp(pattern[1]!, pattern[2]!.replace('g', ''))));
  if (Number(text) === Number.parseFloat(text)) is.push((value) => value === Number(text));
  const date = new Date(text);
  if (text.length >= 8 && date.getFullYear() > 1983)
    is.push((value) => value instanceof Date && value.getTime() === date.getTime());
  if (text.includes('*')) is.push(matching(wildcard(text)));
  return is;
}

const matching =
  (pattern: RegExp): Condition =>
  (value) =>
    typeof value === 'string' && pattern.test(value);

/** Only the first character of a kind is escaped and only the first `*` in the middle is more than one: so it is there. */
function wildcard(text: string): RegExp {
  const inner = text.replace(/^\*+|\*+$/g, '').replace(/[[\]\\^$.|?+()]/, '\\$&');
  return new RegExp(`${text.startsWith('*') ? '' : '^'}${inner.replace('*', '.*')}${text.endsWith('*') ? '' : '$'}`);
}

/** Whether a document is meant. `expand`: as NBI does for devices, where a parameter's value stands under `_value`. */
export function matches(document: object, question: Readonly<Record<string, unknown>>, expand: boolean): boolean {
  return Object.entries(question).every(([key, asked]) => {
    if (key === '$or') return (asked as Tree[]).some((one) => matches(document, one, expand));
    if (key === '$and') return (asked as Tree[]).every((one) => matches(document, one, expand));
    if (key.startsWith('$')) throw new Error(`unknown operator ${key}`);
    const last = key.slice(key.lastIndexOf('.') + 1);
    const value = at(document, expand && !last.startsWith('_') ? `${key}._value` : key);
    if (!expand || typeof asked !== 'string') return value === asked;
    return meanings(asked).some((is) => is(value));
  });
}

const at = (document: object, path: string): unknown =>
  path.split('.').reduce<unknown>((tree, name) => (tree as Tree | undefined)?.[name], document);

/** Without the paths that lie below others: MongoDB refuses a projection in which paths collide. */
export function optimised(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => path !== other && path.startsWith(`${other}.`)));
}

/** The document with nothing but its id and what lies at these paths. */
export function projected(document: object, paths: readonly string[]): object {
  const kept: Record<string, unknown> = { _id: (document as Tree)._id };
  for (const path of paths) {
    const value = at(document, path);
    if (value === undefined) continue;
    const names = path.split('.');
    const last = names.pop()!;
    const below = names.reduce<Record<string, unknown>>((tree, name) => {
      tree[name] ??= {};
      return tree[name] as Record<string, unknown>;
    }, kept);
    below[last] = structuredClone(value);
  }
  return kept;
}
