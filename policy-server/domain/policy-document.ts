/** The policy document: the YAML that engineers edit, with its own tests. `docs/POLICY.md` is its reference. */
import type { z } from 'zod';
import { parseTemplate, renderTemplate, TEMPLATE_FIELDS, type TemplateFields } from '#domain/attribute-template';
import { nearest } from '#domain/nearest';
import { type Condition, MOST_RULES, type Policy, type PolicyAttribute, type Rule } from '#domain/policy';
import { type Case, caseForm, MOST_CASES } from '#domain/policy-case';
import { askedOfCase, checkCase, runCase } from '#domain/policy-case-run';
import { condition, FORMS, WORDS } from '#domain/policy-conditions';
import { outcome } from '#domain/policy-outcome';
import { faultsOf, jsonSchemaOf, list, map } from '#domain/policy-schema';
import { count, label } from '#domain/policy-values';
import { policyWarnings } from '#domain/policy-warnings';
import { type Fault, readYaml, type YamlText } from '#domain/policy-yaml';
import { say } from '#domain/say';

export { printPolicy } from '#domain/policy-print';
export type { Fault } from '#domain/policy-yaml';

/** What the checker asks the RADIUS dictionary; `radius/policy-dictionary.ts` is the one there is. */
export type Dictionary = {
  /** Every attribute by its name, for "did you mean". */
  readonly names: readonly string[];
  /** Whether a value, as printed, can be sent as this attribute (names in any case). False for a name that is not known. */
  readonly encodable: (name: string, value: string) => boolean;
};

/** A case of the document, run; `differences` between what was expected and what came, empty when it passed. */
export type CaseResult = {
  readonly name: string;
  readonly line: number;
  readonly passed: boolean;
  readonly differences: readonly string[];
};

export type PolicyCheck = {
  /** Null when there are faults. */
  readonly policy: Policy | null;
  /** The revision that the document says it was edited from. */
  readonly revision: number | null;
  /** In the order of the text. */
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly cases: readonly CaseResult[];
};

/** Whether a document may be published: it reads without a fault and every case of it passes. */
export const isPublishable = (check: PolicyCheck): check is PolicyCheck & { readonly policy: Policy } =>
  check.policy !== null && check.cases.every(({ passed }) => passed);

const ruleForm = map(
  {
    name: label({ description: 'What the rule is called, in reasons and here.', write: 'night boost' }),
    when: condition.meta({
      description: 'A condition: the first rule whose condition holds decides.',
      write: 'covered',
    }),
    give: outcome.meta({ description: '`denied`, or what the line gets.', write: 'denied' }),
  },
  '{name: suspended, when: suspended, give: denied}',
);

const RULES = '[{name: suspended, when: suspended, give: denied}]';

export const documentForm = map(
  {
    revision: count('', 1, 2 ** 31 - 1, {
      description: 'The revision this was edited from; `gerbang policy show` writes it, and publishing checks it.',
      write: '7',
    }).optional(),
    rules: list(ruleForm, { least: 1, most: MOST_RULES, write: RULES })
      .superRefine(noTwoAlike)
      .meta({ description: `From the first to the last, at most ${MOST_RULES}.`, write: RULES }),
    cases: list(caseForm, { most: MOST_CASES, write: '[{name: ..., given: ..., at: ..., expect: ...}]' })
      .superRefine(noTwoAlike)
      .optional()
      .meta({
        description: `Tests that must pass before this can be published, at most ${MOST_CASES}.`,
        write: '[...]',
      }),
  },
  `{rules: ${RULES}}`,
);

/** The same names would make reasons and results ambiguous. */
function noTwoAlike(all: readonly { readonly name: string }[], context: z.core.$RefinementCtx): void {
  const names = new Set<string>();
  for (const [index, { name }] of all.entries()) {
    const [what, fix] = [say`"${name}" is the name of another one above`, say`give each a name of its own`];
    if (names.has(name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: `${what}\n${fix}` });
    names.add(name);
  }
}

/** The document as JSON Schema: what may be written, for completions and the reference. */
export function documentJsonSchema(): object {
  const words = Object.entries(WORDS).map(([word, { description }]) => ({ const: word, description }));
  const forms = Object.values(FORMS).map((form) => jsonSchemaOf(form));
  return {
    ...jsonSchemaOf(documentForm),
    $defs: { condition: { anyOf: [...words, ...forms] } },
  };
}

/** Reads a policy document, checks it and runs its cases. `zone` is the company's. Never throws. */
export function checkPolicy(text: string, zone: string, dictionary: Dictionary): PolicyCheck {
  const yaml = readYaml(text);
  if (yaml.faults.length > 0) return refused(yaml.faults, null);
  const read = documentForm.safeParse(yaml.value);
  if (!read.success) return refused(faultsOf(read.error.issues, yaml), null);
  const { revision = null, rules, cases = [] } = read.data;
  const policy = { zone, rules };
  const faults = [...attributeFaults(rules, dictionary, yaml), ...caseFaults(cases, policy, yaml)];
  if (faults.length > 0) return refused(faults, revision);
  return {
    policy,
    revision,
    faults,
    warnings: inOrder([
      ...warningsAt(policy, yaml),
      ...bracesTwice(rules, yaml),
      ...said(cases, askedOfCase, policy, yaml),
    ]),
    cases: cases.map((one, index) => {
      const differences = runCase(one, policy);
      const { line } = yaml.fault(['cases', index, 'name'], '', null);
      return { name: one.name, line, passed: differences.length === 0, differences };
    }),
  };
}

/** A person mends a few and looks again. */
const MOST_FAULTS = 100;

const refused = (faults: readonly Fault[], revision: number | null): PolicyCheck => ({
  policy: null,
  revision,
  faults: inOrder(faults).slice(0, MOST_FAULTS),
  warnings: [],
  cases: [],
});

const inOrder = (faults: readonly Fault[]): readonly Fault[] =>
  faults.toSorted((one, other) => one.line - other.line || one.column - other.column);

const warningsAt = (policy: Policy, yaml: YamlText): Fault[] =>
  policyWarnings(policy).map(({ rule, what, fix }) =>
    rule === null ? yaml.fault(['rules'], what, fix, 'key') : yaml.fault(['rules', rule, 'name'], what, fix),
  );

// Attributes

/** What a field may come to at its shortest and at its longest; an attribute must be able to carry both. */
const EXTREMES: readonly TemplateFields[] = [fieldsOf('x', '1000'), fieldsOf('x'.repeat(63), '1000000000000')];

function fieldsOf(text: string, bps: string): TemplateFields {
  const of = (field: string) => (field.endsWith('-bps') ? bps : field.endsWith('-kbps') ? bps.slice(0, -3) : text);
  return Object.fromEntries(TEMPLATE_FIELDS.map((field) => [field, of(field)])) as TemplateFields;
}

/** Each attribute of each rule, and where it is written. */
function* attributesOf(rules: readonly Rule[]): Generator<[path: PropertyKey[], attribute: PolicyAttribute]> {
  for (const [index, { give }] of rules.entries()) {
    const times = new Map<string, number>();
    for (const attribute of give.access === 'denied' ? [] : give.attributes) {
      const { name, vendor } = attribute;
      const at = ['rules', index, 'give', ...(vendor === null ? ['attributes'] : ['for', vendor]), name];
      const time = times.get(at.join()) ?? 0;
      times.set(at.join(), time + 1);
      // Where it is given once it stands at the name itself, and the path ends there.
      yield [[...at, time], attribute];
    }
  }
}

function attributeFaults(rules: readonly Rule[], { names, encodable }: Dictionary, yaml: YamlText): Fault[] {
  const known = new Set(names.map((name) => name.toLowerCase()));
  return [...attributesOf(rules)].flatMap(([path, { name, value }]) => {
    if (!known.has(name.toLowerCase())) {
      const near = nearest(name, names);
      const fix = near === null ? null : say`did you mean ${near}?`;
      return [yaml.fault(path.slice(0, -1), say`the dictionary has no attribute ${name}`, fix, 'key')];
    }
    const wrong = EXTREMES.map((fields) => renderTemplate(parseTemplate(value), fields)).find(
      (rendered) => !encodable(name, rendered),
    );
    if (wrong === undefined) return [];
    const fix = wrong === value ? null : say`a field may come to "${wrong}" here`;
    return [yaml.fault(path, say`${name} cannot carry this value`, fix)];
  });
}

/** `{{username}}` is how fields of messages are written; here it is a brace and a text. */
function bracesTwice(rules: readonly Rule[], yaml: YamlText): Fault[] {
  return [...attributesOf(rules)].flatMap(([path, { value }]) => {
    const [twice, field] = /\{\{([a-z-]+)\}+/.exec(value) ?? [];
    if (twice === undefined || !TEMPLATE_FIELDS.some((one) => one === field)) return [];
    return [yaml.fault(path, say`{{ is a brace, so this is sent as ${twice.slice(1)}`, say`write {${field}}`)];
  });
}

// Cases

/** Conditions times cases: the work of running them, some hundred milliseconds at the most. */
const MOST_WORK = 20_000;

function caseFaults(cases: readonly Case[], policy: Policy, yaml: YamlText): Fault[] {
  const conditions = policy.rules.reduce((sum, { when }) => sum + sizeOf(when), 0);
  if (cases.length * conditions > MOST_WORK) {
    const most = Math.floor(MOST_WORK / conditions);
    return [
      yaml.fault(
        ['cases'],
        say`${cases.length} cases are too many for ${conditions} conditions`,
        say`keep ${most}`,
        'key',
      ),
    ];
  }
  return said(cases, checkCase, policy, yaml);
}

/** What is said of each case, where it stands. */
const said = (cases: readonly Case[], say: typeof checkCase, policy: Policy, yaml: YamlText): Fault[] =>
  cases.flatMap((one, index) => {
    const faults: Fault[] = [];
    say(one, policy, (path, what, fix) => faults.push(yaml.fault(['cases', index, ...path], what, fix)));
    return faults;
  });

function sizeOf(condition: Condition): number {
  if (condition.is === 'not') return 1 + sizeOf(condition.of);
  if (condition.is !== 'all' && condition.is !== 'any') return 1;
  return condition.of.reduce((sum, member) => sum + sizeOf(member), 1);
}
