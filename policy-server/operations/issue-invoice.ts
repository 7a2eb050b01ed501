import { addDays, type InvoiceLine, type LocalDate, type Rupiah, startOf, type Tax, totalOf } from '#domain/billing';
import type { Settings } from '#domain/settings';
import { type Instant, localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import type { Queryable } from '#storage/database';
import { type InvoiceKind, type IssuedInvoice, insertInvoices, type NewInvoice } from '#storage/invoices';

export type InvoiceOrder = {
  readonly subscriberId: number;
  readonly kind: InvoiceKind;
  /** Without the tax, which is worked out here. */
  readonly lines: readonly InvoiceLine[];
  readonly purchaseId?: number;
  readonly subscriptionId?: number;
  readonly promoId?: number;
  readonly service?: { readonly from: Instant; readonly until: Instant };
  /** The last local day on which it may be paid; by the settings when left out. */
  readonly dueOn?: LocalDate;
};

/** The tax as it is set. */
export const taxOf = ({ tax, taxPercent }: Settings['billing']): Tax =>
  tax === 'off' ? { is: 'off' } : { is: tax, permille: Math.round(taxPercent * 10) };

export type Issued = IssuedInvoice & { readonly totalRupiah: Rupiah };

/**
 * Issues an invoice in the caller's transaction, the subscriber locked. It is due at the end of the local day `dueOn`.
 * The settings are the caller's, read once for many.
 */
export async function issueInvoice(
  tx: Queryable,
  desk: Desk,
  billing: Settings['billing'],
  order: InvoiceOrder,
): Promise<Issued> {
  const [issued] = await issueInvoices(tx, desk, billing, [order]);
  return issued!;
}

/** The same for many at once, in the order that is given: as many statements as for one. */
export async function issueInvoices(
  tx: Queryable,
  desk: Desk,
  billing: Settings['billing'],
  orders: readonly InvoiceOrder[],
): Promise<Issued[]> {
  const issuedAt = desk.clock();
  const invoices = orders.map((order) => written(order, desk, billing, issuedAt));
  const issued = await insertInvoices(tx, invoices);
  return issued.map((one, at) => ({ ...one, totalRupiah: invoices[at]!.totalRupiah }));
}

function written(
  order: InvoiceOrder,
  { zone, actor }: Desk,
  billing: Settings['billing'],
  issuedAt: Instant,
): NewInvoice {
  const issuedOn = localDate(issuedAt, zone);
  const dueOn = order.dueOn ?? addDays(issuedOn, billing.dueDays);
  const tax = taxOf(billing);
  const { taxRupiah, totalRupiah } = totalOf(order.lines, tax);
  const permille = tax.is === 'off' ? 0 : tax.permille;
  const added: InvoiceLine[] =
    tax.is === 'added' && taxRupiah > 0
      ? [{ kind: 'tax', description: `PPN ${permille / 10}%`, planRevisionId: null, amountRupiah: taxRupiah }]
      : [];
  return {
    prefix: billing.prefix,
    subscriberId: order.subscriberId,
    kind: order.kind,
    purchaseId: order.purchaseId ?? null,
    subscriptionId: order.subscriptionId ?? null,
    promoId: order.promoId ?? null,
    issuedAt,
    issuedOn,
    issuedBy: actor,
    dueOn,
    dueAt: startOf(addDays(dueOn, 1), zone),
    service: order.service ?? null,
    taxPermille: permille,
    taxRupiah,
    totalRupiah,
    lines: [...order.lines, ...added],
  };
}
