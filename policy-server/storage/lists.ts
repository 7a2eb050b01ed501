import { type Bought, boughtAt, type Standing } from '#domain/standing';
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
import { gathered, standsSql } from '#storage/standing';

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
  const { sort, standing } = options;
  const inOnePass = sort === 'ends' || standing?.every((one) => RARE.has(one)) === true;
  const { ids, total, more } = await (inOnePass ? sortedPage(q, options) : walkedPage(q, options));
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
  const where = [`s.id > ${bound.add(after)}`, ...filterConditions(bound, filter, now)];
  return ids(q, `select s.id from subscriber s ${conditions(where)} order by s.id limit ${most}`, bound);
}

/** Statements whose values decide how they are best run: unnamed, see `countUpTo`. */
async function ids(q: Queryable, text: string, bound: Bound): Promise<number[]> {
  return (await q.query<{ id: number }>(text, bound.values)).map(({ id }) => id);
}

/** So few stand so that walking in order would pass by nearly everybody to fill a page. */
const RARE: ReadonlySet<Standing> = new Set(['ends-soon', 'depleted', 'no-package', 'suspended']);

type FoundPage = { readonly ids: readonly number[]; readonly total: number; readonly more: boolean };

const KEY = { name: 'lower(s.name)', username: 's.username', created: 's.id', ends: 'e.ends' } as const;

/** An index has the order: walking it finds a page sooner than sorting would, and counting stops where it is enough. */
async function walkedPage(q: Queryable, options: SubscriberPage): Promise<FoundPage> {
  const { sort = 'name', direction = 'asc', now } = options;
  const bound = new Bound();
  const from = `subscriber s ${conditions(filterConditions(bound, options, now))}`;
  const order = `${KEY[sort]} ${direction}, s.id ${direction}`;
  const counted = await countUpTo(q, from, bound.values);
  return { ids: await ids(q, `select s.id from ${from} order by ${order} ${slice(options)}`, bound), ...counted };
}

/** No index knows what is asked for: all that is found is gathered once, then counted and sorted. */
async function sortedPage(q: Queryable, options: SubscriberPage): Promise<FoundPage> {
  const { sort = 'name', direction = 'asc', now } = options;
  const bound = new Bound();
  const byEnd = sort === 'ends';
  const join = byEnd ? gathered(bound.add(timestamp(now))) : '';
  const where = conditions(filterConditions(bound, options, now, byEnd ? 'gathered' : 'asked'));
  const [row] = await q.query<{ count: number; ids: number[] }>(
    `with found as materialized (
       select s.id, ${KEY[sort]} as key from subscriber s ${join} ${where})
     select (select count(*) from found) as count,
            array(select id from found order by key ${direction} nulls last, id ${direction} ${slice(options)}) as ids`,
    bound.values,
  );
  const { count, ids } = row!;
  return { ids, total: Math.min(count, MOST_COUNTED), more: count > MOST_COUNTED };
}

function filterConditions(
  bound: Bound,
  filter: SubscriberFilter,
  at: Instant,
  standing: 'asked' | 'gathered' = 'asked',
): string[] {
  const where: string[] = [];
  const found = filter.search === undefined ? null : searchCondition(bound, filter.search);
  if (found !== null) where.push(found);
  if (filter.billing !== undefined) where.push(`s.billing = ${bound.add(filter.billing)}`);
  if (filter.access !== undefined) where.push(`s.access = ${bound.add(filter.access)}`);
  if (filter.tag !== undefined) where.push(`s.tags @> array[${bound.add(filter.tag)}]`);
  if (filter.standing?.length === 0) where.push('false');
  else if (filter.standing !== undefined) where.push(standsSql(filter.standing, bound.add(timestamp(at)), standing));
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
