import type { Desk } from '#operations/desk';
import { resetStaffPassword, staffIdOf } from '#operations/staff';

/**
 * Gives a member of staff a new one-time password, which is returned and can be read this once.
 *
 * @throws InvalidInput when there is no such member of staff
 */
export async function resetAdminPassword(
  desk: Desk,
  username = 'admin',
): Promise<{ username: string; password: string }> {
  const { password } = await resetStaffPassword(desk, await staffIdOf(desk.db, username));
  return { username, password };
}
