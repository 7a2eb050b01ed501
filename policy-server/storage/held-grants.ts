import type { Rupiah } from '#domain/billing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** A grant that has not ended, with what was asked for it. */
export type HeldGrant = {
  readonly id: number;
  readonly planId: number;
  readonly plan: string;
  readonly from: Instant;
  readonly until: Instant;
  readonly allowanceBytes: number | null;
  readonly usedBytes: number;
  /** Of its plan revision, for a whole period. */
  readonly listRupiah: Rupiah;
  /** Of the purchase it was given for; null where it was not bought as a package. */
  readonly boughtRupiah: Rupiah | null;
  /** Whether an invoice of a subscription's period, or of a change within it, stands for it. */
  readonly billed: boolean;
  /** What of its price was not asked or was given back: discounts, credit notes, refunds. */
  readonly lessRupiah: Rupiah;
};

const HELD = `
select g.id, plan.id as "planId", plan.name as plan, g.starts_at as "from", g.ends_at as "until", g.used_bytes as "usedBytes",
       revision.allowance_bytes as "allowanceBytes", revision.price_rupiah as "listRupiah",
       purchase.price_rupiah as "boughtRupiah", purchase.id is not null or invoice.id is not null as billed,
       coalesce(invoice.credited_rupiah
         - (select coalesce(sum(amount_rupiah), 0) from invoice_line where invoice_id = invoice.id and kind = 'discount')
         + (select coalesce(sum(refund.amount_rupiah), 0) from refund join payment on payment.id = payment_id
             where payment.invoice_id = invoice.id and refund.kind = 'refund'), 0)::bigint as "lessRupiah"
  from grants g join plan_revision revision on revision.id = g.plan_revision_id join plan on plan.id = revision.plan_id
  left join purchase on purchase.grant_id = g.id
  left join lateral (
    select id, credited_rupiah from invoice where purchase_id = purchase.id and voided_at is null
    union all
    select period.id, period.credited_rupiah from invoice period join subscription on subscription.id = period.subscription_id
     where period.subscriber_id = g.subscriber_id and period.kind = 'period' and period.voided_at is null
       and subscription.grant_id = g.id and period.service_from = g.starts_at
    limit 1
  ) invoice on true`;

/** What a subscriber has at an instant or has coming, the earliest end first. */
export async function heldGrants(q: Queryable, subscriberId: number, at: Instant): Promise<HeldGrant[]> {
  return q.query<HeldGrant>(
    `${HELD} where g.subscriber_id = $1 and g.revoked_at is null and g.ends_at > $2::timestamptz order by g.ends_at, g.id`,
    [subscriberId, timestamp(at)],
  );
}

/** The same of grants by their numbers, also of those that have ended by themselves; what was taken away is not there. */
export async function heldGrantsById(q: Queryable, ids: readonly number[]): Promise<HeldGrant[]> {
  return q.query<HeldGrant>(
    `${HELD} where g.id = any($1::bigint[]) and g.revoked_at is null order by g.ends_at, g.id`,
    [ids],
  );
}
