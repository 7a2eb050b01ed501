import type { Desk } from '#operations/desk';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import { findSubscriber, setSuspension } from '#storage/subscribers';

/**
 * Lifts a suspension. `changed` is false when there was none.
 *
 * @throws InvalidInput when there is nobody of that user name
 */
export async function resume(desk: Desk, username: string): Promise<{ changed: boolean }> {
  return change(desk.db, { actor: desk.actor, why: 'resume', detail: { username } }, async (tx) => {
    const subscriber = (await findSubscriber(tx, username, 'lock')) ?? noSuchSubscriber(username);
    if (subscriber.suspendedAt === null) return { changed: false };
    await setSuspension(tx, subscriber.id, null);
    await tx.mark([subscriber.id]);
    return { changed: true };
  });
}
