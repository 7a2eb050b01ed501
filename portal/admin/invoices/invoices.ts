import type { FastifyReply } from 'fastify';
import { listAddress, pagesOf, totalWords } from '#portal/admin/customers/listing';
import { invoiceRoutes } from '#portal/admin/invoices/invoice';
import { INVOICE_TONES } from '#portal/admin/invoices/states';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, wholeNumber } from '#portal/shared/forms';
import { INVOICE_STATES, type ListedInvoice, listInvoices, owedToUs } from '#storage/money-lists';

const PATH = '/invoices';
const PAGE_SIZE = 50;

/** What customers owe and owed: the list, and one invoice with all that was done about it. */
export function invoicesPage(doors: Doors): void {
  doors.staff('GET', PATH, 'money', list);
  invoiceRoutes(doors);
}

async function list(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.query);
  const q = field(form, 'q').slice(0, 100);
  const asked = field(form, 'state');
  const state = INVOICE_STATES.find((one) => one === asked) ?? null;
  const page = Math.max(1, wholeNumber(field(form, 'page')) ?? 1);
  const filter = { ...(q === '' ? {} : { search: q }), ...(state === null ? {} : { state }) };
  const { db, now, format } = context;
  const [found, owed] = await Promise.all([
    listInvoices(db, { ...filter, page, pageSize: PAGE_SIZE, now }),
    owedToUs(db, now),
  ]);
  const title = context.t('invoices.title');
  const figure = (key: string, count: number, rupiah: number, asks: string) => ({
    label: context.t(`invoices.${key}`),
    value: format.rupiah(rupiah),
    hint: context.t('invoices.count', { count, shown: format.number(count) }),
    href: listAddress(PATH, { state: asks }),
  });
  return context.page(
    'admin/invoices/invoices',
    {
      title,
      q,
      state,
      figures: [
        figure('overdue-sum', owed.overdue, owed.overdueRupiah, 'overdue'),
        figure('not-due-sum', owed.open - owed.overdue, owed.openRupiah - owed.overdueRupiah, 'unpaid'),
      ],
      chips: [null, ...INVOICE_STATES].map((one) => ({
        text: context.t(one === null ? 'invoices.all' : `invoices.state-${one}`),
        href: listAddress(PATH, { q, state: one }),
        current: one === state,
      })),
      rows: found.rows.map((row) => invoiceRow(context, row)),
      total: totalWords(context, found),
      nothingYet: q === '' && state === null && page === 1 && found.total === 0,
      pages: pagesOf(found, page, PAGE_SIZE, (to) => listAddress(PATH, { q, state, page: to })),
    },
    { title, active: 'invoices' },
  );
}

export const invoiceRow = (context: Context, row: ListedInvoice) => ({
  ...row,
  href: `${PATH}/${row.publicId}`,
  shown: row.name === '' ? row.username : row.name,
  stateText: context.t(`invoices.state-${row.state}`),
  tone: INVOICE_TONES[row.state],
  kindText: context.t(`invoices.kind-${row.kind}`),
  // The last day on which it may be paid, not the instant after it.
  dueAt: row.dueAt - 1,
});
