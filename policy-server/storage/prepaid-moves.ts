import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** Ends every grant of a subscriber that is in force or to come; returns which. */
export async function revokeStandingGrants(q: Queryable, subscriberId: number, at: Instant): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `update grants set revoked_at = $2::timestamptz
      where subscriber_id = $1 and revoked_at is null and ends_at > $2::timestamptz returning id`,
    [subscriberId, timestamp(at)],
  );
  return rows.map((row) => row.id).sort((one, other) => one - other);
}

export async function insertPrepaidMove(
  q: Queryable,
  move: { subscriberId: number; at: Instant; by: string; revokedGrants: readonly number[] },
): Promise<void> {
  await q.execute(
    `insert into prepaid_move (subscriber_id, moved_at, moved_by, revoked_grants) values ($1, $2::timestamptz, $3, $4)`,
    [move.subscriberId, timestamp(move.at), move.by, move.revokedGrants],
  );
}

/** A move from postpaid to prepaid that was not undone. */
export type StandingMove = {
  readonly movedAt: Instant;
  readonly movedBy: string;
  readonly revokedGrants: readonly number[];
};

export async function standingMove(q: Queryable, subscriberId: number): Promise<StandingMove | null> {
  const [row] = await q.query<StandingMove>(
    `select moved_at as "movedAt", moved_by as "movedBy", revoked_grants as "revokedGrants" from prepaid_move
      where subscriber_id = $1 and undone_at is null`,
    [subscriberId],
  );
  return row ?? null;
}

export async function setMoveUndone(q: Queryable, subscriberId: number, at: Instant, by: string): Promise<void> {
  await q.execute(
    `update prepaid_move set undone_at = $2::timestamptz, undone_by = $3 where subscriber_id = $1 and undone_at is null`,
    [subscriberId, timestamp(at), by],
  );
}

/**
 * Gives revoked grants back as new ones of the same plan revisions, up to their original ends (what ended meanwhile
 * is left out). What was used of an allowance stays used, and what was used today, this week and this month is no more than
 * that: of a grant that was never metered nothing, though it begins anew.
 */
export async function giveGrantsBack(
  q: Queryable,
  subscriberId: number,
  grantIds: readonly number[],
  at: Instant,
): Promise<GivenBack[]> {
  return q.query<GivenBack>(
    `with given as (
       insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes, metered_at, metered_bases)
       select subscriber_id, plan_revision_id, greatest(starts_at, $3::timestamptz), ends_at, used_bytes,
              case when used_bytes > 0 then coalesce(metered_at, starts_at) end,
              case when used_bytes > 0 then coalesce(metered_bases, array_fill(used_bytes, array[6])) end
         from grants
        where subscriber_id = $1 and id = any($2::bigint[]) and ends_at > $3::timestamptz order by id
       returning id, plan_revision_id, starts_at, ends_at
     )
     select given.id, plan.name as plan, starts_at as "from", ends_at as "until" from given
       join plan_revision on plan_revision.id = plan_revision_id join plan on plan.id = plan_id order by given.id`,
    [subscriberId, grantIds, timestamp(at)],
  );
}

export type GivenBack = {
  readonly id: number;
  readonly plan: string;
  readonly from: Instant;
  readonly until: Instant;
};

/** What a move of these subscribers would meet. `phones` are of those who would move. */
export async function surveyMove(
  q: Queryable,
  subscriberIds: readonly number[],
  now: Instant,
): Promise<{
  readonly phones: readonly (string | null)[];
  readonly alreadyPrepaid: number;
  readonly runningGrants: number;
  readonly subscriptions: number;
  readonly online: number;
}> {
  const rows = await q.query<{
    billing: string;
    phone: string | null;
    grants: number;
    subscriptions: number;
    online: boolean;
  }>(
    `select billing, phone,
            (select count(*)::int from grants
              where subscriber_id = subscriber.id and revoked_at is null and ends_at > $2::timestamptz) as grants,
            (select count(*)::int from subscription where subscriber_id = subscriber.id and ended_at is null) as subscriptions,
            exists (select from session where subscriber_id = subscriber.id and ended_at is null) as online
       from subscriber where id = any($1::bigint[])`,
    [subscriberIds, timestamp(now)],
  );
  const moving = rows.filter((row) => row.billing === 'postpaid');
  return {
    phones: moving.map((row) => row.phone),
    alreadyPrepaid: rows.length - moving.length,
    runningGrants: moving.reduce((sum, row) => sum + row.grants, 0),
    subscriptions: moving.reduce((sum, row) => sum + row.subscriptions, 0),
    online: moving.filter((row) => row.online).length,
  };
}
