import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#domain/clock';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { runningServer } from '#storage/lock';
import { loadMasterKey } from '#storage/secrets';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';
import { type Money, startMoney } from '#test/world/money';
import { type RouterOsApi, startRouterOsApi } from '#test/world/routeros-api';
import { type System, startSystem } from '#test/world/system';
import { startWhatsApp, type WhatsApp } from '#test/world/whatsapp';

/** A small provider: the product as its users run it, beside a simulated MikroTik (RADIUS and API), WhatsApp and the gateways. */
export type Provider = {
  readonly system: System;
  readonly router: Mikrotik;
  readonly api: RouterOsApi;
  readonly whatsapp: WhatsApp;
  readonly money: Money;
  /** Where its pages are. */
  readonly url: string;
  /** Of the user `admin`, from the first start's own words. */
  readonly oneTimePassword: string;
  /** As staff without a page: an operation in the database of the running server. */
  atDesk<Result>(work: (desk: Desk) => Promise<Result>): Promise<Result>;
  /** Lets the packages of a subscriber end at another time, as if they had been bought earlier. */
  endAt(username: string, at: number): Promise<void>;
  stop(): Promise<void>;
};

export const ROUTER = { name: 'menara-utara', secret: 'demo-secret-of-the-simulated-router' } as const;
const API = { user: 'gerbang', password: 'api-rahasia' } as const;
const TRUST = fileURLToPath(new URL('whatsapp-trust.ts', import.meta.url));

/** Starts all of it and adds the router. `dataDir` is new; the caller removes it. `more` is for the server's environment. */
export async function startProvider(dataDir: string, more: Readonly<Record<string, string>> = {}): Promise<Provider> {
  const open: { stop(): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const one of open.splice(0).reverse()) await one.stop();
  };
  try {
    const whatsapp = await startWhatsApp();
    open.push(whatsapp);
    const api = await startRouterOsApi({ ...API, version: '7.20', identity: ROUTER.name });
    open.push(api);
    const money = await startMoney();
    open.push(money);
    const environment = { WHATSAPP_URL: whatsapp.url, ...money.environment, ...more };
    const system = await startSystem(dataDir, environment, ['--import', TRUST]);
    open.push(system);
    const router = await startMikrotik({
      server: { host: '127.0.0.1', authPort: system.authPort, acctPort: system.acctPort },
      secret: ROUTER.secret,
      coaPort: 0,
      options: { identity: ROUTER.name, redialMs: 500, retryMs: 1500 },
    });
    open.push(router);
    await addRouter(system, router, api);
    const [, oneTimePassword] = /one-time password ([A-Za-z2-9]{16})/.exec(system.output()) ?? [];
    if (oneTimePassword === undefined) throw new Error('the first start told no password');
    const url = `http://127.0.0.1:${system.httpPort}`;
    await atDesk(dataDir, (desk) => money.join(desk, url));
    return {
      ...{ system, router, api, whatsapp, money, url, oneTimePassword, stop },
      atDesk: (work) => atDesk(dataDir, work),
      endAt: (...of) => atDesk(dataDir, (desk) => endAt(desk, ...of)),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function addRouter(system: System, router: Mikrotik, api: RouterOsApi): Promise<void> {
  await system.gerbang(
    ...['nas', 'add', '--name', ROUTER.name, '--address', '127.0.0.1', '--secret', ROUTER.secret],
    ...['--coa-port', String(router.coaPort)],
  );
  await system.gerbang(
    ...['nas', 'edit', ROUTER.name, '--api-port', String(api.port), '--api-tls', 'off'],
    ...['--api-user', API.user, '--api-password', API.password],
  );
}

async function atDesk<Result>(dataDir: string, work: (desk: Desk) => Promise<Result>): Promise<Result> {
  const url = runningServer(dataDir)?.databaseUrl;
  if (url === null || url === undefined) throw new Error('the server of this folder is not running');
  const db = openDatabase({ url, poolSize: 1, entities });
  try {
    const sealer = loadMasterKey(join(dataDir, 'master.key'));
    return await work({ db, sealer, clock: systemClock, zone: 'Asia/Jakarta', actor: 'test', publicUrl: '' });
  } finally {
    await db.close();
  }
}

/** Time cannot be hurried; what was bought can have been bought earlier. */
async function endAt({ db }: Desk, username: string, at: number): Promise<void> {
  await change(db, { actor: 'test', why: 'time passes' }, async (tx) => {
    const [row] = await tx.query<{ id: number }>(
      `update grants set ends_at = $2::timestamptz, starts_at = least(starts_at, $3::timestamptz - interval '10 days')
       from subscriber where subscriber.id = subscriber_id and username = $1 and revoked_at is null and ends_at > now()
       returning subscriber_id as id`,
      [username, new Date(at).toISOString(), new Date(Math.min(at, systemClock())).toISOString()],
    );
    if (row === undefined) throw new Error(`${username} has no package`);
    await tx.mark([row.id]);
  });
}
