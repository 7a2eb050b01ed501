import { DAY, type Instant, MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { type Budget, chargeTry, giveBack, networkOf, type Rule, Superseded, typedKey } from '#operations/guessing';
import { hashOfNobody, verifyPassword } from '#operations/password-hash';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { forgetSpent } from '#storage/login-budget';
import { givePinTryBack, lockPortalAccount, takePinTry } from '#storage/portal-accounts';
import { findPortalIdentity, rememberDevice, seeDevice, takeDeviceTry } from '#storage/portal-devices';
import { portalPinAad } from '#storage/secrets';
import { createWebSession, tokenHash } from '#storage/web-sessions';

/**
 * What a PIN of 10^6 withstands. One account: 10 wrong PINs from unknown devices and 10 from each known one, then none
 * is right until a new one is issued; the odds of a guess are 1 : 100,000 an issue. Many accounts from one address:
 * 20 in 15 minutes are 1,920 a day, one hit in 520 days. From everywhere: 300 a minute are 432,000 a day, one hit in
 * about two days, which takes 225 addresses, and ends after ten tries for each account there is.
 */
const TRIES_UNKNOWN_DEVICES = 10;
const TRIES_KNOWN_DEVICE = 10;
/** Slows whoever tries one account, there or not, long before the cap; short, because the cap is what protects. */
const PER_ACCOUNT: Rule = { is: 'delay', free: 3, longestMs: MINUTE, forgottenAfterMs: DAY };
const PER_ADDRESS: Rule = { is: 'window', atMost: 20, lengthMs: 15 * MINUTE };
const EVERYBODY: Rule = { is: 'window', atMost: 300, lengthMs: MINUTE };

export type PortalLogin = {
  readonly portalId: string;
  readonly pin: string;
  /** The cookie of an earlier login of this browser. */
  readonly deviceToken: string | null;
  readonly address: string;
  readonly userAgent: string;
};

export type PortalLoginResult =
  | {
      readonly ok: true;
      readonly subscriberId: number;
      readonly token: string;
      readonly deviceToken: string;
      readonly mustChangePin: boolean;
    }
  /** `waitSeconds`: 0 = may be tried again at once. Whether the ID exists, or is closed to unknown devices, is not said. */
  | { readonly ok: false; readonly waitSeconds: number };

export type VerifyPassword = typeof verifyPassword;

/**
 * Logs a subscriber into the portal. A known device (that logged in before) has a count of its own and is not hurt by
 * what others try. Every answer after the first look at the budgets costs one argon2id verification, also for an ID
 * that nobody has; a refusal by a budget costs none, for either. A login always makes a new session.
 */
export async function portalLogin(
  desk: Desk,
  given: PortalLogin,
  verify: VerifyPassword = verifyPassword,
): Promise<PortalLoginResult> {
  const now = desk.clock();
  const portalId = given.portalId.replace(/\s/g, '');
  const identity = await findPortalIdentity(desk.db, /^\d{8}$/.test(portalId) ? portalId : '', given.deviceToken);
  const device = identity.knownDevice ? given.deviceToken : null;
  const budgets = device === null ? unknownDevice(portalId, given.address) : knownDevice(device);
  const subscriberId = identity.subscriberId ?? NOBODY;
  const charge = await chargeTry(desk.db, budgets, now, (tx) => takeTry(tx, subscriberId, device, now));
  if ('waitSeconds' in charge) return { ok: false, waitSeconds: charge.waitSeconds };

  const hash = charge.charged === null ? null : desk.sealer.open(charge.charged, portalPinAad(subscriberId));
  const right = await verify(given.pin.replace(/\s/g, ''), hash ?? hashOfNobody());
  const done = right && hash !== null ? await enter(desk, { subscriberId, device, hash, budgets, given, now }) : null;
  return done ?? { ok: false, waitSeconds: charge.nextWaitSeconds };
}

/** No subscriber has this number: the statements for an unknown ID are those for a known one. */
const NOBODY = 0;

const unknownDevice = (portalId: string, address: string): readonly Budget[] => [
  { bucket: `portal:${typedKey(portalId)}`, rule: PER_ACCOUNT },
  { bucket: `portal-address:${networkOf(address)}`, rule: PER_ADDRESS },
  { bucket: 'portal-everybody', rule: EVERYBODY },
];

const knownDevice = (token: string): readonly Budget[] => [
  { bucket: `portal-device:${tokenHash(token).toString('hex')}`, rule: PER_ACCOUNT },
];

/** The sealed hash to compare with; null when there is no account, or its tries are used up. */
async function takeTry(
  tx: Queryable,
  subscriberId: number,
  device: string | null,
  now: Instant,
): Promise<Buffer | null> {
  if (device === null) return (await takePinTry(tx, subscriberId, TRIES_UNKNOWN_DEVICES, now))?.pinSealed ?? null;
  if (!(await takeDeviceTry(tx, device, TRIES_KNOWN_DEVICE))) return null;
  return (await lockPortalAccount(tx, subscriberId))?.pinSealed ?? null;
}

type Entering = {
  readonly subscriberId: number;
  readonly device: string | null;
  readonly hash: string;
  readonly budgets: readonly Budget[];
  readonly given: PortalLogin;
  readonly now: Instant;
};

/** The PIN was right; null when it is another by now, for a new one ends what the old one opened. */
async function enter(desk: Desk, of: Entering): Promise<PortalLoginResult | null> {
  const { subscriberId, device, budgets, given, now } = of;
  const detail = { address: given.address, knownDevice: device !== null };
  const why = { actor: `portal:${subscriberId}`, why: 'log in to the portal', subscriberId, detail };
  try {
    return await change(desk.db, why, async (tx) => {
      // With an account of one's own nobody shall make room for guesses at others: shared budgets get one try back.
      await giveBack(tx, budgets);
      await forgetSpent(tx, [budgets[0]!.bucket]);
      if (device !== null) await seeDevice(tx, device, now);
      const account = await lockPortalAccount(tx, subscriberId);
      const hash = account === null ? null : desk.sealer.open(account.pinSealed, portalPinAad(subscriberId));
      if (account === null || hash !== of.hash) throw new Superseded();
      if (device === null) await givePinTryBack(tx, subscriberId);
      const deviceToken = device ?? (await rememberDevice(tx, subscriberId, now));
      const { address, userAgent } = given;
      const token = await createWebSession(tx, { of: { subscriberId }, address, userAgent, at: now });
      return { ok: true, subscriberId, token, deviceToken, mustChangePin: account.mustChangePin };
    });
  } catch (error) {
    if (error instanceof Superseded) return null;
    throw error;
  }
}
