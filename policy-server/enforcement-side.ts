import { systemClock } from '#domain/clock';
import type { EnforcedNas } from '#enforcement/assess';
import type { Answer, DrivenSession } from '#enforcement/driver';
import { type Loop, startLoop } from '#enforcement/loop';
import { coaTargets, radiusDriver } from '#enforcement/radius-driver';
import { driveRollouts } from '#enforcement/rollout';
import { countedDriver, type DriverCount } from '#policy-server/counted-driver';
import type { DirectorySide } from '#policy-server/directory-side';
import type { Log } from '#policy-server/log';
import type { StaticSide } from '#policy-server/static-side';
import { CoaClient, type CoaTarget } from '#radius/coa-client';
import type { Database } from '#storage/database';
import { type LoadedEntry, type LoadedNas, loadEntries } from '#storage/facts';
import type { Sealer } from '#storage/secrets';

/** The enforcement loop with its RADIUS driver, and what carries roll-outs of policies on. */
export type EnforcementSide = {
  readonly loop: Loop;
  readonly client: CoaClient;
  readonly counts: () => readonly DriverCount[];
  stop(): Promise<void>;
};

export type EnforcementOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  /** The company's. */
  readonly zone: string;
  readonly directory: DirectorySide;
  readonly staticLines: StaticSide;
  /** RADIUS_HOST: RouterOS takes a CoA only from an address in its `/radius` list. */
  readonly host: string;
  /** Hears what a router said to a CoA, Disconnect or probe. */
  readonly onAnswer: (session: DrivenSession, answer: Answer) => void;
  readonly log: Log;
};

export async function startEnforcement(options: EnforcementOptions): Promise<EnforcementSide> {
  const { db, sealer, zone, directory, staticLines, log } = options;
  const client = new CoaClient({ host: options.host, now: systemClock });
  const routers = new Routers(() => directory.nases);
  const { driver, counts } = countedDriver(
    radiusDriver(client, (session) => routers.target(session)),
    options.onAnswer,
  );
  const nases = () => routers.enforced();
  const load = (ids: readonly number[]) => loadEntries(db, sealer, ids);
  const loop = await startLoop<LoadedEntry>({
    db,
    clock: systemClock,
    policies: () => directory.policiesNow(),
    nases,
    driver,
    lists: staticLines.driver,
    loadEntries: load,
    publish: (entries) => directory.publish(entries),
    onSessionsEnded: (ids) => void directory.refreshSessionsOf(ids),
    log,
  });
  staticLines.serve(loop);
  const rollouts = driveRollouts({ db, zone, nases, loadEntries: load, log });
  return {
    loop,
    client,
    counts,
    stop: async () => {
      await Promise.all([rollouts.stop(), loop.stop()]);
      client.close();
    },
  };
}

/** What follows from the list of routers, worked out once for each list. */
class Routers {
  readonly #current: () => readonly LoadedNas[];
  #of: readonly LoadedNas[] | null = null;
  #enforced: ReadonlyMap<number, EnforcedNas> = new Map();
  #target: ReturnType<typeof coaTargets> = () => null;

  constructor(current: () => readonly LoadedNas[]) {
    this.#current = current;
  }

  enforced(): ReadonlyMap<number, EnforcedNas> {
    this.#refresh();
    return this.#enforced;
  }

  target(session: DrivenSession): CoaTarget | null {
    this.#refresh();
    return this.#target(session);
  }

  #refresh(): void {
    const nases = this.#current();
    if (nases === this.#of) return;
    this.#of = nases;
    this.#enforced = new Map(
      nases.map(({ id, name, tags, vendor, coaPerSecond }) => [id, { name, tags, vendor, coaPerSecond }]),
    );
    this.#target = coaTargets(nases);
  }
}
