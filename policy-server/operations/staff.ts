import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { entityName, personName } from '#operations/fields';
import { staffBuckets } from '#operations/guessing';
import { parseInput } from '#operations/input';
import { generateSecret, hashPassword } from '#operations/password-hash';
import { mayManage } from '#operations/permissions';
import { type ChangeTransaction, change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { forgetSpent } from '#storage/login-budget';
import {
  deleteTotp,
  findStaff,
  insertStaff,
  type ListedStaff,
  lockOwners,
  STAFF_ROLES,
  type StaffRole,
  setDisabled,
  setOneTimePassword,
  staffNames,
  updateStaff,
} from '#storage/staff';
import { deleteWebSessionByKey, deleteWebSessionsOf } from '#storage/web-sessions';

/**
 * Who works here. Whoever acts as `staff:NAME` may do to others what their own role allows as it is in the database at
 * that moment: only owners make, change or disable owners. The command line (`cli:…`) may do everything.
 */

const role = z.enum(STAFF_ROLES).describe(say`one of ${STAFF_ROLES.join(', ')}`);
const language = z.enum(['id', 'en']).describe(say`id or en`);

export const addStaffSchema = z.object({
  username: entityName('siti')
    .regex(/^[A-Za-z0-9._@-]+$/)
    .describe(say`a user name of letters, digits and . _ @ -, for example siti`),
  name: personName.default(''),
  role,
});

const ONE_TIME_LENGTH = 16;

/** A password that is shown this once; the first login has to change it. */
export type OneTime = { readonly id: number; readonly username: string; readonly password: string };

/** @throws InvalidInput for wrong fields, a user name that is taken, a role that one may not give */
export async function addStaff(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<OneTime> {
  const given = parseInput(addStaffSchema, input);
  const { username, name } = given;
  const password = generateSecret(ONE_TIME_LENGTH);
  const passwordHash = await hashPassword(password);
  const why = { actor: desk.actor, why: 'add staff', detail: { username, name, role: given.role } };
  const id = await change(desk.db, why, async (tx) => {
    await refuseAbove(tx, desk, given.role);
    const added = await insertStaff(tx, { username, name, role: given.role, passwordHash });
    if (added === null) throw new InvalidInput([say`username "${username}" is taken; give another`]);
    return added;
  });
  return { id, username, password };
}

export const editStaffSchema = z.object({
  name: personName.optional().describe(personName.description!),
  role: role.optional().describe(role.description!),
  language: language.optional().describe(language.description!),
});

/**
 * Changes the given fields. Everybody may change their own name and language.
 *
 * @throws InvalidInput for wrong fields, nobody of that id, a role that one may not give, the last owner
 */
export async function editStaff(
  desk: Desk,
  { id, ...input }: { readonly id: number } & Readonly<Record<string, unknown>>,
): Promise<{ readonly changed: readonly string[] }> {
  const given = parseInput(editStaffSchema, input);
  return manage(desk, id, 'edit staff', async (tx, staff, detail) => {
    const after = {
      name: given.name ?? staff.name,
      role: given.role ?? staff.role,
      language: given.language ?? staff.language,
    };
    const ownAffair = desk.actor === `staff:${staff.username}` && after.role === staff.role;
    if (!ownAffair) {
      await refuseAbove(tx, desk, staff.role);
      await refuseAbove(tx, desk, after.role);
    }
    if (after.role !== 'owner') await refuseLastOwner(tx, staff);
    const changed = (['name', 'role', 'language'] as const).filter((field) => after[field] !== staff[field]);
    const of = (value: typeof after) => Object.fromEntries(changed.map((field) => [field, value[field]]));
    Object.assign(detail, { before: of(staff), after: of(after) });
    await updateStaff(tx, id, after);
    return { changed };
  });
}

/**
 * Ends every session of this member of staff at once and refuses their logins.
 *
 * @throws InvalidInput for nobody of that id, the last owner, somebody above one's own role
 */
export async function disableStaff(desk: Desk, id: number): Promise<{ readonly changed: boolean }> {
  return manage(desk, id, 'disable staff', async (tx, staff) => {
    await refuseAbove(tx, desk, staff.role);
    await refuseLastOwner(tx, staff);
    if (staff.disabledAt === null) await setDisabled(tx, id, desk.clock());
    await deleteWebSessionsOf(tx, { staffId: id });
    return { changed: staff.disabledAt === null };
  });
}

/** @throws InvalidInput for nobody of that id, somebody above one's own role */
export async function enableStaff(desk: Desk, id: number): Promise<{ readonly changed: boolean }> {
  return manage(desk, id, 'enable staff', async (tx, staff) => {
    await refuseAbove(tx, desk, staff.role);
    await setDisabled(tx, id, null);
    return { changed: staff.disabledAt !== null };
  });
}

/**
 * Gives a new one-time password, ends every session, and forgets what was mistyped or guessed at this account.
 *
 * @throws InvalidInput for nobody of that id, somebody above one's own role
 */
export async function resetStaffPassword(desk: Desk, id: number): Promise<OneTime> {
  const password = generateSecret(ONE_TIME_LENGTH);
  const passwordHash = await hashPassword(password);
  return manage(desk, id, 'reset staff password', async (tx, staff) => {
    await refuseAbove(tx, desk, staff.role);
    await setOneTimePassword(tx, id, passwordHash);
    await deleteWebSessionsOf(tx, { staffId: id });
    await forgetSpent(tx, Object.values(staffBuckets(staff)));
    return { id, username: staff.username, password };
  });
}

/**
 * Takes the second factor away (the telephone was lost) and ends every session: the next login is by password alone.
 *
 * @throws InvalidInput for nobody of that id, somebody above one's own role
 */
export async function resetStaffTotp(desk: Desk, id: number): Promise<{ readonly changed: boolean }> {
  return manage(desk, id, 'reset second factor', async (tx, staff) => {
    await refuseAbove(tx, desk, staff.role);
    const changed = await deleteTotp(tx, id);
    await deleteWebSessionsOf(tx, { staffId: id });
    await forgetSpent(tx, Object.values(staffBuckets(staff)));
    return { changed };
  });
}

/**
 * Ends one session that `listWebSessionsOf` named, or all of them when `key` is null. Everybody may end their own.
 *
 * @throws InvalidInput for nobody of that id, somebody above one's own role
 */
export async function endStaffSessions(
  desk: Desk,
  id: number,
  key: string | null,
): Promise<{ readonly ended: number }> {
  return manage(desk, id, 'end staff sessions', async (tx, staff) => {
    if (desk.actor !== `staff:${staff.username}`) await refuseAbove(tx, desk, staff.role);
    if (key === null) return { ended: await deleteWebSessionsOf(tx, { staffId: id }) };
    return { ended: (await deleteWebSessionByKey(tx, id, key)) ? 1 : 0 };
  });
}

type Manage<Result> = (tx: ChangeTransaction, staff: ListedStaff, detail: Record<string, unknown>) => Promise<Result>;

async function manage<Result>(desk: Desk, id: number, why: string, work: Manage<Result>): Promise<Result> {
  const detail: Record<string, unknown> = { id };
  return change(desk.db, { actor: desk.actor, why, detail }, async (tx) => {
    // Before anybody else: of two who disable each other at once the second waits here, and then sees it.
    await lockOwners(tx);
    const staff = await findStaff(tx, { id }, 'lock');
    if (staff === null) throw new InvalidInput([say`this member of staff is no more; go back to the list`]);
    detail.username = staff.username;
    return work(tx, staff, detail);
  });
}

async function refuseLastOwner(tx: Queryable, staff: ListedStaff): Promise<void> {
  const owners = await lockOwners(tx);
  if (owners.length > 1 || owners[0] !== staff.id) return;
  throw new InvalidInput([say`${staff.username} is the only owner who can log in; make somebody else an owner first`]);
}

const STAFF_ACTOR = 'staff:';

/** @throws InvalidInput when the staff member who acts may not manage somebody of this role */
async function refuseAbove(tx: Queryable, desk: Desk, of: StaffRole): Promise<void> {
  if (!desk.actor.startsWith(STAFF_ACTOR)) return;
  const actor = await findStaff(tx, { username: desk.actor.slice(STAFF_ACTOR.length) });
  if (actor !== null && actor.disabledAt === null && mayManage(actor.role, of)) return;
  throw new InvalidInput([say`your role may not do this to a member of staff of the role ${of}; ask an owner`]);
}

/** The one sentence for a user name of staff that nobody has. */
export async function staffIdOf(q: Queryable, username: string): Promise<number> {
  const staff = await findStaff(q, { username });
  if (staff !== null) return staff.id;
  throw new InvalidInput([say`there is no staff member "${username}"; there are: ${(await staffNames(q)).join(', ')}`]);
}
