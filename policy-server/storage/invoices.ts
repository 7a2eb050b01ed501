import { randomInt } from 'node:crypto';
import { assert } from '#domain/assert';
import {
  type InvoiceLine,
  type InvoiceState,
  invoiceState,
  type LocalDate,
  printNumber,
  type Rupiah,
} from '#domain/billing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type InvoiceKind = 'package' | 'period' | 'other';

export type NewInvoice = {
  readonly prefix: string;
  readonly subscriberId: number;
  readonly kind: InvoiceKind;
  readonly purchaseId: number | null;
  readonly subscriptionId: number | null;
  readonly promoId: number | null;
  readonly issuedAt: Instant;
  readonly issuedOn: LocalDate;
  readonly issuedBy: string;
  readonly dueOn: LocalDate;
  /** The end of the local day `dueOn`. */
  readonly dueAt: Instant;
  /** When what it is for is given; null where that is not known yet, or at once. */
  readonly service: { readonly from: Instant; readonly until: Instant } | null;
  readonly taxPermille: number;
  readonly taxRupiah: Rupiah;
  readonly totalRupiah: Rupiah;
  readonly lines: readonly InvoiceLine[];
};

export type IssuedInvoice = { readonly id: number; readonly publicId: string; readonly number: string };

/**
 * Writes invoices of one series and year under its next numbers, in the order that is given; three statements for any number
 * of them. Other invoices of the series wait for the commit.
 */
export async function insertInvoices(tx: Queryable, invoices: readonly NewInvoice[]): Promise<IssuedInvoice[]> {
  const [one] = invoices;
  if (one === undefined) return [];
  const year = Number(one.issuedOn.slice(0, 4));
  const first = await nextNumber(tx, one.prefix, year, invoices.length);
  const numbered = invoices.map((invoice, at) => {
    assert(invoice.prefix === one.prefix && invoice.issuedOn === one.issuedOn, 'invoices of one series and day');
    return { ...invoice, number: printNumber(one.prefix, year, first + at), publicId: newPublicId() };
  });
  const rows = await tx.query<{ id: number; publicId: string }>(
    `insert into invoice (public_id, number, subscriber_id, kind, purchase_id, subscription_id, promo_id, issued_at, issued_by,
                          due_on, due_at, service_from, service_until, tax_permille, tax_rupiah, total_rupiah)
     select public_id, number, subscriber_id, kind, purchase_id, subscription_id, promo_id, $14::timestamptz, $15, due_on, due_at,
            service_from, service_until, tax_permille, tax_rupiah, total_rupiah
       from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::int[], $8::date[],
                   $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::int[], $13::bigint[], $16::bigint[])
         with ordinality as one (public_id, number, subscriber_id, kind, purchase_id, subscription_id, promo_id, due_on, due_at,
                                 service_from, service_until, tax_permille, tax_rupiah, total_rupiah, place)
      order by place
     returning id, public_id as "publicId"`,
    [
      numbered.map((invoice) => invoice.publicId),
      numbered.map((invoice) => invoice.number),
      numbered.map((invoice) => invoice.subscriberId),
      numbered.map((invoice) => invoice.kind),
      numbered.map((invoice) => invoice.purchaseId),
      numbered.map((invoice) => invoice.subscriptionId),
      numbered.map((invoice) => invoice.promoId),
      numbered.map((invoice) => invoice.dueOn),
      numbered.map((invoice) => timestamp(invoice.dueAt)),
      numbered.map((invoice) => timestamp(invoice.service?.from ?? null)),
      numbered.map((invoice) => timestamp(invoice.service?.until ?? null)),
      numbered.map((invoice) => invoice.taxPermille),
      numbered.map((invoice) => invoice.taxRupiah),
      timestamp(one.issuedAt),
      one.issuedBy,
      numbered.map((invoice) => invoice.totalRupiah),
    ],
    'invoices-insert',
  );
  const ids = new Map(rows.map(({ id, publicId }) => [publicId, id]));
  const issued = numbered.map(({ publicId, number, lines }) => ({ id: ids.get(publicId)!, publicId, number, lines }));
  await insertLines(
    tx,
    issued.flatMap(({ id, lines }) => lines.map((line, at) => ({ ...line, id, position: at + 1 }))),
  );
  return issued.map(({ id, publicId, number }) => ({ id, publicId, number }));
}

type NewLine = InvoiceLine & { readonly id: number; readonly position: number };

async function insertLines(tx: Queryable, lines: readonly NewLine[]): Promise<void> {
  await tx.execute(
    `insert into invoice_line (invoice_id, position, kind, description, plan_revision_id, amount_rupiah)
     select * from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::int[], $6::bigint[])`,
    [
      lines.map((line) => line.id),
      lines.map((line) => line.position),
      lines.map((line) => line.kind),
      lines.map((line) => line.description),
      lines.map((line) => line.planRevisionId),
      lines.map((line) => line.amountRupiah),
    ],
    'invoice-lines-insert',
  );
}

/**
 * The next number of a series in a year, or the first of so many; whoever asks holds them until the commit, so that none is
 * skipped.
 */
export async function nextNumber(tx: Queryable, series: string, year: number, count = 1): Promise<number> {
  const [row] = await tx.query<{ last: number }>(
    `insert into number_counter (series, year, last) values ($1, $2, $3)
     on conflict (series, year) do update set last = number_counter.last + $3 returning last`,
    [series, year, count],
    'number-next',
  );
  return row!.last - count + 1;
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `inv_` and twenty characters, 119 bits: nobody finds another's by trying. */
const newPublicId = (): string =>
  `inv_${Array.from({ length: 20 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')}`;

/** An invoice as pages show it. */
export type Invoice = IssuedInvoice & {
  readonly subscriberId: number;
  readonly kind: InvoiceKind;
  readonly purchaseId: number | null;
  readonly subscriptionId: number | null;
  readonly issuedAt: Instant;
  readonly issuedBy: string;
  readonly dueOn: LocalDate;
  readonly dueAt: Instant;
  readonly serviceFrom: Instant | null;
  readonly serviceUntil: Instant | null;
  readonly taxPermille: number;
  readonly taxRupiah: Rupiah;
  readonly totalRupiah: Rupiah;
  readonly creditedRupiah: Rupiah;
  /** The total less what credit notes took off it. */
  readonly owedRupiah: Rupiah;
  readonly settledAt: Instant | null;
  readonly settlements: number;
  readonly voidedAt: Instant | null;
  readonly recognisedRupiah: Rupiah;
};

const INVOICE = `
select id, public_id as "publicId", number, subscriber_id as "subscriberId", kind, purchase_id as "purchaseId",
       subscription_id as "subscriptionId", issued_at as "issuedAt", issued_by as "issuedBy", due_on as "dueOn", due_at as "dueAt",
       service_from as "serviceFrom", service_until as "serviceUntil", tax_permille as "taxPermille", tax_rupiah as "taxRupiah",
       total_rupiah as "totalRupiah", credited_rupiah as "creditedRupiah", total_rupiah - credited_rupiah as "owedRupiah",
       settled_at as "settledAt", settlements, voided_at as "voidedAt", recognised_rupiah as "recognisedRupiah"
  from invoice`;

/**
 * An invoice with its row and its subscriber's locked, the subscriber first like everywhere, so that nobody else settles,
 * credits or voids it meanwhile. `owner-locked`: the caller has the subscriber locked already.
 */
export async function lockInvoice(tx: Queryable, id: number, owner?: 'owner-locked'): Promise<Invoice | null> {
  if (owner === undefined) {
    await tx.query(
      'select from subscriber where id = (select subscriber_id from invoice where id = $1) for no key update',
      [id],
      'invoice-lock-subscriber',
    );
  }
  const [row] = await tx.query<Invoice>(`${INVOICE} where id = $1 for no key update`, [id], 'invoice-lock');
  return row ?? null;
}

export async function invoiceOfPurchase(q: Queryable, purchaseId: number): Promise<Invoice | null> {
  const [row] = await q.query<Invoice>(`${INVOICE} where purchase_id = $1`, [purchaseId], 'invoice-of-purchase');
  return row ?? null;
}

/** By the id that addresses show; somebody else's is null, like one that never was. */
export async function invoiceOf(q: Queryable, subscriberId: number, publicId: string): Promise<Invoice | null> {
  const [row] = await q.query<Invoice>(`${INVOICE} where public_id = $1 and subscriber_id = $2`, [
    publicId,
    subscriberId,
  ]);
  return row ?? null;
}

export async function invoiceByNumber(q: Queryable, number: string): Promise<Invoice | null> {
  const [row] = await q.query<Invoice>(`${INVOICE} where number = $1`, [number]);
  return row ?? null;
}

export async function invoiceWithId(q: Queryable, id: number): Promise<Invoice | null> {
  const [row] = await q.query<Invoice>(`${INVOICE} where id = $1`, [id], 'invoice-with-id');
  return row ?? null;
}

/** Anybody's, for staff. */
export async function invoiceByPublicId(q: Queryable, publicId: string): Promise<Invoice | null> {
  const [row] = await q.query<Invoice>(`${INVOICE} where public_id = $1`, [publicId]);
  return row ?? null;
}

/** The newest first. */
export async function invoicesOf(q: Queryable, subscriberId: number, limit: number): Promise<Invoice[]> {
  return q.query<Invoice>(`${INVOICE} where subscriber_id = $1 order by id desc limit $2`, [subscriberId, limit]);
}

/** What a customer looks at first: what is to be paid, the earliest due first, then what was paid, the newest first. */
export async function invoicesAtHand(q: Queryable, subscriberId: number, limit: number): Promise<Invoice[]> {
  return q.query<Invoice>(
    `${INVOICE} where subscriber_id = $1 and voided_at is null
      order by settled_at is not null, case when settled_at is null then due_at end, id desc limit $2`,
    [subscriberId, limit],
    'invoices-at-hand',
  );
}

/** What is neither settled nor void, the earliest due first; `kind` period: what a postpaid line owes. */
export async function openInvoices(q: Queryable, subscriberId: number, kind: InvoiceKind): Promise<Invoice[]> {
  return q.query<Invoice>(
    `${INVOICE} where subscriber_id = $1 and kind = $2 and settled_at is null and voided_at is null order by due_at, id`,
    [subscriberId, kind],
  );
}

export async function linesOf(q: Queryable, invoiceId: number): Promise<InvoiceLine[]> {
  return q.query<InvoiceLine>(
    `select kind, description, plan_revision_id as "planRevisionId", amount_rupiah as "amountRupiah"
       from invoice_line where invoice_id = $1 order by position`,
    [invoiceId],
  );
}

/** `at` null: it is owed again. `service`: when what was paid for is given, where that is known only now. */
export async function setSettled(
  tx: Queryable,
  id: number,
  at: Instant | null,
  service: { readonly from: Instant; readonly until: Instant } | null = null,
): Promise<void> {
  await tx.execute(
    `update invoice set settled_at = $2::timestamptz, voided_at = null, voided_by = null,
            settlements = settlements + case when $2::timestamptz is null then 0 else 1 end,
            service_from = coalesce($3::timestamptz, service_from), service_until = coalesce($4::timestamptz, service_until)
      where id = $1`,
    [id, timestamp(at), timestamp(service?.from ?? null), timestamp(service?.until ?? null)],
    'invoice-settled',
  );
}

/** Voids what is not settled; returns whether anything changed. */
export async function setVoided(tx: Queryable, id: number, at: Instant, by: string): Promise<boolean> {
  const changed = await tx.execute(
    `update invoice set voided_at = $2::timestamptz, voided_by = $3
      where id = $1 and settled_at is null and voided_at is null`,
    [id, timestamp(at), by],
  );
  return changed > 0;
}

/** How it stands now. */
export const stateOf = (invoice: Invoice, now: Instant): InvoiceState => invoiceState(invoice, now);

/** How much of it is revenue by now. */
export async function setRecognised(tx: Queryable, id: number, rupiah: Rupiah): Promise<void> {
  await tx.execute('update invoice set recognised_rupiah = $2 where id = $1', [id, rupiah]);
}
