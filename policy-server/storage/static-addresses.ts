import type { Instant } from '#domain/time';
import { CHANGE_CHANNEL, type ChangeTransaction } from '#storage/change';
import type { Queryable } from '#storage/database';
import { timestamp } from '#storage/values';

/** One address of a static line and what its router holds of it. */
export type StaticAddress = {
  readonly id: number;
  readonly subscriberId: number;
  readonly nasId: number;
  /** `10.1.2.3`, or a subnet: `10.1.2.0/29`. */
  readonly address: string;
  /** Taken from the line: it stays until its router has dropped the entry. */
  readonly removed: boolean;
  /** What enforcement last decided: for pages and counts, never for enforcement. */
  readonly wantedList: string | null;
  /** What its router acknowledged, or was last found to hold; null = nothing of ours. */
  readonly toldList: string | null;
};

const ADDRESS = `case when masklen(a.address) = case family(a.address) when 4 then 32 else 128 end
                      then host(a.address) else a.address::text end`;
const COLUMNS = `a.id, a.subscriber_id as "subscriberId", a.nas_id as "nasId", ${ADDRESS} as address,
  a.removed_at is not null as removed, a.wanted_list as "wantedList", a.told_list as "toldList"`;

/** Every address of these subscribers, those to be dropped too. */
export function staticAddressesOf(q: Queryable, subscriberIds: readonly number[]): Promise<StaticAddress[]> {
  return q.query<StaticAddress>(
    `select ${COLUMNS} from static_address a where a.subscriber_id = any($1::bigint[]) order by a.id`,
    [subscriberIds],
    'static-of',
  );
}

/** Every address a router is to hold, and those it has still to drop. */
export function staticAddressesOn(q: Queryable, nasId: number): Promise<StaticAddress[]> {
  return q.query<StaticAddress>(
    `select ${COLUMNS} from static_address a where a.nas_id = $1 order by a.id`,
    [nasId],
    'static-on',
  );
}

/**
 * Makes these the addresses of the line, on this router, and marks the subscriber. What the line had beside them, or on
 * another router, is dropped there as soon as that router can be reached. Addresses are IPv4, single or a subnet without
 * host bits. Returns what came and what went. Throws a violation of `static_address_address_excl` where one of them
 * overlaps an address of another line.
 */
export async function setStaticAddresses(
  tx: ChangeTransaction,
  subscriberId: number,
  nasId: number,
  addresses: readonly string[],
): Promise<{ added: string[]; removed: string[] }> {
  // Two edits of one line at once would each not see what the other inserts.
  await tx.query('select from subscriber where id = $1 for no key update', [subscriberId], 'static-lock');
  const removed = await tx.query<{ address: string }>(
    `update static_address a set removed_at = now()
     where a.subscriber_id = $1 and a.removed_at is null and not (a.nas_id = $2 and a.address = any($3::cidr[]))
     returning ${ADDRESS} as address`,
    [subscriberId, nasId, addresses],
    'static-drop',
  );
  // One that is on its way out comes back as it is: its router may hold the entry still.
  const revived = await tx.query<{ address: string }>(
    `update static_address a set removed_at = null
     where a.subscriber_id = $1 and a.nas_id = $2 and a.address = any($3::cidr[]) and a.removed_at is not null
     returning ${ADDRESS} as address`,
    [subscriberId, nasId, addresses],
    'static-revive',
  );
  const inserted = await tx.query<{ address: string }>(
    `insert into static_address as a (subscriber_id, nas_id, address)
     select $1::bigint, $2::int, wanted.address from (select distinct unnest($3::cidr[]) as address) wanted
     where not exists (select from static_address held where held.subscriber_id = $1 and held.nas_id = $2
                         and held.address = wanted.address and held.removed_at is null)
     returning ${ADDRESS} as address`,
    [subscriberId, nasId, addresses],
    'static-add',
  );
  await tx.mark([subscriberId]);
  const printed = (rows: readonly { address: string }[]) => rows.map(({ address }) => address);
  return { added: printed([...revived, ...inserted]), removed: printed(removed) };
}

/** The line is not static any more: all its addresses are dropped. Returns them. */
export async function removeStaticAddresses(tx: ChangeTransaction, subscriberId: number): Promise<string[]> {
  return (await setStaticAddresses(tx, subscriberId, 0, [])).removed;
}

/** Gives up on entries that a router still holds of lines that left it: for a router that will not come back. */
export function forgetRemovedAddresses(q: Queryable, nasId: number): Promise<number> {
  return q.execute('delete from static_address where nas_id = $1 and removed_at is not null', [nasId]);
}

/** What was decided for addresses: kept for pages. Rows that say so already need not be given. */
export async function recordWanted(
  q: Queryable,
  wanted: readonly { readonly id: number; readonly list: string | null }[],
): Promise<void> {
  if (wanted.length === 0) return;
  await q.execute(
    `update static_address set wanted_list = w.list
     from (select w.id, w.list from unnest($1::bigint[], $2::text[]) as w (id, list)
           join static_address held on held.id = w.id order by w.id for update of held) as w
     where static_address.id = w.id`,
    [wanted.map(({ id }) => id), wanted.map(({ list }) => list)],
    'static-wanted',
  );
}

/** What came of one try to have an address in its list. */
export type ListedAddress = {
  readonly id: number;
  readonly at: Instant;
  /** Where its router has it now; of one that failed, undefined. */
  readonly list: string | null | undefined;
  readonly error: string | null;
};

/** Writes down what routers acknowledged. A removed address whose entry is gone goes too, unless it was taken back. */
export async function recordListed(q: Queryable, listed: readonly ListedAddress[]): Promise<void> {
  if (listed.length === 0) return;
  await q.execute(
    `with listed as (
       select l.* from unnest($1::bigint[], $2::boolean[], $3::text[], $4::timestamptz[], $5::text[])
         as l (id, done, list, at, error)
       join static_address held on held.id = l.id order by l.id for update of held),
     gone as (
       delete from static_address a using listed l
       where a.id = l.id and l.done and l.list is null and a.removed_at is not null returning a.id)
     update static_address a set
       told_list = case when l.done then l.list else a.told_list end,
       told_at = case when l.done then l.at else a.told_at end,
       last_error = l.error
     from listed l where a.id = l.id and a.id not in (select id from gone)`,
    [
      listed.map(({ id }) => id),
      listed.map(({ list }) => list !== undefined),
      listed.map(({ list }) => list ?? null),
      listed.map(({ at }) => timestamp(at)),
      listed.map(({ error }) => error),
    ],
    'static-listed',
  );
}

/**
 * A full look at a router that began `at` found each of these addresses in this list (null: in none). What was
 * acknowledged before the look is corrected by it, and who is then otherwise than decided is due at once. Returns how
 * many were otherwise than acknowledged.
 */
export async function recordSeen(
  q: Queryable,
  nasId: number,
  at: Instant,
  seen: readonly { readonly id: number; readonly list: string | null }[],
): Promise<number> {
  if (seen.length === 0) return 0;
  const [row] = await q.query<{ count: number }>(
    `with seen as (
       select s.id, s.list, held.told_list as was from unnest($2::bigint[], $3::text[]) as s (id, list)
       join static_address held on held.id = s.id and held.nas_id = $1 order by s.id for update of held),
     noted as (
       update static_address a set seen_list = s.list, seen_at = $4::timestamptz,
         told_list = case when coalesce(a.told_at, '-infinity') < $4::timestamptz then s.list else a.told_list end,
         -- What failed was carried out all the same, or somebody else has seen to it.
         last_error = case when s.list = a.wanted_list then null else a.last_error end
       from seen s where a.id = s.id
       returning a.subscriber_id, a.wanted_list, a.told_list, a.removed_at, s.was),
     dued as (
       insert into due (subscriber_id, due_at)
       select distinct subscriber_id, $4::timestamptz from noted
       where removed_at is not null or told_list is null or told_list is distinct from wanted_list
       ${DUE_AT_ONCE}),
     counted as (select count(*) as count from noted where told_list is distinct from was)
     select count, case when count > 0 then pg_notify('${CHANGE_CHANNEL}', '') end from counted`,
    [nasId, seen.map(({ id }) => id), seen.map(({ list }) => list), timestamp(at)],
    'static-seen',
  );
  return row?.count ?? 0;
}

/** Who is claimed is being looked at; who failed and waits is not to wait longer. */
const DUE_AT_ONCE = `on conflict (subscriber_id) do update set due_at = excluded.due_at
         where due.claimed_until is null and due.due_at > excluded.due_at`;

/** Entries of these addresses were taken out of a router: a line that got one of them meanwhile has to be told again. */
export async function recordTakenOut(q: Queryable, nasId: number, addresses: readonly string[]): Promise<void> {
  if (addresses.length === 0) return;
  await q.execute(
    `with untold as (
       update static_address a set told_list = null where a.nas_id = $1 and ${ADDRESS} = any($2::text[])
       returning subscriber_id)
     insert into due (subscriber_id, due_at) select distinct subscriber_id, now() from untold ${DUE_AT_ONCE}`,
    [nasId, addresses],
  );
}

/** A router's API answers again: everybody with an address on it whose last look failed is due at once. */
export function retryFailedLists(q: Queryable, nasId: number, at: Instant): Promise<number> {
  return q.execute(
    `update due set due_at = $2::timestamptz
     where attempts > 0 and claimed_until is null and due_at > $2::timestamptz
       and exists (select from static_address a where a.subscriber_id = due.subscriber_id and a.nas_id = $1)`,
    [nasId, timestamp(at)],
    'static-retry',
  );
}

/** One address as the page of the redirect shows it: wanted beside what was told and what was seen. */
export type RedirectRow = StaticAddress & {
  readonly username: string;
  readonly name: string;
  readonly nasName: string;
  readonly toldAt: Instant | null;
  readonly seenList: string | null;
  readonly seenAt: Instant | null;
  readonly lastError: string | null;
  /** Its router does not have it as decided, as far as we know. */
  readonly differs: boolean;
};

export type RedirectFilter = {
  readonly nasId?: number | null;
  /** Wanted, told or seen there. */
  readonly list?: string | null;
  /** Part of a name, user name, phone or Portal ID, or an address. */
  readonly search?: string | null;
  readonly differing?: boolean;
  /** From 1. */
  readonly page?: number;
  readonly pageSize?: number;
};

const DIFFERS = `(a.removed_at is not null or a.told_list is null or a.told_list is distinct from a.wanted_list
  or (a.seen_at > a.told_at and a.seen_list is distinct from a.told_list))`;

/** Static addresses in the order of routers and addresses, a page of them. */
export async function redirectRows(
  q: Queryable,
  { nasId = null, list = null, search = null, differing = false, page = 1, pageSize = 50 }: RedirectFilter,
): Promise<{ rows: RedirectRow[]; total: number }> {
  const found = await q.query<RedirectRow & { total: number }>(
    // Whose they are is looked up for those of the page alone: to join everybody first cost half of the statement.
    `with found as (
       select a.*, nas.name as nas_name, count(*) over () as total
         from static_address a join nas on nas.id = a.nas_id
        where ($1::int is null or a.nas_id = $1)
          and ($2::text is null or $2 in (a.wanted_list, a.told_list, a.seen_list))
          and ($3::text is null or host(a.address) = $3 or a.address::text = $3
               or exists (select from subscriber s where s.id = a.subscriber_id and strpos(s.search, lower($3)) > 0))
          and (not $4::boolean or ${DIFFERS})
        order by nas.name, a.address, a.id limit $5 offset $6)
     select ${COLUMNS}, s.username, s.name, a.nas_name as "nasName", a.told_at as "toldAt", a.seen_list as "seenList",
            a.seen_at as "seenAt", a.last_error as "lastError", ${DIFFERS} as differs, a.total
       from found a join subscriber s on s.id = a.subscriber_id order by a.nas_name, a.address, a.id`,
    [nasId, list, search === '' ? null : search, differing, pageSize, (page - 1) * pageSize],
  );
  return { rows: found.map(({ total: _, ...row }) => row), total: found[0]?.total ?? 0 };
}

/** Per router: how many addresses it is to hold, and how many it does not have as decided. */
export function countStaticAddresses(q: Queryable): Promise<{ nasId: number; wanted: number; differing: number }[]> {
  return q.query(
    `select a.nas_id as "nasId", count(*) filter (where a.removed_at is null) as wanted,
            count(*) filter (where ${DIFFERS}) as differing
       from static_address a group by a.nas_id`,
    [],
    'static-count',
  );
}
