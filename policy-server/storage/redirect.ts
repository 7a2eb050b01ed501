import { type Bought, boughtAt } from '#domain/standing';
import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';
import { loadGrants } from '#storage/facts';
import { Bound, countUpTo, type Listed, type Page, searchCondition, slice } from '#storage/paging';
import { toldOfLine } from '#storage/timeline';

/** How many lines a router has in one address-list, as far as it acknowledged; `list` null = nothing is known of them. */
export type ListCount = { readonly nasId: number; readonly list: string | null; readonly lines: number };

/** What live sessions were told, and of how many. Few lines: as many as there are speeds and lists. */
type ToldCount = { readonly nasId: number; readonly told: string | null; readonly lines: number };

const listOf = (told: string | null): string | null => {
  const { list } = toldOfLine(told);
  return list === null || list === '-' ? null : decodeURIComponent(list);
};

/** Live sessions and static addresses per router and list. */
export async function countLists(
  q: Queryable,
): Promise<{ readonly sessions: readonly ListCount[]; readonly addresses: readonly ListCount[] }> {
  const told = await toldCounts(q);
  const addresses = await q.query<ListCount>(
    `select nas_id as "nasId", told_list as list, count(*) as lines from static_address group by 1, 2`,
    [],
    'redirect-addresses',
  );
  return { sessions: summed(told.map(({ nasId, told, lines }) => ({ nasId, list: listOf(told), lines }))), addresses };
}

const toldCounts = (q: Queryable): Promise<ToldCount[]> =>
  q.query<ToldCount>(
    'select nas_id as "nasId", told_live as told, count(*) as lines from session where ended_at is null group by 1, 2',
    [],
    'redirect-sessions',
  );

function summed(counts: readonly ListCount[]): ListCount[] {
  const sums = new Map<string, ListCount>();
  for (const one of counts) {
    const key = JSON.stringify([one.nasId, one.list]);
    sums.set(key, { ...one, lines: one.lines + (sums.get(key)?.lines ?? 0) });
  }
  return [...sums.values()];
}

/** A live session with the list it is in, and how its subscriber stands: why it is there. */
export type RedirectSession = {
  readonly id: number;
  readonly subscriberId: number | null;
  readonly username: string;
  readonly name: string;
  readonly nasId: number;
  readonly nasName: string;
  readonly address: string | null;
  readonly startedAt: Instant;
  readonly toldAt: Instant | null;
  /** What its router acknowledged: the download rate and the list; null = not known. */
  readonly rateBps: number | null;
  readonly list: string | null;
  /** Null for a line that is nobody's. */
  readonly bought: Bought | null;
};

export type RedirectSessionFilter = {
  readonly nasId?: number;
  /** A list, or null for those of whom none is known. */
  readonly list?: string | null;
  /** See `searchCondition`; an address finds the session that has it. */
  readonly search?: string;
};

type Row = Omit<RedirectSession, 'rateBps' | 'list' | 'bought'> & {
  readonly told: string | null;
  readonly suspendedAt: Instant | null;
};

/** Live sessions, the newest first. */
export async function redirectSessions(
  q: Queryable,
  options: RedirectSessionFilter & Page & { readonly now: Instant },
): Promise<Listed<RedirectSession>> {
  const bound = new Bound();
  const where = ['l.ended_at is null'];
  const { list, nasId, search } = options;
  if (nasId !== undefined) where.push(`l.nas_id = ${bound.add(nasId)}`);
  if (list !== undefined) {
    const lines = [...new Set((await toldCounts(q)).map(({ told }) => told))].filter((told) => listOf(told) === list);
    const known = bound.add(lines.filter((told) => told !== null));
    where.push(`(l.told_live = any(${known}::text[])${lines.includes(null) ? ' or l.told_live is null' : ''})`);
  }
  const found = search === undefined ? null : searchCondition(bound, search);
  if (found !== null) where.push(`l.subscriber_id in (select s.id from subscriber s where ${found})`);
  const from = `session l where ${where.join(' and ')}`;
  const counted = await countUpTo(q, from, bound.values);
  const rows = await q.query<Row>(
    `select l.id, l.subscriber_id as "subscriberId", l.username, coalesce(s.name, '') as name, l.nas_id as "nasId", nas.name as "nasName",
            host(l.framed_ip) as address, l.started_at as "startedAt", l.told_at as "toldAt", l.told_live as told,
            s.suspended_at as "suspendedAt"
       from (select l.* from ${from} order by l.id desc ${slice(options)}) l
            join nas on nas.id = l.nas_id left join subscriber s on s.id = l.subscriber_id
      order by l.id desc`,
    bound.values,
  );
  const standings = await boughtBy(q, rows, options.now);
  return {
    ...counted,
    rows: rows.map(({ told, suspendedAt: _, ...row }) => ({
      ...row,
      rateBps: toldOfLine(told).rate?.downloadBps ?? null,
      list: listOf(told),
      bought: row.subscriberId === null ? null : (standings.get(row.subscriberId) ?? null),
    })),
  };
}

/** How these subscribers stand. */
export async function boughtBy(
  q: Queryable,
  subscribers: readonly { readonly subscriberId: number | null; readonly suspendedAt: Instant | null }[],
  now: Instant,
): Promise<ReadonlyMap<number, Bought>> {
  const known = new Map<number, Instant | null>();
  for (const { subscriberId, suspendedAt } of subscribers)
    if (subscriberId !== null) known.set(subscriberId, suspendedAt);
  const grants = await loadGrants(q, [...known.keys()]);
  return new Map(
    [...known].map(([id, suspendedSince]) => [id, boughtAt({ grants: grants.get(id) ?? [], suspendedSince }, now)]),
  );
}

/** How the subscribers of these numbers stand. */
export async function boughtOf(
  q: Queryable,
  subscriberIds: readonly number[],
  now: Instant,
): Promise<ReadonlyMap<number, Bought>> {
  const rows = await q.query<{ subscriberId: number; suspendedAt: Instant | null }>(
    'select id as "subscriberId", suspended_at as "suspendedAt" from subscriber where id = any($1::bigint[])',
    [subscriberIds],
  );
  return boughtBy(q, rows, now);
}
