import { type EndAsked, type ObservedSession, type Told, toldFrom } from '#domain/reconcile';
import type { Instant } from '#domain/time';
import { ASSUME_ENDED } from '#storage/accounting-sql';
import type { Queryable } from '#storage/database';
import { timestamp } from '#storage/values';

/** One live session as enforcement and pages see it: what accounting last said of it and what its NAS was told. */
export type LiveSession = ObservedSession & {
  /** The token of our Class, or what stands in for it. */
  readonly key: string;
  readonly subscriberId: number | null;
  readonly username: string;
  /** Where its accounting last came from: of a NAS that is a block of addresses, the router that holds it. */
  readonly nasAddress: string;
  /** As received, octet for octet (RouterOS compares it so). */
  readonly acctSessionId: string;
  readonly mac: string | null;
  readonly framedIp: string | null;
  readonly nasPortId: string | null;
  readonly startedAt: Instant;
  readonly heardAt: Instant;
  readonly seconds: number;
  readonly upBytes: number;
  readonly downBytes: number;
  readonly toldAt: Instant | null;
  /** When accounting first came in after `toldAt`: the session lived on after what it was told. */
  readonly confirmedAt: Instant | null;
  readonly flags: readonly string[];
};

type Row = Omit<LiveSession, 'told' | 'endAsked'> & {
  readonly live: string | null;
  readonly fixed: string | null;
  readonly endAskedAt: Instant | null;
  readonly endReason: string | null;
};

const COLUMNS = `s.id as "sessionId", s.key, s.nas_id as "nasId", host(s.nas_address) as "nasAddress",
  s.acct_session_id as "acctSessionId", s.username, s.subscriber_id as "subscriberId", s.mac, host(s.framed_ip) as "framedIp", s.nas_port_id as "nasPortId",
  s.started_at as "startedAt", s.heard_at as "heardAt", s.seconds, s.up_bytes as "upBytes", s.down_bytes as "downBytes",
  s.told_live as live, s.told_fixed as fixed, s.told_at as "toldAt", s.confirmed_at as "confirmedAt",
  s.ending_since as "endingSince", s.end_asked_at as "endAskedAt", s.end_reason as "endReason", s.flags`;

/** Every live session of these subscribers, oldest first. */
export async function liveSessions(db: Queryable, subscriberIds: readonly number[]): Promise<LiveSession[]> {
  const rows = await db.query<Row>(
    `select ${COLUMNS} from session s where s.subscriber_id = any($1::bigint[]) and s.ended_at is null order by s.id`,
    [subscriberIds],
    'sessions-of',
  );
  return rows.map(session);
}

/** Another session of the same router that is surely alive: the one heard of most recently; null when none. */
export async function anotherLiveSession(
  db: Queryable,
  { nasId, nasAddress, sessionId }: Pick<LiveSession, 'nasId' | 'nasAddress' | 'sessionId'>,
): Promise<LiveSession | null> {
  const [row] = await db.query<Row>(
    `select ${COLUMNS} from session s
     where s.nas_id = $1 and s.nas_address = $3::inet and s.id <> $2 and s.ended_at is null and s.ending_since is null
     order by s.heard_at desc limit 1`,
    [nasId, sessionId, nasAddress],
  );
  return row === undefined ? null : session(row);
}

export type SessionFilter = {
  readonly username?: string;
  readonly nasId?: number;
  /** Ids above this one: the last id of the page before. */
  readonly after?: number;
  readonly limit: number;
};

/** One page of live sessions in the order of their ids. */
export async function listSessions(db: Queryable, filter: SessionFilter): Promise<LiveSession[]> {
  const rows = await db.query<Row>(
    `select ${COLUMNS} from session s
     where s.ended_at is null and s.id > $1
       and ($2::text is null or s.username = $2) and ($3::int is null or s.nas_id = $3)
     order by s.id limit $4`,
    [filter.after ?? 0, filter.username ?? null, filter.nasId ?? null, filter.limit],
  );
  return rows.map(session);
}

/** What came of one request to a NAS, for `enforcement_act`. */
export type Act = {
  readonly at: Instant;
  readonly subscriberId: number;
  /** Empty for an address-list. */
  readonly sessionKey: string;
  readonly nasId: number;
  readonly act: 'coa' | 'disconnect' | 'probe' | 'list-add' | 'list-move' | 'list-remove';
  /** In words: `ack`, `nak 503 session-context-not-found`, `no answer`; of lists `done`, or what the router said. */
  readonly outcome: string;
  readonly reason: string;
  readonly tookMs: number;
};

export async function recordActs(db: Queryable, acts: readonly Act[]): Promise<void> {
  if (acts.length === 0) return;
  await db.execute(
    `insert into enforcement_act (at, subscriber_id, session_key, nas_id, act, outcome, reason, took_ms)
     select * from unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::int[])`,
    [
      acts.map((act) => timestamp(act.at)),
      acts.map((act) => act.subscriberId),
      acts.map((act) => act.sessionKey),
      acts.map((act) => act.nasId),
      acts.map((act) => act.act),
      acts.map((act) => act.outcome),
      acts.map((act) => act.reason),
      acts.map((act) => Math.round(act.tookMs)),
    ],
    'act-record',
  );
}

/** Per session key, how many Disconnects its NAS acknowledged; asked about sessions that live, all of them in vain. */
export async function countSurvivedDisconnects(
  db: Queryable,
  subscriberIds: readonly number[],
  keys: readonly string[],
): Promise<Map<string, number>> {
  if (keys.length === 0) return new Map();
  const rows = await db.query<{ key: string; count: number }>(
    `select a.session_key as key, count(*) as count from enforcement_act a
     join session s on s.key = a.session_key and s.ending_since is null
     where a.subscriber_id = any($1::bigint[]) and a.session_key = any($2::text[]) and a.act = 'disconnect' and a.outcome = 'ack'
     group by a.session_key`,
    [subscriberIds, keys],
  );
  return new Map(rows.map((row) => [row.key, row.count]));
}

/** A CoA was acknowledged at `at`: this is what the NAS holds now, to be borne out by later accounting. */
export type ToldSession = { readonly sessionId: number; readonly told: Told; readonly at: Instant };

export async function recordTold(db: Queryable, told: readonly ToldSession[]): Promise<void> {
  if (told.length === 0) return;
  await db.execute(
    `update session set told_live = t.live, told_fixed = t.fixed, told_at = t.at, confirmed_at = null
     from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) as t (id, live, fixed, at)
     where session.id = t.id and session.ended_at is null`,
    [
      told.map((t) => t.sessionId),
      told.map((t) => t.told.live),
      told.map((t) => t.told.fixed),
      told.map((t) => timestamp(t.at)),
    ],
    'session-told',
  );
}

/**
 * A CoA was sent and not answered: what the NAS holds is not known, so that whatever is decided next is told to it, also what
 * it held before.
 */
export async function recordDoubt(
  db: Queryable,
  ids: readonly number[],
  /** Whose ids they are: of sessions, or of subscribers for all their live ones. */
  of: 'id' | 'subscriber_id' = 'id',
): Promise<void> {
  if (ids.length === 0) return;
  await db.execute(
    `update session set told_live = null where ${of} = any($1::bigint[]) and ended_at is null`,
    [ids],
    `session-doubt-${of}`,
  );
}

/** A Disconnect was acknowledged at `at`: the session should be over. Accounting that shows it alive takes this back. */
export type EndingSession = { readonly sessionId: number; readonly at: Instant };

export async function recordEnding(db: Queryable, ending: readonly EndingSession[]): Promise<void> {
  if (ending.length === 0) return;
  await db.execute(
    `update session set ending_since = e.at, end_asked_at = null, end_reason = null
     from unnest($1::bigint[], $2::timestamptz[]) as e (id, at)
     where session.id = e.id and session.ended_at is null`,
    [ending.map((e) => e.sessionId), ending.map((e) => timestamp(e.at))],
    'session-ending',
  );
}

/**
 * Closes sessions their NAS no longer knows, at the instant they were last heard of, as accounting does with those whose
 * Stop was lost: a later sign of life reopens them and nothing is counted twice.
 */
export async function closeGone(db: Queryable, sessionIds: readonly number[]): Promise<void> {
  if (sessionIds.length > 0) await db.execute(ASSUME_ENDED, [sessionIds, 'Lost-Service'], 'session-gone');
}

/** Asks that live sessions of a subscriber be ended: this one, or with null all. Returns how many that are. */
export async function askEnd(
  db: Queryable,
  subscriberId: number,
  sessionId: number | null,
  { at, reason }: EndAsked,
): Promise<number> {
  // Asked again although its NAS said yes before: it is told once more.
  return db.execute(
    `update session set end_asked_at = $3::timestamptz, end_reason = $4, ending_since = null
     where subscriber_id = $1 and ended_at is null and ($2::bigint is null or id = $2)`,
    [subscriberId, sessionId, timestamp(at), reason],
  );
}

function session({ live, fixed, endAskedAt, endReason, ...row }: Row): LiveSession {
  return {
    ...row,
    told: toldFrom(live, fixed),
    endAsked: endAskedAt === null ? null : { at: endAskedAt, reason: endReason ?? '' },
  };
}
