import type { Policy } from '#domain/policy';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';

/** What lines are decided by: the policy in force and, while one takes its place, that other one for a share of all lines. */
export type Policies = {
  readonly current: Policy;
  /** `share` (0…1) of subscribers, by bucket, have this policy; `salt` tells which, and is another for each rollout. */
  readonly rollout: { readonly policy: Policy; readonly share: number; readonly salt: number } | null;
};

export const onlyPolicy = (current: Policy): Policies => ({ current, rollout: null });

/** The policy by which this subscriber is decided, on every node and by everybody who decides. */
export function policyFor({ current, rollout }: Policies, subscriberId: number): Policy {
  return rollout !== null && bucketOf(subscriberId, rollout.salt) < rollout.share ? rollout.policy : current;
}

const BITS_31 = 0x7f_ff_ff_ff;

/**
 * A subscriber's place among all, 0 ≤ x < 1: evenly spread, and another for each salt (a whole number below 2^31). The SQL
 * function `policy_bucket` of migration 006 says the same; a test holds them together.
 */
export function bucketOf(subscriberId: number, salt: number): number {
  let mixed = ((subscriberId % 2 ** 31) ^ Math.floor(subscriberId / 2 ** 31) ^ salt) & BITS_31;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b) & BITS_31;
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) & BITS_31;
  return (mixed ^ (mixed >>> 16)) / 2 ** 31;
}

/**
 * `canary`: its share is told and watched. `spreading`: the share grows. `done`: it is the policy in force.
 * `rolling-back`: the one before is in force again, and live sessions are told so at the pace. `rolled-back`: they are.
 * `stopped`: by itself, at a limit; the one before is in force for everybody, and those told are told back at once.
 */
export const ROLLOUT_STAGES = ['canary', 'spreading', 'done', 'stopped', 'rolling-back', 'rolled-back'] as const;
export type RolloutStage = (typeof ROLLOUT_STAGES)[number];

/** Shares (0…1) of the sessions that were told, above which a rollout stops; looked at from so many samples, or all, on. */
export type RolloutLimits = {
  readonly naks: number;
  readonly timeouts: number;
  readonly lost: number;
  readonly samples: number;
};

export const DEFAULT_LIMITS: RolloutLimits = { naks: 0.05, timeouts: 0.1, lost: 0.02, samples: 20 };

/** Live sessions that a rollout has reached. */
export type RolloutCounts = {
  /** Reached, and not over by themselves before they could be told. */
  readonly wanted: number;
  /** As the policy has it: nothing was to be said, their NAS acknowledged it, or they were denied. */
  readonly told: number;
  /** Their NAS refused a CoA or a Disconnect, though it still held the session. */
  readonly naks: number;
  /** Their NAS did not answer, and did before. */
  readonly timeouts: number;
  /** They went down within two minutes of being told, and their subscribers were not back two minutes later. */
  readonly lost: number;
};

export type RolloutStatus = {
  readonly id: number;
  /** Revisions: what was in force before, and what takes its place. */
  readonly from: number;
  readonly to: number;
  readonly stage: RolloutStage;
  readonly share: number;
  /** null: it spreads at once. */
  readonly canary: number | null;
  readonly perSecond: number;
  readonly watchSeconds: number;
  readonly startedAt: Instant;
  readonly endedAt: Instant | null;
  readonly startedBy: string;
  /** Why it was stopped or rolled back, in words. */
  readonly reason: string | null;
  readonly live: RolloutCounts;
  readonly limits: RolloutLimits;
  /** When it will be done if nothing gets in its way; null once it has ended. */
  readonly expectedEnd: Instant | null;
};

/** Whether a rollout has come to its end. */
export const hasEnded = (stage: RolloutStage): boolean =>
  stage === 'done' || stage === 'stopped' || stage === 'rolled-back';

/** What is known of the sessions a verdict is about. */
export type RolloutTally = RolloutCounts & {
  /** Neither told nor failed yet. */
  readonly waiting: number;
  /** Down after being told, and not for so long that they are lost. */
  readonly down: number;
};

/** A limit that is passed: which, and that in words. */
export type TooMuch = { readonly of: 'naks' | 'timeouts' | 'lost'; readonly says: string };

/** Why a rollout must not go on; null: nothing speaks against it, or too little is known. */
export function tooMuch(tally: RolloutTally, limits: RolloutLimits): TooMuch | null {
  const known = tally.wanted - tally.waiting;
  if (known === 0 || (tally.waiting > 0 && known < limits.samples)) return null;
  const of = (['naks', 'timeouts', 'lost'] as const).find((one) => tally[one] / known > limits[one]);
  return of === undefined
    ? null
    : { of, says: inWords[of](tally[of], known, share(tally[of] / known), share(limits[of])) };
}

const share = (part: number): string => `${Math.round(part * 1000) / 10} %`;

const inWords = {
  naks: (count: number, of: number, percent: string, limit: string) =>
    say`routers refused ${count} of ${of} sessions (${percent}, the limit is ${limit})`,
  timeouts: (count: number, of: number, percent: string, limit: string) =>
    say`routers did not answer for ${count} of ${of} sessions (${percent}, the limit is ${limit})`,
  lost: (count: number, of: number, percent: string, limit: string) =>
    say`${count} of ${of} sessions went down and did not come back (${percent}, the limit is ${limit})`,
};

/** Whether the answer is in: nobody waits, and if all who are down now were lost, that would not be too many. */
export const isSettled = (tally: RolloutTally, limits: RolloutLimits): boolean =>
  tally.waiting === 0 && tooMuch({ ...tally, lost: tally.lost + tally.down }, limits) === null;
