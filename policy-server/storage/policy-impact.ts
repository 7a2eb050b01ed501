import type { ImpactNas, ImpactSession, RepliedLine } from '#domain/policy-impact';
import { toldFrom } from '#domain/reconcile';
import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';

/** A live session, as far as a change of policy touches it. */
export type TouchedSession = ImpactSession & { readonly subscriberId: number | null };

type Row = Omit<TouchedSession, 'told' | 'endAsked'> & {
  readonly live: string | null;
  readonly fixed: string | null;
  readonly endAskedAt: Instant | null;
};

/** Every live session, read from end to end: in the order of their subscribers, those of nobody last. */
export async function touchedSessions(q: Queryable): Promise<TouchedSession[]> {
  const rows = await q.query<Row>(
    `select id as "sessionId", nas_id as "nasId", host(nas_address) as "nasAddress", subscriber_id as "subscriberId",
            told_live as live, told_fixed as fixed, ending_since as "endingSince", end_asked_at as "endAskedAt"
       from session where ended_at is null order by subscriber_id`,
    [],
    'impact-sessions',
  );
  return rows.map((row) => ({
    sessionId: row.sessionId,
    nasId: row.nasId,
    nasAddress: row.nasAddress,
    subscriberId: row.subscriberId,
    told: toldFrom(row.live, row.fixed),
    endingSince: row.endingSince,
    endAsked: row.endAskedAt === null ? null : { at: row.endAskedAt, reason: '' },
  }));
}

/** Every NAS by its number. */
export async function touchedNases(q: Queryable): Promise<Map<number, ImpactNas>> {
  const rows = await q.query<ImpactNas & { readonly id: number }>(
    'select id, name, tags, vendor, coa_per_second as "coaPerSecond" from nas',
    [],
    'impact-nases',
  );
  return new Map(rows.map(({ id, ...nas }) => [id, nas]));
}

/** How many static addresses each subscriber has at which NAS; those that are on their way out do not count. */
export function countStaticAddresses(
  q: Queryable,
): Promise<{ readonly subscriberId: number; readonly nasId: number; readonly count: number }[]> {
  return q.query(
    `select subscriber_id as "subscriberId", nas_id as "nasId", count(*)::int as count
       from static_address where removed_at is null group by 1, 2 order by 1, 2`,
    [],
    'impact-addresses',
  );
}

/** How many subscribers there are, for a progress bar. */
export async function countSubscribers(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*)::int as count from subscriber', []);
  return row!.count;
}

/** What a dial is told of these subscribers' own lines. */
export async function linesOf(q: Queryable, ids: readonly number[]): Promise<Map<number, RepliedLine>> {
  const rows = await q.query<RepliedLine & { readonly id: number }>(
    `select id, mac, session_limit as "sessionLimit", host(static_ip) as "staticIp",
            framed_ipv6_prefix as "framedIpv6Prefix", delegated_ipv6_prefix as "delegatedIpv6Prefix"
       from subscriber where id = any($1::bigint[])`,
    [ids],
    'impact-lines',
  );
  return new Map(rows.map(({ id, ...line }) => [id, line]));
}
