import { decide } from '#domain/decide';
import type { Facts } from '#domain/facts';
import type { Policy } from '#domain/policy';
import { policyFor } from '#domain/rollout';
import type { Instant } from '#domain/time';
import type { Context } from '#portal/shared/context';
import { loadFacts } from '#storage/facts';
import { currentPolicies } from '#storage/policy';

/** What a line gets for money's sake, whatever its package says: it is closed, or open for a while to pay. */
export type MoneyReason =
  | { readonly is: 'overdue'; readonly since: Instant }
  | { readonly is: 'paying'; readonly until: Instant };

type Asking = Pick<Context, 'db' | 'now' | 'parts'>;

/** Of those subscribers for whom it is so by their policy. Four small statements for any number. */
export async function moneyReasons(
  context: Asking,
  subscriberIds: readonly number[],
): Promise<ReadonlyMap<number, MoneyReason>> {
  return subscriberIds.length === 0
    ? new Map()
    : moneyReasonsOf(context, [...(await loadFacts(context.db, subscriberIds)).values()]);
}

/** The same for who has the facts. */
export async function moneyReasonsOf(
  { db, now, parts }: Asking,
  facts: readonly Facts[],
): Promise<ReadonlyMap<number, MoneyReason>> {
  const found = new Map<number, MoneyReason>();
  const maybe = facts.filter(({ owesSince, openings }) => owesSince !== null || openings.length > 0);
  if (maybe.length === 0) return found;
  const policies = await currentPolicies(db, parts.zone);
  for (const one of maybe) {
    const reason = reasonBy(policyFor(policies, one.subscriberId), one, now);
    if (reason !== null) found.set(one.subscriberId, reason);
  }
  return found;
}

function reasonBy(policy: Policy, facts: Facts, at: Instant): MoneyReason | null {
  const { because } = decide(facts, policy, at);
  const reason = because.find(({ is }) => is === 'paying') ?? because.find(({ is }) => is === 'overdue');
  return reason?.is === 'paying' || reason?.is === 'overdue' ? reason : null;
}
