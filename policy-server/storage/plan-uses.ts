import type { Period, Rate } from '#domain/plan';
import { DAY, type Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** How much a plan is used, all its revisions together. */
export type PlanUse = {
  /** Grants in force. */
  readonly active: number;
  /** Times it was bought in the last 90 days. */
  readonly sold: number;
};

const SALES_DAYS = 90;

/** By the number of the plan; one that nobody has or bought is not in it. */
export async function planUses(q: Queryable, now: Instant): Promise<ReadonlyMap<number, PlanUse>> {
  const rows = await q.query<PlanUse & { planId: number }>(
    `with active as (
       select plan_revision_id, count(*) as active from grants
        where least(ends_at, revoked_at) > $1::timestamptz and starts_at <= $1::timestamptz group by 1
     ), sold as (
       select plan_revision_id, count(*) as sold from purchase where granted_at > $2::timestamptz group by 1)
     select r.plan_id as "planId", coalesce(sum(active), 0)::bigint as active, coalesce(sum(sold), 0)::bigint as sold
       from plan_revision r left join active on active.plan_revision_id = r.id left join sold on sold.plan_revision_id = r.id
      group by 1 having sum(active) > 0 or sum(sold) > 0`,
    [timestamp(now), timestamp(now - SALES_DAYS * DAY)],
  );
  return new Map(rows.map(({ planId, ...use }) => [planId, use]));
}

/** What was on sale as one plan for a time. */
export type PlanRevision = {
  readonly id: number;
  readonly revision: number;
  readonly createdAt: Instant;
  readonly rate: Rate;
  readonly allowanceBytes: number | null;
  readonly period: Period;
  readonly priceRupiah: number;
  readonly profile: string | null;
  /** Grants of it in force. */
  readonly active: number;
  /** Times it was bought, ever. */
  readonly sold: number;
};

type Row = Omit<PlanRevision, 'rate' | 'period'> & {
  readonly downloadBps: number;
  readonly uploadBps: number;
  readonly burst: Rate['burst'];
  readonly periodDays: number | null;
  readonly periodMonths: number | null;
};

/** Every revision of a plan, the newest first. */
export async function planRevisions(q: Queryable, planId: number, now: Instant): Promise<PlanRevision[]> {
  const rows = await q.query<Row>(
    `select r.id, r.revision, r.created_at as "createdAt", r.download_bps as "downloadBps", r.upload_bps as "uploadBps", r.burst,
            r.allowance_bytes as "allowanceBytes", r.period_days as "periodDays", r.period_months as "periodMonths",
            r.price_rupiah as "priceRupiah", r.profile,
            (select count(*) from grants g where g.plan_revision_id = r.id and g.starts_at <= $2::timestamptz
                and least(g.ends_at, g.revoked_at) > $2::timestamptz) as active,
            (select count(*) from purchase p where p.plan_revision_id = r.id and p.granted_at is not null) as sold
       from plan_revision r where r.plan_id = $1 order by r.revision desc`,
    [planId, timestamp(now)],
  );
  return rows.map(({ downloadBps, uploadBps, burst, periodDays, periodMonths, ...row }) => ({
    ...row,
    rate: { downloadBps, uploadBps, burst },
    period: periodDays === null ? { months: periodMonths! } : { days: periodDays },
  }));
}
