import type { CsvValue } from '#operations/csv';
import { type ReportQuery, spansOf, type View } from '#portal/admin/reports/query';
import { endOf } from '#portal/admin/reports/views';
import type { Context } from '#portal/shared/context';
import { activityOf, rankActivity } from '#storage/activity';
import { endingBetween } from '#storage/dashboard';
import { expiredBetween, revenueBySpan, topPackages } from '#storage/reports';

type Rows = AsyncGenerator<readonly CsvValue[]>;

const AT_ONCE = 2_000;
const MOST_PACKAGES = 10_000;

/** Instants in UTC, days of the company's calendar as they are, bytes and rupiah as whole numbers. */
const EXPORTS: Readonly<
  Record<View, { readonly columns: readonly string[]; rows(context: Context, query: ReportQuery): Rows }>
> = {
  revenue: { columns: ['from', 'until', 'payments', 'rupiah', 'by_method'], rows: revenue },
  packages: { columns: ['package', 'sold', 'rupiah', 'subscribers'], rows: packages },
  activity: {
    columns: ['username', 'name', 'down_bytes', 'up_bytes', 'days', 'last_day', 'rupiah'],
    rows: activity,
  },
  ending: { columns: ['username', 'name', 'phone', 'package', 'ends_at'], rows: ending },
  expired: { columns: ['username', 'name', 'phone', 'package', 'ended_at', 'paid_rupiah'], rows: expired },
};

/** The report as a file, the whole of it. */
export function exportOf(
  context: Context,
  query: ReportQuery,
): { readonly columns: readonly string[]; readonly rows: Rows } {
  const { columns, rows } = EXPORTS[query.view];
  return { columns, rows: rows(context, query) };
}

const instant = (at: number): string | null => (Number.isFinite(at) ? new Date(at).toISOString() : null);

async function* revenue(context: Context, query: ReportQuery): Rows {
  for (const { from, until, payments, rupiah, methods } of await revenueBySpan(
    context.db,
    spansOf(query, context.parts.zone),
  )) {
    const byMethod = Object.entries(methods).map(([method, amount]) => `${method} ${amount}`);
    yield [instant(from), instant(until), payments, rupiah, byMethod.join(' ')];
  }
}

async function* packages(context: Context, { from, to }: ReportQuery): Rows {
  for (const one of await topPackages(context.db, from, to, MOST_PACKAGES))
    yield [one.plan, one.sold, one.rupiah, one.subscribers];
}

/** Ranked once, and only the ids of that are kept: usage goes on meanwhile, and everybody is to be in the file once. */
async function* activity({ db }: Context, { fromDay, toDay, from, to }: ReportQuery): Rows {
  const period = { from: fromDay, to: toDay, paidFrom: from, paidTo: to };
  const ids = await rankActivity(db, period);
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    for (const one of await activityOf(db, ids.slice(at, at + AT_ONCE), period))
      yield [one.username, one.name, one.downBytes, one.upBytes, one.days, one.lastDay, one.rupiah];
  }
}

async function* ending(context: Context, query: ReportQuery): Rows {
  const { db, now } = context;
  const to = endOf(context, query);
  for (let offset = 0; ; offset += AT_ONCE) {
    const rows = await endingBetween(db, { now, from: now, to, limit: AT_ONCE, offset });
    for (const one of rows) yield [one.username, one.name, one.phone, one.plan, instant(one.endsAt)];
    if (rows.length < AT_ONCE) return;
  }
}

async function* expired(context: Context, { from, to }: ReportQuery): Rows {
  const { db, now } = context;
  for (let offset = 0; ; offset += AT_ONCE) {
    const rows = await expiredBetween(db, { now, from, to, limit: AT_ONCE, offset });
    for (const one of rows) yield [one.username, one.name, one.phone, one.plan, instant(one.endedAt), one.paidRupiah];
    if (rows.length < AT_ONCE) return;
  }
}
