import type { Rupiah } from '#domain/billing';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** Whoever recognises holds this until the commit; another node waits and then finds it done. */
export async function lockBooks(tx: Queryable): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('gerbang books', 0))`);
}

/**
 * Moves every settled invoice's `recognised_rupiah` to the share of its service span that has passed at `until`, rounded
 * down to whole rupiah; at the end of the span it is all of it, without the tax. What has no span is earned when it is
 * settled. Returns how many moved and by how much in all; whoever calls books that.
 *
 * An invoice that somebody changes at this moment is left for the next time: what was worked out here is of how it was.
 */
export async function recogniseUntil(
  tx: Queryable,
  until: Instant,
): Promise<{ readonly invoices: number; readonly rupiah: Rupiah }> {
  const [row] = await tx.query<{ invoices: number; rupiah: number }>(RECOGNISE, [timestamp(until)]);
  return row!;
}

/** The tax share is that of `taxOwed`: rounded half up, in whole numbers. */
const RECOGNISE = `
with earned as materialized (
  select id, recognised_rupiah as before, credited_rupiah as credited, settlements,
         case when service_from is null or service_until <= $1::timestamptz then net
              when service_from >= $1::timestamptz then 0
              else div(net * extract(epoch from $1::timestamptz - service_from), extract(epoch from service_until - service_from))
         end::bigint as target
    from invoice cross join lateral (
      select total_rupiah - credited_rupiah - case when total_rupiah = 0 then 0 else
               div(2::numeric * tax_rupiah * (total_rupiah - credited_rupiah) + total_rupiah, 2::numeric * total_rupiah) end as net) owed
   where settled_at < $1::timestamptz and recognised_rupiah < total_rupiah - tax_rupiah
), moved as (
  update invoice set recognised_rupiah = earned.target from earned
   where invoice.id = earned.id and earned.target > earned.before and invoice.recognised_rupiah = earned.before
     and invoice.settled_at is not null and invoice.settlements = earned.settlements
     and invoice.credited_rupiah = earned.credited
  returning earned.target - earned.before as rupiah
)
select count(*) as invoices, coalesce(sum(rupiah), 0)::bigint as rupiah from moved`;
