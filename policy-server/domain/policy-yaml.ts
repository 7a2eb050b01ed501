/**
 * YAML text to plain values that remember their places. Every scalar is a text (YAML's failsafe schema), so that `no`, `1e3`
 * and `007` are what somebody wrote. What only hostile documents have is refused before it costs anything.
 */
import { isAlias, isMap, isScalar, isSeq, Lexer, type Pair, parseDocument } from 'yaml';
import { say } from '#domain/say';

/** What is wrong and where, from 1; `endColumn` (exclusive) where it ends on the same line. `fix`: what to write instead. */
export type Fault = {
  readonly line: number;
  readonly column: number;
  readonly endColumn?: number;
  readonly what: string;
  readonly fix: string | null;
};

/** Of UTF-16 units. */
export const LONGEST_DOCUMENT = 256 * 1024;
/** A policy of 200 rules with their cases has some 15,000; each costs the parser a microsecond or two. */
const MOST_TOKENS = 24_000;
const MOST_LINES = 6_000;
/** Levels of lists and maps, and values: in the text, and after anchors are followed. */
const MOST_NESTING = 40;
const MOST_VALUES = 24_000;
/** A person reads the first few; behind a missing bracket all the rest is wrong too. */
const MOST_FAULTS = 5;

type Span = { readonly from: number; readonly to: number };
type Path = readonly PropertyKey[];
type Place = {
  readonly span: Span;
  readonly within: ReadonlyMap<string, { readonly key: Span; readonly place: Place }>;
};
type Found = { readonly value: unknown; readonly place: Place; readonly values: number; readonly levels: number };

const NOTHING: Found = { value: null, place: { span: { from: 0, to: 0 }, within: new Map() }, values: 0, levels: 0 };

/** A document that was read. */
export type YamlText = {
  /** Texts, lists and maps; null where nothing is given, and for all of a document that has faults. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** A fault at what a path leads to (`key`: at its key), or at the last part of the path that is there. */
  readonly fault: (path: Path, what: string, fix: string | null, at?: 'value' | 'key') => Fault;
  /** A fault at some characters of a text. */
  readonly faultWithin: (
    path: Path,
    letters: { at: number; length: number },
    what: string,
    fix: string | null,
  ) => Fault;
};

/** Reads a text as YAML. Never throws, and a hostile text costs no more than a long one. */
export function readYaml(text: string): YamlText {
  const lines = new Lines(text);
  const refused = tooMuch(text, lines);
  if (refused !== null) return located(text, lines, NOTHING, [refused]);
  const document = parsed(text);
  const faults = [...document.errors, ...document.warnings].slice(0, MOST_FAULTS).map(({ code, pos }) => {
    const { what, fix } = SYNTAX[code] ?? { what: say`this is not YAML`, fix: null };
    return lines.fault({ from: pos[0], to: pos[1] }, what, fix);
  });
  if (document.directives?.yaml.explicit === true)
    faults.push(lines.fault({ from: 0, to: 5 }, say`a directive has no place here`, say`remove the line with %`));
  if (faults.length > 0) return located(text, lines, NOTHING, faults);
  const reading = new Reading(lines);
  const found = reading.read(document.contents, 0);
  return located(text, lines, reading.faults.length > 0 ? NOTHING : found, reading.faults.slice(0, MOST_FAULTS));
}

const OPTIONS = {
  schema: 'failsafe',
  uniqueKeys: false, // compares every key with every other; `Reading` looks each up
  prettyErrors: false,
  logLevel: 'error',
  resolveKnownTags: false,
} as const;

/** The parser makes an error object of each of its findings; where they were made is of no use and costs most of the time. */
function parsed(text: string) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parseDocument(text, OPTIONS);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Why a text is not even parsed; null = it may be. */
function tooMuch(text: string, lines: Lines): Fault | null {
  const limit = LONGEST_DOCUMENT / 1024;
  if (text.length > LONGEST_DOCUMENT)
    return { line: 1, column: 1, what: say`the document is longer than ${limit} KB`, fix: null };
  if (lines.count > MOST_LINES) return lines.fault({ from: text.length, to: text.length }, tooLarge(), null);
  const strange = /[\p{Cc}\p{Cs}]/u.exec(text.replaceAll(/[\t\n\r]/g, ' '));
  if (strange !== null)
    return lines.fault({ from: strange.index, to: strange.index + 1 }, say`a control character`, say`remove it`);
  let [tokens, at] = [0, 0];
  for (const token of new Lexer().lex(text)) {
    if (token.trim() !== '') tokens += 1;
    if (tokens > MOST_TOKENS) return lines.fault({ from: at, to: at + 1 }, tooLarge(), null);
    // The lexer's own marks are control characters and stand for nothing in the text.
    if (!/^[^\P{Cc}\n\r\t]$/u.test(token)) at += token.length;
  }
  return null;
}

const tooDeep = () => say`lists and maps stand in each other more than ${MOST_NESTING} deep`;
const tooLarge = () => say`there is more in this document than in a policy`;

/** Walks what the parser made, follows anchors and keeps each part's place. */
class Reading {
  readonly faults: Fault[] = [];
  readonly #lines: Lines;
  readonly #anchors = new Map<string, Found>();
  /** Anchors whose value is being read: an alias to one of them has no end. */
  readonly #open = new Set<string>();
  #values = 0;

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  read(node: unknown, level: number): Found {
    if (this.#values > MOST_VALUES) return NOTHING;
    if (isAlias(node)) return this.#follow(node.source, spanOf(node), level);
    const anchor = isScalar(node) || isSeq(node) || isMap(node) ? (node.anchor ?? null) : null;
    if (anchor !== null) this.#open.add(anchor);
    const found = this.#readHere(node, level);
    if (anchor !== null) {
      this.#open.delete(anchor);
      this.#anchors.set(anchor, found);
    }
    return found;
  }

  #readHere(node: unknown, level: number): Found {
    const span = spanOf(node);
    if (!this.#room(span, level, 1)) return NOTHING;
    if (isScalar(node)) return leaf(node.type === 'PLAIN' && node.source === '' ? null : String(node.value), span);
    const within: [string, Span, Found][] = [];
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries())
        within.push([String(index), spanOf(item), this.read(item, level + 1)]);
      return joined(
        within.map(([, , { value }]) => value),
        span,
        within,
      );
    }
    if (!isMap(node)) return leaf(null, span);
    const keys = new Set<string>();
    for (const pair of node.items) {
      const key = this.#key(pair, keys);
      if (key !== null) within.push([key, spanOf(pair.key), this.read(pair.value, level + 1)]);
    }
    return joined(Object.fromEntries(within.map(([key, , { value }]) => [key, value])), span, within);
  }

  #key({ key }: Pair, before: Set<string>): string | null {
    const span = spanOf(key);
    const text = isScalar(key) ? String(key.value) : null;
    if (text === null) this.#fault(span, say`a key is not a text`, say`write it in quotes`);
    else if (text === '<<' || text === '__proto__')
      this.#fault(span, say`"${text}" is no key here`, say`write out what it stands for`);
    else if (before.has(text)) this.#fault(span, say`"${text}" is here twice`, say`remove one of them`);
    else {
      before.add(text);
      return text;
    }
    return null;
  }

  #follow(name: string, span: Span, level: number): Found {
    const found = this.#anchors.get(name);
    if (this.#open.has(name)) this.#fault(span, say`"*${name}" stands in what it stands for`, say`write it out`);
    else if (found === undefined)
      this.#fault(span, say`there is no "&${name}" above`, say`a text that begins with * needs quotes`);
    else if (this.#room(span, level + found.levels, found.values)) return found;
    return NOTHING;
  }

  #room(span: Span, level: number, values: number): boolean {
    this.#values += values;
    if (level > MOST_NESTING) this.#fault(span, tooDeep(), null);
    else if (this.#values > MOST_VALUES) this.#fault(span, tooLarge(), null);
    else return true;
    this.#values = Number.POSITIVE_INFINITY;
    return false;
  }

  #fault(span: Span, what: string, fix: string | null): void {
    this.faults.push(this.#lines.fault(span, what, fix));
  }
}

const leaf = (value: string | null, span: Span): Found => ({
  value,
  place: { span, within: NOTHING.place.within },
  values: 1,
  levels: 0,
});

function joined(value: unknown, span: Span, within: readonly [string, Span, Found][]): Found {
  return {
    value,
    place: { span, within: new Map(within.map(([name, key, { place }]) => [name, { key, place }])) },
    values: within.reduce((sum, [, , { values }]) => sum + values, 1),
    levels: within.reduce((most, [, , { levels }]) => Math.max(most, levels + 1), 0),
  };
}

/** The node's own characters: without the space and the comments behind it. */
function spanOf(node: unknown): Span {
  const range = isScalar(node) || isSeq(node) || isMap(node) || isAlias(node) ? node.range : null;
  return { from: range?.[0] ?? 0, to: range?.[1] ?? 0 };
}

function located(text: string, lines: Lines, { value, place }: Found, faults: readonly Fault[]): YamlText {
  const find = (path: Path) => {
    let [at, key] = [place, place.span];
    for (const name of path) {
      const next = at.within.get(String(name));
      if (next === undefined) return { span: headOf(at), key };
      at = next.place;
      key = next.key;
    }
    return { span: at.span, key };
  };
  return {
    value,
    faults,
    fault: (path, what, fix, at = 'value') => lines.fault(at === 'key' ? find(path).key : find(path).span, what, fix),
    faultWithin: (path, letters, what, fix) => {
      const { span } = find(path);
      const written = text.slice(span.from, span.to);
      // Behind an escape or a line break the letters do not stand where they do in the value.
      if (/[\\\n]|''/.test(written)) return lines.fault(span, what, fix);
      const from = span.from + (/^["']/.test(written) ? 1 : 0) + letters.at;
      return lines.fault({ from, to: from + letters.length }, what, fix);
    },
  };
}

/** Where something is missing from a map, its first key says which map it is. */
function headOf({ span, within }: Place): Span {
  const [first] = within.values();
  return first?.key ?? span;
}

class Lines {
  readonly #starts: number[] = [0];
  readonly #length: number;

  constructor(text: string) {
    this.#length = text.length;
    if (text.length > LONGEST_DOCUMENT) return;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  get count(): number {
    return this.#starts.length;
  }

  fault({ from, to }: Span, what: string, fix: string | null): Fault {
    const [start, end] = [this.#at(from), this.#at(to)];
    const ends = end.line === start.line && end.column > start.column ? { endColumn: end.column } : {};
    return { ...start, ...ends, what, fix };
  }

  #at(offset: number): { line: number; column: number } {
    const at = Math.min(Math.max(0, offset), this.#length);
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= at) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: at - this.#starts[low]! + 1 };
  }
}

type Words = { readonly what: string; readonly fix: string | null };

const INDENT: Words = {
  what: say`the indentation is not that of what it belongs to, or a bracket is not closed`,
  fix: say`begin the keys of one map in the same column, and close every [ and {`,
};
const NESTED: Words = {
  what: say`a second ": " on this line, or a line that is indented too far`,
  fix: say`put a text that holds ": " in quotes, and begin the keys of one map in the same column`,
};
const AFTER: Words = {
  what: say`this does not belong here`,
  fix: say`look for a quote or a bracket too many, or put the whole text in quotes`,
};
const RESERVED: Words = { what: say`a text cannot begin like this`, fix: say`put the text in quotes` };
const NO_TAGS: Words = { what: say`a tag (!) has no place here`, fix: say`put a text that begins with ! in quotes` };

/** The parser's codes in words for people who seldom write YAML. */
const SYNTAX: Readonly<Record<string, Words>> = {
  ALIAS_PROPS: RESERVED,
  BAD_ALIAS: RESERVED,
  BAD_DIRECTIVE: { what: say`a directive has no place here`, fix: say`remove the line with %` },
  BAD_DQ_ESCAPE: {
    what: say`no such escape: in double quotes \\ has a meaning of its own`,
    fix: say`use single quotes`,
  },
  BAD_INDENT: INDENT,
  BAD_SCALAR_START: RESERVED,
  BLOCK_AS_IMPLICIT_KEY: NESTED,
  MULTILINE_IMPLICIT_KEY: NESTED,
  MISSING_CHAR: {
    what: say`a quote is not closed, or a : or - is missing`,
    fix: say`close the quote, write "key: value" and begin each item of a list with "- "`,
  },
  MULTIPLE_DOCS: { what: say`a second document begins here`, fix: say`remove the line with ---` },
  RESOURCE_EXHAUSTION: { what: tooDeep(), fix: null },
  TAB_AS_INDENT: { what: say`a tab indents this line`, fix: say`indent with spaces` },
  TAG_RESOLVE_FAILED: NO_TAGS,
  UNEXPECTED_TOKEN: AFTER,
};
