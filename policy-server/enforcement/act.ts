import type { Clock } from '#domain/clock';
import { monotonicMs } from '#domain/clock';
import { toldOf } from '#domain/reconcile';
import { say } from '#domain/say';
import type { ListStep, Step } from '#enforcement/assess';
import type { Answer, NasDriver } from '#enforcement/driver';
import type { Lane } from '#enforcement/lane';
import type { ListAct, ListDriver } from '#enforcement/list-driver';
import type { Act, EndingSession, LiveSession, ToldSession } from '#storage/sessions';
import type { ListedAddress } from '#storage/static-addresses';

/** What has been done in a subscriber's turn so far, to be written down in one piece. */
export class Deeds {
  readonly acts: Act[] = [];
  readonly told: ToldSession[] = [];
  /** Sessions that were sent a CoA and whose NAS did not answer: it may have done it or not. */
  readonly doubtful: number[] = [];
  readonly ending: EndingSession[] = [];
  readonly gone: number[] = [];
  readonly listed: ListedAddress[] = [];
}

export type Actor = {
  readonly clock: Clock;
  readonly driver: NasDriver;
  readonly lists: ListDriver;
  /** Another session of the same router that is surely alive. */
  readonly anotherSession: (than: LiveSession) => Promise<LiveSession | null>;
};

/**
 * Carries out one step and notes its deeds. Returns null when the session is now as decided (or over, or ending), else
 * why not, in words. What the NAS acknowledged is only said to be so: accounting has to bear it out.
 */
export async function carryOut(actor: Actor, lane: Lane, step: Step, deeds: Deeds): Promise<string | null> {
  const { session, vendor, decision, action } = step;
  if (action.do === 'disconnect') return disconnect(actor, lane, session, action.reason, deeds);
  const ask = () => actor.driver.coa(session, decision, vendor);
  const answer = await asked(actor, lane, session, 'coa', action.reason, deeds, ask);
  if (answer.is === 'done')
    deeds.told.push({ sessionId: session.sessionId, told: toldOf(decision, vendor), at: actor.clock() });
  else if (answer.is === 'gone') deeds.gone.push(session.sessionId);
  else if (answer.is === 'cannot') {
    lane.spend(1);
    return disconnect(actor, lane, session, say`${action.reason}; the NAS said ${answer.said} to a CoA`, deeds);
  } else {
    if (answer.is === 'silent') deeds.doubtful.push(session.sessionId);
    return say`CoA: ${answer.said}`;
  }
  return null;
}

async function disconnect(
  actor: Actor,
  lane: Lane,
  session: LiveSession,
  reason: string,
  deeds: Deeds,
): Promise<string | null> {
  const ask = () => asked(actor, lane, session, 'disconnect', reason, deeds, () => actor.driver.disconnect(session));
  let answer = await ask();
  if (answer.is === 'doubtful' && (await corroborated(actor, lane, session, deeds))) {
    lane.spend(1);
    answer = await ask();
  }
  if (answer.is === 'done') deeds.ending.push({ sessionId: session.sessionId, at: actor.clock() });
  else if (answer.is === 'gone') deeds.gone.push(session.sessionId);
  else return say`Disconnect: ${answer.said}`;
  return null;
}

/**
 * Asks the NAS whether this session lives. Notes it as gone if not; what it answers otherwise is of no consequence here,
 * for a session is only ever closed on evidence.
 */
export async function probe(actor: Actor, lane: Lane, session: LiveSession, deeds: Deeds): Promise<void> {
  const reason = say`is it still alive?`;
  const ask = () => asked(actor, lane, session, 'probe', reason, deeds, () => actor.driver.probe(session));
  lane.spend(1);
  let answer = await ask();
  if (answer.is === 'doubtful' && (await corroborated(actor, lane, session, deeds))) {
    lane.spend(1);
    answer = await ask();
  }
  if (answer.is === 'gone') deeds.gone.push(session.sessionId);
}

/**
 * The NAS may have meant "no such session", but has never acknowledged anything: whether it acknowledges a session that
 * was heard of a moment ago tells what its word is worth.
 */
async function corroborated(actor: Actor, lane: Lane, session: LiveSession, deeds: Deeds): Promise<boolean> {
  const other = await actor.anotherSession(session);
  if (other === null) return false;
  lane.spend(1);
  const reason = say`does this NAS acknowledge a probe of a live session?`;
  const answer = await asked(actor, lane, other, 'probe', reason, deeds, () => actor.driver.probe(other));
  return answer.is === 'done';
}

/** Asks, takes note of it, and tells the lane whether the NAS answers at all. */
async function asked(
  actor: Actor,
  lane: Lane,
  session: LiveSession,
  act: Act['act'],
  reason: string,
  deeds: Deeds,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const at = actor.clock();
  const began = monotonicMs();
  const answer = await ask();
  if (answer.is === 'silent') lane.unanswered();
  else lane.answered();
  // A session that is not a known subscriber's has no line in the record of one.
  if (session.subscriberId !== null) {
    deeds.acts.push({
      at,
      subscriberId: session.subscriberId,
      sessionKey: session.key,
      nasId: session.nasId,
      act,
      outcome: answer.said,
      reason,
      tookMs: monotonicMs() - began,
    });
  }
  return answer;
}

/** Has one address put where it belongs and notes what came of it. Returns why it is not there, in words, or null. */
export async function place(actor: Actor, lane: Lane, step: ListStep, deeds: Deeds): Promise<string | null> {
  const { address, list } = step;
  const { id, nasId, subscriberId } = address;
  const at = actor.clock();
  const began = monotonicMs();
  const isNew = address.toldList === null;
  const answer = await actor.lists.place({ nasId, subscriberId, address: address.address, list, isNew });
  if (answer.is === 'silent') lane.unanswered();
  else lane.answered();
  const isDone = answer.is === 'done';
  // The instant is that of the asking: a full look that began later saw what came of it.
  deeds.listed.push({ id, at, list: isDone ? list : undefined, error: isDone ? null : answer.said });
  const act = answer.act ?? (isDone ? null : intendedAct(step));
  if (act !== null) {
    const reason = say`${address.address}: ${address.toldList ?? say`in no list`} → ${list ?? say`no list`}`;
    const tookMs = monotonicMs() - began;
    deeds.acts.push({ at, subscriberId, sessionKey: '', nasId, act, outcome: answer.said, reason, tookMs });
  }
  return isDone ? null : answer.said;
}

function intendedAct({ address, list }: ListStep): ListAct {
  if (list === null) return 'list-remove';
  return address.toldList === null ? 'list-add' : 'list-move';
}
