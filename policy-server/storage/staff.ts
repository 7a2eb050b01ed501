import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export const STAFF_ROLES = ['owner', 'admin', 'customer-service', 'technician', 'network-engineer'] as const;
export type StaffRole = (typeof STAFF_ROLES)[number];

/** A member of staff as lists show them; never their password or second factor. */
export type ListedStaff = {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly role: StaffRole;
  readonly language: 'id' | 'en';
  readonly disabledAt: Instant | null;
  readonly mustChangePassword: boolean;
  /** When the second factor was confirmed; null = there is none (in force). */
  readonly totpSince: Instant | null;
  /** Wrong logins since the last right one. */
  readonly failures: number;
  readonly lastFailureAt: Instant | null;
  /** When one of their sessions was last seen; null = none is left. */
  readonly seenAt: Instant | null;
  readonly createdAt: Instant;
};

const LISTED = `
select id, username, name, role, language, disabled_at as "disabledAt", must_change_password as "mustChangePassword",
       totp_since as "totpSince", failures, last_failure_at as "lastFailureAt", created_at as "createdAt",
       (select max(seen_at) from web_session where staff_id = staff.id) as "seenAt"
  from staff`;

export async function listStaff(q: Queryable): Promise<ListedStaff[]> {
  return q.query<ListedStaff>(`${LISTED} order by username`);
}

/** `lock` keeps every other transaction from changing this person's account until ours ends. */
export async function findStaff(
  q: Queryable,
  by: { readonly id: number } | { readonly username: string },
  lock: 'lock' | 'read' = 'read',
): Promise<ListedStaff | null> {
  const [condition, value] = 'id' in by ? ['id = $1', by.id] : ['username = $1', by.username];
  const [row] = await q.query<ListedStaff>(
    `${LISTED} where ${condition} ${lock === 'lock' ? 'for no key update of staff' : ''}`,
    [value],
  );
  return row ?? null;
}

export async function countStaff(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from staff');
  return row!.count;
}

/**
 * The ids of the owners who can log in, locked in their order, so that of two who disable each other at once the second
 * sees what the first did.
 */
export async function lockOwners(q: Queryable): Promise<number[]> {
  const rows = await q.query<{ id: number }>(
    `select id from staff where role = 'owner' and disabled_at is null order by id for no key update`,
  );
  return rows.map((row) => row.id);
}

/** Returns the id; null when somebody of that name is there already (two nodes at their first start). */
export async function insertStaff(
  q: Queryable,
  staff: { username: string; passwordHash: string; role: StaffRole; name?: string },
): Promise<number | null> {
  const [row] = await q.query<{ id: number }>(
    `insert into staff (username, password_hash, role, name) values ($1, $2, $3, $4)
     on conflict (username) do nothing returning id`,
    [staff.username, staff.passwordHash, staff.role, staff.name ?? ''],
  );
  return row?.id ?? null;
}

export async function updateStaff(
  q: Queryable,
  id: number,
  to: { readonly name: string; readonly role: StaffRole; readonly language: 'id' | 'en' },
): Promise<void> {
  await q.execute('update staff set name = $2, role = $3, language = $4 where id = $1', [
    id,
    to.name,
    to.role,
    to.language,
  ]);
}

/** Null = may log in again. */
export async function setDisabled(q: Queryable, id: number, since: Instant | null): Promise<void> {
  await q.execute('update staff set disabled_at = $2::timestamptz where id = $1', [id, timestamp(since)]);
}

/** Sets a one-time password: the next login has to change it. */
export async function setOneTimePassword(q: Queryable, id: number, passwordHash: string): Promise<void> {
  await q.execute('update staff set password_hash = $2, must_change_password = true, failures = 0 where id = $1', [
    id,
    passwordHash,
  ]);
}

/** Sets the password somebody chose instead of `was`; false when it is another by now. */
export async function replacePassword(q: Queryable, id: number, was: string, passwordHash: string): Promise<boolean> {
  const replaced = await q.execute(
    'update staff set password_hash = $3, must_change_password = false where id = $1 and password_hash = $2',
    [id, was, passwordHash],
  );
  return replaced > 0;
}

/** What a login compares with. */
export type StaffCredentials = {
  readonly id: number;
  readonly username: string;
  readonly passwordHash: string;
  readonly mustChangePassword: boolean;
  /** A second factor is asked for. */
  readonly totp: boolean;
};

const CREDENTIALS = `id, username, password_hash as "passwordHash", must_change_password as "mustChangePassword",
  totp_since is not null as totp`;

/** Counts a login before it is known whether it is right; null when there is nobody of that name who may log in. */
export async function takeStaffTry(q: Queryable, username: string, at: Instant): Promise<StaffCredentials | null> {
  const [row] = await q.query<StaffCredentials>(
    `update staff set failures = failures + 1, last_failure_at = $2::timestamptz
      where username = $1 and disabled_at is null returning ${CREDENTIALS}`,
    [username, timestamp(at)],
    'staff-take-try',
  );
  return row ?? null;
}

/** Those of somebody who may log in, locked until the transaction ends. */
export async function lockStaffCredentials(q: Queryable, id: number): Promise<StaffCredentials | null> {
  const [row] = await q.query<StaffCredentials>(
    `select ${CREDENTIALS} from staff where id = $1 and disabled_at is null for no key update`,
    [id],
  );
  return row ?? null;
}

export async function forgetStaffFailures(q: Queryable, id: number): Promise<void> {
  await q.execute('update staff set failures = 0 where id = $1', [id]);
}

export type StaffTotp = { readonly sealed: Buffer; readonly since: Instant | null };

/** The second factor, confirmed (`since`) or being set up; null when there is none. */
export async function findStaffTotp(q: Queryable, id: number): Promise<StaffTotp | null> {
  const [row] = await q.query<StaffTotp>(
    'select totp_sealed as sealed, totp_since as since from staff where id = $1 and totp_sealed is not null',
    [id],
  );
  return row ?? null;
}

/** Begins to set up a second factor; false while one is in force, which must be taken away first. */
export async function writeTotpToConfirm(q: Queryable, id: number, sealed: Buffer): Promise<boolean> {
  const written = await q.execute('update staff set totp_sealed = $2 where id = $1 and totp_since is null', [
    id,
    sealed,
  ]);
  return written > 0;
}

/** The code of this step was used; false when it, or that of a later step, was used before. */
export async function useTotpStep(q: Queryable, id: number, step: number): Promise<boolean> {
  return (
    (await q.execute('update staff set totp_last_step = $2 where id = $1 and totp_last_step < $2', [id, step])) > 0
  );
}

/** Puts the second factor that is being set up in force; false when it is another by now. */
export async function confirmTotpSince(q: Queryable, id: number, sealed: Buffer, at: Instant): Promise<boolean> {
  const confirmed = await q.execute(
    'update staff set totp_since = $3::timestamptz where id = $1 and totp_sealed = $2 and totp_since is null',
    [id, sealed, timestamp(at)],
  );
  return confirmed > 0;
}

/** Returns whether there was one in force. The last step stays: a code of an old factor is of another secret anyway. */
export async function deleteTotp(q: Queryable, id: number): Promise<boolean> {
  const [row] = await q.query<{ had: boolean }>(
    `with was as (select totp_since is not null as had from staff where id = $1)
     update staff set totp_sealed = null, totp_since = null from was where id = $1 returning was.had`,
    [id],
  );
  return row?.had ?? false;
}

export async function staffNames(q: Queryable): Promise<string[]> {
  const rows = await q.query<{ username: string }>('select username from staff order by id');
  return rows.map((row) => row.username);
}
