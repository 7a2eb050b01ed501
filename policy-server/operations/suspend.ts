import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import { findSubscriber, setSuspension } from '#storage/subscribers';

/**
 * Suspends a subscriber by an admin's act: the live session is ended and dials are rejected until `resume`.
 * `changed` is false when that was so already; `since` then is the earlier instant.
 *
 * @throws InvalidInput when there is nobody of that user name
 */
export async function suspend(desk: Desk, username: string): Promise<{ changed: boolean; since: Instant }> {
  return change(desk.db, { actor: desk.actor, why: 'suspend', detail: { username } }, async (tx) => {
    const subscriber = (await findSubscriber(tx, username, 'lock')) ?? noSuchSubscriber(username);
    if (subscriber.suspendedAt !== null) return { changed: false, since: subscriber.suspendedAt };
    const since = desk.clock();
    await setSuspension(tx, subscriber.id, since);
    await tx.mark([subscriber.id]);
    return { changed: true, since };
  });
}
