/** How a subscriber stands, in one word for lists and figures. Computed at an instant, never stored. */
import { entitlement, standingAt } from '#domain/entitlement';
import type { Facts, Grant } from '#domain/facts';
import { DAY, type Instant } from '#domain/time';

/**
 * - `active`: covered, with something left. `ends-soon`: the same, but the cover ends within a day.
 * - `depleted`: covered, and every allowance in force is spent.
 * - `expired`: was covered once and is not now. `no-package`: never was.
 * - `suspended`: by an admin's act, whatever the grants say.
 */
export const STANDINGS = ['active', 'ends-soon', 'depleted', 'expired', 'no-package', 'suspended'] as const;
export type Standing = (typeof STANDINGS)[number];

/** Cover that ends within so long ends soon. */
export const SOON_MS = DAY;

/** Served as bought: what figures count as active. */
export const ACTIVE: readonly Standing[] = ['active', 'ends-soon'];
/** Has to buy before being served again. */
export const NEEDS_PACKAGE: readonly Standing[] = ['depleted', 'expired', 'no-package'];

/** The standing at an instant. Does not depend on the order of the grants. */
export function standing(facts: Pick<Facts, 'grants' | 'suspendedSince'>, at: Instant): Standing {
  if (facts.suspendedSince !== null && facts.suspendedSince <= at) return 'suspended';
  const { covered, leftBytes, lastEnded } = standingAt(facts.grants, at);
  if (!covered) return lastEnded === null ? 'no-package' : 'expired';
  if (leftBytes === 0) return 'depleted';
  return coverEnd(facts.grants, at)! <= at + SOON_MS ? 'ends-soon' : 'active';
}

/**
 * Until when cover goes on without a gap from an instant, by whatever plans, grants to come included; null = not covered.
 * (`Entitlement.until` asks for plans of one name: it is about what is served, this about being served at all.)
 */
export function coverEnd(grants: readonly Grant[], at: Instant): Instant | null {
  let end: Instant | null = null;
  for (let grown = true; grown; ) {
    grown = false;
    for (const grant of grants) {
      if (grant.from > (end ?? at) || grant.until <= (end ?? at) || grant.from >= grant.until) continue;
      end = grant.until;
      grown = true;
    }
  }
  return end;
}

/** What a subscriber's grants amount to, for one line of a list. */
export type Bought = {
  readonly standing: Standing;
  /** The plan that serves; of who is not covered the one that ended last; null = none yet. */
  readonly plan: string | null;
  /** Until when the cover goes on without a gap (maybe NEVER); of who is not covered when it ended; null = never was. */
  readonly endsAt: Instant | null;
  /** Of the allowances in force together; null = unlimited; 0 = spent or not covered. */
  readonly leftBytes: number | null;
  readonly allowanceBytes: number | null;
};

export function boughtAt(facts: Pick<Facts, 'grants' | 'suspendedSince'>, at: Instant): Bought {
  const { plan, leftBytes, allowanceBytes } = entitlement(facts, at);
  const { lastEnded } = standingAt(facts.grants, at);
  return {
    standing: standing(facts, at),
    plan: plan?.name ?? lastEnded?.plan.name ?? null,
    endsAt: coverEnd(facts.grants, at) ?? lastEnded?.until ?? null,
    leftBytes,
    allowanceBytes,
  };
}
