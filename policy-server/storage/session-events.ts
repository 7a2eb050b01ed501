import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** The beginning or the end of a session. */
export type SessionEvent = {
  readonly kind: 'session';
  readonly what: 'began' | 'ended';
  readonly sessionKey: string;
  readonly address: string | null;
  readonly mac: string | null;
  readonly nasName: string | null;
  readonly startedAt: Instant;
  /** Null while it goes on. */
  readonly endedAt: Instant | null;
  readonly cause: string | null;
  readonly seconds: number;
  readonly upBytes: number;
  readonly downBytes: number;
};

type Row = Omit<SessionEvent, 'kind' | 'what'> & { readonly id: number };

const COLUMNS = `s.id, s.key as "sessionKey", host(s.framed_ip) as address, s.mac, nas.name as "nasName", s.started_at as "startedAt",
  s.ended_at as "endedAt", s.cause, s.seconds, s.up_bytes as "upBytes", s.down_bytes as "downBytes"`;

/** Of sessions that end after the instant asked about, how many of the history are looked at for one that began before it. */
const ACROSS = 100;

/**
 * The history is ordered by ends alone. Beginnings need no order of their own: each of the newest ends stands on the
 * timeline too, so a page is full before it comes to a beginning that is older than all of these ends. What is missing are
 * sessions across the instant asked about; a line has one at a time, so those are among the next to end.
 */
const SESSIONS = `
select ${COLUMNS} from (
  (select * from (select ${rowOf('session')} from session where subscriber_id = $1 and ended_at is null) live)
  union all
  (select ${rowOf('session')} from session
    where username = (select username from subscriber where id = $1) and subscriber_id = $1 and ended_at is not null)
  union all
  (select ${rowOf('session_history')} from session_history
    where subscriber_id = $1 and ended_at < $2::timestamptz order by ended_at desc limit $3)
  union all
  (select * from (select ${rowOf('session_history')} from session_history
    where subscriber_id = $1 and ended_at >= $2::timestamptz order by ended_at limit ${ACROSS}) next where started_at < $2::timestamptz)
  ) s left join nas on nas.id = s.nas_id`;

function rowOf(table: string): string {
  const columns = 'id key framed_ip mac nas_id started_at ended_at cause seconds up_bytes down_bytes'.split(' ');
  return columns.map((column) => `${table}.${column}`).join(', ');
}

/** Beginnings or ends before an instant, in no order. */
export async function readSessionEvents(
  { q, subscriberId, until, limit }: { q: Queryable; subscriberId: number; until: Instant; limit: number },
  what: 'began' | 'ended',
): Promise<{ at: Instant; id: number; detail: SessionEvent }[]> {
  const rows = await q.query<Row>(SESSIONS, [subscriberId, timestamp(until), limit], 'timeline-sessions');
  return rows.flatMap(({ id, ...row }) => {
    const at = what === 'began' ? row.startedAt : row.endedAt;
    return at === null ? [] : [{ at, id, detail: { kind: 'session', what, ...row } }];
  });
}
