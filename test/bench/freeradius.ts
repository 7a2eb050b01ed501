import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { load, SECRET, startWorker } from '#test/bench/radius-bench';
import type { Row } from '#test/bench/report';
import { password, username } from '#test/bench/subscribers';
import { type Raddb, raddbMissing, startRaddb } from '#test/freeradius/raddb';

/**
 * One FreeRADIUS in front of 100,000 subscribers, PAP under the same load: asking us by rlm_rest, passing on to us as a
 * proxy, and with rlm_sql on PostgreSQL: the schema, the queries and the settings it comes with, each subscriber with a
 * password and the group of a plan; no post-auth row. And once more as lean as rlm_sql can be: every attribute with the
 * subscriber, groups off, two statements a dial. All four are asked in turns.
 */

const SUBSCRIBERS = 100_000;
const TOKEN = 'a-token-of-the-bench-0123456789';
const SECONDS = 3;
const ROUNDS = 3;
const THREADS = 16;
const clients = { '127.0.0.0/8': SECRET };
const plan = {
  secret: SECRET,
  subscribers: SUBSCRIBERS,
  credential: 'pap',
  packets: 10_000,
  rounds: 10,
  seconds: SECONDS,
  window: 64,
} as const;

export async function run(): Promise<Row[]> {
  const missing = raddbMissing();
  if (missing !== null) throw new Error(missing);
  const running: { stop(): Promise<void> }[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  try {
    const worker = await startWorker(SUBSCRIBERS, { host: '127.0.0.1', port: 0, token: TOKEN });
    running.push(worker);
    const nodes = { node1: '127.0.0.1', node2: '127.0.0.2', auth_port: worker.authPort, acct_port: worker.acctPort };
    const settings = { url: `http://127.0.0.1:${worker.restPort}`, token: TOKEN, ...nodes, secret: SECRET };
    const embedded = await startEmbedded(folder);
    running.push(embedded);
    await fill(embedded.url);
    const started = {
      rest: await startRaddb({ way: 'rest', settings, clients, threads: THREADS }),
      proxy: await startRaddb({ way: 'proxy', settings, clients, threads: THREADS }),
      sql: await startSql(embedded.url, 'rad', 'yes'),
      lean: await startSql(embedded.url, 'lean', 'no'),
    };
    running.push(...Object.values(started));
    return rowsOf(await measured(started));
  } finally {
    for (const one of running.reverse()) await one.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

type Measured = { accepts: number; others: number; p99Ms: number };
type Of<Value> = Record<'rest' | 'proxy' | 'sql' | 'lean', Value>;

/** In turns, so that whatever else the machine does is shared by all. */
async function measured(started: Of<Raddb>): Promise<Of<Measured>> {
  const sums: Of<Measured> = { rest: none(), proxy: none(), sql: none(), lean: none() };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of ['rest', 'sql', 'proxy', 'lean'] as const) {
      const { accepts, rejects, lost, p99Ms } = await load({ ...plan, port: started[name].authPort });
      sums[name].accepts += accepts;
      sums[name].others += rejects + lost;
      sums[name].p99Ms = Math.max(sums[name].p99Ms, p99Ms);
    }
  }
  return sums;
}

const none = (): Measured => ({ accepts: 0, others: 0, p99Ms: 0 });

function rowsOf({ rest, proxy, sql, lean }: Of<Measured>): Row[] {
  const perSecond = ({ accepts }: Measured) => accepts / (SECONDS * ROUNDS);
  const others = [rest, proxy, sql, lean].reduce((sum, one) => sum + one.others, 0);
  const standard = 'FreeRADIUS with rlm_sql';
  return [
    { name: 'FreeRADIUS asks us by rlm_rest', value: perSecond(rest), unit: '/s', ratioTo: standard },
    { name: '… as a ratio', value: rest.accepts / sql.accepts, unit: '×', goal: 2 },
    { name: '… p99 at full load', value: rest.p99Ms, unit: 'ms', higherIsBetter: false },
    { name: 'FreeRADIUS passes on to us', value: perSecond(proxy), unit: '/s', ratioTo: standard },
    { name: standard, value: perSecond(sql), unit: '/s' },
    { name: '… without groups', value: perSecond(lean), unit: '/s' },
    { name: 'rejected or lost by any', value: others, unit: '' },
  ];
}

async function startSql(url: string, tables: 'rad' | 'lean', groups: 'yes' | 'no'): Promise<Raddb> {
  const shipped = await readFile('/etc/freeradius/3.0/mods-available/sql', 'utf8');
  const sql = shipped
    .replace(/^\tdialect = .*$/m, '\tdialect = "postgresql"')
    .replace(/^\tdriver = .*$/m, '\tdriver = "rlm_sql_postgresql"')
    .replace(/^\tradius_db = .*$/m, `\tradius_db = "${keywords(url)}"`)
    .replace(/^\tauthcheck_table = .*$/m, `\tauthcheck_table = "${tables}check"`)
    .replace(/^\tauthreply_table = .*$/m, `\tauthreply_table = "${tables}reply"`)
    .replace(/^#\tread_groups = .*$/m, `\tread_groups = ${groups}`);
  const files = { 'mods-enabled/sql': sql, 'sites-enabled/with-sql': SITE };
  return startRaddb({ way: null, settings: {}, clients, threads: THREADS, files });
}

/** A connection string without `=` is the name of a database to it. */
function keywords(url: string): string {
  const { hostname, port, username: user, password: secret, pathname } = new URL(url);
  return `host=${hostname} port=${port} user=${user} password=${secret} dbname=${pathname.slice(1)}`;
}

const PLAN = `(values ('Mikrotik-Rate-Limit', '20000k/20000k'), ('Mikrotik-Address-List', 'prepaid-active'),
  ('Acct-Interim-Interval', '300'), ('Session-Timeout', '86400')) as r (attribute, value)`;

/** The tables of a dial from mods-config/sql/main/postgresql/schema.sql. */
async function fill(url: string): Promise<void> {
  const db = openDatabase({ url, poolSize: 1 });
  const attributes = `Attribute text not null default '', op varchar(2) not null default '==', Value text not null default ''`;
  for (const table of ['radcheck', 'radreply', 'leancheck', 'leanreply']) {
    await db.query(`create table ${table} (id serial primary key, UserName text not null default '', ${attributes})`);
    await db.query(`create index ${table}_UserName on ${table} (UserName, Attribute)`);
  }
  for (const table of ['radgroupcheck', 'radgroupreply']) {
    await db.query(`create table ${table} (id serial primary key, GroupName text not null default '', ${attributes})`);
    await db.query(`create index ${table}_GroupName on ${table} (GroupName, Attribute)`);
  }
  await db.query(`create table radusergroup (id serial primary key, UserName text not null default '',
    GroupName text not null default '', priority integer not null default 0)`);
  await db.query('create index radusergroup_UserName on radusergroup (UserName)');
  const all = Array.from({ length: SUBSCRIBERS }, (_, i) => i);
  await db.query(
    `insert into radcheck (UserName, Attribute, op, Value)
     select name, 'Cleartext-Password', ':=', password from unnest($1::text[], $2::text[]) as u (name, password)`,
    [all.map(username), all.map(password)],
  );
  await db.query(
    `insert into radusergroup (UserName, GroupName) select name, 'home-' || n % 4
       from unnest($1::text[]) with ordinality as u (name, n)`,
    [all.map(username)],
  );
  await db.query(`insert into radgroupreply (GroupName, Attribute, op, Value)
     select 'home-' || n, attribute, ':=', value from generate_series(0, 3) as n, ${PLAN}`);
  await db.query(
    'insert into leancheck (UserName, Attribute, op, Value) select UserName, Attribute, op, Value from radcheck',
  );
  await db.query(`insert into leanreply (UserName, Attribute, op, Value)
     select username, r.attribute, ':=', r.value from radusergroup, ${PLAN}`);
  await db.query('vacuum analyze');
  await db.close();
}

const SITE = `
server with-sql {
	listen {
		type = auth
		ipaddr = \${gerbang_listen}
		port = \${gerbang_listen_auth_port}
	}
	authorize {
		sql
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
	}
	post-auth {
		update reply {
			&Message-Authenticator := 0x00
		}
	}
}
`;
