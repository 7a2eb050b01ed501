import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';

/** A payment as its customer sees it. */
export type ReceivedPayment = {
  readonly id: number;
  readonly method: string;
  /** null: it came in by hand. */
  readonly gateway: GatewayName | null;
  readonly amountRupiah: Rupiah;
  /** Of it, what was given or taken back. */
  readonly backRupiah: Rupiah;
  readonly receivedAt: Instant;
  /** null: nobody has asked for the receipt yet. */
  readonly receiptNumber: string | null;
  /** What it was meant for; null: it became credit. */
  readonly invoice: { readonly publicId: string; readonly number: string; readonly what: string } | null;
};

type Row = Omit<ReceivedPayment, 'invoice'> & { publicId: string | null; number: string | null; what: string | null };

const RECEIVED = `
select payment.id, payment.method, payment.gateway, payment.amount_rupiah as "amountRupiah",
       coalesce((select sum(amount_rupiah) from refund where payment_id = payment.id), 0)::bigint as "backRupiah",
       payment.received_at as "receivedAt", receipt_number as "receiptNumber", invoice.public_id as "publicId", invoice.number,
       (select description from invoice_line where invoice_id = invoice.id order by position limit 1) as what
  from payment left join invoice on invoice.id = payment.invoice_id`;

const shown = ({ publicId, number, what, ...payment }: Row): ReceivedPayment => ({
  ...payment,
  invoice: publicId === null ? null : { publicId, number: number!, what: what ?? '' },
});

/** The newest first. */
export async function paymentsOf(q: Queryable, subscriberId: number, limit: number): Promise<ReceivedPayment[]> {
  const rows = await q.query<Row>(
    `${RECEIVED} where payment.subscriber_id = $1 order by payment.id desc limit $2`,
    [subscriberId, limit],
    'payments-of-subscriber',
  );
  return rows.map(shown);
}

/** Somebody else's is null, like one that never was; `subscriberId` null: whosever it is. */
export async function receivedPayment(
  q: Queryable,
  id: number,
  subscriberId: number | null,
): Promise<(ReceivedPayment & { readonly subscriberId: number }) | null> {
  const [row] = await q.query<Row & { subscriberId: number }>(
    `${RECEIVED.replace('select payment.id,', 'select payment.id, payment.subscriber_id as "subscriberId",')}
      where payment.id = $1 and payment.subscriber_id = coalesce($2, payment.subscriber_id)`,
    [id, subscriberId],
  );
  return row === undefined ? null : { ...shown(row), subscriberId: row.subscriberId };
}

/** The receipt's number of a payment, its row locked; undefined when there is no such payment. */
export async function lockReceiptNumber(tx: Queryable, paymentId: number): Promise<string | null | undefined> {
  const [row] = await tx.query<{ number: string | null }>(
    'select receipt_number as number from payment where id = $1 for no key update',
    [paymentId],
  );
  return row?.number;
}

export async function setReceiptNumber(tx: Queryable, paymentId: number, number: string): Promise<void> {
  await tx.execute('update payment set receipt_number = $2 where id = $1', [paymentId, number]);
}
