import { say } from '#domain/say';

/**
 * Reads what RouterOS writes with `export` (v6 and v7, normal, terse and verbose): a flat list of commands with their
 * settings. It is a reader of exports and runs nothing: expressions and scripts are recognised and given back as such.
 */

/** The value of a setting. `octets` are escaped octets that are no UTF-8, each shown as one character. */
export type RscValue =
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'octets'; readonly text: string }
  | { readonly is: 'expression' };

/** One command. `path` has its words joined by spaces and no slash: `ppp secret`. */
export type RscCommand = {
  readonly line: number;
  readonly path: string;
  /** `add`, `set` …; `script` for what only a router can run. */
  readonly verb: string;
  /** What stands before the settings: `*0`, `[ find default=yes ]`; of a script, its text. */
  readonly target: string;
  readonly settings: ReadonlyMap<string, RscValue>;
  /** Settings that are there more than once. */
  readonly repeated: readonly string[];
};

export type Rsc = {
  /** RouterOS version of the heading, for example `6.49.8`; null without one. */
  readonly version: string | null;
  readonly commands: readonly RscCommand[];
  /** Where something begins that never ends: nothing was read from there on. */
  readonly brokenAt: { readonly line: number; readonly reason: string } | null;
};

/** Never throws, and takes time in proportion to the text. */
export function readRsc(text: string): Rsc {
  const reader = new Reader(text);
  const commands: RscCommand[] = [];
  let version: string | null = null;
  let section: readonly string[] = [];
  try {
    while (reader.toNextCommand()) {
      if (reader.peek() === '#') {
        const remark = reader.restOfLine();
        version ??= /\bby RouterOS (\d[\w.]*)/.exec(remark)?.[1] ?? null;
        continue;
      }
      const command = readCommand(reader, section);
      const { words, ...rest } = command;
      if (command.verb === '' && command.settings.size === 0) section = words;
      else commands.push({ ...rest, path: words.join(' ') });
    }
  } catch (error) {
    if (!(error instanceof Unclosed)) throw error;
    return { version, commands, brokenAt: { line: error.line, reason: error.message } };
  }
  return { version, commands, brokenAt: null };
}

const VERBS = new Set([
  'add',
  'set',
  'unset',
  'remove',
  'enable',
  'disable',
  'move',
  'comment',
  'edit',
  'print',
  'find',
]);

type Read = Omit<RscCommand, 'path'> & { readonly words: readonly string[] };

function readCommand(reader: Reader, section: readonly string[]): Read {
  const { line } = reader;
  if (':{[($'.includes(reader.peek())) {
    return { line, words: section, verb: 'script', target: reader.script(), settings: new Map(), repeated: [] };
  }
  let words = reader.peek() === '/' ? [] : section;
  let verb = '';
  const target: string[] = [];
  const settings = new Map<string, RscValue>();
  const repeated: string[] = [];
  while (reader.toNextWord()) {
    const key = reader.key();
    if (key !== null) {
      if (settings.has(key)) repeated.push(key);
      settings.set(key, reader.value());
      continue;
    }
    const word = reader.word();
    if (verb !== '' || settings.size > 0) {
      if (!word.startsWith('!')) target.push(word);
      continue;
    }
    for (const part of word.split('/').filter((one) => one !== '')) {
      if (verb !== '') target.push(part);
      else if (VERBS.has(part)) verb = part;
      else words = [...words, part];
    }
  }
  return { line, words, verb, target: target.join(' '), settings, repeated };
}

class Unclosed extends Error {
  readonly line: number;

  constructor(line: number, what: string) {
    super(say`${what} that is never closed; nothing after it was read`);
    this.line = line;
  }
}

const CLOSES: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' };
const LETTER_ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, a: 7, b: 8, f: 12, v: 11, _: 32 };
const KEY = /[A-Za-z0-9][A-Za-z0-9.-]*=/y;
const CONTINUED = /\\\r?\n[ \t]*/y;

class Reader {
  line = 1;
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1;
  }

  peek(): string {
    return this.#text[this.#at] ?? '';
  }

  /** To the first sign of a command or comment; false at the end. */
  toNextCommand(): boolean {
    for (;;) {
      if (this.#continued()) continue;
      if (!' \t\r\n;'.includes(this.peek()) || this.#ended()) return !this.#ended();
      this.#step();
    }
  }

  /** To the next word of this command; false where the command ends. */
  toNextWord(): boolean {
    while (!this.#ended()) {
      if (this.#continued()) continue;
      if (!' \t\r'.includes(this.peek())) return !'\n;'.includes(this.peek());
      this.#step();
    }
    return false;
  }

  restOfLine(): string {
    const from = this.#at;
    const end = this.#text.indexOf('\n', from);
    this.#at = end === -1 ? this.#text.length : end;
    return this.#text.slice(from, this.#at);
  }

  /** The name before an equals sign, which is taken too; null and nothing taken where there is none. */
  key(): string | null {
    KEY.lastIndex = this.#at;
    const found = KEY.exec(this.#text)?.[0];
    if (found === undefined) return null;
    this.#at += found.length;
    return found.slice(0, -1);
  }

  value(): RscValue {
    while (this.#continued());
    const first = this.peek();
    if (first in CLOSES) {
      this.#nested();
      return { is: 'expression' };
    }
    const value = first === '"' ? this.#quoted() : this.#plain();
    // Something that follows without a blank, as in `"a".$b`.
    if (this.#wordEnds()) return value;
    this.word();
    return { is: 'expression' };
  }

  /** A word that is no setting, a bracket expression as a whole. */
  word(): string {
    const from = this.#at;
    do {
      if (this.peek() === '"') this.#quoted();
      else if (this.peek() in CLOSES) this.#nested();
      else if (!this.#continued()) this.#step();
    } while (!this.#wordEnds());
    return this.#text.slice(from, this.#at).trim();
  }

  /** A script's command to its end, with the blocks in it. */
  script(): string {
    const from = this.#at;
    while (!this.#ended() && this.peek() !== '\n') {
      if (this.peek() === '"') this.#quoted();
      else if (this.peek() in CLOSES) this.#nested();
      else if (!this.#continued()) this.#step();
    }
    return this.#text.slice(from, this.#at);
  }

  #ended(): boolean {
    return this.#at >= this.#text.length;
  }

  #wordEnds(): boolean {
    return this.#ended() || ' \t\r\n;'.includes(this.peek());
  }

  #step(): void {
    if (this.peek() === '\n') this.line += 1;
    this.#at += 1;
  }

  /** Takes a backslash at the end of a line, and the indentation of the next. */
  #continued(): boolean {
    if (this.peek() !== '\\') return false;
    CONTINUED.lastIndex = this.#at;
    const found = CONTINUED.exec(this.#text)?.[0];
    if (found === undefined) return false;
    this.#at += found.length;
    this.line += 1;
    return true;
  }

  #quoted(): RscValue {
    const begun = this.line;
    const written = new Written();
    this.#at += 1;
    for (;;) {
      if (this.#ended()) throw new Unclosed(begun, say`a quote`);
      if (this.#continued()) continue;
      const sign = this.peek();
      if (sign === '\\') this.#escape(written);
      else {
        this.#step();
        if (sign === '"') return written.value();
        if (sign === '$') written.variable = true;
        written.add(sign);
      }
    }
  }

  #plain(): RscValue {
    const written = new Written();
    while (!this.#wordEnds() && this.peek() !== '"') {
      if (this.#continued()) continue;
      if (this.peek() === '\\') this.#escape(written);
      else {
        if (this.peek() === '$') written.variable = true;
        written.add(this.peek());
        this.#step();
      }
    }
    return written.value();
  }

  /** `\"`, `\n`, `\_` (a blank), `\C3` (an octet, always in capitals); any other sign stands for itself. */
  #escape(written: Written): void {
    const hex = /^[0-9A-F]{2}$/.exec(this.#text.slice(this.#at + 1, this.#at + 3))?.[0];
    this.#at += 1;
    if (hex !== undefined) {
      written.octet(Number.parseInt(hex, 16));
      this.#at += 2;
    } else if (!this.#ended()) {
      const sign = this.peek();
      const letter = Object.hasOwn(LETTER_ESCAPES, sign) ? LETTER_ESCAPES[sign] : undefined;
      if (letter === undefined) written.add(sign);
      else written.octet(letter);
      this.#step();
    }
  }

  #nested(): void {
    const begun = this.line;
    const closing: string[] = [];
    do {
      if (this.#ended()) throw new Unclosed(begun, say`a bracket`);
      const sign = this.peek();
      if (sign === '"') this.#quoted();
      else {
        if (sign in CLOSES) closing.push(CLOSES[sign]!);
        else if (sign === closing.at(-1)) closing.pop();
        this.#step();
      }
    } while (closing.length > 0);
  }
}

/** A value as it is put together: signs of the text, and octets that only together make a sign. */
class Written {
  variable = false;
  #text = '';
  #before: Buffer[] = [];

  add(signs: string): void {
    this.#text += signs;
  }

  octet(octet: number): void {
    if (octet < 0x80) this.#text += String.fromCharCode(octet);
    else {
      this.#before.push(Buffer.from(this.#text), Buffer.of(octet));
      this.#text = '';
    }
  }

  value(): RscValue {
    if (this.variable) return { is: 'expression' };
    if (this.#before.length === 0) return { is: 'text', text: this.#text };
    const octets = Buffer.concat([...this.#before, Buffer.from(this.#text)]);
    try {
      return { is: 'text', text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets) };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return { is: 'octets', text: octets.toString('latin1') };
    }
  }
}
