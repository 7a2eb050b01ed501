import type { Rupiah } from '#domain/billing';
import type { Period } from '#domain/plan';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** How a customer is charged without asking, and how far that is just now. */
export type AutoPay = {
  readonly subscriberId: number;
  /** null: from the balance. */
  readonly methodId: number | null;
  /** null: the package that runs out is renewed. */
  readonly planId: number | null;
  readonly begunAt: Instant;
  /** What is to be paid next: `cover:<its end>` or `invoice:<id>`; what follows is of it. */
  readonly workingOn: string | null;
  /** What the customer was told would be charged, and when they were told. */
  readonly toldRupiah: Rupiah | null;
  readonly toldAt: Instant | null;
  readonly invoiceId: number | null;
  /** A charge whose outcome is not known yet. */
  readonly orderId: string | null;
  readonly failures: number;
  readonly nextTryAt: Instant;
  /** One of `AUTO_PAY_FAULTS`. */
  readonly lastError: string | null;
  /** It tries no more until the customer says so. */
  readonly pausedAt: Instant | null;
};

const AUTO_PAY = `
select subscriber_id as "subscriberId", method_id as "methodId", plan_id as "planId", begun_at as "begunAt", working_on as "workingOn",
       told_rupiah as "toldRupiah", told_at as "toldAt", invoice_id as "invoiceId", order_id as "orderId", failures,
       next_try_at as "nextTryAt", last_error as "lastError", paused_at as "pausedAt"
  from auto_pay`;

/** `lock`: nobody else decides about it meanwhile; the subscriber is locked first. */
export async function autoPayOf(
  q: Queryable,
  subscriberId: number,
  lock: 'lock' | 'read' = 'read',
): Promise<AutoPay | null> {
  const [row] = await q.query<AutoPay>(
    `${AUTO_PAY} where subscriber_id = $1 ${lock === 'lock' ? 'for no key update' : ''}`,
    [subscriberId],
    `auto-pay-of-${lock}`,
  );
  return row ?? null;
}

/** Whose is to be looked at by now, those that wait longest first. */
export async function dueAutoPays(q: Queryable, now: Instant, limit: number): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `select subscriber_id as id from auto_pay where paused_at is null and next_try_at <= $1::timestamptz
      order by next_try_at, subscriber_id limit $2`,
    [timestamp(now), limit],
    'auto-pay-due',
  );
  return rows.map(({ id }) => id);
}

/**
 * Begins it, or changes what is charged; a pause and what failed before are over. A charge that was begun before it was
 * stopped goes on.
 */
export async function beginAutoPay(
  tx: Queryable,
  { subscriberId, methodId, planId }: Pick<AutoPay, 'subscriberId' | 'methodId' | 'planId'>,
  at: Instant,
  by: string,
): Promise<void> {
  await tx.execute(
    `insert into auto_pay (subscriber_id, method_id, plan_id, begun_at, begun_by, next_try_at, order_id)
     values ($1, $2, $3, $4::timestamptz, $5, $4::timestamptz, (select order_id from payment_intent
       where subscriber_id = $1 and method_id is not null and closed_at is null order by id desc limit 1))
     on conflict (subscriber_id) do update
        set method_id = excluded.method_id, plan_id = excluded.plan_id, begun_by = excluded.begun_by, failures = 0,
            next_try_at = excluded.next_try_at, last_error = null, paused_at = null`,
    [subscriberId, methodId, planId, timestamp(at), by],
  );
}

/** Returns whether there was one. */
export async function deleteAutoPay(tx: Queryable, subscriberId: number): Promise<boolean> {
  return (await tx.execute('delete from auto_pay where subscriber_id = $1', [subscriberId])) > 0;
}

/** Writes how far it is. */
export async function writeAutoPay(tx: Queryable, state: AutoPay): Promise<void> {
  await tx.execute(
    `update auto_pay set working_on = $2, told_rupiah = $3, told_at = $4::timestamptz, invoice_id = $5, order_id = $6,
            failures = $7, next_try_at = $8::timestamptz, last_error = $9, paused_at = $10::timestamptz
      where subscriber_id = $1`,
    [
      state.subscriberId,
      state.workingOn,
      state.toldRupiah,
      timestamp(state.toldAt),
      state.invoiceId,
      state.orderId,
      state.failures,
      timestamp(state.nextTryAt),
      state.lastError,
      timestamp(state.pausedAt),
    ],
    'auto-pay-write',
  );
}

/** A cover that runs out, and what would renew it. */
export type Renewal = {
  /** When it runs out. */
  readonly until: Instant;
  readonly plan: string;
  readonly planId: number;
  readonly revisionId: number;
  readonly period: Period;
  readonly priceRupiah: Rupiah;
  /** It is not sold any more. */
  readonly retired: boolean;
};

/**
 * The end of the last cover of a prepaid subscriber, and the plan that follows it: the one of `planId`, else the one that
 * runs out, in its newest revision. null: there never was any, or somebody ended it.
 */
export async function renewalOf(q: Queryable, subscriberId: number, planId: number | null): Promise<Renewal | null> {
  const [row] = await q.query<
    Omit<Renewal, 'period'> & { periodDays: number | null; periodMonths: number | null; revoked: boolean }
  >(
    `select c.ends_at as until, plan.name as plan, plan.id as "planId", newest.id as "revisionId",
            newest.period_days as "periodDays", newest.period_months as "periodMonths", newest.price_rupiah as "priceRupiah",
            plan.retired_at is not null as retired
       from cover c join subscriber s on s.id = c.subscriber_id and s.billing = 'prepaid'
            cross join lateral (select plan_revision_id from grants
              where subscriber_id = c.subscriber_id and ends_at = c.ends_at and revoked_at is null order by id desc limit 1) ending
            join plan_revision ended on ended.id = ending.plan_revision_id
            join plan on plan.id = coalesce($2::int, ended.plan_id)
            join lateral (select * from plan_revision where plan_id = plan.id order by revision desc limit 1) newest on true
      where c.subscriber_id = $1 and c.last`,
    [subscriberId, planId],
    'auto-pay-renewal',
  );
  if (row === undefined) return null;
  const { periodDays, periodMonths, ...renewal } = row;
  return { ...renewal, period: periodDays === null ? { months: periodMonths! } : { days: periodDays } };
}

/** Until when an order waits that the customer placed and did not pay; null = there is none. */
export async function waitingOrderUntil(q: Queryable, subscriberId: number, now: Instant): Promise<Instant | null> {
  const [row] = await q.query<{ until: Instant | null }>(
    `select max(expires_at) as until from purchase
      where subscriber_id = $1 and cancelled_at is null and grant_id is null and expires_at > $2::timestamptz`,
    [subscriberId, timestamp(now)],
  );
  return row!.until;
}

/** What auto-pay did lately, from the audit: the newest first. */
export type AutoPayEvent = {
  readonly at: Instant;
  readonly why: string;
  readonly detail: Readonly<Record<string, unknown>>;
};

export const AUTO_PAY_ACTS = ['begin auto-pay', 'stop auto-pay', 'auto-pay paid', 'auto-pay failed'] as const;

export async function autoPayEvents(q: Queryable, subscriberId: number, limit: number): Promise<AutoPayEvent[]> {
  return q.query<AutoPayEvent>(
    `select at, why, detail from audit where subscriber_id = $1 and why = any($2) order by id desc limit $3`,
    [subscriberId, [...AUTO_PAY_ACTS], limit],
  );
}
