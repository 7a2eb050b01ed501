import { join } from 'node:path';
import { DAY, type Instant } from '#domain/time';
import { change } from '#storage/change';
import { type Database, openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { runningServer } from '#storage/lock';
import { loadMasterKey, subscriberPasswordAad } from '#storage/secrets';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';
import { type System, startSystem } from '#test/world/system';

const SECRET = 'demo-secret-of-the-simulated-router';
const PASSWORD = 'rahasia';
/** Dials at once; a router has more to say at a time than it waits for. */
const DIALS = 100;
const GB = 2 ** 30;

/** The product as its users run it, with a router on which many lines are up. */
export type LiveNetwork = {
  readonly system: System;
  readonly router: Mikrotik;
  readonly url: string;
  /** Of the user `admin`, from the first start's own words. */
  readonly oneTimePassword: string;
  /** Sessions by the download rate that the router holds them to, in Mbps. */
  speeds(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
};

/** Starts all of it: `count` prepaid lines of 20 Mbps, `heavy` of which have used 15 GB, all dialled in. */
export async function startLiveNetwork(dataDir: string, count: number, heavy: number): Promise<LiveNetwork> {
  const system = await startSystem(dataDir);
  const server = { host: '127.0.0.1', authPort: system.authPort, acctPort: system.acctPort };
  const options = { identity: 'menara-utara', redialMs: 500, retryMs: 1500, timeoutMs: 3000, ports: 16 };
  const router = await startMikrotik({ server, secret: SECRET, coaPort: 0, options });
  const stop = async () => {
    await router.stop();
    await system.stop();
  };
  try {
    const named = ['--name', 'menara-utara', '--address', '127.0.0.1', '--secret', SECRET];
    await system.gerbang('nas', 'add', ...named, '--coa-port', String(router.coaPort));
    await system.gerbang('nas', 'edit', 'menara-utara', '--coa-per-second', '1000');
    const plan = ['--name', '20M', '--down', '20M', '--up', '20M', '--quota', '200GB', '--period', 'month'];
    await system.gerbang('plan', 'add', ...plan, '--price', '75000');
    const db = openDatabase({ url: runningServer(dataDir)!.databaseUrl!, poolSize: 1, entities });
    try {
      const usernames = await addLines(db, dataDir, { count, heavy, now: Date.now() });
      await dialAll(router, usernames);
      await until('every session is accounted', async () => (await liveSessions(db)) === count);
    } finally {
      await db.close();
    }
    const [, oneTimePassword] = /one-time password ([A-Za-z2-9]{16})/.exec(system.output()) ?? [];
    if (oneTimePassword === undefined) throw new Error('the first start told no password');
    return {
      ...{ system, router, oneTimePassword, stop },
      url: `http://127.0.0.1:${system.httpPort}`,
      speeds: () => speedsOf(router),
    };
  } catch (error) {
    await stop();
    throw new Error(`the network is not up; the server said:\n${system.output().slice(-4000)}`, { cause: error });
  }
}

async function addLines(
  db: Database,
  dataDir: string,
  { count, heavy, now }: { count: number; heavy: number; now: Instant },
): Promise<string[]> {
  const sealer = loadMasterKey(join(dataDir, 'master.key'));
  return change(db, { actor: 'test', why: 'add lines' }, async (tx) => {
    const rows = await tx.query<{ id: number; username: string }>(
      `insert into subscriber (username, password_sealed)
       select 'line-' || lpad(i::text, 4, '0'), '' from generate_series(1, $1) i returning id, username`,
      [count],
    );
    const ids = rows.map(({ id }) => id);
    await tx.execute(
      `update subscriber set password_sealed = u.sealed from unnest($1::bigint[], $2::bytea[]) u (id, sealed)
        where subscriber.id = u.id`,
      [ids, ids.map((id) => sealer.seal(PASSWORD, subscriberPasswordAad(id)))],
    );
    await tx.execute(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes)
       select id, (select max(id) from plan_revision), $2::timestamptz, $3::timestamptz,
              case when place <= $4 then $5::bigint else 0 end
       from unnest($1::bigint[]) with ordinality as line (id, place)`,
      [ids, new Date(now - 2 * DAY).toISOString(), new Date(now + 25 * DAY).toISOString(), heavy, 15 * GB],
    );
    await tx.mark(ids);
    return rows.map(({ username }) => username);
  });
}

async function dialAll(router: Mikrotik, usernames: readonly string[]): Promise<void> {
  const rest = [...usernames];
  const dialler = async () => {
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) await router.dial(name, PASSWORD);
  };
  await Promise.all(Array.from({ length: DIALS }, dialler));
  // Those that dialled before the directory knew them dial again by themselves.
  await until('every line is up', async () => router.sessions().length === usernames.length);
}

async function liveSessions(db: Database): Promise<number> {
  const [row] = await db.query<{ count: number }>('select count(*) from session where ended_at is null');
  return row!.count;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not after a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function speedsOf(router: Mikrotik): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { limits } of router.sessions()) {
    const key = String(limits.downloadBps / 1e6);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
