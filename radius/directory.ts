import { decide as domainDecide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import type { NasVendor, Policy } from '#domain/policy';
import { type Policies, policyFor } from '#domain/rollout';
import { type Instant, SECOND } from '#domain/time';
import { macNumber, UNKNOWN_MAC } from '#radius/mikrotik';
import { PlanShelf, packFacts, unpackFacts } from '#radius/packed-facts';
import { lineAttributes } from '#radius/reply';
import { encodeAttributes, type Template, Templates } from '#radius/template';

/**
 * Who may dial, in memory: every subscriber with facts, password and line, found by user name, and with the answer to
 * their next dial once it has been worked out. No request waits for anything outside of this.
 */

/** One subscriber as storage loads it. */
export type DirectoryEntry = { readonly facts: Facts; readonly password: string; readonly line: Line };

/** What is settled about a subscriber's line whatever their standing. */
export type Line = {
  /** Only this device may dial (`AA:BB:CC:DD:EE:FF`); null = any. */
  readonly mac: string | null;
  /** Devices that may be online at once. */
  readonly sessionLimit: number;
  readonly staticIp: string | null;
  readonly framedIpv6Prefix: string | null;
  readonly delegatedIpv6Prefix: string | null;
};

export type SubscriberSessions = { readonly subscriberId: number; readonly sessions: readonly LiveSession[] };

/** One live session, as far as the limit is concerned. */
export type LiveSession = {
  readonly mac: string | null;
  readonly heardAt: Instant;
  readonly interimSeconds: number;
};

/** The answer a decision amounts to: null when it denies. */
export type Answer = Template | null;

/** A subscriber as held: small, of one shape, and with nothing in it that is not asked for by the path of a request. */
export class Subscriber {
  readonly id: number;
  readonly username: string;
  version: number;
  password: string;
  line: HeldLine;
  packed: string;
  /** The answer, good for `answerEpoch`'s policies, before `validUntil`, and for the NAS `answerNasId` (see `ANY_OF`). */
  answer: Answer = null;
  answerEpoch = 0;
  answerNasId = 0;
  validUntil: Instant = 0;
  /** Live sessions, three numbers each: MAC as a 48-bit number (-1 = unknown), heardAt, interimSeconds. */
  sessions: number[] | null = null;

  constructor(id: number, username: string, version: number, password: string, line: HeldLine, packed: string) {
    this.id = id;
    this.username = username;
    this.version = version;
    this.password = password;
    this.line = line;
    this.packed = packed;
  }
}

/** A line with its reply attributes as octets (one character each: the leanest holder there is). */
export type HeldLine = { readonly line: Line; readonly octets: string; readonly mac: number };

/** A session not heard of for this many of its interim intervals does not count: its Stop was lost. */
const HEARD_INTERVALS = 2.5;
/** In place of a NAS's id, for an answer that did not look at the NAS: any NAS of that make, for each is told in words of its own. */
const ANY_OF: Readonly<Record<NasVendor, number>> = { mikrotik: 0, generic: -1, 'accel-ppp': -2 };

export type DirectoryNas = { readonly id: number; readonly facts: NonNullable<Facts['nas']> };
type Decide = (facts: Facts, policy: Policy, at: Instant) => Decision;

export class Directory {
  readonly #byUsername = new Map<string, Subscriber>();
  readonly #byId = new Map<number, Subscriber>();
  readonly #plans = new PlanShelf();
  readonly #templates = new Templates();
  readonly #plainLines = new Map<number, HeldLine>();
  readonly #decide: Decide;
  /** Entries that came from disk and that the database has not confirmed yet. */
  readonly #fromDisk = new Set<number>();
  #policies: Policies | null = null;
  #complete = false;
  #epoch = 1;
  #latest: Instant = 0;

  constructor(decide: Decide = domainDecide) {
    this.#decide = decide;
  }

  /** Whether every subscriber of the database is in here, so that "unknown" means "is none of ours". */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether a decision can be made at all. */
  get ready(): boolean {
    return this.#policies !== null;
  }

  get size(): number {
    return this.#byUsername.size;
  }

  setPolicies(policies: Policies): void {
    this.#policies = policies;
    this.#epoch += 1;
  }

  /** Puts what storage loaded. Loads may overtake each other: the higher version stays. */
  put(entries: readonly DirectoryEntry[]): void {
    for (const entry of entries) {
      this.#fromDisk.delete(entry.facts.subscriberId);
      this.#putOne(entry);
    }
  }

  /** Puts what was on disk: good until the database says otherwise, and gone at `snapshotDone` if it says nothing. */
  putFromDisk(entries: readonly DirectoryEntry[]): void {
    for (const entry of entries) {
      if (this.#complete || this.#byId.has(entry.facts.subscriberId)) continue;
      this.#fromDisk.add(entry.facts.subscriberId);
      this.#putOne(entry);
    }
  }

  /** All that is held is as from disk from now on: whatever is put is newer, and what is not is gone at `snapshotDone`. */
  doubt(): void {
    this.#complete = false;
    for (const subscriber of this.#byId.values()) {
      subscriber.version = -1;
      this.#fromDisk.add(subscriber.id);
    }
  }

  snapshotDone(): void {
    this.#complete = true;
    this.forget([...this.#fromDisk]);
    this.#fromDisk.clear();
  }

  forget(subscriberIds: readonly number[]): void {
    for (const id of subscriberIds) {
      const subscriber = this.#byId.get(id);
      if (subscriber !== undefined) this.#remove(subscriber);
    }
  }

  setSessions(subscribers: readonly SubscriberSessions[]): void {
    for (const { subscriberId, sessions } of subscribers) {
      const subscriber = this.#byId.get(subscriberId);
      if (subscriber === undefined) continue;
      subscriber.sessions = sessions.length === 0 ? null : sessions.flatMap(sessionNumbers);
    }
  }

  find(username: string): Subscriber | undefined {
    return this.#byUsername.get(username);
  }

  /**
   * The answer to this subscriber's dial at `at` from `nas`; null = denied. Worked out at most once until the decision's
   * `validUntil`, unless facts or policy change. An answer that looked at the NAS is never given to another.
   */
  answer(subscriber: Subscriber, nas: DirectoryNas, at: Instant): Answer {
    if (at < this.#latest - SECOND) this.#epoch += 1; // the clock was set back: what we know is of a time to come
    if (at > this.#latest || at < this.#latest - SECOND) this.#latest = at;
    if (
      subscriber.answerEpoch === this.#epoch &&
      at < subscriber.validUntil &&
      (subscriber.answerNasId === ANY_OF[nas.facts.vendor] || subscriber.answerNasId === nas.id)
    )
      return subscriber.answer;
    return this.#workOut(subscriber, nas, at);
  }

  /** Whether as many sessions as the line allows are live on other devices than the one that dials. */
  isLimitReached(subscriber: Subscriber, mac: number, at: Instant): boolean {
    const sessions = subscriber.sessions;
    if (sessions === null) return false;
    let others = 0;
    for (let i = 0; i < sessions.length; i += 3) {
      const sameDevice = mac !== UNKNOWN_MAC && sessions[i] === mac;
      const silentMs = at - sessions[i + 1]!;
      if (!sameDevice && silentMs <= sessions[i + 2]! * SECOND * HEARD_INTERVALS) others += 1;
    }
    return others >= subscriber.line.line.sessionLimit;
  }

  /** Every subscriber as it was put, in no order, for the copy on disk. Safe to walk while changes come in. */
  *entries(): Generator<DirectoryEntry> {
    for (const subscriber of this.#byUsername.values()) {
      const facts = { ...this.#identity(subscriber), nas: null, ...unpackFacts(subscriber.packed, this.#plans) };
      yield { facts, password: subscriber.password, line: subscriber.line.line };
    }
  }

  #putOne({ facts, password, line }: DirectoryEntry): void {
    const held = this.#byId.get(facts.subscriberId);
    if (held !== undefined && this.#isOlder(facts, held)) return;
    const packed = packFacts(facts, this.#plans);
    if (held !== undefined && held.username === facts.username) {
      held.version = facts.version;
      held.password = password;
      held.line = this.#hold(line);
      held.packed = packed;
      held.answerEpoch = 0;
      return;
    }
    if (held !== undefined) this.#remove(held);
    const fresh = new Subscriber(facts.subscriberId, facts.username, facts.version, password, this.#hold(line), packed);
    fresh.sessions = held?.sessions ?? null;
    this.#byId.set(fresh.id, fresh);
    this.#byUsername.set(fresh.username, fresh);
  }

  /** Usage does not raise the version but only ever grows. */
  #isOlder(facts: Facts, held: Subscriber): boolean {
    if (facts.version !== held.version) return facts.version < held.version;
    return facts.chargedBytes < unpackFacts(held.packed, this.#plans).chargedBytes;
  }

  #remove(subscriber: Subscriber): void {
    this.#byId.delete(subscriber.id);
    // A user name may have gone to another subscriber since.
    if (this.#byUsername.get(subscriber.username) === subscriber) this.#byUsername.delete(subscriber.username);
  }

  #hold(line: Line): HeldLine {
    const plain =
      line.mac === null &&
      line.staticIp === null &&
      line.framedIpv6Prefix === null &&
      line.delegatedIpv6Prefix === null;
    const known = plain ? this.#plainLines.get(line.sessionLimit) : undefined;
    if (known !== undefined) return known;
    const octets = plain ? '' : encodeAttributes(lineAttributes(line)).toString('latin1');
    const held: HeldLine = { line, octets, mac: line.mac === null ? UNKNOWN_MAC : macNumber(line.mac) };
    if (plain) this.#plainLines.set(line.sessionLimit, held);
    return held;
  }

  #workOut(subscriber: Subscriber, nas: DirectoryNas, at: Instant): Answer {
    const policies = this.#policies;
    if (policies === null) throw new Error('a decision was asked for before there was a policy');
    let lookedAtNas = false;
    const facts: Facts = {
      ...this.#identity(subscriber),
      ...unpackFacts(subscriber.packed, this.#plans),
      get nas() {
        lookedAtNas = true;
        return nas.facts;
      },
    };
    const decision = this.#decide(facts, policyFor(policies, subscriber.id), at);
    const { vendor } = nas.facts;
    subscriber.answer =
      decision.access === 'denied' ? null : this.#templates.of(decision, subscriber.line.line, vendor);
    subscriber.validUntil = decision.validUntil;
    subscriber.answerNasId = lookedAtNas ? nas.id : ANY_OF[vendor];
    subscriber.answerEpoch = this.#epoch;
    return subscriber.answer;
  }

  #identity(subscriber: Subscriber): Pick<Facts, 'subscriberId' | 'username' | 'version'> {
    return { subscriberId: subscriber.id, username: subscriber.username, version: subscriber.version };
  }
}

function sessionNumbers(session: LiveSession): number[] {
  return [session.mac === null ? UNKNOWN_MAC : macNumber(session.mac), session.heardAt, session.interimSeconds];
}
