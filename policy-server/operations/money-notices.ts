import type { Rupiah } from '#domain/billing';
import { printRupiah } from '#domain/money';
import type { Language } from '#domain/print-local';
import type { Desk } from '#operations/desk';
import { queueNotice } from '#operations/queue-notice';
import type { Queryable } from '#storage/database';
import type { Invoice } from '#storage/invoices';

/** What a customer reads in an address: an invoice, or where all their payments are. */
export const moneyUrl = ({ publicUrl }: Pick<Desk, 'publicUrl'>, invoice: Pick<Invoice, 'publicId'> | null): string =>
  invoice === null ? `${publicUrl}/customer/payments` : `${publicUrl}/customer/invoices/${invoice.publicId}`;

/** What a payment is for, inside of a sentence; without an invoice it is credit for later. */
export function forWhat(invoice: Pick<Invoice, 'number'> | null, language: Language): string {
  if (invoice === null) return language === 'id' ? 'saldo Anda' : 'your balance';
  return `${language === 'id' ? 'tagihan' : 'invoice'} ${invoice.number}`;
}

type Moved = { readonly subscriberId: number; readonly invoice: Invoice | null; readonly amountRupiah: Rupiah };

/** Money came in: said to whom it is of, once per payment, in the caller's transaction. */
export const tellReceived = (tx: Queryable, desk: Desk, paymentId: number, money: Moved): Promise<boolean> =>
  tell(tx, desk, 'payment-received', paymentId, money);

/** Money was given back: once per refund. */
export const tellRefunded = (tx: Queryable, desk: Desk, refundId: number, money: Moved): Promise<boolean> =>
  tell(tx, desk, 'refunded', refundId, money);

const tell = (
  tx: Queryable,
  desk: Desk,
  notice: 'payment-received' | 'refunded',
  id: number,
  { subscriberId, invoice, amountRupiah }: Moved,
): Promise<boolean> =>
  queueNotice(tx, desk, {
    subscriberId,
    notice,
    values: ({ addressee, language }) => ({
      name: addressee,
      amount: printRupiah(amountRupiah),
      for: forWhat(invoice, language),
      moreUrl: moneyUrl(desk, invoice),
    }),
    onceKey: `${notice}:${id}`,
  });
