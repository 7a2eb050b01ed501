import type { Rupiah } from '#domain/billing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type CreditNote = {
  readonly id: number;
  readonly number: string;
  readonly amountRupiah: Rupiah;
  readonly reason: string;
  readonly issuedAt: Instant;
  readonly issuedBy: string;
};

/** Writes a credit note and takes its amount off what the invoice asks; the invoice is locked. Returns its id. */
export async function insertCreditNote(
  tx: Queryable,
  note: Omit<CreditNote, 'id'> & { readonly invoiceId: number },
): Promise<number> {
  const [row] = await tx.query<{ id: number }>(
    `with noted as (
       insert into credit_note (number, invoice_id, amount_rupiah, reason, issued_at, issued_by)
       values ($1, $2, $3, $4, $5::timestamptz, $6) returning id, invoice_id, amount_rupiah), taken as (
       update invoice set credited_rupiah = credited_rupiah + noted.amount_rupiah from noted where invoice.id = noted.invoice_id)
     select id from noted`,
    [note.number, note.invoiceId, note.amountRupiah, note.reason, timestamp(note.issuedAt), note.issuedBy],
  );
  return row!.id;
}

/** The oldest first. */
export const creditNotesOf = (q: Queryable, invoiceId: number): Promise<CreditNote[]> =>
  q.query<CreditNote>(
    `select id, number, amount_rupiah as "amountRupiah", reason, issued_at as "issuedAt", issued_by as "issuedBy"
       from credit_note where invoice_id = $1 order by id`,
    [invoiceId],
  );
