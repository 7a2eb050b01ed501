import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { saveSettings } from '#operations/settings';
import { ensurePartitions } from '#storage/history';
import { subscriberPasswordAad } from '#storage/secrets';
import { timestamp } from '#storage/values';

const FIRST =
  'Siti Budi Ayu Agus Dewi Eko Fitri Hendra Indah Joko Kartika Lukman Made Nur Putu Rina Slamet Tri Wayan Yanto Bambang Citra Dian Endang Faisal Gita Hasan Imam Ratna Sri'.split(
    ' ',
  );
const LAST =
  'Santoso Wijaya Rahayu Hidayat Lestari Saputra Wulandari Pratama Nugroho Utami Susanto Maharani Kurniawan Setiawan Anggraini Firmansyah Purnomo Hartono'.split(
    ' ',
  );
const STREETS = 'Melati Kenanga Mawar Anggrek Flamboyan Cempaka Dahlia Teratai'.split(' ');
const ROUTERS = ['pop-dinoyo', 'pop-sukun', 'pop-batu', 'pop-kepanjen'] as const;
const PLANS = [
  ['10GB - 10Mbps', 10, 10, 50_000],
  ['20GB - 20Mbps', 20, 20, 75_000],
  ['50GB - 50Mbps', 50, 50, 150_000],
  ['Unlimited - 100Mbps', 100, null, 300_000],
] as const;

/** The same numbers at every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** A provider that looks like a real one: `count` subscribers in every state, with a month of money, sessions and figures behind it. */
export async function seedProvider(desk: Desk, now: Instant, count = 320): Promise<void> {
  const { db, sealer } = desk;
  const roll = dice(7);
  const pick = <Value>(from: readonly Value[]): Value => from[Math.floor(roll() * from.length)]!;
  await ensurePartitions(db, now - 62 * DAY, now + 32 * DAY);
  await saveSettings(desk, 'company', { name: 'Maju Net', phone: '081234567890', hours: 'Senin–Sabtu 08.00–20.00' });
  for (const [at, name] of ROUTERS.entries())
    await db.execute(`insert into nas (name, address, secret_sealed) values ($1, $2::cidr, '')`, [
      name,
      `10.20.0.${at + 1}`,
    ]);
  for (const [name, mbps, gigabytes, price] of PLANS) {
    await db.execute(
      `with made as (insert into plan (name) values ($1) returning id)
       insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_days, price_rupiah)
       select id, 1, $2::bigint, $2::bigint, $3::bigint, 30, $4 from made`,
      [name, mbps * 1_000_000, gigabytes === null ? null : gigabytes * 2 ** 30, price],
    );
  }
  const sales: Sale[] = [];
  for (let id = 1; id <= count; id += 1) {
    const [first, last] = [pick(FIRST), pick(LAST)];
    const isStatic = id % 12 === 0;
    const postpaid = id % 9 === 0;
    const username = `${first}.${last}${id}`.toLowerCase();
    const nas = 1 + (id % ROUTERS.length);
    await db.execute(
      `insert into subscriber (id, username, password_sealed, name, phone, billing, access, nas_id, portal_id, tags, address, suspended_at, created_at)
       overriding system value values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::timestamptz, $13::timestamptz)`,
      [
        id,
        username,
        sealer.seal('rahasia', subscriberPasswordAad(id)),
        `${first} ${last}`,
        id % 25 === 0 ? null : `0812${String(30_000_000 + id * 7919).slice(0, 8)}`,
        postpaid ? 'postpaid' : 'prepaid',
        isStatic ? 'static' : 'pppoe',
        isStatic ? nas : null,
        postpaid ? null : String(10_000_000 + ((id * 271_828_183) % 89_999_999)),
        id % 7 === 0 ? ['fiber', 'desa-a'] : id % 5 === 0 ? ['rt-04'] : [],
        `Jl. ${pick(STREETS)} ${1 + (id % 80)}, RT 0${1 + (id % 8)}/0${1 + (id % 5)}, Malang`,
        id % 61 === 0 ? timestamp(now - 3 * DAY) : null,
        timestamp(now - (20 + (id % 700)) * DAY),
      ],
    );
    if (isStatic)
      await db.execute(
        `insert into static_address (subscriber_id, nas_id, address, told_list, told_at, seen_list, seen_at)
         values ($1, $2, $3::cidr, $4, $5::timestamptz, $4, $5::timestamptz)`,
        [
          id,
          nas,
          `103.20.${id % 200}.${10 + (id % 200)}`,
          id % 4 === 0 ? 'prepaid-no-package' : 'prepaid-active',
          timestamp(now - HOUR),
        ],
      );
    if (id % 10 < 9) await buyMonths(desk, sales, id, now, roll, id % 10 < 7, postpaid);
    if (!isStatic) await connect(desk, id, username, nas, now, roll, id % 61 !== 0 && id % 10 < 7 && roll() < 0.85);
  }
  await db.execute(`select setval(pg_get_serial_sequence('subscriber', 'id'), $1)`, [count]);
  await sell(desk, sales, now);
  await figures(desk, now, count);
}

async function buyMonths(
  { db }: Desk,
  sales: Sale[],
  id: number,
  now: Instant,
  roll: () => number,
  covered: boolean,
  postpaid: boolean,
): Promise<void> {
  const plan = 1 + Math.floor(roll() ** 1.4 * PLANS.length);
  const [, , gigabytes, price] = PLANS[plan - 1]!;
  const left = covered ? 0.05 + roll() * 29.93 : -roll() * 20 - 0.1;
  for (const months of [1, 0]) {
    const until = now + left * DAY - months * 30 * DAY;
    const from = until - 30 * DAY;
    const share = months > 0 ? 0.9 : id % 17 === 0 ? 1 : Math.min(0.97, (1 - left / 30) * (0.6 + roll() * 0.5));
    const used = Math.round((gigabytes ?? 80) * 2 ** 30 * Math.max(0.01, share));
    const [grant] = await db.query<{ id: number }>(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes) values ($1, $2, $3::timestamptz, $4::timestamptz, $5) returning id`,
      [id, plan, timestamp(from), timestamp(until), used],
    );
    if (!postpaid)
      sales.push({ id, plan, price, grant: grant!.id, at: from, cash: id % 2 === 0, byStaff: id % 3 === 0 });
  }
}

type Sale = {
  readonly id: number;
  readonly plan: number;
  readonly price: number;
  readonly grant: number;
  readonly at: Instant;
  readonly cash: boolean;
  readonly byStaff: boolean;
};

/** In the order in which they happened, and a few that wait for their money. */
async function sell({ db }: Desk, sales: readonly Sale[], now: Instant): Promise<void> {
  for (const [place, { id, plan, price, grant, at, cash, byStaff }] of sales
    .toSorted((one, other) => one.at - other.at)
    .entries()) {
    await db.execute(
      `with bought as (
         insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, ordered_by, ordered_at, expires_at, granted_at, grant_id)
         values ($1, $2::bigint, $3, $4, $5, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9) returning id)
       insert into payment (purchase_id, subscriber_id, method, amount_rupiah, received_at, received_by)
       select id, $2::bigint, $10, $4, $8::timestamptz, 'staff:siti' from bought`,
      [
        `P-${(place * 7_919_317).toString(32).toUpperCase().padStart(8, '0').slice(-8)}`,
        id,
        plan,
        price,
        byStaff ? 'staff:siti' : `subscriber:${id}`,
        timestamp(at - 6 * MINUTE),
        timestamp(at + DAY),
        timestamp(at),
        grant,
        cash ? 'cash' : 'transfer',
      ],
    );
  }
  for (const [place, { id, plan, price }] of sales
    .filter((sale) => sale.id % 40 === 3 && sale.at > now - 30 * DAY)
    .entries()) {
    await db.execute(
      `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, ordered_by, ordered_at, expires_at)
       values ($1, $2, $3, $4, $5, $6::timestamptz, $7::timestamptz)`,
      [
        `P-W${String(id).padStart(7, '0')}`,
        id,
        plan,
        price,
        `subscriber:${id}`,
        timestamp(now - (90 - place * 9) * MINUTE),
        timestamp(now + 22 * HOUR),
      ],
    );
  }
}

async function connect(
  desk: Desk,
  id: number,
  username: string,
  nas: number,
  now: Instant,
  roll: () => number,
  online: boolean,
): Promise<void> {
  const { db } = desk;
  const mac =
    `4C:5E:0C:${[id >> 8, id & 255, 17].map((one) => one.toString(16).padStart(2, '0')).join(':')}`.toUpperCase();
  const past = Math.floor(roll() * 4);
  for (let at = 0; at < past; at += 1) {
    const ended = now - (0.4 + at * 2.3 + roll()) * DAY;
    await db.execute(
      `insert into session_history (id, key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at, heard_at,
                                    seconds, up_bytes, down_bytes, raw_up, raw_down, ended_at, cause)
       values ($1, $2, $3, $4::inet, $2, $5, $6, $7, $8::inet, $9::timestamptz, $10::timestamptz, $11, $12, $13, $12, $13, $10::timestamptz, $14)`,
      [
        1_000_000 + id * 10 + at,
        `81${id.toString(16)}${at}`,
        nas,
        `10.20.0.${nas}`,
        username,
        id,
        mac,
        `100.64.${id >> 8}.${id & 255}`,
        timestamp(ended - 20 * HOUR),
        timestamp(ended),
        20 * 3600,
        Math.round(roll() * 3e8),
        Math.round(roll() * 4e9),
        roll() < 0.5 ? 'Lost-Carrier' : 'User-Request',
      ],
    );
  }
  if (online)
    await db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at, heard_at, day, seconds, up_bytes, down_bytes, told_live, told_at, confirmed_at)
       values ($1, $2, $3::inet, $1, $4, $5, $6, $7::inet, $8::timestamptz, $9::timestamptz, ($9::timestamptz)::date, 7200, $10, $11, $12, $8::timestamptz, $9::timestamptz)`,
      [
        `live${id}`,
        nas,
        `10.20.0.${nas}`,
        username,
        id,
        mac,
        `100.64.${id >> 8}.${id & 255}`,
        timestamp(now - (10 + roll() * 900) * MINUTE),
        timestamp(now - roll() * 4 * MINUTE),
        Math.round(roll() * 2e8),
        Math.round(roll() * 3e9),
        '20000000/20000000 list=prepaid-active',
      ],
    );
  else if (id % 5 === 0)
    await db.execute(
      `insert into rejected_dial (username, subscriber_id, nas_id, mac, reason, times, first_at, last_at)
       values ($1, $2, $3, $4, 'wrong-password', 3, $5::timestamptz, $6::timestamptz)`,
      [username, id, nas, mac, timestamp(now - 2 * HOUR), timestamp(now - 20 * MINUTE)],
    );
  await db.execute(
    `insert into usage_daily (subscriber_id, day, up_bytes, down_bytes)
     select $1::bigint, ($2::timestamptz)::date - d, (1e8 * (0.5 + (($1::bigint * 37 + d * 91) % 100) / 80.0))::bigint, (1e9 * (0.2 + (($1::bigint * 53 + d * 67) % 100) / 45.0))::bigint
       from generate_series(0, 29) d`,
    [id, timestamp(now)],
  );
}

/** An hourly sample: slow growth, and evenings busier than mornings. */
async function figures(desk: Desk, now: Instant, count: number): Promise<void> {
  await desk.db.execute(
    `insert into figure (at, prepaid, active, need_package, expired, depleted, online)
     select at, total, active, total - active, (total - active) * 6 / 10, (total - active) / 8,
            (total * (0.52 + 0.16 * sin((extract(hour from at) - 8) * pi() / 12) + 0.02 * sin(extract(epoch from at) / 40000)))::int
       from (select at, ($2 * 0.88 - age / 4)::int as total, ($2 * 0.62 - age / 3 + 4 * sin(extract(epoch from at) / 260000))::int as active
               from (select at, extract(epoch from $1::timestamptz - at) / 86400 as age
                       from generate_series(date_trunc('hour', $1::timestamptz) - interval '30 days', $1::timestamptz, interval '1 hour') at) days) counts
     on conflict do nothing`,
    [timestamp(now), count],
  );
}
