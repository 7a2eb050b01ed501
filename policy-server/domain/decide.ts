import { holds, type Look, lookAt, planOf } from '#domain/condition';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import type { Plan } from '#domain/plan';
import { FALLBACK, type Outcome, type Policy, type Rule } from '#domain/policy';
import { reasonsFor } from '#domain/reasons';
import { samePlanFor, sameTerms, type Terms, termsOf, usesPlan } from '#domain/terms';
import { type Instant, NEVER } from '#domain/time';

/**
 * Boundaries looked across for one decision: past so many at which the answer stays the same, the last of them is given as
 * `validUntil`. That is early, never late: whoever asks again then gets the next stretch. 64 is more than five years of
 * monthly renewals without a gap.
 */
export const MOST_BOUNDARIES = 64;

/**
 * What a subscriber gets at an instant. Total: every facts, policy and instant has an answer, and where no rule speaks it is
 * walled at 128k. The answer is the same at every instant from `at` to before `validUntil` and for every usage that keeps
 * `chargedBytes` below `validBelow`, in whatever order and to whichever grants the usage is charged. `validUntil > at` and
 * `validBelow > facts.chargedBytes`.
 *
 * How: each condition that the answer rests on says until when it is certain; at that boundary the rules are gone through
 * again, and a boundary at which the terms stay the same (a renewal without a gap, a window that changes nothing) is
 * crossed. `validBelow` is then the least over all stretches crossed. See the README for why that is right.
 */
export function decide(facts: Facts, policy: Policy, at: Instant): Decision {
  const now = settle(facts, policy, at);
  const terms = termsOf(now.outcome, now.plan, facts);
  const samePlan = samePlanFor(now.outcome);
  let until = now.look.until;
  let furtherBytes = now.look.furtherBytes;
  for (let crossed = 0; until !== NEVER && crossed < MOST_BOUNDARIES; crossed++) {
    const next = settle(facts, policy, until);
    const same =
      (next.outcome === now.outcome && samePlanOrNone(next.plan, now.plan, samePlan)) ||
      sameTerms(termsOf(next.outcome, next.plan, facts), terms);
    if (!same) break;
    if (next.look.furtherBytes < furtherBytes) furtherBytes = next.look.furtherBytes;
    until = next.look.until;
  }
  return {
    access: terms.access,
    rate: terms.rate,
    addressList: terms.addressList,
    profile: terms.profile,
    pool: terms.pool,
    idleSeconds: terms.idleSeconds,
    interimSeconds: terms.interimSeconds,
    attributes: terms.attributes,
    validUntil: until,
    validBelow: facts.chargedBytes + furtherBytes,
    because: reasonsFor(facts, policy.zone, at, now.rule, now.look.standing),
  };
}

/**
 * What a subscriber gets at an instant and by which rule (null = none), and an instant, later than `at`, before which that
 * does not change: for who walks through many instants of many subscribers and does not ask why. `decide` looks across
 * such bounds where nothing changes, this does not.
 */
export function termsAt(
  facts: Facts,
  policy: Policy,
  at: Instant,
): { rule: string | null; terms: Terms; until: Instant } {
  const { rule, outcome, plan, look } = settle(facts, policy, at);
  return { rule: rule === null ? null : rule.name, terms: termsOf(outcome, plan, facts), until: look.until };
}

type Settled = {
  readonly rule: Rule | null;
  readonly outcome: Outcome;
  /** The plan that the outcome is about; null where it asks for none, or there is none. */
  readonly plan: Plan | null;
  /** Holds until when and how much usage this is certain. */
  readonly look: Look;
};

/** Goes through the rules at one instant. */
function settle(facts: Facts, policy: Policy, at: Instant): Settled {
  const look = lookAt(facts, policy.zone, at);
  let matched: Rule | null = null;
  for (const rule of policy.rules) {
    if (!holds(rule.when, look)) continue;
    matched = rule;
    break;
  }
  const outcome = matched === null ? FALLBACK : matched.give;
  const plan = usesPlan(outcome) ? planOf(look, samePlanFor(outcome)) : null;
  return { rule: matched, outcome, plan, look };
}

type SamePlan = (one: Plan, other: Plan) => boolean;

function samePlanOrNone(one: Plan | null, other: Plan | null, samePlan: SamePlan): boolean {
  return one === other || (one !== null && other !== null && samePlan(one, other));
}
