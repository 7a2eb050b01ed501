import { randomInt } from 'node:crypto';
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
  /** Proof, with the id, that it is still ours. */
  readonly claim: number;
  /** Another process held it before and has not settled: what it said meanwhile is written down nowhere if it was killed. */
  readonly isLost: boolean;
};

/** Claims of one process are told from those of others by their upper half: it knows itself what it is about to settle. */
const PROCESS = randomInt(2 ** 24);
const IN_PROCESS = 2 ** 24;
let claims = 0;

function newClaim(): number {
  claims = (claims + 1) % IN_PROCESS;
  return PROCESS * IN_PROCESS + claims;
}

/**
 * Claims up to `limit` subscribers that are due at `at` and that nobody holds, longest due first. Rows locked by another
 * transaction are passed over (SKIP LOCKED), so any number of nodes can claim side by side.
 */
export async function claimDue(db: Queryable, at: Instant, until: Instant, limit: number): Promise<Claim[]> {
  return db.query<Claim>(
    `with next as (
       select subscriber_id, claim / $5::bigint <> $6::bigint as "isLost" from due
       where due_at <= $1::timestamptz and (claimed_until is null or claimed_until <= $1::timestamptz)
       order by due_at limit $3 for update skip locked)
     update due set claimed_until = $2::timestamptz, claim = $4 from next where due.subscriber_id = next.subscriber_id
     returning due.subscriber_id as "subscriberId", due.attempts, due.claim, coalesce(next."isLost", false) as "isLost"`,
    [timestamp(at), timestamp(until), limit, newClaim(), IN_PROCESS, PROCESS],
    'due-claim',
  );
}

/** Moves the claims that are still ours to `until`. */
export async function renewClaims(db: Queryable, claims: readonly Claim[], until: Instant): Promise<void> {
  await db.execute(
    `update due set claimed_until = $3::timestamptz from unnest($1::bigint[], $2::bigint[]) as mine (id, claim)
     where due.subscriber_id = mine.id and due.claim = mine.claim and due.claimed_until is not null`,
    [claims.map((claim) => claim.subscriberId), claims.map((claim) => claim.claim), timestamp(until)],
    'due-renew',
  );
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
  const sorted = oneEach(settlements, at).toSorted((a, b) => a.claim.subscriberId - b.claim.subscriberId);
  await db.execute(
    `update due set
       due_at = case when not s.ours and not s.acted then due.due_at
                     when not s.ours then least(due.due_at, $8::timestamptz)
                     when s.valid_below <= (select sum(used_bytes) from grants g where g.subscriber_id = s.id)
                     then least(s.due_at, $8::timestamptz)
                     else s.due_at end,
       claimed_until = null,
       claim = case when due.claim = s.claim then null else due.claim end,
       valid_below = s.valid_below,
       attempts = case when s.ours then s.attempts else due.attempts end,
       last_error = s.error
     from (
       select s.*, coalesce(held.claim = s.claim and held.claimed_until is not null, false) as ours,
         coalesce(held.claim = s.claim, false) as last
       from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::int[], $6::text[], $7::boolean[])
         as s (id, claim, due_at, valid_below, attempts, error, acted)
       join due held on held.subscriber_id = s.id
       order by s.id for update of held
     ) as s
     where due.subscriber_id = s.id and (s.last or s.acted)`,
    [
      sorted.map((s) => s.claim.subscriberId),
      sorted.map((s) => s.claim.claim),
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

/**
 * One of each subscriber, for an update takes only one. Where a look ended while what the look before it had said was still
 * being written down, that later look did not know of it: the subscriber is due again.
 */
function oneEach(settlements: readonly Settlement[], at: Instant): Settlement[] {
  const each = new Map<number, Settlement>();
  for (const settlement of settlements) {
    const { subscriberId } = settlement.claim;
    const before = each.get(subscriberId);
    const acted = before?.acted === true;
    each.set(subscriberId, acted ? { ...settlement, acted, dueAt: Math.min(settlement.dueAt, at) } : settlement);
  }
  return [...each.values()];
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

/** A router answers again: everybody with a live session on it whose last look failed is due at once. */
export async function retryFailedOn(
  db: Queryable,
  router: { readonly nasId: number; readonly nasAddress: string },
  at: Instant,
): Promise<number> {
  return db.execute(
    `update due set due_at = $2::timestamptz
     where attempts > 0 and claimed_until is null and due_at > $2::timestamptz
       and exists (select 1 from session s where s.subscriber_id = due.subscriber_id and s.nas_id = $1
                     and s.nas_address = $3::inet and s.ended_at is null)`,
    [router.nasId, timestamp(at), router.nasAddress],
    'due-retry-router',
  );
}

/**
 * Makes up to `limit` subscribers with a live session or a static address, of ids above `after`, due at a random instant within `spreadMs`
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
       select id from (
         (select distinct subscriber_id as id from session
          where ended_at is null and subscriber_id > $3 order by subscriber_id limit $4)
         union
         (select distinct subscriber_id from static_address
          where subscriber_id > $3 order by subscriber_id limit $4)) as either
       order by id limit $4),
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
