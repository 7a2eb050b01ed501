/** What a subscriber's grants amount to at an instant, and which of them usage is charged to. */
import type { Facts, Grant } from '#domain/facts';
import type { Plan } from '#domain/plan';
import { type Instant, NEVER } from '#domain/time';

/** The grants in force at an instant, taken together. */
export type Entitlement = {
  /** In force (`from <= at < until`), earliest-ending first. Empty = not covered. */
  readonly inForce: readonly Grant[];
  /** The plan that serves: the fastest in force that has allowance left, or the fastest when all is spent; null = not covered. */
  readonly plan: Plan | null;
  /** Until when cover by a plan of that name goes on without a gap, grants to come included; null = not covered. */
  readonly until: Instant | null;
  /** Sum of the allowances in force; null = unlimited (one in force is); 0 = not covered. */
  readonly allowanceBytes: number | null;
  /** Bytes charged to the grants in force. */
  readonly usedBytes: number;
  /** What is left of each allowance in force, added up; null = unlimited; 0 = spent or not covered. */
  readonly leftBytes: number | null;
};

/** The entitlement of a subscriber at an instant. Does not depend on the order of the grants. */
export function entitlement(facts: Pick<Facts, 'grants'>, at: Instant): Entitlement {
  const standing = standingAt(facts.grants, at);
  const serving = standing.serving;
  return {
    inForce: facts.grants.filter((grant) => inForce(grant, at)).sort(byEnd),
    plan: serving?.plan ?? null,
    until: serving === null ? null : coveredUntil(facts.grants, serving),
    allowanceBytes: standing.allowanceBytes === Infinity ? null : standing.allowanceBytes,
    usedBytes: standing.usedBytes,
    leftBytes: standing.leftBytes === Infinity ? null : standing.leftBytes,
  };
}

/** What charging looks at of a grant. */
export type Chargeable = Omit<Grant, 'plan' | 'metered'> & { readonly plan: Pick<Plan, 'rate' | 'allowanceBytes'> };

/**
 * Which grants bytes used at an instant are charged to, as grant id → bytes (> 0): to what serves. Of those in force with
 * something left the fastest plan first; of equally fast ones an unlimited before a limited (a day pass does not drain the
 * month beside it), then the earliest-ending; what is over goes to the next. When every one is spent, to the latest-ending.
 * With none in force nobody is charged. Ends that are equal go by id.
 */
export function charge(grants: readonly Chargeable[], at: Instant, bytes: number): Map<number, number> {
  const charged = new Map<number, number>();
  if (bytes <= 0) return charged;
  const candidates = grants.filter((grant) => inForce(grant, at)).sort(byEnd);
  let rest = bytes;
  for (const grant of candidates.filter((candidate) => leftOf(candidate) > 0).sort(chargedBefore)) {
    const share = Math.min(leftOf(grant), rest);
    charged.set(grant.id, share);
    rest -= share;
    if (rest === 0) return charged;
  }
  const last = candidates.at(-1);
  if (last !== undefined) charged.set(last.id, (charged.get(last.id) ?? 0) + rest);
  return charged;
}

function chargedBefore(one: Chargeable, other: Chargeable): number {
  const limited = (grant: Chargeable) => (grant.plan.allowanceBytes === null ? 0 : 1);
  return -byRate(one, other) || limited(one) - limited(other) || byEnd(one, other);
}

/** What `decide` needs of the grants at an instant, gathered in one pass. Unlimited is Infinity here, for arithmetic. */
export type Standing = {
  covered: boolean;
  allowanceBytes: number;
  usedBytes: number;
  leftBytes: number;
  /** The grant whose plan serves; null = not covered. */
  serving: Grant | null;
  /** The grant that ended last, at or before the instant. */
  lastEnded: Grant | null;
  /** The next grant to begin after the instant. */
  nextToBegin: Grant | null;
  /** The next instant at which a grant begins or ends; NEVER when none will. */
  nextEdge: Instant;
};

/** The standing of grants at an instant. */
export function standingAt(grants: readonly Grant[], at: Instant): Standing {
  const standing: Standing = {
    covered: false,
    allowanceBytes: 0,
    usedBytes: 0,
    leftBytes: 0,
    serving: null,
    lastEnded: null,
    nextToBegin: null,
    nextEdge: NEVER,
  };
  for (const grant of grants) {
    if (grant.from >= grant.until) continue;
    if (grant.until <= at) {
      if (standing.lastEnded === null || byEnd(grant, standing.lastEnded) > 0) standing.lastEnded = grant;
    } else if (grant.from > at) {
      if (standing.nextToBegin === null || byBeginning(grant, standing.nextToBegin) < 0) standing.nextToBegin = grant;
      if (grant.from < standing.nextEdge) standing.nextEdge = grant.from;
    } else {
      standing.covered = true;
      standing.allowanceBytes += grant.plan.allowanceBytes ?? Infinity;
      standing.usedBytes += grant.usedBytes;
      standing.leftBytes += leftOf(grant);
      if (standing.serving === null || servesBefore(grant, standing.serving)) standing.serving = grant;
      if (grant.until < standing.nextEdge) standing.nextEdge = grant.until;
    }
  }
  return standing;
}

/**
 * The least further usage after which another plan could serve while the same grants are in force; Infinity when none
 * could. Usage is taken to be charged in whatever way spends the serving plan soonest, because a late accounting record
 * is charged by the order of its own instant, not of this one. Plans are another where `samePlan` says so.
 */
export function servingPlanLeft(
  grants: readonly Grant[],
  at: Instant,
  serving: Grant,
  samePlan: (one: Plan, other: Plan) => boolean,
): number {
  if (leftOf(serving) === 0) return Infinity;
  const other = (withLeft: boolean) => bestOther(grants, at, withLeft, (plan) => !samePlan(plan, serving.plan));
  const rival = other(true) ?? other(false);
  if (rival === null) return Infinity;
  // Only rivals that would serve once everything better is spent count: with nothing left anywhere the fastest serves.
  if (leftOf(rival) === 0 && faster(serving, rival) > 0) return Infinity;
  let left = 0;
  for (const grant of grants) {
    if (inForce(grant, at) && leftOf(grant) > 0 && (grant === serving || servesBefore(grant, rival)))
      left += leftOf(grant);
  }
  return left;
}

function bestOther(
  grants: readonly Grant[],
  at: Instant,
  withLeft: boolean,
  isOther: (plan: Plan) => boolean,
): Grant | null {
  let best: Grant | null = null;
  for (const grant of grants) {
    if (!inForce(grant, at) || leftOf(grant) > 0 !== withLeft || !isOther(grant.plan)) continue;
    if (best === null || servesBefore(grant, best)) best = grant;
  }
  return best;
}

/** Until when cover by plans of the serving plan's name goes on without a gap. */
export function coveredUntil(grants: readonly Grant[], serving: Grant): Instant {
  let until = serving.until;
  for (let grown = true; grown; ) {
    grown = false;
    for (const grant of grants) {
      if (grant.plan.name !== serving.plan.name || grant.from > until || grant.until <= until) continue;
      if (grant.from >= grant.until) continue;
      until = grant.until;
      grown = true;
    }
  }
  return until;
}

function inForce(grant: Chargeable, at: Instant): boolean {
  return grant.from <= at && at < grant.until;
}

/** What is left of a grant's own allowance; Infinity when unlimited. */
function leftOf(grant: Chargeable): number {
  const allowance = grant.plan.allowanceBytes;
  return allowance === null ? Infinity : Math.max(0, allowance - grant.usedBytes);
}

/** Something left before nothing left, then the faster plan, then the later end. */
function servesBefore(grant: Grant, other: Grant): boolean {
  const left = leftOf(grant) > 0;
  if (left !== leftOf(other) > 0) return left;
  return faster(grant, other) > 0;
}

function faster(grant: Grant, other: Grant): number {
  return byRate(grant, other) || byEnd(grant, other);
}

function byRate(one: Chargeable, other: Chargeable): number {
  return one.plan.rate.downloadBps - other.plan.rate.downloadBps || one.plan.rate.uploadBps - other.plan.rate.uploadBps;
}

function byEnd(one: Chargeable, other: Chargeable): number {
  if (one.until !== other.until) return one.until < other.until ? -1 : 1;
  return one.id - other.id;
}

function byBeginning(one: Grant, other: Grant): number {
  if (one.from !== other.from) return one.from < other.from ? -1 : 1;
  return one.id - other.id;
}
