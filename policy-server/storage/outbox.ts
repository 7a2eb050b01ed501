import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { isBodyKept, type MessageBody, openBody, UNSENT } from '#storage/messages';
import type { Sealer } from '#storage/secrets';

/** A message that was taken for sending. */
export type ClaimedMessage = {
  readonly id: number;
  /** Chosen before the first try and kept: a second try is the same message to the receiver. */
  readonly transportId: string;
  readonly phone: string;
  readonly notice: string;
  readonly bodySealed: Buffer;
  /** This try included. */
  readonly attempts: number;
  /** An earlier try was begun and nobody knows what came of it. */
  readonly inDoubt: boolean;
  readonly waitingFor: string | null;
  readonly registered: boolean | null;
  readonly checkedAt: Instant | null;
  readonly firstWroteAt: Instant | null;
  readonly lastWroteAt: Instant | null;
};

export type ClaimOptions = {
  readonly transport: string;
  /** Becomes the id of a message that has none yet. */
  readonly transportId: string;
  readonly now: Instant;
  readonly until: Instant;
  /** Only to people who wrote to us. */
  readonly warmOnly: boolean;
};

/**
 * Takes the next due message: what a person waits for at the screen first, then those to people who wrote to us, then in
 * the order they are due. A message in doubt waits for the transport it was begun with. Before anything is written to
 * WhatsApp it is on record with which transport and id.
 */
export async function claimMessage(q: Queryable, options: ClaimOptions): Promise<ClaimedMessage | null> {
  const [row] = await q.query<ClaimedMessage>(CLAIM, [
    options.transport,
    options.transportId,
    timestamp(options.now),
    timestamp(options.until),
    options.warmOnly,
  ]);
  return row ?? null;
}

const CLAIM = `
with next as (
  select message.id, message.transport as begun_with, contact.registered, contact.checked_at, contact.first_wrote_at,
         contact.last_wrote_at
    from message left join whatsapp_contact as contact on contact.phone = message.phone
   where ${UNSENT} and due_at <= $3::timestamptz and expires_at > $3::timestamptz
     and (claimed_until is null or claimed_until <= $3::timestamptz)
     and (transport is null or transport = $1) and (not $5::boolean or contact.first_wrote_at is not null)
   order by case message.notice when 'test' then 0 when 'by-hand' then 1 else 2 end, contact.first_wrote_at is not null desc, due_at, message.id
   limit 1 for update of message skip locked
)
update message
   set claimed_until = $4::timestamptz, attempts = attempts + 1, transport = $1, transport_id = coalesce(transport_id, $2)
  from next where message.id = next.id
returning message.id, transport_id as "transportId", phone, notice, body_sealed as "bodySealed", attempts,
          next.begun_with is not null as "inDoubt", waiting_for as "waitingFor", next.registered,
          next.checked_at as "checkedAt", next.first_wrote_at as "firstWroteAt", next.last_wrote_at as "lastWroteAt"`;

/** `theirId`: the id that WhatsApp gave it instead of ours. */
export async function settleSent(q: Queryable, id: number, at: Instant, theirId: string | null): Promise<void> {
  await q.execute(
    `update message set sent_at = coalesce(sent_at, $2::timestamptz), transport_id = coalesce($3, transport_id),
            claimed_until = null, waiting_for = null
      where id = $1`,
    [id, timestamp(at), theirId],
  );
}

export async function settleFailed(q: Queryable, id: number, reason: string, at: Instant): Promise<void> {
  await q.execute(
    `update message set failed_at = $3::timestamptz, failure = $2, claimed_until = null, waiting_for = null
      where id = $1 and ${UNSENT}`,
    [id, reason, timestamp(at)],
  );
}

/**
 * Not sent this time. `dueAt`: null = it keeps its place in the row. `inDoubt`: or perhaps it was sent, so that only a
 * repetition with the same transport is safe.
 */
export async function settleLater(
  q: Queryable,
  id: number,
  later: { readonly reason: string; readonly dueAt: Instant | null; readonly inDoubt: boolean },
): Promise<void> {
  await q.execute(
    `update message set due_at = coalesce($3::timestamptz, due_at), waiting_for = $2, claimed_until = null,
            transport = case when $4 then transport end
      where id = $1 and ${UNSENT}`,
    [id, later.reason, timestamp(later.dueAt), later.inDoubt],
  );
}

/** The holder of the outbox is new: whatever somebody before held, that one holds no more. */
export async function releaseClaims(q: Queryable): Promise<number> {
  return q.execute(`update message set claimed_until = null where ${UNSENT} and claimed_until is not null`);
}

/** Drops what is too late to be of use; returns how many. */
export async function expireMessages(q: Queryable, now: Instant): Promise<number> {
  return q.execute(
    `update message
        set failed_at = $1::timestamptz, waiting_for = null,
            failure = case when transport is not null then 'unconfirmed'
                           when waiting_for is not null then 'expired: ' || waiting_for else 'expired' end
      where ${UNSENT} and expires_at <= $1::timestamptz and (claimed_until is null or claimed_until <= $1::timestamptz)`,
    [timestamp(now)],
    'outbox-expire',
  );
}

/** How many wait, and when the first of them that is not due yet will be. */
export async function outboxState(q: Queryable, now: Instant): Promise<{ queued: number; nextDueAt: Instant | null }> {
  const [row] = await q.query<{ queued: number; nextDueAt: Instant | null }>(
    `select count(*)::int as queued, min(due_at) filter (where due_at > $1::timestamptz) as "nextDueAt"
       from message where ${UNSENT}`,
    [timestamp(now)],
    'outbox-state',
  );
  return row!;
}

export async function countSentSince(q: Queryable, since: Instant): Promise<number> {
  const [row] = await q.query<{ count: number }>(
    'select count(*)::int as count from message where sent_at >= $1::timestamptz',
    [timestamp(since)],
    'outbox-sent-since',
  );
  return row!.count;
}

/**
 * The receiver's device has the message, or its owner opened it. That proves that it was sent, whatever we believed.
 * False when no message of ours has one of these ids.
 */
export async function recordReceipt(
  q: Queryable,
  transportIds: readonly string[],
  is: 'sent' | 'delivered' | 'read',
  at: Instant,
): Promise<boolean> {
  const changed = await q.execute(
    `update message
        set sent_at = coalesce(sent_at, $3::timestamptz), claimed_until = null, waiting_for = null,
            failed_at = null, failure = null, cancelled_at = null,
            delivered_at = case when $2 <> 'sent' then coalesce(delivered_at, $3::timestamptz) else delivered_at end,
            read_at = case when $2 = 'read' then coalesce(read_at, $3::timestamptz) else read_at end
      where transport_id = any($1::text[])`,
    [transportIds, is, timestamp(at)],
    'message-receipt',
  );
  return changed > 0;
}

/** WhatsApp took the message and said later that it will not arrive. */
export async function recordFailure(
  q: Queryable,
  transportIds: readonly string[],
  reason: string,
  at: Instant,
): Promise<void> {
  await q.execute(
    `update message set failed_at = $3::timestamptz, failure = $2, claimed_until = null, waiting_for = null
      where transport_id = any($1::text[]) and failed_at is null and delivered_at is null and cancelled_at is null`,
    [transportIds, reason, timestamp(at)],
  );
}

/** What a message said, for a receiver that asks for it again; null when it is none of ours or is gone. */
export async function bodyByTransportId(
  q: Queryable,
  sealer: Sealer,
  transportId: string,
): Promise<MessageBody | null> {
  const [row] = await q.query<{ id: number; bodySealed: Buffer }>(
    'select id, body_sealed as "bodySealed" from message where transport_id = $1',
    [transportId],
  );
  return row === undefined || !isBodyKept(row.bodySealed) ? null : openBody(sealer, row.id, row.bodySealed);
}
