/** Runs the cases of a policy document: facts from what is given, the decision, and how it differs from what is expected. */
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { Facts, Grant } from '#domain/facts';
import { nearest } from '#domain/nearest';
import { sameRate } from '#domain/plan';
import type { Condition, Policy, UsagePeriod } from '#domain/policy';
import type { Case, Given, GivenGrant } from '#domain/policy-case';
import { printRateText, printSeconds } from '#domain/policy-print';
import { writeSo } from '#domain/policy-schema';
import { printReason } from '#domain/print';
import { say } from '#domain/say';
import { sameTerms } from '#domain/terms';
import { DAY, type Instant, NEVER, wallClock } from '#domain/time';
import { METERED_PERIODS, type Metered, periodAt } from '#domain/usage-period';

/** What of a case makes no sense, as path below the case, what is wrong and what to write. */
type Tell = (path: readonly PropertyKey[], what: string, fix: string | null) => void;

/** Says what is wrong with a case beside how it is written. */
export function checkCase(one: Case, policy: Policy, tell: Tell): void {
  const rules = policy.rules.map(({ name }) => name);
  const because = one.expect.because ?? [];
  const named: [readonly PropertyKey[], string | undefined][] = [
    [['expect', 'rule'], one.expect.rule === 'none' ? undefined : one.expect.rule],
    ...because.map((phrase): [PropertyKey[], string | undefined] => [
      ['expect', 'because'],
      /^rule "(.*)"$/.exec(phrase)?.[1],
    ]),
  ];
  for (const [path, name] of named) {
    if (name === undefined || rules.includes(name)) continue;
    const near = nearest(name, rules);
    tell(path, say`there is no rule "${name}"`, near === null ? null : say`did you mean "${near}"?`);
  }
  if (Object.keys(one.expect).length === 0) tell(['expect'], say`nothing is expected`, writeSo('{access: full}'));
  const alone = OF_A_PACKAGE.find((key) => one.given.plan === undefined && one.given[key] !== undefined);
  if (alone !== undefined)
    tell(['given', alone], say`"${alone}" is of a package, and there is none`, writeSo('plan: 20M/10M'));
  for (const [path, grant] of grantsOf(one.given)) {
    const { since, until } = spanOf(grant, one, policy.zone);
    if (since >= until) tell([...path, 'until'], say`the package ends before it begins`, say`write a later until`);
    for (const { bytes } of grant['used per'] ?? [])
      if (bytes > (grant.used ?? 0))
        tell([...path, 'used per'], say`more is used in a period than in all`, say`write a larger used`);
  }
}

const OF_A_PACKAGE = ['allowance', 'used', 'used per', 'since', 'until'] as const;

/** Says where the answer hangs on usage of a period of which a case says nothing. */
export function askedOfCase(one: Case, policy: Policy, tell: Tell): void {
  const [zone, at] = [policy.zone, one.at(policy.zone)];
  const asked = policy.rules.flatMap(({ when }) => periodsIn(when));
  if (asked.length === 0) return;
  const answers = (['none', 'all'] as const).map((unsaid) => decide(factsOf(one, zone, unsaid), policy, at));
  if (sameTerms(answers[0]!, answers[1]!)) return;
  for (const [path, grant] of grantsOf(one.given)) {
    const unsaid = asked.find((period) => saidOf(period, grant, { ...spanOf(grant, one, zone), at }, zone) === null);
    if (unsaid === undefined || grant.used === undefined) continue;
    const period = `${unsaid.every} from ${unsaid.from}`;
    const what = say`how much of this is of the ${period} is not said: it counts as none`;
    tell([...path, 'used'], what, say`write used per: {${period}: ...}`);
  }
}

function periodsIn(condition: Condition): UsagePeriod[] {
  if (condition.is === 'not') return periodsIn(condition.of);
  if (condition.is === 'all' || condition.is === 'any') return condition.of.flatMap(periodsIn);
  return 'per' in condition && condition.per !== null ? [condition.per] : [];
}

/** Why a case does not pass, one line each; empty when it does. */
export function runCase(one: Case, policy: Policy): string[] {
  const at = one.at(policy.zone);
  return differencesOf(decide(factsOf(one, policy.zone), policy, at), one.expect, policy.zone);
}

function grantsOf(given: Given): [path: string[], grant: GivenGrant][] {
  const further = (given.packages ?? []).map((grant, index): [string[], GivenGrant] => [
    ['given', 'packages', String(index)],
    grant,
  ]);
  return given.plan === undefined ? further : [[['given'], given as GivenGrant], ...further];
}

function spanOf(grant: GivenGrant, one: Case, zone: string): { since: Instant; until: Instant } {
  const at = one.at(zone);
  const until = grant.until?.(zone) ?? at + 30 * DAY;
  return { since: grant.since?.(zone) ?? Math.min(at, until) - 30 * DAY, until };
}

/** What counts of a period of which a case says nothing. */
type Unsaid = 'none' | 'all';
type Span = { readonly since: Instant; readonly at: Instant };

function factsOf(one: Case, zone: string, unsaid: Unsaid = 'none'): Facts {
  const { given } = one;
  const grants = grantsOf(given).map(([, grant], index) => grantOf(grant, index + 1, one, zone, unsaid));
  const nas = typeof given.nas === 'string' ? { name: given.nas } : given.nas;
  return {
    subscriberId: 1,
    username: given.username ?? 'subscriber',
    billing: given.billing ?? 'prepaid',
    tags: given.tags ?? [],
    suspendedSince: given.suspended?.(zone) ?? null,
    owesSince: given['owes since']?.(zone) ?? null,
    openings: (given.opened ?? []).map((opened) => opened(zone)).sort((first, second) => first - second),
    grants,
    chargedBytes: grants.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
    nas: nas === undefined ? null : { name: nas.name, tags: nas.tags ?? [], vendor: nas.vendor ?? 'mikrotik' },
    version: 1,
  };
}

function grantOf(given: GivenGrant, id: number, one: Case, zone: string, unsaid: Unsaid): Grant {
  const { since, until } = spanOf(given, one, zone);
  const { rate, name = 'plan', profile = null } = 'rate' in given.plan ? given.plan : { rate: given.plan };
  return {
    id,
    plan: {
      revisionId: id,
      name,
      rate,
      profile,
      allowanceBytes: given.allowance === undefined || given.allowance === 'unlimited' ? null : given.allowance,
      period: { months: 1 },
      priceRupiah: 0,
    },
    from: since,
    until,
    usedBytes: given.used ?? 0,
    metered: meteredOf(given, { since, at: Math.min(one.at(zone), until - 1) }, zone, unsaid),
  };
}

/** The metering of a grant at an instant; of a period of which nothing is said, none of the usage or all of it is. */
function meteredOf(given: GivenGrant, span: Span, zone: string, unsaid: Unsaid): Metered {
  const used = given.used ?? 0;
  const otherwise = unsaid === 'all' ? used : 0;
  return {
    lastAt: span.at,
    bases: METERED_PERIODS.map((period) => used - Math.min(used, saidOf(period, given, span, zone) ?? otherwise)),
  };
}

/**
 * What a case says of the usage in a period: all of it where the period began before the package, what is written of it, or at
 * least what is written of shorter ones in it. Null where nothing is said.
 */
function saidOf(period: UsagePeriod, given: GivenGrant, { since, at }: Span, zone: string): number | null {
  const begins = (one: UsagePeriod) => periodAt(one, since, zone, at).from;
  const from = begins(period);
  if (from <= since) return given.used ?? 0;
  const said = (given['used per'] ?? []).filter((one) => begins(one.period) >= from);
  return said.length === 0 ? null : Math.max(...said.map(({ bytes }) => bytes));
}

type Expected = Case['expect'];

function differencesOf(got: Decision, expected: Expected, zone: string): string[] {
  const differences: string[] = [];
  const compare = <T>(
    key: string,
    wanted: T | undefined,
    have: T | null,
    print: (value: T) => string,
    same: (one: T, other: T | null) => boolean = Object.is,
  ) => {
    if (wanted === undefined || same(wanted, have)) return;
    const [one, other] = [print(wanted), have === null ? 'none' : print(have)];
    differences.push(say`${key}: expected ${one}, got ${other}`);
  };
  compare('access', expected.access, got.access, String);
  compare('rate', expected.rate, got.rate, printRateText, (one, other) => other !== null && sameRate(one, other));
  compare('list', expected.list, got.addressList ?? 'none', String);
  compare('profile', expected.profile, got.profile ?? 'none', String);
  compare('pool', expected.pool, got.pool ?? 'none', String);
  compare('idle', expected.idle, got.idleSeconds, printSeconds);
  compare('interim', expected.interim, got.interimSeconds, printSeconds);
  for (const [name, value] of Object.entries(expected.attributes ?? {})) {
    const values = got.attributes.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, one]) => one);
    if (!values.includes(value)) compare(name, value, values.join(', ') || null, String);
  }
  const ruled = got.because.find((reason) => reason.is === 'rule');
  compare('rule', expected.rule, ruled?.name ?? 'none', String);
  compare('until', expected.until?.(zone), got.validUntil, (at) => printLocal(at, zone));
  const reasons = got.because.map((reason) => printReason(reason, zone));
  const all = reasons.join('; ');
  for (const phrase of expected.because ?? [])
    if (!reasons.some((reason) => reason.includes(phrase)))
      differences.push(say`because: expected ${phrase}, got ${all}`);
  return differences;
}

/** As a case is written: `2026-11-21 01:00`, with seconds where there are any. */
function printLocal(at: Instant, zone: string): string {
  if (at === NEVER) return 'never';
  const { year, month, day, hour, minute, second } = wallClock(at, zone);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}${second === 0 ? '' : `:${two(second)}`}`;
}
