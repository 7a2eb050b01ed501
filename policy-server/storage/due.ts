import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';
import { timestamp } from '#storage/values';

/**
 * When enforcement next looks at whom. A row is *claimed* by moving `claimed_until` into the future; a claim that its
 * holder does not renew lapses, so nothing is forgotten when a process dies. Whoever changes facts (`change()`, the
 * intake) makes the row due and takes the claim away: the holder then notices, when it settles, that it looked too early.
 */
export type Claim = {
  readonly subscriberId: number;
  /** Looks in a row that did not succeed. */
  readonly attempts: number;
  /** Until when it is ours; together with the id it is the proof that nobody came between. */
  readonly claimedUntil: Instant;
};

/**
 * Claims up to `limit` subscribers that are due at `at` and that nobody holds, longest due first. Rows locked by another
 * transaction are passed over (SKIP LOCKED), so any number of nodes can claim side by side.
 */
export async function claimDue(db: Queryable, at: Instant, until: Instant, limit: number): Promise<Claim[]> {
  return db.query<Claim>(
    `with next as (
       select subscriber_id from due
       where due_at <= $1::timestamptz and (claimed_until is null or claimed_until <= $1::timestamptz)
       order by due_at limit $3 for update skip locked)
     update due set claimed_until = $2::timestamptz from next where due.subscriber_id = next.subscriber_id
     returning due.subscriber_id as "subscriberId", due.attempts, due.claimed_until as "claimedUntil"`,
    [timestamp(at), timestamp(until), limit],
    'due-claim',
  );
}

/** Moves the claims still ours to `until`; returns the subscribers for which that was so. */
export async function renewClaims(db: Queryable, claims: readonly Claim[], until: Instant): Promise<Set<number>> {
  const rows = await db.query<{ id: number }>(
    `update due set claimed_until = $3::timestamptz
     from unnest($1::bigint[], $2::timestamptz[]) as mine (id, claimed_until)
     where due.subscriber_id = mine.id and due.claimed_until = mine.claimed_until
     returning due.subscriber_id as id`,
    [claims.map((claim) => claim.subscriberId), claims.map((claim) => timestamp(claim.claimedUntil)), timestamp(until)],
    'due-renew',
  );
  return new Set(rows.map((row) => row.id));
}

/** The end of a look: when the next one is, and what was learned. */
export type Settlement = {
  readonly claim: Claim;
  readonly dueAt: Instant;
  /** As `Decision.validBelow`; Infinity = usage changes nothing. */
  readonly validBelow: number;
  /** 0 after success. */
  readonly attempts: number;
  readonly error: string | null;
  /** Something was said to a NAS meanwhile. */
  readonly acted: boolean;
};

/**
 * Gives claims back with the time of the next look. Where usage has already reached `validBelow` (accounting was applied
 * after the facts were read) that time is at once. Where the claim was taken away meanwhile, the row stays as it is: it
 * is due or somebody else's; but if we acted, it is made due again, because what we told the NAS may have been older
 * than what the other told it.
 */
export async function settleDue(db: Queryable, settlements: readonly Settlement[], at: Instant): Promise<void> {
  const sorted = settlements.toSorted((a, b) => a.claim.subscriberId - b.claim.subscriberId);
  await db.execute(
    `update due set
       due_at = case when due.claimed_until is distinct from s.claimed_until then least(due.due_at, $8::timestamptz)
                     when s.valid_below <= (select sum(used_bytes) from grants g where g.subscriber_id = s.id)
                     then least(s.due_at, $8::timestamptz)
                     else s.due_at end,
       claimed_until = null,
       valid_below = s.valid_below,
       attempts = case when due.claimed_until is distinct from s.claimed_until then due.attempts else s.attempts end,
       last_error = s.error
     from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::int[], $6::text[], $7::boolean[])
       as s (id, claimed_until, due_at, valid_below, attempts, error, acted)
     where due.subscriber_id = s.id and (due.claimed_until = s.claimed_until or s.acted)`,
    [
      sorted.map((s) => s.claim.subscriberId),
      sorted.map((s) => timestamp(s.claim.claimedUntil)),
      sorted.map((s) => timestamp(s.dueAt)),
      sorted.map((s) => (Number.isFinite(s.validBelow) ? s.validBelow : null)),
      sorted.map((s) => s.attempts),
      sorted.map((s) => s.error),
      sorted.map((s) => s.acted),
      timestamp(at),
    ],
    'due-settle',
  );
}

/** When the first unclaimed row is due; null when there is none. May lie in the past, or be NEVER. */
export async function earliestDue(db: Queryable): Promise<Instant | null> {
  const [row] = await db.query<{ at: Instant }>(
    'select due_at as at from due where claimed_until is null order by due_at limit 1',
    [],
    'due-earliest',
  );
  return row?.at ?? null;
}

/** A NAS answers again: everybody with a live session on it whose last look failed is due at once. */
export async function retryFailedOn(db: Queryable, nasId: number, at: Instant): Promise<number> {
  return db.execute(
    `update due set due_at = $2::timestamptz
     where attempts > 0 and claimed_until is null and due_at > $2::timestamptz
       and exists (select 1 from session s where s.subscriber_id = due.subscriber_id and s.nas_id = $1 and s.ended_at is null)`,
    [nasId, timestamp(at)],
    'due-retry-nas',
  );
}

/**
 * Makes up to `limit` subscribers with a live session, of ids above `after`, due at a random instant within `spreadMs`
 * from `at`, unless they are due sooner. Returns the last id covered, null at the end. Short statements keep the row
 * locks short; those in a claim are being looked at and stay as they are.
 */
export async function sweepDue(
  db: Queryable,
  at: Instant,
  spreadMs: number,
  after: number,
  limit: number,
): Promise<{ last: number | null; marked: number }> {
  const [row] = await db.query<{ last: number | null; marked: number }>(
    `with live as (
       select distinct subscriber_id as id from session
       where ended_at is null and subscriber_id > $3 order by subscriber_id limit $4),
     swept as (
       insert into due (subscriber_id, due_at)
       select id, $1::timestamptz + random() * $2 * interval '1 millisecond' from live
       on conflict (subscriber_id) do update set due_at = excluded.due_at
         where due.claimed_until is null and due.attempts = 0 and due.due_at > excluded.due_at
       returning 1)
     select (select max(id) from live) as last, (select count(*) from swept) as marked`,
    [timestamp(at), spreadMs, after, limit],
    'due-sweep',
  );
  return row ?? { last: null, marked: 0 };
}
