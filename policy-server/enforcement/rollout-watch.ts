import { decide } from '#domain/decide';
import type { Facts } from '#domain/facts';
import { type Policies, policyFor } from '#domain/rollout';
import { type Instant, MINUTE } from '#domain/time';
import { assess, type EnforcedNas, type Step } from '#enforcement/assess';
import type { Database } from '#storage/database';
import { type Finding, type WatchedSession, watchedSessions } from '#storage/rollout-sessions';
import type { Rollout } from '#storage/rollouts';
import { liveSessions } from '#storage/sessions';

export type Observer = {
  readonly db: Database;
  readonly policies: Policies;
  readonly nases: () => ReadonlyMap<number, EnforcedNas>;
  readonly loadEntries: (subscriberIds: readonly number[]) => Promise<readonly { readonly facts: Facts }[]>;
};

/** So long after it was told, a session that goes down is put down to the rollout; and so long its subscriber has to be back. */
const DOWN_WITHIN_MS = 2 * MINUTE;
const BACK_WITHIN_MS = 2 * MINUTE;
/** One of which nothing was heard for so long, though its turn had come, counts as a time-out. */
const TURN_MS = 5 * MINUTE;

/** What is decided of a watched session's subscriber: for the session while it lives, and whether it is denied at all. */
type Verdict = { readonly step: Step | null; readonly denied: boolean };

/**
 * Looks at the sessions a rollout has reached. Told is what `reconcile` would keep as it is, whoever brought it there. One
 * that its NAS no longer had when it was first asked was over by itself and says nothing of the policy.
 */
export async function observe(observer: Observer, rollout: Rollout, at: Instant): Promise<Finding[]> {
  const watched = await watchedSessions(observer.db, rollout.id, at);
  const verdicts = await verdictsOn(
    observer,
    watched.filter(({ toldAt, live, acked }) => toldAt === null && (live || acked)),
    at,
  );
  return watched.map((session) => findingOf(session, verdicts.get(session.sessionId), at));
}

async function verdictsOn(
  { db, policies, nases, loadEntries }: Observer,
  watched: readonly WatchedSession[],
  at: Instant,
): Promise<Map<number, Verdict>> {
  const verdicts = new Map<number, Verdict>();
  if (watched.length === 0) return verdicts;
  const ids = [...new Set(watched.map(({ subscriberId }) => subscriberId))];
  const [entries, live] = await Promise.all([loadEntries(ids), liveSessions(db, ids)]);
  const sessionsOf = Map.groupBy(live, ({ subscriberId }) => subscriberId);
  const watchedOf = Map.groupBy(watched, ({ subscriberId }) => subscriberId);
  for (const { facts } of entries) {
    const id = facts.subscriberId;
    const policy = policyFor(policies, id);
    const { steps } = assess(facts, sessionsOf.get(id) ?? [], [], policy, nases(), at);
    for (const { sessionId, nasId } of watchedOf.get(id) ?? []) {
      const step = steps.find(({ session }) => session.sessionId === sessionId) ?? null;
      const nas = nasId === null ? null : (nases().get(nasId) ?? null);
      const decision = step?.decision ?? decide({ ...facts, nas }, policy, at);
      verdicts.set(sessionId, { step, denied: decision.access === 'denied' });
    }
  }
  return verdicts;
}

function findingOf(session: WatchedSession, verdict: Verdict | undefined, at: Instant): Finding {
  const { sessionId, toldAt, live, acked } = session;
  const nothing = { sessionId, downAt: null, timedOut: false, lost: false, closed: false };
  if (toldAt !== null) return afterwards(session, toldAt, at);
  const left = verdict === undefined || !(live || acked);
  const nak = session.nak || (session.refused && !left);
  if (left) return { ...nothing, toldAt, nak, left };
  // Nobody waits for one to come back who is denied.
  if (!live) return { ...nothing, toldAt: at, downAt: verdict.denied ? null : at, nak, closed: verdict.denied, left };
  if (verdict.step?.action.do === 'keep') return { ...nothing, toldAt: at, nak, left };
  const timedOut = !nak && (session.silent || session.failing || at - session.reachedAt > TURN_MS);
  return { ...nothing, toldAt, nak, timedOut, left };
}

/** It was told: is it there, or its subscriber back? */
function afterwards(session: WatchedSession, toldAt: Instant, at: Instant): Finding {
  const { sessionId, nak } = session;
  const known = { sessionId, toldAt, nak, timedOut: false, left: false };
  const down = !(session.live || session.back);
  if (!down) return { ...known, downAt: null, lost: false, closed: at - toldAt >= DOWN_WITHIN_MS };
  const downAt = session.downAt ?? at;
  const lost = at - downAt >= BACK_WITHIN_MS;
  return { ...known, downAt, lost, closed: lost };
}
