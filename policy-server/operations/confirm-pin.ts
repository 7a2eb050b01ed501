import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { keepIssuedPin } from '#storage/portal-accounts';

/**
 * The owner keeps the PIN that was issued.
 *
 * @throws InvalidInput when none was issued
 */
export async function confirmPin(desk: Desk, subscriberId: number): Promise<void> {
  await change(desk.db, { actor: desk.actor, why: 'confirm PIN', subscriberId }, async (tx) => {
    if (await keepIssuedPin(tx, subscriberId)) return;
    throw new InvalidInput([say`no PIN was issued to subscriber ${subscriberId}`]);
  });
}
