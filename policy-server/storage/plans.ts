import { LockMode } from '@mikro-orm/core';
import type { Period, Plan, Rate } from '#domain/plan';
import { DAY, type Instant } from '#domain/time';
import { type Queryable, type Transaction, timestamp } from '#storage/database';
import { PlanEntity, PlanRevisionEntity, type PlanRow } from '#storage/entities';

/** What a plan gives and costs: everything of a `Plan` but its name and the number of its revision. */
export type PlanTerms = Pick<Plan, 'rate' | 'allowanceBytes' | 'period' | 'priceRupiah' | 'profile'>;

/** A plan in its newest revision, as lists show it. */
export type ListedPlan = Plan & {
  readonly planId: number;
  readonly revision: number;
  readonly retired: boolean;
  readonly description: string;
  /** Subscribers may buy it themselves. */
  readonly onPortal: boolean;
  readonly position: number;
  /** Where its speeds were taken from; they are a copy. */
  readonly speedProfileId: number | null;
  readonly grantsInForce: number;
};

/** Of a plan what is not sold with it: how it is called and offered. An edit of it makes no revision. */
export type PlanOffer = {
  readonly name: string;
  readonly description: string;
  readonly onPortal: boolean;
  readonly position: number;
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
  return { planId: plan.id, revision: await nextRevision(tx, plan, terms, null) };
}

async function nextRevision(
  tx: Transaction,
  plan: PlanRow,
  terms: PlanTerms,
  speedProfileId: number | null,
): Promise<number> {
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
    speedProfileId,
  });
  await tx.em.flush();
  return revision;
}

/** A new plan, or a retired one of this name that is on sale again; it needs a revision next. Null when the name is taken. */
export async function createPlan(tx: Transaction, name: string): Promise<number | null> {
  const [row] = await tx.query<{ id: number }>(
    `insert into plan (name) values ($1)
     on conflict (name) do update set retired_at = null where plan.retired_at is not null returning id`,
    [name],
  );
  return row?.id ?? null;
}

/** Writes how a plan is called and offered. Throws a unique violation of `plan_name_key`. */
export async function updatePlanOffer(q: Queryable, planId: number, offer: PlanOffer): Promise<void> {
  await q.execute('update plan set name = $2, description = $3, on_portal = $4, position = $5 where id = $1', [
    planId,
    offer.name,
    offer.description,
    offer.onPortal,
    offer.position,
  ]);
}

/** Writes the next revision of a plan that is there. Returns its number. */
export async function addRevisionOf(
  tx: Transaction,
  planId: number,
  terms: PlanTerms,
  speedProfileId: number | null,
): Promise<number> {
  const plan = await tx.em.findOneOrFail(PlanEntity, { id: planId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  return nextRevision(tx, plan, terms, speedProfileId);
}

/** Takes a plan off sale; what was sold of it stays as it is. */
export async function retirePlan(q: Queryable, planId: number, at: Instant): Promise<void> {
  await q.execute('update plan set retired_at = $2::timestamptz where id = $1', [planId, timestamp(at)]);
}

/** What keeps a plan from being taken away: grants in force or to come, purchases that may still be paid, subscriptions. */
export async function usesOfPlan(
  q: Queryable,
  planId: number,
  now: Instant,
): Promise<{ readonly grants: number; readonly openPurchases: number; readonly subscriptions: number }> {
  const [row] = await q.query<{ grants: number; openPurchases: number; subscriptions: number }>(
    `select (select count(*) from grants join plan_revision r on r.id = plan_revision_id
              where r.plan_id = $1 and ends_at > $2::timestamptz and revoked_at is null) as grants,
            (select count(*) from purchase join plan_revision r on r.id = plan_revision_id
              where r.plan_id = $1 and expires_at > $2::timestamptz and cancelled_at is null and grant_id is null)
              as "openPurchases",
            (select count(*) from subscription where plan_id = $1 and ended_at is null) as subscriptions`,
    [planId, timestamp(now)],
  );
  return row!;
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
  planId: number;
  description: string;
  onPortal: boolean;
  position: number;
  speedProfileId: number | null;
};

const NEWEST = `
  select distinct on (plan.id) revision.id, plan.name, revision.revision, revision.download_bps as "downloadBps",
         revision.upload_bps as "uploadBps", revision.burst, revision.allowance_bytes as "allowanceBytes",
         revision.period_days as "periodDays", revision.period_months as "periodMonths",
         revision.price_rupiah as "priceRupiah", revision.profile, plan.retired_at is not null as retired,
         plan.id as "planId", plan.description, plan.on_portal as "onPortal", plan.position,
         revision.speed_profile_id as "speedProfileId"
    from plan join plan_revision as revision on revision.plan_id = plan.id
   order by plan.id, revision.revision desc`;

export async function listPlans(q: Queryable): Promise<ListedPlan[]> {
  const rows = await q.query<Row & { grantsInForce: number }>(
    `select newest.*, (select count(*)::int from grants join plan_revision on plan_revision.id = plan_revision_id
                        where plan_revision.plan_id = newest."planId" and starts_at <= now() and ends_at > now()
                          and revoked_at is null) as "grantsInForce"
       from (${NEWEST}) as newest order by name`,
  );
  return rows.map((row) => ({ ...listed(row), grantsInForce: row.grantsInForce }));
}

/** Every plan in its newest revision by name, without counting who has it: to choose from. */
export async function planOffers(q: Queryable): Promise<Omit<ListedPlan, 'grantsInForce'>[]> {
  return (await q.query<Row>(`select newest.* from (${NEWEST}) as newest order by name`)).map(listed);
}

/** Every plan on sale in its newest revision, in the order of the offer, the cheaper first; nothing is counted. */
export async function plansOffered(q: Queryable): Promise<Omit<ListedPlan, 'grantsInForce'>[]> {
  const rows = await q.query<Row>(
    `select newest.* from (${NEWEST}) as newest where not retired order by position, "priceRupiah", name`,
  );
  return rows.map(listed);
}

/** The number of the plan that a revision is of. */
export async function planOfRevision(q: Queryable, revisionId: number): Promise<number> {
  const [row] = await q.query<{ id: number }>('select plan_id as id from plan_revision where id = $1', [revisionId]);
  return row!.id;
}

/** One plan in its newest revision, on sale or not. `lock` keeps every other transaction from changing it until ours ends. */
export async function findPlan(
  q: Queryable,
  by: { readonly id: number } | { readonly name: string },
  lock: 'lock' | 'read' = 'read',
): Promise<Omit<ListedPlan, 'grantsInForce'> | null> {
  const [column, value] = 'id' in by ? ['id', by.id] : ['name', by.name];
  if (lock === 'lock') await q.query(`select id from plan where ${column} = $1 for update`, [value]);
  const [row] = await q.query<Row>(
    `select newest.* from (${NEWEST}) as newest where ${column === 'id' ? '"planId"' : 'name'} = $1`,
    [value],
  );
  return row === undefined ? null : listed(row);
}

/** A plan as subscribers are offered it. */
export type PortalPlan = Plan & {
  readonly planId: number;
  readonly description: string;
  /** How often it was bought, any of its revisions, for "most bought". */
  readonly soldLast90Days: number;
};

/** So many of the newest sales are counted at most: the order of plans shows in them, and the page stays quick. */
const SALES_COUNTED = 5_000;

/** The newest revision of each plan that subscribers may buy, in the order of the offer, the cheaper first. */
export async function plansForPortal(q: Queryable, now: Instant): Promise<PortalPlan[]> {
  const rows = await q.query<Row & { sold: number }>(
    `with sold as (
       select revision.plan_id, count(*) as times
         from (select plan_revision_id from purchase where granted_at > $1::timestamptz
                order by granted_at desc limit ${SALES_COUNTED}) as sale
         join plan_revision revision on revision.id = sale.plan_revision_id group by revision.plan_id
     )
     select newest.*, coalesce(sold.times, 0)::int as sold
       from (${NEWEST}) as newest left join sold on sold.plan_id = newest."planId"
      where not retired and "onPortal" order by position, "priceRupiah", name`,
    [timestamp(now - 90 * DAY)],
    'plans-for-portal',
  );
  return rows.map((row) => ({
    ...planOf(row),
    planId: row.planId,
    description: row.description,
    soldLast90Days: row.sold,
  }));
}

function listed(row: Row): Omit<ListedPlan, 'grantsInForce'> {
  const { planId, revision, retired, description, onPortal, position, speedProfileId } = row;
  return { ...planOf(row), planId, revision, retired, description, onPortal, position, speedProfileId };
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
