import { InvalidInput } from '#domain/errors';
import type { Desk } from '#operations/desk';
import { generateSecret, hashPassword } from '#operations/password-hash';
import { change } from '#storage/change';
import { setOneTimePassword, staffNames } from '#storage/staff';

/**
 * Gives a member of staff a new one-time password, which is returned and can be read this once.
 *
 * @throws InvalidInput when there is no such member of staff
 */
export async function resetAdminPassword(
  desk: Desk,
  username = 'admin',
): Promise<{ username: string; password: string }> {
  const password = generateSecret(16);
  const hash = await hashPassword(password);
  await change(desk.db, { actor: desk.actor, why: 'reset staff password', detail: { username } }, async (tx) => {
    if (await setOneTimePassword(tx, username, hash)) return;
    throw new InvalidInput([`there is no staff member "${username}"; there are: ${(await staffNames(tx)).join(', ')}`]);
  });
  return { username, password };
}
