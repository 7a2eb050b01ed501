import { type Standing, servingPlanLeft, standingAt } from '#domain/entitlement';
import type { Facts } from '#domain/facts';
import type { Plan } from '#domain/plan';
import type { Condition, UsagePeriod } from '#domain/policy';
import { DAY, type Instant, localMidnight, MINUTE, NEVER, windowAt } from '#domain/time';
import { usedIn, usedUntil } from '#domain/usage-period';

/**
 * One look at a subscriber at an instant, and what the answers found so far rest on: they hold at every instant before
 * `until` (later than `at`) and while less than `furtherBytes` (more than 0) more are charged, to whichever grants.
 */
export type Look = {
  readonly facts: Facts;
  readonly zone: string;
  readonly at: Instant;
  standing: Standing | null;
  until: Instant;
  furtherBytes: number;
};

export function lookAt(facts: Facts, zone: string, at: Instant): Look {
  return { facts, zone, at, standing: null, until: NEVER, furtherBytes: Infinity };
}

/** The standing of the grants. Whoever uses it depends on which grants are in force: until the next begins or ends. */
export function standingOf(look: Look): Standing {
  look.standing ??= standingAt(look.facts.grants, look.at);
  if (look.standing.nextEdge < look.until) look.until = look.standing.nextEdge;
  return look.standing;
}

/**
 * The plan that serves, else the one that ended last. Narrows the look to where it stays the same one, as `samePlan` sees it.
 */
export function planOf(look: Look, samePlan: (one: Plan, other: Plan) => boolean): Plan | null {
  const { serving, lastEnded } = standingOf(look);
  if (serving === null) return lastEnded?.plan ?? null;
  const grants = look.facts.grants;
  if (grants.length > 1) narrow(look, NEVER, servingPlanLeft(grants, look.at, serving, samePlan));
  return serving.plan;
}

const sameName = (one: Plan, other: Plan): boolean => one.name === other.name;

/** Whether a condition holds; narrows the look's bounds to where the answer is certain. */
export function holds(condition: Condition, look: Look): boolean {
  switch (condition.is) {
    case 'all':
      return combined(condition.of, false, look);
    case 'any':
      return combined(condition.of, true, look);
    case 'not':
      return !holds(condition.of, look);
    case 'covered':
      return standingOf(look).covered;
    case 'suspended':
      return reachedSince(look.facts.suspendedSince, look);
    case 'allowance-left':
      return allowanceLeft(look);
    case 'fair-use':
      return stepReached(condition.bytes, condition.per, look);
    case 'fair-use-share':
      return stepReached(shareStep(condition.share, standingOf(look)), condition.per, look);
    case 'window': {
      const { inside, until } = windowAt(look.at, condition, look.zone);
      if (until < look.until) look.until = until;
      return inside;
    }
    case 'grace':
      return inGrace(condition.days, look);
    case 'overdue':
      return reachedSince(overdueFrom(condition.days, look.facts), look);
    case 'paying': {
      const { from, until } = openingAt(condition, look);
      narrow(look, until, Infinity);
      return from <= look.at;
    }
    case 'billing':
      return look.facts.billing === condition.billing;
    case 'tag':
      return look.facts.tags.includes(condition.tag);
    case 'nas':
      return look.facts.nas !== null && look.facts.nas.name === condition.name;
    case 'nas-tag':
      return look.facts.nas?.tags.includes(condition.tag) ?? false;
    case 'nas-vendor':
      return look.facts.nas?.vendor === condition.vendor;
    case 'had-cover': {
      const { covered, lastEnded } = standingOf(look);
      return !covered && lastEnded !== null;
    }
    case 'plan':
      return planOf(look, sameName)?.name === condition.name;
  }
}

/**
 * "All" is decided by one false member, "any" by one true: that member alone then carries the answer, and what the members
 * before it rest on does not matter. Without a decisive member the answer rests on every one.
 */
function combined(members: readonly Condition[], decisive: boolean, look: Look): boolean {
  const { until: untilBefore, furtherBytes: bytesBefore } = look;
  for (const member of members) {
    const { until, furtherBytes } = look;
    look.until = NEVER;
    look.furtherBytes = Infinity;
    if (holds(member, look) === decisive) {
      narrow(look, untilBefore, bytesBefore);
      return decisive;
    }
    narrow(look, until, furtherBytes);
  }
  return !decisive;
}

/** Narrows the bounds of a look by others. */
export function narrow(look: Look, until: Instant, furtherBytes: number): void {
  if (until < look.until) look.until = until;
  if (furtherBytes < look.furtherBytes) look.furtherBytes = furtherBytes;
}

/** From an instant on; never, where there is none. */
function reachedSince(since: Instant | null, look: Look): boolean {
  if (since === null) return false;
  if (since <= look.at) return true;
  narrow(look, since, Infinity);
  return false;
}

/** From when on the subscriber has been overdue for so many days of 24 hours; null when nothing is owed. */
export function overdueFrom(days: number, { owesSince }: Pick<Facts, 'owesSince'>): Instant | null {
  return owesSince === null ? null : owesSince + days * DAY;
}

/**
 * The payment window that is open, or the next one: `from` may be later than now. An opening counts when it is among the
 * first `timesADay` of its local day. Where there is none, both are NEVER.
 */
export function openingAt(
  { minutes, timesADay }: Condition & { is: 'paying' },
  { facts, zone, at }: Pick<Look, 'facts' | 'zone' | 'at'>,
): { readonly from: Instant; readonly until: Instant } {
  let day: Instant | null = null;
  let times = 0;
  for (const from of facts.openings) {
    const midnight = localMidnight(from, zone);
    times = midnight === day ? times + 1 : 1;
    day = midnight;
    if (times > timesADay) continue;
    if (at < from) return { from, until: from };
    if (at < from + minutes * MINUTE) return { from, until: from + minutes * MINUTE };
  }
  return { from: NEVER, until: NEVER };
}

function allowanceLeft(look: Look): boolean {
  const { leftBytes } = standingOf(look);
  if (leftBytes === 0) return false;
  narrow(look, NEVER, leftBytes);
  return true;
}

/** Bytes at which a share of the allowances in force is reached; Infinity when one is unlimited. At least 1. */
export function shareStep(share: number, standing: Standing): number {
  return Math.ceil(share * standing.allowanceBytes);
}

/**
 * Time alone never brings a step nearer (where the next period begins, less is used), so one that is not reached rests on
 * usage only; one that is reached holds until the first of its periods is over.
 */
function stepReached(stepBytes: number, per: UsagePeriod | null, look: Look): boolean {
  const standing = standingOf(look);
  if (!standing.covered) return false;
  const usedBytes = per === null ? standing.usedBytes : usedInForce(per, look);
  if (usedBytes < stepBytes) {
    narrow(look, NEVER, stepBytes - usedBytes);
    return false;
  }
  if (per === null) return true;
  for (const grant of look.facts.grants) {
    if (grant.from <= look.at && look.at < grant.until)
      narrow(look, usedUntil(grant, per, look.zone, look.at), Infinity);
  }
  return true;
}

/** What was charged to the grants in force, each in its period that runs. */
export function usedInForce(per: UsagePeriod, { facts, zone, at }: Pick<Look, 'facts' | 'zone' | 'at'>): number {
  let usedBytes = 0;
  for (const grant of facts.grants) {
    if (grant.from <= at && at < grant.until) usedBytes += usedIn(grant, per, zone, at);
  }
  return usedBytes;
}

/** The end of so many days of grace after the last cover; null when covered or never covered. */
export function graceEnd(days: number, standing: Standing): Instant | null {
  if (standing.covered || standing.lastEnded === null) return null;
  return standing.lastEnded.until + days * DAY;
}

function inGrace(days: number, look: Look): boolean {
  const end = graceEnd(days, standingOf(look));
  if (end === null || end <= look.at) return false;
  narrow(look, end, Infinity);
  return true;
}
