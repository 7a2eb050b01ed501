import { type AttributeTemplate, InvalidTemplate, parseTemplate, renderTemplate } from '#domain/attribute-template';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import { type Burst, type Plan, type Rate, samePlanTerms, sameRate } from '#domain/plan';
import {
  type AcceptedOutcome,
  DEFAULT_INTERIM_SECONDS,
  type NasVendor,
  type Outcome,
  type RateChoice,
  WALLED_RATE,
} from '#domain/policy';

/** The part of a decision that the subscriber and the NAS notice: what a change of decision is a change of. */
export type Terms = Omit<Decision, 'validUntil' | 'validBelow' | 'because'>;

const DENIED: Terms = {
  access: 'denied',
  rate: null,
  addressList: null,
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: DEFAULT_INTERIM_SECONDS,
  attributes: [],
};

/** Whether an outcome asks for something of the plan. */
export function usesPlan(outcome: Outcome): boolean {
  if (outcome.access === 'denied') return false;
  return outcome.rate.is !== 'fixed' || outcome.profile?.is === 'plan' || namesPlan(outcome);
}

/** Whether two plans are the same for an outcome: give the same terms, and where it tells the plan's name also have that. */
export function samePlanFor(outcome: Outcome): (one: Plan, other: Plan) => boolean {
  return outcome.access !== 'denied' && namesPlan(outcome) ? samePlanAndName : samePlanTerms;
}

const samePlanAndName = (one: Plan, other: Plan): boolean => one.name === other.name && samePlanTerms(one, other);

/** An outcome made concrete with the plan it is about (null where there is none) for who asks and for the NAS they ask from. */
export function termsOf(outcome: Outcome, plan: Plan | null, facts: Pick<Facts, 'username' | 'nas'>): Terms {
  if (outcome.access === 'denied') return DENIED;
  const { profile } = outcome;
  const terms = {
    access: outcome.access,
    rate: rateOf(outcome.rate, plan),
    addressList: outcome.addressList,
    profile: profile === null ? null : profile.is === 'named' ? profile.name : (plan?.profile ?? null),
    pool: outcome.pool,
    idleSeconds: outcome.idleSeconds,
    interimSeconds: outcome.interimSeconds,
    attributes: NO_ATTRIBUTES,
  };
  if (outcome.attributes.length === 0) return terms;
  return { ...terms, attributes: rendered(outcome.attributes, terms, plan, facts) };
}

const NO_ATTRIBUTES: Terms['attributes'] = [];

type Attributes = AcceptedOutcome['attributes'];
type ReadAttributes = {
  readonly all: readonly {
    readonly name: string;
    readonly vendor: NasVendor | null;
    readonly value: AttributeTemplate;
  }[];
  readonly namePlan: boolean;
};

/** Templates are read once in the life of a policy. */
const read = new WeakMap<Attributes, ReadAttributes>();

function attributesOf(attributes: Attributes): ReadAttributes {
  const known = read.get(attributes);
  if (known !== undefined) return known;
  const all = attributes.map(({ name, value, vendor }) => ({ name, vendor, value: templateOf(value) }));
  const namePlan = all.some(({ value }) => value.some((part) => typeof part !== 'string' && part.field === 'plan'));
  const found = { all, namePlan };
  read.set(attributes, found);
  return found;
}

/** Revisions from before there were templates may hold a brace that opens nothing: it is meant as it stands. */
function templateOf(text: string): AttributeTemplate {
  try {
    return parseTemplate(text);
  } catch (error) {
    if (error instanceof InvalidTemplate) return [text];
    throw error;
  }
}

const namesPlan = ({ attributes }: AcceptedOutcome): boolean =>
  attributes.length > 0 && attributesOf(attributes).namePlan;

/**
 * The attributes for the vendor that asks, in sending order: its own, and those for every vendor that it has none of the same
 * name of. An empty value is left out (RFC 2865 section 5). The NAS is looked at only where the outcome tells NASes apart: the
 * directory keeps one answer for all NASes otherwise.
 */
function rendered(
  attributes: Attributes,
  { rate, addressList, profile }: { rate: Rate; addressList: string; profile: string | null },
  plan: Plan | null,
  facts: Pick<Facts, 'username' | 'nas'>,
): Terms['attributes'] {
  const fields = {
    username: facts.username,
    plan: plan?.name ?? '',
    profile: profile ?? '',
    get nas() {
      return facts.nas?.name ?? '';
    },
    list: addressList,
    'download-bps': String(rate.downloadBps),
    'upload-bps': String(rate.uploadBps),
    'download-kbps': kilobits(rate.downloadBps),
    'upload-kbps': kilobits(rate.uploadBps),
  };
  const { all } = attributesOf(attributes);
  const tellsApart = all.some(({ vendor }) => vendor !== null);
  const asking = tellsApart ? (facts.nas?.vendor ?? null) : null;
  const own = all.filter(({ vendor }) => vendor !== null && vendor === asking);
  const isReplaced = (name: string) => own.some((one) => one.name.toLowerCase() === name.toLowerCase());
  return all
    .filter(({ vendor, name }) => (vendor === null ? !isReplaced(name) : vendor === asking))
    .map(({ name, value }) => [name, renderTemplate(value, fields)] as const)
    .filter(([, value]) => value !== '');
}

/** Never 0, which is no limit to many a NAS. */
const kilobits = (bps: number): string => String(Math.max(1, Math.round(bps / 1000)));

function rateOf(choice: RateChoice, plan: Plan | null): Rate {
  if (choice.is === 'fixed') {
    return { downloadBps: choice.downloadBps, uploadBps: choice.uploadBps, burst: choice.burst };
  }
  if (plan === null) return WALLED_RATE;
  if (choice.is === 'plan') return plan.rate;
  const { rate } = plan;
  return {
    downloadBps: shareOf(rate.downloadBps, choice.share),
    uploadBps: shareOf(rate.uploadBps, choice.share),
    burst: rate.burst === null ? null : burstShare(rate.burst, choice.share),
  };
}

function burstShare(burst: Burst, share: number): Burst {
  return {
    downloadBps: shareOf(burst.downloadBps, share),
    uploadBps: shareOf(burst.uploadBps, share),
    thresholdDownloadBps: shareOf(burst.thresholdDownloadBps, share),
    thresholdUploadBps: shareOf(burst.thresholdUploadBps, share),
    seconds: burst.seconds,
  };
}

/** A share of a rate in whole kilobits, as a router is told it, and never nothing (0 would mean no limit at all). */
function shareOf(bps: number, share: number): number {
  return Math.max(1, Math.round((bps * share) / 1000)) * 1000;
}

/** Whether two terms are the same for the subscriber and the NAS. */
export function sameTerms(one: Terms, other: Terms): boolean {
  return (
    one.access === other.access &&
    one.addressList === other.addressList &&
    one.profile === other.profile &&
    one.pool === other.pool &&
    one.idleSeconds === other.idleSeconds &&
    one.interimSeconds === other.interimSeconds &&
    (one.rate === other.rate || (one.rate !== null && other.rate !== null && sameRate(one.rate, other.rate))) &&
    sameAttributes(one.attributes, other.attributes)
  );
}

function sameAttributes(one: Terms['attributes'], other: Terms['attributes']): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  return one.every(([name, value], index) => name === other[index]![0] && value === other[index]![1]);
}
