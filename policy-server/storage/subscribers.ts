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
};

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
    `insert into subscriber (id, username, password_sealed, name, phone, billing, mac, static_ip)
     overriding system value
     select * from unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::inet[])`,
    [
      subscribers.map((one) => one.id),
      subscribers.map((one) => one.username),
      subscribers.map((one) => one.passwordSealed),
      subscribers.map((one) => one.name),
      subscribers.map((one) => one.phone),
      subscribers.map((one) => one.billing),
      subscribers.map((one) => one.mac),
      subscribers.map((one) => one.staticIp),
    ],
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

export async function countSubscribers(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from subscriber');
  return row!.count;
}
