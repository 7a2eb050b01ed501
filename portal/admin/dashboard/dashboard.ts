import type { FastifyReply } from 'fastify';
import { localDays, localMonthStart } from '#domain/calendar';
import { DAY, localMidnight, nextLocalMidnight } from '#domain/time';
import { attentionItems } from '#portal/admin/dashboard/attention';
import { chartsOf, RANGES, type Range } from '#portal/admin/dashboard/charts';
import { firstSteps } from '#portal/admin/dashboard/first-steps';
import { kpiCards } from '#portal/admin/dashboard/kpi-cards';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf } from '#portal/shared/forms';
import { countEnding, type Ending, endingBetween, figuresBetween, kpis } from '#storage/dashboard';
import { revenueByDay } from '#storage/reports';
import { listPurchases } from '#storage/sales-lists';

const ENDING_SHOWN = 6;
const PURCHASES_SHOWN = 8;

/** What needs somebody first, then how the business goes. */
export function dashboardPage(doors: Doors): void {
  doors.staff('GET', '/prepaid/dashboard', 'see', dashboard);
}

async function dashboard(context: Context): Promise<FastifyReply> {
  const title = context.t('dashboard.title');
  const steps = await firstSteps(context);
  if (steps.nobodyYet) {
    return context.page('admin/dashboard/beginning', { title, steps: steps.list }, { title, active: 'dashboard' });
  }
  const { db, now, parts } = context;
  const asked = Number(field(formOf(context.request.query), 'days'));
  const days: Range = RANGES.find((one) => one === asked) ?? 30;
  const tomorrow = nextLocalMidnight(now, parts.zone);
  const firstDay = localMidnight(now - (days - 1) * DAY, parts.zone);
  const month = localMonthStart(now, parts.zone);
  const dayAfter = nextLocalMidnight(tomorrow, parts.zone);
  const [attention, values, figures, revenue, today, next, endings, purchases] = await Promise.all([
    attentionItems(context),
    kpis(db, now, parts.zone),
    figuresBetween(db, now - days * DAY, now + 1),
    revenueByDay(db, Math.min(firstDay, month), now, parts.zone),
    endingBetween(db, { now, from: now, to: tomorrow, limit: ENDING_SHOWN }),
    endingBetween(db, { now, from: tomorrow, to: dayAfter, limit: ENDING_SHOWN }),
    countEnding(db, now, localDays(now, dayAfter, parts.zone)),
    listPurchases(db, { page: 1, pageSize: PURCHASES_SHOWN, now }),
  ]);
  return context.page(
    'admin/dashboard/dashboard',
    {
      title,
      attention,
      steps: steps.missing ? steps.list : null,
      cards: kpiCards(context, values, figures, revenue, month),
      charts: chartsOf(
        context,
        figures,
        revenue.filter(({ from }) => from >= firstDay),
      ),
      ranges: RANGES.map((one) => ({
        text: context.t('dashboard.range', { count: one }),
        href: `/prepaid/dashboard?days=${one}#charts`,
        current: one === days,
      })),
      endings: [
        { title: context.t('dashboard.ending-today'), ...endingRows(today, endings[0]) },
        { title: context.t('dashboard.ending-tomorrow'), ...endingRows(next, endings[1]) },
      ],
      purchases: purchases.rows.map((row) => ({
        ...row,
        shown: row.name === '' ? row.username : row.name,
        stateText: context.t(`purchases.state-${row.state}`),
        tone: { waiting: 'warn', expired: '', cancelled: '', done: 'good' }[row.state],
      })),
    },
    { title, active: 'dashboard', charts: true },
  );
}

function endingRows(rows: readonly Ending[], total = rows.length) {
  return {
    rows: rows.map((row) => ({ ...row, shown: row.name === '' ? row.username : row.name })),
    total,
    others: total - rows.length,
  };
}
