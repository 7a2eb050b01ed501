import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { localMonthStart } from '#domain/calendar';
import { DAY, localDate } from '#domain/time';
import { csvLines } from '#operations/csv';
import { exportOf } from '#portal/admin/reports/export';
import {
  AHEAD_DAYS,
  addressOf,
  BACK_DAYS,
  exportAddress,
  type ReportQuery,
  readQuery,
  STEPS,
  VIEWS,
  type View,
} from '#portal/admin/reports/query';
import {
  activityReport,
  endingReport,
  expiredReport,
  packagesReport,
  type Report,
  revenueReport,
} from '#portal/admin/reports/views';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';

const REPORTS: Readonly<Record<View, (context: Context, query: ReportQuery) => Promise<Report>>> = {
  revenue: revenueReport,
  packages: packagesReport,
  activity: activityReport,
  ending: endingReport,
  expired: expiredReport,
};

/** What came in, what sells, who uses most, who ends: each as a picture, a table and a file. */
export function reportsPage(doors: Doors): void {
  doors.staff('GET', '/prepaid/reports', 'see', page);
  doors.staff('GET', '/prepaid/reports/export.csv', 'see', async (context) => {
    const query = readQuery(context);
    const { columns, rows } = exportOf(context, query);
    const name = `${query.view}-${localDate(context.now, context.parts.zone)}.csv`;
    return context.reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvLines(columns, rows), { objectMode: false }));
  });
}

async function page(context: Context): Promise<FastifyReply> {
  const query = readQuery(context);
  const { view } = query;
  const report = await REPORTS[view](context, query);
  const title = context.t('reports.title');
  return context.page(
    'admin/reports/reports',
    {
      title,
      query,
      views: VIEWS.map((one) => ({
        text: context.t(`reports.view-${one}`),
        href: addressOf(query, { view: one }),
        current: one === view,
      })),
      viewTitle: context.t(`reports.view-${view}`),
      what: context.t(`reports.what-${view}`),
      is: { [view]: true },
      steps:
        view === 'revenue'
          ? STEPS.map((one) => ({
              text: context.t(`reports.step-${one}`),
              href: addressOf(query, { step: one }),
              current: one === query.step,
            }))
          : null,
      ...(view === 'ending'
        ? { aheads: aheadChips(context, query) }
        : { periods: periodChips(context, query), period: periodWords(context, query) }),
      exportHref: exportAddress(query),
      ...report,
    },
    { title, active: 'reports', charts: true },
  );
}

const aheadChips = (context: Context, query: ReportQuery) =>
  AHEAD_DAYS.map((ahead) => ({
    text: context.t('reports.ahead', { count: ahead }),
    href: addressOf(query, { ahead }),
    current: ahead === query.ahead,
  }));

/** The last days, this month up to today, and the month before it. */
function periodChips(context: Context, query: ReportQuery) {
  const { now, parts } = context;
  const { zone } = parts;
  const month = localMonthStart(now, zone);
  const lastOfBefore = month - 1;
  const periods = [
    ...BACK_DAYS.map((days) => [context.t('reports.back', { count: days }), now - (days - 1) * DAY, now] as const),
    [context.t('reports.this-month'), month, now] as const,
    [context.t('reports.last-month'), localMonthStart(lastOfBefore, zone), lastOfBefore] as const,
  ];
  return periods.map(([text, from, to]) => {
    const [fromDay, toDay] = [localDate(from, zone), localDate(to, zone)];
    const current = query.fromDay === fromDay && query.toDay === toDay;
    return { text, href: addressOf(query, { fromDay, toDay }), current };
  });
}

/** `22 Okt 2026 – 21 Nov 2026`: browsers show the fields of a form in a format of their own. */
function periodWords({ format }: Context, { from, to }: ReportQuery): string {
  const [first, last] = [format.date(from), format.date(to - 1)];
  return first === last ? first : `${first} – ${last}`;
}
