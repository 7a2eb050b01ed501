import { printInstant, printRupiah } from '#domain/print';
import { creditNoteSchema, issueCreditNote } from '#operations/credit-note';
import { filled, findInvoice } from '#operations/find-invoice';
import { faultsOf } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { recordPayment, recordPaymentSchema } from '#operations/record-payment';
import { voidInvoice, voidInvoiceSchema } from '#operations/void-invoice';
import { type Command, type Given, type Office, type Outcome, textOf } from '#policy-server/cli/command';
import { type Column, card, table } from '#policy-server/cli/table';
import { creditNotesOf } from '#storage/credit-notes';
import { type Invoice, linesOf, stateOf } from '#storage/invoices';
import { INVOICE_STATES, intentsOf, type ListedInvoice, listInvoices, listPayments } from '#storage/money-lists';
import { findSubscriber } from '#storage/subscribers';

const AT_MOST = 100;
const NUMBER = { name: 'NUMBER', help: 'of an invoice, for example INV-2026-001' } as const;

export const invoiceList: Command = {
  name: 'invoice list',
  summary: 'List invoices, the newest first',
  options: {
    state: { value: INVOICE_STATES.join('|'), help: 'only those that stand so; the overdue by how long they are' },
    username: { value: 'USERNAME', help: 'only those of this subscriber' },
  },
  check: (given) => {
    const state = textOf(given, 'state');
    return state === undefined || INVOICE_STATES.some((one) => one === state)
      ? []
      : [`--state ${state} is not usable; give ${INVOICE_STATES.join(', ')}`];
  },
  run: async ({ db, clock, zone }, given) => {
    const state = INVOICE_STATES.find((one) => one === textOf(given, 'state'));
    const username = textOf(given, 'username');
    const whose =
      username === undefined
        ? {}
        : { subscriberId: ((await findSubscriber(db, username)) ?? noSuchSubscriber(username)).id };
    const filter = { ...whose, ...(state === undefined ? {} : { state }) };
    const { rows } = await listInvoices(db, { ...filter, page: 1, pageSize: AT_MOST, now: clock() });
    return { text: table(rows, columns(zone), 'none'), json: rows };
  },
};

const columns = (zone: string): Column<ListedInvoice>[] => [
  { title: 'number', cell: (row) => row.number },
  { title: 'username', cell: (row) => row.username },
  { title: 'kind', cell: (row) => row.kind },
  { title: 'owed', cell: (row) => printRupiah(row.owedRupiah), align: 'right' },
  { title: 'issued', cell: (row) => printInstant(row.issuedAt, zone) },
  { title: 'due', cell: (row) => row.dueOn },
  { title: 'state', cell: (row) => row.state },
];

export const invoiceShow: Command = {
  name: 'invoice show',
  summary: 'Show an invoice: lines, payments, attempts at gateways, credit notes',
  positionals: [NUMBER],
  run: async (office, given) => show(office, await findInvoice(office.db, given.words[0]!)),
};

async function show({ db, clock, zone }: Office, invoice: Invoice): Promise<Outcome> {
  const [lines, payments, intents, notes] = await Promise.all([
    linesOf(db, invoice.id),
    listPayments(db, { invoiceId: invoice.id, page: 1, pageSize: AT_MOST }),
    intentsOf(db, invoice.id),
    creditNotesOf(db, invoice.id),
  ]);
  const state = stateOf(invoice, clock());
  const at = (instant: number) => printInstant(instant, zone);
  const text = card([
    ['number', `${invoice.number} (${invoice.kind})`],
    ['state', state],
    ['issued', `${at(invoice.issuedAt)}, due on ${invoice.dueOn}`],
    ...(invoice.serviceFrom === null || invoice.serviceUntil === null
      ? []
      : [['service', `${at(invoice.serviceFrom)} until ${at(invoice.serviceUntil)}`] as const]),
    ...lines.map((line) => ['line', `${printRupiah(line.amountRupiah)}  ${line.description}`] as const),
    ['total', `${printRupiah(invoice.totalRupiah)}, tax in it ${printRupiah(invoice.taxRupiah)}`],
    ...notes.map((one) => ['credited', `${printRupiah(one.amountRupiah)}  ${one.number}: ${one.reason}`] as const),
    ...payments.rows.map(
      (one) =>
        [
          'paid',
          `${printRupiah(one.amountRupiah)}  ${at(one.receivedAt)} by ${one.gateway ?? one.method}${one.backRupiah === 0 ? '' : `, ${printRupiah(one.backRupiah)} went back`}`,
        ] as const,
    ),
    ...intents.map((one) => ['attempt', `${one.orderId} at ${one.gateway}: ${one.state}`] as const),
    ['earned', printRupiah(invoice.recognisedRupiah)],
  ]);
  return { text, json: { ...invoice, state, lines, payments: payments.rows, intents, creditNotes: notes } };
}

const voidInput = (given: Given) => ({ invoice: given.words[0], reason: textOf(given, 'reason') });

export const invoiceVoid: Command = {
  name: 'invoice void',
  summary: 'Take back an invoice that was not paid, with the order it is for',
  positionals: [NUMBER],
  options: { reason: { value: 'TEXT', help: 'why: it is kept in the audit', required: true } },
  check: (given) => faultsOf(voidInvoiceSchema, voidInput(given)),
  run: async (office, given) => {
    const done = await voidInvoice(office, voidInput(given));
    const text = done.changed ? `Invoice ${done.number} is void.` : `Invoice ${done.number} was void before.`;
    return { text, json: done };
  },
};

const isCreditNote = (given: Given): boolean => textOf(given, 'method') === 'credit-note';

const payInput = (given: Given) =>
  filled({
    invoice: given.words[0],
    method: textOf(given, 'method'),
    amountRupiah: textOf(given, 'amount'),
    note: textOf(given, 'note'),
  });

const noteInput = (given: Given) => ({
  invoice: given.words[0],
  amountRupiah: textOf(given, 'amount'),
  reason: textOf(given, 'note'),
});

export const invoicePay: Command = {
  name: 'invoice pay',
  summary: 'The money for an invoice is in hand, or less is asked for it',
  positionals: [NUMBER],
  options: {
    method: { value: 'cash|transfer|credit-note', help: 'how it was paid; credit-note takes it off', required: true },
    amount: { value: 'RUPIAH', help: 'what the invoice asks if not given; a credit note wants it' },
    note: { value: 'TEXT', help: 'for example which transfer; of a credit note why' },
  },
  fields: { amountRupiah: 'amount', reason: 'note' },
  notes: [
    'Less than it asks stays as credit until the rest is there; what is over stays as credit.',
    'A credit note on an invoice that is settled is credit of the customer.',
  ],
  check: (given) =>
    isCreditNote(given)
      ? faultsOf(creditNoteSchema, noteInput(given))
      : faultsOf(recordPaymentSchema, payInput(given)).filter((fault) => !fault.includes(': missing; ')),
  run: async (office, given) => {
    if (isCreditNote(given)) {
      const note = await issueCreditNote(office, noteInput(given));
      const what = note.settled ? `; the customer has ${printRupiah(note.creditRupiah)} of credit` : '';
      const text = `Credit note ${note.number} takes ${printRupiah(note.amountRupiah)} off ${note.invoiceNumber}${what}.`;
      return { text, json: note };
    }
    const paid = await recordPayment(office, payInput(given));
    const what = paid.settled ? 'The invoice is settled' : 'It is credit of the customer until the rest is there';
    return { text: `${what}; credit now ${printRupiah(paid.creditRupiah)}.`, json: paid };
  },
};
