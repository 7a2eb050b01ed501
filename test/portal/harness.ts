import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { NO_ONTS } from '#domain/acs';
import type { Gateways } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { WHATSAPP_OFF } from '#domain/whatsapp';
import { captiveHook } from '#http/captive';
import { startHttp } from '#http/server';
import type { Desk } from '#operations/desk';
import { readSettings } from '#operations/settings';
import { replyOf } from '#policy-server/policy-side';
import { notFound, portal } from '#portal/portal';
import { COOKIES } from '#portal/shared/context';
import type { Live, Opened, PortalParts } from '#portal/shared/parts';
import { policyDictionary } from '#radius/policy-dictionary';
import type { Database } from '#storage/database';
import { entities } from '#storage/entities';
import { preparePartitions } from '#storage/history';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import type { StaffRole } from '#storage/staff';
import { createWebSession } from '#storage/web-sessions';
import { NOW } from '#test/operations/desk';
import { Browserlike } from '#test/portal/browserlike';
import { testDatabase } from '#test/support/database';

export { NOW } from '#test/operations/desk';

export type PortalOptions = {
  /** What this node is called where there are several. */
  readonly node?: string;
  /** Opened with `entities`; a database of its own otherwise. */
  readonly db?: Database;
  /** Where the clock stands at first. */
  readonly now?: Instant;
  /** PUBLIC_URL; null = pages go by the address that the browser used. */
  readonly publicUrl?: string | null;
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[];
  /** COMPANY_TIMEZONE is set. */
  readonly zoneIsSet?: boolean;
  /** Parts of the running node that are not as quiet as `quietLive`. */
  readonly live?: Partial<Live>;
  /** None is switched on otherwise; a function gets what they are opened with. */
  readonly gateways?: Gateways | ((opened: Pick<Opened, 'db' | 'sealer'>) => Gateways);
};

/** The real pages on a real server on the loopback, with a clock that stands until it is set. */
export type TestPortal = {
  /** Such as `http://127.0.0.1:34567`. */
  readonly url: string;
  readonly port: number;
  readonly app: FastifyInstance;
  readonly db: Database;
  /** The actor is `test`. */
  readonly desk: Desk;
  /** The instant the pages take for now. */
  clock(): Instant;
  setClock(at: Instant): void;
  /** Lines the pages logged as warnings and errors: a test may look that there are none. */
  readonly logged: string[];
  /** A browser that knows nobody yet. */
  browser(cookies?: Readonly<Record<string, string>>): Browserlike;
  /** A browser in which somebody new of that role is logged in. */
  loginStaff(role: StaffRole, username?: string): Promise<Browserlike>;
  /** A browser in which this subscriber, who has a portal account, is logged in without the form. */
  loginPortal(subscriberId: number): Promise<Browserlike>;
  /** While false, the pages behave as before the database was reached. */
  setOpened(opened: boolean): void;
  stop(): Promise<void>;
};

let staffCount = 0;

export async function startPortal(options: PortalOptions = {}): Promise<TestPortal> {
  const db = options.db ?? (await testDatabase({ entities }));
  const masterKeyFile = join(mkdtempSync(join(tmpdir(), 'gerbang-portal-')), 'master.key');
  createMasterKey(masterKeyFile);
  const sealer = loadMasterKey(masterKeyFile);
  let now = options.now ?? NOW;
  let isOpened = true;
  await preparePartitions(db, now);

  const logged: string[] = [];
  const keep = (fields: object, line: string) =>
    void logged.push(
      `${line}${'err' in fields ? `: ${fields.err instanceof Error ? fields.err.stack : String(fields.err)}` : ''}`,
    );
  const log = { info: () => undefined, warn: keep, error: keep };
  const opened: Opened = {
    db,
    sealer,
    settings: () => readSettings(db),
    live: { ...quietLive(), ...options.live },
    gateways:
      typeof options.gateways === 'function' ? options.gateways({ db, sealer }) : (options.gateways ?? NO_GATEWAYS),
  };
  const publicUrl = options.publicUrl ?? null;
  const clock = () => now;
  const zone = 'Asia/Jakarta';
  const parts: PortalParts = {
    node: options.node ?? 'test:3000',
    publicUrl,
    zone,
    zoneIsSet: options.zoneIsSet ?? false,
    clock,
    opened: () => (isOpened ? opened : null),
    log,
  };

  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    readiness: () => opened.live.readiness(),
    metrics: () => [],
    pages: {
      add: (scope) => portal(scope, parts),
      captive: captiveHook({ publicUrl }),
      notFound: (request, reply) => notFound(request, reply, parts),
    },
    ...(options.trustedProxies === undefined ? {} : { trustedProxies: options.trustedProxies }),
    log,
  });
  const url = `http://127.0.0.1:${server.port}`;
  const session = (of: Parameters<typeof createWebSession>[1]['of']) =>
    createWebSession(db, { of, address: '127.0.0.1', userAgent: 'test', at: now });

  return {
    url,
    port: server.port,
    app: server.app,
    db,
    desk: { db, sealer, clock, zone, actor: 'test', publicUrl: publicUrl ?? url },
    clock,
    setClock: (at) => {
      now = at;
    },
    logged,
    browser: (cookies) => new Browserlike(url, cookies),
    loginStaff: async (role, username) => {
      staffCount += 1;
      const name = username ?? `${role}-${staffCount}`;
      const [staff] = await db.query<{ id: number }>(
        `insert into staff (username, password_hash, role, must_change_password) values ($1, '-', $2, false) returning id`,
        [name, role],
      );
      return new Browserlike(url, { [COOKIES.staff]: await session({ staffId: staff!.id, step: 'full' }) });
    },
    loginPortal: async (subscriberId) => new Browserlike(url, { [COOKIES.portal]: await session({ subscriberId }) }),
    setOpened: (to) => {
      isOpened = to;
    },
    stop: () => server.stop(),
  };
}

export const NO_GATEWAYS: Gateways = { active: async () => [], named: async () => null };

/** A node on which nothing happens. */
export function quietLive(): Live {
  return {
    wakeEnforcement: () => undefined,
    readiness: async () => ({ database: { ok: true, says: 'reachable' } }),
    radius: () => null,
    drift: async () => [],
    whatsapp: {
      status: () => WHATSAPP_OFF,
      pairByQr: async () => true,
      pairByCode: async () => true,
      unpair: async () => true,
      reconnect: async () => true,
    },
    routers: { states: () => [], test: async () => ({ ok: true, says: 'the router answers' }) },
    probeNas: async () => ({ is: 'silent', said: 'no answer', otherPort: null }),
    onts: { ...NO_ONTS, test: async () => ({ ok: false, says: 'there is no ACS' }) },
    policy: { dictionary: policyDictionary, replyOf },
  };
}
