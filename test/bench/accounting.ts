import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IntakeMetrics } from '#policy-server/intake-messages';
import type { Database } from '#storage/database';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { migrate } from '#storage/migrate';
import type { ChildSettings } from '#test/accounting/server-child';
import type { AccountingLoadPlan, AccountingLoadResult } from '#test/bench/accounting-load';
import { STEP_BYTES, token, username } from '#test/bench/accounting-load';
import type { Row } from '#test/bench/report';

/**
 * Durable accounting: Interims of 100,000 live sessions for 20 s, acknowledged after fdatasync by a real RADIUS worker
 * thread while the real intake thread applies them to an embedded PostgreSQL; then the backlog to its last record. Load,
 * server and database are processes of their own and share the machine.
 */

const SESSIONS = 100_000;
const SECONDS = 20;
/** Enough for 90,000 Interims a second. */
const ROUNDS = 18;
const SECRET = 'a-secret-of-some-length-0123456789';

export async function run(): Promise<Row[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const embedded = await startEmbedded(dataDir);
  await migrate(embedded.url);
  const db = openDatabase({ url: embedded.url, poolSize: 2 });
  const load = await started('./accounting-load.ts', (port) => plan(port), await server(dataDir, db));
  const rows = await measured(load, db);
  await db.close();
  await embedded.stop();
  await rm(dataDir, { recursive: true });
  return rows;
}

type Running = { readonly child: ChildProcess; readonly acctPort: number; readonly applied: () => number };

async function server(dataDir: string, db: Database): Promise<Running> {
  await fill(db);
  const nas = {
    id: 1,
    name: 'bench',
    tags: [],
    address: '127.0.0.1',
    secret: SECRET,
    messageAuthenticator: 'auto',
    messageAuthenticatorSeen: false,
    swapOctets: false,
  } as const;
  const settings: ChildSettings = { dataDir, databaseUrl: db.url, nas, intake: { zone: 'Asia/Jakarta' } };
  const child = fork(new URL('../accounting/server-child.ts', import.meta.url), [JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv:
      process.env.BENCH_PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`],
  });
  let metrics: IntakeMetrics | undefined;
  const acctPort = await new Promise<number>((resolve, reject) => {
    child.on('message', (message: { acctPort?: number; metrics?: IntakeMetrics }) => {
      if (message.acctPort !== undefined) resolve(message.acctPort);
      metrics = message.metrics ?? metrics;
    });
    child.once('exit', () => reject(new Error('the server ended by itself')));
  });
  return { child, acctPort, applied: () => metrics?.recordsApplied ?? 0 };
}

const plan = (port: number): AccountingLoadPlan => ({
  port,
  secret: SECRET,
  sessions: SESSIONS,
  rounds: ROUNDS,
  seconds: SECONDS,
  window: 2048,
});

type Bench = { readonly load: ChildProcess; readonly server: Running };

async function started(file: string, planFor: (port: number) => AccountingLoadPlan, running: Running): Promise<Bench> {
  const load = fork(new URL(file, import.meta.url), [JSON.stringify(planFor(running.acctPort))], {
    execArgv: ['--max-old-space-size=8192'],
  });
  await once(load, 'message');
  return { load, server: running };
}

async function measured({ load, server: { child, applied } }: Bench, db: Database): Promise<Row[]> {
  load.send('go');
  const appliedBefore = applied();
  const [result] = (await once(load, 'message')) as [AccountingLoadResult];
  const endedAt = performance.now();
  const appliedMeanwhile = applied() - appliedBefore;
  while (applied() < result.acknowledged) await new Promise((resolve) => setTimeout(resolve, 50));
  const backlogSeconds = (performance.now() - endedAt) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const wrong = await wrongSessions(db, result);
  child.disconnect();
  await once(child, 'exit');
  return [
    {
      name: 'accounting acknowledged after fdatasync',
      value: result.acknowledged / result.seconds,
      unit: '/s',
      goal: 60_000,
    },
    { name: 'accounting applied meanwhile', value: appliedMeanwhile / (result.seconds + 1), unit: '/s', goal: 15_000 },
    {
      name: 'accounting backlog applied',
      value: (result.acknowledged - appliedMeanwhile) / backlogSeconds,
      unit: '/s',
    },
    { name: 'accounting backlog gone after', value: backlogSeconds, unit: 's', higherIsBetter: false },
    { name: 'accounting requests unanswered', value: result.lost, unit: '', goal: 0, higherIsBetter: false },
    { name: 'sessions with a wrong byte after it', value: wrong, unit: '', goal: 0, higherIsBetter: false },
  ];
}

/** Each session must show the last Interim sent for it; with requests unanswered that may be the one before. */
async function wrongSessions(db: Database, result: AccountingLoadResult): Promise<number> {
  const full = Math.floor(result.sent / SESSIONS);
  const more = result.sent % SESSIONS;
  const [row] = await db.query<{ wrong: number }>(
    `select count(*) as wrong from session s join grants g using (subscriber_id)
     where s.up_bytes <> $1::bigint * case when s.subscriber_id <= $3 then $2::bigint + 1 else $2::bigint end
        or g.used_bytes <> s.up_bytes + s.down_bytes or s.down_bytes <> 9 * s.up_bytes`,
    [STEP_BYTES, full, more],
  );
  return row!.wrong;
}

/** 100,000 subscribers with a grant of limited allowance and a live session each. */
async function fill(db: Database): Promise<void> {
  await db.query(`insert into nas (name, address, secret_sealed) values ('bench', '127.0.0.1', '')`);
  await db.query(`insert into plan (name) values ('20M')`);
  await db.query(
    `insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_months, price_rupiah)
     values (1, 1, 20000000, 20000000, 1099511627776, 1, 75000)`,
  );
  const numbers = Array.from({ length: SESSIONS }, (_, i) => i);
  await db.query(
    `insert into subscriber (username, password_sealed) select u, '' from unnest($1::text[]) with ordinality t (u, n) order by n`,
    [numbers.map(username)],
  );
  await db.query(
    `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
     select id, 1, now() - interval '1 day', now() + interval '29 days' from subscriber order by id`,
  );
  await db.query(
    `insert into due (subscriber_id, due_at, valid_below) select id, now() + interval '29 days', 1099511627776 from subscriber`,
  );
  await db.query(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, nas_port_id, started_at,
       heard_at, day, told_live, told_fixed, told_at, confirmed_at, flags)
     select k, 1, '127.0.0.1', '81' || lpad(to_hex(n - 1), 6, '0'), u, n, 'AA:BB:CC:DD:EE:01', '10.20.30.40', 'ether1', now(), now(),
       (now() at time zone 'Asia/Jakarta')::date, 'rate list=l', 'fixed', now(), now(), '{gigawords}'
     from unnest($1::text[], $2::text[]) with ordinality t (k, u, n)`,
    [numbers.map((i) => token(i).toString('hex')), numbers.map(username)],
  );
  for (const table of ['subscriber', 'grants', 'due', 'session']) await db.query(`vacuum analyze ${table}`);
}
