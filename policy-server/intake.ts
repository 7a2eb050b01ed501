import * as fs from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Clock, monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { DAY, MINUTE, SECOND } from '#domain/time';
import type { AccountingRecord, Unusable } from '#domain/usage';
import type { FromIntake, IntakeMetrics, IntakeSettings } from '#policy-server/intake-messages';
import type { AccountingNas } from '#radius/accounting';
import { accountingRecord } from '#radius/accounting';
import type { JournalBatch, JournalEntry } from '#radius/journal';
import { JournalReader, removeApplied } from '#radius/journal';
import { Packet } from '#radius/packet';
import type { IntakeBatch, IntakeEntry } from '#storage/accounting';
import {
  applyBatch,
  closeSilentSessions,
  durablePosition,
  journalPosition,
  octetDirections,
} from '#storage/accounting';
import { AccountingSigns } from '#storage/accounting-signs';
import type { Database } from '#storage/database';
import { moveEndedSessions, preparePartitions } from '#storage/history';

export type IntakeOptions = Omit<IntakeSettings, 'databaseUrl'> & {
  readonly db: Database;
  readonly clock: Clock;
  readonly post: (message: FromIntake) => void;
};

/**
 * Where no processor is free the answers to the routers go first: what waits in a journal is safe. Resting for as long as a
 * batch took, times this, is worth about 10,000 acknowledgements a second on two processors: without it 42,000/s were
 * acknowledged and 24,000/s applied, with 1.0 it was 51,500 and 17,000 (`npm run bench -- accounting`, 512 outstanding).
 */
const GIVE_WAY = 0.9;
const NO_PROCESSOR_FREE = 0.04;

type Counters = { -readonly [Name in keyof IntakeMetrics]: IntakeMetrics[Name] };

const LOOK_AGAIN_MS = 100;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const NAS_TABLE_AGE_MS = 5_000;
const SIGNS_EVERY_MS = 5_000;

/**
 * The accounting intake: follows every journal of this node and applies it to the database, batch after batch, each
 * exactly once. While the database is down it waits; the journals hold everything. When it has caught up it also does the
 * housekeeping of sessions: ends silent ones, moves ended ones to the history, deletes applied segments.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #followers = new Map<string, Follower>();
  readonly #processors = new Processors();
  readonly #counters: Counters;
  #nases = new Map<number, AccountingNas>();
  #nasesReadAt = Number.NEGATIVE_INFINITY;
  #stopping = false;
  #wake: () => void = () => undefined;
  #awake = false;
  #pauseMs = FIRST_PAUSE_MS;
  #sweepAt = 0;
  #deletedAt = 0;
  #preparedAt = Number.NEGATIVE_INFINITY;
  #postedAt = 0;
  readonly #signs = new AccountingSigns();
  #signsAt = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#counters = {
      recordsApplied: 0,
      batchesApplied: 0,
      quarantined: 0,
      damaged: 0,
      tornOctets: 0,
      segmentsDeleted: 0,
      sessionsAssumedEnded: 0,
      sessionsMoved: 0,
      behindOctets: 0,
      appliedUpTo: null,
      databaseReachable: true,
    };
  }

  metrics(): IntakeMetrics {
    const followers = [...this.#followers.values()];
    this.#counters.tornOctets = followers.reduce((sum, { reader }) => sum + reader.tornOctets, 0);
    this.#counters.behindOctets = followers.reduce((sum, follower) => sum + follower.behindOctets(), 0);
    return { ...this.#counters };
  }

  /** There is more to read. */
  wake(): void {
    this.#awake = true;
    this.#wake();
  }

  /** The batch in hand is finished; `run` returns after it. */
  stop(): void {
    this.#stopping = true;
    this.wake();
  }

  /** Follows the journals until `stop`. Throws only what is a bug of ours or a folder that cannot be read. */
  async run(): Promise<void> {
    while (!this.#stopping) {
      const begunMs = monotonicMs();
      const busy = await this.#round();
      this.#postMetrics();
      if (this.#stopping) break;
      if (!busy) await this.#sleep(LOOK_AGAIN_MS);
      else if (this.#processors.idleShare() < NO_PROCESSOR_FREE) await pause((monotonicMs() - begunMs) * GIVE_WAY);
    }
    for (const { reader } of this.#followers.values()) reader.close();
  }

  /** Applies one batch of each journal; false when there was none or the database is down (after a pause). */
  async #round(): Promise<boolean> {
    try {
      let busy = false;
      for (const follower of this.#follow()) busy = (await this.#step(follower)) || busy;
      await this.#housekeeping(!busy);
      await this.#tellSigns();
      this.#reachable(true);
      return busy;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.#reachable(false, error);
      await this.#sleep(this.#pauseMs * (0.5 + Math.random() / 2), false);
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      return false;
    }
  }

  #follow(): Iterable<Follower> {
    const root = this.#options.journalsFolder;
    fs.mkdirSync(root, { recursive: true });
    for (const entry of fs.readdirSync(root, { withFileTypes: true })) {
      if (!entry.isDirectory() || this.#followers.has(entry.name)) continue;
      this.#followers.set(entry.name, new Follower(join(root, entry.name)));
    }
    return this.#followers.values();
  }

  /** Applies the follower's next batch while the one after it is read and understood. */
  async #step(follower: Follower): Promise<boolean> {
    const id = await this.#begin(follower);
    if (id === null) return false;
    try {
      const batch = follower.prepared ?? (await this.#prepare(follower));
      follower.prepared = null;
      if (batch === null) return false;
      const [applied, next] = await Promise.all([
        applyBatch(this.#options.db, id, batch, this.#options.zone),
        this.#prepare(follower),
      ]);
      if (applied.applied) follower.prepared = next;
      else follower.reader.seek(applied.position);
      this.#count(batch, applied.applied, applied.records, applied.quarantined);
      this.#signs.add(applied.signs);
      if (applied.woken.length > 0) this.#options.post({ kind: 'woken', subscriberIds: applied.woken });
      return true;
    } catch (error) {
      // The reader may stand behind what was not applied: it is sought back to where the database says it is.
      follower.begun = false;
      throw error;
    }
  }

  /** Where the database says the journal is: asked first, and again after every failure. */
  async #begin(follower: Follower): Promise<string | null> {
    const id = follower.reader.id();
    if (id === null || follower.begun) return id;
    follower.prepared = null;
    follower.reader.seek(await journalPosition(this.#options.db, id));
    follower.begun = true;
    return id;
  }

  async #prepare(follower: Follower): Promise<IntakeBatch | null> {
    const batch = follower.reader.next(this.#options.batchRecords ?? 2000);
    if (batch === null) return null;
    await this.#knowNases(batch.entries);
    const entries: IntakeEntry[] = damageOf(batch);
    this.#counters.damaged += batch.damage.length;
    for (const [index, entry] of batch.entries.entries()) {
      // In slices, so that the statements of the batch before this one go out in between.
      if (index % 100 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      const { segment, offset, packet } = entry;
      entries.push({ segment, offset, packet, record: this.#understand(entry, follower.packet) });
    }
    if (batch.damage.length > 0) entries.sort((a, b) => a.segment - b.segment || a.offset - b.offset);
    return { from: batch.from, to: batch.to, entries };
  }

  #understand(entry: JournalEntry, packet: Packet): AccountingRecord | Unusable {
    if (!packet.parse(entry.packet)) return { status: 'unusable', reason: `no RADIUS packet: ${packet.fault}` };
    const nas = this.#nases.get(entry.nasId);
    if (nas === undefined) return { status: 'unusable', reason: `NAS ${entry.nasId} is no longer known` };
    return accountingRecord(packet, nas, entry.nasAddress, entry.receivedAt);
  }

  async #knowNases(entries: readonly JournalEntry[]): Promise<void> {
    const now = this.#options.clock();
    const known = entries.every((entry) => this.#nases.has(entry.nasId));
    if (known && now - this.#nasesReadAt < NAS_TABLE_AGE_MS) return;
    const rows = await octetDirections(this.#options.db);
    this.#nases = new Map(rows.map((nas) => [nas.id, nas]));
    this.#nasesReadAt = now;
  }

  #count(batch: IntakeBatch, applied: boolean, records: number, quarantined: number): void {
    if (!applied) return;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#counters.batchesApplied += 1;
    this.#counters.recordsApplied += records;
    this.#counters.quarantined += quarantined;
    const last = batch.entries.at(-1)?.record;
    if (last !== undefined && 'receivedAt' in last) this.#counters.appliedUpTo = last.receivedAt;
  }

  async #housekeeping(caughtUp: boolean): Promise<void> {
    const { db, clock } = this.#options;
    const now = clock();
    if (now - this.#preparedAt > DAY) {
      await preparePartitions(db, now);
      this.#preparedAt = now;
    }
    if (Math.abs(now - this.#deletedAt) >= 10 * SECOND) {
      this.#deletedAt = now;
      await this.#deleteApplied();
    }
    // A session is not silent while its records wait in a journal: only when there is nothing left to apply.
    if (!caughtUp || Math.abs(now - this.#sweepAt) < MINUTE / 2) return;
    this.#sweepAt = now;
    const interimSeconds = this.#options.interimSeconds ?? 600;
    this.#counters.sessionsAssumedEnded += await closeSilentSessions(db, now, { interimSeconds });
    this.#counters.sessionsMoved += await moveEndedSessions(db, now);
  }

  async #deleteApplied(): Promise<void> {
    for (const { reader, begun } of this.#followers.values()) {
      const id = reader.id();
      if (!begun || id === null || reader.segments()[0] === reader.position.segment) continue;
      const position = await durablePosition(this.#options.db, id);
      this.#counters.segmentsDeleted += removeApplied(reader.folder, position, this.#options.keepSegments ?? 0);
    }
  }

  async #tellSigns(): Promise<void> {
    const now = this.#options.clock();
    if (Math.abs(now - this.#signsAt) < SIGNS_EVERY_MS) return;
    this.#signsAt = now;
    const signs = await this.#signs.take(this.#options.db);
    if (signs.length > 0) this.#options.post({ kind: 'nasSigns', signs });
  }

  #reachable(reachable: boolean, error?: Error): void {
    if (this.#counters.databaseReachable === reachable) return;
    this.#counters.databaseReachable = reachable;
    const line = reachable ? 'accounting is applied again' : `accounting waits for the database: ${error?.message}`;
    this.#options.post({ kind: 'log', level: reachable ? 'info' : 'warn', line });
  }

  #postMetrics(): void {
    const now = this.#options.clock();
    if (Math.abs(now - this.#postedAt) < SECOND) return;
    this.#postedAt = now;
    this.#options.post({ kind: 'metrics', metrics: this.metrics() });
  }

  /** Until `wake` (where that may cut it short: not in a back-off), or so many milliseconds. */
  async #sleep(ms: number, interruptible = true): Promise<void> {
    if (interruptible && this.#awake) {
      this.#awake = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!interruptible && !this.#stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#awake = false;
  }
}

/** One journal and how far we are in it. */
class Follower {
  readonly reader: JournalReader;
  readonly packet = new Packet();
  /** The reader is where the database says. */
  begun = false;
  /** The next batch, read and understood while the one before was applied. */
  prepared: IntakeBatch | null = null;

  constructor(folder: string) {
    this.reader = new JournalReader(folder);
  }

  behindOctets(): number {
    return this.reader.behindOctets();
  }
}

const damageOf = (batch: JournalBatch): IntakeEntry[] =>
  batch.damage.map(({ segment, offset, length, octets }) => ({
    segment,
    offset,
    packet: octets,
    record: { status: 'unusable', reason: `the journal is damaged: ${length} octets hold no record` },
  }));

/** How much of the machine's processors was idle since it was last asked. */
class Processors {
  #idle = 0;
  #all = 0;

  /** 0 to 1; 1 where too little time has passed to say. */
  idleShare(): number {
    let idle = 0;
    let all = 0;
    for (const { times } of cpus()) {
      idle += times.idle;
      all += times.idle + times.user + times.sys + times.irq + times.nice;
    }
    const share = all - this.#all < 50 ? 1 : (idle - this.#idle) / (all - this.#all);
    this.#idle = idle;
    this.#all = all;
    return share;
  }
}
