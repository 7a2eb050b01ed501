import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { newToken, tokenHash } from '#storage/web-sessions';

/** Browsers a subscriber has logged in with before: a token in a cookie, its hash here. */

/** So many are kept of a subscriber, those used last: captive browsers of phones forget their cookies each time. */
const MOST_DEVICES = 20;

export type PortalIdentity = {
  readonly subscriberId: number | null;
  /** The token is of a device of this subscriber. */
  readonly knownDevice: boolean;
};

/** Who has this Portal ID, and whether this device is one of theirs: one statement whether or not there is anybody. */
export async function findPortalIdentity(
  q: Queryable,
  portalId: string,
  deviceToken: string | null,
): Promise<PortalIdentity> {
  const [row] = await q.query<PortalIdentity>(
    `select subscriber.id as "subscriberId", device.token_hash is not null as "knownDevice"
       from (values (1)) as one
       left join subscriber on subscriber.portal_id = $1
       left join portal_device device on device.subscriber_id = subscriber.id and device.token_hash = $2`,
    [portalId, tokenHash(deviceToken ?? '')],
    'portal-identity',
  );
  return row!;
}

/** Counts a try of a known device before it is known whether it is right; false when `atMost` have been counted. */
export async function takeDeviceTry(q: Queryable, deviceToken: string, atMost: number): Promise<boolean> {
  const taken = await q.execute(
    'update portal_device set failures = failures + 1 where token_hash = $1 and failures < $2',
    [tokenHash(deviceToken), atMost],
  );
  return taken > 0;
}

/** A right PIN from a known device: its count begins anew. */
export async function seeDevice(q: Queryable, deviceToken: string, at: Instant): Promise<void> {
  await q.execute('update portal_device set failures = 0, seen_at = $2::timestamptz where token_hash = $1', [
    tokenHash(deviceToken),
    timestamp(at),
  ]);
}

/** Makes this device known from now on; returns its token, the one time it can be read. */
export async function rememberDevice(q: Queryable, subscriberId: number, at: Instant): Promise<string> {
  const token = newToken();
  await q.execute(
    `insert into portal_device (token_hash, subscriber_id, created_at, seen_at)
     values ($1, $2, $3::timestamptz, $3::timestamptz)`,
    [tokenHash(token), subscriberId, timestamp(at)],
  );
  await q.execute(
    `delete from portal_device where subscriber_id = $1 and token_hash not in
       (select token_hash from portal_device where subscriber_id = $1 order by seen_at desc, created_at desc limit ${MOST_DEVICES})`,
    [subscriberId],
  );
  return token;
}
