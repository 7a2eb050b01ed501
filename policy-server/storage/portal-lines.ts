import { HOUR, type Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import type { Access } from '#storage/subscribers';
import { inetOrNull } from '#storage/web-sessions';

/** What the customers' pages ask about a line. */

/** Who is at a line, as far as its address tells: a first name and what is bought may be shown, nothing else. */
export type RecognisedLine = { readonly subscriberId: number; readonly name: string };

/** A session that was not heard of for longer may be over, and its address somebody else's. */
const HEARD_WITHIN_MS = HOUR;

/** Routers may number their lines alike: an address that two lines have now says nothing. */
const RECOGNISE = `
select held.subscriber_id as "subscriberId", subscriber.name, nas.recognises_lines as recognised
  from (select subscriber_id, nas_id from session
         where framed_ip = $1::inet and ended_at is null and ending_since is null and heard_at > $2::timestamptz
        union all
        select subscriber_id, nas_id from static_address where address >>= $1::inet and removed_at is null
        limit 2) as held
  join nas on nas.id = held.nas_id left join subscriber on subscriber.id = held.subscriber_id`;

/**
 * Whose line has this address now: that of exactly one live session, or of a static line, at a router that lets lines be
 * recognised. Null for any other, and for what is no address.
 */
export async function recogniseLine(q: Queryable, address: string, now: Instant): Promise<RecognisedLine | null> {
  const inet = inetOrNull(address.replace(/^::ffff:(?=\d+\.)/i, ''));
  if (inet === null) return null;
  const rows = await q.query<{ subscriberId: number | null; name: string; recognised: boolean }>(
    RECOGNISE,
    [inet, timestamp(now - HEARD_WITHIN_MS)],
    'portal-recognise',
  );
  const [row] = rows;
  if (rows.length !== 1 || row === undefined || row.subscriberId === null || !row.recognised) return null;
  return { subscriberId: row.subscriberId, name: row.name };
}

/** How a line stands on the network now. */
export type LineState = {
  readonly access: Access;
  /** When the live session began; null = offline. Of several the oldest. Always null of a static line. */
  readonly onlineSince: Instant | null;
  /** The address it has now: of the live session, or of the static line. */
  readonly address: string | null;
  /** When the last session ended, if it is known still. */
  readonly offlineSince: Instant | null;
  /** Something has still to be said to a router before the line is as it should be. */
  readonly settling: boolean;
};

const LINE = `
select subscriber.access, live.started_at as "onlineSince",
       coalesce(host(live.framed_ip), (select host(address) from static_address
         where static_address.subscriber_id = $1 and removed_at is null order by address limit 1)) as address,
       greatest((select max(ended_at) from session where username = subscriber.username and subscriber_id = $1),
                (select max(ended_at) from session_history where subscriber_id = $1)) as "offlineSince",
       exists (select from due where due.subscriber_id = $1 and (due_at <= $2::timestamptz or attempts > 0))
       or exists (select from static_address where static_address.subscriber_id = $1 and removed_at is null
                   and (wanted_list is null or told_list is distinct from wanted_list)) as settling
  from subscriber left join lateral (
         select started_at, framed_ip from session
          where subscriber_id = $1 and ended_at is null and ending_since is null order by started_at limit 1) as live on true
 where id = $1`;

/** Null when there is no subscriber of that number. */
export async function lineState(q: Queryable, subscriberId: number, now: Instant): Promise<LineState | null> {
  const [row] = await q.query<LineState>(LINE, [subscriberId, timestamp(now)], 'portal-line');
  return row ?? null;
}
