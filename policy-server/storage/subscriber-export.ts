import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';

/** A subscriber with what is imported of one, and what was bought last. */
export type ExportedSubscriber = {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly billing: string;
  readonly access: string;
  readonly staticIp: string | null;
  readonly mac: string | null;
  readonly nas: string | null;
  readonly addresses: readonly string[];
  readonly address: string;
  readonly notes: string;
  readonly tags: readonly string[];
  readonly language: string;
  readonly portalId: string | null;
  readonly suspendedAt: Instant | null;
  readonly createdAt: Instant;
  /** Of the grant that ends last and was not revoked. */
  readonly plan: string | null;
  readonly coveredUntil: Instant | null;
};

const ROWS_AT_ONCE = 2_000;

/** Everybody, in the order they came; a statement for each 2,000. */
export async function* streamForExport(q: Queryable): AsyncGenerator<ExportedSubscriber, void, void> {
  for (let after = 0; ; ) {
    const rows = await q.query<ExportedSubscriber>(EXPORT, [after, ROWS_AT_ONCE]);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}

const EXPORT = `
select s.id, s.username, s.name, s.phone, s.billing, s.access, host(s.static_ip) as "staticIp", s.mac, nas.name as nas,
       array(select case when masklen(a.address) = 32 then host(a.address) else a.address::text end
               from static_address a where a.subscriber_id = s.id and a.removed_at is null order by a.address) as addresses,
       s.address, s.notes, s.tags, s.language, s.portal_id as "portalId", s.suspended_at as "suspendedAt",
       s.created_at as "createdAt", bought.plan, bought.until as "coveredUntil"
  from subscriber s
  left join nas on nas.id = s.nas_id
  left join lateral (
    select plan.name as plan, grants.ends_at as until
      from grants
      join plan_revision revision on revision.id = grants.plan_revision_id
      join plan on plan.id = revision.plan_id
     where grants.subscriber_id = s.id and grants.revoked_at is null
     order by grants.ends_at desc limit 1) as bought on true
 where s.id > $1 order by s.id limit $2`;
