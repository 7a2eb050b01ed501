import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/**
 * The newest payment of a subscriber's that waits for them at a gateway, with a link that is still good: what a payment
 * window may be opened for. Null when there is none.
 */
export async function waitingIntent(q: Queryable, subscriberId: number, now: Instant): Promise<number | null> {
  const [row] = await q.query<{ id: number }>(
    `select id from payment_intent
      where subscriber_id = $1 and closed_at is null and state in ('created', 'pending', 'denied')
        and link_sealed is not null and expires_at > $2::timestamptz
      order by id desc limit 1`,
    [subscriberId, timestamp(now)],
    'intent-waiting',
  );
  return row?.id ?? null;
}

export async function insertOpening(
  tx: Queryable,
  opening: { readonly subscriberId: number; readonly intentId: number; readonly at: Instant; readonly by: string },
): Promise<void> {
  await tx.execute(
    `insert into payment_opening (subscriber_id, intent_id, opened_at, opened_by) values ($1, $2, $3::timestamptz, $4)`,
    [opening.subscriberId, opening.intentId, timestamp(opening.at), opening.by],
  );
}
