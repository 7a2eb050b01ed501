/** Policies as the documents that people edit: what `checkPolicy` reads back as the same policy. */
import { Document, isCollection } from 'yaml';
import type { Rate } from '#domain/plan';
import {
  type Condition,
  DEFAULT_INTERIM_SECONDS,
  NAS_VENDORS,
  type Outcome,
  type Policy,
  type PolicyAttribute,
  type RateChoice,
} from '#domain/policy';
import { printBps } from '#domain/print';

/** A policy as YAML, for revisions that have no text of their own; `revision` is the one that it is edited from. */
export function printPolicy(policy: Pick<Policy, 'rules'>, revision?: number): string {
  const document = new Document({
    ...(revision === undefined ? {} : { revision }),
    rules: policy.rules.map(({ name, when, give }) => ({ name, when: printCondition(when), give: printOutcome(give) })),
  });
  for (const index of policy.rules.keys())
    for (const key of ['when', 'give']) {
      const node = document.getIn(['rules', index, key]);
      if (isCollection(node)) node.flow = true;
    }
  return document.toString({ lineWidth: LINE, flowCollectionPadding: false });
}

const LINE = 118;

function printCondition(condition: Condition): unknown {
  switch (condition.is) {
    case 'all':
      return condition.of.length === 0 ? 'always' : { all: condition.of.map(printCondition) };
    case 'any':
      return { any: condition.of.map(printCondition) };
    case 'not':
      return { not: printCondition(condition.of) };
    case 'covered':
    case 'suspended':
      return condition.is;
    case 'allowance-left':
      return 'allowance left';
    case 'had-cover':
      return 'had cover';
    case 'fair-use':
      return { used: printVolume(condition.bytes), ...printPer(condition) };
    case 'fair-use-share':
      return { used: printShare(condition.share, 'of allowance'), ...printPer(condition) };
    case 'window': {
      const { from, to, days } = condition;
      return { window: { from, to, ...(days === undefined ? {} : { days }) } };
    }
    case 'grace':
      return { grace: printDays(condition.days) };
    case 'overdue':
      return { overdue: printDays(condition.days) };
    case 'paying':
      return { paying: { minutes: condition.minutes, 'times a day': condition.timesADay } };
    case 'billing':
      return { billing: condition.billing };
    case 'plan':
      return { plan: condition.name };
    case 'tag':
      return { tag: condition.tag };
    case 'nas':
      return { nas: condition.name };
    case 'nas-tag':
      return { 'nas tag': condition.tag };
    case 'nas-vendor':
      return { 'nas vendor': condition.vendor };
  }
}

const printPer = ({ per }: Condition & { is: 'fair-use' | 'fair-use-share' }) =>
  per === null ? {} : { per: `${per.every} from ${per.from}` };

const printDays = (days: number): string => `${days} ${days === 1 ? 'day' : 'days'}`;

function printOutcome(give: Outcome): unknown {
  if (give.access === 'denied') return 'denied';
  const { access, rate, addressList, profile, pool, idleSeconds, interimSeconds, attributes } = give;
  const of = (vendor: PolicyAttribute['vendor']) => attributes.filter((one) => one.vendor === vendor);
  const vendors = NAS_VENDORS.filter((vendor) => of(vendor).length > 0);
  return {
    access,
    rate: printChoice(rate),
    list: addressList,
    ...(profile === null ? {} : { profile: printProfile(profile) }),
    ...(pool === null ? {} : { pool }),
    ...(idleSeconds === null ? {} : { idle: printSeconds(idleSeconds) }),
    ...(interimSeconds === DEFAULT_INTERIM_SECONDS ? {} : { interim: printSeconds(interimSeconds) }),
    ...(of(null).length === 0 ? {} : { attributes: printAttributes(of(null)) }),
    ...(vendors.length === 0
      ? {}
      : { for: Object.fromEntries(vendors.map((vendor) => [vendor, printAttributes(of(vendor))])) }),
  };
}

function printProfile(profile: { is: 'plan' } | { is: 'named'; name: string }): unknown {
  if (profile.is === 'plan') return 'plan';
  return profile.name === 'plan' ? { name: profile.name } : profile.name;
}

/** Order counts among attributes of one name alone (RFC 2865 section 5). */
function printAttributes(attributes: readonly PolicyAttribute[]): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (const { name, value } of attributes) values.set(name, [...(values.get(name) ?? []), value]);
  return Object.fromEntries([...values].map(([name, all]) => [name, all.length === 1 ? all[0]! : all]));
}

function printChoice(choice: RateChoice): string {
  if (choice.is === 'plan') return 'plan';
  if (choice.is === 'fixed') return printRateText(choice);
  const percent = choice.share < 1 ? printPercent(choice.share) : null;
  return percent === null ? `plan x ${choice.share}` : `${percent} of plan`;
}

function printShare(share: number, of: string): string {
  return printPercent(share) ?? `${share} ${of}`;
}

/** Null where the percentage would be read as another number, or be longer than a person writes. */
function printPercent(share: number): string | null {
  const percent = Math.round(share * 1e6) / 1e4;
  return percent / 100 === share && percent > 0.001 ? `${percent}%` : null;
}

/** Exactly, in the largest unit of 2^10 that leaves a whole number: `100GB`, `1536MB`, `1000`. */
function printVolume(bytes: number): string {
  for (const [unit, size] of [
    ['TB', 2 ** 40],
    ['GB', 2 ** 30],
    ['MB', 2 ** 20],
    ['KB', 2 ** 10],
  ] as const) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** `90 seconds`, `5 minutes`, `2 hours`. */
export function printSeconds(seconds: number): string {
  for (const [unit, size] of [
    ['hour', 3600],
    ['minute', 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}${seconds === size ? '' : 's'}`;
  }
  return `${seconds} seconds`;
}

/** A rate as policies write it, download/upload: `20M/10M`, `20M/10M burst 40M/20M below 15M/10M for 8 seconds`. */
export function printRateText({ downloadBps, uploadBps, burst }: Rate): string {
  const limit = printBoth(downloadBps, uploadBps);
  if (burst === null) return limit;
  const below = printBoth(burst.thresholdDownloadBps, burst.thresholdUploadBps);
  return `${limit} burst ${printBoth(burst.downloadBps, burst.uploadBps)} below ${below} for ${printSeconds(burst.seconds)}`;
}

const printBoth = (down: number, up: number): string =>
  down === up ? printBps(down) : `${printBps(down)}/${printBps(up)}`;
