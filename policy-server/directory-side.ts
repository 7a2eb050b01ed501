import { systemClock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { DEFAULT_INTERIM_SECONDS } from '#domain/policy';
import type { Policies } from '#domain/rollout';
import { type Instant, SECOND } from '#domain/time';
import type { Log } from '#policy-server/log';
import { loadNodeState, type NodeState, savedChunks, saveNodeState } from '#policy-server/node-state';
import type { NasEntry } from '#radius/nas-table';
import type { ToRadiusWorker } from '#radius/worker-messages';
import type { Database } from '#storage/database';
import { type LoadedEntry, type LoadedNas, loadAllEntries, loadEntries, loadNases } from '#storage/facts';
import { type Changes, currentCursor, type Feed, followChanges } from '#storage/feed';
import { policyReader, type ReadPolicies } from '#storage/policy';
import type { Sealer } from '#storage/secrets';
import { countLiveSessions, type SubscriberSessions, sessionsHeardSince, sessionsOf } from '#storage/session-limits';

type Send = (message: ToRadiusWorker) => void;

export type DirectoryOptions = {
  readonly dataDir: string;
  /** The zone until the database has said which it is. */
  readonly zone: string;
  readonly zoneIsSet: boolean;
  readonly log: Log;
  /** Sends to every RADIUS worker. */
  readonly broadcast: Send;
  /** The node's own entry for asking itself, beside the routers. */
  readonly ownNas: (nases: readonly LoadedNas[]) => readonly NasEntry[];
};

const SESSIONS_EVERY_MS = 30 * SECOND;
/** Sessions heard of shortly before the last look may have been committed after it. */
const OVERLAP_MS = 30 * SECOND;

/**
 * What the RADIUS workers know, and how they come to know it: from disk at once, from the database when there is one,
 * and from then on through the feed of changes. It is also where the main thread finds routers and policy.
 */
export class DirectorySide {
  readonly #options: DirectoryOptions;
  #nases: readonly LoadedNas[] | null = null;
  #policies: Policies | null = null;
  #read: ReturnType<typeof policyReader> | null = null;
  #known: ReadPolicies | null = null;
  #asked = 0;
  #answered = 0;
  #source: 'nothing' | 'disk' | 'database' = 'nothing';
  #sealer: Sealer | null = null;
  #db: Database | null = null;
  #feed: Feed | null = null;
  #heardUpTo: Instant = 0;
  #liveSessions: number | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  get source(): 'nothing' | 'disk' | 'database' {
    return this.#source;
  }

  get nases(): readonly LoadedNas[] {
    return this.#nases ?? [];
  }

  /** As of the last look, at most half a minute ago; null before the first. */
  get liveSessions(): number | null {
    return this.#liveSessions;
  }

  get policies(): Policies | null {
    return this.#policies;
  }

  /** Read now, unless they are what is known: for who must not decide by anything older. Throws `Unavailable`. */
  async policiesNow(): Promise<Policies> {
    await this.#loadPolicies();
    return this.#policies!;
  }

  /** The copy on disk, for while the database is not there (yet); a copy that cannot be used is said and left alone. */
  async openDisk(sealer: Sealer): Promise<void> {
    this.#sealer = sealer;
    let state: NodeState | null;
    try {
      state = await loadNodeState(this.#options.dataDir, sealer, this.#options);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the copy of the directory on disk cannot be used');
      return;
    }
    if (state === null) return;
    this.#nases = state.nases;
    this.#policies = state.policies;
    this.#source = 'disk';
    await this.#sendDisk(this.#options.broadcast);
  }

  /** Loads everything from the database and follows its changes; `zone` is the company's. Throws `Unavailable`. */
  async openDatabase(db: Database, sealer: Sealer, zone: string): Promise<void> {
    this.#read = policyReader(zone);
    this.#sealer = sealer;
    this.#db = db;
    const from = await currentCursor(db);
    await this.#loadAll();
    this.#feed = await followChanges(db, {
      from,
      onChanges: (changes) => this.#take(changes),
      onReset: async () => {
        this.#options.broadcast({ kind: 'doubt' });
        await this.#loadAll();
      },
      onTrouble: (error) => this.#options.log.debug({ err: error }, 'the feed of changes waits for the database'),
    });
    await this.#refreshSessions();
    this.#timer = setInterval(() => void this.#refreshSessions(), SESSIONS_EVERY_MS);
    this.#timer.unref();
  }

  /** A worker is new and knows nothing: everything is sent to it alone. */
  async fill(send: Send): Promise<void> {
    try {
      if (this.#source === 'database') await this.#sendAll(send);
      else await this.#sendDisk(send);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.#options.log.warn({ err: error }, 'a new RADIUS worker is filled from disk until the database is back');
      await this.#sendDisk(send);
    }
  }

  /** Fresh facts that somebody loaded anyway; with them the live sessions, for what was loaded is what has changed. */
  publish(entries: readonly LoadedEntry[]): void {
    if (entries.length === 0) return;
    this.#options.broadcast({ kind: 'subscribers', subscribers: entries });
    void this.refreshSessionsOf(entries.map((entry) => entry.facts.subscriberId));
  }

  /** The live sessions of these subscribers have changed. */
  async refreshSessionsOf(subscriberIds: readonly number[]): Promise<void> {
    if (this.#db === null) return;
    try {
      this.#sendSessions(await sessionsOf(this.#db, subscriberIds), this.#options.broadcast);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'live sessions are not read now; the next look makes up for it');
    }
  }

  /** Reads what has changed until now; for whoever must not see anything older. */
  async catchUp(): Promise<void> {
    await this.#feed?.catchUp();
  }

  /** Routers are read again, for what was learned of one. */
  async reloadNases(): Promise<void> {
    if (this.#db !== null) await this.#loadRouters();
  }

  /** Writes the copy on disk. `chunks` are the directory of a worker. */
  async save(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const [nases, policies] = [this.#nases, this.#policies];
    if (this.#source !== 'database' || nases === null || policies === null || this.#sealer === null) return;
    await saveNodeState(this.#options.dataDir, this.#sealer, { nases, policies }, chunks);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#feed?.close();
  }

  async #loadAll(): Promise<void> {
    await this.#loadRouters();
    await this.#sendAll(this.#options.broadcast);
    this.#source = 'database';
  }

  async #loadRouters(): Promise<void> {
    const [db, sealer] = this.#opened();
    const [nases] = await Promise.all([loadNases(db, sealer), this.#loadPolicies()]);
    this.#nases = nases;
    this.#sendRouters(this.#options.broadcast);
  }

  /** Reads may overtake each other: what one finds is taken unless one that was begun later has answered. */
  async #loadPolicies(): Promise<void> {
    const [db] = this.#opened();
    this.#asked += 1;
    const turn = this.#asked;
    const found = await this.#read!(db, this.#known);
    if (turn < this.#answered) return;
    this.#answered = turn;
    if (found === this.#known) return;
    this.#known = found;
    this.#policies = found.policies;
    this.#sendPolicies(this.#options.broadcast);
  }

  async #sendAll(send: Send): Promise<void> {
    const [db, sealer] = this.#opened();
    this.#sendRouters(send);
    await loadAllEntries(db, sealer, (subscribers) => send({ kind: 'subscribers', subscribers }));
    const now = systemClock();
    this.#sendSessions(await sessionsHeardSince(db, 0), send);
    this.#heardUpTo = now;
    send({ kind: 'snapshotDone' });
  }

  async #sendDisk(send: Send): Promise<void> {
    this.#sendRouters(send);
    if (this.#nases === null || this.#sealer === null) return;
    try {
      for await (const chunk of savedChunks(this.#options.dataDir, this.#sealer)) send({ kind: 'import', chunk });
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the copy of the directory on disk ends before its end');
    }
  }

  #sendRouters(send: Send): void {
    const entries = this.nases.map((nas) => ({ ...nas, secret: nas.secret.reveal() }));
    send({ kind: 'nases', nases: [...entries, ...this.#options.ownNas(this.nases)] });
    this.#sendPolicies(send);
  }

  #sendPolicies(send: Send): void {
    if (this.#policies !== null) send({ kind: 'policy', policies: this.#policies });
  }

  async #take({ subscriberIds, nasIds, policy }: Changes): Promise<void> {
    const [db, sealer] = this.#opened();
    if (nasIds.length > 0) await this.#loadRouters();
    else if (policy) await this.#loadPolicies();
    if (subscriberIds.length === 0) return;
    const subscribers = await loadEntries(db, sealer, subscriberIds);
    this.#options.broadcast({ kind: 'subscribers', subscribers });
    const found = new Set(subscribers.map((entry) => entry.facts.subscriberId));
    const forgotten = subscriberIds.filter((id) => !found.has(id));
    if (forgotten.length > 0) this.#options.broadcast({ kind: 'forget', subscriberIds: forgotten });
  }

  async #refreshSessions(): Promise<void> {
    const [db] = this.#opened();
    const now = systemClock();
    try {
      this.#sendSessions(await sessionsHeardSince(db, this.#heardUpTo - OVERLAP_MS), this.#options.broadcast);
      this.#heardUpTo = now;
      this.#liveSessions = await countLiveSessions(db);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'live sessions are not read now; the next look makes up for it');
    }
  }

  #sendSessions(found: readonly SubscriberSessions[], send: Send): void {
    if (found.length === 0) return;
    const interimSeconds = longestInterimSeconds(this.#policies!);
    const subscribers = found.map(({ subscriberId, sessions }) => ({
      subscriberId,
      sessions: sessions.map((session) => ({ ...session, interimSeconds })),
    }));
    send({ kind: 'sessions', subscribers });
  }

  #opened(): [Database, Sealer] {
    if (this.#db === null || this.#sealer === null) throw new Unavailable('the database is not open yet');
    return [this.#db, this.#sealer];
  }
}

/** The longest interim interval that a policy gives: a session not heard of for long after it has lost its Stop. */
export function longestInterimSeconds({ current, rollout }: Policies): number {
  const rules = [...current.rules, ...(rollout?.policy.rules ?? [])];
  return Math.max(
    DEFAULT_INTERIM_SECONDS,
    ...rules.flatMap(({ give }) => (give.access === 'denied' ? [] : [give.interimSeconds])),
  );
}
