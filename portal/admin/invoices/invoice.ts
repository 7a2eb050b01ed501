import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { Unavailable } from '#domain/errors';
import { askGateway } from '#operations/ask-gateway';
import { issueCreditNote } from '#operations/credit-note';
import { recordPayment } from '#operations/record-payment';
import { voidInvoice } from '#operations/void-invoice';
import { actorWords } from '#portal/admin/customer/events';
import { INTENT_TONES, INVOICE_TONES } from '#portal/admin/invoices/states';
import { labelled, paymentRow } from '#portal/admin/payments/rows';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { gatewayName } from '#portal/shared/methods';
import { sendInvoice } from '#portal/shared/pdf/papers';
import { creditNotesOf } from '#storage/credit-notes';
import { type Invoice, invoiceByPublicId, linesOf, stateOf } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { intentsOf, type ListedIntent, listPayments } from '#storage/money-lists';
import { findSubscriberAccount } from '#storage/subscribers';

const SHOWN = 100;

/** One invoice: what it is for, what was paid, tried and credited, and what staff can do about it. */
export function invoiceRoutes(doors: Doors): void {
  doors.staff('GET', '/invoices/:id', 'money', async (context) => {
    const invoice = await invoiceOf(context);
    return invoice === null ? noSuchInvoice(context) : show(context, invoice);
  });

  doors.staff('GET', '/invoices/:id/pdf', 'money', async (context) => {
    const invoice = await invoiceOf(context);
    return invoice === null ? noSuchInvoice(context) : sendInvoice(context, invoice);
  });

  act(doors, 'pay', async (context, { publicId, number }, form) => {
    const { desk, format } = context;
    const [method, amountRupiah, note, key] = ['method', 'amountRupiah', 'note', 'key'].map((name) =>
      field(form, name),
    );
    const paid = await recordPayment(desk, { invoice: publicId, method, amountRupiah, note, key });
    context.opened.live.wakeEnforcement();
    if (paid.before) return context.t('invoices.paid-before');
    const said = context.t(paid.settled ? 'invoices.paid' : 'invoices.paid-part', { number });
    return paid.creditRupiah > 0
      ? `${said} ${context.t('invoices.credit-now', { amount: format.rupiah(paid.creditRupiah) })}`
      : said;
  });

  act(doors, 'credit-note', async (context, { publicId }, form) => {
    const input = { invoice: publicId, amountRupiah: field(form, 'amountRupiah'), reason: field(form, 'reason') };
    const note = await issueCreditNote(context.desk, input);
    context.opened.live.wakeEnforcement();
    return context.t('invoices.noted', { number: note.number, amount: context.format.rupiah(note.amountRupiah) });
  });

  act(doors, 'void', async (context, { publicId, number }, form) => {
    await voidInvoice(context.desk, { invoice: publicId, reason: field(form, 'reason') });
    context.opened.live.wakeEnforcement();
    return context.t('invoices.voided', { number });
  });

  doors.staff('POST', '/invoices/:id/ask', 'money', async (context) => {
    const invoice = await invoiceOf(context);
    if (invoice === null) return noSuchInvoice(context);
    const order = field(formOf(context.request.body), 'order');
    const intents = await intentsOf(context.db, invoice.id);
    if (!intents.some(({ orderId }) => orderId === order)) return noSuchInvoice(context);
    try {
      const came = await askGateway(context.desk, context.opened.gateways, order);
      context.opened.live.wakeEnforcement();
      return context.redirect(`/invoices/${invoice.publicId}`, {
        kind: 'good',
        text: context.t(`invoices.asked-${came}`),
      });
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      const text = context.t('invoices.not-asked', { why: context.said(error.message) });
      return context.redirect(`/invoices/${invoice.publicId}`, { kind: 'bad', text });
    }
  });
}

/** A form of the page: done it says what came of it, refused it stands there again with what was typed. */
function act(
  doors: Doors,
  name: 'pay' | 'credit-note' | 'void',
  work: (context: Context, invoice: Invoice, form: Form) => Promise<string>,
): void {
  doors.staff('POST', `/invoices/:id/${name}`, 'money', async (context) => {
    const invoice = await invoiceOf(context);
    if (invoice === null) return noSuchInvoice(context);
    const form = formOf(context.request.body);
    const done = await attempt(() => work(context, invoice, form));
    if (done.faults !== undefined) return show(context, invoice, { name, form, faults: done.faults });
    return context.redirect(`/invoices/${invoice.publicId}`, { kind: 'good', text: done.done });
  });
}

async function invoiceOf(context: Context): Promise<Invoice | null> {
  return invoiceByPublicId(context.db, (context.request.params as { id: string }).id);
}

async function noSuchInvoice(context: Context): Promise<FastifyReply> {
  const title = context.t('invoices.gone-title');
  const model = { title, text: context.t('invoices.gone') };
  return context.page('shared/message', model, { title, active: 'invoices', status: 404 });
}

type Refused = { readonly name: string; readonly form: Form; readonly faults: readonly string[] };

async function show(context: Context, invoice: Invoice, refused?: Refused): Promise<FastifyReply> {
  const { db, now, format } = context;
  const { id, subscriberId } = invoice;
  const [lines, payments, intents, notes, credit, customer] = await Promise.all([
    linesOf(db, id),
    listPayments(db, { invoiceId: id, page: 1, pageSize: SHOWN }),
    intentsOf(db, id),
    creditNotesOf(db, id),
    creditOf(db, subscriberId),
    findSubscriberAccount(db, subscriberId),
  ]);
  const state = stateOf(invoice, now);
  const open = state === 'unpaid' || state === 'overdue';
  const title = context.t('invoices.one-title', { number: invoice.number });
  const typed = (name: string, fields: readonly string[]) =>
    refused?.name === name ? Object.fromEntries(fields.map((one) => [one, field(refused.form, one)])) : {};
  return context.page(
    'admin/invoices/invoice',
    {
      title,
      invoice: { ...invoice, dueAt: invoice.dueAt - 1, serviceUntil: (invoice.serviceUntil ?? 0) - 1 },
      customer: { ...customer, shown: customer!.name || customer!.username },
      stateText: context.t(`invoices.state-${state}`),
      tone: INVOICE_TONES[state],
      kindText: context.t(`invoices.kind-${invoice.kind}`),
      by: actorWords(context, invoice.issuedBy),
      lines,
      payments: payments.rows.map((row) => paymentRow(context, row)),
      intents: intents.map((intent) => intentRow(context, intent)),
      notes: notes.map((note) => ({ ...note, by: actorWords(context, note.issuedBy) })),
      earned: invoice.settledAt === null ? null : format.rupiah(invoice.recognisedRupiah),
      credit,
      wanting: Math.max(0, invoice.owedRupiah - Math.max(0, credit)),
      may: {
        pay: open,
        void: open,
        note: state !== 'void' && invoice.owedRupiah > 0,
        noted: invoice.settledAt !== null,
      },
      // Sent twice it is one payment.
      key: (refused?.name === 'pay' && field(refused.form, 'key')) || randomBytes(12).toString('hex'),
      pay: { method: 'cash', ...typed('pay', ['method', 'amountRupiah', 'note']) },
      note: typed('credit-note', ['amountRupiah', 'reason']),
      revoke: typed('void', ['reason']),
      faults: labelled(context, refused?.faults),
      opened: { [refused?.name ?? '']: true },
    },
    { title, active: 'invoices', status: refused === undefined ? 200 : 422 },
  );
}

const intentRow = (context: Context, intent: ListedIntent) => ({
  ...intent,
  gatewayText: gatewayName(intent.gateway),
  stateText: context.t(`invoices.intent-${intent.state}`),
  tone: INTENT_TONES[intent.state],
  by: actorWords(context, intent.createdBy),
});
