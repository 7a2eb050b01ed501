import type { Rupiah } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import { type Instant, MINUTE } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type IntentState =
  | 'created'
  | 'pending'
  | 'review'
  | 'paid'
  | 'expired'
  | 'denied'
  | 'cancelled'
  | 'failed'
  | 'reversed';

/** One attempt to be paid at a gateway. The link is sealed: whoever has it can see what is paid for. */
export type PaymentIntent = {
  readonly id: number;
  readonly orderId: string;
  readonly gateway: GatewayName;
  readonly subscriberId: number;
  /** null: a top-up. */
  readonly invoiceId: number | null;
  readonly amountRupiah: Rupiah;
  readonly state: IntentState;
  readonly createdAt: Instant;
  readonly claimedUntil: Instant | null;
  readonly gatewayId: string | null;
  readonly linkSealed: Buffer | null;
  readonly expiresAt: Instant | null;
  readonly paidAt: Instant | null;
  /** Its link is no longer offered. */
  readonly closedAt: Instant | null;
  /** The customer asked for the card or wallet to be kept, and it is not yet. */
  readonly saveMethod: boolean;
  /** The saved method that is charged; null: the customer pays by a link. */
  readonly methodId: number | null;
  readonly polls: number;
  /** How it last went at the gateway, in a word of ours; `order-taken`: the order of this id there is somebody else's. */
  readonly lastAnswer: string | null;
};

const INTENT = `
select id, order_id as "orderId", gateway, subscriber_id as "subscriberId", invoice_id as "invoiceId",
       amount_rupiah as "amountRupiah", state, created_at as "createdAt", claimed_until as "claimedUntil", gateway_id as "gatewayId",
       link_sealed as "linkSealed", expires_at as "expiresAt", paid_at as "paidAt", closed_at as "closedAt",
       save_method as "saveMethod", method_id as "methodId", polls, last_answer as "lastAnswer"
  from payment_intent`;

/** An intent with its row and its subscriber's locked, the subscriber first like everywhere. */
export async function lockIntent(tx: Queryable, orderId: string): Promise<PaymentIntent | null> {
  const [row] = await tx.query<PaymentIntent>(
    // The owner is found and locked before the first row is looked at; a row that was changed meanwhile is read anew.
    `with owner as materialized (
       select id from subscriber where id = (select subscriber_id from payment_intent where order_id = $1) for no key update)
     ${INTENT} where order_id = $1 and subscriber_id = (select id from owner) for no key update of payment_intent`,
    [orderId],
    'intent-lock',
  );
  return row ?? null;
}

export async function intentByOrder(q: Queryable, orderId: string): Promise<PaymentIntent | null> {
  const [row] = await q.query<PaymentIntent>(`${INTENT} where order_id = $1`, [orderId], 'intent-by-order');
  return row ?? null;
}

export type NewIntent = {
  readonly orderId: string;
  readonly gateway: GatewayName;
  readonly subscriberId: number;
  readonly invoiceId: number | null;
  readonly amountRupiah: Rupiah;
  readonly createdAt: Instant;
  readonly createdBy: string;
  readonly claimedUntil: Instant | null;
  readonly saveMethod: boolean;
  /** A saved method is charged, without a link: it is asked about from a minute later on, until `expiresAt`. */
  readonly charge?: { readonly methodId: number; readonly expiresAt: Instant };
};

/** Throws a violation of `payment_intent_open` when its invoice has an open one; the caller has the subscriber locked. */
export async function insertIntent(tx: Queryable, intent: NewIntent): Promise<PaymentIntent> {
  await tx.execute(
    `insert into payment_intent (order_id, gateway, subscriber_id, invoice_id, amount_rupiah, created_at, created_by,
                                 claimed_until, save_method, method_id, expires_at, next_poll_at)
     values ($1, $2, $3, $4, $5, $6::timestamptz, $7, $8::timestamptz, $9, $10, $11::timestamptz, $12::timestamptz)`,
    [
      intent.orderId,
      intent.gateway,
      intent.subscriberId,
      intent.invoiceId,
      intent.amountRupiah,
      timestamp(intent.createdAt),
      intent.createdBy,
      timestamp(intent.claimedUntil),
      intent.saveMethod,
      intent.charge?.methodId ?? null,
      timestamp(intent.charge?.expiresAt ?? null),
      timestamp(intent.charge === undefined ? null : nextPollAt(intent.createdAt, intent.createdAt)),
    ],
    'intent-insert',
  );
  return (await intentByOrder(tx, intent.orderId))!;
}

/** The one attempt of an invoice that is not closed, if there is one. */
export async function openIntentOf(q: Queryable, invoiceId: number): Promise<PaymentIntent | null> {
  const [row] = await q.query<PaymentIntent>(
    `${INTENT} where invoice_id = $1 and closed_at is null`,
    [invoiceId],
    'intent-open-of-invoice',
  );
  return row ?? null;
}

/** The newest top-up of an amount that is not closed, if there is one. */
export async function openTopUpOf(
  q: Queryable,
  subscriberId: number,
  amountRupiah: Rupiah,
): Promise<PaymentIntent | null> {
  const [row] = await q.query<PaymentIntent>(
    `${INTENT} where subscriber_id = $1 and invoice_id is null and amount_rupiah = $2 and closed_at is null
      order by id desc limit 1`,
    [subscriberId, amountRupiah],
  );
  return row ?? null;
}

/** The order of the newest top-up, of whatever state; null when there never was one. */
export async function newestTopUpOf(q: Queryable, subscriberId: number): Promise<string | null> {
  const [row] = await q.query<{ orderId: string }>(
    `select order_id as "orderId" from payment_intent where subscriber_id = $1 and invoice_id is null order by id desc limit 1`,
    [subscriberId],
  );
  return row?.orderId ?? null;
}

/** The customer asked for the card or wallet to be kept, and it was not told yet; paid since. */
export async function intentsToKeep(
  q: Queryable,
  since: Instant,
): Promise<{ readonly orderId: string; readonly gateway: GatewayName }[]> {
  return q.query(
    `select order_id as "orderId", gateway from payment_intent
      where save_method and state = 'paid' and paid_at > $1::timestamptz order by paid_at`,
    [timestamp(since)],
    'intents-to-keep',
  );
}

/** It is kept: an event that says so again keeps no second one, nor one that was removed. */
export async function setMethodKept(tx: Queryable, id: number): Promise<void> {
  await tx.execute('update payment_intent set save_method = false where id = $1', [id]);
}

/** How often an invoice was tried to be paid so far. */
export async function countAttempts(q: Queryable, invoiceId: number): Promise<number> {
  const [row] = await q.query<{ count: number }>(
    'select count(*)::int as count from payment_intent where invoice_id = $1',
    [invoiceId],
  );
  return row!.count;
}

/** Somebody asks the gateway for the link of this one until then; null: nobody does any more. */
export async function setClaim(tx: Queryable, id: number, until: Instant | null): Promise<void> {
  await tx.execute('update payment_intent set claimed_until = $2::timestamptz where id = $1', [id, timestamp(until)]);
}

/** The link is there. Where it was stored before it stays as it is. Returns what stands now. */
export async function storeLink(
  q: Queryable,
  intent: Pick<PaymentIntent, 'orderId' | 'createdAt'>,
  link: { readonly sealed: Buffer; readonly gatewayId: string; readonly expiresAt: Instant },
): Promise<PaymentIntent> {
  await q.execute(
    `update payment_intent set link_sealed = $2, gateway_id = $3, expires_at = $4::timestamptz, claimed_until = null,
            next_poll_at = $5::timestamptz
      where order_id = $1 and link_sealed is null`,
    [
      intent.orderId,
      link.sealed,
      link.gatewayId,
      timestamp(link.expiresAt),
      timestamp(nextPollAt(intent.createdAt, intent.createdAt)),
    ],
  );
  return (await intentByOrder(q, intent.orderId))!;
}

/** Its link is no longer offered, unless it was paid; where money may still come by it, it is still asked about (`asking`). */
export async function closeIntent(
  tx: Queryable,
  id: number,
  closing: {
    readonly state: 'failed' | 'cancelled' | 'expired' | null;
    readonly answer: string;
    readonly asking: boolean;
    readonly at: Instant;
  },
): Promise<void> {
  await tx.execute(
    `update payment_intent set state = coalesce($2, state), last_answer = $3, claimed_until = null,
            closed_at = coalesce(closed_at, $5::timestamptz), next_poll_at = case when $4 then next_poll_at end
      where id = $1 and state not in ('paid', 'reversed')`,
    [id, closing.state, closing.answer, closing.asking, timestamp(closing.at)],
  );
}

/** The open links of a subscriber, of invoices that are still to be paid. */
export async function linksOf(
  q: Queryable,
  subscriberId: number,
  now: Instant,
): Promise<
  {
    id: number;
    invoiceId: number;
    gateway: GatewayName;
    amountRupiah: Rupiah;
    linkSealed: Buffer;
    expiresAt: Instant;
  }[]
> {
  return q.query(
    `select intent.id, intent.invoice_id as "invoiceId", gateway, amount_rupiah as "amountRupiah", link_sealed as "linkSealed",
            expires_at as "expiresAt"
       from payment_intent intent join invoice on invoice.id = intent.invoice_id
      where intent.subscriber_id = $1 and closed_at is null and link_sealed is not null and expires_at > $2::timestamptz
        and settled_at is null and voided_at is null`,
    [subscriberId, timestamp(now)],
    'intent-links',
  );
}

/** Minutes after its creation at which an intent is asked about; hourly from then on. */
const POLLS_AFTER_MINUTES = [1, 2, 5, 10, 30];

/** When an intent is asked about next; what was missed meanwhile is not made up for. */
export function nextPollAt(createdAt: Instant, now: Instant): Instant {
  const minutes = POLLS_AFTER_MINUTES.find((after) => createdAt + after * MINUTE > now);
  return minutes === undefined ? now + 60 * MINUTE : createdAt + minutes * MINUTE;
}

/** What is known of an intent by now. `closed` ends its link and the questions about it. */
export async function setIntentState(
  tx: Queryable,
  id: number,
  { state, paidAt = null, closed, at }: { state: IntentState; paidAt?: Instant | null; closed: boolean; at: Instant },
): Promise<void> {
  await tx.execute(
    `update payment_intent set state = $2, paid_at = coalesce($3::timestamptz, paid_at), last_asked_at = $5::timestamptz,
            closed_at = case when $4 then coalesce(closed_at, $5::timestamptz) else closed_at end,
            next_poll_at = case when $4 then null else next_poll_at end
      where id = $1`,
    [id, state, timestamp(paidAt), closed, timestamp(at)],
    'intent-state',
  );
}
