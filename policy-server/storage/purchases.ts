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
};

/** Returns the id; null when the number is somebody's already. */
export async function insertPurchase(q: Queryable, purchase: NewPurchase): Promise<number | null> {
  const [row] = await q.query<{ id: number }>(
    `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, begins, ordered_by, ordered_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7::timestamptz, $8::timestamptz) on conflict (number) do nothing returning id`,
    [
      purchase.number,
      purchase.subscriberId,
      purchase.planRevisionId,
      purchase.priceRupiah,
      purchase.begins,
      purchase.orderedBy,
      timestamp(purchase.orderedAt),
      timestamp(purchase.expiresAt),
    ],
  );
  return row?.id ?? null;
}

/** Cancels what a subscriber ordered and neither paid nor let expire; returns the numbers. */
export async function cancelWaiting(q: Queryable, subscriberId: number, at: Instant, by: string): Promise<string[]> {
  const rows = await q.query<{ number: string }>(
    `update purchase set cancelled_at = $2::timestamptz, cancelled_by = $3
      where subscriber_id = $1 and cancelled_at is null and grant_id is null and expires_at > $2::timestamptz
      returning number`,
    [subscriberId, timestamp(at), by],
  );
  return rows.map((row) => row.number);
}

export async function setCancelled(q: Queryable, id: number, at: Instant, by: string): Promise<void> {
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

export async function insertPayment(
  q: Queryable,
  payment: Omit<Payment, 'id'> & { readonly purchaseId: number; readonly subscriberId: number },
): Promise<void> {
  await q.execute(
    `insert into payment (purchase_id, subscriber_id, method, amount_rupiah, received_at, received_by, note)
     values ($1, $2, $3, $4, $5::timestamptz, $6, $7)`,
    [
      payment.purchaseId,
      payment.subscriberId,
      payment.method,
      payment.amountRupiah,
      timestamp(payment.receivedAt),
      payment.receivedBy,
      payment.note,
    ],
  );
}

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
  readonly cancelledAt: Instant | null;
  readonly grantId: number | null;
  readonly from: Instant | null;
  readonly until: Instant | null;
};

/**
 * A purchase with its row and its subscriber's locked, the subscriber first like everywhere, so that nobody else settles,
 * cancels or sells meanwhile.
 */
export async function lockPurchase(q: Queryable, number: string): Promise<LockedPurchase | null> {
  await q.query(
    `select from subscriber where id = (select subscriber_id from purchase where number = $1) for no key update`,
    [number],
  );
  const [row] = await q.query<
    Omit<LockedPurchase, 'period'> & { periodDays: number | null; periodMonths: number | null }
  >(
    `select purchase.id, number, purchase.subscriber_id as "subscriberId", username, language,
            coalesce(nullif(subscriber.name, ''), username) as addressee, purchase.plan_revision_id as "planRevisionId",
            plan.name as plan, period_days as "periodDays", period_months as "periodMonths",
            revision.allowance_bytes as "allowanceBytes", purchase.price_rupiah as "priceRupiah", begins,
            cancelled_at as "cancelledAt", grant_id as "grantId", starts_at as "from", ends_at as "until"
       from purchase join subscriber on subscriber.id = purchase.subscriber_id
                     join plan_revision as revision on revision.id = purchase.plan_revision_id
                     join plan on plan.id = plan_id left join grants on grants.id = grant_id
      where number = $1 for no key update of purchase`,
    [number],
  );
  if (row === undefined) return null;
  const { periodDays, periodMonths, ...purchase } = row;
  return { ...purchase, period: periodDays === null ? { months: periodMonths! } : { days: periodDays } };
}

/** A plan revision as whoever sells it sees it. */
export type SoldRevision = {
  readonly plan: string;
  readonly priceRupiah: number;
  /** Not the newest of its plan any more, or the plan is no longer sold. */
  readonly outdated: boolean;
  readonly onPortal: boolean;
};

export async function revisionForSale(q: Queryable, planRevisionId: number): Promise<SoldRevision | null> {
  const [row] = await q.query<SoldRevision>(
    `select plan.name as plan, price_rupiah as "priceRupiah", on_portal as "onPortal",
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
select purchase.id, number, purchase.subscriber_id as "subscriberId", username, subscriber.name, plan.name as plan,
       purchase.plan_revision_id as "planRevisionId", purchase.price_rupiah as "priceRupiah", begins,
       ordered_by as "orderedBy", ordered_at as "orderedAt", expires_at as "expiresAt", cancelled_at as "cancelledAt",
       cancelled_by as "cancelledBy", granted_at as "grantedAt", grant_id as "grantId", starts_at as "from",
       ends_at as "until", revoked_at as "revokedAt"
  from purchase join subscriber on subscriber.id = purchase.subscriber_id
                join plan_revision as revision on revision.id = purchase.plan_revision_id
                join plan on plan.id = plan_id left join grants on grants.id = grant_id`;

export async function purchaseByNumber(q: Queryable, number: string, now: Instant): Promise<Purchase | null> {
  const [purchase] = await purchases(q, `${PURCHASE} where number = $1`, [number], now);
  return purchase ?? null;
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
