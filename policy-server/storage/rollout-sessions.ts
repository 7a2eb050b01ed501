import type { RolloutTally } from '#domain/rollout';
import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';
import { timestamp } from '#storage/database';
import { ROLLOUT_COLUMNS, type Rollout } from '#storage/rollouts';

/** A session that a rollout has reached and that its verdict still waits for, with the evidence there is by now. */
export type WatchedSession = {
  readonly sessionId: number;
  readonly subscriberId: number;
  /** null: accounting has moved it to the history. */
  readonly nasId: number | null;
  /** When it was first seen to be as decided; null: it is not yet. */
  readonly toldAt: Instant | null;
  readonly downAt: Instant | null;
  readonly reachedAt: Instant;
  readonly nak: boolean;
  readonly timedOut: boolean;
  /** It is there, and nobody has acknowledged its end. */
  readonly live: boolean;
  /** Its subscriber has another one that is. */
  readonly back: boolean;
  /** Since it was reached, its NAS acknowledged something, refused something, did not answer. */
  readonly acked: boolean;
  readonly refused: boolean;
  readonly silent: boolean;
  /** The last look at its subscriber failed. */
  readonly failing: boolean;
};

/** Those whose turn had come at `at`, and whose end is open. */
export function watchedSessions(q: Queryable, rolloutId: number, at: Instant): Promise<WatchedSession[]> {
  return q.query<WatchedSession>(
    `select w.session_id as "sessionId", w.subscriber_id as "subscriberId", s.nas_id as "nasId", w.told_at as "toldAt", w.down_at as "downAt",
       w.reached_at as "reachedAt", w.nak, w.timed_out as "timedOut",
       coalesce(s.ended_at is null and s.ending_since is null and s.id is not null, false) as live,
       exists (select from session o where o.subscriber_id = w.subscriber_id and o.ended_at is null
         and o.ending_since is null and o.id <> w.session_id) as back,
       coalesce(said.ack, false) as acked, coalesce(said.nak, false) as refused, coalesce(said.nothing, false) as silent,
       coalesce(d.attempts > 0, false) as failing
     from policy_rollout_session w
     left join session s on s.id = w.session_id
     left join due d on d.subscriber_id = w.subscriber_id
     left join lateral (
       select bool_or(a.outcome = 'ack') as ack, bool_or(a.outcome like 'nak%') as nak,
         bool_or(a.outcome like 'no answer%') as nothing
       from enforcement_act a
       where a.subscriber_id = w.subscriber_id and a.id > w.acts_after and a.session_key = w.session_key
         and a.act in ('coa', 'disconnect')
     ) said on true
     where w.rollout_id = $1 and not w.closed and w.reached_at <= $2::timestamptz
     order by w.session_id`,
    [rolloutId, timestamp(at)],
    'rollout-watched',
  );
}

/** What is known of a watched session from now on. `left`: it was over by itself before it could be told, and counts for nothing. */
export type Finding = Pick<WatchedSession, 'sessionId' | 'toldAt' | 'downAt' | 'nak' | 'timedOut'> & {
  readonly lost: boolean;
  readonly closed: boolean;
  readonly left: boolean;
};

export async function recordFindings(q: Queryable, findings: readonly Finding[]): Promise<void> {
  const left = findings.filter((finding) => finding.left).map(({ sessionId }) => sessionId);
  if (left.length > 0)
    await q.execute('delete from policy_rollout_session where session_id = any($1::bigint[])', [left]);
  const stay = findings.filter((finding) => !finding.left);
  if (stay.length === 0) return;
  await q.execute(
    `update policy_rollout_session w set told_at = f.told, down_at = f.down, nak = f.nak, timed_out = f.timed_out,
       lost = f.lost, closed = f.closed
     from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::boolean[], $5::boolean[], $6::boolean[],
       $7::boolean[]) as f (id, told, down, nak, timed_out, lost, closed)
     where w.session_id = f.id`,
    [
      stay.map(({ sessionId }) => sessionId),
      stay.map(({ toldAt }) => timestamp(toldAt)),
      stay.map(({ downAt }) => timestamp(downAt)),
      stay.map(({ nak }) => nak),
      stay.map(({ timedOut }) => timedOut),
      stay.map(({ lost }) => lost),
      stay.map(({ closed }) => closed),
    ],
    'rollout-findings',
  );
}

const COUNTS = `count(*) as wanted, count(*) filter (where told_at is not null) as told, count(*) filter (where nak) as naks,
  count(*) filter (where timed_out) as timeouts, count(*) filter (where lost) as lost`;

const TALLY = `${COUNTS}, count(*) filter (where told_at is null and not nak and not timed_out) as waiting,
  count(*) filter (where down_at is not null and not lost) as down`;

/** How the sessions take it that were reached since `since` or are still open; -NEVER = all of them. */
export async function tallyOf(
  q: Queryable,
  rolloutId: number,
  since: Instant,
): Promise<RolloutTally & { readonly settledAt: Instant | null }> {
  const [row] = await q.query<RolloutTally & { readonly settledAt: Instant | null }>(
    `select ${TALLY}, max(coalesce(told_at, reached_at)) as "settledAt" from policy_rollout_session
     where rollout_id = $1 and (reached_at >= $2::timestamptz or not closed)`,
    [rolloutId, timestamp(since)],
    'rollout-tally',
  );
  return row!;
}

/** Keeps the counts of all its sessions with the rollout, where they outlast them. */
export async function keepCounts(q: Queryable, rolloutId: number): Promise<Rollout> {
  const [row] = await q.query<Rollout>(
    `update policy_rollout set (wanted, told, naks, timeouts, lost) =
       (select ${COUNTS} from policy_rollout_session where rollout_id = $1)
     where id = $1 returning ${ROLLOUT_COLUMNS}`,
    [rolloutId],
    'rollout-counts',
  );
  return row!;
}

/** The routers whose sessions passed a limit, and what they said most often; null: they said nothing of use. */
export type Culprits = { readonly outcome: string | null; readonly nases: readonly string[] };

export async function culpritsOf(q: Queryable, rolloutId: number, of: 'naks' | 'timeouts' | 'lost'): Promise<Culprits> {
  const { sessions, said } = EVIDENCE[of];
  const [row] = await q.query<Culprits>(
    `select mode() within group (order by a.outcome) filter (where a.outcome <> 'ack') as outcome,
       coalesce(array_agg(distinct n.name order by n.name), '{}') as nases
     from policy_rollout_session w
     join enforcement_act a on a.subscriber_id = w.subscriber_id and a.id > w.acts_after and a.session_key = w.session_key
       and a.act in ('coa', 'disconnect')
     join nas n on n.id = a.nas_id
     where w.rollout_id = $1 and ${sessions} and a.outcome like $2`,
    [rolloutId, said],
  );
  return row!;
}

const EVIDENCE = {
  naks: { sessions: 'w.nak', said: 'nak%' },
  timeouts: { sessions: 'w.timed_out', said: 'no answer%' },
  lost: { sessions: 'w.lost', said: 'ack' },
} as const;
