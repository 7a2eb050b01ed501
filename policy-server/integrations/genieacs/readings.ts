import { type Acs, AcsRefusal, isOntOnline, type Ont } from '#domain/acs';
import { type Clock, monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { within } from '#domain/patience';
import { type Instant, MINUTE, SECOND } from '#domain/time';
import { claimOntReading, type KnownOnt, knownOnt, writeOntError, writeOntReading } from '#storage/acs';
import type { Database } from '#storage/database';

/** The ACS as it is set now. */
export type SetAcs = { readonly acs: Acs; readonly informMinutes: number };

export type ReadingsOptions = {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: { warn(fields: object, line: string): void };
  /** Null: there is none. */
  readonly set: () => Promise<SetAcs | null>;
};

/** A page waits no longer for a first reading. */
const PAGE_WAITS_MS = 300;
/** Whoever pressed a button waits. */
const BUTTON_WAITS_MS = 5 * SECOND;
const FRESH_MS = MINUTE;
/** To look for a device by name is much work for a big ACS. */
const NONE_FRESH_MS = 10 * MINUTE;
/** Somebody is asking, or it failed. */
const ASK_AGAIN_MS = 20 * SECOND;
const AT_ONCE = 8;
/** While the ACS fails no page waits for it. */
const FAILING_MS = 15 * SECOND;

/** What is known of ONTs: shown as it was last read, and read again on the side, one ask a device at a time. */
export class OntReadings {
  readonly #options: ReadingsOptions;
  /** By subscriber. */
  readonly #asking = new Map<number, Promise<void>>();
  #failedMs = Number.NEGATIVE_INFINITY;

  constructor(options: ReadingsOptions) {
    this.#options = options;
  }

  async ontOf(subscriberId: number): Promise<Ont | null> {
    const begunMs = monotonicMs();
    const { db } = this.#options;
    const [set, known] = await Promise.all([this.#options.set(), knownOnt(db, subscriberId)]);
    if (set === null || known === null) return null;
    if (this.#isFresh(known)) return this.#ont(known, set);
    const asked = this.#askOnce(set, subscriberId, known);
    const failing = monotonicMs() - this.#failedMs < FAILING_MS;
    if (known.readAt !== null || failing) return this.#ont(known, set);
    const inTime = (await within(asked, PAGE_WAITS_MS - (monotonicMs() - begunMs))) !== 'too-late';
    return this.#ont(inTime ? ((await knownOnt(db, subscriberId)) ?? known) : known, set);
  }

  /** Looked for anew among all devices, so that one that was exchanged, or a second one, is seen. */
  async readNow(subscriberId: number): Promise<Ont | null> {
    const { db } = this.#options;
    const [set, known] = await Promise.all([this.#options.set(), knownOnt(db, subscriberId)]);
    if (set === null || known === null) return null;
    await within(this.#ask(set, subscriberId, { ...known, deviceId: null }), BUTTON_WAITS_MS);
    return this.#ont((await knownOnt(db, subscriberId)) ?? known, set);
  }

  /** All that is being asked has come to its end. */
  async idle(): Promise<void> {
    await Promise.all(this.#asking.values());
  }

  #isFresh({ deviceId, readAt, error }: KnownOnt): boolean {
    const freshMs = deviceId === null ? NONE_FRESH_MS : FRESH_MS;
    return readAt !== null && error === null && this.#options.clock() - readAt < freshMs;
  }

  #ont({ deviceId, others, reading, readAt, error }: KnownOnt, { informMinutes }: SetAcs): Ont {
    const online = isOntOnline(reading?.lastInform ?? null, this.#options.clock(), informMinutes);
    return { deviceId, others, reading, readAt, online, error };
  }

  /** Unless it is being asked already, here or on another node, or there is too much to ask. */
  #askOnce(set: SetAcs, subscriberId: number, known: KnownOnt): Promise<void> {
    if (!this.#asking.has(subscriberId) && this.#asking.size >= AT_ONCE) return Promise.resolve();
    return this.#ask(set, subscriberId, known, this.#options.clock() - ASK_AGAIN_MS);
  }

  #ask(set: SetAcs, subscriberId: number, known: KnownOnt, notSince?: Instant): Promise<void> {
    const running = this.#asking.get(subscriberId);
    if (running !== undefined) return running;
    const asked = this.#read(set, subscriberId, known, notSince).finally(() => this.#asking.delete(subscriberId));
    this.#asking.set(subscriberId, asked);
    return asked;
  }

  /** Never fails: nobody may be waiting for it any more. */
  async #read({ acs }: SetAcs, subscriberId: number, known: KnownOnt, notSince?: Instant): Promise<void> {
    const { db, clock, log } = this.#options;
    try {
      const now = clock();
      if (!(await claimOntReading(db, subscriberId, now, notSince ?? now))) return;
      await writeOntReading(db, subscriberId, await acs.find(known.username, known.deviceId), clock());
      this.#failedMs = Number.NEGATIVE_INFINITY;
    } catch (error) {
      this.#failedMs = monotonicMs();
      if (!(error instanceof Unavailable || error instanceof AcsRefusal)) {
        log.warn({ err: error }, 'an ONT cannot be read');
        return;
      }
      // The database may be what is away; then the next page asks again.
      await writeOntError(db, subscriberId, error.message).catch(() => undefined);
    }
  }
}
