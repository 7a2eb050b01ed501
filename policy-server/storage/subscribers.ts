import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type NewSubscriber = {
  readonly id: number;
  readonly username: string;
  readonly passwordSealed: Buffer;
  readonly name: string;
  readonly phone: string | null;
  readonly billing: 'prepaid' | 'postpaid';
  readonly mac: string | null;
  readonly staticIp: string | null;
  readonly access: Access;
  /** Of a static line: the router whose address-lists hold its addresses. */
  readonly nasId: number | null;
  readonly address: string;
  readonly notes: string;
  /** Without control characters. */
  readonly tags: readonly string[];
  readonly language: Language;
  /** One when left out. */
  readonly sessionLimit?: number;
};

/** How a line comes in: it dials, or it has addresses that are always there. */
export type Access = 'pppoe' | 'static';

export type FoundSubscriber = {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly suspendedAt: Instant | null;
};

/** Taken before the rows are written, because each sealed password is bound to its row. */
export async function nextSubscriberIds(q: Queryable, count: number): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `select nextval(pg_get_serial_sequence('subscriber', 'id')) as id from generate_series(1, $1::int)`,
    [count],
  );
  return rows.map((row) => row.id);
}

/** One statement for any number of rows. Throws a unique violation of username or static_ip. */
export async function insertSubscribers(q: Queryable, subscribers: readonly NewSubscriber[]): Promise<void> {
  await q.execute(
    `insert into subscriber (id, username, password_sealed, name, phone, billing, mac, static_ip, access, nas_id, address,
                             notes, tags, language, session_limit)
     overriding system value
     select id, username, password, name, phone, billing, mac, static_ip, access, nas_id, address, notes,
            string_to_array(tags, e'\n'), language, session_limit
       from unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::inet[],
                   $9::text[], $10::int[], $11::text[], $12::text[], $13::text[], $14::text[], $15::int[])
         as t (id, username, password, name, phone, billing, mac, static_ip, access, nas_id, address, notes, tags, language, session_limit)`,
    [
      subscribers.map((one) => one.id),
      subscribers.map((one) => one.username),
      subscribers.map((one) => one.passwordSealed),
      subscribers.map((one) => one.name),
      subscribers.map((one) => one.phone),
      subscribers.map((one) => one.billing),
      subscribers.map((one) => one.mac),
      subscribers.map((one) => one.staticIp),
      subscribers.map((one) => one.access),
      subscribers.map((one) => one.nasId),
      subscribers.map((one) => one.address),
      subscribers.map((one) => one.notes),
      // unnest cannot give rows of arrays of different lengths. An empty text becomes no tag.
      subscribers.map((one) => one.tags.join('\n')),
      subscribers.map((one) => one.language),
      subscribers.map((one) => one.sessionLimit ?? 1),
    ],
  );
}

export type NewStaticAddress = { readonly subscriberId: number; readonly nasId: number; readonly address: string };

/** The addresses of lines that are new, in one statement. Throws a violation of `static_address_address_excl`. */
export async function insertStaticAddresses(q: Queryable, addresses: readonly NewStaticAddress[]): Promise<void> {
  await q.execute(
    `insert into static_address (subscriber_id, nas_id, address)
     select * from unnest($1::bigint[], $2::int[], $3::cidr[])`,
    [addresses.map((one) => one.subscriberId), addresses.map((one) => one.nasId), addresses.map((one) => one.address)],
  );
}

/** `lock` keeps every other transaction from changing this subscriber's standing until ours ends. */
export async function findSubscriber(
  q: Queryable,
  username: string,
  lock: 'lock' | 'read' = 'read',
): Promise<FoundSubscriber | null> {
  const [row] = await q.query<FoundSubscriber>(
    `select id, username, name, phone, suspended_at as "suspendedAt" from subscriber where username = $1
     ${lock === 'lock' ? 'for no key update' : ''}`,
    [username],
  );
  return row ?? null;
}

export async function setSuspension(q: Queryable, subscriberId: number, since: Instant | null): Promise<void> {
  await q.execute('update subscriber set suspended_at = $2::timestamptz where id = $1', [
    subscriberId,
    timestamp(since),
  ]);
}

/** What an edit may change, as it is stored. */
export type SubscriberRecord = Omit<NewSubscriber, 'billing'> & { readonly sessionLimit: number };

export async function lockSubscriberRecord(q: Queryable, id: number): Promise<SubscriberRecord | null> {
  const [row] = await q.query<SubscriberRecord>(
    `select id, username, password_sealed as "passwordSealed", name, phone, mac, host(static_ip) as "staticIp", access,
            nas_id as "nasId", address, notes, tags, language, session_limit as "sessionLimit"
       from subscriber where id = $1 for no key update`,
    [id],
  );
  return row ?? null;
}

/** Throws a unique violation of username or static_ip. */
export async function updateSubscriber(q: Queryable, record: SubscriberRecord): Promise<void> {
  await q.execute(
    `update subscriber set username = $2, password_sealed = $3, name = $4, phone = $5, mac = $6, static_ip = $7::inet,
            nas_id = $8, address = $9, notes = $10, tags = $11, language = $12, session_limit = $13
      where id = $1`,
    [
      record.id,
      record.username,
      record.passwordSealed,
      record.name,
      record.phone,
      record.mac,
      record.staticIp,
      record.nasId,
      record.address,
      record.notes,
      record.tags,
      record.language,
      record.sessionLimit,
    ],
  );
}

/** Who a subscriber is, and how billed: what the move to prepaid and the selling look at. */
export type SubscriberAccount = FoundSubscriber & {
  readonly billing: 'prepaid' | 'postpaid';
  readonly portalId: string | null;
  readonly language: Language;
};

const ACCOUNT = `select id, username, name, phone, suspended_at as "suspendedAt", billing, portal_id as "portalId", language
  from subscriber where id = $1`;

/** `lock` as in `findSubscriber`. */
export async function findSubscriberAccount(
  q: Queryable,
  id: number,
  lock: 'lock' | 'read' = 'read',
): Promise<SubscriberAccount | null> {
  const [row] = await q.query<SubscriberAccount>(lock === 'lock' ? `${ACCOUNT} for no key update` : ACCOUNT, [id]);
  return row ?? null;
}

export async function setBilling(q: Queryable, subscriberId: number, billing: 'prepaid' | 'postpaid'): Promise<void> {
  await q.execute('update subscriber set billing = $2 where id = $1', [subscriberId, billing]);
}

/** Which of these addresses (or blocks) overlap with one of somebody's static line, and whose. */
export async function ownersOfAddresses(
  q: Queryable,
  addresses: readonly string[],
  exceptSubscriberId: number | null = null,
): Promise<{ readonly given: string; readonly username: string }[]> {
  if (addresses.length === 0) return [];
  return q.query(
    `select given, username from unnest($1::text[]) as given
       join static_address on static_address.address && given::inet and removed_at is null
       join subscriber on subscriber.id = subscriber_id
      where subscriber_id is distinct from $2::bigint`,
    [addresses, exceptSubscriberId],
  );
}

/** Which of these addresses (or blocks) hold the address that somebody's PPPoE line is given, and whose. */
export async function dialersWithin(
  q: Queryable,
  addresses: readonly string[],
  exceptSubscriberId: number | null = null,
): Promise<{ readonly given: string; readonly held: string; readonly username: string }[]> {
  if (addresses.length === 0) return [];
  return q.query(
    // Between the ends of the block, which an index can look up for each; `<<=` with a column at its right it cannot.
    `select given, host(static_ip) as held, username from unnest($1::text[]) with ordinality as wanted (given, place)
       join subscriber on static_ip between host(network(given::inet))::inet and host(broadcast(given::inet))::inet
      where id is distinct from $2::bigint order by place, static_ip`,
    [addresses, exceptSubscriberId],
  );
}

/**
 * Until the transaction ends nobody else gives addresses to lines: those of PPPoE lines and of static ones lie in two tables,
 * and no constraint holds them apart.
 */
export async function lockLineAddresses(tx: Queryable): Promise<void> {
  await tx.query("select pg_advisory_xact_lock(hashtext('gerbang: addresses of lines'))");
}

/** Which of these user names and addresses belong to somebody already. */
export async function takenIdentities(
  q: Queryable,
  usernames: readonly string[],
  addresses: readonly string[],
): Promise<{ usernames: Set<string>; addresses: Map<string, string> }> {
  const byName = await q.query<{ username: string }>(
    'select username from subscriber where username = any($1::text[])',
    [usernames],
  );
  const byAddress = await q.query<{ address: string; username: string }>(
    'select host(static_ip) as address, username from subscriber where static_ip = any($1::inet[])',
    [addresses],
  );
  return {
    usernames: new Set(byName.map((row) => row.username)),
    addresses: new Map(byAddress.map((row) => [row.address, row.username])),
  };
}

export type Identity = { readonly id: number; readonly username: string };

/** Whom user names, Portal IDs and telephone numbers (digits with the country code) mean; several may share a number. */
export async function subscribersByIdentity(
  q: Queryable,
  given: {
    readonly usernames: readonly string[];
    readonly portalIds: readonly string[];
    readonly phones: readonly string[];
  },
): Promise<Readonly<Record<'username' | 'portal_id' | 'phone', Map<string, Identity[]>>>> {
  const find = async (key: string, values: readonly string[]): Promise<Map<string, Identity[]>> => {
    if (values.length === 0) return new Map();
    const rows = await q.query<Identity & { key: string }>(
      `select id, username, ${key} as key from subscriber where ${key} = any($1::text[]) order by id`,
      [values],
    );
    return Map.groupBy(rows, (row) => row.key);
  };
  const [username, portalId, phone] = await Promise.all([
    find('username', given.usernames),
    find('portal_id', given.portalIds),
    find(PHONE_DIGITS, given.phones),
  ]);
  return { username, portal_id: portalId, phone };
}

/** As `internationalDigits` reads what is stored, which has no signs but a leading +. */
const PHONE_DIGITS = `case
  when phone like '+%' then regexp_replace(substr(phone, 2), '^620', '62')
  when phone like '00%' then substr(phone, 3)
  when phone like '0%' then '62' || substr(phone, 2)
  when phone like '8%' then '62' || phone
  else regexp_replace(phone, '^620', '62') end`;

export async function countSubscribers(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from subscriber');
  return row!.count;
}
