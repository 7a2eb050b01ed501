import { InvalidInput } from '#domain/errors';
import { printBps } from '#domain/print';
import { csvLine } from '#operations/csv';
import {
  applyMikrotikImport,
  type MikrotikImported,
  type MikrotikPreview,
  type PreviewProfile,
  previewMikrotikImport,
} from '#operations/import-mikrotik';
import { type MikrotikImportOptions, parseImportOptions } from '#operations/import-mikrotik-options';
import { type Command, type Given, type Outcome, textOf, textsOf } from '#policy-server/cli/command';
import { table } from '#policy-server/cli/table';
import { readTextFile } from '#policy-server/cli/text-file';

export const importMikrotik: Command = {
  name: 'import mikrotik',
  summary: 'Take the PPPoE secrets of a router in; shows first what it would do',
  positionals: [
    { name: 'FILE.rsc', help: 'what /ppp export show-sensitive file=NAME wrote (v6: without show-sensitive)' },
  ],
  options: {
    apply: { value: 'flag', help: 'do it; without this nothing is changed' },
    plan: {
      value: 'PROFILE=PLAN',
      help: 'lines with that PPP profile get a grant of that plan; once for each profile',
      many: true,
    },
    billing: { value: 'prepaid|postpaid', help: 'postpaid if not given' },
    'covered-until': {
      value: 'ISO|DATE',
      help: "how long those grants last; each plan's period from now if not given",
    },
    'password-of': { value: 'generate|same-as-name|FILE.csv', help: 'for secrets whose password the export hides' },
    disabled: {
      value: 'suspend|active|skip',
      help: 'what secrets disabled on the router become; suspend if not given',
    },
    update: {
      value: 'flag',
      help: 'write password, name, MAC and address of the file over those of user names there are',
    },
    'leave-out': { value: 'flag', help: 'import what can be, and leave out the lines with a problem' },
  },
  notes: [
    'Export on the router: /ppp export show-sensitive file=ppp (v7), /ppp export file=ppp (v6). /ppp secret export does too.',
    'A comment becomes the name, remote-address the fixed address, caller-id the MAC. Secrets of l2tp and others are left.',
    'The router itself is not touched: disable its secrets when dials shall come here (docs/PREPAID_MIKROTIK_SETUP.md, 6).',
  ],
  check: (given, zone) => {
    const wrong = textsOf(given, 'plan').filter((text) => mapping(text) === null);
    return [
      ...wrong.map((text) => `plan "${text}" is not usable; give PROFILE=PLAN, for example 10M=prepaid-10mbps`),
      ...optionFaults(given, zone),
    ];
  },
  run: async (desk, given) => {
    const [file] = given.words as [string];
    const text = await readTextFile(file, 'an export is; save it again as it came from the router');
    const options = { ...optionsOf(given), ...(await passwordsOf(given)) };
    if (given.options.apply !== true) return shown(file, await previewMikrotikImport(desk, text, options));
    return done(await applyMikrotikImport(desk, text, options));
  },
};

function optionsOf(given: Given): MikrotikImportOptions {
  const [billing, coveredUntil, disabled] = ['billing', 'covered-until', 'disabled'].map((name) => textOf(given, name));
  return {
    plans: Object.fromEntries(
      textsOf(given, 'plan').flatMap((text) => [mapping(text)].filter((pair) => pair !== null)),
    ),
    ...(billing === undefined ? {} : { billing }),
    ...(coveredUntil === undefined ? {} : { coveredUntil }),
    ...(disabled === undefined ? {} : { disabled }),
    update: given.options.update === true,
    leaveOut: given.options['leave-out'] === true,
  };
}

/** At the last sign: names of profiles have more of them than names of plans. Null when a side is empty. */
function mapping(text: string): [profile: string, plan: string] | null {
  const at = text.lastIndexOf('=');
  return at < 1 || at === text.length - 1 ? null : [text.slice(0, at), text.slice(at + 1)];
}

function optionFaults(given: Given, zone: string): readonly string[] {
  try {
    parseImportOptions(optionsOf(given), { zone, clock: () => Number.NEGATIVE_INFINITY });
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.faults;
    throw error;
  }
}

async function passwordsOf(given: Given): Promise<Pick<MikrotikImportOptions, 'passwordOf'>> {
  const source = textOf(given, 'password-of');
  if (source === undefined) return {};
  if (source === 'generate' || source === 'same-as-name') return { passwordOf: source };
  return { passwordOf: { csv: await readTextFile(source, 'save it as "CSV UTF-8"') } };
}

const MOST_LINES = 30;

function shown(file: string, preview: MikrotikPreview): Outcome {
  const blocks = [
    [
      `${file}: ${preview.version === null ? 'without a heading' : `RouterOS ${preview.version}`}, ${preview.secrets} PPPoE secrets`,
      ...counts(preview),
    ],
    preview.rows.length === 0 ? [] : ['The first:', rowsTable(preview)],
    preview.profiles.length === 0 ? [] : ['Profiles:', profilesTable(preview.profiles), ...proposals(preview.profiles)],
    listed('Problems', preview.problems),
    listed('To know', preview.notes),
    [lastWord(preview)],
  ];
  const text = blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
  return { text, json: preview };
}

function counts(preview: MikrotikPreview): string[] {
  const others = Object.entries(preview.otherServices).map(([service, count]) => `${count} ${service}`);
  const lines: [number, string][] = [
    [preview.add, 'would be added'],
    [preview.update, 'are here already and would be updated'],
    [preview.keep, 'are here already and stay as they are (--update takes password, name, MAC and address over)'],
    [preview.disabled, 'of those added are disabled on the router (--disabled says what they become)'],
    [preview.disabledLeftOut, 'are disabled on the router and left out'],
    [
      preview.withoutPlan,
      'of those added get no plan: they are accepted at 128k and led to the portal (--plan PROFILE=PLAN)',
    ],
    [
      preview.withoutPassword,
      'have no password here: export with show-sensitive, or give --password-of generate, same-as-name or a FILE.csv',
    ],
  ];
  const told = lines.filter(([count]) => count > 0).map(([count, what]) => `  ${count} ${what}`);
  return others.length === 0 ? told : [...told, `  Not for PPPoE and left out: ${others.join(', ')}`];
}

function rowsTable(preview: MikrotikPreview): string {
  return table(
    preview.rows,
    [
      { title: 'LINE', cell: (row) => String(row.line), align: 'right' },
      { title: '', cell: (row) => row.fate },
      { title: 'USERNAME', cell: (row) => row.username },
      { title: 'NAME', cell: (row) => row.name || '-' },
      { title: 'MAC', cell: (row) => row.mac ?? '-' },
      { title: 'ADDRESS', cell: (row) => row.staticIp ?? '-' },
      { title: 'PROFILE', cell: (row) => row.profile },
      { title: 'PLAN', cell: (row) => row.plan ?? '-' },
      { title: 'PASSWORD', cell: (row) => row.password ?? (row.fate === 'add' ? 'missing' : '-') },
      { title: '', cell: (row) => (row.disabled ? 'disabled' : '') },
    ],
    '',
  );
}

function profilesTable(profiles: readonly PreviewProfile[]): string {
  return table(
    profiles,
    [
      { title: 'PROFILE', cell: (one) => one.name },
      { title: 'ADDED', cell: (one) => String(one.secrets), align: 'right' },
      {
        title: 'DOWN/UP',
        cell: ({ rate }) =>
          rate === null ? 'not in the file' : `${printBps(rate.downloadBps)}/${printBps(rate.uploadBps)}`,
      },
      { title: 'PLAN', cell: (one) => one.plan ?? '-' },
      { title: 'PLANS OF THAT RATE', cell: (one) => one.alike.join(', ') || '-' },
    ],
    '',
  );
}

/** What to type for profiles that have a rate and no plan like it; period and price are for a person to say. */
function proposals(profiles: readonly PreviewProfile[]): string[] {
  const commands = profiles.flatMap(({ name, rate, plan, alike }) => {
    if (rate === null || plan !== null || alike.length > 0) return [];
    const { burst } = rate;
    const pair = (down: number, up: number) => `${printBps(down)}/${printBps(up)}`;
    const bursting =
      burst === null
        ? ''
        : ` --burst "${pair(burst.downloadBps, burst.uploadBps)} ${pair(burst.thresholdDownloadBps, burst.thresholdUploadBps)} ${burst.seconds}"`;
    return [
      `  gerbang plan add --name ${quoted(name)} --down ${printBps(rate.downloadBps)} --up ${printBps(rate.uploadBps)}${bursting} --period month --price PRICE`,
    ];
  });
  return commands.length === 0 ? [] : ['A plan for each that has none like it, to be priced by you:', ...commands];
}

const quoted = (name: string): string => (/^[\w.@:/+-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`);

function listed(title: string, faults: MikrotikPreview['problems']): string[] {
  if (faults.length === 0) return [];
  const lines = faults.slice(0, MOST_LINES).map(({ line, reason }) => `  line ${line}: ${reason}`);
  const rest = faults.length - lines.length;
  return [`${title}:`, ...lines, ...(rest > 0 ? [`  and ${rest} more (--json has all)`] : [])];
}

function lastWord({ add, update, problems }: MikrotikPreview): string {
  if (problems.length > 0)
    return 'Nothing was changed. Mend these lines, or add --leave-out to import the others; then --apply.';
  return add + update === 0 ? 'There is nothing to import.' : 'Nothing was changed. To do it, add --apply.';
}

function done(imported: MikrotikImported): Outcome {
  const { added, updated, kept, grants, suspended, leftOut, generated } = imported;
  const head = `${added} subscribers are added (${grants} with a grant, ${suspended} suspended), ${updated} updated, ${kept} left as they were, ${leftOut} left out.`;
  const passwords = generated.map(({ username, password }) => csvLine([username, password]).trimEnd());
  const told =
    passwords.length === 0 ? [] : ['', 'Passwords made up, shown only now:', 'username,password', ...passwords];
  return { text: [head, ...told].join('\n'), json: imported };
}
