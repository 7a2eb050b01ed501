import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { nextPollAt } from '#storage/payment-intents';

/** An order that is asked about because it is time to. */
export type PolledIntent = {
  readonly id: number;
  readonly gateway: GatewayName;
  readonly orderId: string;
  readonly createdAt: Instant;
  /** How often it was asked about so far. */
  readonly polls: number;
};

const POLLED = `intent.id, intent.gateway, intent.order_id as "orderId", intent.created_at as "createdAt", intent.polls`;

/** Claims up to `limit` intents that are due; they are due again at `until`, should nobody settle them. */
export async function claimPolls(
  q: Queryable,
  { gateways, at, until, limit }: { gateways: readonly GatewayName[]; at: Instant; until: Instant; limit: number },
): Promise<PolledIntent[]> {
  return q.query<PolledIntent>(
    `with next as (
       select id from payment_intent where next_poll_at <= $2::timestamptz and gateway = any($1::text[])
        order by next_poll_at limit $4 for no key update skip locked)
     update payment_intent as intent set next_poll_at = $3::timestamptz from next where intent.id = next.id
     returning ${POLLED}`,
    [gateways, timestamp(at), timestamp(until), limit],
    'intents-claim',
  );
}

/** Everything open at a gateway is asked about within `withinMs` from `at`, spread evenly. */
export async function bringPollsForward(
  q: Queryable,
  { gateway, at, withinMs }: { gateway: GatewayName; at: Instant; withinMs: number },
): Promise<void> {
  await q.execute(
    `update payment_intent set next_poll_at = $2::timestamptz + random() * $3 * interval '1 millisecond'
      where gateway = $1 and next_poll_at > $2::timestamptz + $3 * interval '1 millisecond'`,
    [gateway, timestamp(at), withinMs],
  );
}

/** They were asked about; those that are not closed are asked again at their time, or sooner by `everyMs` of their gateway. */
export async function settlePolls(
  q: Queryable,
  asked: readonly (PolledIntent & { readonly answer: string })[],
  at: Instant,
  everyMs: (gateway: GatewayName) => number = () => Infinity,
): Promise<void> {
  await q.execute(
    `update payment_intent as intent
        set polls = asked.polls, last_asked_at = $5::timestamptz, last_answer = asked.answer,
            next_poll_at = case when intent.next_poll_at is not null then asked.next end
       from unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::text[]) as asked (id, polls, next, answer)
      where intent.id = asked.id`,
    [
      asked.map(({ id }) => id),
      asked.map(({ polls }) => polls + 1),
      asked.map(({ gateway, createdAt }) => timestamp(Math.min(nextPollAt(createdAt, at), at + everyMs(gateway)))),
      asked.map(({ answer }) => answer),
      timestamp(at),
    ],
    'intents-settle',
  );
}

/**
 * Up to `limit` intents, created since `since`, whose gateway may say something new of them and that nobody asked about
 * since `askedBefore`; the longest not asked first. Of those that came to nothing a few days ago nothing is expected.
 */
export async function intentsToMatch(
  q: Queryable,
  of: {
    readonly gateways: readonly GatewayName[];
    readonly since: Instant;
    readonly askedBefore: Instant;
    readonly closedSince: Instant;
    readonly limit: number;
  },
): Promise<PolledIntent[]> {
  return q.query<PolledIntent>(
    `select ${POLLED} from payment_intent as intent
      where created_at >= $1::timestamptz and created_at < $2::timestamptz
        and (last_asked_at is null or last_asked_at < $2::timestamptz)
        and (state in ('created', 'pending', 'review', 'denied', 'paid') or closed_at >= $3::timestamptz)
        and last_answer is distinct from 'order-taken' and gateway = any($5::text[])
      order by last_asked_at nulls first, id limit $4`,
    [timestamp(of.since), timestamp(of.askedBefore), timestamp(of.closedSince), of.limit, of.gateways],
    'intents-to-match',
  );
}

/** They were asked about out of turn. */
export async function setAsked(
  q: Queryable,
  asked: readonly { readonly id: number; readonly answer: string }[],
  at: Instant,
): Promise<void> {
  await q.execute(
    `update payment_intent as intent set last_asked_at = $3::timestamptz, last_answer = asked.answer
       from unnest($1::bigint[], $2::text[]) as asked (id, answer) where intent.id = asked.id`,
    [asked.map(({ id }) => id), asked.map(({ answer }) => answer), timestamp(at)],
    'intents-asked',
  );
}
