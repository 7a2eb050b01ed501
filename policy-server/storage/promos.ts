import type { Rupiah } from '#domain/billing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

export type NewPromo = {
  /** Capital letters, digits and dashes. */
  readonly code: string;
  /** One of the two. */
  readonly percent: number | null;
  readonly fixedRupiah: Rupiah | null;
  /** How often it is given to everybody together; null = without end. */
  readonly mostUses: number | null;
  /** How often to one subscriber. */
  readonly mostUsesEach: number;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** Empty = all plans. */
  readonly planIds: readonly number[];
};

export type Promo = NewPromo & { readonly id: number; readonly disabledAt: Instant | null };

const COLUMNS = `promo.id, code, percent, fixed_rupiah as "fixedRupiah", most_uses as "mostUses", most_uses_each as "mostUsesEach",
  starts_at as "startsAt", ends_at as "endsAt", plan_ids as "planIds", disabled_at as "disabledAt"`;

/** `lock` keeps every other transaction from using it until ours ends, so that its limits hold. */
export async function promoByCode(q: Queryable, code: string, lock: 'lock' | 'read'): Promise<Promo | null> {
  const [row] = await q.query<Promo>(
    `select ${COLUMNS} from promo where code = $1 ${lock === 'lock' ? 'for no key update' : ''}`,
    [code],
    `promo-by-code-${lock}`,
  );
  return row ?? null;
}

/**
 * What counts as a use ($1 is now): an invoice with the promo that is paid or still may be. One that was cancelled is none,
 * nor one whose order lapsed without money: whoever forgot to pay may order with the code again.
 */
const USE = `invoice.voided_at is null and (invoice.settled_at is not null or not exists (
  select from purchase where purchase.id = invoice.purchase_id and purchase.expires_at <= $1::timestamptz))`;

/**
 * How often a promo is used, by all and by one subscriber. `as` next: without what they ordered and did not pay, which their
 * next order cancels.
 */
export async function usesOf(
  q: Queryable,
  promoId: number,
  subscriberId: number,
  now: Instant,
  as: 'now' | 'next',
): Promise<{ readonly all: number; readonly own: number }> {
  const [row] = await q.query<{ all: number; own: number }>(
    `select count(*) as "all", count(*) filter (where subscriber_id = $3) as own
       from invoice where promo_id = $2 and ${USE} and not ($4 and subscriber_id = $3 and settled_at is null)`,
    [timestamp(now), promoId, subscriberId, as === 'next'],
    'promo-uses',
  );
  return row!;
}

/** Returns the id. Throws a violation of `promo_code_key`. */
export async function insertPromo(q: Queryable, promo: NewPromo, at: Instant, by: string): Promise<number> {
  const [row] = await q.query<{ id: number }>(
    `insert into promo (code, percent, fixed_rupiah, most_uses, most_uses_each, starts_at, ends_at, plan_ids, created_at, created_by)
     values ($1, $2, $3, $4, $5, $6::timestamptz, $7::timestamptz, $8::int[], $9::timestamptz, $10) returning id`,
    [
      promo.code,
      promo.percent,
      promo.fixedRupiah,
      promo.mostUses,
      promo.mostUsesEach,
      timestamp(promo.startsAt),
      timestamp(promo.endsAt),
      [...promo.planIds],
      timestamp(at),
      by,
    ],
  );
  return row!.id;
}

/** Takes it out of use since `at`, or back into it (null); null when there is no such promo. */
export async function setPromoDisabled(q: Queryable, id: number, at: Instant | null): Promise<Promo | null> {
  const [row] = await q.query<Promo>(
    `update promo set disabled_at = $2::timestamptz where id = $1 returning ${COLUMNS}`,
    [id, timestamp(at)],
  );
  return row ?? null;
}

/** A promo with what came of it. */
export type ListedPromo = Promo & {
  readonly plans: readonly string[];
  readonly uses: number;
  /** Of the uses, those that are paid. */
  readonly paid: number;
  /** What was taken off, on what is paid. */
  readonly givenRupiah: Rupiah;
};

/** The newest first. */
export async function listPromos(q: Queryable, now: Instant): Promise<ListedPromo[]> {
  return q.query<ListedPromo>(
    `with used as (
       select promo_id, count(*) as uses, count(settled_at) as paid,
              coalesce(sum((select -sum(amount_rupiah) from invoice_line where invoice_id = invoice.id and kind = 'discount'))
                filter (where settled_at is not null), 0)::bigint as given
         from invoice where promo_id is not null and ${USE} group by promo_id)
     select listed.*, array(select plan.name from plan where plan.id = any(listed."planIds") order by plan.name) as plans,
            coalesce(uses, 0) as uses, coalesce(paid, 0) as paid, coalesce(given, 0) as "givenRupiah"
       from (select ${COLUMNS} from promo) listed left join used on used.promo_id = listed.id order by listed.id desc`,
    [timestamp(now)],
  );
}
