import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** What was spent of a bucket: wrong tries, and since when (its rule says what `since` means). */
export type Spent = { readonly failures: number; readonly since: Instant };

type Row = Spent & { readonly bucket: string };

const byBucket = (rows: readonly Row[]): Map<string, Spent> =>
  new Map(rows.map(({ bucket, ...spent }) => [bucket, spent]));

/** Buckets nobody has spent of are not in it. */
export async function readSpent(q: Queryable, buckets: readonly string[]): Promise<Map<string, Spent>> {
  const rows = await q.query<Row>(
    'select bucket, failures, window_start as since from login_budget where bucket = any($1::text[])',
    [buckets],
    'login-budget-read',
  );
  return byBucket(rows);
}

/** Locks the buckets until the transaction ends, in the order of their names; those that were not there are there now. */
export async function lockSpent(q: Queryable, buckets: readonly string[], now: Instant): Promise<Map<string, Spent>> {
  const rows = await q.query<Row>(
    `insert into login_budget (bucket, window_start, failures)
     select bucket, $2::timestamptz, 0 from unnest($1::text[]) as bucket order by bucket
     on conflict (bucket) do update set failures = login_budget.failures
     returning bucket, failures, window_start as since`,
    [buckets, timestamp(now)],
    'login-budget-lock',
  );
  return byBucket(rows);
}

export async function writeSpent(q: Queryable, spent: ReadonlyMap<string, Spent>): Promise<void> {
  const values = [...spent.values()];
  await q.execute(
    `update login_budget set failures = n.failures, window_start = n.since
       from unnest($1::text[], $2::int[], $3::timestamptz[]) as n (bucket, failures, since)
      where login_budget.bucket = n.bucket`,
    [[...spent.keys()], values.map((one) => one.failures), values.map((one) => timestamp(one.since))],
    'login-budget-write',
  );
}

/** Takes one try back from each. Two that do so at once lock in the order of the names, as `lockSpent` does. */
export async function giveBackSpent(q: Queryable, buckets: readonly string[]): Promise<void> {
  await q.execute(
    `with locked as materialized (
       select bucket from login_budget where bucket = any($1::text[]) order by bucket for update
     )
     update login_budget set failures = failures - 1 from locked
      where login_budget.bucket = locked.bucket and failures > 0`,
    [buckets],
    'login-budget-give-back',
  );
}

export async function forgetSpent(q: Queryable, buckets: readonly string[]): Promise<void> {
  await q.execute('delete from login_budget where bucket = any($1::text[])', [buckets]);
}
