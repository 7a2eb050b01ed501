import type { FastifyReply } from 'fastify';
import { startOf } from '#domain/billing';
import { localDays } from '#domain/calendar';
import type { Account } from '#domain/ledger';
import { DAY, localMidnight, nextLocalMidnight, SECOND } from '#domain/time';
import { recordPayout } from '#operations/payouts';
import { labelled } from '#portal/admin/payments/rows';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { balances, closedDays, verifyLedger } from '#storage/ledger';
import { moneyInBySpan } from '#storage/money-lists';

const PATH = '/ledger';
const DAYS_SHOWN = 7;
const CHART_DAYS = 30;
const WAYS = ['midtrans', 'xendit', 'cash', 'bank'] as const;

/** The accounts as people read them: what we have, what we owe, what we earned; `sign` turns credit into above zero. */
const GROUPS: readonly { readonly key: string; readonly sign: 1 | -1; readonly accounts: readonly Account[] }[] = [
  { key: 'assets', sign: 1, accounts: ['cash', 'bank', 'clearing:midtrans', 'clearing:xendit'] },
  { key: 'debts', sign: -1, accounts: ['customer-credit', 'deferred-revenue', 'tax-payable', 'unmatched'] },
  { key: 'earned', sign: -1, accounts: ['revenue', 'refund', 'fee'] },
];

/** The books: balances, what came in by day, which days are closed, and whether all is as it was. */
export function ledgerPage(doors: Doors): void {
  doors.staff('GET', PATH, 'money', (context) => show(context));

  doors.staff('POST', `${PATH}/verify`, 'money', async (context) => {
    const faults = await verifyLedger(context.db);
    return show(context, { verified: { faults, at: context.now } });
  });

  doors.staff('POST', `${PATH}/payouts`, 'money', async (context) => {
    const form = formOf(context.request.body);
    const [gateway, amountRupiah, feeRupiah, reference] = ['gateway', 'amountRupiah', 'feeRupiah', 'reference'].map(
      (name) => field(form, name),
    );
    const done = await attempt(() => recordPayout(context.desk, { gateway, amountRupiah, feeRupiah, reference }));
    if (done.faults !== undefined) return show(context, { refused: { form, faults: done.faults } });
    const holds = context.format.rupiah(done.done.holdsRupiah);
    return context.redirect(PATH, { kind: 'good', text: context.t('ledger.payout-done', { holds }) });
  });
}

async function show(
  context: Context,
  after: {
    readonly verified?: { readonly faults: readonly string[]; readonly at: number };
    readonly refused?: { readonly form: Form; readonly faults: readonly string[] };
  } = {},
): Promise<FastifyReply> {
  const { db, now, parts } = context;
  const first = localMidnight(now - (CHART_DAYS - 1) * DAY, parts.zone);
  const spans = localDays(first, nextLocalMidnight(now, parts.zone), parts.zone);
  const [sums, days, money] = await Promise.all([balances(db), closedDays(db, DAYS_SHOWN), moneyInBySpan(db, spans)]);
  const title = context.t('ledger.title');
  const total = [...sums.values()].reduce((sum, rupiah) => sum + rupiah, 0);
  return context.page(
    'admin/ledger/ledger',
    {
      title,
      nothingYet: sums.size === 0,
      groups: GROUPS.map(({ key, sign, accounts }) => ({
        title: context.t(`ledger.group-${key}`),
        rows: accounts.map((account) => {
          const name = account.replace(':', '-');
          return {
            name: context.t(`ledger.account-${name}`),
            means: context.t(`ledger.means-${name}`),
            rupiah: sign * (sums.get(account) ?? 0) + 0,
          };
        }),
        rupiah: accounts.reduce((sum, account) => sum + sign * (sums.get(account) ?? 0), 0) + 0,
      })),
      balanced: total === 0,
      charts: chartsOf(context, money),
      chartDays: CHART_DAYS,
      days: days.map((day) => ({
        ...day,
        at: startOf(day.day, parts.zone),
        seal: day.hash.toString('hex').slice(0, 16),
        hash: day.hash.toString('hex'),
      })),
      verified: after.verified,
      typed: { gateway: 'midtrans', ...(after.refused === undefined ? {} : after.refused.form) },
      faults: labelled(context, after.refused?.faults),
      gateways: (['midtrans', 'xendit'] as const).map((name) => ({
        name,
        text: context.t(`ledger.account-clearing-${name}`),
        holds: sums.get(`clearing:${name}`) ?? 0,
      })),
    },
    { title, active: 'ledger', charts: true, status: after.refused === undefined ? 200 : 422 },
  );
}

/** One picture each: bars of several ways beside each other are not read on a phone. */
function chartsOf(context: Context, money: Awaited<ReturnType<typeof moneyInBySpan>>) {
  return WAYS.map((way) => ({ way, values: money.map(({ ways }) => ways[way]) }))
    .filter(({ values }) => values.some((rupiah) => rupiah !== 0))
    .map(({ way, values }) => {
      const label = context.t(`ledger.way-${way}`);
      const total = context.format.rupiah(values.reduce((sum, one) => sum + one, 0));
      return {
        title: label,
        total,
        data: JSON.stringify({
          x: money.map(({ from }) => from / SECOND),
          series: [{ label, values }],
          unit: 'rupiah',
          bars: true,
          zone: context.parts.zone,
          time: context.t('dashboard.time'),
        }),
        label: `${label}: ${total}`,
        fallback: values,
      };
    });
}
