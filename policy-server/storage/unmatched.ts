import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import type { UnmatchedReason } from '#storage/payments';

/** Money of a gateway that fits nothing, with what is known of where it may belong. */
export type Unmatched = {
  readonly id: number;
  readonly gateway: GatewayName;
  readonly gatewayRef: string;
  readonly orderId: string;
  readonly amountRupiah: Rupiah;
  readonly reason: UnmatchedReason;
  readonly seenAt: Instant;
  readonly resolvedAt: Instant | null;
  readonly resolvedBy: string | null;
  /** What was done with it, in words: who has it now. */
  readonly resolution: string | null;
  readonly intentId: number | null;
  /** Of the order: who was to pay, how much, for which invoice. */
  readonly subscriberId: number | null;
  readonly username: string | null;
  readonly name: string | null;
  readonly askedRupiah: Rupiah | null;
  readonly invoiceNumber: string | null;
  /** The gateway is being asked to give it back. */
  readonly refunding: boolean;
  /** How often it was asked to, with no coming of it. */
  readonly refundOrders: number;
  /** Why it said no the last time, or cannot be asked. */
  readonly refundError: string | null;
};

const UNMATCHED = `
select u.id, u.gateway, u.gateway_ref as "gatewayRef", u.order_id as "orderId", u.amount_rupiah as "amountRupiah", u.reason,
       u.seen_at as "seenAt", u.resolved_at as "resolvedAt", u.resolved_by as "resolvedBy", u.resolution,
       u.intent_id as "intentId", i.subscriber_id as "subscriberId", s.username, s.name, i.amount_rupiah as "askedRupiah",
       invoice.number as "invoiceNumber",
       exists (select from refund_order o where o.unmatched_id = u.id and o.ended_at is null) as refunding,
       (select count(*) from refund_order o where o.unmatched_id = u.id) as "refundOrders",
       (select o.error from refund_order o where o.unmatched_id = u.id order by o.id desc limit 1) as "refundError"
  from unmatched_money u left join payment_intent i on i.id = u.intent_id left join subscriber s on s.id = i.subscriber_id
       left join invoice on invoice.id = i.invoice_id`;

/** What waits, the longest waiting first; `resolved`: what was done, the last first. */
export const listUnmatched = (q: Queryable, limit: number, resolved = false): Promise<Unmatched[]> =>
  q.query<Unmatched>(
    resolved
      ? `${UNMATCHED} where u.resolved_at is not null order by u.resolved_at desc, u.id desc limit $1`
      : `${UNMATCHED} where u.resolved_at is null order by u.id limit $1`,
    [limit],
  );

export async function unmatchedOf(q: Queryable, id: number): Promise<Unmatched | null> {
  const [row] = await q.query<Unmatched>(`${UNMATCHED} where u.id = $1`, [id]);
  return row ?? null;
}

/** With its row locked; whoever's money it becomes is locked before, like everywhere. */
export async function lockUnmatched(tx: Queryable, id: number): Promise<Unmatched | null> {
  await tx.query('select from unmatched_money where id = $1 for no key update', [id]);
  return unmatchedOf(tx, id);
}

export async function setResolved(tx: Queryable, id: number, at: Instant, by: string, what: string): Promise<void> {
  await tx.execute(
    `update unmatched_money set resolved_at = $2::timestamptz, resolved_by = $3, resolution = $4
      where id = $1 and resolved_at is null`,
    [id, timestamp(at), by, what],
  );
}

/** What waits for a person: how much in all, and since when. */
export async function unmatchedWaiting(
  q: Queryable,
): Promise<{ readonly count: number; readonly rupiah: Rupiah; readonly since: Instant | null }> {
  const [row] = await q.query<{ count: number; rupiah: number; since: number | null }>(
    `select count(*) as count, coalesce(sum(amount_rupiah), 0)::bigint as rupiah, min(seen_at) as since
       from unmatched_money where resolved_at is null`,
  );
  return row!;
}
