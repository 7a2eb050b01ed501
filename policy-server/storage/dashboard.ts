import { localMonthStart, type Span } from '#domain/calendar';
import { DAY, HOUR, type Instant, localMidnight, MINUTE } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { depleted, GRANT_UNTIL, goesOn, isCovered, isFree, LAST_COVER, wasCovered } from '#storage/standing';
import { unmatchedWaiting } from '#storage/unmatched';

/** One number of the dashboard, and what it was a week ago; null where that is not known (a new installation). */
export type Kpi = { readonly now: number; readonly weekAgo: number | null };

export type Kpis = {
  readonly prepaid: Kpi;
  readonly active: Kpi;
  /** Depleted, expired, or never had a package. */
  readonly needPackage: Kpi;
  /** 0 to 1: the active among the prepaid; 0 when there are none. */
  readonly activeRate: Kpi;
  readonly expired: Kpi;
  readonly depleted: Kpi;
  readonly online: Kpi;
  /** Rupiah received since local midnight, less what went back; a week ago, until the same time of that day. */
  readonly revenueToday: Kpi;
  /** Rupiah received since the first of the local month, as of now and as of a week ago. */
  readonly revenueThisMonth: Kpi;
};

/** Counts of prepaid subscribers (`online`: of everybody with a live session) at one instant. */
export type Figure = {
  readonly at: Instant;
  readonly prepaid: number;
  readonly active: number;
  readonly needPackage: number;
  readonly expired: number;
  readonly depleted: number;
  readonly online: number;
};

export const FIGURE_SECONDS = 300;
/** From so many on counting takes a tenth of a second, and nobody misses the last minutes: the newest sample serves. */
const SAMPLED_FROM = 20_000;

export async function kpis(q: Queryable, now: Instant, zone: string): Promise<Kpis> {
  const [sample, before, revenue] = await Promise.all([
    figureAt(q, now),
    figureAt(q, now - 7 * DAY),
    revenues(q, [
      [localMidnight(now, zone), now],
      [localMonthStart(now, zone), now],
      [localMidnight(now - 7 * DAY, zone), now - 7 * DAY],
      [localMonthStart(now - 7 * DAY, zone), now - 7 * DAY],
    ]),
  ]);
  const sampled = sample !== null && sample.prepaid >= SAMPLED_FROM && sample.at > now - 2 * FIGURE_SECONDS * 1000;
  const figure = sampled ? { ...sample, online: await countOnline(q) } : await countFigure(q, now);
  const kpi = (of: (figure: Figure) => number): Kpi => ({
    now: of(figure),
    weekAgo: before === null ? null : of(before),
  });
  const [today, thisMonth, todayBefore, monthBefore] = revenue;
  return {
    prepaid: kpi((one) => one.prepaid),
    active: kpi((one) => one.active),
    needPackage: kpi((one) => one.needPackage),
    activeRate: kpi((one) => (one.prepaid === 0 ? 0 : one.active / one.prepaid)),
    expired: kpi((one) => one.expired),
    depleted: kpi((one) => one.depleted),
    online: kpi((one) => one.online),
    revenueToday: { now: today!, weekAgo: todayBefore! },
    revenueThisMonth: { now: thisMonth!, weekAgo: monthBefore! },
  };
}

/** Counts everything at this instant. The suspended are among the prepaid and nowhere else. */
export async function countFigure(q: Queryable, at: Instant): Promise<Figure> {
  const now = '$1';
  const [row] = await q.query<Omit<Figure, 'at' | 'online'>>(
    `select count(*) as prepaid, count(*) filter (where free and covered and not spent) as active,
            count(*) filter (where free and (spent or covered is not true)) as "needPackage",
            count(*) filter (where free and ever and covered is not true) as expired, count(*) filter (where free and spent) as depleted
       from (select ${isFree(now)} as free, ${isCovered(now)} as covered, ${wasCovered(now)} as ever, d.id is not null as spent
               from subscriber s ${LAST_COVER} left join (select distinct subscriber_id as id from ${depleted(now)} of) d on d.id = s.id
              where s.billing = 'prepaid') every`,
    [timestamp(at)],
  );
  return { at, ...row!, online: await countOnline(q) };
}

async function countOnline(q: Queryable): Promise<number> {
  const [row] = await q.query<{ online: number }>(
    'select count(distinct subscriber_id) as online from session where ended_at is null and subscriber_id is not null',
  );
  return row!.online;
}

/** Keeps the counts of a slot; a slot that is kept already stays as it is. */
export async function saveFigure(q: Queryable, slot: Instant, figure: Figure): Promise<boolean> {
  const { prepaid, active, needPackage, expired, depleted, online } = figure;
  const added = await q.execute(
    `insert into figure (at, prepaid, active, need_package, expired, depleted, online)
     values ($1::timestamptz, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
    [timestamp(slot), prepaid, active, needPackage, expired, depleted, online],
  );
  return added === 1;
}

const FIGURE = 'at, prepaid, active, need_package as "needPackage", expired, depleted, online';

/** The newest kept at or before an instant, not older than an hour. */
async function figureAt(q: Queryable, at: Instant): Promise<Figure | null> {
  const [row] = await q.query<Figure>(
    `select ${FIGURE} from figure where at <= $1::timestamptz and at > $2::timestamptz order by at desc limit 1`,
    [timestamp(at), timestamp(at - HOUR)],
    'figure-at',
  );
  return row ?? null;
}

/** The kept counts from … until just before …, oldest first: all of them, or at most about so many evenly spread ones. */
export async function figuresBetween(q: Queryable, from: Instant, to: Instant, most = 400): Promise<Figure[]> {
  const slot = FIGURE_SECONDS * 1000;
  const step = Math.max(1, Math.ceil((to - from) / slot / most)) * slot;
  // The last of each step is looked up by itself: a year has 105,000 rows, a chart has some hundreds of points.
  return q.query<Figure>(
    `select one.* from generate_series($1::timestamptz, $2::timestamptz - interval '1 millisecond', $3 * interval '1 millisecond') as step
      cross join lateral (
        select ${FIGURE} from figure where at >= step and at < least(step + $3 * interval '1 millisecond', $2::timestamptz)
         order by at desc limit 1) one
     order by one.at`,
    [timestamp(from), timestamp(to), step],
  );
}

async function revenues(q: Queryable, spans: readonly (readonly [Instant, Instant])[]): Promise<number[]> {
  const rows = await q.query<{ rupiah: number }>(
    `select (coalesce((select sum(amount_rupiah) from payment where received_at >= span.from and received_at < span.to), 0)
            - coalesce((select sum(amount_rupiah) from refund where at >= span.from and at < span.to), 0))::bigint as rupiah
       from unnest($1::timestamptz[], $2::timestamptz[]) with ordinality as span ("from", "to", place) order by place`,
    [spans.map(([from]) => timestamp(from)), spans.map(([, to]) => timestamp(to))],
  );
  return rows.map(({ rupiah }) => rupiah);
}

/** Somebody whose cover ends. */
export type Ending = {
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly plan: string;
  readonly endsAt: Instant;
};

/** The cover that goes on at $1 and ends from $2 until just before $3, of those whom somebody is to tell of it. */
const ENDING = `cover c join subscriber s on s.id = c.subscriber_id
      where ${goesOn('$1')} and c.ends_at >= $2::timestamptz and c.ends_at < $3::timestamptz
        and s.billing = 'prepaid' and ${isFree('$1')}`;

/**
 * Prepaid subscribers covered now whose cover ends from … until just before …, the next to end first, with the plan with
 * which it does. They are not counted here (`countEnding`), so that an index in this order is walked no farther than the page.
 */
export async function endingBetween(
  q: Queryable,
  {
    now,
    from,
    to,
    limit = 100,
    offset = 0,
  }: { now: Instant; from: Instant; to: Instant; limit?: number; offset?: number },
): Promise<Ending[]> {
  return q.query<Ending>(
    `with page as (select c.subscriber_id, c.ends_at from ${ENDING} order by c.ends_at, c.subscriber_id limit $4 offset $5)
     select s.id as "subscriberId", s.username, s.name, s.phone, plan.name as plan, page.ends_at as "endsAt"
       from page join subscriber s on s.id = page.subscriber_id
            cross join lateral (select g.plan_revision_id as id from grants g where g.subscriber_id = s.id
               and g.starts_at < ${GRANT_UNTIL} and ${GRANT_UNTIL} = page.ends_at order by g.id limit 1) last
            join plan_revision r on r.id = last.id join plan on plan.id = r.plan_id
      order by page.ends_at, s.id`,
    [timestamp(now), timestamp(from), timestamp(to), limit, offset],
  );
}

/** How many subscribers' cover ends in each of these spans, which follow each other. */
export async function countEnding(q: Queryable, now: Instant, spans: readonly Span[]): Promise<number[]> {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return [];
  const rows = await q.query<{ place: number; count: number }>(
    `select width_bucket(c.ends_at, $4::timestamptz[]) as place, count(*) as count from ${ENDING} group by 1`,
    [timestamp(now), timestamp(first.from), timestamp(last.until), spans.map(({ from }) => timestamp(from))],
  );
  const found = new Map(rows.map(({ place, count }) => [place, count]));
  return spans.map((_span, at) => found.get(at + 1) ?? 0);
}

/** What somebody should look at now; empty lists and zeros when all is well. */
export type Attention = {
  /** Messages of the last seven days that will not be sent. */
  readonly failedMessages: number;
  /** Routers that hold sessions and of none of them has anything been heard for a quarter of an hour. */
  readonly silentRouters: readonly { readonly id: number; readonly name: string; readonly heardAt: Instant }[];
  /** Routers whose API did not answer when it was last asked, with what it said. */
  readonly apiErrors: readonly { readonly id: number; readonly name: string; readonly error: string }[];
  /** Subscribers whom the network could not be made to treat as decided, three times or more. */
  readonly overdueEnforcement: number;
  /** Orders that wait for their money. */
  readonly waitingPurchases: number;
  /** Money of gateways that fits nothing. */
  readonly unmatched: Awaited<ReturnType<typeof unmatchedWaiting>>;
  /** Refunds that a gateway was asked for a day ago and that have not come to their end. */
  readonly stuckRefunds: number;
};

const SILENT_MS = 15 * MINUTE;

export async function attention(q: Queryable, now: Instant): Promise<Attention> {
  const [counts] = await q.query<
    Pick<Attention, 'failedMessages' | 'overdueEnforcement' | 'waitingPurchases' | 'stuckRefunds'>
  >(
    `select (select count(*) from message where failed_at > $2::timestamptz and cancelled_at is null) as "failedMessages",
            (select count(*) from due where attempts >= 3) as "overdueEnforcement",
            (select count(*) from purchase where cancelled_at is null and grant_id is null and expires_at > $1::timestamptz) as "waitingPurchases",
            (select count(*) from refund_order where ended_at is null and asked_at < $3::timestamptz) as "stuckRefunds"`,
    [timestamp(now), timestamp(now - 7 * DAY), timestamp(now - DAY)],
  );
  const silentRouters = await q.query<Attention['silentRouters'][number]>(
    // Of a router that is heard of the first row of the index says so; only of the silent ones all are looked at.
    `select nas.id, nas.name, last.heard_at as "heardAt" from nas
      cross join lateral (select max(heard_at) as heard_at from session where nas_id = nas.id and ended_at is null) last
      where exists (select from session where nas_id = nas.id and ended_at is null)
        and not exists (select from session where nas_id = nas.id and ended_at is null and heard_at >= $1::timestamptz)
      order by nas.name`,
    [timestamp(now - SILENT_MS)],
  );
  const apiErrors = await q.query<Attention['apiErrors'][number]>(
    'select id, name, api_error as error from nas where api_error is not null order by name',
  );
  return { ...counts!, silentRouters, apiErrors, unmatched: await unmatchedWaiting(q) };
}
