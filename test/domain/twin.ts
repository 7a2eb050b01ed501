/**
 * A second `decide`, as dumb as can be, written from the words of the rules and not from the code: no bounds, no shortcuts,
 * lists sorted and filtered, Intl asked every time. It says only what the line gets at one instant.
 */
import type { Decision } from '#domain/decision';
import type { Facts, Grant } from '#domain/facts';
import type { Plan, Rate } from '#domain/plan';
import type { Condition, Policy, PolicyAttribute, UsagePeriod } from '#domain/policy';
import { addPeriod } from '#domain/time';
import type { UsedGrant } from '#test/domain/generate';

export type Gets = Omit<Decision, 'validUntil' | 'validBelow' | 'because'>;

export function gets({ validUntil: _until, validBelow: _below, because: _because, ...rest }: Decision): Gets {
  return rest;
}

export function twin(facts: Facts, policy: Policy, at: number): Gets {
  const rule = policy.rules.find(({ when }) => isSo(when, facts, policy.zone, at));
  const give = rule?.give;
  if (give?.access === 'denied') return { ...walled, access: 'denied', rate: null, addressList: null };
  if (give === undefined) return walled;
  const plan = planOf(facts, at);
  const terms = {
    access: give.access,
    rate: rate(give.rate, plan),
    addressList: give.addressList,
    profile:
      give.profile?.is === 'named' ? give.profile.name : give.profile?.is === 'plan' && plan ? plan.profile : null,
    pool: give.pool,
    idleSeconds: give.idleSeconds,
    interimSeconds: give.interimSeconds,
  };
  return { ...terms, attributes: attributes(give.attributes, facts, { ...terms, plan }) };
}

function attributes(
  all: readonly PolicyAttribute[],
  facts: Facts,
  of: { rate: Rate; addressList: string; profile: string | null; plan: Plan | undefined },
): [string, string][] {
  const words: Record<string, string> = {
    username: facts.username,
    plan: of.plan?.name ?? '',
    profile: of.profile ?? '',
    nas: facts.nas?.name ?? '',
    list: of.addressList,
    'download-bps': `${of.rate.downloadBps}`,
    'upload-bps': `${of.rate.uploadBps}`,
    'download-kbps': `${of.rate.downloadBps / 1000}`,
    'upload-kbps': `${of.rate.uploadBps / 1000}`,
  };
  const mine = all.filter(({ vendor }) => vendor !== null && vendor === facts.nas?.vendor);
  return all
    .filter((one) => mine.includes(one) || (one.vendor === null && !mine.some(({ name }) => name === one.name)))
    .map(({ name, value }): [string, string] => [
      name,
      value.replace(/\{(?:\{|([a-z-]+)\})/g, (_, field?: string) => (field === undefined ? '{' : words[field]!)),
    ])
    .filter(([, value]) => value !== '');
}

const kbps128: Rate = { downloadBps: 128000, uploadBps: 128000, burst: null };
const walled: Gets = {
  access: 'walled',
  rate: kbps128,
  addressList: 'prepaid-no-package',
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [],
};

function rate(choice: { is: string; share?: number } & Partial<Rate>, plan: Plan | undefined): Rate {
  if (choice.is === 'fixed')
    return { downloadBps: choice.downloadBps!, uploadBps: choice.uploadBps!, burst: choice.burst ?? null };
  if (plan === undefined) return kbps128;
  if (choice.is === 'plan') return plan.rate;
  const part = (bps: number) => 1000 * Math.max(1, Math.round((bps * choice.share!) / 1000));
  const { downloadBps, uploadBps, burst } = plan.rate;
  return {
    downloadBps: part(downloadBps),
    uploadBps: part(uploadBps),
    burst: burst && {
      downloadBps: part(burst.downloadBps),
      uploadBps: part(burst.uploadBps),
      thresholdDownloadBps: part(burst.thresholdDownloadBps),
      thresholdUploadBps: part(burst.thresholdUploadBps),
      seconds: burst.seconds,
    },
  };
}

const running = (facts: Facts, at: number) => facts.grants.filter((g) => g.from <= at && at < g.until);
const over = (facts: Facts, at: number) => facts.grants.filter((g) => g.until <= at);
const left = (g: Grant) =>
  g.plan.allowanceBytes === null ? Infinity : Math.max(g.plan.allowanceBytes - g.usedBytes, 0);
const endOf = (g: Grant) => [g.until, g.id];
const rankOf = (g: Grant) => [left(g) > 0 ? 1 : 0, g.plan.rate.downloadBps, g.plan.rate.uploadBps, ...endOf(g)];

function highest(all: Grant[], rank: (g: Grant) => number[]): Grant | undefined {
  const compare = (a: number[], b: number[]) => a.map((v, i) => (v === b[i] ? 0 : v - b[i]!)).find((d) => d !== 0) ?? 0;
  return [...all].sort((a, b) => compare(rank(a), rank(b))).at(-1);
}

function planOf(facts: Facts, at: number): Plan | undefined {
  return (highest(running(facts, at), rankOf) ?? highest(over(facts, at), endOf))?.plan;
}

function isSo(condition: Condition, facts: Facts, zone: string, at: number): boolean {
  const now = running(facts, at);
  const usedPer = (per: UsagePeriod | null) =>
    now.map((g) => (per === null ? g.usedBytes : usedIn(g as UsedGrant, per, zone, at))).reduce((a, b) => a + b, 0);
  switch (condition.is) {
    case 'all':
      return condition.of.every((one) => isSo(one, facts, zone, at));
    case 'any':
      return condition.of.some((one) => isSo(one, facts, zone, at));
    case 'not':
      return !isSo(condition.of, facts, zone, at);
    case 'covered':
      return now.length > 0;
    case 'suspended':
      return facts.suspendedSince !== null && at >= facts.suspendedSince;
    case 'allowance-left':
      return now.some((g) => left(g) > 0);
    case 'fair-use':
      return now.length > 0 && usedPer(condition.per) >= condition.bytes;
    case 'fair-use-share': {
      const allowances = now.map((g) => g.plan.allowanceBytes);
      if (allowances.length === 0 || allowances.includes(null)) return false;
      return usedPer(condition.per) >= condition.share * allowances.reduce<number>((a, b) => a + b!, 0);
    }
    case 'window':
      return inWindow(condition, zone, at);
    case 'grace': {
      const last = highest(over(facts, at), endOf);
      return now.length === 0 && last !== undefined && at - last.until < condition.days * 86400000;
    }
    case 'overdue':
      return facts.owesSince !== null && at - facts.owesSince >= condition.days * 86400000;
    case 'paying': {
      const counted = (opened: number) =>
        facts.openings.filter((one) => dateIn(zone, one) === dateIn(zone, opened)).indexOf(opened) <
        condition.timesADay;
      return facts.openings.some((one) => one <= at && at < one + condition.minutes * 60000 && counted(one));
    }
    case 'billing':
      return facts.billing === condition.billing;
    case 'tag':
      return facts.tags.some((tag) => tag === condition.tag);
    case 'nas':
      return facts.nas?.name === condition.name;
    case 'nas-tag':
      return (facts.nas?.tags ?? []).some((tag) => tag === condition.tag);
    case 'nas-vendor':
      return facts.nas?.vendor === condition.vendor;
    case 'had-cover':
      return now.length === 0 && over(facts, at).length > 0;
    case 'plan':
      return planOf(facts, at)?.name === condition.name;
  }
}

/** From what was used when: no bases, nothing carried on. Usage without an instant counts where the grant began. */
function usedIn({ from, unmetered, history }: UsedGrant, per: UsagePeriod, zone: string, at: number): number {
  const now = nameOf(per, from, zone, at);
  return [{ at: from, bytes: unmetered }, ...history]
    .filter((used) => nameOf(per, from, zone, used.at) === now)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Two instants are in one period when it has one name. */
function nameOf({ every, from }: UsagePeriod, anchor: number, zone: string, at: number): string {
  if (from === 'calendar') {
    const date = dateIn(zone, at);
    const sinceMonday = (new Date(date).getUTCDay() + 6) % 7;
    if (every === 'week') return new Date(Date.parse(date) - sinceMonday * 86400000).toISOString();
    return every === 'day' ? date : date.slice(0, 7);
  }
  let number = 0;
  const next = () => (every === 'month' ? { months: number + 1 } : { days: (number + 1) * (every === 'week' ? 7 : 1) });
  while (addPeriod(anchor, next(), zone) <= at) number += 1;
  return `${number}`;
}

const dates = new Map<string, Intl.DateTimeFormat>();

function dateIn(zone: string, at: number): string {
  const format = dates.get(zone) ?? new Intl.DateTimeFormat('en-CA', { timeZone: zone });
  dates.set(zone, format);
  return format.format(at);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function inWindow(
  { from, to, days }: { from: string; to: string; days?: readonly string[] | undefined },
  zone: string,
  at: number,
) {
  const options = { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const format = formats.get(zone) ?? new Intl.DateTimeFormat('en-GB', options);
  formats.set(zone, format);
  const [weekday = '', hhmm = ''] = format.format(at).split(/,? /);
  const today = weekday.toLowerCase();
  const week = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  const yesterday = week[(week.indexOf(today) + 6) % 7]!;
  const begins = (day: string) => days === undefined || days.includes(day);
  if (from < to) return from <= hhmm && hhmm < to && begins(today);
  return (hhmm >= from && begins(today)) || (hhmm < to && begins(yesterday));
}
