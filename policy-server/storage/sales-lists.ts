import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import {
  Bound,
  conditions,
  countUpTo,
  type Listed,
  type Page,
  STREAM_CHUNK,
  searchCondition,
  slice,
} from '#storage/paging';
import { inForce } from '#storage/standing';

/** A grant with whose it is, as the page "subscriptions" shows it. */
export type ListedSubscription = {
  readonly id: number;
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly planId: number;
  readonly plan: string;
  readonly from: Instant;
  /** As sold; it is over at `revokedAt` when that is earlier. */
  readonly until: Instant;
  readonly revokedAt: Instant | null;
  readonly state: SubscriptionState;
  readonly usedBytes: number;
  readonly allowanceBytes: number | null;
  /** The number of the purchase it was bought with; null = granted by hand or imported. */
  readonly purchase: string | null;
};

export const SUBSCRIPTION_STATES = ['in-force', 'to-come', 'ended'] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

export type SubscriptionFilter = {
  /** See `searchCondition`. */
  readonly search?: string;
  /** The plan in any of its revisions. */
  readonly planId?: number;
  readonly state?: SubscriptionState;
  /** In force, and over before this instant. */
  readonly endsBefore?: Instant;
};

const UNTIL = 'least(g.ends_at, g.revoked_at)';

const SUBSCRIPTION_ORDER: Readonly<Record<SubscriptionState | 'any', string>> = {
  'in-force': `${UNTIL}, g.id`,
  'to-come': 'g.starts_at, g.id',
  ended: `${UNTIL} desc, g.id desc`,
  any: 'g.id desc',
};

/** In force: the next to end first. To come: the next to begin. Ended: the last ended. All: the newest. */
export async function listSubscriptions(
  q: Queryable,
  options: SubscriptionFilter & Page & { readonly now: Instant },
): Promise<Listed<ListedSubscription>> {
  const bound = new Bound();
  const { from, state } = subscriptions(bound, options, options.now);
  const counted = await countUpTo(q, from, bound.values);
  const order = options.endsBefore === undefined ? (options.state ?? 'any') : 'in-force';
  const page = `select g.id from ${from} order by ${SUBSCRIPTION_ORDER[order]} ${slice(options)}`;
  const rows = await q.query<ListedSubscription>(
    subscriptionRows(page, state, SUBSCRIPTION_ORDER[order]),
    bound.values,
  );
  return { rows, ...counted };
}

/** One grant as the list shows it; null when there is none of that number. */
export async function findSubscription(q: Queryable, id: number, now: Instant): Promise<ListedSubscription | null> {
  const bound = new Bound();
  const { state } = subscriptions(bound, {}, now);
  const page = `select g.id from grants g where g.id = ${bound.add(id)}`;
  const [row] = await q.query<ListedSubscription>(subscriptionRows(page, state, 'g.id'), bound.values);
  return row ?? null;
}

export async function* streamSubscriptions(
  q: Queryable,
  filter: SubscriptionFilter,
  now: Instant,
): AsyncGenerator<ListedSubscription[], void, void> {
  yield* chunks((after) => {
    const bound = new Bound();
    const { from, state } = subscriptions(bound, filter, now, after);
    const page = `select g.id from ${from} order by g.id limit ${STREAM_CHUNK}`;
    return q.query<ListedSubscription>(subscriptionRows(page, state, 'g.id'), bound.values);
  });
}

function subscriptions(bound: Bound, filter: SubscriptionFilter, at: Instant, after?: number) {
  const now = bound.add(timestamp(at));
  const is: Readonly<Record<SubscriptionState, string>> = {
    'in-force': inForce(now),
    'to-come': `(g.starts_at > ${now}::timestamptz and ${UNTIL} > g.starts_at)`,
    ended: `(${UNTIL} <= greatest(${now}::timestamptz, g.starts_at))`,
  };
  // The instant stands in every form of the statement, so that its type is always known.
  const where = [`${now}::timestamptz is not null`];
  if (after !== undefined) where.push(`g.id > ${bound.add(after)}`);
  if (filter.state !== undefined) where.push(is[filter.state]);
  if (filter.endsBefore !== undefined)
    where.push(is['in-force'], `${UNTIL} < ${bound.add(timestamp(filter.endsBefore))}::timestamptz`);
  if (filter.planId !== undefined)
    where.push(
      `g.plan_revision_id = any(array(select id from plan_revision where plan_id = ${bound.add(filter.planId)}))`,
    );
  const whose = subscriberCondition(bound, filter.search, 'g.subscriber_id');
  if (whose !== null) where.push(whose);
  const state = `case when ${is['in-force']} then 'in-force' when ${is['to-come']} then 'to-come' else 'ended' end`;
  return { from: `grants g ${conditions(where)}`, state };
}

const subscriptionRows = (page: string, state: string, order: string): string =>
  `select g.id, g.subscriber_id as "subscriberId", s.username, s.name, plan.id as "planId", plan.name as plan,
          g.starts_at as "from", g.ends_at as "until", g.revoked_at as "revokedAt", ${state} as state,
          g.used_bytes as "usedBytes", r.allowance_bytes as "allowanceBytes", purchase.number as purchase
     from (${page}) page join grants g on g.id = page.id join subscriber s on s.id = g.subscriber_id
          join plan_revision r on r.id = g.plan_revision_id join plan on plan.id = r.plan_id
          left join purchase on purchase.grant_id = g.id
    order by ${order}`;

/** A purchase with whose it is, as the page of orders shows it. */
export type ListedPurchase = {
  readonly id: number;
  readonly number: string;
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly plan: string;
  readonly priceRupiah: number;
  /** What its invoice asks, with tax, discounts and what is given back for the package before; else the price. */
  readonly askedRupiah: number;
  readonly state: PurchaseState;
  readonly orderedAt: Instant;
  readonly orderedBy: string;
  readonly expiresAt: Instant;
  readonly cancelledAt: Instant | null;
  readonly grantedAt: Instant | null;
  /** Received for it so far, and by which methods. */
  readonly paidRupiah: number;
  readonly methods: readonly string[];
};

export const PURCHASE_STATES = ['waiting', 'expired', 'cancelled', 'done'] as const;
export type PurchaseState = (typeof PURCHASE_STATES)[number];

export type PurchaseFilter = {
  /** A purchase number, or what finds its subscriber (`searchCondition`). */
  readonly search?: string;
  readonly state?: PurchaseState;
  /** Ordered from … until just before … */
  readonly from?: Instant;
  readonly to?: Instant;
};

/** The newest order first. */
export async function listPurchases(
  q: Queryable,
  options: PurchaseFilter & Page & { readonly now: Instant },
): Promise<Listed<ListedPurchase>> {
  const bound = new Bound();
  const { from, state } = purchases(bound, options, options.now);
  const counted = await countUpTo(q, from, bound.values);
  const page = `select p.id from ${from} order by p.id desc ${slice(options)}`;
  const rows = await q.query<ListedPurchase>(purchaseRows(page, state, 'p.id desc'), bound.values);
  return { rows, ...counted };
}

export async function* streamPurchases(
  q: Queryable,
  filter: PurchaseFilter,
  now: Instant,
): AsyncGenerator<ListedPurchase[], void, void> {
  yield* chunks((after) => {
    const bound = new Bound();
    const { from, state } = purchases(bound, filter, now, after);
    const page = `select p.id from ${from} order by p.id limit ${STREAM_CHUNK}`;
    return q.query<ListedPurchase>(purchaseRows(page, state, 'p.id'), bound.values);
  });
}

function purchases(bound: Bound, filter: PurchaseFilter, at: Instant, after?: number) {
  const now = bound.add(timestamp(at));
  const open = 'p.cancelled_at is null and p.grant_id is null';
  const is: Readonly<Record<PurchaseState, string>> = {
    waiting: `${open} and p.expires_at > ${now}::timestamptz`,
    expired: `${open} and p.expires_at <= ${now}::timestamptz`,
    cancelled: 'p.cancelled_at is not null',
    done: 'p.grant_id is not null',
  };
  const where = [`${now}::timestamptz is not null`];
  if (after !== undefined) where.push(`p.id > ${bound.add(after)}`);
  if (filter.state !== undefined) where.push(is[filter.state]);
  if (filter.from !== undefined) where.push(`p.ordered_at >= ${bound.add(timestamp(filter.from))}::timestamptz`);
  if (filter.to !== undefined) where.push(`p.ordered_at < ${bound.add(timestamp(filter.to))}::timestamptz`);
  const number = filter.search?.trim().toUpperCase() ?? '';
  if (/^P-[0-9A-Z]{8}$/.test(number)) where.push(`p.number = ${bound.add(number)}`);
  else {
    const whose = subscriberCondition(bound, filter.search, 'p.subscriber_id');
    if (whose !== null) where.push(whose);
  }
  const state = `case when p.grant_id is not null then 'done' when p.cancelled_at is not null then 'cancelled'
                      when p.expires_at <= ${now}::timestamptz then 'expired' else 'waiting' end`;
  return { from: `purchase p ${conditions(where)}`, state };
}

const purchaseRows = (page: string, state: string, order: string): string =>
  `select p.id, p.number, p.subscriber_id as "subscriberId", s.username, s.name, plan.name as plan,
          p.price_rupiah as "priceRupiah",
          coalesce(invoice.total_rupiah - invoice.credited_rupiah, p.price_rupiah) as "askedRupiah", ${state} as state, p.ordered_at as "orderedAt", p.ordered_by as "orderedBy",
          p.expires_at as "expiresAt", p.cancelled_at as "cancelledAt", p.granted_at as "grantedAt",
          coalesce(paid.rupiah, 0) as "paidRupiah", coalesce(paid.methods, '{}') as methods
     from (${page}) page join purchase p on p.id = page.id join subscriber s on s.id = p.subscriber_id
          join plan_revision r on r.id = p.plan_revision_id join plan on plan.id = r.plan_id
          left join invoice on invoice.purchase_id = p.id
          left join lateral (select sum(amount_rupiah)::bigint as rupiah, array_agg(distinct method) as methods
                               from payment where purchase_id = p.id) paid on true
    order by ${order}`;

/** The condition that `column` is a subscriber found by what was typed; null when nothing was. */
export function subscriberCondition(bound: Bound, typed: string | undefined, column: string): string | null {
  const found = typed === undefined ? null : searchCondition(bound, typed);
  return found === null ? null : `${column} in (select s.id from subscriber s where ${found})`;
}

/** Chunk after chunk in the order of ids; `read` is given the last id of the chunk before. */
export async function* chunks<Row extends { readonly id: number }>(
  read: (after: number) => Promise<Row[]>,
): AsyncGenerator<Row[], void, void> {
  for (let after = 0; ; ) {
    const rows = await read(after);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = last.id;
  }
}
