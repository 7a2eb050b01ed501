import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import {
  type Budget,
  chargeTry,
  giveBack,
  networkOf,
  type Rule,
  Superseded,
  staffBuckets,
  typedKey,
} from '#operations/guessing';
import { hashOfNobody, verifyPassword } from '#operations/password-hash';
import { totpStep } from '#operations/totp';
import { change } from '#storage/change';
import { forgetSpent } from '#storage/login-budget';
import { staffTotpAad } from '#storage/secrets';
import {
  findStaffTotp,
  forgetStaffFailures,
  lockStaffCredentials,
  type StaffCredentials,
  takeStaffTry,
  useTotpStep,
} from '#storage/staff';
import { createWebSession, findWebSession, type LoginStep, stepOn } from '#storage/web-sessions';

/**
 * Passwords have ten characters or more, so there is no cap that an outsider could use to lock people out at night. Who
 * guesses slows down himself (account and network together: 5 minutes after a dozen tries, 288 a day). Guesses at one
 * account from everywhere: 60 an hour, 1,440 a day; from one address at any account: 20 in 15 minutes.
 */
const PER_ACCOUNT_AND_NETWORK: Rule = { is: 'delay', free: 3, longestMs: 5 * MINUTE, forgottenAfterMs: DAY };
const PER_ACCOUNT: Rule = { is: 'window', atMost: 60, lengthMs: HOUR };
const PER_ADDRESS: Rule = { is: 'window', atMost: 20, lengthMs: 15 * MINUTE };
const EVERYBODY: Rule = { is: 'window', atMost: 300, lengthMs: MINUTE };
/**
 * Three of 10^6 codes are right at any time: 20 wrong ones a day are a chance of 1 : 16,667 a day for somebody who has
 * the password already, and more than a person mistypes.
 */
const CODES_PAUSE: Rule = { is: 'delay', free: 3, longestMs: MINUTE, forgottenAfterMs: DAY };
const CODES_A_DAY: Rule = { is: 'window', atMost: 20, lengthMs: DAY };

export type StaffLogin = {
  readonly username: string;
  readonly password: string;
  readonly address: string;
  readonly userAgent: string;
};

export type StaffLoginResult =
  /** `totp`: the second factor is asked for next; `password`: the one-time password has to be changed; `full`: done. */
  | { readonly ok: true; readonly token: string; readonly step: LoginStep }
  /** `waitSeconds`: 0 = may be tried again at once. */
  | { readonly ok: false; readonly waitSeconds: number };

/**
 * Logs staff in with the password. Same answer and same work (one argon2id verification) for a name that nobody has, for
 * a disabled account and for a wrong password; a refusal by a budget costs none. A login always makes a new session.
 */
export async function staffLogin(
  desk: Desk,
  given: StaffLogin,
  verify: typeof verifyPassword = verifyPassword,
): Promise<StaffLoginResult> {
  const now = desk.clock();
  const username = given.username.trim();
  const budgets = loginBudgets(username, given.address);
  const charge = await chargeTry(desk.db, budgets, now, (tx) => takeStaffTry(tx, storable(username), now));
  if ('waitSeconds' in charge) return { ok: false, waitSeconds: charge.waitSeconds };
  const staff = charge.charged;
  const right = await verify(given.password, staff?.passwordHash ?? hashOfNobody());
  const done = right && staff !== null ? await enter(desk, staff, budgets, given, now) : null;
  return done ?? { ok: false, waitSeconds: charge.nextWaitSeconds };
}

/** PostgreSQL takes no NUL in a text; such a name is nobody's. */
const storable = (username: string): string => (username.includes('\0') ? '' : username);

const loginBudgets = (username: string, address: string): readonly Budget[] => [
  { bucket: `staff:${typedKey(username)}:${networkOf(address)}`, rule: PER_ACCOUNT_AND_NETWORK },
  { bucket: staffBuckets({ id: 0, username }).login, rule: PER_ACCOUNT },
  { bucket: `staff-address:${networkOf(address)}`, rule: PER_ADDRESS },
  { bucket: 'staff-everybody', rule: EVERYBODY },
];

/** The password was right; null when it is another by now, or the account was disabled meanwhile. */
async function enter(
  desk: Desk,
  staff: StaffCredentials,
  budgets: readonly Budget[],
  { address, userAgent }: StaffLogin,
  now: Instant,
): Promise<StaffLoginResult | null> {
  const step = staff.totp ? 'totp' : staff.mustChangePassword ? 'password' : 'full';
  const why = { actor: `staff:${staff.username}`, why: 'log in', detail: { address, step } };
  try {
    return await change(desk.db, why, async (tx) => {
      await giveBack(tx, budgets);
      await forgetSpent(tx, [budgets[0]!.bucket]);
      const standing = await lockStaffCredentials(tx, staff.id);
      if (standing?.passwordHash !== staff.passwordHash || standing.totp !== staff.totp) throw new Superseded();
      await forgetStaffFailures(tx, staff.id);
      const token = await createWebSession(tx, { of: { staffId: staff.id, step }, address, userAgent, at: now });
      return { ok: true, token, step };
    });
  } catch (error) {
    if (error instanceof Superseded) return null;
    throw error;
  }
}

/**
 * The second step: the code of the authenticator app for the session of the first. The session that waited is replaced
 * by a new one. A code counts once, also of two at the same moment.
 */
export async function staffTotp(desk: Desk, token: string, code: string): Promise<StaffLoginResult> {
  const now = desk.clock();
  const session = await findWebSession(desk.db, token, now);
  if (session?.kind !== 'staff' || session.step !== 'totp') return { ok: false, waitSeconds: 0 };
  const { id, username } = session.staff;
  const { code: pause, codes: day } = staffBuckets(session.staff);
  const budgets = [
    { bucket: pause, rule: CODES_PAUSE },
    { bucket: day, rule: CODES_A_DAY },
  ];
  const charge = await chargeTry(desk.db, budgets, now, (tx) => findStaffTotp(tx, id));
  if ('waitSeconds' in charge) return { ok: false, waitSeconds: charge.waitSeconds };
  const totp = charge.charged;
  const used =
    totp === null || totp.since === null ? null : totpStep(desk.sealer.open(totp.sealed, staffTotpAad(id)), code, now);
  const refused = { ok: false, waitSeconds: charge.nextWaitSeconds } as const;
  if (used === null) return refused;
  try {
    return await change(desk.db, { actor: `staff:${username}`, why: 'give second factor' }, async (tx) => {
      await giveBack(tx, budgets);
      const standing = await lockStaffCredentials(tx, id);
      if (standing === null || !(await useTotpStep(tx, id, used))) throw new Superseded();
      const step = standing.mustChangePassword ? 'password' : 'full';
      const full = await stepOn(tx, token, step, now);
      if (full === null) throw new Superseded();
      return { ok: true, token: full, step };
    });
  } catch (error) {
    if (error instanceof Superseded) return refused;
    throw error;
  }
}
