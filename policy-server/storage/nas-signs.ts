import {
  GAP_BUCKETS,
  NAS_COUNTS,
  NAS_INSTANTS,
  type NasCount,
  type NasCounts,
  type NasInstants,
  type NasSigns,
} from '#domain/nas-signs';
import { DAY, type Instant, MINUTE } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** Counts are kept for each quarter of an hour: what was mended an hour ago is told apart from what is so now. */
export const SLOT_MS = 15 * MINUTE;
/** So long they are kept. */
export const SIGNS_KEPT_MS = 8 * DAY;

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const COUNTS = NAS_COUNTS.map(snake);
const INSTANTS = NAS_INSTANTS.map(snake);
const places = (from: number, names: readonly string[], type: string): string =>
  names.map((_, at) => `$${from + at}::${type}[]`).join(', ');

/** Of a NAS that was taken away meanwhile nothing is kept. Rows are locked in the order of their keys. */
const ROUTERS = `
insert into nas_router as r (nas_id, address, first_at, identity, skew_ms, skew_at, ${INSTANTS.join(', ')})
select g.nas_id, g.address, $3::timestamptz, g.identity, g.skew_ms, g.skew_at, ${INSTANTS.map((name) => `g.${name}`).join(', ')}
  from unnest($1::int[], $2::inet[], $4::text[], $5::bigint[], $6::timestamptz[], ${places(7, INSTANTS, 'timestamptz')})
       as g (nas_id, address, identity, skew_ms, skew_at, ${INSTANTS.join(', ')})
  join nas on nas.id = g.nas_id
 order by g.nas_id, g.address
on conflict (nas_id, address) do update set
  identity = coalesce(excluded.identity, r.identity),
  skew_ms = case when excluded.skew_at >= coalesce(r.skew_at, '-infinity') then excluded.skew_ms else r.skew_ms end,
  skew_at = greatest(r.skew_at, excluded.skew_at),
  ${INSTANTS.map((name) => `${name} = greatest(r.${name}, excluded.${name})`).join(', ')}`;

/** Gaps come as one long array, `GAP_BUCKETS` of it for each row: SQL has no arrays of arrays of unlike length. */
const SIGNS = `
insert into nas_signs as s (nas_id, address, slot, gaps, ${COUNTS.join(', ')})
select g.nas_id, g.address, $3::timestamptz, ($4::bigint[])[(g.n - 1) * ${GAP_BUCKETS} + 1 : g.n * ${GAP_BUCKETS}], ${COUNTS.map((name) => `g.${name}`).join(', ')}
  from unnest($1::int[], $2::inet[], ${places(5, COUNTS, 'int')}) with ordinality
       as g (nas_id, address, ${COUNTS.join(', ')}, n)
  join nas on nas.id = g.nas_id
 order by g.nas_id, g.address
on conflict (nas_id, address, slot) do update set
  gaps = add_sums(s.gaps, excluded.gaps),
  ${COUNTS.map((name) => `${name} = s.${name} + excluded.${name}`).join(', ')}`;

/** Adds what was seen to what is known, at `at`. No two of `seen` may be of the same router. */
export async function recordNasSigns(q: Queryable, seen: readonly NasSigns[], at: Instant): Promise<void> {
  if (seen.length === 0) return;
  const routers = [seen.map(({ nasId }) => nasId), seen.map(({ nasAddress }) => nasAddress)];
  await q.execute(
    ROUTERS,
    [
      ...routers,
      timestamp(at),
      seen.map(({ identity }) => identity?.replaceAll('\0', '\ufffd') ?? null),
      seen.map(({ skew }) => (skew === null ? null : Math.round(skew.ms))),
      seen.map(({ skew }) => timestamp(skew?.at ?? null)),
      ...NAS_INSTANTS.map((name) => seen.map((signs) => timestamp(signs[name]))),
    ],
    'nas-router-record',
  );
  await q.execute(
    SIGNS,
    [
      ...routers,
      timestamp(at - (at % SLOT_MS)),
      seen.flatMap(({ gaps }) => Array.from({ length: GAP_BUCKETS }, (_, bucket) => gaps[bucket] ?? 0)),
      ...NAS_COUNTS.map((name) => seen.map(({ counts }) => counts[name] ?? 0)),
    ],
    'nas-signs-record',
  );
}

/** What is known of one router, an address that a NAS has spoken from. */
export type KnownRouter = NasInstants & {
  readonly nasId: number;
  readonly address: string;
  readonly identity: string | null;
  readonly firstAt: Instant;
  readonly skewMs: number | null;
  readonly skewAt: Instant | null;
};

/** What one router did over a span of time. */
export type CountedRouter = {
  readonly nasId: number;
  readonly address: string;
  readonly counts: NasCounts;
  readonly gaps: readonly number[];
};

/** Every router of a NAS, or with null of all of them, by its address; addresses that the NAS has no more are left out. */
export async function knownRouters(q: Queryable, nasId: number | null): Promise<KnownRouter[]> {
  return q.query<KnownRouter>(
    `select nas_id as "nasId", host(address) as address, identity, first_at as "firstAt", skew_ms as "skewMs", skew_at as "skewAt",
            ${NAS_INSTANTS.map((name) => `${snake(name)} as "${name}"`).join(', ')}
       from nas_router where ($1::int is null or nas_id = $1)
        and address <<= (select nas.address from nas where nas.id = nas_id) order by nas_id, nas_router.address`,
    [nasId],
  );
}

/** Their counts since an instant, those who did nothing left out. */
export async function countedRouters(q: Queryable, nasId: number | null, since: Instant): Promise<CountedRouter[]> {
  const rows = await q.query<{ nasId: number; address: string; gaps: number[] } & Record<NasCount, number>>(
    `with chosen as (select * from nas_signs where ($1::int is null or nas_id = $1) and slot >= $2::timestamptz),
     summed as (select nas_id, address, ${COUNTS.map((name) => `sum(${name})::bigint as ${name}`).join(', ')} from chosen group by 1, 2),
     placed as (select nas_id, address, place, sum(gap)::bigint as gap
                  from chosen, unnest(gaps) with ordinality as u (gap, place) group by 1, 2, 3),
     gapped as (select nas_id, address, array_agg(gap order by place) as gaps from placed group by 1, 2)
     select nas_id as "nasId", host(address) as address, gaps, ${NAS_COUNTS.map((name) => `${snake(name)} as "${name}"`).join(', ')}
       from summed join gapped using (nas_id, address)`,
    [nasId, timestamp(since - (since % SLOT_MS))],
  );
  return rows.map(({ nasId: id, address, gaps, ...counts }) => ({ nasId: id, address, gaps, counts }));
}

/** The live sessions of a router, as far as they tell something of it. */
export type RouterSessions = {
  readonly nasId: number;
  readonly address: string;
  readonly live: number;
  /** Silent for longer than `silentMs`. */
  readonly silent: number;
  /** When the first of those that are live began. */
  readonly oldestAt: Instant;
  /** Heard of by an interim at least. */
  readonly reported: number;
  /** Of these, those without Framed-IP-Address. */
  readonly withoutAddress: number;
  /** Those with more than 50 MB, by which way most of it went. */
  readonly downloading: number;
  readonly uploading: number;
};

const TELLING_BYTES = 50 * 2 ** 20;

export async function sessionsOfRouters(
  q: Queryable,
  nasId: number | null,
  now: Instant,
  silentMs: number,
): Promise<RouterSessions[]> {
  return q.query<RouterSessions>(
    `select nas_id as "nasId", host(nas_address) as address, count(*) as live, min(started_at) as "oldestAt",
            count(*) filter (where heard_at < $2::timestamptz) as silent,
            count(*) filter (where seconds > 0) as reported,
            count(*) filter (where seconds > 0 and framed_ip is null) as "withoutAddress",
            count(*) filter (where up_bytes + down_bytes > ${TELLING_BYTES} and down_bytes >= up_bytes) as downloading,
            count(*) filter (where up_bytes + down_bytes > ${TELLING_BYTES} and down_bytes < up_bytes) as uploading
       from session where ended_at is null and ($1::int is null or nas_id = $1) group by nas_id, nas_address`,
    [nasId, timestamp(now - silentMs)],
  );
}

/** What came of Disconnects that a router acknowledged. */
export type Disconnects = {
  readonly nasId: number;
  /** Null where nothing is known of the session any more. */
  readonly address: string | null;
  readonly acknowledged: number;
  /** The session was heard of again. */
  readonly survived: number;
  /** The line was online again within three minutes. */
  readonly redialled: number;
};

/** An acknowledged end is judged after so long: then the line should be back. */
const REDIAL_MS = 3 * MINUTE;
/** Of each NAS the newest so many. */
const DISCONNECTS = 100;

export async function disconnectsOf(
  q: Queryable,
  nasId: number | null,
  since: Instant,
  now: Instant,
): Promise<Disconnects[]> {
  return q.query<Disconnects>(
    `select a.nas_id as "nasId", host(coalesce(s.nas_address, h.nas_address)) as address, count(*) as acknowledged,
            count(*) filter (where s.ended_at is null and s.heard_at > a.at + interval '30 seconds') as survived,
            count(*) filter (where exists (
              select from session n where n.username = (select username from subscriber where id = a.subscriber_id)
                 and n.started_at between a.at - interval '5 seconds' and a.at + $4 * interval '1 millisecond' and n.key <> a.session_key)
              or exists (
              select from session_history n where n.subscriber_id = a.subscriber_id and n.ended_at > a.at
                 and n.started_at between a.at - interval '5 seconds' and a.at + $4 * interval '1 millisecond' and n.key <> a.session_key)
            ) as redialled
       from nas cross join lateral (
         select * from enforcement_act e where e.nas_id = nas.id and e.act = 'disconnect' and e.outcome = 'ack'
            and e.at between $2::timestamptz and $3::timestamptz order by e.id desc limit ${DISCONNECTS}) a
       left join session s on s.key = a.session_key
       left join lateral (select nas_address from session_history where key = a.session_key limit 1) h on s.key is null
      where $1::int is null or nas.id = $1 group by 1, 2`,
    [nasId, timestamp(since), timestamp(now - REDIAL_MS), REDIAL_MS],
  );
}

/** What each of these sessions was last told and when; those in the history are left out. */
export async function toldOfSessions(
  q: Queryable,
  keys: readonly string[],
): Promise<{ readonly key: string; readonly told: string; readonly at: Instant }[]> {
  if (keys.length === 0) return [];
  return q.query(
    `select key, told_live as told, told_at as at from session
      where key = any($1::text[]) and told_live is not null and told_at is not null`,
    [keys],
    'nas-signs-told',
  );
}
