import type { LocalDate, Rupiah } from '#domain/billing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { UNSENT } from '#storage/messages';

export const BILL_NOTICES = ['invoice-issued', 'invoice-due', 'invoice-overdue'] as const;
export type BillNotice = (typeof BILL_NOTICES)[number];

/** An invoice whose subscriber should be told of it, and was not yet. */
export type ToldInvoice = {
  readonly notice: BillNotice;
  readonly invoiceId: number;
  readonly publicId: string;
  readonly number: string;
  readonly subscriberId: number;
  readonly phone: string;
  readonly owedRupiah: Rupiah;
  readonly dueOn: LocalDate;
};

/** The beginning of the day three days before the due date, which is a whole day itself. */
const DUE_SOON_FROM = `invoice.due_at - interval '4 days'`;

/**
 * Open invoices of a period by what is to be said of them now: issued within a day; due in three days and issued before
 * that, where auto-pay does not see to it; overdue within three days. A package has its own notices.
 */
export async function billsToTell(q: Queryable, now: Instant, limit: number): Promise<ToldInvoice[]> {
  return q.query<ToldInvoice>(
    `select told.notice, invoice.id as "invoiceId", public_id as "publicId", number, invoice.subscriber_id as "subscriberId",
            s.phone, total_rupiah - credited_rupiah as "owedRupiah", due_on as "dueOn"
       from invoice join subscriber s on s.id = invoice.subscriber_id and s.phone is not null and s.phone <> ''
            cross join lateral (select case
              when due_at <= $1::timestamptz then 'invoice-overdue'
              when ${DUE_SOON_FROM} <= $1::timestamptz and issued_at < ${DUE_SOON_FROM} then 'invoice-due'
              else 'invoice-issued' end as notice) told
      where settled_at is null and voided_at is null and kind <> 'package' and total_rupiah > credited_rupiah
        and due_at > $1::timestamptz - interval '3 days'
        and (told.notice <> 'invoice-issued' or issued_at > $1::timestamptz - interval '1 day')
        and not (told.notice = 'invoice-due' and exists (select from auto_pay where subscriber_id = s.id and paused_at is null))
        and not exists (select from message where once_key = told.notice || ':' || invoice.id)
      order by invoice.id limit $2`,
    [timestamp(now), limit],
    'bills-to-tell',
  );
}

/** Takes back what waits to be sent (through the night, through an outage) of invoices that are owed no longer. Returns how many. */
export async function cancelSettledBills(q: Queryable, now: Instant): Promise<number> {
  return q.execute(
    `update message m set cancelled_at = $1::timestamptz
      where ${UNSENT} and m.claimed_until is null and m.notice = any($2)
        and exists (select from invoice where id = split_part(m.once_key, ':', 2)::bigint
                      and (settled_at is not null or voided_at is not null))`,
    [timestamp(now), [...BILL_NOTICES]],
  );
}
