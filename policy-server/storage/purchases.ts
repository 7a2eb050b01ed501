import type { Period } from '#domain/plan';
import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type PurchaseState = 'waiting' | 'expired' | 'cancelled' | 'done';
export type Begins = 'after' | 'now';

export type NewPurchase = {
  readonly number: string;
  readonly subscriberId: number;
  readonly planRevisionId: number;
  readonly priceRupiah: number;
  readonly begins: Begins;
  readonly orderedBy: string;
  readonly orderedAt: Instant;
  readonly expiresAt: Instant;
  /** Grants that end when this one begins; none when left out. */
  readonly replaces?: readonly number[];
  /** Where its grant ends; after the period of the plan when left out. */
  readonly endsAt?: Instant | null;
};

/** Returns the id; null when the number is somebody's already. */
export async function insertPurchase(q: Queryable, purchase: NewPurchase): Promise<number | null> {
  const [row] = await q.query<{ id: number }>(
    `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, begins, ordered_by, ordered_at, expires_at,
                           replaces, ends_at)
     values ($1, $2, $3, $4, $5, $6, $7::timestamptz, $8::timestamptz, $9, $10::timestamptz) on conflict (number) do nothing returning id`,
    [
      purchase.number,
      purchase.subscriberId,
      purchase.planRevisionId,
      purchase.priceRupiah,
      purchase.begins,
      purchase.orderedBy,
      timestamp(purchase.orderedAt),
      timestamp(purchase.expiresAt),
      purchase.replaces ?? [],
      timestamp(purchase.endsAt ?? null),
    ],
  );
  return row?.id ?? null;
}

/** Cancels what a subscriber ordered and neither paid nor let expire; returns the numbers. */
export async function cancelWaiting(q: Queryable, subscriberId: number, at: Instant, by: string): Promise<string[]> {
  const rows = await q.query<{ id: number; number: string }>(
    `update purchase set cancelled_at = $2::timestamptz, cancelled_by = $3
      where subscriber_id = $1 and cancelled_at is null and grant_id is null and expires_at > $2::timestamptz
      returning id, number`,
    [subscriberId, timestamp(at), by],
  );
  const ids = rows.map((row) => row.id);
  if (ids.length > 0) await voidInvoices(q, ids, at, by);
  return rows.map((row) => row.number);
}

/** Nobody owes what is not wanted any more. */
async function voidInvoices(q: Queryable, purchaseIds: readonly number[], at: Instant, by: string): Promise<void> {
  await q.execute(
    `update invoice set voided_at = $2::timestamptz, voided_by = $3
      where purchase_id = any($1::bigint[]) and settled_at is null and voided_at is null`,
    [purchaseIds, timestamp(at), by],
  );
}

export async function setCancelled(q: Queryable, id: number, at: Instant, by: string): Promise<void> {
  await voidInvoices(q, [id], at, by);
  await q.execute('update purchase set cancelled_at = $2::timestamptz, cancelled_by = $3 where id = $1', [
    id,
    timestamp(at),
    by,
  ]);
}

/** The purchase is done, also one that was cancelled. A grant belongs to one purchase: `purchase_grant_id_key`. */
export async function setGranted(q: Queryable, id: number, grantId: number, at: Instant): Promise<void> {
  await q.execute(
    `update purchase set grant_id = $2, granted_at = $3::timestamptz, cancelled_at = null, cancelled_by = null
      where id = $1`,
    [id, grantId, timestamp(at)],
    'purchase-granted',
  );
}

/** What a change of package replaces, and where it ends; null where there is no such purchase. */
export async function replacedBy(
  q: Queryable,
  id: number,
): Promise<Pick<LockedPurchase, 'replaces' | 'endsAt'> | null> {
  const [row] = await q.query<Pick<LockedPurchase, 'replaces' | 'endsAt'>>(
    'select replaces, ends_at as "endsAt" from purchase where id = $1',
    [id],
    'purchase-replaces',
  );
  return row ?? null;
}

/**
 * The grant of a purchase ends now and the purchase is as before it was paid, so that paying again grants again. What it
 * replaced is as it was too, and a subscription that it changed, as long as no further period has begun. What it was given
 * back for, in a later change of package, ends with it.
 */
export async function takeGrantBack(q: Queryable, id: number, at: Instant): Promise<void> {
  await q.execute(
    `with recursive taken as (
       select id, subscriber_id, grant_id, granted_at, replaces from purchase where id = $1
     ), later as (
       select grant_id from taken union
       select purchase.grant_id from later cross join taken join purchase
           on purchase.subscriber_id = taken.subscriber_id and later.grant_id = any(purchase.replaces)
        where purchase.grant_id is not null
     ), ended as (
       update grants set revoked_at = coalesce(revoked_at, $2::timestamptz) where id in (select grant_id from later)
     ), restored as (
       update grants set revoked_at = null from taken
        where grants.id = any(taken.replaces) and grants.revoked_at = taken.granted_at
     ), back as (
       update subscription set plan_id = revision.plan_id, grant_id = old.id
         from taken join grants old on old.id = any(taken.replaces)
                    join plan_revision revision on revision.id = old.plan_revision_id
        where subscription.grant_id = taken.grant_id and ended_at is null
     )
     update purchase set grant_id = null, granted_at = null where id = $1`,
    [id, timestamp(at)],
  );
}

export type Payment = {
  readonly id: number;
  readonly method: string;
  readonly amountRupiah: number;
  readonly receivedAt: Instant;
  readonly receivedBy: string;
  readonly note: string;
};

/** What a purchase sells, and how it stands: all that settling looks at. */
export type LockedPurchase = {
  readonly id: number;
  readonly number: string;
  readonly subscriberId: number;
  readonly username: string;
  /** How the subscriber is addressed: the name, or the user name of who has none. */
  readonly addressee: string;
  readonly language: Language;
  readonly planRevisionId: number;
  readonly plan: string;
  readonly period: Period;
  readonly allowanceBytes: number | null;
  readonly priceRupiah: number;
  readonly begins: Begins;
  /** Grants that end when this one begins. */
  readonly replaces: readonly number[];
  /** Where the grant ends; null = after the period of the plan. */
  readonly endsAt: Instant | null;
  readonly cancelledAt: Instant | null;
  readonly grantId: number | null;
  readonly from: Instant | null;
  readonly until: Instant | null;
};

/**
 * A purchase with its row and its subscriber's locked, the subscriber first like everywhere, so that nobody else settles,
 * cancels or sells meanwhile.
 */
export const lockPurchase = (q: Queryable, number: string): Promise<LockedPurchase | null> =>
  lockPurchaseWhere(q, 'number', number);

/** `owner-locked`: the caller has the subscriber locked already. */
export const lockPurchaseById = (q: Queryable, id: number, owner?: 'owner-locked'): Promise<LockedPurchase | null> =>
  lockPurchaseWhere(q, 'id', id, owner);

async function lockPurchaseWhere(
  q: Queryable,
  by: 'number' | 'id',
  value: unknown,
  owner?: 'owner-locked',
): Promise<LockedPurchase | null> {
  if (owner === undefined) {
    await q.query(
      `select from subscriber where id = (select subscriber_id from purchase where ${by} = $1) for no key update`,
      [value],
    );
  }
  const [row] = await q.query<
    Omit<LockedPurchase, 'period'> & { periodDays: number | null; periodMonths: number | null }
  >(
    `select purchase.id, number, purchase.subscriber_id as "subscriberId", username, language,
            coalesce(nullif(subscriber.name, ''), username) as addressee, purchase.plan_revision_id as "planRevisionId",
            plan.name as plan, period_days as "periodDays", period_months as "periodMonths",
            revision.allowance_bytes as "allowanceBytes", purchase.price_rupiah as "priceRupiah", begins,
            replaces, purchase.ends_at as "endsAt", cancelled_at as "cancelledAt", grant_id as "grantId", starts_at as "from", grants.ends_at as "until"
       from purchase join subscriber on subscriber.id = purchase.subscriber_id
                     join plan_revision as revision on revision.id = purchase.plan_revision_id
                     join plan on plan.id = plan_id left join grants on grants.id = grant_id
      where purchase.${by} = $1 for no key update of purchase`,
    [value],
    `purchase-lock-by-${by}`,
  );
  if (row === undefined) return null;
  const { periodDays, periodMonths, ...purchase } = row;
  return { ...purchase, period: periodDays === null ? { months: periodMonths! } : { days: periodDays } };
}

/** A plan revision as whoever sells it sees it. */
export type SoldRevision = {
  readonly planId: number;
  readonly plan: string;
  readonly priceRupiah: number;
  /** Not the newest of its plan any more, or the plan is no longer sold. */
  readonly outdated: boolean;
  readonly onPortal: boolean;
};

export async function revisionForSale(q: Queryable, planRevisionId: number): Promise<SoldRevision | null> {
  const [row] = await q.query<SoldRevision>(
    `select plan.id as "planId", plan.name as plan, price_rupiah as "priceRupiah", on_portal as "onPortal",
            retired_at is not null or exists (
              select from plan_revision newer where newer.plan_id = revision.plan_id and newer.revision > revision.revision
            ) as outdated
       from plan_revision as revision join plan on plan.id = plan_id where revision.id = $1`,
    [planRevisionId],
  );
  return row ?? null;
}

/** A purchase as pages show it. */
export type Purchase = {
  readonly id: number;
  readonly number: string;
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly plan: string;
  readonly planRevisionId: number;
  readonly priceRupiah: number;
  /** What its invoice asks, with tax, discounts and what is given back for the package before; else the price. */
  readonly askedRupiah: number;
  readonly begins: Begins;
  readonly state: PurchaseState;
  readonly orderedBy: string;
  readonly orderedAt: Instant;
  readonly expiresAt: Instant;
  readonly cancelledAt: Instant | null;
  readonly cancelledBy: string | null;
  readonly grantedAt: Instant | null;
  readonly grantId: number | null;
  /** The grant's span; null until it is done. */
  readonly from: Instant | null;
  readonly until: Instant | null;
  /** When the grant was taken back, if it was. */
  readonly revokedAt: Instant | null;
  readonly payments: readonly Payment[];
};

/** How a purchase stands: computed from what was done with it, and time. */
export function purchaseState(
  purchase: Pick<Purchase, 'grantId' | 'cancelledAt' | 'expiresAt'>,
  now: Instant,
): PurchaseState {
  if (purchase.grantId !== null) return 'done';
  if (purchase.cancelledAt !== null) return 'cancelled';
  return purchase.expiresAt <= now ? 'expired' : 'waiting';
}

const PURCHASE = `
select purchase.id, purchase.number, purchase.subscriber_id as "subscriberId", username, subscriber.name, plan.name as plan,
       purchase.plan_revision_id as "planRevisionId", purchase.price_rupiah as "priceRupiah",
       coalesce(invoice.total_rupiah - invoice.credited_rupiah, purchase.price_rupiah) as "askedRupiah", begins,
       ordered_by as "orderedBy", ordered_at as "orderedAt", expires_at as "expiresAt", cancelled_at as "cancelledAt",
       cancelled_by as "cancelledBy", granted_at as "grantedAt", grant_id as "grantId", starts_at as "from",
       grants.ends_at as "until", revoked_at as "revokedAt"
  from purchase join subscriber on subscriber.id = purchase.subscriber_id
                join plan_revision as revision on revision.id = purchase.plan_revision_id
                join plan on plan.id = plan_id left join grants on grants.id = grant_id
                left join invoice on invoice.purchase_id = purchase.id`;

export async function purchaseByNumber(q: Queryable, number: string, now: Instant): Promise<Purchase | null> {
  const [purchase] = await purchases(q, `${PURCHASE} where purchase.number = $1`, [number], now);
  return purchase ?? null;
}

/** The number that addresses show. */
export async function purchaseNumberOf(q: Queryable, id: number): Promise<string | null> {
  const [row] = await q.query<{ number: string }>('select number from purchase where id = $1', [id]);
  return row?.number ?? null;
}

/** The newest first. */
export function purchasesOf(q: Queryable, subscriberId: number, limit: number, now: Instant): Promise<Purchase[]> {
  const newest = `${PURCHASE} where purchase.subscriber_id = $1 order by purchase.id desc limit $2`;
  return purchases(q, newest, [subscriberId, limit], now);
}

/** What waits to be paid, the oldest first; of one subscriber, or of all. */
export function openPurchases(
  q: Queryable,
  { limit, subscriberId = null }: { readonly limit: number; readonly subscriberId?: number | null },
  now: Instant,
): Promise<Purchase[]> {
  const open = `${PURCHASE} where cancelled_at is null and grant_id is null and expires_at > $1::timestamptz
     and ($2::bigint is null or purchase.subscriber_id = $2) order by purchase.id limit $3`;
  return purchases(q, open, [timestamp(now), subscriberId, limit], now);
}

async function purchases(q: Queryable, text: string, values: readonly unknown[], now: Instant): Promise<Purchase[]> {
  const rows = await q.query<Omit<Purchase, 'state' | 'payments'>>(text, values);
  if (rows.length === 0) return [];
  const payments = await q.query<Payment & { purchaseId: number }>(
    `select id, purchase_id as "purchaseId", method, amount_rupiah as "amountRupiah", received_at as "receivedAt",
            received_by as "receivedBy", note
       from payment where purchase_id = any($1::bigint[]) order by id`,
    [rows.map((row) => row.id)],
  );
  const of = Map.groupBy(payments, (payment) => payment.purchaseId);
  return rows.map((row) => ({
    ...row,
    state: purchaseState(row, now),
    payments: (of.get(row.id) ?? []).map(({ purchaseId: _, ...payment }) => payment),
  }));
}
