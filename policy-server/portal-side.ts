import { hostname } from 'node:os';
import { monotonicMs, systemClock } from '#domain/clock';
import { say } from '#domain/say';
import { SECOND } from '#domain/time';
import { WHATSAPP_OFF } from '#domain/whatsapp';
import { findDrift } from '#enforcement/sweep';
import { captiveHook } from '#http/captive';
import type { Pages } from '#http/server';
import { readSettings, type Settings } from '#operations/settings';
import { ONTS_STARTING } from '#policy-server/acs-side';
import type { Config } from '#policy-server/config';
import type { Log } from '#policy-server/log';
import { nasProbe } from '#policy-server/nas-probe';
import type { NodeParts } from '#policy-server/node-parts';
import { replyOf } from '#policy-server/policy-side';
import { readiness } from '#policy-server/readiness';
import { notFound, portal } from '#portal/portal';
import type { DriftLine, Live, Opened, PortalParts } from '#portal/shared/parts';
import { policyDictionary } from '#radius/policy-dictionary';
import type { Database } from '#storage/database';
import { loadEntries } from '#storage/facts';
import type { Sealer } from '#storage/secrets';

/** The pages, joined to the running parts of this node. `opened` is null until the database has been reached. */
export function portalPages(
  config: Config,
  parts: NodeParts,
  opened: () => Pick<Opened, 'db' | 'sealer' | 'gateways'> | null,
  log: Log,
): Pages {
  const publicUrl = config.publicUrlIsSet ? config.publicUrl : null;
  let known: Opened | null = null;
  const portalParts: PortalParts = {
    node: `${hostname()}:${config.http.port}`,
    publicUrl,
    // The one in force is known once the database is.
    get zone() {
      return parts.zone ?? config.zone;
    },
    zoneIsSet: config.zoneIsSet,
    clock: systemClock,
    opened: () => {
      const now = opened();
      if (now === null) return null;
      if (known?.db !== now.db)
        known = { ...now, settings: settingsOf(now.db), live: liveOf(parts, now, config.radius.host) };
      return known;
    },
    log,
  };
  return {
    add: (scope) => portal(scope, portalParts),
    captive: captiveHook({ publicUrl }),
    notFound: (request, reply) => notFound(request, reply, portalParts),
  };
}

const SETTINGS_FRESH_MS = 2 * SECOND;

/** Read once for all pages of two seconds. */
function settingsOf(db: Database): () => Promise<Settings> {
  let read: Promise<Settings> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (read !== null && monotonicMs() - readAt <= SETTINGS_FRESH_MS) return read;
    readAt = monotonicMs();
    const fresh = readSettings(db);
    read = fresh;
    fresh.catch(() => {
      if (read === fresh) read = null; // seen by whoever awaits it; the next page asks again
    });
    return fresh;
  };
}

function liveOf(parts: NodeParts, { db, sealer }: { db: Database; sealer: Sealer }, host: string): Live {
  const whatsapp = () => parts.messages?.control ?? null;
  const onts = () => parts.acs?.control ?? ONTS_STARTING;
  return {
    wakeEnforcement: () => parts.enforcement?.loop.wake(),
    readiness: () => readiness(parts),
    radius: () => {
      if (parts.radius === null) return null;
      const { authPort, acctPort } = parts.radius;
      return { authPort, acctPort, subscribers: parts.radius.states()[0]?.metrics?.subscribers ?? null };
    },
    drift: (most) => drift(parts, db, sealer, most),
    whatsapp: {
      status: () => whatsapp()?.status() ?? WHATSAPP_OFF,
      pairByQr: async () => (await whatsapp()?.pairByQr()) ?? false,
      pairByCode: async (phone) => (await whatsapp()?.pairByCode(phone)) ?? false,
      unpair: async () => (await whatsapp()?.unpair()) ?? false,
      reconnect: async () => (await whatsapp()?.reconnect()) ?? false,
    },
    routers: {
      states: () => parts.staticLines?.routers() ?? [],
      test: async (nasId) => parts.staticLines?.test(nasId) ?? { ok: false, says: say`this node is still starting` },
    },
    probeNas: nasProbe(host, () => parts.directory?.nases ?? []),
    onts: {
      ontOf: (id) => onts().ontOf(id),
      readNow: (id) => onts().readNow(id),
      wake: () => onts().wake(),
      test: () => onts().test(),
    },
    policy: { dictionary: policyDictionary, replyOf },
  };
}

async function drift(parts: NodeParts, db: Database, sealer: Sealer, most: number): Promise<DriftLine[]> {
  const policies = parts.directory?.policies ?? null;
  if (policies === null || parts.directory === null) return [];
  const nases = new Map(
    parts.directory.nases.map(({ id, name, tags, vendor, coaPerSecond }) => [id, { name, tags, vendor, coaPerSecond }]),
  );
  const found: DriftLine[] = [];
  const options = { db, loadEntries: (ids: readonly number[]) => loadEntries(db, sealer, ids), policies, nases };
  for await (const { session, is, decided, reason } of findDrift({ ...options, at: systemClock() })) {
    const { subscriberId, username, nasId, told } = session;
    found.push({ subscriberId, username, nasId, is, told: told?.live ?? null, decided: decided.live, reason });
    if (found.length === most) break;
  }
  return found;
}
