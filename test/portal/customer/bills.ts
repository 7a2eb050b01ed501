import type { InvoiceLine, LocalDate } from '#domain/billing';
import { askGateway } from '#operations/ask-gateway';
import { issueInvoice } from '#operations/issue-invoice';
import { change } from '#storage/change';
import { type Invoice, invoiceOf } from '#storage/invoices';
import { readSettings } from '#storage/settings';
import type { Company } from '#test/portal/customer/company';

/** A bill that somebody owes, Rp 300.000 where nothing else is said. */
export async function addBill(
  { desk }: Pick<Company, 'desk'>,
  subscriberId: number,
  { lines, dueOn }: { readonly lines?: readonly InvoiceLine[]; readonly dueOn?: LocalDate } = {},
): Promise<Invoice> {
  const { billing } = await readSettings(desk.db);
  const { publicId } = await change(desk.db, { actor: 'test', why: 'issue invoice', subscriberId }, (tx) =>
    issueInvoice(tx, desk, billing, {
      subscriberId,
      kind: 'other',
      lines: lines ?? [
        { kind: 'plan', description: 'Unlimited - 100Mbps', planRevisionId: null, amountRupiah: 300_000 },
      ],
      ...(dueOn === undefined ? {} : { dueOn }),
    }),
  );
  return (await invoiceOf(desk.db, subscriberId, publicId))!;
}

/** The order id at the gateway of the link that stands open for an invoice. */
export async function openOrder({ desk }: Pick<Company, 'desk'>, invoiceId: number): Promise<string> {
  const [row] = await desk.db.query<{ orderId: string }>(
    'select order_id as "orderId" from payment_intent where invoice_id = $1 and closed_at is null',
    [invoiceId],
  );
  return row!.orderId;
}

/** As if the gateway's event had been worked. */
export const applyEvents = (
  { desk }: Pick<Company, 'desk'>,
  gateways: Parameters<typeof askGateway>[1],
  orderId: string,
) => askGateway(desk, gateways, orderId);
