import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** What was received for an invoice and is still with us, by all its payments. */
export async function paidOf(q: Queryable, invoiceId: number): Promise<Rupiah> {
  const [row] = await q.query<{ rupiah: number }>(
    `select (coalesce(sum(amount_rupiah), 0) - coalesce(sum((select sum(amount_rupiah) from refund where payment_id = payment.id)), 0))::bigint
            as rupiah from payment where invoice_id = $1`,
    [invoiceId],
  );
  return row!.rupiah;
}

/**
 * What of an invoice's money was given back at our expense, as the books have it. What was taken out of the customer's
 * credit is not in it, nor is what an unsettled invoice gave back to the expense.
 */
export async function expenseOf(q: Queryable, invoiceId: number): Promise<Rupiah> {
  const [row] = await q.query<{ rupiah: number }>(
    `select coalesce(sum(e.amount_rupiah), 0)::bigint as rupiah
       from ledger_transaction t join ledger_entry e on e.transaction_id = t.id and e.account = 'refund'
      where t.reference = any(
        array(select 'refund:' || refund.id from refund join payment on payment.id = payment_id
               where invoice_id = $1 and refund.kind = 'refund')
        || array(select 'unsettled:' || id || ':' || nth from invoice, generate_series(1, settlements) as nth where id = $1))`,
    [invoiceId],
  );
  return row!.rupiah;
}

/** A payment as whoever gives it back looks at it, its subscriber's row locked. */
export type PaymentToRefund = {
  readonly id: number;
  readonly subscriberId: number;
  readonly invoiceId: number | null;
  readonly amountRupiah: Rupiah;
  readonly backRupiah: Rupiah;
  readonly method: string;
  readonly gateway: GatewayName | null;
  readonly gatewayRef: string | null;
  readonly intentId: number | null;
  /** The order it was paid by at its gateway; null where it was found by other ways. */
  readonly orderId: string | null;
};

export async function lockPayment(tx: Queryable, id: number): Promise<PaymentToRefund | null> {
  await tx.query(
    'select from subscriber where id = (select subscriber_id from payment where id = $1) for no key update',
    [id],
  );
  const [row] = await tx.query<PaymentToRefund>(
    `select payment.id, payment.subscriber_id as "subscriberId", payment.invoice_id as "invoiceId",
            payment.amount_rupiah as "amountRupiah", method, payment.gateway, gateway_ref as "gatewayRef",
            intent_id as "intentId", coalesce(order_id, (
              select unmatched.order_id from unmatched_money unmatched
               where unmatched.gateway = payment.gateway and unmatched.gateway_ref = payment.gateway_ref)) as "orderId",
            coalesce((select sum(amount_rupiah) from refund where payment_id = payment.id), 0)::bigint as "backRupiah"
       from payment left join payment_intent on payment_intent.id = intent_id
      where payment.id = $1 for no key update of payment`,
    [id],
  );
  return row ?? null;
}

/** The payment that a form told of before, by its key. */
export async function paymentOfKey(q: Queryable, key: string): Promise<number | null> {
  const [row] = await q.query<{ id: number }>('select id from payment where once_key = $1', [key]);
  return row?.id ?? null;
}

export async function setOnceKey(tx: Queryable, paymentId: number, key: string): Promise<void> {
  await tx.execute('update payment set once_key = $2 where id = $1', [paymentId, key]);
}

/** Whether something was given back under this key, or a gateway is asked to. */
export async function isKeyUsed(q: Queryable, key: string): Promise<boolean> {
  const rows = await q.query(
    'select from refund where gateway_key = $1 union all select from refund_order where gateway_key = $1',
    [key],
  );
  return rows.length > 0;
}

/** Money that a gateway is to give back: asked with the same key until it says yes or no. */
export type RefundOrder = {
  readonly id: number;
  readonly paymentId: number | null;
  readonly unmatchedId: number | null;
  readonly key: string;
  readonly amountRupiah: Rupiah;
  /** What of the payment is back in all when this is done. */
  readonly backRupiah: Rupiah;
  readonly reason: string;
  readonly askedAt: Instant;
  readonly askedBy: string;
  readonly attempts: number;
  /** When the gateway said yes. The books follow what it says of the payment then. */
  readonly acceptedAt: Instant | null;
  readonly endedAt: Instant | null;
  readonly error: string | null;
};

const ORDER = `
select id, payment_id as "paymentId", unmatched_id as "unmatchedId", gateway_key as key, amount_rupiah as "amountRupiah",
       back_rupiah as "backRupiah", reason, asked_at as "askedAt", asked_by as "askedBy", attempts,
       accepted_at as "acceptedAt", ended_at as "endedAt", error
  from refund_order`;

export async function insertRefundOrder(
  tx: Queryable,
  order: Pick<
    RefundOrder,
    'paymentId' | 'unmatchedId' | 'key' | 'amountRupiah' | 'backRupiah' | 'reason' | 'askedAt' | 'askedBy'
  > & {
    /** When somebody asks the gateway if whoever ordered it did not come to it. */
    readonly dueAt: Instant;
  },
): Promise<number> {
  const [row] = await tx.query<{ id: number }>(
    `insert into refund_order (payment_id, unmatched_id, gateway_key, amount_rupiah, back_rupiah, reason, asked_at, asked_by, due_at)
     values ($1, $2, $3, $4, $5, $6, $7::timestamptz, $8, $9::timestamptz) returning id`,
    [
      order.paymentId,
      order.unmatchedId,
      order.key,
      order.amountRupiah,
      order.backRupiah,
      order.reason,
      timestamp(order.askedAt),
      order.askedBy,
      timestamp(order.dueAt),
    ],
  );
  return row!.id;
}

export async function refundOrder(q: Queryable, id: number): Promise<RefundOrder | null> {
  const [row] = await q.query<RefundOrder>(`${ORDER} where id = $1`, [id]);
  return row ?? null;
}

/** What is under way of a payment: at most one. */
export async function openRefundOrder(q: Queryable, paymentId: number): Promise<RefundOrder | null> {
  const [row] = await q.query<RefundOrder>(
    `${ORDER} where payment_id = $1 and ended_at is null`,
    [paymentId],
    'refund-order-open',
  );
  return row ?? null;
}

/** The newest first. */
export const refundOrdersOf = (q: Queryable, paymentId: number): Promise<RefundOrder[]> =>
  q.query<RefundOrder>(`${ORDER} where payment_id = $1 order by id desc`, [paymentId]);

/** Those whose time has come, the longest due first. */
export const dueRefundOrders = (q: Queryable, now: Instant, limit: number): Promise<RefundOrder[]> =>
  q.query<RefundOrder>(`${ORDER} where ended_at is null and due_at <= $1::timestamptz order by due_at limit $2`, [
    timestamp(now),
    limit,
  ]);

/** Somebody is asking about it now; if nothing comes of that, it is due again then. */
export async function postponeRefundOrder(q: Queryable, id: number, dueAt: Instant): Promise<void> {
  await q.execute(
    'update refund_order set attempts = attempts + 1, due_at = $2::timestamptz where id = $1 and ended_at is null',
    [id, timestamp(dueAt)],
  );
}

export async function noteRefundError(q: Queryable, id: number, error: string): Promise<void> {
  await q.execute('update refund_order set error = $2 where id = $1 and ended_at is null', [id, error]);
}

export async function acceptRefundOrder(q: Queryable, id: number, at: Instant): Promise<void> {
  await q.execute(
    `update refund_order set accepted_at = coalesce(accepted_at, $2::timestamptz), error = null where id = $1 and ended_at is null`,
    [id, timestamp(at)],
  );
}

/** `error` null: it is done. Returns false when it had ended already. */
export async function endRefundOrder(q: Queryable, id: number, at: Instant, error: string | null): Promise<boolean> {
  const ended = await q.execute(
    'update refund_order set ended_at = $2::timestamptz, error = $3 where id = $1 and ended_at is null',
    [id, timestamp(at), error],
  );
  return ended > 0;
}
