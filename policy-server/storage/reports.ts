import { localDays, localMonths, type Span } from '#domain/calendar';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { STREAM_CHUNK } from '#storage/paging';
import { GRANT_UNTIL } from '#storage/standing';

/**
 * Money received in a local day or month (`label` 2026-11-20 or 2026-11), less what went back in it; a span with none is
 * there with zeros, and one in which more went back than came in is below zero.
 */
export type Revenue = Span & { readonly rupiah: number; readonly payments: number };

/**
 * What came in and, below zero, what went back between two instants, by the method of the payment; a refund or a chargeback
 * counts when it happens, so that a day that is over stays as it was.
 */
export const moneyIn = (from: string, to: string): string => `(
  select received_at as at, method, amount_rupiah, 1 as payments, gateway, subscriber_id
    from payment where received_at >= ${from}::timestamptz and received_at < ${to}::timestamptz
  union all
  select refund.at, payment.method, -refund.amount_rupiah, 0, payment.gateway, payment.subscriber_id
    from refund join payment on payment.id = refund.payment_id
   where refund.at >= ${from}::timestamptz and refund.at < ${to}::timestamptz) money`;

/** By local day, for every day of `from` ≤ at < `to`, each whole. */
export const revenueByDay = (q: Queryable, from: Instant, to: Instant, zone: string): Promise<Revenue[]> =>
  revenueOf(q, localDays(from, to, zone));

/** By local month, for every month of `from` ≤ at < `to`, each whole. */
export const revenueByMonth = (q: Queryable, from: Instant, to: Instant, zone: string): Promise<Revenue[]> =>
  revenueOf(q, localMonths(from, to, zone));

/** The spans follow each other: a payment's place among their beginnings says which is its. */
async function revenueOf(q: Queryable, spans: readonly Span[]): Promise<Revenue[]> {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return [];
  const rows = await q.query<{ place: number; rupiah: number; payments: number }>(
    `select width_bucket(at, $1::timestamptz[]) as place, sum(amount_rupiah)::bigint as rupiah, sum(payments)::bigint as payments
       from ${moneyIn('$2', '$3')} group by 1`,
    [spans.map(({ from }) => timestamp(from)), timestamp(first.from), timestamp(last.until)],
  );
  const found = new Map(rows.map((row) => [row.place, row]));
  return spans.map((span, at) => {
    const { rupiah = 0, payments = 0 } = found.get(at + 1) ?? {};
    return { ...span, rupiah, payments };
  });
}

/** Money received in each of these spans, which follow each other, less what went back, and by which methods of payment. */
export type RevenueRow = Revenue & { readonly methods: Readonly<Record<string, number>> };

export async function revenueBySpan(q: Queryable, spans: readonly Span[]): Promise<RevenueRow[]> {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return [];
  const rows = await q.query<{ place: number; method: string; rupiah: number; payments: number }>(
    `select width_bucket(at, $1::timestamptz[]) as place, method, sum(amount_rupiah)::bigint as rupiah,
            sum(payments)::bigint as payments
       from ${moneyIn('$2', '$3')} group by 1, 2 order by 2`,
    [spans.map(({ from }) => timestamp(from)), timestamp(first.from), timestamp(last.until)],
  );
  const found = Map.groupBy(rows, (row) => row.place);
  return spans.map((span, at) => {
    const parts = found.get(at + 1) ?? [];
    return {
      ...span,
      rupiah: parts.reduce((sum, one) => sum + one.rupiah, 0),
      payments: parts.reduce((sum, one) => sum + one.payments, 0),
      methods: Object.fromEntries(parts.map(({ method, rupiah }) => [method, rupiah])),
    };
  });
}

/** Money received by method of payment, less what went back, the most first. */
export async function revenueByMethod(
  q: Queryable,
  from: Instant,
  to: Instant,
): Promise<{ method: string; rupiah: number; payments: number }[]> {
  return q.query(
    `select method, sum(amount_rupiah)::bigint as rupiah, sum(payments)::bigint as payments from ${moneyIn('$1', '$2')}
      group by method order by 2 desc, method`,
    [timestamp(from), timestamp(to)],
  );
}

/** A plan by what was sold of it. */
export type SoldPlan = {
  readonly planId: number;
  readonly plan: string;
  readonly sold: number;
  readonly rupiah: number;
  readonly subscribers: number;
};

/** The plans that were granted through purchases from … until just before …, the best selling first. */
export async function topPackages(q: Queryable, from: Instant, to: Instant, limit = 20): Promise<SoldPlan[]> {
  return q.query<SoldPlan>(
    `select plan.id as "planId", plan.name as plan, sum(sold.times)::bigint as sold, sum(sold.rupiah)::bigint as rupiah,
            sum(sold.subscribers)::bigint as subscribers
       from (select plan_revision_id, count(*) as times, sum(price_rupiah) as rupiah, count(distinct subscriber_id) as subscribers
               from purchase where granted_at >= $1::timestamptz and granted_at < $2::timestamptz group by 1) sold
            join plan_revision r on r.id = sold.plan_revision_id join plan on plan.id = r.plan_id
      group by plan.id order by 3 desc, 4 desc, plan.name limit $3`,
    [timestamp(from), timestamp(to), limit],
  );
}

/** Somebody whose last package ended. */
export type Expired = {
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly plan: string;
  readonly endedAt: Instant;
  /** Spent in all, ever, less what went back: whom to win back first. */
  readonly paidRupiah: number;
};

/** The last cover of prepaid subscribers that ended from $2 until just before $3, and is over at $1. */
const LAST_ENDED = `cover c join subscriber s on s.id = c.subscriber_id
        where c.last and c.ends_at >= $2::timestamptz and c.ends_at < $3::timestamptz and c.ends_at <= $1::timestamptz
          and s.billing = 'prepaid'`;

/** How many subscribers' last package ended in each of these spans, which follow each other. */
export async function countExpired(q: Queryable, now: Instant, spans: readonly Span[]): Promise<number[]> {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return [];
  const rows = await q.query<{ place: number; count: number }>(
    `select width_bucket(c.ends_at, $4::timestamptz[]) as place, count(*) as count from ${LAST_ENDED} group by 1`,
    [timestamp(now), timestamp(first.from), timestamp(last.until), spans.map(({ from }) => timestamp(from))],
  );
  const found = new Map(rows.map(({ place, count }) => [place, count]));
  return spans.map((_span, at) => found.get(at + 1) ?? 0);
}

/**
 * Prepaid subscribers whose last package ended from … until just before …, the last ended first; chunks of a list or of a
 * CSV. They are not counted here (`countExpired`), so that an index in this order is walked no farther than the chunk.
 */
export async function expiredBetween(
  q: Queryable,
  {
    now,
    from,
    to,
    limit = STREAM_CHUNK,
    offset = 0,
  }: { now: Instant; from: Instant; to: Instant; limit?: number; offset?: number },
): Promise<Expired[]> {
  return q.query<Expired>(
    `with page as (
       select c.subscriber_id, c.ends_at from ${LAST_ENDED} order by c.ends_at desc, c.subscriber_id desc limit $4 offset $5)
     select s.id as "subscriberId", s.username, s.name, s.phone, plan.name as plan, page.ends_at as "endedAt",
            coalesce((select sum(amount_rupiah - coalesce((select sum(amount_rupiah) from refund where payment_id = payment.id), 0))
                        from payment where subscriber_id = s.id), 0)::bigint as "paidRupiah"
       from page join subscriber s on s.id = page.subscriber_id
            cross join lateral (select g.plan_revision_id as id from grants g where g.subscriber_id = s.id
               and g.starts_at < ${GRANT_UNTIL} and ${GRANT_UNTIL} = page.ends_at order by g.id desc limit 1) last
            join plan_revision r on r.id = last.id join plan on plan.id = r.plan_id
      order by page.ends_at desc, s.id desc`,
    [timestamp(now), timestamp(from), timestamp(to), limit, offset],
  );
}
