import { type Bought, boughtAt, SOON_MS, type Standing } from '#domain/standing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { loadGrants } from '#storage/facts';
import {
  Bound,
  conditions,
  countUpTo,
  type Listed,
  MOST_COUNTED,
  type Page,
  STREAM_CHUNK,
  searchCondition,
  slice,
} from '#storage/paging';
import { LAST_COVER, standsSql } from '#storage/standing';

/** What of the subscribers is shown; a part left out leaves nobody out. */
export type SubscriberFilter = {
  /** See `searchCondition`. */
  readonly search?: string;
  readonly billing?: 'prepaid' | 'postpaid';
  readonly access?: 'pppoe' | 'static';
  /** Any of these; an empty list finds nobody. */
  readonly standing?: readonly Standing[];
  readonly online?: boolean;
  readonly tag?: string;
  /** Whose lines this router holds now, or whose static lines are at it. */
  readonly nasId?: number;
};

export const SUBSCRIBER_SORTS = ['name', 'username', 'created', 'ends'] as const;
export type SubscriberSort = {
  readonly sort?: (typeof SUBSCRIBER_SORTS)[number];
  readonly direction?: 'asc' | 'desc';
};

/** A subscriber as the list shows it. */
export type ListedSubscriber = Bought & {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly billing: 'prepaid' | 'postpaid';
  readonly access: 'pppoe' | 'static';
  readonly portalId: string | null;
  readonly tags: readonly string[];
  readonly suspendedAt: Instant | null;
  readonly createdAt: Instant;
  /** The live session that began last; null = offline. */
  readonly online: { readonly since: Instant; readonly address: string | null; readonly nasName: string } | null;
};

export type SubscriberPage = SubscriberFilter & SubscriberSort & Page & { readonly now: Instant };

/** One page of the subscribers, by name unless asked otherwise; who never had a package comes last in the order of ends. */
export async function listSubscribers(q: Queryable, options: SubscriberPage): Promise<Listed<ListedSubscriber>> {
  const rare = options.standing?.every((one) => RARE.has(one)) === true;
  const { ids, total, more } = await (rare ? sortedPage(q, options) : walkedPage(q, options));
  return { rows: await subscriberRows(q, ids, options.now), total, more };
}

/** Everybody the filter finds, in the order of their ids, in chunks of up to 2,000. */
export async function* streamSubscribers(
  q: Queryable,
  filter: SubscriberFilter,
  now: Instant,
): AsyncGenerator<ListedSubscriber[], void, void> {
  for (let after = 0; ; ) {
    const ids = await idsAfter(q, filter, now, after, STREAM_CHUNK);
    const last = ids.at(-1);
    if (last === undefined) return;
    yield await subscriberRows(q, ids, now);
    after = last;
  }
}

/** The ids of everybody the filter finds, ascending: whom a bulk action is about. */
export async function subscriberIdsMatching(
  q: Queryable,
  filter: SubscriberFilter,
  now: Instant,
  most = 1_000_000,
): Promise<number[]> {
  return idsAfter(q, filter, now, 0, most);
}

async function idsAfter(
  q: Queryable,
  filter: SubscriberFilter,
  now: Instant,
  after: number,
  most: number,
): Promise<number[]> {
  const bound = new Bound();
  const from = subscribers(bound, filter, now, false, after);
  return ids(q, `select s.id from ${from} order by s.id limit ${most}`, bound);
}

/** Statements whose values decide how they are best run: unnamed, see `countUpTo`. */
async function ids(q: Queryable, text: string, bound: Bound): Promise<number[]> {
  return (await q.query<{ id: number }>(text, bound.values)).map(({ id }) => id);
}

/** So few stand so that walking in order would pass by nearly everybody to fill a page. */
const RARE: ReadonlySet<Standing> = new Set(['ends-soon', 'depleted', 'no-package', 'suspended']);

type FoundPage = { readonly ids: readonly number[]; readonly total: number; readonly more: boolean };

/** The end of who was or is covered is that of the last cover `e`. */
const KEY = { name: 'lower(s.name)', username: 's.username', created: 's.id', ends: 'e.ends_at' } as const;

/** An index has the order: walking it finds a page sooner than sorting would, and counting stops where it is enough. */
async function walkedPage(q: Queryable, options: SubscriberPage): Promise<FoundPage> {
  const { sort = 'name', direction = 'asc', now } = options;
  const bound = new Bound();
  const from = subscribers(bound, options, now);
  const counted = await countUpTo(q, from, bound.values);
  if (sort === 'ends') return { ids: await endsPage(q, options, counted.more), ...counted };
  const order = `${KEY[sort]} ${direction}, s.id ${direction}`;
  return { ids: await ids(q, `select s.id from ${from} order by ${order} ${slice(options)}`, bound), ...counted };
}

/** Whoever stands so has a cover that is not over: the walk by ends need not begin with all those whose is. */
const COVERED: ReadonlySet<Standing> = new Set(['active', 'ends-soon', 'depleted']);

/** By the end of the last cover, as its index has it; then, in the order of their ids, those who never had any. */
async function endsPage(q: Queryable, options: SubscriberPage, many: boolean): Promise<number[]> {
  const { direction = 'asc', now, page, pageSize, standing } = options;
  const bound = new Bound();
  const where = filterConditions(bound, options, now);
  let from = `cover e ${where.length === 0 ? '' : 'join subscriber s on s.id = e.subscriber_id'} ${conditions(['e.last', ...where])}`;
  if (standing?.every((one) => COVERED.has(one))) {
    const beyond = standing.every((one) => one === 'active') ? now + SOON_MS : now;
    const goesOn = `e.last and e.ends_at > ${bound.add(timestamp(beyond))}::timestamptz`;
    // Most of those that the walk comes by are found, which statistics do not know: "limit 1" keeps it from becoming a sort.
    from = many
      ? `cover e cross join lateral (select from subscriber s ${conditions(['s.id = e.subscriber_id', ...where])} limit 1) s where ${goesOn}`
      : `${from} and ${goesOn}`;
  }
  const order = `e.ends_at ${direction}, e.subscriber_id ${direction}`;
  const found = await ids(q, `select e.subscriber_id as id from ${from} order by ${order} ${slice(options)}`, bound);
  if (found.length === pageSize) return found;
  const offset = Math.max(0, page - 1) * pageSize;
  const before = found.length > 0 || offset === 0 ? offset + found.length : await countAll(q, from, bound);
  const rest = new Bound();
  const never = `subscriber s ${LAST_COVER} ${conditions(['e.last is null', ...filterConditions(rest, options, now)])}`;
  const left = `limit ${pageSize - found.length} offset ${offset + found.length - before}`;
  return [...found, ...(await ids(q, `select s.id from ${never} order by s.id ${direction} ${left}`, rest))];
}

async function countAll(q: Queryable, from: string, { values }: Bound): Promise<number> {
  const [row] = await q.query<{ count: number }>(`select count(*) as count from ${from}`, values);
  return row!.count;
}

/** All that is found is gathered once, then counted and sorted. */
async function sortedPage(q: Queryable, options: SubscriberPage): Promise<FoundPage> {
  const { sort = 'name', direction = 'asc', now } = options;
  const bound = new Bound();
  const [row] = await q.query<{ count: number; ids: number[] }>(
    `with found as materialized (select s.id, ${KEY[sort]} as key from ${subscribers(bound, options, now, sort === 'ends')})
     select (select count(*) from found) as count,
            array(select id from found order by key ${direction} nulls last, id ${direction} ${slice(options)}) as ids`,
    bound.values,
  );
  const { count, ids } = row!;
  return { ids, total: Math.min(count, MOST_COUNTED), more: count > MOST_COUNTED };
}

/** The subscribers `s` that the filter finds, with their last cover `e` where anything asks for it. */
function subscribers(bound: Bound, filter: SubscriberFilter, at: Instant, withEnd = false, after?: number): string {
  const where = filterConditions(bound, filter, at);
  if (after !== undefined) where.push(`s.id > ${bound.add(after)}`);
  const asked = withEnd || where.some((one) => one.includes('e.starts_at'));
  return `subscriber s ${asked ? LAST_COVER : ''} ${conditions(where)}`;
}

function filterConditions(bound: Bound, filter: SubscriberFilter, at: Instant): string[] {
  const where: string[] = [];
  const found = filter.search === undefined ? null : searchCondition(bound, filter.search);
  if (found !== null) where.push(found);
  if (filter.billing !== undefined) where.push(`s.billing = ${bound.add(filter.billing)}`);
  if (filter.access !== undefined) where.push(`s.access = ${bound.add(filter.access)}`);
  if (filter.tag !== undefined) where.push(`s.tags @> array[${bound.add(filter.tag)}]`);
  if (filter.standing?.length === 0) where.push('false');
  else if (filter.standing !== undefined) where.push(standsSql(filter.standing, bound.add(timestamp(at))));
  const live = 'exists (select from session l where l.subscriber_id = s.id and l.ended_at is null';
  if (filter.online !== undefined) where.push(`${filter.online ? '' : 'not '}${live})`);
  if (filter.nasId !== undefined) {
    const nas = bound.add(filter.nasId);
    where.push(`(s.nas_id = ${nas} or ${live} and l.nas_id = ${nas}))`);
  }
  return where;
}

type Row = Omit<ListedSubscriber, keyof Bought | 'online'> & {
  readonly since: Instant | null;
  readonly address: string | null;
  readonly nasName: string | null;
};

const ROWS = `
select s.id, s.username, s.name, s.phone, s.billing, s.access, s.portal_id as "portalId", s.tags,
       s.suspended_at as "suspendedAt", s.created_at as "createdAt", live.since, live.address, live."nasName"
  from unnest($1::bigint[]) with ordinality as wanted (id, place) join subscriber s on s.id = wanted.id
  left join lateral (
    select l.started_at as since, host(l.framed_ip) as address, nas.name as "nasName"
      from session l join nas on nas.id = l.nas_id
     where l.subscriber_id = s.id and l.ended_at is null order by l.started_at desc limit 1) live on true
 order by wanted.place`;

/** The rows of these subscribers in this order; what grants amount to is said by the domain itself. */
async function subscriberRows(q: Queryable, wanted: readonly number[], now: Instant): Promise<ListedSubscriber[]> {
  if (wanted.length === 0) return [];
  const rows = await q.query<Row>(ROWS, [wanted], 'list-subscribers');
  const grants = await loadGrants(q, wanted);
  return rows.map(({ since, address, nasName, ...row }) => ({
    ...row,
    ...boughtAt({ grants: grants.get(row.id) ?? [], suspendedSince: row.suspendedAt }, now),
    online: since === null ? null : { since, address, nasName: nasName! },
  }));
}
