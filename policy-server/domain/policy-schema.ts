/**
 * The parts of which the policy document's zod schema is made. They differ from zod's own in what they say: each fault has two
 * lines, what is wrong and what to write instead, and stands at the very text it is about.
 */
import { z } from 'zod';
import { nearest } from '#domain/nearest';
import type { Fault, YamlText } from '#domain/policy-yaml';
import { say } from '#domain/say';

type Path = readonly PropertyKey[];

/** Where a fault stands, if not at the value itself: at its key, or at some of its letters. */
type Where = { readonly at?: 'key'; readonly letters?: { readonly at: number; readonly length: number } };

/** What was given, for a line of ours: short, and on one line. */
export function quoted(given: unknown): string {
  const text = typeof given === 'string' ? given : Array.isArray(given) ? '[…]' : '{…}';
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** How something is written, for whoever wrote something else. */
export const writeSo = (write: string): string => say`write for example ${write}`;

const lines = (what: string, fix: string | null): string => (fix === null ? what : `${what}\n${fix}`);

/** What schemas carry for readers of the reference and of completions: what it means, and how it is written. */
export type Meaning = { readonly description: string; readonly write: string };

/** A text that means something; `read` answers null for what it cannot take. */
export function text<T>(
  { write, description }: Meaning,
  read: (given: string) => T | null,
  wrong: (given: string) => { what: string; fix: string | null },
) {
  return z
    .string({ error: ({ input }) => notText(input, write) })
    .transform((given, context): T => {
      const value = CONTROL.test(given) ? null : read(given);
      if (value !== null) return value;
      const { what, fix } = wrong(quoted(given));
      context.addIssue({ code: 'custom', message: lines(what, fix) });
      return z.NEVER;
    })
    .meta({ description, write });
}

const CONTROL = /\p{Cc}/u;

function notText(input: unknown, write: string): string {
  const keys = typeof input === 'object' && input !== null ? Object.entries(input) : [];
  // `{username}` without quotes is a map of one key to nothing.
  if (keys.length === 1 && keys[0]![1] === null)
    return lines(say`braces without quotes are a map`, say`write "{${keys[0]![0]}}" in quotes`);
  return lines(say`a text is needed here`, writeSo(write));
}

/** One of some words. */
export function word<const W extends string>(meaning: Meaning, words: readonly W[]) {
  return z
    .enum(words, {
      error: ({ input }) => {
        if (typeof input !== 'string') return notText(input, meaning.write);
        const near = nearest(input, words);
        const all = words.join(', ');
        return lines(say`"${quoted(input)}" is none of: ${all}`, near === null ? null : say`did you mean ${near}?`);
      },
    })
    .meta(meaning);
}

/** A map of these keys and no others. */
export function map<S extends z.ZodRawShape>(shape: S, write: string) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    // The keys there are, for "did you mean": of the issue, `faultsOf` has only those there are not.
    error: ({ code }) =>
      code === 'unrecognized_keys' ? known.join('\n') : lines(say`keys with values are needed here`, writeSo(write)),
  });
}

/** A list of so many things. */
export function list<T extends z.ZodType>(
  of: T,
  { least = 0, most, write }: { least?: number; most: number; write: string },
) {
  return z
    .array(of, { error: () => lines(say`a list is needed here`, writeSo(write)) })
    .min(least, { error: () => lines(say`the list is empty`, writeSo(write)), abort: true })
    .max(most, { error: () => lines(say`the list is longer than ${most}`, null), abort: true });
}

/** How a reader of its own says what is wrong, and reads what is inside. */
export type Inside = {
  readonly fault: (path: Path, what: string, fix: string | null, where?: Where) => void;
  /** Undefined when it has faults, which are then said. */
  readonly read: <T>(schema: z.ZodType<T>, given: unknown, path: Path) => T | undefined;
};

/**
 * What zod cannot tell apart well enough to say what is wrong: read by hand, shown (in the JSON Schema and the reference) as
 * another schema. `read` answers undefined where it said a fault.
 */
export function readBy<T>(
  { write, ...shown }: Shown & { readonly write: string },
  read: (given: unknown, inside: Inside) => T | undefined,
): z.ZodType<T> {
  const schema = z.unknown().transform((given, context): T => {
    const before = context.issues.length;
    const fault: Inside['fault'] = (path, what, fix, where) =>
      context.addIssue({ code: 'custom', path: [...path], message: lines(what, fix), params: where ?? {} });
    const inside: Inside = {
      fault,
      read: (schema, value, path) => {
        const result = schema.safeParse(value);
        if (result.success) return result.data;
        for (const issue of result.error.issues)
          context.issues.push({ ...issue, path: [...path, ...issue.path], input: value } as z.core.$ZodRawIssue);
        return undefined;
      },
    };
    const value = given === undefined ? undefined : read(given, inside);
    if (value !== undefined) return value;
    if (context.issues.length === before) fault([], say`nothing is given here`, writeSo(write));
    return z.NEVER;
  });
  shownAs.set(schema, shown);
  return schema as z.ZodType<T>;
}

/** A reference to a definition by its name, or the schemas of which it is one. */
export type Shown = { readonly named: string } | { readonly anyOf: readonly z.ZodType[] };

const shownAs = new WeakMap<object, Shown>();

/** A schema as JSON Schema: of what is written, not of what comes out. */
export function jsonSchemaOf(schema: z.ZodType): z.core.JSONSchema.BaseSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { write } = jsonSchema;
      if (write !== undefined) jsonSchema.examples = [write];
      delete jsonSchema.write;
      // To other readers of YAML a number is one: here it is a text too.
      if (jsonSchema.type === 'string' && jsonSchema.enum === undefined) jsonSchema.type = ['string', 'number'];
      // A schema with other metadata is a copy that knows what it was copied from.
      const shown = shownAs.get(zodSchema) ?? shownAs.get(zodSchema._zod.parent ?? zodSchema);
      if (shown === undefined) return;
      if ('named' in shown) jsonSchema.$ref = `#/$defs/${shown.named}`;
      else jsonSchema.anyOf = shown.anyOf.map(jsonSchemaOf);
    },
  });
  return json;
}

/** The issues of a schema made of these parts as faults of the text. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], yaml: YamlText): Fault[] {
  return issues.flatMap((issue): Fault | Fault[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const near = nearest(key, issue.message.split('\n'));
        const fix = near === null ? knownKeys(issue.message) : say`did you mean ${near}?`;
        return yaml.fault([...path, key], say`"${quoted(key)}" is no key here`, fix, 'key');
      });
    const [what = '', fix = null] = issue.message.split('\n');
    if (valueAt(yaml.value, path) === undefined && path.length > 0)
      return yaml.fault(path, say`"${String(path.at(-1))}" is missing`, fix);
    if (valueAt(yaml.value, path) === null) return yaml.fault(path, say`nothing is given here`, fix, 'key');
    const { at, letters } = (issue.code === 'custom' ? (issue.params ?? {}) : {}) as Where;
    return letters === undefined ? yaml.fault(path, what, fix, at) : yaml.faultWithin(path, letters, what, fix);
  });
}

const knownKeys = (known: string) => say`the keys here are: ${known.replaceAll('\n', ', ')}`;

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}
