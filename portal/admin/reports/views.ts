import { localDays, type Span } from '#domain/calendar';
import { DAY, localMidnight, SECOND } from '#domain/time';
import { methodWords } from '#portal/admin/customer/events';
import { type Pages, pagesOf } from '#portal/admin/customers/listing';
import { addressOf, type ReportQuery, spansOf, wholeSpansOf } from '#portal/admin/reports/query';
import type { Context } from '#portal/shared/context';
import { customerActivity } from '#storage/activity';
import { countEnding, endingBetween } from '#storage/dashboard';
import { countExpired, expiredBetween, revenueBySpan, topPackages } from '#storage/reports';

const PAGE_SIZE = 50;
const PACKAGES_SHOWN = 50;
const RANKED = 12;

/** What a report's page shows: figures above, one picture, one table. */
export type Report = {
  readonly figures: readonly { readonly label: string; readonly value: string; readonly hint?: string }[];
  /** Over time, for `staff.js`, with what is said where nothing is seen. */
  readonly chart?: { readonly data: string; readonly label: string; readonly fallback: readonly number[] };
  /** The biggest beside each other; shares of the biggest in percent. */
  readonly ranking?: readonly Ranked[];
  readonly rows: readonly object[];
  readonly methods?: readonly { readonly name: string }[];
  readonly pages?: Pages | null;
};

type Ranked = { readonly name: string; readonly href: string; readonly value: string; readonly percent: number };

function chartOf(
  context: Context,
  spans: readonly Span[],
  series: { readonly key: string; readonly values: readonly number[] },
  unit: 'rupiah' | 'number',
): NonNullable<Report['chart']> {
  const label = context.t(`reports.series-${series.key}`);
  const total = series.values.reduce((sum, one) => sum + one, 0);
  return {
    data: JSON.stringify({
      x: spans.map(({ from }) => from / SECOND),
      series: [{ label, values: series.values }],
      unit,
      bars: true,
      zone: context.parts.zone,
      time: context.t('dashboard.time'),
    }),
    label: `${label}: ${unit === 'rupiah' ? context.format.rupiah(total) : context.format.number(total)}`,
    fallback: series.values,
  };
}

export async function revenueReport(context: Context, query: ReportQuery): Promise<Report> {
  const { format } = context;
  const spans = spansOf(query, context.parts.zone);
  const found = await revenueBySpan(context.db, spans);
  const rupiah = found.reduce((sum, one) => sum + one.rupiah, 0);
  const payments = found.reduce((sum, one) => sum + one.payments, 0);
  const byMethod = new Map<string, number>();
  for (const { methods } of found)
    for (const [method, amount] of Object.entries(methods)) byMethod.set(method, (byMethod.get(method) ?? 0) + amount);
  const methods = [...byMethod].sort((one, other) => other[1] - one[1]);
  const figure = (key: string, value: string) => ({ label: context.t(`reports.${key}`), value });
  return {
    figures: [
      figure('revenue', format.rupiah(rupiah)),
      {
        ...figure('payments', format.number(payments)),
        ...(payments === 0
          ? {}
          : { hint: context.t('reports.average', { amount: format.rupiah(Math.round(rupiah / payments)) }) }),
      },
      ...methods.map(([method, amount]) => ({
        label: methodWords(context, method),
        value: format.rupiah(amount),
        hint: `${percentOf(amount, rupiah)}%`,
      })),
    ],
    chart: chartOf(
      context,
      // Whole ones, so that bars stand at equal distances.
      wholeSpansOf(query, context.parts.zone),
      { key: 'revenue', values: found.map((one) => one.rupiah) },
      'rupiah',
    ),
    methods: methods.map(([method]) => ({ name: methodWords(context, method) })),
    // What was last comes first, and days without money are left to the picture.
    rows: found
      .filter((one) => one.payments > 0 || one.rupiah !== 0)
      .reverse()
      .map((one) => ({
        ...one,
        when: whenWords(context, one),
        methods: methods.map(([method]) => ({ name: methodWords(context, method), rupiah: one.methods[method] ?? 0 })),
      })),
  };
}

/** `20 Nov 2026`, or `16 Nov 2026 – 22 Nov 2026`. */
function whenWords(context: Context, { from, until }: Span): string {
  const [first, last] = [context.format.date(from), context.format.date(until - 1)];
  return first === last ? first : `${first} – ${last}`;
}

const percentOf = (value: number, most: number): number => (most === 0 ? 0 : Math.round((value / most) * 100));

export async function packagesReport(context: Context, query: ReportQuery): Promise<Report> {
  const { format } = context;
  const found = await topPackages(context.db, query.from, query.to, PACKAGES_SHOWN);
  const sold = found.reduce((sum, one) => sum + one.sold, 0);
  const rupiah = found.reduce((sum, one) => sum + one.rupiah, 0);
  const most = Math.max(0, ...found.map((one) => one.sold));
  return {
    figures: [
      { label: context.t('reports.sold'), value: format.number(sold) },
      { label: context.t('reports.sales-value'), value: format.rupiah(rupiah) },
    ],
    ranking: found.slice(0, RANKED).map((one) => ({
      name: one.plan,
      href: `/prepaid/packages/${one.planId}`,
      value: context.t('reports.times', { count: one.sold, shown: format.number(one.sold) }),
      percent: percentOf(one.sold, most),
    })),
    rows: found.map((one) => ({ ...one, share: `${percentOf(one.rupiah, rupiah)}%` })),
  };
}

const shownName = ({ name, username }: { readonly name: string; readonly username: string }): string =>
  name === '' ? username : name;

export async function activityReport(context: Context, query: ReportQuery): Promise<Report> {
  const { fromDay, toDay, from, to, page } = query;
  const offset = (page - 1) * PAGE_SIZE;
  // One more than is shown says whether there is a next page: counting all would cost as much as ranking them.
  const options = { from: fromDay, to: toDay, paidFrom: from, paidTo: to };
  const found = await customerActivity(context.db, { ...options, limit: PAGE_SIZE + 1, offset });
  const rows = found
    .slice(0, PAGE_SIZE)
    .map((one) => ({ ...one, shown: shownName(one), bytes: one.upBytes + one.downBytes }));
  const most = Math.max(0, ...rows.map((one) => one.bytes));
  const next = found.length > PAGE_SIZE;
  return {
    figures: [],
    ranking: rows.slice(0, RANKED).map((one) => ({
      name: one.shown,
      href: `/customers/${one.subscriberId}`,
      value: context.format.bytes(one.bytes),
      percent: percentOf(one.bytes, most),
    })),
    rows,
    pages:
      page === 1 && !next
        ? null
        : {
            page,
            last: null,
            previous: page === 1 ? null : addressOf(query, { page: page - 1 }),
            next: next ? addressOf(query, { page: page + 1 }) : null,
          },
  };
}

export async function endingReport(context: Context, query: ReportQuery): Promise<Report> {
  const { db, now, parts, format } = context;
  const to = endOf(context, query);
  const spans = localDays(now, to, parts.zone);
  const [rows, counts] = await Promise.all([
    endingBetween(db, { now, from: now, to, limit: PAGE_SIZE, offset: (query.page - 1) * PAGE_SIZE }),
    countEnding(db, now, spans),
  ]);
  const total = counts.reduce((sum, one) => sum + one, 0);
  return {
    figures: [{ label: context.t('reports.ending'), value: format.number(total) }],
    chart: chartOf(context, spans, { key: 'ending', values: counts }, 'number'),
    rows: rows.map((row) => ({ ...row, shown: shownName(row) })),
    pages: pagesOf({ rows, total, more: false }, query.page, PAGE_SIZE, (page) => addressOf(query, { page })),
  };
}

/** Until when the report of those who end soon looks: the end of so many local days, today being the first. */
export const endOf = (context: Context, { ahead }: ReportQuery): number =>
  localMidnight(context.now + ahead * DAY, context.parts.zone);

export async function expiredReport(context: Context, query: ReportQuery): Promise<Report> {
  const { db, now, parts, format } = context;
  const { from, to, page } = query;
  const spans = localDays(from, to, parts.zone);
  const [rows, counts] = await Promise.all([
    expiredBetween(db, { now, from, to, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE }),
    countExpired(db, now, spans),
  ]);
  const total = counts.reduce((sum, one) => sum + one, 0);
  return {
    figures: [{ label: context.t('reports.expired'), value: format.number(total) }],
    chart: chartOf(context, spans, { key: 'expired', values: counts }, 'number'),
    rows: rows.map((row) => ({ ...row, shown: shownName(row) })),
    pages: pagesOf({ rows, total, more: false }, page, PAGE_SIZE, (to) => addressOf(query, { page: to })),
  };
}
