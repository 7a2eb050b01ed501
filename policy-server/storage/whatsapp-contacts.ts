import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** What we know of a number: whether it is on WhatsApp, as of when, and whether its owner ever wrote to us. */
export type WhatsAppContact = {
  readonly phone: string;
  readonly registered: boolean | null;
  readonly checkedAt: Instant | null;
  readonly firstWroteAt: Instant | null;
  readonly lastWroteAt: Instant | null;
};

export async function findContact(q: Queryable, phone: string): Promise<WhatsAppContact | null> {
  const [row] = await q.query<WhatsAppContact>(
    `select phone, registered, checked_at as "checkedAt", first_wrote_at as "firstWroteAt", last_wrote_at as "lastWroteAt"
       from whatsapp_contact where phone = $1`,
    [phone],
    'whatsapp-contact',
  );
  return row ?? null;
}

export async function rememberRegistered(q: Queryable, phone: string, registered: boolean, at: Instant): Promise<void> {
  await q.execute(
    `insert into whatsapp_contact (phone, registered, checked_at) values ($1, $2, $3::timestamptz)
     on conflict (phone) do update set registered = excluded.registered, checked_at = excluded.checked_at`,
    [phone, registered, timestamp(at)],
  );
}

/** Somebody wrote to us. What they wrote is not kept. */
export async function rememberWrote(q: Queryable, phone: string, at: Instant): Promise<void> {
  await q.execute(
    `insert into whatsapp_contact as known (phone, registered, checked_at, first_wrote_at, last_wrote_at)
     values ($1, true, $2::timestamptz, $2::timestamptz, $2::timestamptz)
     on conflict (phone) do update
        set registered = true, checked_at = greatest(known.checked_at, excluded.checked_at),
            first_wrote_at = least(known.first_wrote_at, excluded.first_wrote_at),
            last_wrote_at = greatest(known.last_wrote_at, excluded.last_wrote_at)`,
    [phone, timestamp(at)],
  );
}

/** A number that was not on WhatsApp may be by now: what we knew of that is forgotten. */
export async function askAgain(q: Queryable, phone: string): Promise<void> {
  await q.execute('update whatsapp_contact set checked_at = null where phone = $1 and registered = false', [phone]);
}
