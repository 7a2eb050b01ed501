import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** Where a gateway's payment is found again: its own number of it, and the intent that led to it. */
export type GatewayPayment = { readonly name: GatewayName; readonly ref: string; readonly intentId: number | null };

export type NewPayment = {
  readonly subscriberId: number;
  readonly invoiceId: number | null;
  readonly purchaseId: number | null;
  /** null: it came in by hand. */
  readonly gateway: GatewayPayment | null;
  readonly method: string;
  readonly amountRupiah: Rupiah;
  readonly receivedAt: Instant;
  readonly receivedBy: string;
  readonly note: string;
};

/** Returns the id; null when this payment of the gateway is here already. */
export async function insertPayment(tx: Queryable, payment: NewPayment): Promise<number | null> {
  const { gateway } = payment;
  const [row] = await tx.query<{ id: number }>(
    `insert into payment (subscriber_id, invoice_id, purchase_id, intent_id, gateway, gateway_ref, method, amount_rupiah,
                          received_at, received_by, note)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9::timestamptz, $10, $11)
     on conflict (gateway, gateway_ref) do nothing returning id`,
    [
      payment.subscriberId,
      payment.invoiceId,
      payment.purchaseId,
      gateway?.intentId ?? null,
      gateway?.name ?? null,
      gateway?.ref ?? null,
      payment.method,
      payment.amountRupiah,
      timestamp(payment.receivedAt),
      payment.receivedBy,
      payment.note,
    ],
    'payment-insert',
  );
  return row?.id ?? null;
}

/** A payment of a gateway as it stands: what of it was given or taken back so far. */
export type KnownPayment = {
  readonly id: number;
  readonly subscriberId: number;
  readonly invoiceId: number | null;
  readonly amountRupiah: Rupiah;
  readonly backRupiah: Rupiah;
};

export async function paymentOf(q: Queryable, gateway: GatewayName, ref: string): Promise<KnownPayment | null> {
  const [row] = await q.query<KnownPayment>(
    `select id, subscriber_id as "subscriberId", invoice_id as "invoiceId", amount_rupiah as "amountRupiah",
            coalesce((select sum(amount_rupiah) from refund where payment_id = payment.id), 0)::bigint as "backRupiah"
       from payment where gateway = $1 and gateway_ref = $2`,
    [gateway, ref],
    'payment-of-gateway',
  );
  return row ?? null;
}

/** The payments of an intent that were not wholly given or taken back. */
export async function paymentOfIntent(
  q: Queryable,
  intentId: number,
): Promise<(KnownPayment & { ref: string }) | null> {
  const [row] = await q.query<KnownPayment & { ref: string }>(
    `select id, subscriber_id as "subscriberId", invoice_id as "invoiceId", amount_rupiah as "amountRupiah", gateway_ref as ref,
            coalesce((select sum(amount_rupiah) from refund where payment_id = payment.id), 0)::bigint as "backRupiah"
       from payment where intent_id = $1 order by id desc limit 1`,
    [intentId],
  );
  return row ?? null;
}

/** Whether money of this number at the gateway is here, as a payment or waiting for a person. */
export async function isMoneyKnown(q: Queryable, gateway: GatewayName, ref: string): Promise<boolean> {
  const [row] = await q.query<{ known: boolean }>(
    `select exists (select from payment where gateway = $1 and gateway_ref = $2)
         or exists (select from unmatched_money where gateway = $1 and gateway_ref = $2) as known`,
    [gateway, ref],
    'money-is-known',
  );
  return row!.known;
}

export type RefundKind = 'refund' | 'reversal' | 'chargeback';

export async function insertRefund(
  tx: Queryable,
  refund: {
    readonly paymentId: number;
    readonly kind: RefundKind;
    readonly amountRupiah: Rupiah;
    readonly at: Instant;
    readonly by: string;
    readonly reason: string;
    /** With which it was asked of a gateway or told by a form: under one key money goes back once. */
    readonly key?: string | null;
  },
): Promise<number> {
  const [row] = await tx.query<{ id: number }>(
    `insert into refund (payment_id, kind, amount_rupiah, at, by, reason, gateway_key)
     values ($1, $2, $3, $4::timestamptz, $5, $6, $7) returning id`,
    [
      refund.paymentId,
      refund.kind,
      refund.amountRupiah,
      timestamp(refund.at),
      refund.by,
      refund.reason,
      refund.key ?? null,
    ],
  );
  return row!.id;
}

export type UnmatchedReason = 'unknown-order' | 'wrong-amount' | 'wrong-currency' | 'paid-again';

/** Money that fits nothing, for a person to look at. Returns false when it is in the queue already. */
export async function insertUnmatched(
  tx: Queryable,
  money: {
    readonly gateway: GatewayName;
    readonly ref: string;
    readonly orderId: string;
    readonly intentId: number | null;
    readonly amountRupiah: Rupiah;
    readonly reason: UnmatchedReason;
    readonly at: Instant;
  },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into unmatched_money (gateway, gateway_ref, order_id, intent_id, amount_rupiah, reason, seen_at)
     values ($1, $2, $3, $4, $5, $6, $7::timestamptz) on conflict (gateway, gateway_ref) do nothing returning id`,
    [money.gateway, money.ref, money.orderId, money.intentId, money.amountRupiah, money.reason, timestamp(money.at)],
  );
  return rows.length > 0;
}
