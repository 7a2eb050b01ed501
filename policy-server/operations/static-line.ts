import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { overlaps } from '#operations/ipv4-blocks';
import type { Database, Queryable } from '#storage/database';
import { violatedConstraint } from '#storage/database';
import { nasIdsByName } from '#storage/nas';
import { dialersWithin, lockLineAddresses, ownersOfAddresses } from '#storage/subscribers';

/** The NAS of this name. @throws InvalidInput when there is none */
export async function nasNamed(q: Queryable, name: string): Promise<number> {
  const nases = await nasIdsByName(q);
  return nases.get(name) ?? noSuchNas(name, [...nases.keys()]);
}

function noSuchNas(name: string, names: readonly string[]): never {
  throw new InvalidInput([noNasFault(name, names)]);
}

export function noNasFault(name: string, names: readonly string[]): string {
  const offered =
    names.length === 0
      ? say`there is none yet; add one with: nas add`
      : say`there are: ${names.slice(0, 20).join(', ')}`;
  return say`there is no NAS "${name}"; ${offered}`;
}

/** One line for each address of a line that overlaps with another of the same line. */
export function overlapFaults(addresses: readonly string[]): string[] {
  return overlaps(addresses.map((address) => ({ address, by: null }))).map(
    ({ address, with: other }) => say`addresses: ${address} and ${other} overlap; give each address once`,
  );
}

/**
 * Refuses an address of a PPPoE line that a static line has, and the other way round. In a transaction, before the write:
 * until it ends nobody else gives addresses away.
 *
 * @throws InvalidInput naming whose it is
 */
export async function refuseCrossedAddresses(
  tx: Queryable,
  { staticIp, addresses }: { readonly staticIp: string | null; readonly addresses: readonly string[] },
  subscriberId: number | null,
): Promise<void> {
  if (staticIp === null && addresses.length === 0) return;
  await lockLineAddresses(tx);
  const owners = await ownersOfAddresses(tx, staticIp === null ? [] : [staticIp], subscriberId);
  const dialers = await dialersWithin(tx, addresses, subscriberId);
  const faults = [
    ...owners.map(
      ({ given, username }) => say`staticIp ${given} belongs to the line of ${username}; give another address`,
    ),
    ...dialers.map(({ given, held, username }) => say`addresses: ${given} holds ${held}, which belongs to ${username}`),
  ];
  if (faults.length > 0) throw new InvalidInput(faults);
}

/**
 * What to say when a write was refused because an address belongs to another line; null when that was not why. The
 * transaction is over by then, so it is looked up afresh.
 */
export async function addressTaken(
  db: Database,
  error: unknown,
  addresses: readonly string[],
  subscriberId: number | null,
): Promise<InvalidInput | null> {
  if (violatedConstraint(error) !== 'static_address_address_excl') return null;
  const owners = await ownersOfAddresses(db, addresses, subscriberId);
  if (owners.length === 0) return new InvalidInput([say`addresses ${addresses.join(' ')} were just taken; try again`]);
  return new InvalidInput(
    owners.map(({ given, username }) => say`addresses: ${given} belongs to the line of ${username}`),
  );
}
