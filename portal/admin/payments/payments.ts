import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { localMidnight, nextLocalMidnight, parseInstant } from '#domain/time';
import { refundPayment } from '#operations/refund-payment';
import { actorWords } from '#portal/admin/customer/events';
import { listAddress, pagesOf, totalWords } from '#portal/admin/customers/listing';
import { labelled, paymentRow } from '#portal/admin/payments/rows';
import { unmatchedRoutes } from '#portal/admin/payments/unmatched';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, wholeNumber } from '#portal/shared/forms';
import { gatewayName } from '#portal/shared/methods';
import { sendReceipt } from '#portal/shared/pdf/papers';
import {
  type ListedPayment,
  listPayments,
  PAYMENT_WAYS,
  type PaymentFilter,
  paymentById,
  refundsOf,
  sumPayments,
} from '#storage/money-lists';
import { receivedPayment } from '#storage/receipts';
import { type RefundOrder, refundOrdersOf } from '#storage/refunds';
import { unmatchedWaiting } from '#storage/unmatched';

const PATH = '/payments';
const PAGE_SIZE = 50;
const BACKS = ['yes', 'waiting'] as const;
/** Without scripts, while a gateway has still to answer for a refund. */
const REFRESH_SECONDS = 20;

/** Money that came in and what of it went back; and, apart, money that fits nothing. */
export function paymentsPage(doors: Doors): void {
  doors.staff('GET', PATH, 'money', list);
  unmatchedRoutes(doors);

  doors.staff('GET', `${PATH}/:id`, 'money', async (context) => {
    const payment = await paymentOf(context);
    return payment === null ? noSuchPayment(context) : show(context, payment);
  });

  doors.staff('GET', `${PATH}/:id/receipt`, 'money', async (context) => {
    const id = wholeNumber((context.request.params as { id: string }).id);
    const payment = id === null ? null : await receivedPayment(context.db, id, null);
    return payment === null ? noSuchPayment(context) : sendReceipt(context, payment);
  });

  doors.staff('POST', `${PATH}/:id/refund`, 'money', async (context) => {
    const payment = await paymentOf(context);
    if (payment === null) return noSuchPayment(context);
    const form = formOf(context.request.body);
    const [how, amountRupiah, reason, key] = ['how', 'amountRupiah', 'reason', 'key'].map((name) => field(form, name));
    const asked = { payment: payment.id, how, amountRupiah, reason, key };
    const done = await attempt(() => refundPayment(context.desk, context.opened.gateways, asked));
    if (done.faults !== undefined) return show(context, payment, { form, faults: done.faults });
    context.opened.live.wakeEnforcement();
    const { came, amountRupiah: rupiah, error } = done.done;
    const text = context.t(`payments-staff.refund-${came}`, {
      amount: context.format.rupiah(rupiah),
      why: error === null ? '' : context.said(error),
    });
    return context.redirect(`${PATH}/${payment.id}`, { kind: came === 'refused' ? 'bad' : 'good', text });
  });
}

async function list(context: Context): Promise<FastifyReply> {
  const { db, parts } = context;
  const form = formOf(context.request.query);
  const q = field(form, 'q').slice(0, 100);
  const way = PAYMENT_WAYS.find((one) => one === field(form, 'way')) ?? null;
  const back = BACKS.find((one) => one === field(form, 'back')) ?? null;
  const day = (name: string) =>
    /^\d{4}-\d\d-\d\d$/.test(field(form, name)) ? parseInstant(field(form, name), parts.zone) : null;
  const [from, to] = [day('from'), day('to')];
  const page = Math.max(1, wholeNumber(field(form, 'page')) ?? 1);
  const filter: PaymentFilter = {
    ...(q === '' ? {} : { search: q }),
    ...(way === null ? {} : { way }),
    ...(back === null ? {} : { back }),
    ...(from === null ? {} : { from: localMidnight(from, parts.zone) }),
    ...(to === null ? {} : { to: nextLocalMidnight(to, parts.zone) }),
  };
  const [found, sum, waiting] = await Promise.all([
    listPayments(db, { ...filter, page, pageSize: PAGE_SIZE }),
    sumPayments(db, filter),
    unmatchedWaiting(db),
  ]);
  const days = { from: from === null ? null : field(form, 'from'), to: to === null ? null : field(form, 'to') };
  const asked = { q, way, back, ...days };
  const title = context.t('payments-staff.title');
  const chip = (key: string, other: { way: string | null; back: string | null }) => ({
    text: context.t(`payments-staff.way-${key}`),
    href: listAddress(PATH, { ...asked, ...other }),
    current: way === other.way && asked.back === other.back,
  });
  return context.page(
    'admin/payments/payments',
    {
      title,
      asked,
      sum: { ...sum, netRupiah: sum.rupiah - sum.backRupiah },
      waiting: waiting.count === 0 ? null : waiting,
      chips: [
        chip('all', { way: null, back: null }),
        ...PAYMENT_WAYS.map((one) => chip(one, { way: one, back: null })),
        chip('back', { way: null, back: 'yes' }),
        chip('waiting', { way: null, back: 'waiting' }),
      ],
      rows: found.rows.map((row) => paymentRow(context, row)),
      total: totalWords(context, found),
      narrowed: Object.values(asked).some((one) => one !== null && one !== ''),
      pages: pagesOf(found, page, PAGE_SIZE, (next) => listAddress(PATH, { ...asked, page: next })),
    },
    { title, active: 'payments' },
  );
}

async function paymentOf(context: Context): Promise<ListedPayment | null> {
  const id = wholeNumber((context.request.params as { id: string }).id);
  return id === null ? null : paymentById(context.db, id);
}

async function noSuchPayment(context: Context): Promise<FastifyReply> {
  const title = context.t('payments-staff.gone-title');
  const model = { title, text: context.t('payments-staff.gone') };
  return context.page('shared/message', model, { title, active: 'payments', status: 404 });
}

async function show(
  context: Context,
  payment: ListedPayment,
  refused?: { readonly form: Form; readonly faults: readonly string[] },
): Promise<FastifyReply> {
  const [refunds, orders] = await Promise.all([
    refundsOf(context.db, payment.id),
    refundOrdersOf(context.db, payment.id),
  ]);
  const row = paymentRow(context, payment);
  const title = context.t('payments-staff.one-title', {
    amount: context.format.rupiah(payment.amountRupiah),
    name: row.shown,
  });
  const underWay = orders.find(({ endedAt }) => endedAt === null);
  const typed = refused === undefined ? {} : { ...refused.form };
  return context.page(
    'admin/payments/payment',
    {
      title,
      payment: row,
      gatewayText: payment.gateway === null ? null : gatewayName(payment.gateway),
      refunds: refunds.map((one) => ({
        ...one,
        kindText: context.t(`payments-staff.kind-${one.kind}`),
        by: actorWords(context, one.by),
      })),
      orders: orders
        .filter(({ endedAt, error }) => endedAt === null || error !== null)
        .map((one) => orderRow(context, one)),
      mayRefund: row.leftRupiah > 0 && underWay === undefined,
      atGateway: payment.gateway !== null,
      key: refused === undefined ? randomBytes(12).toString('hex') : field(refused.form, 'key'),
      typed: { how: payment.gateway === null ? 'cash' : 'gateway', ...typed },
      faults: labelled(context, refused?.faults),
    },
    {
      title,
      active: 'payments',
      status: refused === undefined ? 200 : 422,
      ...(underWay === undefined ? {} : { refreshSeconds: REFRESH_SECONDS }),
    },
  );
}

const orderRow = (context: Context, order: RefundOrder) => ({
  ...order,
  by: actorWords(context, order.askedBy),
  state: order.endedAt !== null ? 'refused' : order.acceptedAt !== null ? 'asked' : 'waiting',
  tone: order.endedAt !== null ? 'bad' : 'warn',
  stateText: context.t(
    `payments-staff.order-${order.endedAt !== null ? 'refused' : order.acceptedAt !== null ? 'asked' : 'waiting'}`,
  ),
});
