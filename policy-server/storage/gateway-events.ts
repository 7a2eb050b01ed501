import { createHash } from 'node:crypto';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { gatewayEventAad, type Sealer } from '#storage/secrets';

/** The channel that wakes whoever works the inbox, on every node. The payload says nothing: the table is the message. */
export const PAYMENT_CHANNEL = 'gerbang_payments';

/** What a gateway said, as it said it. */
export type GatewayEvent = {
  readonly gateway: GatewayName;
  readonly receivedAt: Instant;
  /** The sender's address. */
  readonly source: string | null;
  readonly raw: Buffer;
  /** Of an order; null: it is about none, and is only kept. */
  readonly orderId: string | null;
  readonly status: string | null;
};

/**
 * Stores events, each once however often it was sent, in one statement; wakes the nodes. Returns how many are new. Sealed,
 * for what a gateway says may hold the token of a card.
 */
export async function storeEvents(q: Queryable, sealer: Sealer, events: readonly GatewayEvent[]): Promise<number> {
  const digests = events.map(({ raw }) => createHash('sha256').update(raw).digest());
  const aadOf = ({ gateway }: GatewayEvent, at: number) => gatewayEventAad(gateway, digests[at]!.toString('hex'));
  const [row] = await q.query<{ fresh: number }>(
    `with fresh as (
       insert into gateway_event (gateway, received_at, source, raw_sealed, digest, order_id, status, due_at, worked_at, outcome)
       select gateway, at, source, raw, digest, order_id, status, at, case when order_id is null then at end,
              case when order_id is null then 'ignored' end
         from unnest($1::text[], $2::timestamptz[], $3::inet[], $4::bytea[], $5::bytea[], $6::text[], $7::text[])
           as event (gateway, at, source, raw, digest, order_id, status)
       on conflict (gateway, digest) do nothing returning order_id)
     select count(*)::int as fresh,
            case when count(order_id) > 0 then pg_notify('${PAYMENT_CHANNEL}', '')::text end as woken from fresh`,
    [
      events.map(({ gateway }) => gateway),
      events.map(({ receivedAt }) => timestamp(receivedAt)),
      events.map(({ source }) => source),
      events.map((event, at) => sealer.seal(event.raw, aadOf(event, at))),
      digests,
      events.map(({ orderId }) => orderId),
      events.map(({ status }) => status),
    ],
    'gateway-events-store',
  );
  return row!.fresh;
}

/** An order that a gateway said something about; all that was said is worked off by one question. */
export type ToldOrder = {
  readonly gateway: GatewayName;
  readonly orderId: string;
  /** The ids of its events. */
  readonly events: readonly number[];
  /** Of the first of them, this time included. */
  readonly attempts: number;
  readonly receivedAt: Instant;
};

/**
 * Claims the events of up to `limit` orders that are due at `at`, the longest due first. Any number of nodes can claim side
 * by side; a claim that nobody settles lapses at `until`.
 */
export async function claimEvents(
  q: Queryable,
  { gateways, at, until, limit }: { gateways: readonly GatewayName[]; at: Instant; until: Instant; limit: number },
): Promise<ToldOrder[]> {
  return q.query<ToldOrder>(
    `with next as (
       select id from gateway_event
        where worked_at is null and due_at <= $2::timestamptz and (claimed_until is null or claimed_until <= $2::timestamptz)
          and gateway = any($1::text[])
        order by due_at limit $4 for update skip locked),
     claimed as (
       update gateway_event as event set claimed_until = $3::timestamptz, attempts = attempts + 1
         from next where event.id = next.id
       returning event.id, event.gateway, event.order_id, event.attempts, event.received_at)
     select gateway, order_id as "orderId", array_agg(id order by id) as events, max(attempts) as attempts,
            min(received_at) as "receivedAt"
       from claimed group by gateway, order_id order by min(id)`,
    [gateways, timestamp(at), timestamp(until), limit],
    'gateway-events-claim',
  );
}

export type WorkedEvents = { readonly events: readonly number[]; readonly outcome: string };

/** Something came of them: they are done. One statement for many. */
export async function settleEvents(q: Queryable, worked: readonly WorkedEvents[], at: Instant): Promise<void> {
  await q.execute(
    `update gateway_event as event set worked_at = $3::timestamptz, outcome = worked.outcome, error = null, claimed_until = null
       from unnest($1::bigint[], $2::text[]) as worked (id, outcome)
      where event.id = worked.id and event.worked_at is null`,
    [
      worked.flatMap(({ events }) => events),
      worked.flatMap(({ events, outcome }) => events.map(() => outcome)),
      timestamp(at),
    ],
    'gateway-events-settle',
  );
}

/** Nothing could be learned this time. */
export async function postponeEvents(
  q: Queryable,
  events: readonly number[],
  later: { readonly dueAt: Instant; readonly error: string },
): Promise<void> {
  await q.execute(
    `update gateway_event set due_at = $2::timestamptz, error = $3, claimed_until = null
      where id = any($1::bigint[]) and worked_at is null`,
    [events, timestamp(later.dueAt), later.error],
    'gateway-events-postpone',
  );
}

/** How the inbox stands, for whoever watches. */
export type InboxFigures = {
  readonly waiting: number;
  /** Since when the oldest of them waits. */
  readonly oldestAt: Instant | null;
  /** Money that waits for a person. */
  readonly unmatched: number;
};

export async function inboxFigures(q: Queryable): Promise<InboxFigures> {
  const [row] = await q.query<InboxFigures>(
    `select count(*)::int as waiting, min(received_at) as "oldestAt",
            (select count(*)::int from unmatched_money where resolved_at is null) as unmatched
       from gateway_event where worked_at is null`,
    [],
    'inbox-figures',
  );
  return row!;
}

/** What a gateway said of an order, octet for octet, the newest first. */
export async function rawEventsOf(
  q: Queryable,
  sealer: Sealer,
  gateway: GatewayName,
  orderId: string,
): Promise<Buffer[]> {
  const rows = await q.query<{ sealed: Buffer; digest: string }>(
    `select raw_sealed as sealed, encode(digest, 'hex') as digest from gateway_event
      where order_id = $1 and gateway = $2 order by id desc limit 20`,
    [orderId, gateway],
  );
  return rows.map(({ sealed, digest }) => sealer.openBytes(sealed, gatewayEventAad(gateway, digest)));
}

/** When a gateway last told of anything, within `since`; null = not since then. For the page that shows whether it does. */
export async function lastToldAt(q: Queryable, gateway: GatewayName, since: Instant): Promise<Instant | null> {
  const [row] = await q.query<{ at: Instant }>(
    `select received_at as at from gateway_event where gateway = $1 and received_at >= $2::timestamptz
     order by received_at desc limit 1`,
    [gateway, timestamp(since)],
    'gateway-events-last',
  );
  return row?.at ?? null;
}
