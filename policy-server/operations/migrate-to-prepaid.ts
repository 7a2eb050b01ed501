import { InvalidInput, Unavailable } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { queueCredentials, withDrawnCredentials, writeCredentials } from '#operations/portal-credentials';
import { endRunning } from '#operations/subscriptions';
import { change } from '#storage/change';
import { insertPrepaidMove, revokeStandingGrants } from '#storage/prepaid-moves';
import { findSubscriberAccount, type SubscriberAccount, setBilling } from '#storage/subscribers';

/** One who was moved, with the PIN, which can be read this once. */
export type Moved = {
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly portalId: string;
  readonly pin: string;
  readonly phone: string | null;
  /** Whether the message with the Portal ID and PIN is in the outbox. */
  readonly messageQueued: boolean;
};

export type Skipped = {
  readonly subscriberId: number;
  /** Empty when there is nobody of that number. */
  readonly username: string;
  readonly why: string;
};

export type Migrated = { readonly moved: readonly Moved[]; readonly skipped: readonly Skipped[] };

export type BulkOptions = {
  /** Called after each subscriber with how many are done. */
  readonly onProgress?: (done: number) => void;
  /** Aborted, no further subscriber is begun. */
  readonly signal?: AbortSignal;
};

/** Subscribers worked on at a time: as many as PINs are hashed at once. */
const AT_ONCE = 2;

/**
 * Moves subscribers from postpaid to prepaid, one transaction each: a Portal ID (an earlier one stays) and a new PIN,
 * the grants that run end now and are kept for `undoPrepaid`, the message is queued. A subscription ends, and what is left of
 * its period becomes credit; undoing starts no new one. ~25 ms of a core each.
 *
 * Whatever happens on the way (an abort, the database out of reach) the answer says who was moved, because their PINs
 * cannot be read again; the others are in `skipped` with the reason. Both are in the order that was given.
 */
export async function migrateToPrepaid(
  desk: Desk,
  subscriberIds: readonly number[],
  { onProgress, signal }: BulkOptions = {},
): Promise<Migrated> {
  const ids = [...new Set(subscriberIds)];
  const results: (Moved | Skipped)[] = [];
  let done = 0;
  const queue = ids.entries();
  const work = async () => {
    for (const [at, subscriberId] of queue) {
      if (signal?.aborted) results[at] = { subscriberId, username: '', why: say`stopped before it was their turn` };
      else {
        results[at] = await moveOne(desk, subscriberId);
        done += 1;
        onProgress?.(done);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return {
    moved: results.filter((one) => 'pin' in one),
    skipped: results.filter((one) => 'why' in one),
  };
}

async function moveOne(desk: Desk, subscriberId: number): Promise<Moved | Skipped> {
  let username = '';
  try {
    const subscriber = await findSubscriberAccount(desk.db, subscriberId);
    if (subscriber === null) return { subscriberId, username, why: say`there is nobody of that number` };
    ({ username } = subscriber);
    if (subscriber.billing === 'prepaid') return { subscriberId, username, why: ALREADY };
    return await move(desk, subscriber);
  } catch (error) {
    // What happened to one must not take away the PINs of those before.
    if (error instanceof InvalidInput) return { subscriberId, username, why: error.message };
    if (error instanceof Unavailable) return { subscriberId, username, why: say`may not be moved: ${error.message}` };
    throw error;
  }
}

const ALREADY = say`is prepaid already`;

function move(desk: Desk, found: SubscriberAccount): Promise<Moved> {
  return withDrawnCredentials(desk, found, (drawn) => {
    const detail: Record<string, unknown> = { username: found.username, portalId: drawn.portalId };
    return change(desk.db, { actor: desk.actor, why: 'migrate to prepaid', detail }, async (tx) => {
      const subscriber = await findSubscriberAccount(tx, found.id, 'lock');
      if (subscriber === null) throw new InvalidInput([say`was removed meanwhile`]);
      if (subscriber.billing === 'prepaid') throw new InvalidInput([ALREADY]);
      const at = desk.clock();
      const subscription = await endRunning(tx, desk, found.id, 'now');
      if (subscription !== null) detail.subscription = subscription;
      const revokedGrants = await revokeStandingGrants(tx, found.id, at);
      detail.revokedGrants = revokedGrants;
      await insertPrepaidMove(tx, { subscriberId: found.id, at, by: desk.actor, revokedGrants });
      await setBilling(tx, found.id, 'prepaid');
      await writeCredentials(tx, found.id, drawn, at);
      const messageQueued = await queueCredentials(tx, desk, { ...subscriber, billing: 'prepaid' }, drawn);
      await tx.mark([found.id]);
      const { username, name, phone } = subscriber;
      return { subscriberId: found.id, username, name, portalId: drawn.portalId, pin: drawn.pin, phone, messageQueued };
    });
  });
}
