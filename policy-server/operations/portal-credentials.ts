import { randomInt } from 'node:crypto';
import { InvalidInput } from '#domain/errors';
import { PIN_NOTICES } from '#domain/notices';
import { pinFault } from '#domain/pin';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { hashPassword } from '#operations/password-hash';
import { queueNotice } from '#operations/queue-notice';
import type { ChangeTransaction } from '#storage/change';
import { violatedConstraint } from '#storage/database';
import { cancelQueued } from '#storage/messages';
import { claimPortalId, endPortalAccess, issueSealedPin } from '#storage/portal-accounts';
import { portalPinAad } from '#storage/secrets';
import type { SubscriberAccount } from '#storage/subscribers';

/** What a subscriber logs in to the portal with; the PIN can be read this once. */
export type PortalCredentials = { readonly portalId: string; readonly pin: string };
type Drawn = PortalCredentials & { readonly pinSealed: Buffer };

/** Where a subscriber logs in; whichever it is, one is led to what is one's own. */
export const loginUrl = (desk: Pick<Desk, 'publicUrl'>, billing: SubscriberAccount['billing'] = 'prepaid'): string =>
  `${desk.publicUrl}${billing === 'prepaid' ? '/prepaid/portal/login' : '/customer/login'}`;

/**
 * Draws a PIN, and a Portal ID when the subscriber has none, and has `write` put them into the database; drawn again
 * while another subscriber has that Portal ID. Hashing a PIN takes ~25 ms of a core, off the event loop.
 */
export async function withDrawnCredentials<Result>(
  desk: Pick<Desk, 'sealer'>,
  subscriber: SubscriberAccount,
  write: (drawn: Drawn) => Promise<Result>,
): Promise<Result> {
  for (;;) {
    // Eight digits, the first of them not 0: no two of them in a row say anything about each other.
    const portalId = subscriber.portalId ?? String(randomInt(10_000_000, 100_000_000));
    const pin = drawPin({ portalId, phone: subscriber.phone });
    try {
      return await write({ portalId, pin, pinSealed: await sealPin(desk, subscriber.id, pin) });
    } catch (error) {
      if (!(error instanceof PortalIdTaken) && violatedConstraint(error) !== 'subscriber_portal_id_key') throw error;
      if (subscriber.portalId !== null) throw error;
    }
  }
}

/** Rolls the transaction back, so that it is done again with another Portal ID. */
class PortalIdTaken extends InvalidInput {
  override name = 'PortalIdTaken';
}

/** Writes drawn credentials: what was there before (older PIN, sessions, known devices, unsent PIN messages) is no more. */
export async function writeCredentials(
  tx: ChangeTransaction,
  subscriberId: number,
  { portalId, pinSealed }: Drawn,
  at: Instant,
): Promise<void> {
  if (!(await claimPortalId(tx, subscriberId, portalId))) {
    throw new PortalIdTaken([say`the Portal ID of subscriber ${subscriberId} was just changed; try again`]);
  }
  await issueSealedPin(tx, subscriberId, pinSealed, at);
  await endPortalAccess(tx, subscriberId);
  for (const notice of PIN_NOTICES) await cancelQueued(tx, subscriberId, notice, at);
}

/** Queues the message that tells a subscriber the Portal ID and the PIN; false without a usable telephone number. */
export function queueCredentials(
  tx: ChangeTransaction,
  desk: Desk,
  subscriber: SubscriberAccount,
  { portalId, pin }: PortalCredentials,
): Promise<boolean> {
  const name = subscriber.name === '' ? subscriber.username : subscriber.name;
  const values = { name, portalId, pin, loginUrl: loginUrl(desk, subscriber.billing) };
  const notice = subscriber.billing === 'prepaid' ? 'portal-pin' : 'account-pin';
  return queueNotice(tx, desk, { subscriberId: subscriber.id, notice, values, onceKey: null });
}

/** Six random digits, none of those that are tried first. */
function drawPin(of: { portalId: string; phone: string | null }): string {
  for (;;) {
    const pin = String(randomInt(1_000_000)).padStart(6, '0');
    if (pinFault(pin, of) === null) return pin;
  }
}

/** The PIN as it is stored: hashed, and the hash sealed for the row of this subscriber. */
export async function sealPin(desk: Pick<Desk, 'sealer'>, subscriberId: number, pin: string): Promise<Buffer> {
  return desk.sealer.seal(await hashOneOfFew(pin), portalPinAad(subscriberId));
}

/** Of all PINs of this process, so that a bulk leaves threads and cores for whoever logs in meanwhile. */
const HASHING_AT_ONCE = 2;
let hashing = 0;
const waiting: (() => void)[] = [];

async function hashOneOfFew(pin: string): Promise<string> {
  if (hashing === HASHING_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else hashing += 1;
  try {
    return await hashPassword(pin);
  } finally {
    // The place goes to the next in line without becoming free in between.
    const next = waiting.shift();
    if (next === undefined) hashing -= 1;
    else next();
  }
}
