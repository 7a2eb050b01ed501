import type { Desk } from '#operations/desk';
import { generateSecret, hashPassword } from '#operations/password-hash';
import { change } from '#storage/change';
import { countStaff, insertStaff } from '#storage/staff';

/** Makes the owner account `admin` when there is no staff at all; returns its one-time password, else null. */
export async function firstAdmin(desk: Desk): Promise<string | null> {
  if ((await countStaff(desk.db)) > 0) return null;
  const password = generateSecret(16);
  const passwordHash = await hashPassword(password);
  const made = await change(desk.db, { actor: desk.actor, why: 'first admin' }, (tx) =>
    insertStaff(tx, { username: 'admin', passwordHash, role: 'owner' }),
  );
  return made === null ? null : password;
}
