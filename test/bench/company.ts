import { DAY, type Instant } from '#domain/time';
import type { Database } from '#storage/database';
import { timestamp } from '#storage/database';
import { ensurePartitions } from '#storage/history';

/**
 * A company at work, for measuring the staff's pages: for 100,000 subscribers 150,000 grants, 60,000 live sessions, 300,000
 * each of purchases with invoices and payments, messages and audit rows, a year of figures and a month of usage by day. Everything is
 * made by set-based statements from `generate_series`, so two runs make the same but for `now`.
 */
export async function seedCompany(db: Database, subscribers: number, now: Instant): Promise<void> {
  await ensurePartitions(db, now - 62 * DAY, now + 32 * DAY);
  for (const statement of statements(subscribers)) {
    await db.transaction(
      async (tx) => {
        await tx.execute("select set_config('bench.now', $1, true)", [timestamp(now)]);
        await tx.execute(statement);
      },
      { statementTimeoutMs: 0 },
    );
  }
  // One by one: all together take longer than a statement may on a machine with other work.
  const tables = await db.query<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
  );
  for (const { name } of tables) await db.execute(`vacuum analyze ${name}`);
}

const NOW = "current_setting('bench.now')::timestamptz";
const FIRST = `array['Siti','Budi','Ayu','Agus','Dewi','Eko','Fitri','Hendra','Indah','Joko','Kartika','Lukman','Made','Nur','Putu','Rina','Slamet','Tri','Wayan','Yanto']`;
const LAST = `array['Santoso','Wijaya','Rahayu','Hidayat','Lestari','Saputra','Wulandari','Pratama','Nugroho','Utami','Susanto','Maharani','Kurniawan','Setiawan','Anggraini','Firmansyah']`;

const statements = (count: number): readonly string[] => [
  `insert into nas (name, address, secret_sealed, api_seen_at)
   select 'pop-' || i, ('10.255.0.' || i)::cidr, '', ${NOW} from generate_series(1, 10) i`,
  `insert into plan (name) select 'home-' || i from generate_series(1, 8) i`,
  `insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_days, price_rupiah)
   select plan.id, r, plan.id * 10000000, plan.id * 10000000, case when plan.id % 4 <> 0 then plan.id * 10737418240 end, 30,
          50000 + plan.id * 25000
     from plan, generate_series(1, 2) r`,
  `insert into subscriber (username, password_sealed, name, phone, billing, access, nas_id, portal_id, mac, tags, suspended_at, created_at)
   select 'user' || lpad(i::text, 6, '0') || '@isp.example', '', (${FIRST})[1 + i % 20] || ' ' || (${LAST})[1 + (i / 20) % 16],
          '628' || lpad(((i * 7919::bigint) % 10000000000)::text, 10, '1'), case when i % 5 = 0 then 'postpaid' else 'prepaid' end,
          case when i % 20 = 0 then 'static' else 'pppoe' end, case when i % 20 = 0 then 1 + i % 10 end,
          case when i % 5 <> 0 then (10000000 + (i * 7919::bigint) % 89999999)::text end,
          case when i % 3 <> 0 then upper(regexp_replace(lpad(to_hex(i * 7919::bigint), 12, 'a'), '(..)(?!$)', '\\1:', 'g')) end,
          case when i % 50 = 0 then array['vip'] else '{}' end, case when i % 100 = 7 then ${NOW} - interval '3 days' end,
          ${NOW} - (i % 700) * interval '1 day'
     from generate_series(1, ${count}) i`,
  `insert into static_address (subscriber_id, nas_id, address, wanted_list, told_list)
   select id, nas_id, ('100.64.0.0'::inet + id)::cidr, 'prepaid-active', 'prepaid-active' from subscriber where access = 'static'`,
  // Of 100: 75 are covered now (10 of them have spent everything, 5 have a grant to come), 20 were, 5 never.
  `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes)
   select s.id, r.id, ${NOW} - interval '30 days' + age, ${NOW} + age,
          case when s.id % 100 < 10 then coalesce(r.allowance_bytes, 0) else (random() * 0.95 * coalesce(r.allowance_bytes, 1e11))::bigint end
     from subscriber s join plan_revision r on r.id = 1 + s.id % 16
          cross join lateral (select (random() * 29.9 + 0.05 + s.id * 0) * interval '1 day' as age) ages
    where s.id % 100 < 75`,
  `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes)
   select s.id, 1 + s.id % 16, ${NOW} - n * interval '30 days' - age, ${NOW} - (n - 1) * interval '30 days' - age, 1000000
     from subscriber s, generate_series(1, 2) n, lateral (select (random() + s.id * 0) * 30 * interval '1 day' + interval '1 hour' as age) ages
    where s.id % 100 < 95 and (n = 1 or s.id % 100 >= 75) and s.id % 100 % 9 <> 8`,
  `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
   select subscriber_id, plan_revision_id, ends_at, ends_at + interval '30 days' from grants
    where ends_at > ${NOW} and subscriber_id % 20 = 3`,
  `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at, heard_at, day, told_live)
   select 'key' || id, 1 + id % 10, ('10.255.0.' || 1 + id % 10)::inet, '81' || lpad(to_hex(id), 6, '0'), username, id, mac,
          '10.0.0.0'::inet + id, ${NOW} - (id % 5000) * interval '1 minute', ${NOW}, (${NOW})::date, '20M/20M list=prepaid-active'
     from subscriber where id % 5 < 3 and access = 'pppoe' or id % 20 = 1 and access = 'pppoe'`,
  `insert into session_history (id, key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at,
                                seconds, up_bytes, down_bytes, raw_up, raw_down, ended_at, cause)
   select 1000000 + i, 'old' || i, 1 + i % 10, '10.255.0.1', to_hex(i), s.username, s.id, '10.0.0.0'::inet + s.id, at - interval '5 hours', at,
          18000, 1e8, 1e9, 1e8, 1e9, at, 'Lost-Carrier'
     from generate_series(1, ${count * 3}) i join subscriber s on s.id = 1 + i % ${count},
          lateral (select ${NOW} - (random() * 50 + 0.1 + i * 0) * interval '1 day' as at) ats`,
  `insert into usage_daily (subscriber_id, day, up_bytes, down_bytes)
   select s.id, (${NOW})::date - d, (random() * 3e8)::bigint, (random() * 3e9)::bigint
     from subscriber s, generate_series(0, 29) d where s.id % 5 < 3`,
  `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, ordered_by, ordered_at, expires_at, cancelled_at, cancelled_by)
   select 'P-' || lpad(upper(to_hex(i)), 8, '0'), s.id, 1 + i % 16, 75000, 'subscriber:' || s.id, at, at + interval '1 day',
          case when i % 50 = 0 then at + interval '1 hour' end, case when i % 50 = 0 then 'system' end
     from generate_series(1, ${count * 3}) i join subscriber s on s.id = 1 + (i * 7919::bigint) % ${count},
          lateral (select ${NOW} - (${count * 3} - i) * interval '365 days' / ${count * 3} as at) ats`,
  // All but the newest, which wait, and some of long ago, whose money never came.
  `update purchase set granted_at = ordered_at + interval '5 minutes', grant_id = g.id
     from (select id, row_number() over (order by id desc) as n from grants) g
    where purchase.id = ${count * 3 - 200} - g.n and cancelled_at is null`,
  `insert into invoice (public_id, number, subscriber_id, kind, purchase_id, issued_at, issued_by, due_on, due_at, total_rupiah, settled_at,
                        settlements, voided_at, voided_by)
   select 'inv_' || lpad(id::text, 20, '0'), 'BENCH-' || id, subscriber_id, 'package', id, ordered_at, ordered_by,
          (ordered_at + interval '7 days')::date, ordered_at + interval '8 days', price_rupiah,
          case when paid then ordered_at + interval '5 minutes' end, paid::int, cancelled_at, cancelled_by
     from purchase, lateral (select cancelled_at is null and ordered_at < ${NOW} - interval '10 minutes' as paid) as paid`,
  `insert into invoice_line (invoice_id, position, kind, description, amount_rupiah) select id, 1, 'plan', 'home-1', total_rupiah from invoice`,
  `insert into payment (purchase_id, invoice_id, subscriber_id, method, amount_rupiah, received_at, received_by)
   select purchase_id, id, subscriber_id, case when id % 3 = 0 then 'transfer' else 'cash' end, total_rupiah, settled_at, 'staff:sari'
     from invoice where settled_at is not null`,
  // The books of the last two months.
  `with booked as (
     insert into ledger_transaction (day, at, kind, reference, subscriber_id)
     select (received_at)::date, received_at, 'payment', 'bench:' || id, subscriber_id from payment where received_at > ${NOW} - interval '60 days'
     returning id, subscriber_id)
   insert into ledger_entry select id, n, (array['cash', 'customer-credit', 'customer-credit', 'deferred-revenue'])[n],
          case when n in (2, 3) then subscriber_id end, 75000 * (array[1, -1, 1, -1])[n] from booked, generate_series(1, 4) as n`,
  `insert into message (subscriber_id, phone, notice, body_sealed, queued_at, due_at, expires_at, transport_id, sent_at, delivered_at, read_at, failed_at, failure)
   select s.id, s.phone, (array['portal-pin','ending-soon','ended','activated','quota-80'])[1 + i % 5], '', at, at, at + interval '1 day', 'm' || i,
          case when i % 40 > 0 then at end, case when i % 40 > 1 then at end, case when i % 4 = 3 then at end,
          case when i % 40 = 0 and i < ${count * 3} - 40 then at end, case when i % 40 = 0 then 'not on WhatsApp' end
     from generate_series(1, ${count * 3}) i join subscriber s on s.id = 1 + (i * 104729::bigint) % ${count},
          lateral (select ${NOW} - (${count * 3} - i) * interval '180 days' / ${count * 3} as at) ats`,
  `insert into audit (at, actor, why, subscriber_id, detail)
   select ${NOW} - (${count * 3} - i) * interval '365 days' / ${count * 3},
          (array['staff:sari','staff:adi','system','cli:root'])[1 + i % 4], (array['settle purchase','edit subscriber','issue pin','add grant'])[1 + i % 4],
          case when i % 10 <> 0 then 1 + (i * 7919::bigint) % ${count} end, '{"changed": ["phone"]}'
     from generate_series(1, ${count * 3}) i`,
  `insert into enforcement_act (at, subscriber_id, session_key, nas_id, act, outcome, reason, took_ms)
   select ${NOW} - random() * interval '30 days', 1 + i % ${count}, 'key' || 1 + i % ${count}, 1 + i % 10, 'coa', 'ack', 'changed', 12
     from generate_series(1, ${count * 2}) i`,
  `insert into rejected_dial (username, subscriber_id, nas_id, reason, times, first_at, last_at)
   select s.username, s.id, 1 + i % 10, 'wrong-password', 3, at, at + interval '5 minutes'
     from generate_series(1, ${count / 2}) i join subscriber s on s.id = 1 + (i * 31) % ${count},
          lateral (select ${NOW} - (random() + i * 0) * interval '30 days' as at) ats`,
  `insert into figure (at, prepaid, active, need_package, expired, depleted, online)
   select to_timestamp(floor(extract(epoch from ${NOW}) / 300) * 300) - i * interval '5 minutes', 80000, 60000 + (random() * 1000)::int, 18000, 12000, 5000, 60000
     from generate_series(0, 288 * 365) i`,
  `insert into due (subscriber_id, due_at, attempts) select id, ${NOW} + random() * interval '10 days', case when id % 5000 = 0 then 4 else 0 end from subscriber`,
];
