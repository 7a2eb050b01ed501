import { systemClock } from '#domain/clock';
import type { ListDriver } from '#enforcement/list-driver';
import type { Loop } from '#enforcement/loop';
import { RouterLists, type RouterState } from '#integrations/routeros/routers';
import type { Log } from '#policy-server/log';
import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';

/** Static lines: the routers whose address-lists hold them, reached over the RouterOS API. */
export type StaticSide = {
  /** What enforcement puts lines into lists with. */
  readonly driver: ListDriver;
  /** From now on this loop hears when a router can be reached (again). */
  serve(loop: Loop): void;
  routers(): RouterState[];
  /** Connects once and says in words what came of it; with the SHA-256 of the certificate that was shown. */
  test(nasId: number): Promise<{ ok: boolean; says: string; fingerprint: string | null }>;
  /** Has every router looked at in full, each when it is its turn; waits for none. */
  look(): void;
  stop(): Promise<void>;
};

export type StaticOptions = { readonly db: Database; readonly sealer: Sealer; readonly log: Log };

export async function startStaticLines({ db, sealer, log }: StaticOptions): Promise<StaticSide> {
  let loop: Loop | null = null;
  const lists = new RouterLists({
    db,
    sealer,
    clock: systemClock,
    log,
    onReady: (nasId) => loop?.listsReachable(nasId),
  });
  await lists.start();
  return {
    driver: { place: (line) => lists.place(line) },
    serve: (served) => {
      loop = served;
      for (const { nasId, state } of lists.routers()) if (state === 'connected') served.listsReachable(nasId);
    },
    routers: () => lists.routers(),
    test: (nasId) => lists.test(nasId),
    look: () => lists.look(),
    stop: () => lists.stop(),
  };
}
