import type { LocalDate, Rupiah } from '#domain/billing';
import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** A plan that a postpaid subscriber is billed for, period after period. */
export type Subscription = {
  readonly id: number;
  readonly subscriberId: number;
  readonly planId: number;
  readonly plan: string;
  /** 1 to 31, kept through short months. */
  readonly billingDay: number;
  /** The local date on which the next period begins. */
  readonly nextOn: LocalDate;
  /** What covers the period that runs; null before the first. */
  readonly grantId: number | null;
  readonly startedAt: Instant;
  readonly startedBy: string;
};

const SUBSCRIPTION = `
select subscription.id, subscriber_id as "subscriberId", plan_id as "planId", plan.name as plan, billing_day as "billingDay",
       next_on as "nextOn", grant_id as "grantId", started_at as "startedAt", started_by as "startedBy"
  from subscription join plan on plan.id = plan_id`;

/** The one that runs; null when there is none. `lock`: its subscriber is locked already. */
export async function subscriptionOf(
  q: Queryable,
  subscriberId: number,
  lock: 'lock' | 'read' = 'read',
): Promise<Subscription | null> {
  const [row] = await q.query<Subscription>(
    `${SUBSCRIPTION} where subscriber_id = $1 and ended_at is null ${lock === 'lock' ? 'for no key update of subscription' : ''}`,
    [subscriberId],
  );
  return row ?? null;
}

export type EndedSubscription = { readonly plan: string; readonly endedAt: Instant; readonly endedBy: string };

/** The one that ended last, for who looks at a line without any. */
export async function lastSubscription(q: Queryable, subscriberId: number): Promise<EndedSubscription | null> {
  const [row] = await q.query<EndedSubscription>(
    `select plan.name as plan, ended_at as "endedAt", ended_by as "endedBy" from subscription join plan on plan.id = plan_id
      where subscriber_id = $1 and ended_at is not null order by ended_at desc limit 1`,
    [subscriberId],
  );
  return row ?? null;
}

export type NewSubscription = Pick<
  Subscription,
  'subscriberId' | 'planId' | 'billingDay' | 'nextOn' | 'startedAt' | 'startedBy'
>;

export async function insertSubscription(tx: Queryable, one: NewSubscription): Promise<number> {
  const [row] = await tx.query<{ id: number }>(
    `insert into subscription (subscriber_id, plan_id, billing_day, next_on, started_at, started_by)
     values ($1, $2, $3, $4::date, $5::timestamptz, $6) returning id`,
    [one.subscriberId, one.planId, one.billingDay, one.nextOn, timestamp(one.startedAt), one.startedBy],
  );
  return row!.id;
}

/** No further period begins. */
export async function setSubscriptionEnded(tx: Queryable, id: number, at: Instant, by: string): Promise<void> {
  await tx.execute('update subscription set ended_at = $2::timestamptz, ended_by = $3 where id = $1', [
    id,
    timestamp(at),
    by,
  ]);
}

/** From now on it is billed for another plan; `grantId` is what covers the rest of the period, null before the first. */
export async function setSubscriptionPlan(
  tx: Queryable,
  id: number,
  planId: number,
  grantId: number | null,
): Promise<void> {
  await tx.execute('update subscription set plan_id = $2, grant_id = $3 where id = $1', [id, planId, grantId]);
}

/** A period to be billed: one of a running subscription that has begun. */
export type DuePeriod = Subscription & {
  readonly language: Language;
  /** Of the plan's newest revision. */
  readonly planRevisionId: number;
  readonly priceRupiah: Rupiah;
};

/** Whose next period has begun by the local date `today`, in the order of their numbers. */
export async function subscribersDue(q: Queryable, today: LocalDate, limit: number): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `select subscriber_id as id from subscription where ended_at is null and next_on <= $1::date
      order by next_on, subscriber_id limit $2`,
    [today, limit],
    'subscribers-due',
  );
  return rows.map((row) => row.id);
}

/** How many subscriptions wait for an invoice by `today`. */
export async function countDue(q: Queryable, today: LocalDate): Promise<number> {
  const [row] = await q.query<{ count: number }>(
    'select count(*) as count from subscription where ended_at is null and next_on <= $1::date',
    [today],
  );
  return row!.count;
}

/**
 * Locks these subscribers, in the order of their numbers, and then those of their subscriptions that are due: what another
 * node billed meanwhile is not among them.
 */
export async function lockDuePeriods(
  tx: Queryable,
  subscriberIds: readonly number[],
  today: LocalDate,
): Promise<DuePeriod[]> {
  await tx.query('select from subscriber where id = any($1::bigint[]) order by id for no key update', [subscriberIds]);
  return tx.query<DuePeriod>(
    `select subscription.id, subscriber_id as "subscriberId", subscription.plan_id as "planId", plan.name as plan,
            billing_day as "billingDay", next_on as "nextOn", grant_id as "grantId", subscription.started_at as "startedAt",
            started_by as "startedBy", language, newest.id as "planRevisionId", newest.price_rupiah as "priceRupiah"
       from subscription join subscriber on subscriber.id = subscriber_id join plan on plan.id = plan_id
       join lateral (select id, price_rupiah from plan_revision where plan_id = plan.id order by revision desc limit 1) newest on true
      where subscriber_id = any($1::bigint[]) and ended_at is null and next_on <= $2::date
      order by subscriber_id for no key update of subscription`,
    [subscriberIds, today],
  );
}

/** A subscription whose periods up to `nextOn` are billed; `cover` is of the one that runs now. */
export type Moved = {
  readonly id: number;
  readonly subscriberId: number;
  readonly nextOn: LocalDate;
  /** When the cover before ends; null where there is none. */
  readonly before: { readonly grantId: number; readonly endsAt: Instant } | null;
  readonly cover: { readonly planRevisionId: number; readonly from: Instant; readonly until: Instant };
};

/** Ends the covers before, gives those of the periods that run, and moves the subscriptions on, all of them at once. */
export async function movePeriods(tx: Queryable, moved: readonly Moved[]): Promise<void> {
  const before = moved.flatMap((one) => one.before ?? []);
  await tx.execute(
    `update grants set ends_at = before.ends_at from unnest($1::bigint[], $2::timestamptz[]) as before (id, ends_at)
      where grants.id = before.id and grants.ends_at > before.ends_at`,
    [before.map((one) => one.grantId), before.map((one) => timestamp(one.endsAt))],
  );
  await tx.execute(
    `with moved as (
       select * from unnest($1::bigint[], $2::bigint[], $3::date[], $4::int[], $5::timestamptz[], $6::timestamptz[])
         as one (id, subscriber_id, next_on, revision_id, starts_at, ends_at)
     ), given as (
       insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
       select subscriber_id, revision_id, starts_at, ends_at from moved returning id, subscriber_id
     )
     update subscription set next_on = moved.next_on, grant_id = given.id
       from moved join given on given.subscriber_id = moved.subscriber_id where subscription.id = moved.id`,
    [
      moved.map((one) => one.id),
      moved.map((one) => one.subscriberId),
      moved.map((one) => one.nextOn),
      moved.map((one) => one.cover.planRevisionId),
      moved.map((one) => timestamp(one.cover.from)),
      moved.map((one) => timestamp(one.cover.until)),
    ],
  );
}

/** Of these subscribers those who have credit with us. */
export async function withCredit(q: Queryable, subscriberIds: readonly number[]): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `select subscriber_id as id from ledger_entry where subscriber_id = any($1::bigint[])
      group by subscriber_id having sum(amount_rupiah) < 0 order by subscriber_id`,
    [subscriberIds],
  );
  return rows.map((row) => row.id);
}

/** A grant ends at another instant than it was given for. */
export async function setGrantEnd(tx: Queryable, grantId: number, endsAt: Instant): Promise<void> {
  await tx.execute('update grants set ends_at = $2::timestamptz where id = $1', [grantId, timestamp(endsAt)]);
}
