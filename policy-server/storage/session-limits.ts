import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** A subscriber's live sessions, as far as a limit on their number is concerned; an empty list counts too. */
export type SubscriberSessions = {
  readonly subscriberId: number;
  readonly sessions: readonly { readonly mac: string | null; readonly heardAt: Instant }[];
};

type Row = { subscriberId: number; mac: string | null; heardAt: Instant | null };

/** The live sessions of these subscribers. */
export async function sessionsOf(q: Queryable, subscriberIds: readonly number[]): Promise<SubscriberSessions[]> {
  const rows = await q.query<Row>(
    `select wanted.id as "subscriberId", session.mac, session.heard_at as "heardAt"
       from unnest($1::bigint[]) as wanted (id)
       left join session on session.subscriber_id = wanted.id and session.ended_at is null`,
    [subscriberIds],
    'session-limits-of',
  );
  return grouped(rows);
}

/**
 * The live sessions of every subscriber of whose sessions one was heard since an instant (a Stop is heard, too). Reads
 * the live table from end to end, which is small: an index on heard_at would cost every interim update more.
 */
export async function sessionsHeardSince(q: Queryable, since: Instant): Promise<SubscriberSessions[]> {
  const rows = await q.query<Row>(
    `select heard.id as "subscriberId", session.mac, session.heard_at as "heardAt"
       from (select distinct subscriber_id as id from session
              where heard_at >= $1::timestamptz and subscriber_id is not null) as heard
       left join session on session.subscriber_id = heard.id and session.ended_at is null`,
    [timestamp(since)],
    'session-limits-since',
  );
  return grouped(rows);
}

/** How many sessions are live. */
export async function countLiveSessions(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from session where ended_at is null');
  return row!.count;
}

function grouped(rows: readonly Row[]): SubscriberSessions[] {
  const bySubscriber = new Map<number, { mac: string | null; heardAt: Instant }[]>();
  for (const { subscriberId, mac, heardAt } of rows) {
    const sessions = bySubscriber.get(subscriberId) ?? [];
    if (heardAt !== null) sessions.push({ mac, heardAt });
    bySubscriber.set(subscriberId, sessions);
  }
  return [...bySubscriber].map(([subscriberId, sessions]) => ({ subscriberId, sessions }));
}
