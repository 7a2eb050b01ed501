import { LockMode } from '@mikro-orm/core';
import type { Period, Plan, Rate } from '#domain/plan';
import type { Queryable, Transaction } from '#storage/database';
import { PlanEntity, PlanRevisionEntity } from '#storage/entities';

/** What a plan gives and costs: everything of a `Plan` but its name and the number of its revision. */
export type PlanTerms = Pick<Plan, 'rate' | 'allowanceBytes' | 'period' | 'priceRupiah' | 'profile'>;

/** A plan in its newest revision, as lists show it. */
export type ListedPlan = Plan & {
  readonly revision: number;
  readonly retired: boolean;
  readonly grantsInForce: number;
};

/** Writes the next revision of the plan of this name, or a new plan with its first. */
export async function addPlanRevision(
  tx: Transaction,
  name: string,
  terms: PlanTerms,
): Promise<{ planId: number; revision: number }> {
  const known = await tx.em.findOne(PlanEntity, { name }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  const plan = known ?? tx.em.create(PlanEntity, { name });
  plan.retiredAt = null;
  await tx.em.flush();
  const last = await tx.em.findOne(PlanRevisionEntity, { plan }, { orderBy: { revision: 'desc' } });
  const revision = (last?.revision ?? 0) + 1;
  tx.em.create(PlanRevisionEntity, {
    plan,
    revision,
    downloadBps: terms.rate.downloadBps,
    uploadBps: terms.rate.uploadBps,
    burst: terms.rate.burst,
    allowanceBytes: terms.allowanceBytes,
    periodDays: 'days' in terms.period ? terms.period.days : null,
    periodMonths: 'months' in terms.period ? terms.period.months : null,
    priceRupiah: terms.priceRupiah,
    profile: terms.profile,
  });
  await tx.em.flush();
  return { planId: plan.id, revision };
}

type Row = {
  id: number;
  name: string;
  revision: number;
  downloadBps: number;
  uploadBps: number;
  burst: Rate['burst'];
  allowanceBytes: number | null;
  periodDays: number | null;
  periodMonths: number | null;
  priceRupiah: number;
  profile: string | null;
  retired: boolean;
  grantsInForce: number;
};

const NEWEST = `
  select distinct on (plan.id) revision.id, plan.name, revision.revision, revision.download_bps as "downloadBps",
         revision.upload_bps as "uploadBps", revision.burst, revision.allowance_bytes as "allowanceBytes",
         revision.period_days as "periodDays", revision.period_months as "periodMonths",
         revision.price_rupiah as "priceRupiah", revision.profile, plan.retired_at is not null as retired,
         plan.id as plan_id
    from plan join plan_revision as revision on revision.plan_id = plan.id
   order by plan.id, revision.revision desc`;

export async function listPlans(q: Queryable): Promise<ListedPlan[]> {
  const rows = await q.query<Row>(
    `select newest.*, (select count(*)::int from grants join plan_revision on plan_revision.id = plan_revision_id
                        where plan_revision.plan_id = newest.plan_id and starts_at <= now() and ends_at > now()
                          and revoked_at is null) as "grantsInForce"
       from (${NEWEST}) as newest order by name`,
  );
  return rows.map((row) => ({
    ...planOf(row),
    revision: row.revision,
    retired: row.retired,
    grantsInForce: row.grantsInForce,
  }));
}

/** The newest revision of each of the named plans that exist and are on sale, by name. */
export async function plansOnSale(q: Queryable, names: readonly string[]): Promise<Map<string, Plan>> {
  const rows = await q.query<Row>(`select * from (${NEWEST}) as newest where name = any($1::text[]) and not retired`, [
    names,
  ]);
  return new Map(rows.map((row) => [row.name, planOf(row)]));
}

/** Names of the plans on sale, for a message that says what there is. */
export async function planNames(q: Queryable): Promise<string[]> {
  const rows = await q.query<{ name: string }>('select name from plan where retired_at is null order by name limit 20');
  return rows.map((row) => row.name);
}

function planOf(row: Row): Plan {
  const period: Period = row.periodDays === null ? { months: row.periodMonths! } : { days: row.periodDays };
  return {
    revisionId: row.id,
    name: row.name,
    rate: { downloadBps: row.downloadBps, uploadBps: row.uploadBps, burst: row.burst },
    allowanceBytes: row.allowanceBytes,
    period,
    priceRupiah: row.priceRupiah,
    profile: row.profile,
  };
}
