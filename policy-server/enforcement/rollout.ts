import { monotonicMs } from '#domain/clock';
import { pauseUnless } from '#domain/patience';
import { hasEnded, isSettled, type RolloutTally, type TooMuch, tooMuch } from '#domain/rollout';
import { say } from '#domain/say';
import { type Instant, MINUTE, NEVER, SECOND } from '#domain/time';
import { type Observer, observe } from '#enforcement/rollout-watch';
import { type ChangeTransaction, change } from '#storage/change';
import { takeClusterLock } from '#storage/cluster-lock';
import { type Database, databaseTime, type Queryable } from '#storage/database';
import { policyReader, putInForce } from '#storage/policy';
import { culpritsOf, keepCounts, recordFindings, tallyOf } from '#storage/rollout-sessions';
import {
  lockRollout,
  moveBack,
  moveRollout,
  type Rollout,
  reach,
  shareReaching,
  unfinishedRollout,
} from '#storage/rollouts';

export type RolloutOptions = Omit<Observer, 'policies'> & {
  readonly db: Database;
  /** The company's. */
  readonly zone: string;
  readonly log: {
    info(fields: object, line: string): void;
    warn(fields: object, line: string): void;
  };
  /** Left out: the database's, so that nodes whose clocks differ go on from each other. */
  readonly clock?: (q: Queryable) => Promise<Instant>;
  readonly everyMs?: number;
};

export type RolloutDriver = { stop(): Promise<void> };

const STEP_MS = SECOND;
/** Steps that take long (a million live sessions) are taken less often: they have a third of the time, and a rest has its limit. */
const REST = 2;
const LONGEST_REST_MS = 2 * SECOND;
/** After a pause (the database was away, the process stopped) no more is made up for than this. */
const MOST_SECONDS_A_STEP = 10;
/** Lines of a rollout that stopped, made due in one commit: the next step goes on, a second later. */
const MOST_TOLD_BACK = 5_000;
/** Routers named in the reason of a stop. */
const MOST_NAMES = 5;
/** Sessions that were reached so lately are what a spreading rollout is judged by. */
const WINDOW_MS = 5 * MINUTE;
/** The share does not run away from the routers: so many seconds' worth of sessions may wait for a word to their NAS. */
const MOST_WAITING_SECONDS = 10;

/**
 * Carries rollouts on, step by step, on one node at a time: whoever holds the lock of the cluster. Everything a step stands
 * on is in the database and a step is one commit, so a node that dies leaves it to the next, and a step of one that was
 * paused meanwhile is not the next one any more and changes nothing (`Rollout.steps`).
 */
export function driveRollouts(options: RolloutOptions): RolloutDriver {
  const { db, log } = options;
  const stopping = new AbortController();
  const everyMs = options.everyMs ?? STEP_MS;
  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        if ((await unfinishedRollout(db)) !== null) await driveOne(options, everyMs, stopping.signal);
      } catch (error) {
        log.warn({ err: error }, 'the roll-out of a policy waits; trying again');
      }
      await pauseUnless(stopping.signal, everyMs);
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

async function driveOne(options: RolloutOptions, everyMs: number, stopping: AbortSignal): Promise<void> {
  const lost = new AbortController();
  const lock = await takeClusterLock(options.db, 'policy rollout', () => lost.abort());
  if (lock === null) return;
  const signal = AbortSignal.any([stopping, lost.signal]);
  const step = steps(options);
  try {
    for (let seconds = everyMs / SECOND; !signal.aborted; ) {
      const beganMs = monotonicMs();
      if (!(await step(seconds))) return;
      const tookMs = monotonicMs() - beganMs;
      await pauseUnless(signal, Math.max(everyMs - tookMs, Math.min(REST * tookMs, LONGEST_REST_MS)));
      seconds = Math.min((monotonicMs() - beganMs) / SECOND, MOST_SECONDS_A_STEP);
    }
  } finally {
    await lock.release();
  }
}

type Why = { actor: string; why: string; detail: Record<string, unknown>; nothing: boolean };

/** Makes the function that takes a step, worth `seconds` of the pace; false: there is nothing to take one of. */
export function steps(options: RolloutOptions): (seconds: number) => Promise<boolean> {
  const { db, zone, log } = options;
  const read = policyReader(zone);
  return async (seconds) => {
    const rollout = await unfinishedRollout(db);
    if (rollout === null) return false;
    const at = await (options.clock ?? databaseTime)(db);
    const findings = hasEnded(rollout.stage)
      ? []
      : await observe({ ...options, policies: (await read(db)).policies }, rollout, at);
    // The steps between carry out what is in the audit already; what is decided here gets its own row.
    const why: Why = { actor: 'system', why: '', detail: { rollout: rollout.id }, nothing: true };
    await change(db, why, async (tx) => {
      why.nothing = true;
      const now = await lockRollout(tx, rollout.id);
      if (now?.steps !== rollout.steps) return;
      if (hasEnded(rollout.stage)) return tellBack(tx, rollout, MOST_TOLD_BACK, at, false);
      await recordFindings(tx, findings);
      await keepCounts(tx, rollout.id);
      await proceed(tx, rollout, at, seconds, why);
    });
    if (!why.nothing) log.info(why.detail, why.why);
    return true;
  };
}

async function proceed(tx: ChangeTransaction, rollout: Rollout, at: Instant, seconds: number, why: Why): Promise<void> {
  const { id, stage, limits, watchSeconds } = rollout;
  const { settledAt, ...tally } = await tallyOf(tx, id, stage === 'spreading' ? at - WINDOW_MS : -NEVER);
  if (stage === 'rolling-back') return goBack(tx, rollout, tally, at, seconds, why);
  const fault = tooMuch(tally, limits);
  if (fault !== null) return stop(tx, rollout, fault, at, why);
  if (stage === 'spreading') return spread(tx, rollout, tally, at, seconds, why);
  const watchedMs = at - Math.max(rollout.stageAt, settledAt ?? 0);
  if (!isSettled(tally, limits) || watchedMs < watchSeconds * SECOND) return;
  await moveRollout(tx, id, { stage: 'spreading', share: rollout.share, at });
  decided(why, 'spread policy', { to: rollout.to, canary: tally });
}

async function spread(
  tx: ChangeTransaction,
  rollout: Rollout,
  tally: RolloutTally,
  at: Instant,
  seconds: number,
  why: Why,
): Promise<void> {
  const { id, salt, perSecond, limits } = rollout;
  if (rollout.share === 1) {
    if (!isSettled(tally, limits)) return;
    await putInForce(tx, rollout.to, at);
    return end(tx, rollout, 'done', at, why);
  }
  if (tally.waiting > MOST_WAITING_SECONDS * perSecond) return;
  const { share, remaining } = await shareReaching(tx, rollout, Math.max(1, Math.round(perSecond * seconds)));
  await reach(tx, { salt, above: rollout.share, below: share, at, perSecond, watchedBy: id });
  await moveRollout(tx, id, { stage: 'spreading', share, at, expectedEnd: at + (remaining / perSecond) * SECOND });
  await keepCounts(tx, id);
  await tx.markPolicy(rollout.to);
}

async function goBack(
  tx: ChangeTransaction,
  rollout: Rollout,
  tally: RolloutTally,
  at: Instant,
  seconds: number,
  why: Why,
): Promise<void> {
  const { perSecond, backBelow, backTo } = rollout;
  if (backTo === backBelow) {
    if (tally.waiting === 0) await end(tx, rollout, 'rolled-back', at, why);
  } else if (tally.waiting <= MOST_WAITING_SECONDS * perSecond) {
    await tellBack(tx, rollout, Math.max(1, Math.round(perSecond * seconds)), at, true);
    await keepCounts(tx, rollout.id);
  }
}

/** So many lines that had the policy, the next by their buckets, are due to be told what they have now. */
async function tellBack(tx: Queryable, rollout: Rollout, count: number, at: Instant, paced: boolean): Promise<void> {
  const { id, salt, perSecond, backBelow, backTo } = rollout;
  const { share } = await shareReaching(tx, { salt, share: backTo }, count);
  const to = Math.min(share, backBelow);
  const pace = paced ? { perSecond, watchedBy: id } : { perSecond: null, watchedBy: null };
  await reach(tx, { salt, above: backTo, below: to, at, ...pace });
  await moveBack(tx, id, { below: backBelow, to });
}

/** Everybody is as before from this commit on; live sessions that were told are told back, as fast as their routers take it. */
async function stop(tx: ChangeTransaction, rollout: Rollout, fault: TooMuch, at: Instant, why: Why): Promise<void> {
  const { outcome, nases } = await culpritsOf(tx, rollout.id, fault.of);
  const names = nases.length > MOST_NAMES ? `${nases.slice(0, MOST_NAMES).join(', ')}, …` : nases.join(', ');
  const where =
    outcome === null ? say`${fault.says}; their routers: ${names}` : say`${fault.says}; ${names} said: ${outcome}`;
  const reason = names === '' ? fault.says : where;
  await end(tx, { ...rollout, share: 0 }, 'stopped', at, why, reason);
  await tellBack(tx, { ...rollout, backBelow: rollout.share, backTo: 0 }, MOST_TOLD_BACK, at, false);
}

const WHYS = {
  done: 'publish policy',
  stopped: 'stop policy rollout',
  'rolled-back': 'policy rolled back',
} as const;

async function end(
  tx: ChangeTransaction,
  { id, from, to, share }: Rollout,
  stage: keyof typeof WHYS,
  at: Instant,
  why: Why,
  reason?: string,
): Promise<void> {
  const told = reason === undefined ? {} : { reason };
  await moveRollout(tx, id, { stage, share, at, ...told });
  await tx.markPolicy(to);
  decided(why, WHYS[stage], { from, to, ...told });
}

function decided(why: Why, verb: string, detail: object): void {
  Object.assign(why, { why: verb, nothing: false });
  Object.assign(why.detail, detail);
}
