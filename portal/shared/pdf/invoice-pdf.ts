import { type InvoiceLine, type InvoiceState, startOf } from '#domain/billing';
import { Paper, type PaperHead } from '#portal/shared/pdf/paper';
import { words } from '#portal/shared/words';
import type { Invoice } from '#storage/invoices';

/** All that stands on an invoice. */
export type InvoicePaper = PaperHead & {
  /** The company's. */
  readonly zone: string;
  readonly invoice: Invoice;
  readonly state: InvoiceState;
  readonly lines: readonly InvoiceLine[];
};

export const STATE_IS = { paid: 'good', unpaid: 'warn', overdue: 'bad', void: '' } as const;

/** The invoice as a file: a sheet of A4, a few KB. */
export async function invoicePdf(model: InvoicePaper): Promise<Buffer> {
  const { format, zone, invoice, state, lines } = model;
  const { number, serviceFrom, serviceUntil, taxPermille, taxRupiah, totalRupiah, creditedRupiah, settledAt } = invoice;
  const titled = { title: words(format.language, 'pdf.invoice'), number };
  return Paper.print(model, titled, (paper) => {
    const t: Paper['t'] = (key, values) => paper.t(key, values);
    paper.facts([
      ...paper.customer(t('pdf.billed-to')),
      [t('pdf.issued'), format.date(invoice.issuedAt)],
      [t('pdf.due'), format.date(startOf(invoice.dueOn, zone))],
      ...(serviceFrom === null || serviceUntil === null
        ? []
        : [[t('pdf.service'), `${format.date(serviceFrom)} – ${format.date(serviceUntil)}`] as const]),
    ]);
    paper.amounts(lines.map((line) => [line.description, line.amountRupiah]));
    if (creditedRupiah > 0) paper.amounts([[t('pdf.credited'), -creditedRupiah]]);
    paper.total(t('pdf.total'), totalRupiah - creditedRupiah);
    const hasTaxLine = lines.some((line) => line.kind === 'tax');
    if (taxRupiah > 0 && !hasTaxLine)
      paper.text(t('pdf.tax-included', { percent: percentOf(taxPermille), tax: format.rupiah(taxRupiah) }));
    paper.stamp(t(`pdf.state-${state}`), STATE_IS[state]);
    if (settledAt !== null) paper.text(t('pdf.settled', { at: format.dateTime(settledAt) }));
    else if (state !== 'void') paper.text(t('pdf.how-to-pay'));
  });
}

/** `11`, `11,5`: of a thousand parts, in percent. */
const percentOf = (permille: number): string => String(permille / 10).replace('.', ',');
