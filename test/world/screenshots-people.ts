import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { confirmPin } from '#operations/confirm-pin';
import type { Desk } from '#operations/desk';
import { issuePin } from '#operations/issue-pin';
import { saveSettings } from '#operations/settings';
import { kpis } from '#storage/dashboard';
import type { Database } from '#storage/database';
import { timestamp } from '#storage/values';

/** Of the provider on the pictures: those whose own pages are shown, and what the staff's lists show beside them. */
export type Cast = {
  /** Online, with a package in force. */
  readonly covered: number;
  /** At the splash page: the package has ended, one is ordered. */
  readonly walled: { readonly id: number; readonly portalId: string; readonly address: string; readonly order: string };
  /** Offline since this morning: the line's new router dials with a wrong password. */
  readonly rejected: number;
  /** On the router that does not answer: still has what it had. */
  readonly differing: { readonly id: number; readonly username: string };
};

export const WALLED = '128000/128000 list=prepaid-no-package';
export const ACTIVE = '20000000/20000000 list=prepaid-active';

export const API_ERROR = 'connect ETIMEDOUT 10.20.0.2:8729';

/** Adds them to a provider of `seedProvider`. `now` is the instant of the pictures. */
export async function seedCast(desk: Desk, now: Instant): Promise<Cast> {
  const { db } = desk;
  await nameStaff(db);
  const covered = await coveredOne(db, now);
  await withAccount(desk, covered, now - 70 * DAY);
  const walled = { id: 0, portalId: '48215637', address: '100.64.9.21', order: 'P-7K3M9QXA' };
  const walledId = await addWalled(desk, walled, now);
  const rejected = await addRejected(desk, now);
  await saveSettings(desk, 'whatsapp', { transport: 'baileys' });
  await messages(db, now);
  await staticLines(db, now);
  const differing = await walledLines(db, now);
  await figuresToToday(desk, now);
  return { covered, walled: { ...walled, id: walledId }, rejected, differing };
}

async function nameStaff(db: Database): Promise<void> {
  await db.execute(
    `insert into staff (username, name, password_hash, role, must_change_password) values ('siti', 'Siti Rahayu', '-', 'customer-service', false)`,
  );
}

/** Somebody in the middle of a package with a quota. */
async function coveredOne(db: Database, now: Instant): Promise<number> {
  const [row] = await db.query<{ id: number }>(
    `select s.id from subscriber s join session l on l.subscriber_id = s.id
       join grants g on g.subscriber_id = s.id join plan_revision r on r.id = g.plan_revision_id
      where s.billing = 'prepaid' and s.suspended_at is null and g.ends_at between l.heard_at + interval '10 days' and l.heard_at + interval '16 days'
        and g.used_bytes between r.allowance_bytes * 0.3 and r.allowance_bytes * 0.6 and r.download_bps = 20000000
        and not exists (select from purchase p where p.subscriber_id = s.id and p.grant_id is null)
      order by s.id limit 1`,
  );
  if (row === undefined) throw new Error('the provider has nobody in the middle of a package');
  await db.execute('delete from usage_daily where subscriber_id = $1', [row.id]);
  await addUsage(db, row.id, now);
  return row.id;
}

/** A PIN that nobody sees, issued and confirmed at `at`, so that the portal asks for nothing first. */
async function withAccount(desk: Desk, id: number, at: Instant): Promise<void> {
  const then = { ...desk, clock: () => at };
  await issuePin(then, id, { send: false });
  await confirmPin(then, id);
}

type NewPerson = {
  readonly username: string;
  readonly name: string;
  readonly phone: string;
  readonly portalId: string;
  readonly address: string;
};

async function addPerson(db: Database, person: NewPerson, at: Instant): Promise<number> {
  const [row] = await db.query<{ id: number }>(
    `insert into subscriber (username, name, phone, portal_id, address, password_sealed, billing, tags, created_at)
     values ($1, $2, $3, $4, $5, '', 'prepaid', array['fiber', 'rt-04'], $6::timestamptz) returning id`,
    [person.username, person.name, person.phone, person.portalId, person.address, timestamp(at)],
  );
  return row!.id;
}

/** A purchase of the package of 20 GB: paid and running from `at` for 30 days, or (`paid` null) waiting for its money. */
async function addPurchase(
  db: Database,
  subscriberId: number,
  { number, at, paid, until }: { number: string; at: Instant; paid: 'cash' | 'transfer' | null; until: Instant },
): Promise<void> {
  const settledAt = at + 11 * MINUTE;
  const grant =
    paid === null
      ? null
      : (
          await db.query<{ id: number }>(
            `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes)
             values ($1, 2, $2::timestamptz, $3::timestamptz, 9400000000) returning id`,
            [subscriberId, timestamp(settledAt), timestamp(until)],
          )
        )[0]!.id;
  await db.execute(
    `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, ordered_by, ordered_at, expires_at, granted_at, grant_id)
     values ($1, $2::bigint, 2, 75000, 'subscriber:' || $2::bigint, $3::timestamptz, $4::timestamptz, $5::timestamptz, $6)`,
    [number, subscriberId, timestamp(at), timestamp(at + DAY), paid === null ? null : timestamp(settledAt), grant],
  );
  if (paid === null) return;
  await db.execute(
    `insert into payment (purchase_id, subscriber_id, method, amount_rupiah, received_at, received_by)
     select id, subscriber_id, $2, price_rupiah, granted_at, 'staff:siti' from purchase where number = $1`,
    [number, paid],
  );
}

async function addLive(db: Database, id: number, address: string, now: Instant): Promise<void> {
  await db.execute(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at, heard_at,
                          day, seconds, up_bytes, down_bytes, told_live, told_at, confirmed_at)
     select 'live-' || id, 3, '10.20.0.3', '81c00' || id, username, id, '4C:5E:0C:77:10:2A', $2::inet, $3::timestamptz,
            $4::timestamptz, ($4::timestamptz)::date, 7200, 3e7, 4e8, '128000/128000 list=prepaid-no-package', $4::timestamptz, $4::timestamptz
       from subscriber where id = $1`,
    [id, address, timestamp(now - 9 * HOUR), timestamp(now - 2 * MINUTE)],
  );
}

async function addWalled(desk: Desk, { portalId, address, order }: Cast['walled'], now: Instant): Promise<number> {
  const { db } = desk;
  const person = {
    username: 'wati.lestari',
    name: 'Wati Lestari',
    phone: '081234500117',
    portalId,
    address: 'Jl. Melati 12, Malang',
  };
  const id = await addPerson(db, person, now - 200 * DAY);
  const ended = now - 9 * HOUR;
  await addPurchase(db, id, { number: 'P-4HTR8WZC', at: ended - 30 * DAY, paid: 'cash', until: ended });
  await addPurchase(db, id, { number: order, at: now - 3 * MINUTE, paid: null, until: now });
  await addLive(db, id, address, now);
  await withAccount(desk, id, now - 190 * DAY);
  return id;
}

async function addRejected(desk: Desk, now: Instant): Promise<number> {
  const { db } = desk;
  const person = {
    ...{ username: 'joko.susanto', name: 'Joko Susanto', phone: '081234500642', portalId: '73519046' },
    address: 'Jl. Kenanga 45, RT 04/02, Malang',
  };
  const id = await addPerson(db, person, now - 412 * DAY);
  const mac = '4C:5E:0C:31:7B:90';
  const bought = now - 2 * DAY + 7 * HOUR + 36 * MINUTE;
  await addPurchase(db, id, { number: 'P-9QW2VXBN', at: bought, paid: 'transfer', until: bought + 30 * DAY });
  await withAccount(desk, id, now - 88 * DAY);
  await db.execute(
    `insert into portal_device (token_hash, subscriber_id, created_at, seen_at) values ('\\x01', $1, $2::timestamptz, $2::timestamptz)`,
    [id, timestamp(bought - 4 * MINUTE)],
  );
  const ended = now - 94 * MINUTE;
  await addPast(db, id, mac, bought - 20 * HOUR, ended);
  await db.execute(
    `insert into rejected_dial (username, subscriber_id, nas_id, mac, reason, times, first_at, last_at)
     values ('joko.susanto', $1, 1, 'D8:44:89:0F:52:C1', 'wrong-password', 14, $2::timestamptz, $3::timestamptz)`,
    [id, timestamp(now - 71 * MINUTE), timestamp(now - 4 * MINUTE)],
  );
  await db.execute(
    `insert into enforcement_act (at, subscriber_id, session_key, nas_id, act, outcome, reason, took_ms)
     values ($2::timestamptz, $1, 'old-joko', 1, 'coa', 'ack', 'change ' || $4 || ' to ' || $5, 34),
            ($3::timestamptz, $1, 'old-joko', 1, 'coa', 'ack', 'change ' || $5 || ' to ' || $4, 41)`,
    [id, timestamp(bought + 11 * MINUTE + 200), timestamp(bought - 7 * HOUR + 60), WALLED, ACTIVE],
  );
  await db.execute(
    `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes)
     values ($1, 2, $2::timestamptz, $3::timestamptz, 17800000000)`,
    [id, timestamp(bought - 7 * HOUR - 30 * DAY), timestamp(bought - 7 * HOUR)],
  );
  await addMessage(db, { id, phone: '6281234500642', notice: 'ending-soon', at: bought - 31 * HOUR, state: 'read' });
  await addMessage(db, { id, phone: '6281234500642', notice: 'ended', at: bought - 7 * HOUR + 900, state: 'read' });
  await addMessage(db, {
    id,
    phone: '6281234500642',
    notice: 'activated',
    at: bought + 11 * MINUTE + 300,
    state: 'read',
  });
  await db.execute(
    `insert into audit (at, actor, why, subscriber_id, detail)
     values ($2::timestamptz, 'staff:siti', 'edit subscriber', $1, $3::jsonb),
            ($4::timestamptz, 'subscriber:' || $1, 'log in to the portal', $1, '{}')`,
    [
      id,
      timestamp(now - DAY + 72 * MINUTE),
      JSON.stringify({ changes: { phone: { before: '081234500641', after: '081234500642' } } }),
      timestamp(bought - 4 * MINUTE),
    ],
  );
  return id;
}

async function addPast(db: Database, id: number, mac: string, from: Instant, to: Instant): Promise<void> {
  await db.execute(
    `insert into session_history (id, key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at,
                                  heard_at, seconds, up_bytes, down_bytes, raw_up, raw_down, ended_at, cause)
     select 9000000, 'old-joko', 1, '10.20.0.1', '81a0f001', username, id, $2, '100.64.9.44', $3::timestamptz, $4::timestamptz, $5,
            812000000, 9340000000, 812000000, 9340000000, $4::timestamptz, 'Lost-Carrier' from subscriber where id = $1`,
    [id, mac, timestamp(from), timestamp(to), Math.round((to - from) / 1000)],
  );
  await addUsage(db, id, to);
}

/** As uneven as days are, and as much as 20 GB a month allow. */
async function addUsage(db: Database, id: number, to: Instant): Promise<void> {
  await db.execute(
    `insert into usage_daily (subscriber_id, day, up_bytes, down_bytes)
     select $1::bigint, ($2::timestamptz)::date - d, 5e6 * share, 46e6 * share
       from generate_series(0, 29) d, lateral (select 1 + (d * d * 7 + d * 3 + $1::bigint) % 23 as share) shares`,
    [id, timestamp(to)],
  );
}

type State = 'queued' | 'sent' | 'delivered' | 'read' | 'not-on-whatsapp' | 'reach-out-lock-463';

async function addMessage(
  db: Database,
  { id, phone, notice, at, state }: { id: number; phone: string; notice: string; at: Instant; state: State },
): Promise<void> {
  const failed = state === 'not-on-whatsapp';
  const reached = failed ? -1 : ['queued', 'sent', 'delivered', 'read'].indexOf(state);
  const when = (step: number, seconds: number) => (reached >= step ? timestamp(at + seconds * 1000) : null);
  await db.execute(
    `insert into message (subscriber_id, phone, notice, body_sealed, secret, queued_at, due_at, expires_at, transport, sent_at,
                          delivered_at, read_at, failed_at, failure, waiting_for)
     values ($1, $2, $3, '', $3 = 'portal-pin', $4::timestamptz, $4::timestamptz, $4::timestamptz + interval '1 day', 'baileys',
             $5::timestamptz, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9, $10)`,
    [
      ...[id, phone, notice, timestamp(at), when(1, 4), when(2, 6), when(3, 190)],
      ...[failed ? timestamp(at + 5000) : null, failed ? state : null, state === 'reach-out-lock-463' ? state : null],
    ],
  );
}

const NOTICES = ['activated', 'ended', 'portal-pin', 'ending-soon', 'activated', 'quota-80', 'activated'] as const;
/** Of the newest messages first, and then over again without what is still under way. */
const STATES: readonly State[] = [
  ...(['queued', 'sent', 'read', 'read', 'not-on-whatsapp', 'delivered', 'read', 'delivered', 'read'] as const),
  ...(['read', 'delivered', 'read', 'read', 'read'] as const),
];

/** A day of messages to customers who have a telephone. */
async function messages(db: Database, now: Instant): Promise<void> {
  const people = await db.query<{ id: number; phone: string }>(
    `select id, '62' || substr(phone, 2) as phone from subscriber
      where billing = 'prepaid' and phone is not null and id <= 400 order by (id * 7919) % 401 limit 60`,
  );
  // A list shows the newest first by its number.
  for (const [place, { id, phone }] of [...people.entries()].toReversed()) {
    const at = now - MINUTE / 2 - place * 13 * MINUTE - (place % 5) * MINUTE;
    const state = STATES[place % STATES.length]!;
    const isOver = place < STATES.length || (state !== 'queued' && state !== 'sent');
    await addMessage(db, {
      id,
      phone,
      notice: NOTICES[place % NOTICES.length]!,
      at,
      state: isOver ? state : 'delivered',
    });
  }
}

/** Static lines of every router; the API of one does not answer, so that three stand where they should not. */
async function staticLines(db: Database, now: Instant): Promise<void> {
  await db.execute(
    `update nas set api_user = 'gerbang', api_password_sealed = '', api_seen_at = case when id = 2 then $1::timestamptz else $2::timestamptz end,
            api_error = case when id = 2 then $3 end`,
    [timestamp(now - 47 * MINUTE), timestamp(now - MINUTE), API_ERROR],
  );
  await db.execute(`update subscriber set nas_id = 1 + (id / 12) % 4 where access = 'static'`);
  await db.execute(
    `update static_address a set nas_id = s.nas_id, told_list = case when covered then 'prepaid-active' else 'prepaid-no-package' end,
            seen_list = case when covered then 'prepaid-active' else 'prepaid-no-package' end,
            wanted_list = case when covered and not (s.nas_id = 2 and s.id % 5 < 2) then 'prepaid-active' else 'prepaid-no-package' end,
            last_error = case when s.nas_id = 2 then $2 end
       from subscriber s, lateral (select exists (select from grants g where g.subscriber_id = s.id and g.ends_at > $1::timestamptz) as covered) c
      where s.id = a.subscriber_id`,
    [timestamp(now), API_ERROR],
  );
}

/** Who used up the quota, and whose package has ended and who keeps dialling. One of them was not told yet. */
async function walledLines(db: Database, now: Instant): Promise<Cast['differing']> {
  await db.execute(
    `update session set told_live = $2 where subscriber_id in (
       select g.subscriber_id from grants g join plan_revision r on r.id = g.plan_revision_id
        where g.ends_at > $1::timestamptz and g.used_bytes >= r.allowance_bytes)`,
    [timestamp(now), WALLED],
  );
  const rows = await db.query<Cast['differing']>(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day,
                          told_live, told_at, confirmed_at)
     select 'walled-' || id, 1 + id % 4, ('10.20.0.' || 1 + id % 4)::inet, '81d' || id, username, id, '100.64.0.0'::inet + id,
            $1::timestamptz - id * interval '3 minutes', $1::timestamptz - interval '1 minute', ($1::timestamptz)::date,
            $2, $1::timestamptz - interval '1 hour', $1::timestamptz
       from subscriber
      where access = 'pppoe' and billing = 'prepaid' and id % 10 in (7, 8) and id % 3 > 0 and suspended_at is null and id <= 400
      order by id
     returning subscriber_id as id, username`,
    [timestamp(now), WALLED],
  );
  const one = rows.find(({ id }) => id % 4 === 1)!;
  await db.execute('update session set told_live = $2 where subscriber_id = $1', [one.id, ACTIVE]);
  return one;
}

/** The month of figures ends where the counts of today stand. */
async function figuresToToday({ db, zone }: Desk, now: Instant): Promise<void> {
  const today = await kpis(db, now, zone);
  await db.execute(
    `update figure set prepaid = figure.prepaid + $1 - last.prepaid, active = figure.active + $2 - last.active,
            need_package = figure.need_package + $3 - last.need_package, expired = figure.expired + $4 - last.expired,
            depleted = figure.depleted + $5 - last.depleted, online = figure.online + $6 - last.online
       from (select * from figure order by at desc limit 1) last`,
    [today.prepaid, today.active, today.needPackage, today.expired, today.depleted, today.online].map((one) => one.now),
  );
}
