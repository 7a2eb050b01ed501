import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '#domain/clock';
import { openPaymentWindow } from '#operations/open-payment-window';
import { change } from '#storage/change';
import { type Database, openDatabase } from '#storage/database';
import { runningServer } from '#storage/lock';
import { loadMasterKey } from '#storage/secrets';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';
import type { Session } from '#test/world/session';
import { startSystem } from '#test/world/system';

export type Portal = {
  readonly httpPort: number;
  gerbang(...args: string[]): Promise<string>;
  /** Budi has a payment that waits, and opens the line for it. */
  openWindow(): Promise<void>;
  /** Time cannot be hurried; the window can have been opened earlier. */
  windowEndsIn(ms: number): Promise<void>;
  stop(): Promise<void>;
};

/**
 * The real server with one subscriber, Budi, whose line is up at a simulated MikroTik beside it: without a package. What
 * that router is told by RADIUS and CoA to hold in its address-lists is told on.
 */
export async function startPortal(
  customer: string,
  onLists: (lists: Readonly<Record<string, readonly string[]>>) => void,
): Promise<Portal> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-redirect-'));
  const system = await startSystem(join(folder, 'data'), { HTTP_HOST: '0.0.0.0' });
  const router = await startMikrotik({
    server: { host: '127.0.0.1', authPort: system.authPort, acctPort: system.acctPort },
    secret: SECRET,
    coaPort: 0,
    options: { redialMs: 50 },
  });
  const stop = async () => {
    await router.stop();
    await system.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const nas = ['--name', 'router', '--address', '127.0.0.1', '--secret', SECRET, '--coa-port', `${router.coaPort}`];
    await system.gerbang('nas', 'add', ...nas);
    const plan = ['--name', '20GB', '--down', '20M', '--up', '20M', '--quota', '20GB', '--period', 'month'];
    await system.gerbang('plan', 'add', ...plan, '--price', '75000');
    const budi = ['--username', 'budi', '--password', 'rahasia', '--name', 'Budi Santoso', '--ip', customer];
    await system.gerbang('subscriber', 'add', ...budi);
    router.on('event', () => onLists(listsOf(router.addressList())));
    const session = await dialUntilKnown(router);
    if (session.state !== 'up' || session.address !== customer) {
      throw new Error(`budi's line is ${session.state} at "${session.address}":\n${system.output()}`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const db = openDatabase({ url: runningServer(system.dataDir)!.databaseUrl!, poolSize: 1 });
  return {
    httpPort: system.httpPort,
    gerbang: (...args) => system.gerbang(...args),
    openWindow: () => openWindow(db, system.dataDir),
    windowEndsIn: (ms) => windowEndsIn(db, ms),
    stop: async () => {
      await db.close();
      await stop();
    },
  };
}

/** The workers know a subscriber a moment after the command: on a busy machine the line is let in at a redial. */
async function dialUntilKnown(router: Mikrotik): Promise<Session> {
  const first = await router.dial('budi', 'rahasia');
  for (let looks = 0; looks < 100 && router.session('budi') === null; looks += 1) await pause(50);
  return router.session('budi') ?? first;
}

async function openWindow(db: Database, dataDir: string): Promise<void> {
  const [intent] = await db.query<{ subscriberId: number }>(
    `insert into payment_intent (order_id, gateway, subscriber_id, amount_rupiah, created_at, created_by, link_sealed, expires_at)
     select 'TOPUP-' || gen_random_uuid(), 'midtrans', id, 75000, now(), 'test', '\\x00', now() + interval '1 day'
       from subscriber where username = 'budi' returning subscriber_id as "subscriberId"`,
  );
  const { subscriberId } = intent!;
  const sealer = loadMasterKey(join(dataDir, 'master.key'));
  const desk = { db, sealer, clock: systemClock, zone: 'Asia/Jakarta', publicUrl: '' };
  await openPaymentWindow({ ...desk, actor: `subscriber:${subscriberId}` }, { subscriberId });
}

const WINDOW_MS = 15 * 60_000;

async function windowEndsIn(db: Database, ms: number): Promise<void> {
  const openedAt = new Date(systemClock() + ms - WINDOW_MS).toISOString();
  await change(db, { actor: 'test', why: 'time passes' }, async (tx) => {
    const rows = await tx.query<{ id: number }>(
      'update payment_opening set opened_at = $1::timestamptz returning subscriber_id as id',
      [openedAt],
    );
    await tx.mark(rows.map(({ id }) => id));
  });
}

const SECRET = 'a secret of the redirect test';

function listsOf(entries: readonly { list: string; address: string }[]): Record<string, string[]> {
  const lists: Record<string, string[]> = {};
  for (const { list, address } of entries) {
    lists[list] ??= [];
    lists[list].push(address);
  }
  return lists;
}
