import type { Decision } from '#domain/decision';
import { type Burst, type Plan, type Rate, sameRate } from '#domain/plan';
import { DEFAULT_INTERIM_SECONDS, type Outcome, type RateChoice, WALLED_RATE } from '#domain/policy';

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
  return outcome.access !== 'denied' && (outcome.rate.is !== 'fixed' || outcome.profile?.is === 'plan');
}

/** An outcome made concrete with the plan it is about; null where there is none. */
export function termsOf(outcome: Outcome, plan: Plan | null): Terms {
  if (outcome.access === 'denied') return DENIED;
  const { profile } = outcome;
  return {
    access: outcome.access,
    rate: rateOf(outcome.rate, plan),
    addressList: outcome.addressList,
    profile: profile === null ? null : profile.is === 'named' ? profile.name : (plan?.profile ?? null),
    pool: outcome.pool,
    idleSeconds: outcome.idleSeconds,
    interimSeconds: outcome.interimSeconds,
    attributes: outcome.attributes,
  };
}

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
