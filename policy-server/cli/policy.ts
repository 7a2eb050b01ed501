import { InvalidInput } from '#domain/errors';
import { diffHunks, lineDiff } from '#domain/line-diff';
import { parseBytes } from '#domain/parse';
import { isPublishable, type PolicyCheck } from '#domain/policy-document';
import { printBytes, printInstant, printInstantExactly } from '#domain/print';
import { type Instant, NEVER, parseInstant } from '#domain/time';
import { listRevisions, revision } from '#operations/publish-policy';
import { type Simulated, type SimulatedAnswer, simulate } from '#operations/simulate';
import { type Command, type Given, type Office, textOf } from '#policy-server/cli/command';
import {
  checkDocument,
  DOCUMENT,
  documentNamed,
  faultLine,
  policyNamed,
  readDocument,
} from '#policy-server/cli/policy-document';
import { card, table } from '#policy-server/cli/table';
import { replyOf } from '#policy-server/policy-side';
import { policyInForce } from '#storage/policy';

export const policyShow: Command = {
  name: 'policy show',
  summary: 'Print a policy document: the one in force, or a revision',
  positionals: [
    { name: 'REVISION', help: 'a number of policy history; the one in force if not given', optional: true },
  ],
  notes: ['To edit it: gerbang policy show > policy.yaml'],
  check: ({ words: [id] }) => (id === undefined || isNumber(id) ? [] : [`REVISION is no number: "${id}"`]),
  run: async (office, { words: [given] }) => {
    const id = given === undefined ? (await policyInForce(office.db))!.id : Number(given);
    const found = await revision(office.db, id, office.zone);
    if (found === null)
      throw new InvalidInput([`there is no policy revision ${id}; there are: gerbang policy history`]);
    const text = stamped(found.text, id, office.zone);
    const { document, text: _, ...row } = found;
    return { text: text.trimEnd(), json: { ...row, text, document } };
  },
};

const isNumber = (text: string): boolean => /^\d{1,9}$/.test(text);

/** The text as somebody edits it further: it says that it was edited from this revision, not from the one before. */
function stamped(text: string, id: number, zone: string): string {
  const line = `revision: ${id}`;
  const anew = /^revision:/m.test(text) ? text.replace(/^revision:[ \t]*\d+/m, line) : `${line}\n${text}`;
  return checkDocument(anew, zone).revision === id ? anew : text;
}

export const policyTest: Command = {
  name: 'policy test',
  summary: 'Check a policy document and run its cases; changes nothing',
  positionals: [{ name: 'FILE', help: 'the path of a policy document' }],
  notes: ['Exit code 0: it can be published. 1: a fault, or a case that fails.'],
  run: async (office, { words: [file] }) => {
    const check = checkDocument(await readDocument(file!), office.zone);
    const { faults, warnings, cases } = check;
    const publishable = isPublishable(check);
    return {
      text: testReport(file!, check),
      json: { file, publishable, revision: check.revision, faults, warnings, cases },
      refused: !publishable,
    };
  },
};

function testReport(file: string, check: PolicyCheck): string {
  const { policy, faults, warnings, cases } = check;
  const failed = cases.filter(({ passed }) => !passed).length;
  const lines = faults.map((fault) => faultLine(file, fault));
  for (const { name, line, passed, differences } of cases) {
    lines.push(`${passed ? 'passed' : 'FAILED'}  ${name}${passed ? '' : `  (${file}:${line})`}`);
    lines.push(...differences.map((difference) => `        ${difference}`));
  }
  lines.push(...warnings.map((warning) => `warning  ${faultLine(file, warning)}`));
  if (lines.length > 0) lines.push('');
  if (policy === null) lines.push(`${counted(faults.length, 'fault')}: it cannot be published.`);
  else if (failed > 0)
    lines.push(
      `${failed} of ${counted(cases.length, 'case')} ${failed === 1 ? 'fails' : 'fail'}: it cannot be published.`,
    );
  else lines.push(`${counted(policy.rules.length, 'rule')}, ${casesWords(cases.length)}: it can be published.`);
  return lines.join('\n');
}

const casesWords = (count: number): string => {
  if (count === 0) return 'no cases (write some: they keep a later edit from breaking what works)';
  return count === 1 ? 'its case passes' : `all ${count} cases pass`;
};

const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

export const policyHistory: Command = {
  name: 'policy history',
  summary: 'List the revisions of the policy, newest first',
  options: { limit: { value: 'NUMBER', help: 'at most so many (20)' } },
  check: (given) => (limitOf(given) === null ? ['--limit is no number; give one from 1 to 1000, for example 20'] : []),
  run: async (office, given) => {
    const rows = await listRevisions(office.db, { limit: limitOf(given)! });
    const when = (at: Instant | null) => (at === null ? 'never' : printInstant(at, office.zone));
    const text = table(
      rows,
      [
        { title: 'REVISION', cell: ({ id, inForce }) => `${inForce ? '* ' : ''}${id}`, align: 'right' },
        { title: 'FROM', cell: ({ baseId }) => (baseId === null ? '-' : String(baseId)), align: 'right' },
        { title: 'SAVED', cell: ({ createdAt }) => when(createdAt) },
        { title: 'BY', cell: ({ createdBy }) => cut(createdBy, 18) },
        { title: 'IN FORCE', cell: ({ publishedAt }) => when(publishedAt) },
        { title: 'NOTE', cell: ({ note }) => cut(note, 16) },
      ],
      'No revision yet.',
    );
    return { text: `${text}\n\n* is in force. What changed: gerbang policy diff ONE OTHER`, json: rows };
  },
};

const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

function limitOf(given: Given): number | null {
  const text = textOf(given, 'limit') ?? '20';
  return isNumber(text) && Number(text) >= 1 && Number(text) <= 1000 ? Number(text) : null;
}

export const policyDiff: Command = {
  name: 'policy diff',
  summary: 'Say what one policy document has that another has not',
  positionals: [
    { name: 'ONE', help: 'the number of a revision, or the path of a document' },
    { name: 'OTHER', help: 'the same' },
  ],
  run: async (office, { words }) => {
    const [one, other] = [await documentNamed(office, words[0]!), await documentNamed(office, words[1]!)];
    const lines = lineDiff(one.text, other.text);
    const changed = lines.filter(({ is }) => is !== 'same').length;
    const signs = { same: ' ', removed: '-', added: '+' } as const;
    const shown = diffHunks(lines).flatMap((hunk) =>
      'skipped' in hunk
        ? [`@@ ${counted(hunk.skipped, 'equal line')}`]
        : hunk.lines.map(({ is, text }) => `${signs[is]} ${text}`),
    );
    const text = [`- ${one.name}`, `+ ${other.name}`, '', ...shown].join('\n');
    return {
      text: changed === 0 ? `${one.name} and ${other.name} are the same.` : text,
      json: { one: one.name, other: other.name, lines: lines.filter(({ is }) => is !== 'same') },
    };
  },
};

export const policySimulate: Command = {
  name: 'policy simulate',
  summary: 'Say what a subscriber would get under a policy document, when and why; changes nothing',
  positionals: [DOCUMENT, { name: 'USERNAME', help: 'the PPPoE user name' }],
  options: {
    at: { value: 'ISO', help: 'at that instant, with what is stored now; now if not given' },
    nas: { value: 'NAME', help: 'as if dialled at this NAS; where they are online if not given' },
    used: { value: 'BYTES', help: 'as if so much of the package had been used, such as 90GB' },
  },
  check: (given, zone) => simulateFaults(given, zone),
  run: async (office, given) => {
    const [named, username] = given.words as [string, string];
    const policy = await policyNamed(office, named);
    const [at, used] = [textOf(given, 'at'), textOf(given, 'used')];
    const found = await simulate(
      { ...office, replyOf },
      {
        username,
        policy,
        at: at === undefined ? undefined : parseInstant(at, office.zone)!,
        nasName: textOf(given, 'nas'),
        usedBytes: used === undefined ? undefined : parseBytes(used)!,
      },
    );
    return { text: simulatedWords(office, named, found), json: found };
  },
};

function simulateFaults(given: Given, zone: string): string[] {
  const [at, used] = [textOf(given, 'at'), textOf(given, 'used')];
  const faults: string[] = [];
  if (at !== undefined && parseInstant(at, zone) === null)
    faults.push('--at is no instant; give an ISO time with its offset, for example 2026-12-01T01:00+07:00');
  if (used !== undefined && parseBytes(used) === null)
    faults.push(`--used is no number of bytes: "${used}"; give one, for example 90GB`);
  return faults;
}

function simulatedWords({ zone }: Office, named: string, found: Simulated): string {
  const where = found.nas === null ? 'at no NAS' : `at ${found.nas}`;
  const of = isNumber(named) ? `revision ${named}` : named;
  return [
    `${found.username} ${where}, ${printInstantExactly(found.at, zone)}`,
    '',
    `Under ${of}`,
    answerWords(found.given, zone),
    '',
    found.same
      ? `The same as under revision ${found.inForce.revision}, which is in force.`
      : `Under revision ${found.inForce.revision}, in force`,
    ...(found.same ? [] : [answerWords(found.inForce, zone)]),
    '',
    found.given.attributes.length === 0
      ? 'A dial is answered with Access-Reject.'
      : 'A dial is answered with Access-Accept and:',
    ...(found.given.attributes.length === 0
      ? []
      : [card(found.given.attributes.map(([name, value]) => [`  ${name}`, value]))]),
  ].join('\n');
}

function answerWords({ gets, reasons, validUntil, furtherBytes }: SimulatedAnswer, zone: string): string {
  const bounds: string[] = [];
  if (validUntil !== NEVER) bounds.push(`until ${printInstantExactly(validUntil, zone)}`);
  if (furtherBytes !== Infinity)
    bounds.push(`${bounds.length > 0 ? 'or ' : ''}until ${printBytes(furtherBytes)} more are used`);
  return card([
    ['  gets', gets],
    ['  because', reasons.join('; ')],
    ['  holds', bounds.join(' ') || 'for ever'],
  ]);
}
