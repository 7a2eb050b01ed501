import { methodWords } from '#portal/shared/methods';
import { rupiahInWords } from '#portal/shared/pdf/in-words';
import { Paper, type PaperHead } from '#portal/shared/pdf/paper';
import { words } from '#portal/shared/words';
import type { ReceivedPayment } from '#storage/receipts';

/** All that stands on a receipt. */
export type ReceiptPaper = PaperHead & {
  /** `KW-2026-000001`. */
  readonly number: string;
  readonly payment: ReceivedPayment;
};

/** The receipt as a file: a sheet of A4, a few KB. */
export async function receiptPdf(model: ReceiptPaper): Promise<Buffer> {
  const { format, number, payment } = model;
  const { amountRupiah, backRupiah, invoice } = payment;
  const titled = { title: words(format.language, 'pdf.receipt'), number };
  return Paper.print(model, titled, (paper) => {
    paper.facts([
      ...paper.customer(paper.t('pdf.received-from')),
      [paper.t('pdf.received-at'), format.dateTime(payment.receivedAt)],
      [paper.t('pdf.method'), methodWords(format.language, payment)],
      [paper.t('pdf.for'), invoice === null ? paper.t('pdf.for-balance') : `${invoice.number}: ${invoice.what}`],
    ]);
    paper.rule();
    paper.text(format.rupiah(amountRupiah), { big: true });
    // A kwitansi says its amount in words too; an English reader needs none.
    if (format.language === 'id') paper.text(`${paper.t('pdf.in-words')}: ${rupiahInWords(amountRupiah)}`);
    if (backRupiah > 0) {
      const all = backRupiah >= amountRupiah;
      paper.stamp(paper.t(all ? 'pdf.returned' : 'pdf.returned-partly'), all ? 'bad' : 'warn');
      paper.text(paper.t('pdf.returned-amount', { amount: format.rupiah(backRupiah) }));
    } else paper.stamp(paper.t('pdf.state-paid'), 'good');
  });
}
