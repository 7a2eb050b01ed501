import type { RolloutLimits, RolloutStage, RolloutStatus } from '#domain/rollout';
import { hasEnded } from '#domain/rollout';
import { type Instant, SECOND } from '#domain/time';
import type { Queryable } from '#storage/database';
import { json, timestamp } from '#storage/database';

/** A rollout as stored: its status without the estimate, and what its driver needs. */
export type Rollout = {
  readonly id: number;
  readonly from: number;
  readonly to: number;
  readonly stage: RolloutStage;
  readonly share: number;
  readonly salt: number;
  readonly canary: number | null;
  readonly perSecond: number;
  readonly watchSeconds: number;
  readonly limits: RolloutLimits;
  readonly startedAt: Instant;
  readonly startedBy: string;
  /** When its stage began. */
  readonly stageAt: Instant;
  /** One more with every step: who works on what it read before must find the same. */
  readonly steps: number;
  /** By the pace, if nothing gets in its way. */
  readonly expectedEnd: Instant | null;
  /** Taken back: buckets below `backBelow` had the policy, those below `backTo` are due by now to be told otherwise. */
  readonly backBelow: number;
  readonly backTo: number;
  readonly wanted: number;
  readonly told: number;
  readonly naks: number;
  readonly timeouts: number;
  readonly lost: number;
  readonly reason: string | null;
  readonly endedAt: Instant | null;
};

export const ROLLOUT_COLUMNS = `id, from_id as "from", to_id as "to", stage, share, salt, canary, per_second as "perSecond",
  watch_seconds as "watchSeconds", limits, started_at as "startedAt", started_by as "startedBy", stage_at as "stageAt",
  steps, expected_end as "expectedEnd", back_below as "backBelow", back_to as "backTo",
  wanted, told, naks, timeouts, lost, reason, ended_at as "endedAt"`;

const ACTIVE = `select ${ROLLOUT_COLUMNS} from policy_rollout where ended_at is null`;

/** The rollout under way; null when there is none. */
export async function activeRollout(q: Queryable): Promise<Rollout | null> {
  const [row] = await q.query<Rollout>(ACTIVE, [], 'rollout-active');
  return row ?? null;
}

/** One that has not ended, or that stopped and is not taken back from everybody yet: that first. Null when there is none. */
export async function unfinishedRollout(q: Queryable): Promise<Rollout | null> {
  const [row] = await q.query<Rollout>(
    `select ${ROLLOUT_COLUMNS} from policy_rollout where ended_at is null or back_to < back_below order by ended_at limit 1`,
    [],
    'rollout-unfinished',
  );
  return row ?? null;
}

/** A rollout that nobody else changes until the transaction ends: in seconds, should this process be paused. */
export async function lockRollout(tx: Queryable, id: number): Promise<Rollout | null> {
  await tx.execute(`set local idle_in_transaction_session_timeout = ${5 * SECOND}`);
  const [row] = await tx.query<Rollout>(
    `select ${ROLLOUT_COLUMNS} from policy_rollout where id = $1 for update`,
    [id],
    'rollout-lock',
  );
  return row ?? null;
}

/** The one under way, or the last one. */
export async function lastRollout(q: Queryable): Promise<Rollout | null> {
  const [row] = await q.query<Rollout>(`select ${ROLLOUT_COLUMNS} from policy_rollout order by id desc limit 1`);
  return row ?? null;
}

export type NewRollout = Pick<
  Rollout,
  'from' | 'to' | 'stage' | 'share' | 'salt' | 'canary' | 'perSecond' | 'watchSeconds' | 'limits' | 'startedAt'
> & { readonly startedBy: string; readonly reason?: string };

/** Violates `policy_rollout_active` where one is under way. */
export async function insertRollout(q: Queryable, rollout: NewRollout): Promise<Rollout> {
  const [row] = await q.query<Rollout>(
    `insert into policy_rollout (from_id, to_id, stage, share, salt, canary, per_second, watch_seconds, limits,
       started_at, stage_at, started_by, reason)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::timestamptz, $10::timestamptz, $11, $12)
     returning ${ROLLOUT_COLUMNS}`,
    [
      rollout.from,
      rollout.to,
      rollout.stage,
      rollout.share,
      rollout.salt,
      rollout.canary,
      rollout.perSecond,
      rollout.watchSeconds,
      json(rollout.limits),
      timestamp(rollout.startedAt),
      rollout.startedBy,
      rollout.reason ?? null,
    ],
  );
  return row!;
}

export type RolloutMove = {
  readonly stage: RolloutStage;
  readonly share: number;
  readonly at: Instant;
  readonly expectedEnd?: Instant | null;
  readonly reason?: string;
};

/** Brings a rollout to a stage (or keeps it there) with this share; an ended one loses what was known of its sessions. */
export async function moveRollout(q: Queryable, id: number, move: RolloutMove): Promise<Rollout> {
  const { stage, share, at, reason = null, expectedEnd = null } = move;
  const [row] = await q.query<Rollout>(
    `update policy_rollout set stage = $2, share = $3, steps = steps + 1, reason = coalesce($5, reason),
       stage_at = case when stage = $2 then stage_at else $4::timestamptz end,
       expected_end = case when $6 then null else coalesce($7::timestamptz, expected_end) end,
       ended_at = case when $6 then $4::timestamptz end
     where id = $1 returning ${ROLLOUT_COLUMNS}`,
    [id, stage, share, timestamp(at), reason, hasEnded(stage), timestamp(expectedEnd)],
  );
  if (hasEnded(stage)) await forgetSessions(q, id);
  return row!;
}

/** It is taken back from the buckets below `below`, and those below `to` are due to be told so. */
export async function moveBack(q: Queryable, id: number, { below, to }: { below: number; to: number }): Promise<void> {
  await q.execute('update policy_rollout set steps = steps + 1, back_below = $2, back_to = $3 where id = $1', [
    id,
    below,
    to,
  ]);
}

/** What was learned of a rollout's sessions is of no use any more. */
export async function forgetSessions(q: Queryable, rolloutId: number): Promise<void> {
  await q.execute('delete from policy_rollout_session where rollout_id = $1', [rolloutId]);
}

/** Everybody a policy can reach: those with a live session or a static address. */
const LINES = `(select subscriber_id as id from session where ended_at is null and subscriber_id is not null
  union select subscriber_id from static_address)`;

/**
 * How far the share has to go for `count` more subscribers to be reached, 1 when there are no more than that; and how many are
 * not reached at all. (0.06 s over 100,000 live sessions.)
 */
export async function shareReaching(
  q: Queryable,
  { salt, share }: Pick<Rollout, 'salt' | 'share'>,
  count: number,
): Promise<{ share: number; remaining: number }> {
  const [row] = await q.query<{ share: number | null; remaining: number }>(
    `with ahead as materialized (
       select bucket from (select policy_bucket(id, $1) as bucket from ${LINES} line) every where bucket >= $2)
     select (select count(*) from ahead) as remaining,
       (select bucket from ahead order by bucket offset $3 limit 1) as share`,
    [salt, share, count],
  );
  return { share: row?.share ?? 1, remaining: Math.max(0, (row?.remaining ?? 0) - count) };
}

export type Reach = {
  readonly salt: number;
  /** Buckets from this one … */
  readonly above: number;
  /** … up to and without this one. */
  readonly below: number;
  readonly at: Instant;
  /** null: all at once. */
  readonly perSecond: number | null;
  /** The rollout that watches how their sessions take it; null: nobody does. */
  readonly watchedBy: number | null;
};

/** The lowest bucket of those who could be reached, null when there is nobody, and how many they are. */
export async function firstBucket(q: Queryable, salt: number): Promise<{ bucket: number | null; lines: number }> {
  const [row] = await q.query<{ bucket: number | null; lines: number }>(
    `select min(policy_bucket(id, $1)) as bucket, count(*) as lines from ${LINES} line`,
    [salt],
  );
  return row!;
}

/**
 * Makes those with a session or an address, in these buckets, due one after the other at the pace, and takes away the claims
 * of who looks at them with the policies of before. Who fails already is left to the back-off, and says nothing of a policy:
 * such sessions are not watched. Returns how many it was.
 */
export async function reach(q: Queryable, { salt, above, below, at, perSecond, watchedBy }: Reach): Promise<number> {
  const [row] = await q.query<{ count: number }>(
    `with reached as materialized (
       select id, $3::timestamptz + (row_number() over (order by bucket) - 1) * $4::float8 * interval '1 millisecond' as at
       from (select id, policy_bucket(id, $1) as bucket from ${LINES} line) every where bucket >= $2 and bucket < $5),
     dued as (
       insert into due (subscriber_id, due_at) select id, at from reached order by id
       on conflict (subscriber_id) do update set due_at = least(due.due_at, excluded.due_at), claimed_until = null
         where due.attempts = 0 or due.claimed_until is not null),
     watched as (
       insert into policy_rollout_session (session_id, rollout_id, subscriber_id, session_key, reached_at, acts_after)
       select s.id, $6, s.subscriber_id, s.key, reached.at, (select coalesce(max(id), 0) from enforcement_act)
       from reached join session s on s.subscriber_id = reached.id
       where $6::int is not null and s.ended_at is null and s.ending_since is null
         and not exists (select from due d where d.subscriber_id = reached.id and d.attempts > 0)
       on conflict (session_id) do nothing)
     select count(*) as count from reached`,
    [salt, above, timestamp(at), perSecond === null ? 0 : SECOND / perSecond, below, watchedBy],
  );
  return row!.count;
}

/** A rollout as people see it. */
export function statusOf(rollout: Rollout): RolloutStatus {
  const {
    salt: _salt,
    stageAt: _stageAt,
    steps: _steps,
    backBelow: _below,
    backTo: _to,
    wanted,
    told,
    naks,
    timeouts,
    lost,
    ...shown
  } = rollout;
  return { ...shown, live: { wanted, told, naks, timeouts, lost } };
}
