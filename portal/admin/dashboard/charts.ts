import { SECOND } from '#domain/time';
import type { Context } from '#portal/shared/context';
import type { Figure } from '#storage/dashboard';
import type { Revenue } from '#storage/reports';

/** Days that a chart can show. */
export const RANGES = [7, 30, 90] as const;
export type Range = (typeof RANGES)[number];

export type Chart = {
  readonly title: string;
  /** For `staff.js`, as JSON. */
  readonly data: string;
  /** The first series, drawn where there are no scripts. */
  readonly fallback: readonly number[];
  /** What is said where nothing is seen. */
  readonly label: string;
  readonly wide: boolean;
};

type Series = { readonly key: string; readonly values: readonly number[] };
type Unit = 'number' | 'percent' | 'rupiah';

/** Every figure of the cards over time; empty where nothing was counted yet. */
export function chartsOf(context: Context, figures: readonly Figure[], revenue: readonly Revenue[]): readonly Chart[] {
  const times = figures.map(({ at }) => at / SECOND);
  const series = (key: string, of: (figure: Figure) => number): Series => ({ key, values: figures.map(of) });
  const rate = (one: Figure) => (one.prepaid === 0 ? 0 : Math.round((one.active / one.prepaid) * 1000) / 10);
  const money = [{ key: 'revenue', values: revenue.map(({ rupiah }) => rupiah) }];
  const charts = [
    chart(
      context,
      'revenue',
      revenue.map(({ from }) => from / SECOND),
      money,
      'rupiah',
      true,
    ),
    chart(context, 'online', times, [series('online', (one) => one.online)]),
    chart(context, 'customers', times, [
      series('active', (one) => one.active),
      series('need-package', (one) => one.needPackage),
      series('prepaid', (one) => one.prepaid),
    ]),
    chart(context, 'active-rate', times, [series('active-rate', rate)], 'percent'),
    chart(context, 'lapsed', times, [
      series('expired', (one) => one.expired),
      series('depleted', (one) => one.depleted),
    ]),
  ];
  return figures.length < 2 ? charts.slice(0, 1) : charts;
}

function chart(
  context: Context,
  key: string,
  x: readonly number[],
  series: readonly Series[],
  unit: Unit = 'number',
  bars = false,
): Chart {
  const named = series.map((one) => ({ label: context.t(`dashboard.series-${one.key}`), values: one.values }));
  const print = (value: number) =>
    unit === 'rupiah'
      ? context.format.rupiah(value)
      : `${context.format.number(value)}${unit === 'percent' ? '%' : ''}`;
  const newest = named.map(({ label, values }) => `${label} ${print(values.at(-1) ?? 0)}`).join(', ');
  const title = context.t(`dashboard.chart-${key}`);
  return {
    title,
    data: JSON.stringify({ x, series: named, unit, bars, zone: context.parts.zone, time: context.t('dashboard.time') }),
    fallback: series[0]!.values,
    label: `${title}: ${newest}`,
    wide: bars,
  };
}
