import type { FastifyReply } from 'fastify';
import { resolveUnmatched } from '#operations/resolve-unmatched';
import { actorWords } from '#portal/admin/customer/events';
import { labelled } from '#portal/admin/payments/rows';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, wholeNumber } from '#portal/shared/forms';
import { gatewayName } from '#portal/shared/methods';
import { listInvoices } from '#storage/money-lists';
import { listUnmatched, type Unmatched, unmatchedOf, unmatchedWaiting } from '#storage/unmatched';

const PATH = '/payments/unmatched';
const SHOWN = 200;
const RESOLVED_SHOWN = 20;
const INVOICES_SHOWN = 5;

/** Money of gateways that fits nothing, and what a person does with it. */
export function unmatchedRoutes(doors: Doors): void {
  doors.staff('GET', PATH, 'money', queue);

  doors.staff('GET', `${PATH}/:id`, 'money', async (context) => {
    const money = await moneyOf(context);
    return money === null ? gone(context) : resolveForm(context, money);
  });

  doors.staff('POST', `${PATH}/:id`, 'money', async (context) => {
    const money = await moneyOf(context);
    if (money === null) return gone(context);
    const form = formOf(context.request.body);
    const [how, username, invoice, reason] = ['how', 'username', 'invoice', 'reason'].map((name) => field(form, name));
    const done = await attempt(() =>
      resolveUnmatched(context.desk, context.opened.gateways, { id: money.id, how, username, invoice, reason }),
    );
    if (done.faults !== undefined) return resolveForm(context, money, { form, faults: done.faults });
    context.opened.live.wakeEnforcement();
    const { refund, settled } = done.done;
    const came = refund?.came ?? (settled ? 'settled' : 'credited');
    const text = context.t(`payments-staff.resolved-${came}`, {
      amount: context.format.rupiah(money.amountRupiah),
      why: refund?.error == null ? '' : context.said(refund.error),
    });
    return context.redirect(PATH, { kind: came === 'refused' ? 'bad' : 'good', text });
  });
}

/** What waits, by the number in the address; null when it is resolved or never was. */
async function moneyOf(context: Context): Promise<Unmatched | null> {
  const id = wholeNumber((context.request.params as { id: string }).id);
  const money = id === null ? null : await unmatchedOf(context.db, id);
  return money === null || money.resolvedAt !== null || money.refunding ? null : money;
}

const gone = async (context: Context): Promise<FastifyReply> =>
  context.redirect(PATH, { kind: 'bad', text: context.t('payments-staff.unmatched-gone') });

const moneyRow = (context: Context, money: Unmatched) => ({
  ...money,
  href: `${PATH}/${money.id}`,
  gatewayText: gatewayName(money.gateway),
  reasonText: context.t(`payments-staff.why-${money.reason}`),
  adviceText: context.t(`payments-staff.advice-${money.reason}`),
  shown: money.username === null ? null : money.name || money.username,
  waits: context.format.duration(context.now - money.seenAt),
  by: money.resolvedBy === null ? '' : actorWords(context, money.resolvedBy),
  resolutionText: money.resolution === 'refund' ? context.t('payments-staff.given-back') : (money.resolution ?? ''),
});

async function queue(context: Context): Promise<FastifyReply> {
  const { db } = context;
  const [open, resolved, waiting] = await Promise.all([
    listUnmatched(db, SHOWN),
    listUnmatched(db, RESOLVED_SHOWN, true),
    unmatchedWaiting(db),
  ]);
  const title = context.t('payments-staff.unmatched-title');
  return context.page(
    'admin/payments/unmatched',
    {
      title,
      waiting,
      rows: open.map((money) => moneyRow(context, money)),
      others: Math.max(0, waiting.count - open.length),
      resolved: resolved.map((money) => moneyRow(context, money)),
    },
    { title, active: 'unmatched' },
  );
}

async function resolveForm(
  context: Context,
  money: Unmatched,
  refused?: { readonly form: Form; readonly faults: readonly string[] },
): Promise<FastifyReply> {
  const { db, now, format } = context;
  const owed =
    money.subscriberId === null
      ? []
      : (await listInvoices(db, { subscriberId: money.subscriberId, page: 1, pageSize: 50, now })).rows.filter(
          ({ state }) => state === 'unpaid' || state === 'overdue',
        );
  const title = context.t('payments-staff.resolve-title', { amount: format.rupiah(money.amountRupiah) });
  const guess = money.username !== null;
  const [first] = owed;
  return context.page(
    'admin/payments/resolve',
    {
      title,
      money: moneyRow(context, money),
      owed: owed.slice(0, INVOICES_SHOWN),
      typed: {
        how: first !== undefined ? 'invoice' : guess ? 'credit' : '',
        username: money.username ?? '',
        invoice: first?.number ?? '',
        reason: '',
        ...(refused === undefined ? {} : refused.form),
      },
      faults: labelled(context, refused?.faults),
    },
    { title, active: 'unmatched', status: refused === undefined ? 200 : 422 },
  );
}
