import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type NewGrant = {
  readonly subscriberId: number;
  readonly planRevisionId: number;
  readonly from: Instant;
  readonly until: Instant;
};

/** A grant as lists show it. */
export type ListedGrant = {
  readonly id: number;
  readonly plan: string;
  readonly from: Instant;
  readonly until: Instant;
  readonly revokedAt: Instant | null;
  readonly usedBytes: number;
  readonly allowanceBytes: number | null;
};

/** One statement for any number of rows; the ids come in no promised order. */
export async function insertGrants(q: Queryable, grants: readonly NewGrant[]): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
     select * from unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::timestamptz[]) returning id`,
    [
      grants.map((one) => one.subscriberId),
      grants.map((one) => one.planRevisionId),
      grants.map((one) => timestamp(one.from)),
      grants.map((one) => timestamp(one.until)),
    ],
    'grants-insert',
  );
  return rows.map((row) => row.id);
}

/** Every grant of a subscriber, the newest end first. */
export async function grantsOf(q: Queryable, subscriberId: number): Promise<ListedGrant[]> {
  return q.query<ListedGrant>(
    `select grants.id, plan.name as plan, starts_at as "from", ends_at as "until", revoked_at as "revokedAt",
            used_bytes as "usedBytes", revision.allowance_bytes as "allowanceBytes"
       from grants join plan_revision as revision on revision.id = plan_revision_id
                   join plan on plan.id = revision.plan_id
      where subscriber_id = $1 order by ends_at desc, grants.id desc`,
    [subscriberId],
    'grants-of-subscriber',
  );
}

export async function setRevoked(q: Queryable, grantId: number, at: Instant): Promise<void> {
  await q.execute('update grants set revoked_at = $2::timestamptz where id = $1', [grantId, timestamp(at)]);
}
