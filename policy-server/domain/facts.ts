import type { Plan } from '#domain/plan';
import type { NasVendor } from '#domain/policy';
import type { Instant } from '#domain/time';
import type { Metered } from '#domain/usage-period';

/**
 * All that `decide` may look at, at rest: no "now" and nothing that time alone decides. Standing (covered, expired,
 * spent) is computed from these; only acts (a grant, a suspension, accounted usage) are stored.
 */
export type Facts = {
  readonly subscriberId: number;
  readonly username: string;
  readonly billing: 'prepaid' | 'postpaid';
  readonly tags: readonly string[];
  /** Since when the subscriber is suspended by an admin's act; null when not. */
  readonly suspendedSince: Instant | null;
  /**
   * When the oldest invoice of a postpaid line that is neither settled nor void was due, or will be; null when none is
   * open.
   */
  readonly owesSince: Instant | null;
  /** When the subscriber opened a payment window, ascending: the last opening and those of the two days before it. */
  readonly openings: readonly Instant[];
  /** Every grant that is in force, is still to come, or ended within the longest grace a policy may give. In no order. */
  readonly grants: readonly Grant[];
  /**
   * Bytes ever charged to this subscriber's grants, up and down together; it never shrinks. It is the scale on which
   * `Decision.validBelow` is read.
   */
  readonly chargedBytes: number;
  /** The NAS that asks, where one does; null when nobody dials (a forecast, a list). */
  readonly nas: { readonly name: string; readonly tags: readonly string[]; readonly vendor: NasVendor } | null;
  /** Grows with every stored change of this subscriber: a reader keeps the higher of two. */
  readonly version: number;
};

/** A right to service for a span of time, bought or given; the plan is the revision that was sold. */
export type Grant = {
  readonly id: number;
  readonly plan: Plan;
  /** In force from this instant … */
  readonly from: Instant;
  /** … until just before this one (a revoked grant ends where it was revoked). `from < until`. */
  readonly until: Instant;
  /** Bytes charged to this grant so far. */
  readonly usedBytes: number;
  /** What of them belongs to which day, week and month; null = nothing was charged since there is metering. */
  readonly metered: Metered | null;
};
