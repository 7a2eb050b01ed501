import { openingAt } from '#domain/condition';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import type { Condition, Policy } from '#domain/policy';
import { sameTerms } from '#domain/terms';
import { type Instant, localMidnight, nextLocalMidnight } from '#domain/time';

export type PaymentWindow = {
  readonly minutes: number;
  readonly timesADay: number;
  /** Until when one is open now; null when none is. */
  readonly openUntil: Instant | null;
  /** How often it can still be opened on the company's day of today. */
  readonly timesLeft: number;
  /** From when on it can be opened: now, when the one that is open ends, or when the next day begins. */
  readonly nextFrom: Instant;
};

/** The line needs none, the line is suspended, or the policy gives it none. */
export type NoWindow = 'not-needed' | 'suspended' | 'not-given';

/**
 * The payment window that the policy gives a line at an instant: it gives one when an opening, made at that instant and
 * none before, would change what the line gets.
 */
export function paymentWindow(facts: Facts, policy: Policy, at: Instant): PaymentWindow | NoWindow {
  const shut = decide({ ...facts, openings: [] }, policy, at);
  const open = decide({ ...facts, openings: [at] }, policy, at);
  const condition = sameTerms(shut, open) ? null : conditionOf(open, policy);
  if (condition === null)
    return shut.access === 'denied' ? 'suspended' : shut.access === 'walled' ? 'not-given' : 'not-needed';
  const { minutes, timesADay } = condition;
  const { from, until } = openingAt(condition, { facts, zone: policy.zone, at });
  const openUntil = from <= at ? until : null;
  const today = localMidnight(at, policy.zone);
  const times = facts.openings.filter((opening) => localMidnight(opening, policy.zone) === today).length;
  const timesLeft = Math.max(0, timesADay - times);
  const nextFrom = timesLeft === 0 ? nextLocalMidnight(at, policy.zone) : (openUntil ?? at);
  return { minutes, timesADay, openUntil, timesLeft, nextFrom };
}

type Paying = Condition & { is: 'paying' };

/** The condition behind an open window: of the rule that gives it, else of the last rule before that was passed by for it. */
function conditionOf(open: Decision, policy: Policy): Paying | null {
  const given = open.because.find((reason) => reason.is === 'rule');
  const last =
    given === undefined ? policy.rules.length - 1 : policy.rules.findIndex(({ name }) => name === given.name);
  for (const { when } of policy.rules.slice(0, last + 1).toReversed()) {
    const found = payingIn(when);
    if (found !== null) return found;
  }
  return null;
}

function payingIn(condition: Condition): Paying | null {
  switch (condition.is) {
    case 'paying':
      return condition;
    case 'not':
      return payingIn(condition.of);
    case 'all':
    case 'any':
      for (const member of condition.of) {
        const found = payingIn(member);
        if (found !== null) return found;
      }
      return null;
    default:
      return null;
  }
}
