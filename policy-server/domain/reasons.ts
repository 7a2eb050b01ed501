import { graceEnd, holds, lookAt, openingAt, shareStep, usedInForce } from '#domain/condition';
import type { Reason } from '#domain/decision';
import { coveredUntil, type Standing, standingAt } from '#domain/entitlement';
import type { Facts } from '#domain/facts';
import type { Condition, Rule } from '#domain/policy';
import type { Instant } from '#domain/time';

type Case = {
  readonly facts: Facts;
  readonly zone: string;
  readonly at: Instant;
  readonly standing: Standing;
  readonly reasons: Reason[];
};

/**
 * Why a rule (null = none) gives its outcome: what its condition rests on, then how the subscriber is covered where that
 * is not said yet, then the rule's name. Never empty.
 */
export function reasonsFor(
  facts: Facts,
  zone: string,
  at: Instant,
  rule: Rule | null,
  known: Standing | null,
): readonly Reason[] {
  const standing = known ?? standingAt(facts.grants, at);
  const reasons: Reason[] = [];
  if (rule !== null) tell(rule.when, true, { facts, zone, at, standing, reasons });
  if (rule === null || rule.give.access !== 'denied' || reasons.length === 0) {
    // Spent says more than covered does; with something left it is the other way round.
    if (standing.leftBytes === 0) tellAllowance(standing, reasons);
    tellCover(facts, standing, reasons);
    tellAllowance(standing, reasons);
  }
  reasons.push(rule === null ? { is: 'fallback' } : { is: 'rule', name: rule.name });
  return reasons;
}

/** Adds what makes a condition come out as it does; it does come out as `outcome`. */
function tell(condition: Condition, outcome: boolean, about: Case): void {
  switch (condition.is) {
    case 'not':
      tell(condition.of, !outcome, about);
      return;
    case 'all':
    case 'any':
      tellMembers(condition, outcome, about);
      return;
    case 'covered':
    case 'had-cover':
    case 'plan':
      tellCover(about.facts, about.standing, about.reasons);
      return;
    case 'allowance-left':
      tellAllowance(about.standing, about.reasons);
      return;
    default:
      if (outcome) tellTrue(condition, about);
  }
}

/** Where one member decides ("any" true, "all" false) the first such is told, else each of them. */
function tellMembers(condition: Condition & { is: 'all' | 'any' }, outcome: boolean, about: Case): void {
  const oneDecides = outcome === (condition.is === 'any');
  for (const member of condition.of) {
    const decides = oneDecides && holds(member, lookAt(about.facts, about.zone, about.at)) === outcome;
    if (!oneDecides || decides) tell(member, outcome, about);
    if (decides) return;
  }
}

type Leaf = Exclude<Condition, { is: 'all' | 'any' | 'not' | 'covered' | 'had-cover' | 'plan' | 'allowance-left' }>;

function tellTrue(condition: Leaf, { facts, zone, at, standing, reasons }: Case): void {
  switch (condition.is) {
    case 'suspended':
      if (facts.suspendedSince !== null) reasons.push({ is: 'suspended', since: facts.suspendedSince });
      return;
    case 'fair-use':
    case 'fair-use-share': {
      const { per } = condition;
      const stepBytes = condition.is === 'fair-use' ? condition.bytes : shareStep(condition.share, standing);
      const usedBytes = per === null ? standing.usedBytes : usedInForce(per, { facts, zone, at });
      reasons.push({ is: 'fair-use', usedBytes, stepBytes, per });
      return;
    }
    case 'window':
      reasons.push({ is: 'window', from: condition.from, to: condition.to });
      return;
    case 'grace': {
      const until = graceEnd(condition.days, standing);
      if (until !== null) reasons.push({ is: 'grace', until });
      return;
    }
    case 'overdue':
      if (facts.owesSince !== null) reasons.push({ is: 'overdue', since: facts.owesSince });
      return;
    case 'paying':
      reasons.push({ is: 'paying', until: openingAt(condition, { facts, zone, at }).until });
      return;
    case 'billing':
      reasons.push({ is: 'billing', billing: condition.billing });
      return;
    case 'tag':
      reasons.push({ is: 'tag', tag: condition.tag });
      return;
    case 'nas':
    case 'nas-tag':
    case 'nas-vendor':
      if (facts.nas !== null) reasons.push({ is: 'nas', name: facts.nas.name });
  }
}

function tellCover(facts: Facts, standing: Standing, reasons: Reason[]): void {
  for (const { is } of reasons) {
    if (is === 'covered' || is === 'expired' || is === 'not-yet-covered' || is === 'never-covered') return;
  }
  const { serving, lastEnded, nextToBegin } = standing;
  if (serving !== null) {
    reasons.push({ is: 'covered', plan: serving.plan.name, until: coveredUntil(facts.grants, serving) });
    return;
  }
  if (lastEnded !== null) reasons.push({ is: 'expired', plan: lastEnded.plan.name, at: lastEnded.until });
  if (nextToBegin !== null)
    reasons.push({ is: 'not-yet-covered', plan: nextToBegin.plan.name, from: nextToBegin.from });
  if (lastEnded === null && nextToBegin === null) reasons.push({ is: 'never-covered' });
}

/** Nothing is said of an unlimited allowance, and not-covered is said by `tellCover`. */
function tellAllowance(standing: Standing, reasons: Reason[]): void {
  const { covered, allowanceBytes, leftBytes, usedBytes } = standing;
  if (!covered || allowanceBytes === Infinity) return;
  for (const { is } of reasons) if (is === 'allowance-left' || is === 'allowance-spent') return;
  reasons.push(
    leftBytes > 0
      ? { is: 'allowance-left', leftBytes, allowanceBytes }
      : { is: 'allowance-spent', usedBytes, allowanceBytes },
  );
}
