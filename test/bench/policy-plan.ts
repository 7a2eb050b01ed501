import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPolicy, type Policy, type Rule } from '#domain/policy';
import { HOUR, localMidnight } from '#domain/time';
import { planPolicy } from '#operations/plan-policy';
import { replyOf } from '#policy-server/policy-side';
import { type Database, openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { entities } from '#storage/entities';
import { lockDataDir } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { currentPolicies } from '#storage/policy';
import { percentile } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';

const SUBSCRIBERS = 100_000;
const SESSIONS = 50_000;
const ROUNDS = 5;
const ZONE = 'Asia/Jakarta';
/** The night boost is to come: each subscriber's day has its edges. */
const NOON = localMidnight(Date.now(), ZONE) + 12 * HOUR;

/**
 * What an edit would do to 100,000 subscribers with 250,000 grants and 50,000 live sessions: a night boost and a fair-use
 * step in front of the policy in force, from the first query to the whole answer.
 */
export async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const dataDir = join(folder, 'data');
  const lock = lockDataDir(dataDir);
  const embedded = await startEmbedded(dataDir);
  await migrate(embedded.url);
  const db = openDatabase({ url: embedded.url, poolSize: 4, entities });
  try {
    await seed(db);
    return await measure(db);
  } finally {
    await db.close();
    await embedded.stop();
    lock.release();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(db: Database): Promise<Row[]> {
  const zone = ZONE;
  const { current: inForce } = await currentPolicies(db, zone);
  const desk = { db, zone, clock: () => NOON, replyOf };
  const times: number[] = [];
  const busy: number[] = [];
  let changed = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    const impact = await planPolicy(desk, edited(inForce));
    // The first one warms up: a server has planned nothing yet, but decided a million times.
    if (round === 0) continue;
    times.push(performance.now() - began);
    const { user, system } = process.cpuUsage(cpu);
    busy.push((user + system) / 1000);
    changed = impact.subscribers.changed;
  }
  const name = `policy plan: ${SUBSCRIBERS} subscribers, ${SESSIONS} live sessions`;
  return [
    { name: `${name}, p50`, value: percentile(times, 0.5) / 1000, unit: 's', goal: 2, higherIsBetter: false },
    { name: `${name}, worst of ${ROUNDS}`, value: Math.max(...times) / 1000, unit: 's', higherIsBetter: false },
    {
      name: 'policy plan: processor time of the server',
      value: percentile(busy, 0.5) / 1000,
      unit: 's',
      higherIsBetter: false,
    },
    { name: 'policy plan: subscribers it changes', value: changed, unit: '' },
  ];
}

/** A night boost and a fair-use step before the rule that gives the plan. */
function edited(policy: Policy): Policy {
  const at = policy.rules.findIndex(({ name }) => name === 'active');
  const active = policy.rules[at]!;
  const added: Rule[] = [
    {
      name: 'night boost',
      when: { is: 'all', of: [active.when, { is: 'window', from: '00:00', to: '06:00' }] },
      give: { ...FULL, rate: { is: 'share', share: 2 } },
    },
    {
      name: 'fair use',
      when: { is: 'all', of: [active.when, { is: 'fair-use-share', share: 0.8, per: null }] },
      give: { ...FULL, access: 'reduced', rate: { is: 'share', share: 0.5 } },
    },
  ];
  return { ...policy, rules: policy.rules.toSpliced(at, 0, ...added) };
}

const FULL = {
  access: 'full',
  addressList: 'prepaid-active',
  profile: { is: 'plan' },
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [],
} as const;

/** Eight plans on ten NASes; each subscriber has up to four months of grants, which is what grace can ask for. */
async function seed(db: Database): Promise<void> {
  await db.transaction(
    async (tx) => {
      for (const statement of STATEMENTS) await tx.execute(statement);
    },
    { statementTimeoutMs: 0 },
  );
  for (const table of ['subscriber', 'grants', 'session', 'static_address'])
    await db.execute(`vacuum analyze ${table}`);
}

const STATEMENTS = [
  `insert into policy_revision (document, note, created_by, created_at, published_at)
   values ('${JSON.stringify({ rules: defaultPolicy().rules })}', 'the default', 'bench', now(), now())`,
  `insert into nas (name, address, secret_sealed, coa_per_second)
   select 'pop-' || i, ('10.255.0.' || i)::cidr, '', 100 from generate_series(1, 10) i`,
  `insert into plan (name) select 'home-' || i from generate_series(1, 8) i`,
  `insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_days, price_rupiah)
   select id, 1, id * 10000000, id * 10000000, case when id % 4 <> 0 then id * 10737418240 end, 30, 100000 from plan order by id`,
  `insert into subscriber (username, password_sealed, billing, access, nas_id, tags, suspended_at)
   select 'user' || lpad(i::text, 6, '0'), repeat('x', 60)::bytea, case when i % 5 = 0 then 'postpaid' else 'prepaid' end,
          case when i % 20 = 0 then 'static' else 'pppoe' end, case when i % 20 = 0 then 1 + i % 10 end,
          case when i % 50 = 0 then array['vip'] else '{}' end, case when i % 100 = 7 then now() - interval '3 days' end
     from generate_series(1, ${SUBSCRIBERS}) i`,
  `insert into static_address (subscriber_id, nas_id, address, wanted_list, told_list)
   select id, nas_id, ('100.64.0.0'::inet + id)::cidr, 'prepaid-active', 'prepaid-active' from subscriber where access = 'static'`,
  // Of 100: 80 are covered now, 15 were, 5 never; months before that.
  `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes)
   select s.id, 1 + s.id % 8, now() + age - (n + 1) * interval '30 days', now() + age - n * interval '30 days',
          case when s.id % 4 = 3 then random() * 1e11 else random() * (1 + s.id % 8) * 10737418240 end
     from subscriber s, lateral (select (random() * 29 + 0.5 + s.id * 0) * interval '1 day' as age) ages, generate_series(0, 2) n
    where s.id % 100 < 95 and (n > 0 or s.id % 100 < 80)`,
  `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at,
                        day, told_live, told_fixed, told_at, confirmed_at)
   select 'key' || s.id, 1 + s.id % 10, ('10.255.0.' || 1 + s.id % 10)::inet, '81' || lpad(to_hex(s.id), 6, '0'), s.username, s.id,
          '10.0.0.0'::inet + s.id, now() - interval '1 hour', now(), current_date,
          r.download_bps || '/' || r.upload_bps || ' list=prepaid-active', 'default', now() - interval '1 hour', now() - interval '1 hour'
     from subscriber s join plan_revision r on r.id = 1 + s.id % 8
    where s.access = 'pppoe' and s.suspended_at is null and s.id % 100 < 80 order by s.id limit ${SESSIONS}`,
];
