import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { wholeNumber } from '#portal/shared/forms';
import { methodWords } from '#portal/shared/methods';
import { sendReceipt } from '#portal/shared/pdf/papers';
import { paymentsOf, type ReceivedPayment, receivedPayment } from '#storage/receipts';

/** More than four years of monthly payments. */
const MOST = 50;

/** What a customer paid, and the receipts. */
export function paymentPages(doors: Doors): void {
  doors.customer('GET', '/customer/payments', async (context) => {
    const payments = await paymentsOf(context.db, context.subscriberId, MOST);
    const title = context.t('invoices-customer.payments');
    return context.page('customer/payments/payments', { payments: paymentRows(context, payments) }, { title });
  });

  doors.customer('GET', '/customer/payments/:id/receipt.pdf', async (context) => {
    const id = wholeNumber((context.request.params as { id: string }).id);
    const payment = id === null ? null : await receivedPayment(context.db, id, context.subscriberId);
    if (payment === null) throw Object.assign(new Error('no such payment of this customer'), { statusCode: 404 });
    return sendReceipt(context, payment);
  });
}

/** For the partial `_payment-row`. */
export const paymentRows = (context: Context, payments: readonly ReceivedPayment[]) =>
  payments.map((payment) => ({
    ...payment,
    by: methodWords(context.language, payment),
    what: payment.invoice === null ? context.t('invoices-customer.to-balance') : payment.invoice.number,
  }));
