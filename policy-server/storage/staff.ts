import type { Queryable } from '#storage/database';

export const STAFF_ROLES = ['owner', 'admin', 'customer-service', 'technician', 'network-engineer'] as const;
export type StaffRole = (typeof STAFF_ROLES)[number];

export async function countStaff(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from staff');
  return row!.count;
}

/** Returns false when somebody of that name is there already (two nodes at their first start). */
export async function insertStaff(
  q: Queryable,
  staff: { username: string; passwordHash: string; role: StaffRole },
): Promise<boolean> {
  const inserted = await q.execute(
    'insert into staff (username, password_hash, role) values ($1, $2, $3) on conflict (username) do nothing',
    [staff.username, staff.passwordHash, staff.role],
  );
  return inserted > 0;
}

/** Sets a one-time password: the next login has to change it. Returns false when there is nobody of that name. */
export async function setOneTimePassword(q: Queryable, username: string, passwordHash: string): Promise<boolean> {
  const updated = await q.execute(
    'update staff set password_hash = $2, must_change_password = true where username = $1',
    [username, passwordHash],
  );
  return updated > 0;
}

export async function staffNames(q: Queryable): Promise<string[]> {
  const rows = await q.query<{ username: string }>('select username from staff order by id');
  return rows.map((row) => row.username);
}
