import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** What a router's export says of a subscriber there is already; null = it says nothing of that. */
export type RouterUpdate = {
  readonly id: number;
  readonly passwordSealed: Buffer | null;
  readonly name: string | null;
  readonly mac: string | null;
  readonly staticIp: string | null;
};

/** The numbers of those of these user names that exist. */
export async function subscriberIdsByUsername(
  q: Queryable,
  usernames: readonly string[],
): Promise<Map<string, number>> {
  const rows = await q.query<{ id: number; username: string }>(
    'select id, username from subscriber where username = any($1::text[])',
    [usernames],
  );
  return new Map(rows.map((row) => [row.username, row.id]));
}

/** One statement for any number of rows; a static line keeps its own addresses, and null leaves a column as it is. Throws a unique violation of static_ip. */
export async function updateFromRouter(q: Queryable, updates: readonly RouterUpdate[]): Promise<void> {
  await q.execute(
    `update subscriber set password_sealed = coalesce(given.password_sealed, subscriber.password_sealed),
            name = coalesce(given.name, subscriber.name), mac = coalesce(given.mac, subscriber.mac),
            static_ip = case when subscriber.access = 'pppoe' then coalesce(given.static_ip, subscriber.static_ip)
                             else subscriber.static_ip end
       from unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::inet[])
         as given (id, password_sealed, name, mac, static_ip)
      where subscriber.id = given.id`,
    [
      updates.map((one) => one.id),
      updates.map((one) => one.passwordSealed),
      updates.map((one) => one.name),
      updates.map((one) => one.mac),
      updates.map((one) => one.staticIp),
    ],
  );
}

/** Like `setSuspension`, for many at once. */
export async function suspendAll(q: Queryable, subscriberIds: readonly number[], since: Instant): Promise<void> {
  await q.execute('update subscriber set suspended_at = $2::timestamptz where id = any($1::bigint[])', [
    subscriberIds,
    timestamp(since),
  ]);
}
