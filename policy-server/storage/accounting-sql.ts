/**
 * The statements of the accounting intake. Arrays of numbers travel as PostgreSQL array literals made here (`numbers`): the
 * driver would quote and escape each element, which cost 3 µs a row.
 */

export const numbers = (list: readonly (number | null)[]): string => {
  let text = '{';
  for (let i = 0; i < list.length; i += 1) text += (i === 0 ? '' : ',') + (list[i] ?? 'null');
  return `${text}}`;
};

/**
 * Moves the journal's position from ($2, $3) to ($4, $5), or changes nothing when it is not there: a batch counts once.
 * Also sets, for this transaction, what its other statements want. `synchronous_commit = off`: see `applyBatch`. The rest
 * keeps plans on the indexes: a plan made while `session` was small must not scan it once it is large.
 */
export const CLAIM = `
with settings as materialized (
  select set_config('synchronous_commit', 'off', true), set_config('enable_seqscan', 'off', true),
         set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
)
insert into journal_position as p (journal, segment, "offset")
select $1, $4, $5 from settings
where ($2::bigint = 0 and $3::bigint = 0) or exists (select from journal_position where journal = $1)
on conflict (journal) do update set segment = excluded.segment, "offset" = excluded."offset"
  where p.segment = $2::bigint and p."offset" = $3::bigint
returning 1 as claimed`;

const SESSION_COLUMNS = `s.id, s.key, s.nas_id as "nasId", host(s.nas_address) as "nasAddress",
  s.acct_session_id as "acctSessionId", s.username,
  s.subscriber_id as "subscriberId", s.mac, host(s.framed_ip) as "framedIp", s.nas_port_id as "nasPortId",
  s.started_at as "startedAt", s.heard_at as "heardAt", s.seconds, s.up_bytes as "upBytes", s.down_bytes as "downBytes",
  s.raw_up as "rawUp", s.raw_down as "rawDown", s.day, s.day_up as "dayUp", s.day_down as "dayDown",
  s.told_at as "toldAt", s.confirmed_at as "confirmedAt", s.ending_since as "endingSince", s.ended_at as "endedAt",
  s.cause, array_to_string(s.flags, ',') as flags`;

/** Locked in the order of their ids, so that two intakes (of two nodes) never deadlock over them. */
export const READ_BY_KEY = `select ${SESSION_COLUMNS} from session s where s.key = any($1::text[])
order by s.id for no key update of s`;

export const READ_BY_ID = `select ${SESSION_COLUMNS} from session s
where s.id in (
  select f.id from unnest($1::int[], $2::text[], $3::text[]) q (nas_id, acct_session_id, username)
  join session f on f.nas_id = q.nas_id and f.acct_session_id = q.acct_session_id and f.username = q.username
)
order by s.id for no key update of s`;

/** All but `nas_id`. */
const MOVED = `id, key, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, nas_port_id, started_at,
  heard_at, seconds, up_bytes, down_bytes, raw_up, raw_down, ended_at, cause, flags`;

/**
 * Sessions ($1, by key) that went to the history are heard of again: they come back, with nothing on their running day. One
 * whose NAS was deleted since, and entered anew, belongs to the NAS that speaks of it now ($4).
 */
export const RESTORE_BY_KEY = `
with gone as (
  delete from session_history h where h.key = any($1::text[]) and h.ended_at > $2::timestamptz returning nas_id, ${MOVED}
)
insert into session (nas_id, ${MOVED}, day) overriding system value
select coalesce((select nas.id from nas where nas.id = gone.nas_id), ($4::int[])[array_position($1::text[], gone.key)]),
  ${MOVED}, (gone.heard_at at time zone $3)::date from gone on conflict (key) do nothing`;

/** Which of these NASes there are. */
export const NASES = 'select id from nas where id = any($1::int[])';

/** The same for sessions without Class: all of their router, id and user; which one is meant is told by its times. */
export const HISTORY_BY_PREFIX = `
select h.key, h.started_at as "startedAt", h.heard_at as "heardAt", q.prefix
from unnest($1::text[]) q (prefix)
join session_history h on h.key >= q.prefix and h.key < q.prefix || '~' and h.ended_at > $2::timestamptz`;

export const SUBSCRIBERS = `select id, username from subscriber where username = any($1::text[])`;

/** The grants usage after $2 can be charged to, and what is charged so far where a threshold waits for it. */
export const GRANTS = `
select q.id as "subscriberId", d.valid_below as "validBelow", g.id as "grantId", g.used_bytes as "usedBytes",
  g.metered_at as "meteredAt", array_to_string(g.metered_bases, ',') as "meteredBases",
  g.starts_at as "from", least(g.ends_at, g.revoked_at) as until, r.allowance_bytes as "allowanceBytes",
  r.download_bps as "downloadBps", r.upload_bps as "uploadBps",
  case when d.valid_below is not null
    then (select least(sum(a.used_bytes), 9007199254740991)::bigint from grants a where a.subscriber_id = q.id) end as charged
from unnest($1::bigint[]) q (id)
join grants g on g.subscriber_id = q.id and g.ends_at > $2::timestamptz
join plan_revision r on r.id = g.plan_revision_id
left join due d on d.subscriber_id = q.id`;

const CHARGED = `used_bytes = least(g.used_bytes + u.bytes, 9007199254740991)`;

/**
 * Charges within the periods that run: nothing else changes. Passes by a grant that another node has metered since we read it
 * ($3), for then these bytes may be late.
 */
export const CHARGE = `
update grants g set ${CHARGED}
from unnest($1::bigint[], $2::bigint[], $3::float8[]) u (id, bytes, metered)
where g.id = u.id and g.metered_at is not distinct from to_timestamp(u.metered / 1000)
returning g.id, g.used_bytes as "usedBytes"`;

/**
 * Charges where a period began or a record is late. The bases are of the bytes that we read ($3): passes by a grant that
 * another node has charged since.
 */
export const CHARGE_AND_METER = `
update grants g set ${CHARGED}, metered_at = to_timestamp(u.metered / 1000), metered_bases = array[u.a, u.b, u.c, u.d, u.e, u.f]
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::float8[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::bigint[]) u (id, bytes, used, metered, a, b, c, d, e, f)
where g.id = u.id and g.used_bytes = u.used
returning g.id, g.used_bytes as "usedBytes"`;

/** Grants that were passed by, held until we commit; in one order, so that two nodes never wait for each other. */
export const LOCK_GRANTS = `
select id as "grantId", used_bytes as "usedBytes", metered_at as "meteredAt", array_to_string(metered_bases, ',') as "meteredBases"
from grants where id = any($1::bigint[]) order by id for no key update`;

/** An Interim changes nothing else: no index is touched, so the update stays on its page (HOT). */
export const UPDATE_COUNTERS = `
update session s set heard_at = to_timestamp(u.heard / 1000), seconds = u.seconds, up_bytes = u.up, down_bytes = u.down,
  raw_up = u.raw_up, raw_down = u.raw_down, day_up = u.day_up, day_down = u.day_down
from unnest($1::bigint[], $2::float8[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::bigint[]) u (id, heard, seconds, up, down, raw_up, raw_down, day_up, day_down)
where s.id = u.id`;

export const UPDATE_ALL = `
update session s set heard_at = to_timestamp(u.heard / 1000), seconds = u.seconds, up_bytes = u.up, down_bytes = u.down,
  raw_up = u.raw_up, raw_down = u.raw_down, day_up = u.day_up, day_down = u.day_down, day = u.day,
  subscriber_id = u.subscriber_id, mac = u.mac, framed_ip = u.framed_ip, nas_port_id = u.nas_port_id,
  confirmed_at = to_timestamp(u.confirmed / 1000), ending_since = to_timestamp(u.ending / 1000),
  ended_at = to_timestamp(u.ended / 1000), cause = u.cause, flags = string_to_array(u.flags, ','), nas_address = u.nas_address
from unnest($1::bigint[], $2::float8[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::date[], $11::bigint[], $12::text[], $13::inet[], $14::text[], $15::float8[], $16::float8[],
  $17::float8[], $18::text[], $19::text[], $20::inet[])
  u (id, heard, seconds, up, down, raw_up, raw_down, day_up, day_down, day, subscriber_id, mac, framed_ip, nas_port_id,
     confirmed, ending, ended, cause, flags, nas_address)
where s.id = u.id`;

export const INSERT = `
insert into session (heard_at, seconds, up_bytes, down_bytes, raw_up, raw_down, day_up, day_down, day, subscriber_id, mac,
  framed_ip, nas_port_id, confirmed_at, ending_since, ended_at, cause, flags, nas_address, key, nas_id, acct_session_id,
  username, started_at, told_live, told_fixed, told_at)
select to_timestamp(u.heard / 1000), u.seconds, u.up, u.down, u.raw_up, u.raw_down, u.day_up, u.day_down, u.day,
  u.subscriber_id, u.mac, u.framed_ip, u.nas_port_id, to_timestamp(u.confirmed / 1000), to_timestamp(u.ending / 1000),
  to_timestamp(u.ended / 1000), u.cause, string_to_array(u.flags, ','), u.nas_address, u.key, u.nas_id, u.acct_session_id,
  u.username, to_timestamp(u.started / 1000), u.live, u.fixed, to_timestamp(u.told / 1000)
from unnest($1::float8[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::date[], $10::bigint[], $11::text[], $12::inet[], $13::text[], $14::float8[], $15::float8[], $16::float8[],
  $17::text[], $18::text[], $19::inet[], $20::text[], $21::int[], $22::text[], $23::text[], $24::float8[], $25::text[],
  $26::text[], $27::float8[])
  u (heard, seconds, up, down, raw_up, raw_down, day_up, day_down, day, subscriber_id, mac, framed_ip, nas_port_id,
     confirmed, ending, ended, cause, flags, nas_address, key, nas_id, acct_session_id, username, started, live, fixed, told)`;

const ADD_UP = `on conflict (subscriber_id, day) do update
  set up_bytes = d.up_bytes + excluded.up_bytes, down_bytes = d.down_bytes + excluded.down_bytes`;

export const ADD_DAYS = `
insert into usage_daily as d (subscriber_id, day, up_bytes, down_bytes)
select u.id, u.day, sum(u.up), sum(u.down)
from unnest($1::bigint[], $2::date[], $3::bigint[], $4::bigint[]) u (id, day, up, down)
group by u.id, u.day order by u.id, u.day
${ADD_UP}`;

/** Closes sessions whose end nobody reported, at the time they were last heard of, and their running day with them. */
export const ASSUME_ENDED = `
with old as materialized (
  select id, subscriber_id, day, day_up, day_down from session
  where id = any($1::bigint[]) and ended_at is null order by id for no key update
), days as (
  insert into usage_daily as d (subscriber_id, day, up_bytes, down_bytes)
  select subscriber_id, day, sum(day_up), sum(day_down) from old
  where subscriber_id is not null and day_up + day_down > 0 group by subscriber_id, day order by subscriber_id, day
  ${ADD_UP}
)
update session s set ended_at = greatest(s.heard_at, s.started_at), cause = $2, flags = array_append(s.flags, 'assumed-ended'),
  day_up = 0, day_down = 0
from old where s.id = old.id returning s.subscriber_id as "subscriberId"`;

/**
 * Open sessions of these subscribers with a line (NAS, user name, MAC) on which a later one has begun. Led by the keys, one
 * by one through their index: as an array that is searched for each pair, a thousand dials at once into a table of which
 * PostgreSQL knew nothing yet took longer than a statement may.
 */
export const REPLACED = `
select distinct s.id from unnest($2::text[]) later (key)
join session n on n.key = later.key and n.ended_at is null and n.subscriber_id = any($1::bigint[])
join session s on s.subscriber_id = n.subscriber_id and s.ended_at is null and s.nas_id = n.nas_id and s.username = n.username
  and s.mac = n.mac and s.started_at < n.started_at and s.id <> n.id`;

/** Open sessions of one router that began, and were last heard of, before an instant. */
export const OPEN_OF_NAS = `
select s.id from session s
where s.nas_id = $1 and s.nas_address = $2::inet and s.ended_at is null
  and s.started_at < $3::timestamptz and s.heard_at < $3::timestamptz`;

export const QUARANTINE = `
insert into quarantine (journal, segment, "offset", reason, packet)
select $1, u.segment, u."offset", u.reason, u.packet
from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bytea[]) u (segment, "offset", reason, packet)
on conflict (journal, segment, "offset") do nothing`;

export const SILENT = `select id, heard_at as "heardAt" from session where ended_at is null and heard_at < $1::timestamptz limit 20000`;

/** RouterOS ids are 8 hex digits: service (2), boot (1), session (5). The newest session of a router tells its present boot. */
export const GHOSTS = `
with present as (
  select distinct on (nas_id, nas_address) nas_id, nas_address, substr(acct_session_id, 3, 1) as boot, started_at
  from session where ended_at is null and acct_session_id ~ '^[0-9a-f]{8}$'
  order by nas_id, nas_address, started_at desc
)
select s.id, s.heard_at as "heardAt" from session s join present p using (nas_id, nas_address)
where s.ended_at is null and s.acct_session_id ~ '^[0-9a-f]{8}$' and substr(s.acct_session_id, 3, 1) <> p.boot
  and s.started_at < p.started_at and s.heard_at < $1::timestamptz
limit 20000`;
