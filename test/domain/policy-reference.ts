/** The reference of `docs/POLICY.md`, from the schema that reads policies. */
import { TEMPLATE_FIELDS } from '#domain/attribute-template';
import { documentJsonSchema } from '#domain/policy-document';

type Json = {
  readonly description?: string;
  readonly examples?: readonly string[];
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Json>>;
  readonly required?: readonly string[];
  readonly items?: Json;
  readonly anyOf?: readonly Json[];
  readonly $defs?: Readonly<Record<string, Json>>;
};

export function policyReference(): string {
  const document = documentJsonSchema() as Json;
  const rule = document.properties!.rules!.items!;
  const given = document.properties!.cases!.items!;
  const { given: facts, expect } = given.properties!;
  return [
    '### The document',
    keys(document),
    '### A rule',
    keys(rule),
    '### Conditions: `when`',
    conditions(document.$defs!.condition!.anyOf!),
    '### What the line gets: `give`',
    '`denied` rejects the line. All else is a map of these keys:',
    keys(rule.properties!.give!.anyOf!.find((one) => one.properties !== undefined)!),
    `The value of an attribute may name ${TEMPLATE_FIELDS.map((field) => `\`{${field}}\``).join(', ')}; \`{{\` is a brace.`,
    'Rates are those of the reply, seen from the subscriber. A field that is empty (no package, no router) makes an attribute',
    'of nothing else be left out.',
    '### A case',
    keys(given),
    '### What is given: `given`',
    keys(facts!),
    '### What is expected: `expect`',
    'Only what is written is compared.',
    keys(expect!),
  ].reduce((text, part) => `${text}${part}\n${/^(###|\|)|:$|\.$/.test(part.split('\n').at(-1)!) ? '\n' : ''}`, '');
}

function keys({ properties = {}, required = [] }: Json): string {
  const rows = Object.entries(properties).map(([key, schema]) => [
    `\`${key}\`${required.includes(key) ? '' : ' (optional)'}`,
    meaning(schema),
    written(schema, ''),
  ]);
  return table(['key', 'meaning', 'for example'], rows);
}

function conditions(all: readonly Json[]): string {
  const rows = all.flatMap((one): string[][] => {
    if (one.const !== undefined) return [[`\`${one.const}\``, meaning(one)]];
    const [[key, schema], ...more] = Object.entries(one.properties!) as [[string, Json], ...[string, Json][]];
    const optional = more.map(([name, { examples = [] }]) => `, ${name}: ${examples[0]}`).join('');
    const parts = [...Object.entries(schema.properties ?? {}), ...more].map(
      ([name, part]) => ` \`${name}\`: ${meaning(part)}`,
    );
    return [[written(schema, `${key}: `, optional), `${meaning(schema)}${parts.join('')}`]];
  });
  return table(['write', 'holds when'], rows);
}

const meaning = ({ description = '', enum: words }: Json): string =>
  words === undefined || words.every((one) => description.includes(`\`${one}\``))
    ? description
    : `${description} One of ${words.map((one) => `\`${one}\``).join(', ')}.`;

function written({ examples = [] }: Json, key: string, more = ''): string {
  return examples[0] === undefined ? '' : `\`${key === '' ? examples[0] : `{${key}${examples[0]}${more}}`}\``;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}
