import { setImmediate as turn } from 'node:timers/promises';
import { assert } from '#domain/assert';
import { monotonicMs } from '#domain/clock';
import type { Policy } from '#domain/policy';
import {
  type Impact,
  type ImpactGroup,
  type ImpactSession,
  ImpactTally,
  type OpenGroup,
  type ReplyOf,
} from '#domain/policy-impact';
import { policyFor } from '#domain/rollout';
import type { Desk } from '#operations/desk';
import type { Queryable } from '#storage/database';
import { loadAllFacts } from '#storage/facts';
import { currentPolicies, policyInForce } from '#storage/policy';
import { countStaticAddresses, countSubscribers, linesOf, touchedNases, touchedSessions } from '#storage/policy-impact';

export type PlanDesk = Pick<Desk, 'db' | 'zone' | 'clock'> & { readonly replyOf: ReplyOf };

export type PlanOptions = {
  /** Subscribers looked at so far, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Sessions a second that the rollout is to tell at most; 50 if not given. */
  readonly perSecond?: number;
};

export const PER_SECOND = 50;

/**
 * What the policy would do to every subscriber and every live session, were it published now: from one moment of the
 * database, and without a lock. Changes nothing.
 */
export async function planPolicy(desk: PlanDesk, policy: Policy, options: PlanOptions = {}): Promise<Impact> {
  const began = monotonicMs();
  const planned = await desk.db.transaction((tx) => plan(tx, desk, policy, options), {
    isolation: 'repeatable read',
    readOnly: true,
    statementTimeoutMs: 0,
  });
  return { ...planned, tookMs: Math.round(monotonicMs() - began) };
}

async function plan(
  q: Queryable,
  desk: PlanDesk,
  policy: Policy,
  { onProgress, perSecond = PER_SECOND }: PlanOptions,
): Promise<Omit<Impact, 'tookMs'>> {
  const at = desk.clock();
  const policies = await currentPolicies(q, desk.zone);
  const revision = (await policyInForce(q))?.id;
  assert(revision !== undefined, 'the first start has published the default policy');
  const current = (subscriberId: number) => policyFor(policies, subscriberId);
  const tally = new ImpactTally({ current, edited: policy, nases: await touchedNases(q), at, perSecond });
  const sessions = await touchedSessions(q);
  const addresses = await addressesBySubscriber(q);
  const total = onProgress === undefined ? 0 : await countSubscribers(q);
  let done = 0;
  let next = 0;
  let since = monotonicMs();
  await loadAllFacts(q, at, async (chunk) => {
    for (const facts of chunk) {
      const { subscriberId } = facts;
      // Both come in the order of subscribers: none is looked up.
      const first = next;
      while (next < sessions.length && sessions[next]!.subscriberId === subscriberId) next += 1;
      const own = first === next ? NO_SESSIONS : sessions.slice(first, next);
      tally.add(facts, own, addresses.get(subscriberId) ?? NO_ADDRESSES);
      done += 1;
      if (done % AT_ONCE !== 0 || monotonicMs() - since < LONGEST_TURN_MS) continue;
      await turn();
      since = monotonicMs();
    }
    onProgress?.(done, Math.max(done, total));
  });
  tally.addStrangers(sessions.length - next);
  const { groups, later, ...sum } = tally.result();
  const lines = await linesOf(q, samplesIn([...groups, ...later.groups]));
  const told = (group: OpenGroup) => withSamples(group, lines, desk.replyOf);
  return {
    ...sum,
    revision: { from: revision },
    groups: groups.map(told),
    later: { ...later, groups: later.groups.map(told) },
  };
}

/** A policy of a hundred windows takes milliseconds for each subscriber: pages are answered in between. */
const LONGEST_TURN_MS = 20;
const AT_ONCE = 10;

const NO_SESSIONS: readonly ImpactSession[] = [];
const NO_ADDRESSES: ReadonlyMap<number, number> = new Map();

async function addressesBySubscriber(q: Queryable): Promise<Map<number, Map<number, number>>> {
  const counts = new Map<number, Map<number, number>>();
  for (const { subscriberId, nasId, count } of await countStaticAddresses(q)) {
    const perNas = counts.get(subscriberId) ?? new Map<number, number>();
    counts.set(subscriberId, perNas.set(nasId, count));
  }
  return counts;
}

const samplesIn = (groups: readonly OpenGroup[]): number[] => [
  ...new Set(groups.flatMap(({ samples }) => samples.map(({ facts }) => facts.subscriberId))),
];

function withSamples(group: OpenGroup, lines: Awaited<ReturnType<typeof linesOf>>, replyOf: ReplyOf): ImpactGroup {
  const samples = group.samples.flatMap(({ facts, before, after, at }) => {
    const line = lines.get(facts.subscriberId);
    if (line === undefined) return [];
    const told = (decision: typeof before) => replyOf(decision, line, facts.nas, at);
    const { subscriberId, username, nas } = facts;
    return [{ subscriberId, username, nas: nas?.name ?? null, before: told(before), after: told(after) }];
  });
  return { ...group, samples };
}
