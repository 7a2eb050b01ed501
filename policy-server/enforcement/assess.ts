import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import type { Policy } from '#domain/policy';
import { type Action, reconcile } from '#domain/reconcile';
import { type Instant, NEVER } from '#domain/time';
import type { LiveSession } from '#storage/sessions';

/** What enforcement has to know of a NAS. */
export type EnforcedNas = {
  readonly name: string;
  readonly tags: readonly string[];
  /** CoA and Disconnect requests a second it is to get at most. */
  readonly coaPerSecond: number;
};

/** One session, what its subscriber gets on that NAS, and what has to be done about it. */
export type Step = { readonly session: LiveSession; readonly decision: Decision; readonly action: Action };

/** How one subscriber's sessions stand against what is decided. */
export type Assessment = {
  readonly steps: readonly Step[];
  /** First instant at which any of it could be decided otherwise. */
  readonly validUntil: Instant;
  /** Lowest chargedBytes at which it could. */
  readonly validBelow: number;
};

/**
 * Decides for each session with the NAS it is on (a policy may tell NASes apart), or once without a NAS where there is no
 * session, and compares. Pure.
 */
export function assess(
  facts: Facts,
  sessions: readonly LiveSession[],
  policy: Policy,
  nases: ReadonlyMap<number, EnforcedNas>,
  at: Instant,
): Assessment {
  const ids = new Set(sessions.map((session) => session.nasId));
  if (ids.size === 0) {
    const { validUntil, validBelow } = decide({ ...facts, nas: null }, policy, at);
    return { steps: [], validUntil, validBelow };
  }
  const steps: Step[] = [];
  let validUntil = NEVER;
  let validBelow = Number.POSITIVE_INFINITY;
  for (const nasId of ids) {
    const on = sessions.filter((session) => session.nasId === nasId);
    const nas = nases.get(nasId);
    const decision = decide({ ...facts, nas: nas === undefined ? null : nas }, policy, at);
    const actions = reconcile(decision, on, at);
    actions.forEach((action, index) => {
      steps.push({ session: on[index]!, decision, action });
    });
    validUntil = Math.min(validUntil, decision.validUntil);
    validBelow = Math.min(validBelow, decision.validBelow);
  }
  return { steps, validUntil, validBelow };
}
