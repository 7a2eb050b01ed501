import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { say } from '#domain/say';
import { type Instant, SECOND } from '#domain/time';
import { connectRouterOs, type Patience } from '#integrations/routeros/client';
import type { Entry, Placed, Wanted } from '#integrations/routeros/list-book';
import { compare } from '#integrations/routeros/look';
import { type RouterEvents, RouterWay } from '#integrations/routeros/router';
import type { Database } from '#storage/database';
import { installationId } from '#storage/installation';
import { type ApiRouter, loadApiRouters, pinFingerprint, recordApiError, recordApiSeen } from '#storage/nas-api';
import type { Sealer } from '#storage/secrets';
import { countStaticAddresses, recordSeen, recordTakenOut, staticAddressesOn } from '#storage/static-addresses';

export type RouterListsLog = {
  info(fields: object, line: string): void;
  warn(fields: object, line: string): void;
};

export type RouterListsOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: RouterListsLog;
  /** A router is connected and was looked at: what failed on it can be tried again. */
  readonly onReady: (nasId: number) => void;
  readonly random?: () => number;
  readonly patience?: Patience;
  readonly idleMs?: number;
  /** How often the list of routers is read. */
  readonly everyMs?: number;
};

/** One router as pages and metrics show it. */
export type RouterState = {
  readonly nasId: number;
  readonly name: string;
  /** `silent`: the first connection is being made. */
  readonly state: 'connected' | 'silent' | 'failing';
  readonly error: string | null;
  readonly lastSeenAt: Instant | null;
  /** Addresses it is to hold, and how many of them it does not have as decided; as of the last look at the database. */
  readonly wanted: number;
  readonly differing: number;
  readonly counts: RouterWay['counts'];
};

/** What came of one wish; `silent`: not known, the router does not answer. */
export type PlacedOrSilent = Placed | { readonly is: 'silent'; readonly act: null; readonly said: string };

type Known = { router: ApiRouter; readonly way: RouterWay; lastSeenAt: Instant | null; writing: Promise<void> };

const EVERY_MS = 5 * SECOND;

/**
 * The routers whose address-lists hold static lines, each with a way of its own to it. Follows the database: a router
 * that is added, edited or gone is noticed within `everyMs`.
 */
export class RouterLists {
  readonly #options: RouterListsOptions;
  readonly #known = new Map<number, Known>();
  #installation: string | null = null;
  #counts: ReadonlyMap<number, { wanted: number; differing: number }> = new Map();
  #refreshing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RouterListsOptions) {
    this.#options = options;
  }

  /** Returns once the list of routers is read, or could not be; connecting goes on by itself. */
  async start(): Promise<void> {
    const read = () => this.#tolerating('the list of routers is not read:', () => this.#refresh());
    this.#timer = setInterval(() => void read(), this.#options.everyMs ?? EVERY_MS);
    await read();
  }

  /** Has one address of a line put into its list on its router. Never throws for what a router does. */
  async place(wanted: Wanted & { readonly nasId: number }): Promise<PlacedOrSilent> {
    try {
      if (!this.#known.has(wanted.nasId)) await this.#refresh();
      const known = this.#known.get(wanted.nasId);
      if (known === undefined) return { is: 'refused', act: null, said: say`there is no such router` };
      return await known.way.place(wanted);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return { is: 'silent', act: null, said: error.message };
    }
  }

  /** Every router is looked at again, each as soon as it is its turn. */
  look(): void {
    for (const { way } of this.#known.values()) way.look();
  }

  routers(): RouterState[] {
    return [...this.#known.values()].map(({ router, way, lastSeenAt }) => ({
      nasId: router.id,
      name: router.name,
      state: way.state === 'connecting' ? 'silent' : way.state,
      error: way.error,
      lastSeenAt,
      wanted: this.#counts.get(router.id)?.wanted ?? 0,
      differing: this.#counts.get(router.id)?.differing ?? 0,
      counts: way.counts,
    }));
  }

  /** Connects once, beside whatever goes on, and says in words what came of it. Throws `Unavailable` of the database. */
  async test(nasId: number): Promise<{ ok: boolean; says: string; fingerprint: string | null }> {
    const [router] = await loadApiRouters(this.#options.db, this.#options.sealer, nasId);
    const fault = router === undefined ? say`there is no such router` : router.fault;
    if (router === undefined || fault !== null) return { ok: false, says: fault!, fingerprint: null };
    try {
      const connection = await connectRouterOs(router, this.#options.patience);
      const [resource, identity] = await Promise.all([
        connection.talk(['/system/resource/print', '=.proplist=version,board-name']),
        connection.talk(['/system/identity/print']),
      ]).finally(() => connection.close());
      const { version = '?', 'board-name': board = '?' } = resource.is === 'done' ? (resource.rows[0] ?? {}) : {};
      const name = identity.is === 'done' ? (identity.rows[0]?.name ?? '?') : '?';
      return {
        ok: true,
        says: say`${name} answers: RouterOS ${version} on ${board}`,
        fingerprint: connection.fingerprint,
      };
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return { ok: false, says: error.message, fingerprint: null };
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    // A last read that fails has nobody left to tell.
    await this.#refreshing?.catch(() => undefined);
    await Promise.all([...this.#known.values()].map((known) => this.#drop(known)));
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    const { db, sealer } = this.#options;
    this.#installation ??= await installationId(db);
    const installation = this.#installation;
    const [routers, counts] = await Promise.all([loadApiRouters(db, sealer), countStaticAddresses(db)]);
    if (this.#stopped) return;
    this.#counts = new Map(counts.map((count) => [count.nasId, count]));
    for (const router of routers) {
      const known = this.#known.get(router.id);
      if (known === undefined) this.#add(router, installation);
      else {
        known.router = router;
        known.way.configure(router);
      }
    }
    const gone = [...this.#known.values()].filter(({ router }) => !routers.some(({ id }) => id === router.id));
    await Promise.all(gone.map((known) => this.#drop(known)));
  }

  #add(router: ApiRouter, installation: string): void {
    const { clock, random = Math.random, patience, idleMs } = this.#options;
    const way: RouterWay = new RouterWay(router, {
      installation,
      clock,
      random,
      ...(patience === undefined ? {} : { patience }),
      ...(idleMs === undefined ? {} : { idleMs }),
      ...this.#events(router.id),
    });
    this.#known.set(router.id, { router, way, lastSeenAt: null, writing: Promise.resolve() });
  }

  async #drop(known: Known): Promise<void> {
    this.#known.delete(known.router.id);
    await known.way.stop();
    await known.writing;
  }

  #events(nasId: number): RouterEvents {
    const { db, log } = this.#options;
    let isFailing = false;
    const named = () => ({ nas: this.#known.get(nasId)?.router.name ?? nasId });
    return {
      onLook: (entries, at) => this.#keepLook(nasId, entries, at),
      onRemoved: async (entries) => {
        const addresses = [...new Set(entries.map((entry) => entry.address))];
        log.info(
          { ...named(), addresses: addresses.slice(0, 20) },
          'entries of ours that no line accounts for are removed',
        );
        await this.#tolerating('what was removed is not written down:', () => recordTakenOut(db, nasId, addresses));
      },
      onReady: () => {
        if (isFailing) log.info(named(), 'the API of a router answers again');
        isFailing = false;
        this.#options.onReady(nasId);
      },
      onSeen: (at) => {
        const known = this.#known.get(nasId);
        if (known !== undefined) known.lastSeenAt = at;
        this.#write(nasId, 'that a router answers is not written down:', () => recordApiSeen(db, nasId, at));
      },
      onFailure: (why) => {
        if (!isFailing) log.warn({ ...named(), why }, 'the API of a router does not answer');
        isFailing = true;
        this.#write(nasId, 'that a router does not answer is not written down:', () => recordApiError(db, nasId, why));
      },
      onFingerprint: (fingerprint) =>
        this.#tolerating('a certificate is not pinned:', async () => {
          await pinFingerprint(db, nasId, fingerprint);
          log.info({ ...named(), fingerprint }, 'the certificate of a router is trusted from now on');
        }),
    };
  }

  async #keepLook(nasId: number, entries: readonly Entry[], at: Instant): Promise<readonly Entry[] | null> {
    const { db, log } = this.#options;
    try {
      // Only now: an entry stands behind its row, so what was read before has its row by now or has lost it.
      const { seen, orphans } = compare(entries, await staticAddressesOn(db, nasId));
      const corrected = await recordSeen(db, nasId, at, seen);
      if (corrected > 0) {
        log.info(
          { nas: this.#known.get(nasId)?.router.name, corrected },
          'a router holds other lists than it acknowledged',
        );
      }
      return orphans;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return null;
    }
  }

  /** In the order in which it happened, for nobody waits for it. */
  #write(nasId: number, what: string, work: () => Promise<void>): void {
    const known = this.#known.get(nasId);
    if (known !== undefined) known.writing = known.writing.then(() => this.#tolerating(what, work));
  }

  /** What the database cannot take just now will be seen again. */
  async #tolerating(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.#options.log.warn({ err: error }, `${what} the database is away`);
    }
  }
}
