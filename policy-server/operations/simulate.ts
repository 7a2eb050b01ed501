import { assert } from '#domain/assert';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import { standingAt } from '#domain/entitlement';
import { InvalidInput } from '#domain/errors';
import type { Facts } from '#domain/facts';
import type { Policy } from '#domain/policy';
import type { RepliedLine, ReplyOf, ToldAttributes } from '#domain/policy-impact';
import { printOutcome, printReason } from '#domain/print';
import { policyFor } from '#domain/rollout';
import { say } from '#domain/say';
import { sameTerms } from '#domain/terms';
import type { Instant } from '#domain/time';
import { METERED_PERIODS } from '#domain/usage-period';
import type { Desk } from '#operations/desk';
import { noSubscriberOfNumber, noSuchSubscriber } from '#operations/no-such-subscriber';
import { noNasFault } from '#operations/static-line';
import type { Queryable } from '#storage/database';
import { loadFacts } from '#storage/facts';
import { currentPolicies, policyInForce } from '#storage/policy';
import { linesOf, touchedNases } from '#storage/policy-impact';
import { liveSessions } from '#storage/sessions';
import { findSubscriber } from '#storage/subscribers';

/** Whom to ask about and what if; what is left out is as it is stored now. */
export type Question = ({ readonly subscriberId: number } | { readonly username: string }) & {
  readonly policy: Policy;
  readonly at?: Instant | undefined;
  /** As if the dial came from this router; left out, the one that holds their live session, if there is one. */
  readonly nasName?: string | undefined;
  /** As if so much had been used of the package that serves, all of it in the period that runs. */
  readonly usedBytes?: number | undefined;
};

/** What a policy answers, as `decide` gives it and in words. */
export type SimulatedAnswer = {
  readonly decision: Decision;
  /** One line: `full, 20 Mbps, list prepaid-active`. */
  readonly gets: string;
  /** Why, most telling first. */
  readonly reasons: readonly string[];
  /** What a dial would be told; empty = Access-Reject. */
  readonly attributes: ToldAttributes;
  /** First instant at which the answer could differ; NEVER when time alone will not change it. */
  readonly validUntil: Instant;
  /** Further bytes after which it could; Infinity when usage will not change it. */
  readonly furtherBytes: number;
};

export type Simulated = {
  readonly subscriberId: number;
  readonly username: string;
  readonly at: Instant;
  readonly nas: string | null;
  /** Under the policy that was asked about. */
  readonly given: SimulatedAnswer;
  /** Under the policy in force (in a rollout, the one this subscriber has). */
  readonly inForce: SimulatedAnswer & { readonly revision: number };
  /** Whether both give the line the same terms. */
  readonly same: boolean;
};

export type SimulateDesk = Pick<Desk, 'db' | 'zone' | 'clock'> & { readonly replyOf: ReplyOf };

/**
 * What a subscriber would get, when, at which router, and why: under a policy that need not be published, beside what they
 * get under the one in force. Changes nothing.
 *
 * @throws InvalidInput for a subscriber or router that is not there, and for usage of a package that nobody has then
 */
export async function simulate(desk: SimulateDesk, question: Question): Promise<Simulated> {
  const { db, zone } = desk;
  const at = question.at ?? desk.clock();
  const facts = await factsOf(db, question);
  const nas = await nasOf(db, question, facts.subscriberId);
  const line =
    (await linesOf(db, [facts.subscriberId])).get(facts.subscriberId) ?? noSubscriberOfNumber(facts.subscriberId);
  const asked = { ...withUsage(facts, at, question.usedBytes), nas };
  const inForce = policyFor(await currentPolicies(db, zone), facts.subscriberId);
  const revision = (await policyInForce(db))?.id;
  assert(revision !== undefined, 'the first start has published the default policy');
  const answer = (policy: Policy) => answerOf(desk, asked, policy, line, at);
  const [given, now] = [answer(question.policy), answer(inForce)];
  return {
    subscriberId: facts.subscriberId,
    username: facts.username,
    at,
    nas: nas?.name ?? null,
    given,
    inForce: { ...now, revision },
    same: sameTerms(given.decision, now.decision),
  };
}

function answerOf(desk: SimulateDesk, facts: Facts, policy: Policy, line: RepliedLine, at: Instant): SimulatedAnswer {
  const decision = decide(facts, policy, at);
  return {
    decision,
    gets: printOutcome(decision),
    reasons: decision.because.map((reason) => printReason(reason, desk.zone)),
    attributes: desk.replyOf(decision, line, facts.nas, at),
    validUntil: decision.validUntil,
    furtherBytes: decision.validBelow - facts.chargedBytes,
  };
}

async function factsOf(q: Queryable, question: Question): Promise<Facts> {
  const id =
    'subscriberId' in question
      ? question.subscriberId
      : ((await findSubscriber(q, question.username))?.id ?? noSuchSubscriber(question.username));
  return (await loadFacts(q, [id])).get(id) ?? noSubscriberOfNumber(id);
}

async function nasOf(q: Queryable, { nasName }: Question, subscriberId: number): Promise<Facts['nas']> {
  const nases = await touchedNases(q);
  if (nasName === undefined) {
    const session = (await liveSessions(q, [subscriberId])).at(-1);
    return session === undefined ? null : (nases.get(session.nasId) ?? null);
  }
  const named = [...nases.values()].find(({ name }) => name === nasName);
  if (named !== undefined) return named;
  throw new InvalidInput([
    noNasFault(
      nasName,
      [...nases.values()].map(({ name }) => name),
    ),
  ]);
}

/** The facts as if the package that serves had been used so far, all of it in each of its periods. */
function withUsage(facts: Facts, at: Instant, usedBytes: number | undefined): Facts {
  if (usedBytes === undefined) return facts;
  const { serving } = standingAt(facts.grants, at);
  if (serving === null)
    throw new InvalidInput([say`used: ${facts.username} has no package then of which something could be used`]);
  const metered = { lastAt: at, bases: METERED_PERIODS.map(() => 0) };
  return {
    ...facts,
    grants: facts.grants.map((grant) => (grant === serving ? { ...grant, usedBytes, metered } : grant)),
    chargedBytes: facts.chargedBytes + usedBytes - serving.usedBytes,
  };
}
