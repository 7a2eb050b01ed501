import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { type PinFault, pinFault } from '#domain/pin';
import { say } from '#domain/say';
import { DAY } from '#domain/time';
import type { Desk } from '#operations/desk';
import { rowNumber } from '#operations/fields';
import { chargeTry, type Rule } from '#operations/guessing';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { verifyPassword } from '#operations/password-hash';
import { sealPin } from '#operations/portal-credentials';
import { change } from '#storage/change';
import { forgetSpent } from '#storage/login-budget';
import {
  endPortalAccess,
  findPortalAccount,
  lockPortalAccount,
  type PortalAccount,
  writeChosenPin,
} from '#storage/portal-accounts';
import { portalPinAad } from '#storage/secrets';
import { findSubscriberAccount } from '#storage/subscribers';

/**
 * Whoever tries here is logged in already, so this is a count of its own: what strangers try at the login keeps nobody
 * from changing the PIN, and who only found the telephone lying about does not find the PIN out.
 */
const TRIES: Rule = { is: 'window', atMost: 10, lengthMs: DAY };

/** Why a PIN was not changed; a page has its own words for each. */
export type PinRefusal = PinFault | 'same' | 'wrong-old' | 'too-many-tries';

/** A PIN that was not changed. */
export class PinRefused extends InvalidInput {
  override name = 'PinRefused';
  readonly refusal: PinRefusal;

  constructor(refusal: PinRefusal) {
    super([LINES[refusal]]);
    this.refusal = refusal;
  }
}

const LINES: Readonly<Record<PinRefusal, string>> = {
  'not-six-digits': say`the new PIN is not six digits; choose six digits, for example the way 481920 is`,
  repeats: say`the new PIN repeats the same digits, which is tried first; choose another`,
  run: say`the new PIN counts up or down, which is tried first; choose another`,
  'portal-id': say`the new PIN is part of the Portal ID; choose another`,
  phone: say`the new PIN is the end of the telephone number; choose another`,
  same: say`the new PIN is the old one; choose another, or keep the one you have`,
  'wrong-old': say`the old PIN is wrong; type the one you logged in with`,
  'too-many-tries': say`the old PIN was wrong too often; try again tomorrow, or ask customer service for a new one`,
};

const setPinSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  oldPin: z.string().describe(say`the PIN as it is`),
  newPin: z.string().describe(say`six digits`),
  keep: z.array(z.instanceof(Buffer)).default([]).describe(say`token hashes`),
});

/**
 * Changes a PIN by its owner. Every web session of the subscriber ends and every device is forgotten, but those whose
 * token hashes (`web_session.token_hash`, `portal_device.token_hash`) are in `keep`: whoever knew the old PIN is out.
 * A wrong old PIN counts, also when many are tried at once.
 *
 * @throws PinRefused (an InvalidInput) with its reason; InvalidInput when there is nobody of that number
 */
export async function setPin(
  desk: Desk,
  input: {
    readonly subscriberId: number;
    readonly oldPin: string;
    readonly newPin: string;
    readonly keep?: readonly Buffer[];
  },
): Promise<void> {
  const { subscriberId, oldPin, newPin, keep } = parseInput(setPinSchema, input);
  const subscriber = (await findSubscriberAccount(desk.db, subscriberId)) ?? noSubscriberOfNumber(subscriberId);
  const fault = pinFault(newPin, subscriber) ?? (newPin === oldPin ? 'same' : null);
  if (fault !== null) throw new PinRefused(fault);
  const now = desk.clock();
  const tries = [{ bucket: `pin-change:${subscriberId}`, rule: TRIES }];
  const charge = await chargeTry(desk.db, tries, now, (tx) => findPortalAccount(tx, subscriberId));
  if ('waitSeconds' in charge) throw new PinRefused('too-many-tries');
  const hash = hashOf(desk, subscriberId, charge.charged);
  if (hash === null || !(await verifyPassword(oldPin, hash))) throw new PinRefused('wrong-old');
  const pinSealed = await sealPin(desk, subscriberId, newPin);
  await change(desk.db, { actor: desk.actor, why: 'change PIN', subscriberId }, async (tx) => {
    // A new one may have been issued since.
    if (hashOf(desk, subscriberId, await lockPortalAccount(tx, subscriberId)) !== hash)
      throw new PinRefused('wrong-old');
    await writeChosenPin(tx, subscriberId, pinSealed);
    await forgetSpent(tx, [tries[0]!.bucket]);
    await endPortalAccess(tx, subscriberId, keep);
  });
}

const hashOf = ({ sealer }: Desk, subscriberId: number, account: PortalAccount | null): string | null =>
  account === null ? null : sealer.open(account.pinSealed, portalPinAad(subscriberId));
