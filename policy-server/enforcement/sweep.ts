import type { Facts } from '#domain/facts';
import { type Told, toldOf } from '#domain/reconcile';
import { type Policies, policyFor } from '#domain/rollout';
import { say } from '#domain/say';
import { type Instant, SECOND } from '#domain/time';
import { assess, type EnforcedNas, type Step } from '#enforcement/assess';
import type { Database } from '#storage/database';
import { sweepDue } from '#storage/due';
import { countSurvivedDisconnects, type LiveSession, listSessions, type SessionFilter } from '#storage/sessions';

const SWEEP_AT_ONCE = 5_000;

/**
 * Makes everybody with a live session or a static address due at a random instant within `spreadMs` from `at`: the guarantee behind the hints,
 * spread so that 100,000 sessions do not all come at once. Returns how many were marked; those due sooner, or failing and backing off, are not.
 */
export async function sweep(db: Database, at: Instant, spreadMs: number): Promise<number> {
  let marked = 0;
  let after = 0;
  for (;;) {
    const step = await sweepDue(db, at, spreadMs, after, SWEEP_AT_ONCE);
    marked += step.marked;
    if (step.last === null) return marked;
    after = step.last;
  }
}

/** A session that should be otherwise than it is, or of which it is not known whether it is. */
export type Drift = {
  readonly session: LiveSession;
  /**
   * - `differs`: its NAS has acknowledged something else than what is decided.
   * - `unconfirmed`: it acknowledged, but no accounting has come for two intervals since.
   * - `ending`: it acknowledged the end, but for two intervals neither a Stop nor a sign of life has come.
   */
  readonly is: 'differs' | 'unconfirmed' | 'ending';
  readonly decided: Told;
  readonly reason: string;
  /** Disconnects its NAS acknowledged and that did not end it. More than one is a NAS that says yes and does nothing. */
  readonly survivedDisconnects: number;
};

export type DriftOptions = {
  readonly db: Database;
  readonly loadEntries: (subscriberIds: readonly number[]) => Promise<readonly { readonly facts: Facts }[]>;
  readonly policies: Policies;
  readonly nases: ReadonlyMap<number, EnforcedNas>;
  readonly at: Instant;
  readonly filter?: Omit<SessionFilter, 'after' | 'limit'>;
};

const PAGE = 1_000;

/** Goes through all live sessions, a thousand at a time, and gives those that drift. Changes nothing. */
export async function* findDrift(options: DriftOptions): AsyncGenerator<Drift, void, void> {
  let after = 0;
  for (;;) {
    const page = await listSessions(options.db, { ...options.filter, after, limit: PAGE });
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.sessionId;
    yield* await driftOf(options, page);
  }
}

async function driftOf(options: DriftOptions, page: readonly LiveSession[]): Promise<Drift[]> {
  const sessionsOf = Map.groupBy(page, (session) => session.subscriberId);
  const ids = [...sessionsOf.keys()].filter((id) => id !== null);
  const entries = await options.loadEntries(ids);
  const drifting: Omit<Drift, 'survivedDisconnects'>[] = [];
  for (const { facts } of entries) {
    const sessions = sessionsOf.get(facts.subscriberId) ?? [];
    const policy = policyFor(options.policies, facts.subscriberId);
    for (const step of assess(facts, sessions, [], policy, options.nases, options.at).steps) {
      const found = judge(step, options.at);
      if (found !== null)
        drifting.push({ session: step.session, decided: toldOf(step.decision, step.vendor), ...found });
    }
  }
  const keys = drifting.map((drift) => drift.session.key);
  const survived = await countSurvivedDisconnects(options.db, ids, keys);
  return drifting
    .sort((a, b) => a.session.sessionId - b.session.sessionId)
    .map((drift) => ({ ...drift, survivedDisconnects: survived.get(drift.session.key) ?? 0 }));
}

function judge({ session, decision, action }: Step, at: Instant): Pick<Drift, 'is' | 'reason'> | null {
  if (action.do !== 'keep') return { is: 'differs', reason: `${action.do}: ${action.reason}` };
  const patienceMs = 2 * decision.interimSeconds * SECOND;
  if (session.endingSince !== null) {
    return at - session.endingSince > patienceMs ? { is: 'ending', reason: say`no Stop has come` } : null;
  }
  const { toldAt, confirmedAt } = session;
  const borneOut = toldAt === null || (confirmedAt !== null && confirmedAt >= toldAt);
  if (borneOut || at - toldAt <= patienceMs) return null;
  return { is: 'unconfirmed', reason: say`no accounting has come since it was told` };
}
