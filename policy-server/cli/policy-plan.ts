import type { Impact, ImpactGroup, ImpactSample, ToldAttributes } from '#domain/policy-impact';
import { printInstant, printRate } from '#domain/print';
import { HOUR, type Instant, wallClock } from '#domain/time';
import { PER_SECOND, planPolicy } from '#operations/plan-policy';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { DOCUMENT, policyNamed } from '#policy-server/cli/policy-document';
import { table } from '#policy-server/cli/table';
import { replyOf } from '#policy-server/policy-side';

export const policyPlan: Command = {
  name: 'policy plan',
  summary: 'Say what a policy document would do to every subscriber and live session; changes nothing',
  positionals: [DOCUMENT],
  options: {
    'per-second': { value: 'NUMBER', help: `live sessions told a second when it is published (${PER_SECOND})` },
    all: { value: 'flag', help: 'every group, not only the largest' },
    samples: { value: 'flag', help: 'up to five subscribers of each group, not only one' },
  },
  check: (given) => perSecondFaults(given),
  run: async (office, given) => {
    const policy = await policyNamed(office, given.words[0]!);
    const impact = await planPolicy({ ...office, replyOf }, policy, { perSecond: perSecondOf(given)! });
    const shown = { all: given.options.all === true, samples: given.options.samples === true };
    return { text: planReport(impact, office.zone, shown), json: impact };
  },
};

/** Live sessions a second; null when it is no number that may be. */
export function perSecondOf(given: Given): number | null {
  const text = textOf(given, 'per-second') ?? String(PER_SECOND);
  const number = Number(text);
  return /^\d{1,6}$/.test(text) && number >= 1 && number <= 100_000 ? number : null;
}

export const perSecondFaults = (given: Given): string[] =>
  perSecondOf(given) === null ? ['--per-second is no number; give one from 1 to 100000, for example 50'] : [];

const WIDTH = 100;
const BAR = 24;
const MOST_GROUPS = 10;

type Shown = { readonly all: boolean; readonly samples: boolean };

/** A plan for people at a terminal: no line is longer than 100 columns. */
export function planReport(impact: Impact, zone: string, shown: Shown): string {
  const { subscribers, sessions, addresses, groups, later } = impact;
  const at = printInstant(impact.at, zone);
  const parts = [
    [
      `In place of revision ${impact.revision.from}, at ${at} (worked out in ${seconds(impact.tookMs / 1000)}). Nothing is changed by this.`,
    ],
    [
      `Subscribers    ${subscribers.total}: ${subscribers.changed} change now, ${later.changed} more within 24 hours`,
      `Live sessions  ${sessions.total}: ${sessions.coa} get a CoA, ${sessions.disconnect} a Disconnect, ${sessions.keep} nothing`,
      ...(addresses.total === 0
        ? []
        : [`Static lines   ${addresses.total} addresses: ${addresses.moved} move to another list`]),
      `Takes about    ${duration(impact.expectedSeconds)}, when routers answer`,
    ],
    groupLines('Now', groups, zone, shown),
    groupLines('Within 24 hours, those that do not change now', later.groups, zone, shown),
    hourLines(impact, zone),
    nasLines(impact),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => cut(line, WIDTH)).join('\n'))
    .join('\n\n');
}

function groupLines(title: string, groups: readonly ImpactGroup[], zone: string, shown: Shown): string[] {
  if (groups.length === 0) return [];
  const first = shown.all ? groups : groups.slice(0, MOST_GROUPS);
  const most = Math.max(...groups.map(({ count }) => count));
  const left = groups.slice(first.length);
  const more = left.reduce((sum, { count }) => sum + count, 0);
  return [
    title,
    ...first.flatMap((group) => oneGroup(group, most, zone, shown)),
    ...(left.length === 0 ? [] : [`  and ${left.length} smaller groups with ${more} subscribers: --all shows them`]),
  ];
}

function oneGroup(group: ImpactGroup, most: number, zone: string, shown: Shown): string[] {
  const { before, after, count, at } = group;
  const samples = shown.samples ? group.samples : group.samples.slice(0, 1);
  const rules = Math.max(...[before, after].map(({ rule }) => ruleOf(rule).length));
  const line = (word: string, terms: typeof before) =>
    `    ${word.padEnd(6)}  ${ruleOf(terms.rule).padEnd(rules)}  ${termsOf(terms)}`;
  return [
    `  ${bar(count, most)} ${count} subscribers${sent(group)}, from ${clock(at, zone)}`,
    line('before', before),
    line('after', after),
    ...samples.map((sample) => `    ${sampleOf(sample)}`),
  ];
}

const ruleOf = (rule: string | null): string => (rule === null ? '(no rule)' : cut(rule, 30));

function sent({ sessions, coa, disconnect }: ImpactGroup): string {
  if (sessions === 0) return ', none online';
  const acts = [...(coa > 0 ? [`${coa} CoA`] : []), ...(disconnect > 0 ? [`${disconnect} Disconnect`] : [])];
  return `, ${sessions} online: ${acts.join(', ') || 'at their next dial'}`;
}

function termsOf(terms: ImpactGroup['before']): string {
  if (terms.rate === null) return 'denied';
  const parts = [terms.access, printRate(terms.rate), `list ${terms.addressList}`];
  if (terms.profile !== null) parts.push(`profile ${terms.profile}`);
  if (terms.pool !== null) parts.push(`pool ${terms.pool}`);
  if (terms.idleSeconds !== null) parts.push(`idle ${terms.idleSeconds} s`);
  for (const [name, value] of terms.attributes) parts.push(`${name} = ${value}`);
  return parts.join(', ');
}

function sampleOf({ username, nas, before, after }: ImpactSample): string {
  const where = nas === null ? username : `${username} at ${nas}`;
  return `e.g. ${where}: ${attributeChanges(before, after).join('; ') || 'told the same'}`;
}

/** `Mikrotik-Rate-Limit 20000k/20000k → 40000k/40000k`; with + what is told anew, with - what no more. */
export function attributeChanges(before: ToldAttributes, after: ToldAttributes): string[] {
  if (after.length === 0) return ['Access-Reject'];
  const valueIn = (told: ToldAttributes, name: string) => told.find((one) => one[0] === name)?.[1];
  const changed = after.flatMap(([name, value]) => {
    const was = valueIn(before, name);
    if (was === undefined) return [`+ ${name} ${value}`];
    return was === value ? [] : [`${name} ${was} → ${value}`];
  });
  const gone = before.filter(([name]) => valueIn(after, name) === undefined).map(([name]) => `- ${name}`);
  return [...changed, ...gone];
}

/** Hours with equal numbers on one line; nothing where all are as it is now. */
function hourLines({ at, subscribers, later }: Impact, zone: string): string[] {
  const hours = later.within24h.map(({ changed }) => changed);
  if (hours.every((changed) => changed === subscribers.changed)) return [];
  const most = Math.max(...hours);
  const lines: string[] = [];
  for (let from = 0; from < hours.length; ) {
    let until = from + 1;
    while (until < hours.length && hours[until] === hours[from]) until += 1;
    const span = `${clock(at + from * HOUR, zone)} to ${clock(at + until * HOUR, zone)}`;
    lines.push(`  ${span}  ${bar(hours[from]!, most)} ${hours[from]}`);
    from = until;
  }
  return ['Subscribers with other terms, hour by hour', ...lines];
}

function nasLines({ perNas }: Impact): string[] {
  if (perNas.length === 0) return [];
  const rows = perNas.slice(0, MOST_GROUPS);
  const text = table(
    rows,
    [
      { title: 'NAS', cell: ({ name }) => cut(name, 50) },
      { title: 'COA', cell: ({ coa }) => String(coa), align: 'right' },
      { title: 'DISCONNECT', cell: ({ disconnect }) => String(disconnect), align: 'right' },
      { title: 'AT ITS OWN PACE', cell: (nas) => duration(nas.seconds), align: 'right' },
    ],
    '',
  );
  const more = perNas.length - rows.length;
  return [...text.split('\n'), ...(more === 0 ? [] : [`and ${more} more with less to be told`])];
}

/** A bar of at most `BAR` columns, at least one eighth of one where there is anything. */
export function bar(count: number, most: number): string {
  const eighths = most === 0 ? 0 : Math.max(count > 0 ? 1 : 0, Math.round((count / most) * BAR * 8));
  const full = '█'.repeat(Math.floor(eighths / 8));
  return (full + (eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1])).padEnd(BAR);
}

function clock(at: Instant, zone: string): string {
  const { hour, minute } = wallClock(at, zone);
  return `${String(hour).padStart(2, '0')}.${String(minute).padStart(2, '0')}`;
}

const seconds = (count: number): string => `${count.toFixed(1).replace('.', ',')} s`;

/** `40 s`, `12 min`, `3,5 h`. */
export function duration(count: number): string {
  if (count < 120) return `${Math.round(count)} s`;
  return count < 7200 ? `${Math.round(count / 60)} min` : `${(count / 3600).toFixed(1).replace('.', ',')} h`;
}

const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);
