import { DAY, type Instant } from '#domain/time';
import type { Context } from '#portal/shared/context';
import type { Figure, Kpi, Kpis } from '#storage/dashboard';
import type { Revenue } from '#storage/reports';

/** One number with where it leads, how it went this week, and what it was a week ago. */
export type KpiCard = {
  readonly label: string;
  readonly value: string;
  readonly change: string;
  readonly href: string;
  readonly spark: readonly number[];
  readonly sparkLabel: string;
};

const SPARK_DAYS = 7;
const SPARK_POINTS = 60;

/** `revenue`: the days of this month, which begins at `month`, and at least the last seven. */
export function kpiCards(
  context: Context,
  values: Kpis,
  figures: readonly Figure[],
  revenue: readonly Revenue[],
  month: Instant,
): readonly KpiCard[] {
  const week = thinned(figures.filter(({ at }) => at >= context.now - SPARK_DAYS * DAY));
  const line = (of: (figure: Figure) => number) => week.map(of);
  const count = (value: number) => context.format.number(value);
  const card = (key: string, kpi: Kpi, href: string, spark: readonly number[], print = count): KpiCard => {
    const label = context.t(`dashboard.kpi-${key}`);
    const sparkLabel = context.t('dashboard.spark', { name: label });
    return { label, value: print(kpi.now), change: changeWords(context, kpi, print), href, spark, sparkLabel };
  };
  const percent = (value: number) => `${context.format.number(Math.round(value * 1000) / 10)}%`;
  const rupiah = (value: number) => context.format.rupiah(Math.round(value));
  const lastDays = revenue.slice(-SPARK_DAYS).map((day) => day.rupiah);
  const thisMonth = runningSum(revenue.filter(({ from }) => from >= month).map((day) => day.rupiah));
  const customers = '/prepaid/customers';
  return [
    card(
      'prepaid',
      values.prepaid,
      customers,
      line((one) => one.prepaid),
    ),
    card(
      'active',
      values.active,
      `${customers}?standing=served`,
      line((one) => one.active),
    ),
    card(
      'need-package',
      values.needPackage,
      `${customers}?standing=needs-package`,
      line((one) => one.needPackage),
    ),
    card(
      'active-rate',
      values.activeRate,
      `${customers}?standing=served`,
      line((one) => (one.prepaid === 0 ? 0 : (one.active / one.prepaid) * 100)),
      percent,
    ),
    card(
      'lapsed',
      sum(values.expired, values.depleted),
      `${customers}?standing=lapsed`,
      line((one) => one.expired + one.depleted),
    ),
    card(
      'online',
      values.online,
      '/customers?online=yes',
      line((one) => one.online),
    ),
    card('revenue-today', values.revenueToday, '/prepaid/purchases?state=done', lastDays, rupiah),
    {
      ...card('revenue-month', values.revenueThisMonth, '/prepaid/reports', thisMonth, rupiah),
      sparkLabel: context.t('dashboard.spark-month'),
    },
  ];
}

/** How it grew: each day with all before it. */
function runningSum(values: readonly number[]): readonly number[] {
  let total = 0;
  return values.map((value) => (total += value));
}

const sum = (one: Kpi, other: Kpi): Kpi => ({
  now: one.now + other.now,
  weekAgo: one.weekAgo === null || other.weekAgo === null ? null : one.weekAgo + other.weekAgo,
});

/** `+12 dari minggu lalu`; nothing where a week ago is not known. */
function changeWords(context: Context, { now, weekAgo }: Kpi, print: (value: number) => string): string {
  if (weekAgo === null) return context.t('dashboard.no-week-ago');
  const difference = now - weekAgo;
  if (print(Math.abs(difference)) === print(0)) return context.t('dashboard.as-week-ago');
  const sign = difference > 0 ? '+' : '−';
  return context.t('dashboard.than-week-ago', { change: `${sign}${print(Math.abs(difference))}` });
}

/** So many of them evenly, the last included. */
function thinned(figures: readonly Figure[]): readonly Figure[] {
  const step = Math.max(1, Math.ceil(figures.length / SPARK_POINTS));
  return figures.filter((_, at) => (figures.length - 1 - at) % step === 0);
}
