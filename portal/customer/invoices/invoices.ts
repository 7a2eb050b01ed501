import { askAfterReturn, comesBack } from '#portal/customer/invoices/ask';
import { billsOf, isOpen, type PayOnline } from '#portal/customer/invoices/bills';
import { ownInvoice, payRoutes } from '#portal/customer/invoices/pay';
import { windowModel } from '#portal/customer/window/window';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { formOf } from '#portal/shared/forms';
import { sendInvoice } from '#portal/shared/pdf/papers';
import { type Invoice, invoicesOf, linesOf, stateOf } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { purchaseNumberOf } from '#storage/purchases';
import { paymentsOf } from '#storage/receipts';

/** More than four years of monthly bills. */
const MOST = 50;
const REFRESH_SECONDS = 10;
const RELOAD_SECONDS = 20;

/** A customer's bills, one by one and as a list. */
export function invoicePages(doors: Doors): void {
  doors.customer('GET', '/customer/invoices', async (context) => {
    const bills = await billsOf(context, await invoicesOf(context.db, context.subscriberId, MOST));
    return context.page('customer/invoices/invoices', { bills }, { title: context.t('invoices-customer.title') });
  });

  doors.customer('GET', '/customer/invoices/:id', async (context) => {
    const invoice = await ownInvoice(context);
    if (comesBack(context.request.query) && isOpen(stateOf(invoice, context.now)))
      await askAfterReturn(context, invoice.id);
    const model = { ...(await shownOf(context, await ownInvoice(context))), refreshSeconds: REFRESH_SECONDS };
    const title = `${context.t('invoices-customer.invoice')} ${model.number}`;
    const reload = model.final ? {} : { refreshSeconds: RELOAD_SECONDS };
    return context.page('customer/invoices/invoice', model, { title, ...reload });
  });

  doors.customer('GET', '/customer/invoices/:id/state', async (context) => {
    const model = await shownOf(context, await ownInvoice(context));
    const { version } = formOf(context.request.query);
    if (version === model.version) return context.reply.code(204).send();
    return context.part('customer/invoices/_customer-invoice', model);
  });

  doors.customer('GET', '/customer/invoices/:id/pdf', async (context) => {
    return sendInvoice(context, await ownInvoice(context));
  });

  payRoutes(doors);
}

async function shownOf(context: Context, invoice: Invoice) {
  const { db, subscriberId, format } = context;
  const [[bill], lines, payments, order, credit, window] = await Promise.all([
    billsOf(context, [invoice]),
    linesOf(db, invoice.id),
    paymentsOf(db, subscriberId, MOST),
    invoice.purchaseId === null ? null : purchaseNumberOf(db, invoice.purchaseId),
    creditOf(db, subscriberId),
    windowModel(context),
  ]);
  const { pay, state } = bill!;
  const { serviceFrom, serviceUntil, taxRupiah, taxPermille, creditedRupiah } = invoice;
  // As long as a link stands open the money may come at any moment.
  const final = !isOpen(state) || pay?.url == null;
  return {
    ...bill!,
    issuedAt: invoice.issuedAt,
    service: serviceFrom === null || serviceUntil === null ? null : { from: serviceFrom, until: serviceUntil },
    lines,
    credited: creditedRupiah === 0 ? null : -creditedRupiah,
    taxIncluded:
      taxRupiah === 0 || lines.some((line) => line.kind === 'tax')
        ? null
        : context.t('pdf.tax-included', {
            percent: String(taxPermille / 10).replace('.', ','),
            tax: format.rupiah(taxRupiah),
          }),
    credit: credit > 0 ? credit : null,
    payments: payments.filter((payment) => payment.invoice?.publicId === invoice.publicId),
    order,
    window,
    other: pay === null ? null : otherWay(context, pay),
    waits: !final,
    final,
    version: [state, final ? 'final' : ''].join('.'),
  };
}

/** Where a link of one gateway is there and the customer would rather pay by another. */
function otherWay(context: Context, { by, gateways }: PayOnline) {
  const other = by === null ? undefined : gateways.find(({ name }) => name !== by);
  if (other === undefined) return null;
  return { name: other.name, text: context.t('invoices-customer.other-way', { gateway: other.shown }) };
}
