import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import type { Desk } from '#operations/desk';
import { billing, mac, personName, phone, pppPassword, subscriberAddress, username } from '#operations/fields';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import { violatedConstraint } from '#storage/database';
import { subscriberPasswordAad } from '#storage/secrets';
import { insertSubscribers, nextSubscriberIds } from '#storage/subscribers';

export const addSubscriberSchema = z.object({
  username,
  password: pppPassword,
  name: personName.default(''),
  phone: phone.nullable().default(null).describe(phone.description!),
  billing: billing.default('prepaid').describe(billing.description!),
  mac: mac.nullable().default(null).describe(mac.description!),
  staticIp: subscriberAddress.nullable().default(null).describe(subscriberAddress.description!),
});

/**
 * Adds a subscriber, who may dial at once and without a grant is led to the portal.
 *
 * @throws InvalidInput for wrong fields, a user name or an address that is taken
 */
export async function addSubscriber(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly id: number; readonly username: string }> {
  const { password, ...subscriber } = parseInput(addSubscriberSchema, input);
  try {
    const id = await change(
      desk.db,
      { actor: desk.actor, why: 'add subscriber', detail: { username: subscriber.username } },
      async (tx) => {
        const [subscriberId] = await nextSubscriberIds(tx, 1);
        const passwordSealed = desk.sealer.seal(password, subscriberPasswordAad(subscriberId!));
        await insertSubscribers(tx, [{ ...subscriber, id: subscriberId!, passwordSealed }]);
        await tx.mark([subscriberId!]);
        return subscriberId!;
      },
    );
    return { id, username: subscriber.username };
  } catch (error) {
    throw explainDuplicate(error, subscriber) ?? error;
  }
}

function explainDuplicate(error: unknown, given: { username: string; staticIp: string | null }): InvalidInput | null {
  switch (violatedConstraint(error)) {
    case 'subscriber_username_key':
      return new InvalidInput([`username "${given.username}" is taken; see: explain ${given.username}`]);
    case 'subscriber_static_ip_key':
      return new InvalidInput([`staticIp ${given.staticIp} belongs to another subscriber; give another address`]);
    default:
      return null;
  }
}
