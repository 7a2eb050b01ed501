import { DAY, HOUR, type Instant } from '#domain/time';
import type { Database, Queryable } from '#storage/database';
import { timestamp } from '#storage/database';

/** A session that is over, or (`endedAt` null) still goes on. */
export type PastSession = {
  readonly key: string;
  readonly nasId: number;
  readonly nasAddress: string;
  readonly acctSessionId: string;
  readonly username: string;
  readonly subscriberId: number | null;
  readonly mac: string | null;
  readonly framedIp: string | null;
  readonly nasPortId: string | null;
  readonly startedAt: Instant;
  readonly heardAt: Instant;
  readonly seconds: number;
  readonly upBytes: number;
  readonly downBytes: number;
  readonly endedAt: Instant | null;
  readonly cause: string | null;
  readonly flags: readonly string[];
};

export type DayUsage = { readonly day: string; readonly upBytes: number; readonly downBytes: number };

const MOVED = `id, key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, nas_port_id, started_at,
  heard_at, seconds, up_bytes, down_bytes, raw_up, raw_down, ended_at, cause, flags`;

const COLUMNS = `key, nas_id as "nasId", host(nas_address) as "nasAddress", acct_session_id as "acctSessionId", username,
  subscriber_id as "subscriberId", mac, host(framed_ip) as "framedIp", nas_port_id as "nasPortId", started_at as "startedAt", heard_at as "heardAt", seconds,
  up_bytes as "upBytes", down_bytes as "downBytes", ended_at as "endedAt", cause, flags`;

const PARTITIONED = ['session_history', 'usage_daily', 'usage_monthly'] as const;
/** Half of each page stays free: every row is written once a day, and its new version stays on its page (HOT). */
const STORED: Readonly<Record<string, string>> = { usage_monthly: ' with (fillfactor = 50)' };

/** The months (UTC) that hold the instants from `from` to `to`, as `YYYY-MM-01` of each. */
function monthsBetween(from: Instant, to: Instant): string[] {
  const months: string[] = [];
  const date = new Date(from);
  date.setUTCDate(1);
  date.setUTCHours(0, 0, 0, 0);
  for (; date.getTime() <= to; date.setUTCMonth(date.getUTCMonth() + 1)) months.push(date.toISOString().slice(0, 10));
  return months;
}

/** Makes the monthly partitions of `session_history` and of usage for a span of time, where they are missing. */
export async function ensurePartitions(db: Database, from: Instant, to: Instant): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute("select pg_advisory_xact_lock(hashtext('gerbang: partitions'))");
    for (const table of PARTITIONED) {
      for (const month of monthsBetween(from, to)) {
        const next = new Date(month);
        next.setUTCMonth(next.getUTCMonth() + 1);
        await tx.execute(
          `create table if not exists ${table}_${month.slice(0, 7).replace('-', '_')} partition of ${table}
           for values from ('${month}') to ('${next.toISOString().slice(0, 10)}')${STORED[table] ?? ''}`,
        );
      }
    }
  });
}

/** Drops the partitions that end before the retention's first month. Returns the names of what was dropped. */
export async function dropExpiredPartitions(db: Database, now: Instant, retentionMonths: number): Promise<string[]> {
  const month = firstMonthKept(now, retentionMonths).slice(0, 7).replace('-', '_');
  const dropped: string[] = [];
  for (const table of ['session_history', 'usage_daily'] as const) {
    const rows = await db.query<{ name: string }>(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = $1::regclass and c.relname ~ '_[0-9]{4}_[0-9]{2}$' and right(c.relname, 7) < $2 order by 1`,
      [table, month],
    );
    for (const { name } of rows) {
      await db.transaction(async (tx) => {
        await tx.execute(`drop table "${name}"`);
        if (table === 'usage_daily') await dropRollUp(tx, name.slice(-'2026_11'.length));
      });
      dropped.push(name);
    }
  }
  return dropped;
}

/**
 * What the days of a month that are just dropped (`2026_11`) amounted to is taken out of their year, and goes. The drop
 * before it locks out whoever writes usage, so nobody adds to the month meanwhile.
 */
async function dropRollUp(tx: Queryable, month: string): Promise<void> {
  const [year, place] = month.split('_').map(Number);
  await tx.execute(
    `update usage_yearly y set running = add_sums(y.running, running_sums(array[$2::int], array[-m.running[31]], 12))
       from "usage_monthly_${month}" m where y.subscriber_id = m.subscriber_id and y.year = $1`,
    [year, place],
  );
  if (place === 12) await tx.execute('delete from usage_yearly where year = $1', [year]);
  await tx.execute(`drop table "usage_monthly_${month}"`);
}

/** Deletes what enforcement did before the retention's first month. */
export async function pruneActs(db: Database, now: Instant, retentionMonths: number): Promise<void> {
  await db.execute('delete from enforcement_act where at < $1::timestamptz', [firstMonthKept(now, retentionMonths)]);
}

/** Its first instant (UTC) as ISO text. */
function firstMonthKept(now: Instant, retentionMonths: number): string {
  const date = new Date(now);
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - retentionMonths, 1)).toISOString();
}

/** Partitions for last month, this one and the next two, so that none is missing when a month begins. */
export async function preparePartitions(db: Database, now: Instant): Promise<void> {
  await ensurePartitions(db, now - 32 * DAY, now + 62 * DAY);
}

/**
 * Moves sessions that ended more than an hour ago out of the live table, at most `most` a call. Returns how many: call
 * again while it is `most`. Until they are moved a late record still finds them at no cost; after, they are brought back.
 */
export async function moveEndedSessions(db: Database, now: Instant, most = 10_000): Promise<number> {
  const before = timestamp(now - HOUR);
  const [oldest] = await db.query<{ at: Instant | null }>(
    'select min(ended_at) as at from session where ended_at < $1::timestamptz',
    [before],
  );
  if (oldest === undefined || oldest.at === null) return 0;
  await ensurePartitions(db, oldest.at, now);
  return db.execute(
    `with old as (
       select id from session where ended_at < $1::timestamptz order by id limit $2 for update skip locked
     ), gone as (
       delete from session using old where session.id = old.id returning session.*
     )
     insert into session_history (${MOVED}) select ${MOVED} from gone`,
    [before, most],
  );
}

/** The sessions of a user name, newest first, live ones included. */
export async function sessionHistory(db: Queryable, username: string, limit = 100): Promise<PastSession[]> {
  return db.query<PastSession>(
    `select * from (
       select ${COLUMNS} from session where username = $1
       union all
       select ${COLUMNS} from session_history
       where subscriber_id = (select id from subscriber where username = $1) and username = $1
     ) sessions order by "startedAt" desc limit $2`,
    [username, limit],
  );
}

/** Whose address it was at an instant: every session that had it then (with carrier-grade NAT there may be several). */
export async function whoHadAddress(db: Queryable, address: string, at: Instant): Promise<PastSession[]> {
  return db.query<PastSession>(
    `select * from (
       select ${COLUMNS} from session
       where framed_ip = $1::inet and started_at <= $2::timestamptz and (ended_at is null or ended_at >= $2::timestamptz)
       union all
       select ${COLUMNS} from session_history
       where framed_ip = $1::inet and ended_at >= $2::timestamptz and started_at <= $2::timestamptz
     ) sessions order by "startedAt"`,
    [address, timestamp(at)],
  );
}

/** Bytes of a subscriber for each local day of `from` to `to` (`YYYY-MM-DD`, both included) that has any, live ones too. */
export async function usageByDay(db: Queryable, subscriberId: number, from: string, to: string): Promise<DayUsage[]> {
  return db.query<DayUsage>(
    `select day, sum(up_bytes)::bigint as "upBytes", sum(down_bytes)::bigint as "downBytes" from (
       select day, up_bytes, down_bytes from usage_daily where subscriber_id = $1 and day between $2::date and $3::date
       union all
       select day, day_up, day_down from session
       where subscriber_id = $1 and ended_at is null and day between $2::date and $3::date
     ) days group by day having sum(up_bytes) + sum(down_bytes) > 0 order by day`,
    [subscriberId, from, to],
  );
}
