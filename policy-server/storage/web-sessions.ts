import { createHash, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import type { StaffRole } from '#storage/staff';

/** How far a login came: the password is still to be changed, the second factor is still to be given, or all is done. */
export type LoginStep = 'password' | 'totp' | 'full';

export type FoundWebSession =
  | {
      readonly kind: 'staff';
      readonly staff: {
        readonly id: number;
        readonly username: string;
        readonly name: string;
        readonly role: StaffRole;
        readonly language: 'id' | 'en';
        /** A second factor is set up and confirmed. */
        readonly totp: boolean;
        readonly mustChangePassword: boolean;
      };
      readonly step: LoginStep;
      readonly createdAt: Instant;
      readonly expiresAt: Instant;
    }
  | {
      readonly kind: 'portal';
      readonly subscriberId: number;
      readonly username: string;
      readonly name: string;
      readonly portalId: string | null;
      readonly language: 'id' | 'en';
      readonly mustChangePin: boolean;
      readonly createdAt: Instant;
      readonly expiresAt: Instant;
    };

export type NewWebSession = {
  readonly of: { readonly staffId: number; readonly step: LoginStep } | { readonly subscriberId: number };
  readonly address: string;
  readonly userAgent: string;
  readonly at: Instant;
};

/** A session of staff as a page lists it. `key` names it to `deleteWebSessionByKey`; nobody can log in with it. */
export type ListedWebSession = {
  readonly key: string;
  readonly step: LoginStep;
  readonly address: string | null;
  readonly userAgent: string;
  readonly createdAt: Instant;
  readonly seenAt: Instant;
};

const STAFF_IDLE_MS = 12 * HOUR;
const STAFF_LONGEST_MS = 7 * DAY;
/** A login that waits for its second factor is no standing session. */
const HALFWAY_LONGEST_MS = 15 * MINUTE;
const PORTAL_LONGEST_MS = 30 * DAY;
const TOUCH_EVERY_MS = MINUTE;
const LONGEST_USER_AGENT = 300;

/** Of a session or of a known device: 256 random bits, for a cookie. The database only gets to see its hash. */
export const newToken = (): string => randomBytes(32).toString('base64url');
export const tokenHash = (token: string): Buffer => createHash('sha256').update(token).digest();

/** The address as `inet` takes it; null for what is none. */
export function inetOrNull(address: string): string | null {
  const bare = address.split('%', 1)[0]!;
  return isIP(bare) === 0 ? null : bare;
}

/** Returns the token, the one time it can be read. */
export async function createWebSession(q: Queryable, session: NewWebSession): Promise<string> {
  const token = newToken();
  const staff = 'staffId' in session.of ? session.of : null;
  const longestMs = staff === null ? PORTAL_LONGEST_MS : staff.step === 'totp' ? HALFWAY_LONGEST_MS : STAFF_LONGEST_MS;
  await q.execute(
    `insert into web_session (token_hash, staff_id, subscriber_id, step, address, user_agent, created_at, seen_at, expires_at)
     values ($1, $2, $3, $4, $5::inet, $6, $7::timestamptz, $7::timestamptz, $8::timestamptz)`,
    [
      tokenHash(token),
      staff?.staffId ?? null,
      'subscriberId' in session.of ? session.of.subscriberId : null,
      staff?.step ?? 'full',
      inetOrNull(session.address),
      session.userAgent.replaceAll('\0', '').slice(0, LONGEST_USER_AGENT),
      timestamp(session.at),
      timestamp(session.at + longestMs),
    ],
  );
  return token;
}

type Row = {
  readonly staffId: number | null;
  readonly subscriberId: number | null;
  readonly step: LoginStep;
  readonly createdAt: Instant;
  readonly seenAt: Instant;
  readonly expiresAt: Instant;
  readonly username: string;
  readonly name: string;
  readonly language: 'id' | 'en';
  readonly role: StaffRole;
  readonly totp: boolean;
  readonly mustChangePassword: boolean;
  readonly portalId: string | null;
  readonly mustChangePin: boolean;
};

const FIND = `
select s.staff_id as "staffId", s.subscriber_id as "subscriberId", s.step, s.created_at as "createdAt",
       s.seen_at as "seenAt", s.expires_at as "expiresAt", coalesce(staff.username, subscriber.username) as username,
       coalesce(staff.name, subscriber.name) as name, coalesce(staff.language, subscriber.language) as language,
       staff.role, staff.totp_since is not null as totp, staff.must_change_password as "mustChangePassword",
       subscriber.portal_id as "portalId", account.must_change_pin as "mustChangePin"
  from web_session s
  left join staff on staff.id = s.staff_id and staff.disabled_at is null
  left join portal_account account on account.subscriber_id = s.subscriber_id
  left join subscriber on subscriber.id = account.subscriber_id
 where s.token_hash = $1 and s.expires_at > $2::timestamptz
   and (s.staff_id is null or s.seen_at > $3::timestamptz)
   and (staff.id is not null or subscriber.id is not null)`;

/**
 * Who holds this token at `now`, as they are now: role, name and duties are read with it. Null for an unknown or expired
 * one, of disabled staff, of a subscriber whose portal account is gone. Remembers that it was seen, once a minute at most.
 */
export async function findWebSession(q: Queryable, token: string, now: Instant): Promise<FoundWebSession | null> {
  const hash = tokenHash(token);
  const [row] = await q.query<Row>(FIND, [hash, timestamp(now), timestamp(now - STAFF_IDLE_MS)], 'web-session-find');
  if (row === undefined) return null;
  if (now - row.seenAt >= TOUCH_EVERY_MS) {
    await q.execute(
      'update web_session set seen_at = $2::timestamptz where token_hash = $1 and seen_at < $2::timestamptz',
      [hash, timestamp(now)],
      'web-session-touch',
    );
  }
  const { username, name, language, createdAt, expiresAt } = row;
  if (row.staffId === null) {
    const { subscriberId, portalId, mustChangePin } = row;
    const of = { subscriberId: subscriberId!, username, name, portalId, language, mustChangePin };
    return { kind: 'portal', ...of, createdAt, expiresAt };
  }
  const { role, totp, mustChangePassword } = row;
  const staff = { id: row.staffId, username, name, role, language, totp, mustChangePassword };
  return { kind: 'staff', staff, step: row.step, createdAt, expiresAt };
}

/**
 * Replaces a session of staff by a new one at a later step of the login, for a token that was known before must not be
 * worth more after it. Returns the new token; null when the session is not there (any more).
 */
export async function stepOn(q: Queryable, token: string, step: LoginStep, at: Instant): Promise<string | null> {
  const [was] = await q.query<{ staffId: number; address: string | null; userAgent: string }>(
    `delete from web_session where token_hash = $1 and staff_id is not null
     returning staff_id as "staffId", host(address) as address, user_agent as "userAgent"`,
    [tokenHash(token)],
  );
  if (was === undefined) return null;
  const { staffId, userAgent } = was;
  return createWebSession(q, { of: { staffId, step }, address: was.address ?? '', userAgent, at });
}

/** Logs out. Returns whether there was such a session. */
export async function deleteWebSession(q: Queryable, token: string): Promise<boolean> {
  return (await q.execute('delete from web_session where token_hash = $1', [tokenHash(token)])) > 0;
}

/** Ends every session of a member of staff or of a subscriber, but the one of `except`. Returns how many. */
export async function deleteWebSessionsOf(
  q: Queryable,
  whose: { readonly staffId: number } | { readonly subscriberId: number },
  except?: string,
): Promise<number> {
  const [column, id] = 'staffId' in whose ? ['staff_id', whose.staffId] : ['subscriber_id', whose.subscriberId];
  return q.execute(`delete from web_session where ${column} = $1 and token_hash is distinct from $2`, [
    id,
    except === undefined ? null : tokenHash(except),
  ]);
}

/** Ends one session of this member of staff that `listWebSessionsOf` named. Returns whether it was there. */
export async function deleteWebSessionByKey(q: Queryable, staffId: number, key: string): Promise<boolean> {
  if (!/^[0-9a-f]{64}$/.test(key)) return false;
  const hash = Buffer.from(key, 'hex');
  return (await q.execute('delete from web_session where token_hash = $1 and staff_id = $2', [hash, staffId])) > 0;
}

/** The sessions a member of staff could go on with at `now`, the last used first. */
export async function listWebSessionsOf(q: Queryable, staffId: number, now: Instant): Promise<ListedWebSession[]> {
  return q.query<ListedWebSession>(
    `select encode(token_hash, 'hex') as key, step, host(address) as address, user_agent as "userAgent",
            created_at as "createdAt", seen_at as "seenAt"
       from web_session where staff_id = $1 and expires_at > $2::timestamptz and seen_at > $3::timestamptz
      order by seen_at desc, created_at desc`,
    [staffId, timestamp(now), timestamp(now - STAFF_IDLE_MS)],
  );
}

/** How many sessions each member of staff could go on with at `now`; who has none is not in it. */
export async function countStaffSessions(q: Queryable, now: Instant): Promise<ReadonlyMap<number, number>> {
  const rows = await q.query<{ staffId: number; count: number }>(
    `select staff_id as "staffId", count(*) as count from web_session
      where staff_id is not null and expires_at > $1::timestamptz and seen_at > $2::timestamptz group by 1`,
    [timestamp(now), timestamp(now - STAFF_IDLE_MS)],
  );
  return new Map(rows.map(({ staffId, count }) => [staffId, count]));
}
