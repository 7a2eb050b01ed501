import { localDays, localMonths, localWeeks, type Span } from '#domain/calendar';
import { DAY, type Instant, localDate, localMidnight, nextLocalMidnight, parseInstant } from '#domain/time';
import { listAddress } from '#portal/admin/customers/listing';
import type { Context } from '#portal/shared/context';
import { field, formOf, wholeNumber } from '#portal/shared/forms';

export const VIEWS = ['revenue', 'packages', 'activity', 'ending', 'expired'] as const;
export type View = (typeof VIEWS)[number];
export const STEPS = ['day', 'week', 'month'] as const;
export type Step = (typeof STEPS)[number];
/** How far the report of those who end soon looks ahead. */
export const AHEAD_DAYS = [2, 7, 30] as const;
/** Ready-made periods, in days until today. */
export const BACK_DAYS = [7, 30] as const;

const PATH = '/prepaid/reports';
/** Longer periods are looked at in parts. */
const LONGEST_DAYS = 1_100;

/** A report as its address asks for it. */
export type ReportQuery = {
  readonly view: View;
  readonly step: Step;
  readonly ahead: (typeof AHEAD_DAYS)[number];
  /** Local days, `YYYY-MM-DD`, both included. */
  readonly fromDay: string;
  readonly toDay: string;
  /** The first instant of `fromDay`, and the first one after `toDay`. */
  readonly from: Instant;
  readonly to: Instant;
  readonly page: number;
};

export function readQuery(context: Context): ReportQuery {
  const { now, parts } = context;
  const { zone } = parts;
  const form = formOf(context.request.query);
  const text = (name: string) => field(form, name);
  const view = VIEWS.find((one) => one === text('view')) ?? 'revenue';
  const day = (name: string) => (/^\d{4}-\d\d-\d\d$/.test(text(name)) ? parseInstant(text(name), zone) : null);
  const last = day('to') ?? localMidnight(now, zone);
  const asked = day('from') ?? localMidnight(last - 29 * DAY, zone);
  const first = Math.max(Math.min(asked, last), localMidnight(last - LONGEST_DAYS * DAY, zone));
  return {
    view,
    step: STEPS.find((one) => one === text('step')) ?? 'day',
    ahead: AHEAD_DAYS.find((one) => one === Number(text('ahead'))) ?? 7,
    fromDay: localDate(first, zone),
    toDay: localDate(last, zone),
    from: first,
    to: nextLocalMidnight(last, zone),
    page: Math.min(2_000, Math.max(1, wholeNumber(text('page')) ?? 1)),
  };
}

/** The address of a report with some of it asked otherwise; only what its view looks at stands in it. */
export function addressOf(query: ReportQuery, other: Partial<ReportQuery> = {}, path = PATH): string {
  const { view, step, ahead, fromDay, toDay, page } = { ...query, page: 1, ...other };
  const period = view === 'ending' ? { ahead } : { from: fromDay, to: toDay };
  return listAddress(path, { view, ...(view === 'revenue' ? { step } : {}), ...period, page });
}

export const exportAddress = (query: ReportQuery): string => addressOf(query, {}, `${PATH}/export.csv`);

/** The days, weeks or months that a period touches, each whole. */
export const wholeSpansOf = ({ from, to, step }: Pick<ReportQuery, 'from' | 'to' | 'step'>, zone: string): Span[] =>
  ({ day: localDays, week: localWeeks, month: localMonths })[step](from, to, zone);

/** The same, the first and the last cut to the period. */
export const spansOf = (period: Pick<ReportQuery, 'from' | 'to' | 'step'>, zone: string): Span[] =>
  wholeSpansOf(period, zone).map((span) => ({
    ...span,
    from: Math.max(period.from, span.from),
    until: Math.min(period.to, span.until),
  }));
