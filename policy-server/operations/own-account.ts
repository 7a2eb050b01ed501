import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { DAY, type Instant, MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { chargeTry, giveBack, type Rule } from '#operations/guessing';
import { parseInput } from '#operations/input';
import { hashPassword, verifyPassword } from '#operations/password-hash';
import { newTotpSecret, totpStep, totpUri } from '#operations/totp';
import { change } from '#storage/change';
import { staffTotpAad } from '#storage/secrets';
import { readSettings } from '#storage/settings';
import {
  confirmTotpSince,
  deleteTotp,
  findStaff,
  findStaffTotp,
  lockStaffCredentials,
  replacePassword,
  useTotpStep,
  writeTotpToConfirm,
} from '#storage/staff';
import { deleteWebSessionsOf, findWebSession, stepOn } from '#storage/web-sessions';

/** What staff do to their own account, from a session of their own. */

/** Whoever sits at a session that was left open does not get to guess on. */
const OWN_TRIES: Rule = { is: 'delay', free: 3, longestMs: 5 * MINUTE, forgottenAfterMs: DAY };
const CODE_WINDOW: Rule = { is: 'window', atMost: 20, lengthMs: DAY };

const SHORTEST_PASSWORD = 10;

const changeSchema = z.object({
  oldPassword: z.string().min(1).max(1_000).describe(say`the password you logged in with`),
  newPassword: z
    .string()
    .min(SHORTEST_PASSWORD)
    .max(200)
    .describe(
      say`a password of ${SHORTEST_PASSWORD} to 200 characters, for example three words that do not belong together`,
    ),
});

/**
 * Changes the password of whoever holds this session (`token`, past its second factor). Every session of theirs ends, and
 * a new one takes the place of this one: its token is returned for the cookie.
 *
 * @throws InvalidInput for a wrong old password, a new one that is too short or the old one; too many tries; no session
 */
export async function changeOwnPassword(
  desk: Desk,
  { token, ...input }: { readonly token: string; readonly oldPassword: unknown; readonly newPassword: unknown },
): Promise<{ readonly token: string }> {
  const now = desk.clock();
  const { oldPassword, newPassword } = parseInput(changeSchema, input);
  const session = await findWebSession(desk.db, token, now);
  if (session?.kind !== 'staff' || session.step === 'totp') return loggedOut();
  const { id, username } = session.staff;
  if (newPassword === oldPassword || newPassword === username) {
    throw new InvalidInput([say`newPassword is the old password or the user name; choose another`]);
  }
  const budgets = [{ bucket: `staff-own:${id}`, rule: OWN_TRIES }];
  const charge = await chargeTry(desk.db, budgets, now, (tx) => lockStaffCredentials(tx, id));
  if ('waitSeconds' in charge) return tooMany(charge.waitSeconds);
  const was = charge.charged ?? loggedOut();
  if (!(await verifyPassword(oldPassword, was.passwordHash))) {
    throw new InvalidInput([say`oldPassword is not the password you have now; try again`]);
  }
  const passwordHash = await hashPassword(newPassword);
  return change(desk.db, { actor: desk.actor, why: 'change own password', detail: { username } }, async (tx) => {
    await giveBack(tx, budgets);
    if (!(await replacePassword(tx, id, was.passwordHash, passwordHash))) return loggedOut();
    const fresh = (await stepOn(tx, token, 'full', now)) ?? loggedOut();
    await deleteWebSessionsOf(tx, { staffId: id }, fresh);
    return { token: fresh };
  });
}

/**
 * Begins to set up a second factor: its secret for the authenticator app, to be shown as a QR of `uri`. It counts once
 * `confirmTotp` was given a code of it; begun anew, the earlier secret is worth nothing.
 *
 * @throws InvalidInput while one is in force already, nobody of that id
 */
export async function beginTotp(
  desk: Desk,
  staffId: number,
): Promise<{ readonly secret: string; readonly uri: string }> {
  const secret = newTotpSecret();
  const sealed = desk.sealer.seal(secret, staffTotpAad(staffId));
  const { company } = await readSettings(desk.db);
  return change(desk.db, { actor: desk.actor, why: 'begin second factor', detail: { id: staffId } }, async (tx) => {
    const staff = (await findStaff(tx, { id: staffId }, 'lock')) ?? loggedOut();
    if (!(await writeTotpToConfirm(tx, staffId, sealed))) {
      throw new InvalidInput([say`a second factor is in force already; turn it off first, with a code of it`]);
    }
    return { secret, uri: totpUri(secret, company.name, staff.username) };
  });
}

/**
 * Puts the second factor in force, by a code of the app that was just set up: every login from now on asks for one.
 *
 * @throws InvalidInput for a wrong code, none being set up, too many tries
 */
export async function confirmTotp(desk: Desk, staffId: number, code: string): Promise<void> {
  await withCode(desk, { staffId, code, why: 'confirm second factor', inForce: false }, (tx, sealed, now) =>
    confirmTotpSince(tx, staffId, sealed, now),
  );
}

/**
 * Turns the second factor off, by a code of it.
 *
 * @throws InvalidInput for a wrong or used code, none in force, too many tries
 */
export async function turnOffTotp(desk: Desk, staffId: number, code: string): Promise<void> {
  await withCode(desk, { staffId, code, why: 'turn off second factor', inForce: true }, (tx) =>
    deleteTotp(tx, staffId),
  );
}

type CodeAct = { readonly staffId: number; readonly code: string; readonly why: string; readonly inForce: boolean };
type Tx = Parameters<Parameters<typeof change>[2]>[0];

async function withCode(
  desk: Desk,
  { staffId, code, why, inForce }: CodeAct,
  act: (tx: Tx, sealed: Buffer, now: Instant) => Promise<boolean>,
): Promise<void> {
  const now = desk.clock();
  const budgets = [
    { bucket: `staff-code:${staffId}`, rule: OWN_TRIES },
    { bucket: `staff-codes:${staffId}`, rule: CODE_WINDOW },
  ];
  const charge = await chargeTry(desk.db, budgets, now, (tx) => findStaffTotp(tx, staffId));
  if ('waitSeconds' in charge) return tooMany(charge.waitSeconds);
  const totp = charge.charged;
  if (totp === null || (totp.since !== null) !== inForce) {
    throw new InvalidInput([
      inForce ? say`no second factor is in force` : say`no second factor is being set up; begin anew`,
    ]);
  }
  const step = totpStep(desk.sealer.open(totp.sealed, staffTotpAad(staffId)), code, now);
  const wrong = say`code is not the one the app shows now; look at the clock of the telephone, and give the next code`;
  if (step === null) throw new InvalidInput([wrong]);
  await change(desk.db, { actor: desk.actor, why, detail: { id: staffId } }, async (tx) => {
    await giveBack(tx, budgets);
    if (!(await useTotpStep(tx, staffId, step)) || !(await act(tx, totp.sealed, now))) throw new InvalidInput([wrong]);
  });
}

function tooMany(waitSeconds: number): never {
  throw new InvalidInput([say`too many wrong tries: try again in ${waitSeconds} seconds`]);
}

function loggedOut(): never {
  throw new InvalidInput([say`you are logged out; log in again`]);
}
