import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { UNSENT } from '#storage/messages';
import { coverEnd, GRANT_UNTIL, HAS_LEFT, inForce } from '#storage/standing';

/** Whom to write to about which grant. All are prepaid, not suspended, have a phone and no message of this once key yet. */
export type Candidate = {
  readonly subscriberId: number;
  readonly name: string;
  readonly username: string;
  readonly phone: string;
  readonly language: Language;
  readonly plan: string;
  readonly grantId: number;
};

const WHO = `s.id as "subscriberId", s.name, s.username, s.phone, s.language, plan.name as plan`;
/** Whoever is charged by themselves is told by auto-pay. */
const PAYS_ALONE = `exists (select from auto_pay where subscriber_id = s.id and paused_at is null)`;

const REMINDED = `s.billing = 'prepaid' and s.phone is not null and s.phone <> '' and not coalesce(s.suspended_at <= $1::timestamptz, false)`;

/** Another grant takes over where this one ends, so that the cover goes on. */
const GOES_ON = `exists (select from grants l where l.subscriber_id = g.subscriber_id
  and l.starts_at <= ${GRANT_UNTIL} and least(l.ends_at, l.revoked_at) > ${GRANT_UNTIL})`;

const SERVED = (of: string): string => `exists (select from grants g join plan_revision r on r.id = g.plan_revision_id
  where g.subscriber_id = ${of} and ${inForce('$1')} and ${HAS_LEFT})`;

const unsaid = (key: string): string => `not exists (select from message where once_key = ${key})`;

/** With the grant, and when it ends. */
export type EndingGrant = Candidate & { readonly until: Instant };

/**
 * Grants in force that end within so long, with nothing to follow, of who still has something left. One that is shorter than
 * that time, or began within it, is left out: nobody wants to read of the end when buying.
 */
export async function endingSoon(q: Queryable, now: Instant, withinMs: number): Promise<EndingGrant[]> {
  return q.query<EndingGrant>(
    `select ${WHO}, g.id as "grantId", ${GRANT_UNTIL} as until
       from grants g join subscriber s on s.id = g.subscriber_id join plan_revision r on r.id = g.plan_revision_id
            join plan on plan.id = r.plan_id
      where ${inForce('$1')} and ${GRANT_UNTIL} <= $1::timestamptz + $2 * interval '1 millisecond'
        and g.starts_at < ${GRANT_UNTIL} - $2 * interval '1 millisecond'
        and ${REMINDED} and ${unsaid("'ending-soon:' || g.id")} and not ${GOES_ON} and ${SERVED('s.id')} and not ${PAYS_ALONE}
      order by until, g.id`,
    [timestamp(now), withinMs],
  );
}

/** Grants that ended since, and were not revoked, of who has had no cover from then on. */
export async function endedSince(q: Queryable, now: Instant, since: Instant): Promise<EndingGrant[]> {
  return q.query<EndingGrant>(
    `select ${WHO}, g.id as "grantId", g.ends_at as until
       from grants g join subscriber s on s.id = g.subscriber_id join plan_revision r on r.id = g.plan_revision_id
            join plan on plan.id = r.plan_id
      where ${GRANT_UNTIL} > $2::timestamptz and ${GRANT_UNTIL} <= $1::timestamptz and ${GRANT_UNTIL} = g.ends_at
        and ${REMINDED} and ${unsaid("'ended:' || g.id")}
        and not exists (select from grants l where l.subscriber_id = g.subscriber_id and l.starts_at <= $1::timestamptz
                          and (least(l.ends_at, l.revoked_at), l.id) > (${GRANT_UNTIL}, g.id))
      order by until, g.id`,
    [timestamp(now), timestamp(since)],
  );
}

/** With the newest of the grants in force, which names the message, and all of them taken together. */
export type SpentQuota = Candidate & {
  /** The highest of the shares asked about that is reached, in percent. */
  readonly share: number;
  readonly usedBytes: number;
  readonly allowanceBytes: number;
};

/** Who has used one of these shares of all allowances in force together; whoever buys more begins anew. */
export async function quotaReached(q: Queryable, now: Instant, shares: readonly number[]): Promise<SpentQuota[]> {
  if (shares.length === 0) return [];
  return q.query<SpentQuota>(
    `with spent as materialized (
       select g.subscriber_id, max(g.id) as grant_id, sum(g.used_bytes)::bigint as used, sum(r.allowance_bytes)::bigint as allowance,
              100 - 100 * sum(greatest(0, r.allowance_bytes - g.used_bytes)::float8) / sum(r.allowance_bytes::float8) as percent
         from grants g join plan_revision r on r.id = g.plan_revision_id
        where ${inForce('$1')} group by g.subscriber_id
       having not bool_or(r.allowance_bytes is null) and bool_or(g.used_bytes::float8 * 100 >= r.allowance_bytes::float8 * $3::int))
     select ${WHO}, spent.grant_id as "grantId", reached.share, spent.used as "usedBytes", spent.allowance as "allowanceBytes"
       from spent cross join lateral (select max(share) as share from unnest($2::int[]) share where share <= spent.percent) reached
            join subscriber s on s.id = spent.subscriber_id join grants g on g.id = spent.grant_id
            join plan_revision r on r.id = g.plan_revision_id join plan on plan.id = r.plan_id
      where reached.share is not null and ${REMINDED} and ${unsaid("'quota-' || reached.share || ':' || spent.grant_id")}
      order by spent.grant_id`,
    [timestamp(now), [...shares], Math.min(...shares)],
  );
}

/**
 * Takes back reminders that wait to be sent (through the night, through an outage) and are not true any more: their
 * subscriber has bought meanwhile. Returns how many.
 */
export async function cancelOutdated(q: Queryable, now: Instant, withinMs: number): Promise<number> {
  return q.execute(
    `update message m set cancelled_at = $1::timestamptz
      where ${UNSENT} and m.claimed_until is null and m.subscriber_id is not null and case
        when m.notice in ('ended', 'quota-100') then ${SERVED('m.subscriber_id')}
        when m.notice = 'ending-soon' then ${coverEnd('$1', 'm.subscriber_id')} > $1::timestamptz + $2 * interval '1 millisecond'
        else false end`,
    [timestamp(now), withinMs],
  );
}
