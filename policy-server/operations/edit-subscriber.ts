import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { explainDuplicate } from '#operations/add-subscriber';
import type { Desk } from '#operations/desk';
import {
  language,
  lineAddresses,
  mac,
  nasName,
  notes,
  personName,
  phone,
  postalAddress,
  pppPassword,
  rowNumber,
  sessionLimit,
  subscriberAddress,
  tags,
  username,
} from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { addressTaken, nasNamed, overlapFaults, refuseCrossedAddresses } from '#operations/static-line';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { nasIdsByName } from '#storage/nas';
import { SecretsFault, subscriberPasswordAad } from '#storage/secrets';
import { setStaticAddresses, staticAddressesOf } from '#storage/static-addresses';
import { lockSubscriberRecord, type SubscriberRecord, updateSubscriber } from '#storage/subscribers';

/** Every field but `id` may be left out, and then stays as it is; null empties the ones that may be empty. */
export const editSubscriberSchema = z.object({
  id: rowNumber('a subscriber'),
  username: username.optional().describe(username.description!),
  password: pppPassword.optional().describe(pppPassword.description!),
  name: personName.optional().describe(personName.description!),
  phone: phone.nullable().optional().describe(phone.description!),
  mac: mac.nullable().optional().describe(mac.description!),
  sessionLimit: sessionLimit.optional().describe(sessionLimit.description!),
  staticIp: subscriberAddress.nullable().optional().describe(subscriberAddress.description!),
  nas: nasName.optional().describe(nasName.description!),
  addresses: lineAddresses.optional().describe(lineAddresses.description!),
  address: postalAddress.optional().describe(postalAddress.description!),
  notes: notes.optional().describe(notes.description!),
  tags: tags.optional().describe(tags.description!),
  language: language.optional().describe(language.description!),
});
type Given = z.output<typeof editSubscriberSchema>;

/** Fields that are kept as they are given. */
const PLAIN = [
  'username',
  'name',
  'phone',
  'mac',
  'sessionLimit',
  'staticIp',
  'address',
  'notes',
  'tags',
  'language',
] as const satisfies readonly (keyof Given & keyof SubscriberRecord)[];

/** Before and after of each field that changes; of the password only that it does. */
type Changes = Record<string, { readonly before: unknown; readonly after: unknown } | 'changed'>;

/**
 * Changes the given fields of a subscriber. `changed` names those that are not what they were; the audit has each
 * before and after, but never the password.
 *
 * @throws InvalidInput for wrong fields, nobody of that number, what does not fit the line's access, what is taken
 */
export async function editSubscriber(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly changed: readonly string[] }> {
  const given = parseInput(editSubscriberSchema, input);
  const overlapping = overlapFaults(given.addresses ?? []);
  if (overlapping.length > 0) throw new InvalidInput(overlapping);
  if ((await look(desk, desk.db, given)).changed.length === 0) return { changed: [] };
  const detail: { username?: string; changes?: Changes } = {};
  let wanted = { username: '', staticIp: null as string | null };
  try {
    return await change(desk.db, { actor: desk.actor, why: 'edit subscriber', detail }, async (tx) => {
      const { was, line, changes, changed } = await look(desk, tx, given);
      Object.assign(detail, { username: was.username, changes });
      const record = edited(desk, was, given, line.nasId);
      wanted = record;
      await refuseCrossedAddresses(tx, newAddresses(changes, record, line), was.id);
      await updateSubscriber(tx, record);
      if (line.nasId !== null && (changes.nas ?? changes.addresses) !== undefined) {
        await setStaticAddresses(tx, was.id, line.nasId, line.addresses);
      }
      await tx.mark([was.id]);
      return { changed };
    });
  } catch (error) {
    const taken = await addressTaken(desk.db, error, given.addresses ?? [], given.id);
    throw taken ?? explainDuplicate(error, wanted) ?? error;
  }
}

/** Of what is written only what is new can be somebody else's. */
const newAddresses = (changes: Changes, { staticIp }: SubscriberRecord, { addresses }: StaticLine) => ({
  staticIp: changes.staticIp === undefined ? null : staticIp,
  addresses: changes.addresses === undefined ? [] : addresses,
});

async function look(desk: Desk, q: Queryable, given: Given) {
  const was = (await lockSubscriberRecord(q, given.id)) ?? noSubscriberOfNumber(given.id);
  const line = await staticLine(q, was, given);
  const changes = changesOf(desk, was, given, line);
  return { was, line, changes, changed: Object.keys(changes) };
}

/** Where a static line is and is to be: names for the audit, ids and addresses to write. */
type StaticLine = {
  readonly nasId: number | null;
  readonly nasWas: string | null;
  readonly addresses: readonly string[];
  readonly addressesWere: readonly string[];
};

async function staticLine(q: Queryable, was: SubscriberRecord, given: Given): Promise<StaticLine> {
  if (was.access === 'pppoe') {
    const misplaced = (['nas', 'addresses'] as const).filter((field) => given[field] !== undefined);
    if (misplaced.length > 0)
      throw new InvalidInput(misplaced.map((field) => say`${field}: ${was.username} is a PPPoE line`));
    return { nasId: was.nasId, nasWas: null, addresses: [], addressesWere: [] };
  }
  if (given.staticIp != null) throw new InvalidInput([say`staticIp: ${was.username} is a static line; give addresses`]);
  const addressesWere = (await staticAddressesOf(q, [was.id])).flatMap(({ address, removed }) =>
    removed ? [] : [address],
  );
  const nases = await nasIdsByName(q);
  const nasWas = [...nases].find(([, id]) => id === was.nasId)?.[0] ?? null;
  const nasId = given.nas === undefined ? was.nasId : await nasNamed(q, given.nas);
  return { nasId, nasWas, addresses: given.addresses ?? addressesWere, addressesWere };
}

function changesOf(desk: Desk, was: SubscriberRecord, given: Given, line: StaticLine): Changes {
  const changes: Changes = {};
  for (const field of PLAIN) {
    if (given[field] !== undefined && !same(given[field], was[field])) {
      changes[field] = { before: was[field], after: given[field] };
    }
  }
  if (line.nasId !== was.nasId) changes.nas = { before: line.nasWas, after: given.nas };
  if (!same([...line.addresses].sort(), [...line.addressesWere].sort())) {
    changes.addresses = { before: line.addressesWere, after: line.addresses };
  }
  if (given.password !== undefined && given.password !== passwordOf(desk, was)) changes.password = 'changed';
  return changes;
}

/** Null when it does not open any more: then a new one is what mends it. */
function passwordOf(desk: Desk, { id, passwordSealed }: SubscriberRecord): string | null {
  try {
    return desk.sealer.open(passwordSealed, subscriberPasswordAad(id));
  } catch (error) {
    if (error instanceof SecretsFault) return null;
    throw error;
  }
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

function edited(desk: Desk, was: SubscriberRecord, given: Given, nasId: number | null): SubscriberRecord {
  const plain = Object.fromEntries(
    PLAIN.flatMap((field) => (given[field] === undefined ? [] : [[field, given[field]]])),
  );
  const { password } = given;
  const passwordSealed =
    password === undefined ? was.passwordSealed : desk.sealer.seal(password, subscriberPasswordAad(was.id));
  return { ...was, ...plain, passwordSealed, nasId };
}
