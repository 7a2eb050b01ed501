import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import {
  access,
  billing,
  language,
  lineAddresses,
  mac,
  nasName,
  notes,
  personName,
  phone,
  postalAddress,
  pppPassword,
  sessionLimit,
  subscriberAddress,
  tags,
  username,
} from '#operations/fields';
import { faultsOf, missing, parseInput } from '#operations/input';
import { generateSecret } from '#operations/password-hash';
import { addressTaken, nasNamed, overlapFaults, refuseCrossedAddresses } from '#operations/static-line';
import { change } from '#storage/change';
import { violatedConstraint } from '#storage/database';
import { subscriberPasswordAad } from '#storage/secrets';
import { setStaticAddresses } from '#storage/static-addresses';
import { insertSubscribers, nextSubscriberIds } from '#storage/subscribers';

export const addSubscriberSchema = z.object({
  username,
  password: pppPassword.nullable().default(null).describe(pppPassword.description!),
  name: personName.default(''),
  phone: phone.nullable().default(null).describe(phone.description!),
  billing: billing.default('prepaid').describe(billing.description!),
  mac: mac.nullable().default(null).describe(mac.description!),
  sessionLimit: sessionLimit.default(1).describe(sessionLimit.description!),
  staticIp: subscriberAddress.nullable().default(null).describe(subscriberAddress.description!),
  access: access.default('pppoe').describe(access.description!),
  nas: nasName.nullable().default(null).describe(nasName.description!),
  addresses: lineAddresses.nullable().default(null).describe(lineAddresses.description!),
  address: postalAddress.default('').describe(postalAddress.description!),
  notes: notes.default('').describe(notes.description!),
  tags: tags.default([]).describe(tags.description!),
  language: language.default('id').describe(language.description!),
});

/**
 * Adds a subscriber. A PPPoE line may dial at once and without a grant is led to the portal. A static line (`access`)
 * needs the name of a `nas` and one or more `addresses`; without a password it gets one that nobody knows.
 *
 * @throws InvalidInput for wrong fields, a user name or an address that is taken, no such NAS
 */
export async function addSubscriber(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly id: number; readonly username: string }> {
  const wrong = addSubscriberFaults(input);
  if (wrong.length > 0) throw new InvalidInput(wrong);
  const given = parseInput(addSubscriberSchema, input);
  const password = given.password ?? generateSecret();
  const detail = { username: given.username };
  try {
    const id = await change(desk.db, { actor: desk.actor, why: 'add subscriber', detail }, async (tx) => {
      const nasId = given.nas === null ? null : await nasNamed(tx, given.nas);
      await refuseCrossedAddresses(tx, { ...given, addresses: given.addresses ?? [] }, null);
      const [subscriberId] = (await nextSubscriberIds(tx, 1)) as [number];
      const passwordSealed = desk.sealer.seal(password, subscriberPasswordAad(subscriberId));
      await insertSubscribers(tx, [{ ...given, id: subscriberId, passwordSealed, nasId }]);
      if (nasId !== null && given.addresses !== null) {
        await setStaticAddresses(tx, subscriberId, nasId, given.addresses);
      }
      await tx.mark([subscriberId]);
      return subscriberId;
    });
    return { id, username: given.username };
  } catch (error) {
    const taken = await addressTaken(desk.db, error, given.addresses ?? [], null);
    throw taken ?? explainDuplicate(error, given) ?? error;
  }
}

/** One line for each thing that is wrong with the input, as far as it can be seen without the database. */
export function addSubscriberFaults(input: Readonly<Record<string, unknown>>): readonly string[] {
  const wrong = faultsOf(addSubscriberSchema, input);
  const named = new Set(wrong.map(fieldOf));
  const unfit = unfitFields(input).filter((fault) => !named.has(fieldOf(fault)));
  if (wrong.length > 0) return [...wrong, ...unfit];
  return [...unfit, ...overlapFaults(addSubscriberSchema.parse(input).addresses ?? [])];
}

const fieldOf = (fault: string): string => fault.split(/\W/, 1)[0]!;

/** What does not fit the access of a line: all that a static line needs, a PPPoE line cannot have. */
function unfitFields(input: Readonly<Record<string, unknown>>): string[] {
  const lacks = (field: string) => input[field] === undefined || input[field] === null;
  const faults: string[] = [];
  const needed = (field: string, allowed: string) => lacks(field) && faults.push(missing(field, allowed));
  const misplaced = (field: string, fault: string) => lacks(field) || faults.push(fault);
  if (input.access === 'static') {
    needed('nas', say`the router of a static line, ${nasName.description}`);
    needed('addresses', lineAddresses.description!);
    misplaced('staticIp', say`staticIp: only a PPPoE line has one; a static line has addresses`);
  } else if (input.access === undefined || input.access === 'pppoe') {
    needed('password', pppPassword.description!);
    misplaced('nas', say`nas: only a static line has one; leave it out, or give access static`);
    misplaced('addresses', say`addresses: only a static line has them; a PPPoE line can be given one as staticIp`);
  }
  return faults;
}

/** The line for a user name or a PPPoE address that is taken; null when that was not why. */
export function explainDuplicate(
  error: unknown,
  given: { readonly username: string; readonly staticIp: string | null },
): InvalidInput | null {
  switch (violatedConstraint(error)) {
    case 'subscriber_username_key':
      return new InvalidInput([say`username "${given.username}" is taken; see: explain ${given.username}`]);
    case 'subscriber_static_ip_key':
      return new InvalidInput([say`staticIp ${given.staticIp} belongs to another subscriber; give another address`]);
    default:
      return null;
  }
}
