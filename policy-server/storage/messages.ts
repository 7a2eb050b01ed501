import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { messageBodyAad, type Sealer } from '#storage/secrets';

/** Notified when a message is queued. */
export const MESSAGE_CHANNEL = 'gerbang_message';

/** What is sealed: the text as it is read, and what it was made of, for transports that only send approved templates. */
export type MessageBody = {
  readonly text: string;
  readonly language: Language;
  readonly values: Readonly<Record<string, string>>;
};

export type NewMessage = {
  /** Where it was taken already (`addressOf`). */
  readonly id?: number;
  readonly subscriberId: number | null;
  /** Digits with the country code. */
  readonly phone: string;
  readonly notice: string;
  readonly body: MessageBody;
  /** No page shows the body. */
  readonly secret: boolean;
  /** A message with this key is queued once, ever; null = each time. */
  readonly onceKey: string | null;
  readonly at: Instant;
  readonly dueAt?: Instant;
  /** From then on it is dropped instead of sent. */
  readonly expiresAt: Instant;
};

/** Puts a message into the outbox, inside the caller's transaction. Returns its id; null when its once key is there already. */
export async function queueMessage(q: Queryable, sealer: Sealer, message: NewMessage): Promise<number | null> {
  const id = message.id ?? (await takeMessageId(q));
  const inserted = await q.query<{ id: number }>(
    `with queued as (
       insert into message (id, subscriber_id, phone, notice, body_sealed, secret, once_key, queued_at, due_at, expires_at)
       overriding system value
       values ($1, $2, $3, $4, $5, $6, $7, $8::timestamptz, $9::timestamptz, $10::timestamptz)
       on conflict (once_key) do nothing returning id
     )
     select id, pg_notify('${MESSAGE_CHANNEL}', '')::text from queued`,
    [
      id,
      message.subscriberId,
      message.phone,
      message.notice,
      sealBody(sealer, id, message.body),
      message.secret,
      message.onceKey,
      timestamp(message.at),
      timestamp(message.dueAt ?? message.at),
      timestamp(message.expiresAt),
    ],
    'message-queue',
  );
  return inserted.length > 0 ? id : null;
}

async function takeMessageId(q: Queryable): Promise<number> {
  const [taken] = await q.query<{ id: number }>(`select nextval(pg_get_serial_sequence('message', 'id')) as id`);
  return taken!.id;
}

const sealBody = (sealer: Sealer, id: number, body: MessageBody): Buffer =>
  sealer.seal(JSON.stringify(body), messageBodyAad(id));

/** Bodies of old messages are not kept. */
export const isBodyKept = (sealed: Buffer): boolean => sealed.length > 0;

/** Throws `SecretsFault` like every opening. */
export const openBody = (sealer: Sealer, id: number, sealed: Buffer): MessageBody =>
  JSON.parse(sealer.open(sealed, messageBodyAad(id))) as MessageBody;

/** How far a message came, as pages show it. */
export type MessageState = 'queued' | 'sent' | 'delivered' | 'read' | 'failed' | 'cancelled';

export type MessageTimes = {
  readonly sentAt: Instant | null;
  readonly deliveredAt: Instant | null;
  readonly readAt: Instant | null;
  readonly failedAt: Instant | null;
  readonly cancelledAt: Instant | null;
};

export function messageState(message: MessageTimes): MessageState {
  if (message.cancelledAt !== null) return 'cancelled';
  if (message.failedAt !== null) return 'failed';
  if (message.readAt !== null) return 'read';
  if (message.deliveredAt !== null) return 'delivered';
  return message.sentAt !== null ? 'sent' : 'queued';
}

/** A message as lists show it: never what it says. */
export type ListedMessage = MessageTimes & {
  readonly id: number;
  readonly subscriberId: number | null;
  readonly phone: string;
  readonly notice: string;
  readonly secret: boolean;
  readonly queuedAt: Instant;
  readonly dueAt: Instant;
  readonly expiresAt: Instant;
  readonly attempts: number;
  /** Why it is not sent yet, and why it never will be: a code, then perhaps `: ` and more. */
  readonly waitingFor: string | null;
  readonly failure: string | null;
  readonly transport: string | null;
};

/** The columns of a `ListedMessage`, for every query that lists messages. */
export const LISTED_MESSAGE = `
  message.id, message.subscriber_id as "subscriberId", message.phone, message.notice, message.secret,
  message.queued_at as "queuedAt", message.due_at as "dueAt", message.expires_at as "expiresAt", message.attempts,
  message.waiting_for as "waitingFor", message.failure, message.transport, message.sent_at as "sentAt",
  message.delivered_at as "deliveredAt", message.read_at as "readAt", message.failed_at as "failedAt",
  message.cancelled_at as "cancelledAt"`;

/** The newest messages to a subscriber, newest first. */
export async function messagesOf(q: Queryable, subscriberId: number, limit = 50): Promise<ListedMessage[]> {
  return q.query<ListedMessage>(
    `select ${LISTED_MESSAGE} from message where subscriber_id = $1 order by id desc limit $2`,
    [subscriberId, limit],
  );
}

/** A message with its sealed body; `lock` keeps the dispatcher and others from changing it until the transaction ends. */
export async function findMessage(
  q: Queryable,
  id: number,
  lock: 'lock' | 'read' = 'read',
): Promise<(ListedMessage & { readonly bodySealed: Buffer; readonly claimedUntil: Instant | null }) | null> {
  const [row] = await q.query<ListedMessage & { bodySealed: Buffer; claimedUntil: Instant | null }>(
    `select ${LISTED_MESSAGE}, body_sealed as "bodySealed", claimed_until as "claimedUntil" from message where id = $1
     ${lock === 'lock' ? 'for update' : ''}`,
    [id],
  );
  return row ?? null;
}

/** Where a subscriber is written to, and how they are addressed: by name, or by the user name of who has none. */
export type Recipient = {
  readonly phone: string | null;
  readonly language: Language;
  readonly addressee: string;
};

export async function recipientOf(q: Queryable, subscriberId: number): Promise<Recipient | null> {
  const [row] = await q.query<Recipient>(
    `select phone, language, coalesce(nullif(name, ''), username) as addressee from subscriber where id = $1`,
    [subscriberId],
    'recipient',
  );
  return row ?? null;
}

/** To whom a notice goes and in which words, with an id for its message: all that it takes to queue it, in one statement. */
export async function addressOf(
  q: Queryable,
  subscriberId: number,
  notice: string,
): Promise<(Recipient & { readonly editedText: string | null; readonly messageId: number }) | null> {
  const [row] = await q.query<Recipient & { editedText: string | null; messageId: number }>(
    `select phone, language, coalesce(nullif(name, ''), username) as addressee,
            (select body from message_template edited where edited.notice = $2 and edited.language = subscriber.language) as "editedText",
            nextval(pg_get_serial_sequence('message', 'id')) as "messageId"
       from subscriber where id = $1`,
    [subscriberId, notice],
    'message-address',
  );
  return row ?? null;
}

/** Whether the PIN that a message of `queuedAt` tells is still the one that was issued, and nobody logged in with it yet. */
export async function pinStillNew(q: Queryable, subscriberId: number, queuedAt: Instant): Promise<boolean> {
  const [row] = await q.query<{ fresh: boolean }>(
    `select must_change_pin and issued_at <= $2::timestamptz
            and not exists (select from message where subscriber_id = $1 and secret and queued_at > $2::timestamptz)
            as fresh
       from portal_account where subscriber_id = $1`,
    [subscriberId, timestamp(queuedAt)],
  );
  return row?.fresh ?? false;
}

/** Takes back what was not sent yet of one kind to one subscriber: a newer one replaces it. What is being sent this moment stays. */
export async function cancelQueued(q: Queryable, subscriberId: number, notice: string, at: Instant): Promise<number> {
  return q.execute(
    `update message set cancelled_at = $3::timestamptz
      where subscriber_id = $1 and notice = $2 and ${UNSENT} and claimed_until is null`,
    [subscriberId, notice, timestamp(at)],
  );
}

/** Takes one message back. False when it is sent, being sent, or decided already. */
export async function cancelMessage(q: Queryable, id: number, at: Instant): Promise<boolean> {
  const changed = await q.execute(
    `update message set cancelled_at = $2::timestamptz where id = $1 and ${UNSENT} and claimed_until is null`,
    [id, timestamp(at)],
  );
  return changed > 0;
}

/**
 * Puts a failed or cancelled message back into the queue. Its transport id stays: should it have arrived after all, it
 * is the same message. That it was in doubt is forgotten: whoever asks for this has decided to risk a second one.
 */
export async function requeueMessage(q: Queryable, id: number, at: Instant, expiresAt: Instant): Promise<boolean> {
  const changed = await q.query<{ id: number }>(
    `with requeued as (update message set failed_at = null, failure = null, cancelled_at = null, claimed_until = null, attempts = 0,
            transport = null, waiting_for = null, sent_at = null, due_at = $2::timestamptz, expires_at = $3::timestamptz
      where id = $1 and (failed_at is not null or cancelled_at is not null) and delivered_at is null returning id)
     select id, pg_notify('${MESSAGE_CHANNEL}', '')::text from requeued`,
    [id, timestamp(at), timestamp(expiresAt)],
  );
  return changed.length > 0;
}

/** Neither sent nor decided. */
export const UNSENT = 'sent_at is null and failed_at is null and cancelled_at is null';
