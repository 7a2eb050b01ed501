import type { FastifyReply } from 'fastify';
import { issueReceipt } from '#operations/issue-receipt';
import type { Context } from '#portal/shared/context';
import { invoicePdf } from '#portal/shared/pdf/invoice-pdf';
import { receiptPdf } from '#portal/shared/pdf/receipt-pdf';
import { type Invoice, linesOf, stateOf } from '#storage/invoices';
import type { receivedPayment } from '#storage/receipts';
import { findSubscriberAccount } from '#storage/subscribers';

/** Answers with an invoice as a file, for its own customer and for staff. */
export async function sendInvoice(context: Context, invoice: Invoice): Promise<FastifyReply> {
  const [head, lines] = await Promise.all([headOf(context, invoice.subscriberId), linesOf(context.db, invoice.id)]);
  const state = stateOf(invoice, context.now);
  return send(context, invoice.number, await invoicePdf({ ...head, zone: context.parts.zone, invoice, state, lines }));
}

/** Answers with the receipt of a payment as a file; it gets its number when it is asked for first. */
export async function sendReceipt(
  context: Context,
  payment: NonNullable<Awaited<ReturnType<typeof receivedPayment>>>,
): Promise<FastifyReply> {
  const number = payment.receiptNumber ?? (await issueReceipt(context.desk, payment.id));
  const head = await headOf(context, payment.subscriberId);
  return send(context, number, await receiptPdf({ ...head, number, payment }));
}

async function headOf(context: Context, subscriberId: number) {
  const { db, format, now } = context;
  const [customer, { company }] = await Promise.all([
    findSubscriberAccount(db, subscriberId),
    context.opened.settings(),
  ]);
  return { format, now, company, customer: customer! };
}

/** To be saved rather than shown: the browser of a phone shows no PDF. */
function send({ reply }: Context, name: string, file: Buffer): FastifyReply {
  const safe = name.replace(/[^\w.-]/g, '-');
  return reply.type('application/pdf').header('content-disposition', `attachment; filename="${safe}.pdf"`).send(file);
}
