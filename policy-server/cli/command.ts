import type { Desk } from '#operations/desk';
import type { Config } from '#policy-server/config';

/** One command of `gerbang`: what its help says is what its reader takes. */
export type Command = CommandForm & { readonly run: (office: Office, given: Given) => Promise<Outcome> };

/** A command about the database as such: nothing is migrated, made or asked for before it. The URL holds the password. */
export type DatabaseCommand = CommandForm & {
  readonly runOn: (place: { readonly databaseUrl: string; readonly config: Config }, given: Given) => Promise<Outcome>;
};

export type CommandForm = {
  /** `nas add`: one or two words. */
  readonly name: string;
  /** One line, in the imperative. */
  readonly summary: string;
  readonly options?: Readonly<Record<string, Option>>;
  readonly positionals?: readonly Positional[];
  /** Fields of operations whose option has another name. */
  readonly fields?: Readonly<Record<string, string>>;
  /** What a reader of the help would ask next: examples, rules. */
  readonly notes?: readonly string[];
  /** Faults that can be seen without the database, so that they come together with faults of usage. */
  readonly check?: (given: Given, zone: string) => readonly string[];
};

export type Option = {
  /** `flag` takes no value. */
  readonly value: string | 'flag';
  readonly help: string;
  readonly required?: boolean;
  /** May be given more than once. */
  readonly many?: boolean;
};

export type Positional = {
  readonly name: string;
  readonly help: string;
  /** None, one or several words: only of the last. */
  readonly many?: true;
  /** May be left out: only of the last. */
  readonly optional?: true;
};

/** What the command line held: options by name (without dashes), then the words. */
export type Given = {
  readonly options: Readonly<Record<string, string | true | readonly string[]>>;
  readonly words: readonly string[];
};

/** Where a command runs: the desk of operations, and what is around it. */
export type Office = Desk & { readonly config: Config };

/** What a command has to say: for people, and with `--json` for programs. */
export type Outcome = {
  readonly text: string;
  readonly json: unknown;
  /** It was asked whether something is well, and it is not: what there is to say is said, and the exit code tells. */
  readonly refused?: boolean;
};

/** The text of an option that has a value, undefined where it was not given. */
export function textOf(given: Given, option: string): string | undefined {
  const value = given.options[option];
  return typeof value === 'string' ? value : undefined;
}

/** The texts of an option that may be given more than once. */
export function textsOf(given: Given, option: string): readonly string[] {
  const value = given.options[option];
  return Array.isArray(value) ? value : [];
}
