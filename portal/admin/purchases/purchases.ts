import type { FastifyReply } from 'fastify';
import { cancelPurchase } from '#operations/cancel-purchase';
import { settlePurchase } from '#operations/settle-purchase';
import { actorWords, methodWords } from '#portal/admin/customer/events';
import { listAddress, pagesOf, totalWords } from '#portal/admin/customers/listing';
import { type Context, localPath } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, wholeNumber } from '#portal/shared/forms';
import { type ListedPurchase, listPurchases, PURCHASE_STATES } from '#storage/sales-lists';

const PATH = '/prepaid/purchases';
const PAGE_SIZE = 50;

/** Orders: those that wait for their money first, and all others by how they stand. */
export function purchasesPage(doors: Doors): void {
  doors.staff('GET', PATH, 'see', list);

  doors.staff('POST', `${PATH}/:number/settle`, 'money', async (context) => {
    const { number } = context.request.params as { number: string };
    const form = formOf(context.request.body);
    const given = { number, method: field(form, 'method'), note: field(form, 'note') };
    const settled = await attempt(() => settlePurchase(context.desk, given));
    const back = localPath(field(form, 'back')) ?? PATH;
    if (settled.faults !== undefined)
      return context.redirect(back, { kind: 'bad', text: settled.faults.map((line) => context.said(line)).join(' ') });
    context.opened.live.wakeEnforcement();
    const { until, alreadySettled } = settled.done;
    const key = alreadySettled ? 'purchases.settled-before' : 'purchases.settled';
    return context.redirect(back, {
      kind: 'good',
      text: context.t(key, { number, until: context.format.dateTime(until) }),
    });
  });

  doors.staff('POST', `${PATH}/:number/cancel`, 'money', async (context) => {
    const { number } = context.request.params as { number: string };
    const cancelled = await attempt(() => cancelPurchase(context.desk, number));
    const back = localPath(field(formOf(context.request.body), 'back')) ?? PATH;
    if (cancelled.faults !== undefined)
      return context.redirect(back, { kind: 'bad', text: context.t('purchases.not-cancelled') });
    return context.redirect(back, { kind: 'good', text: context.t('purchases.cancelled', { number }) });
  });
}

async function list(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.query);
  const q = field(form, 'q').slice(0, 100);
  const asked = field(form, 'state');
  const state = PURCHASE_STATES.find((one) => one === asked) ?? null;
  const page = Math.max(1, wholeNumber(field(form, 'page')) ?? 1);
  const filter = { ...(q === '' ? {} : { search: q }), ...(state === null ? {} : { state }) };
  const { db, now } = context;
  const found = await listPurchases(db, { ...filter, page, pageSize: PAGE_SIZE, now });
  // What waits is what somebody comes here for: it stands above everything else, unless something else was asked for.
  const asksNothing = state === null && q === '' && page === 1;
  const waiting = asksNothing ? await listPurchases(db, { state: 'waiting', page: 1, pageSize: PAGE_SIZE, now }) : null;
  const rows = found.rows.filter((row) => waiting === null || row.state !== 'waiting');
  const title = context.t('purchases.title');
  return context.page(
    'admin/purchases/purchases',
    {
      title,
      q,
      state,
      chips: [null, ...PURCHASE_STATES].map((one) => ({
        text: context.t(one === null ? 'purchases.all' : `purchases.state-${one}`),
        href: listAddress(PATH, { q, state: one }),
        current: one === state,
      })),
      waiting: waiting === null ? null : waiting.rows.map((row) => rowOf(context, row)),
      waitingCount: waiting?.total,
      rows: rows.map((row) => rowOf(context, row)),
      total: totalWords(context, found),
      nothingYet: asksNothing && found.total === 0,
      pages: pagesOf(found, page, PAGE_SIZE, (to) => listAddress(PATH, { q, state, page: to })),
      here: listAddress(PATH, { q, state, page }),
      maySell: context.allowed('money'),
    },
    { title, active: 'purchases' },
  );
}

function rowOf(context: Context, row: ListedPurchase) {
  return {
    ...row,
    shown: row.name === '' ? row.username : row.name,
    stateText: context.t(`purchases.state-${row.state}`),
    tone: { waiting: 'warn', expired: '', cancelled: '', done: 'good' }[row.state],
    by: actorWords(context, row.orderedBy),
    paidBy: row.methods.map((method) => methodWords(context, method)).join(', '),
    canSettle: row.state !== 'done',
    canCancel: row.state === 'waiting',
  };
}
