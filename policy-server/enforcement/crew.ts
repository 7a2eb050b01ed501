import { backoffMs } from '#domain/backoff';
import { monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import type { Facts } from '#domain/facts';
import { policyFor } from '#domain/rollout';
import { say } from '#domain/say';
import { type Instant, NEVER, SECOND } from '#domain/time';
import { type Actor, carryOut, Deeds, place, probe } from '#enforcement/act';
import { type Assessment, assess, differs } from '#enforcement/assess';
import { Lane } from '#enforcement/lane';
import type { ListDriver } from '#enforcement/list-driver';
import type { LoopOptions, LoopStatus } from '#enforcement/loop';
import { Recorder } from '#enforcement/recorder';
import { keyOf, listsOf, newlyWanted, type Router, routersToTell, statusOf } from '#enforcement/router';
import { type Claim, retryFailedOn, type Settlement } from '#storage/due';
import { anotherLiveSession, liveSessions, recordDoubt } from '#storage/sessions';
import { recordWanted, retryFailedLists, staticAddressesOf } from '#storage/static-addresses';

/** A subscriber we have claimed, until there is nothing more to do for now. */
type Held = {
  claim: Claim;
  /** The routers, by key, in whose lanes it waits or is being worked on. */
  readonly lanes: Map<string, Router>;
  acted: boolean;
  failure: string | null;
  /** Look again then, though nothing failed: the lane was full. */
  postponedTo: Instant;
  validUntil: Instant;
  validBelow: number;
  /** What the visit saw, and when (`monotonicMs`): a lane that is free at once need not look again. */
  seen: { readonly view: Assessment; readonly atMs: number } | null;
};

/** What was seen of a subscriber: how it stands, that it is no more, or that it cannot be said and why. */
type View = Assessment | 'absent' | Error;

const PACE_UNKNOWN_NAS = 50;
/** TCP and the window of the connection keep the pace of lists; this only keeps a long queue in the database. */
const LISTS_PER_SECOND = 1_000;
/**
 * A view this young is sent without looking once more, which halves the way from a grant to its CoA. What changes in
 * between takes the claim away and so is looked at next.
 */
const FRESH_MS = 50;

/** Who looks at claimed subscribers, works through the lanes and writes down what came of it. */
export class Crew<Entry extends { readonly facts: Facts }> {
  readonly #options: LoopOptions<Entry>;
  readonly #arm: (at: Instant) => void;
  readonly #random: () => number;
  readonly #actor: Actor;
  readonly #hasLists: boolean;
  readonly #recorder: Recorder;
  readonly #held = new Map<number, Held>();
  readonly #lanes = new Map<string, { readonly router: Router; readonly lane: Lane }>();
  readonly #probing = new Map<number, Promise<number>>();
  #stopped = false;

  /** `arm` is told of every instant at which something becomes due. */
  constructor(options: LoopOptions<Entry>, arm: (at: Instant) => void) {
    this.#options = options;
    this.#arm = arm;
    this.#random = options.random ?? Math.random;
    this.#recorder = new Recorder(options.db, options.clock, options.log);
    this.#hasLists = options.lists !== undefined;
    this.#actor = {
      clock: options.clock,
      driver: options.driver,
      lists: options.lists ?? NO_LISTS,
      anotherSession: (than) => anotherLiveSession(options.db, than),
    };
  }

  /** The claims that are to be kept alive. */
  claims(): Claim[] {
    return [...this.#held.values()].map((held) => held.claim);
  }

  /**
   * Looks at claimed subscribers: publishes their fresh facts, decides, and either settles or queues what has to be said.
   * Waits for the database only. Throws `Unavailable` when that is away; the claims then lapse unless visited again.
   */
  async visit(claims: readonly Claim[]): Promise<void> {
    // A process that was killed may have told a router what nobody wrote down: each is told once more, whatever is decided.
    const lost = claims.filter(({ isLost }) => isLost).map(({ subscriberId }) => subscriberId);
    await recordDoubt(this.#options.db, lost, 'subscriber_id');
    const views = await this.#look(
      claims.map((claim) => claim.subscriberId),
      this.#options.publish,
    );
    await recordWanted(
      this.#options.db,
      [...views.values()].flatMap((view) => (isSeen(view) ? newlyWanted(view) : [])),
    );
    const settled: Settlement[] = [];
    for (const claim of claims) {
      const settlement = this.#dispatch(claim, views.get(claim.subscriberId) ?? 'absent');
      if (settlement !== null) settled.push(settlement);
    }
    await Promise.all(settled.map((settlement) => this.#settle(settlement)));
  }

  /** Asks the NASes about a subscriber's sessions, once at a time; closes those gone and returns how many they were. */
  probeSessions(subscriberId: number): Promise<number> {
    const running = this.#probing.get(subscriberId) ?? this.#probe(subscriberId);
    this.#probing.set(subscriberId, running);
    return running.finally(() => this.#probing.delete(subscriberId));
  }

  status(): LoopStatus {
    const lanes = [...this.#lanes.values()];
    return {
      held: this.#held.size,
      nases: statusOf(lanes.filter(({ router }) => router.nasAddress !== null)),
      lists: statusOf(lanes.filter(({ router }) => router.nasAddress === null)),
    };
  }

  /** A router's address-lists can be reached (again): whatever failed there is tried at once. */
  listsReachable(nasId: number): void {
    const lane = this.#lanes.get(keyOf(listsOf(nasId)))?.lane;
    if (lane?.silent === true) lane.answered();
    else this.#retryFailed(listsOf(nasId));
  }

  /** From here on nothing is tried twice. */
  stopping(): void {
    this.#stopped = true;
    this.#recorder.giveUpOnFailure();
    for (const { lane } of this.#lanes.values()) lane.stop();
  }

  /** Ends: what is held is due again at once, for whoever comes next. What a NAS still answers is not waited for. */
  async stop(): Promise<void> {
    this.stopping();
    const dueAt = this.#options.clock();
    for (const held of this.#held.values()) {
      const settlement = { ...handBack(held), dueAt, attempts: held.claim.attempts };
      void this.#recorder.write(turnOf(new Deeds(), settlement));
    }
    this.#held.clear();
    await this.#recorder.stop();
  }

  async #look(ids: readonly number[], publish: (entries: readonly Entry[]) => void): Promise<Map<number, View>> {
    const views = new Map<number, View>();
    let entries: readonly Entry[];
    try {
      entries = await this.#options.loadEntries(ids);
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      // One of them cannot be read (a row sealed under a lost key): the others must not suffer.
      if (ids.length === 1) return views.set(ids[0]!, faultOf(error));
      for (const id of ids) for (const [key, view] of await this.#look([id], publish)) views.set(key, view);
      return views;
    }
    publish(entries);
    const [policies, live, fixed] = await Promise.all([
      this.#options.policies(),
      liveSessions(this.#options.db, ids),
      this.#hasLists ? staticAddressesOf(this.#options.db, ids) : [],
    ]);
    const sessions = Map.groupBy(live, (session) => session.subscriberId);
    const addresses = Map.groupBy(fixed, (address) => address.subscriberId);
    const at = this.#options.clock();
    const nases = this.#options.nases();
    for (const { facts } of entries) {
      const id = facts.subscriberId;
      try {
        const policy = policyFor(policies, id);
        views.set(id, assess(facts, sessions.get(id) ?? [], addresses.get(id) ?? [], policy, nases, at));
      } catch (error) {
        views.set(id, faultOf(error));
      }
    }
    return views;
  }

  /** Queues what has to be done for one subscriber; a settlement when that is nothing, or nothing just now. */
  #dispatch(claim: Claim, view: View): Settlement | null {
    const held = this.#hold(claim);
    if (view instanceof Error) held.failure = view.message;
    else if (view !== 'absent') this.#queue(held, view);
    if (held.lanes.size > 0) return null;
    this.#held.delete(claim.subscriberId);
    return this.#settlementOf(held);
  }

  #hold(claim: Claim): Held {
    const held = this.#held.get(claim.subscriberId) ?? {
      claim,
      lanes: new Map<string, Router>(),
      acted: false,
      failure: null,
      postponedTo: NEVER,
      validUntil: NEVER,
      validBelow: Number.POSITIVE_INFINITY,
      seen: null,
    };
    held.claim = claim;
    held.failure = null;
    held.postponedTo = NEVER;
    this.#held.set(claim.subscriberId, held);
    return held;
  }

  #queue(held: Held, view: Assessment): void {
    held.validUntil = view.validUntil;
    held.validBelow = view.validBelow;
    // What is being said right now is not in this view: once it is written down, those routers are looked at again.
    const speaking = [...held.lanes.values()];
    held.seen = speaking.length === 0 ? { view, atMs: monotonicMs() } : null;
    const id = held.claim.subscriberId;
    const routers = new Map([...speaking, ...routersToTell(view)].map((router) => [keyOf(router), router]));
    for (const [key, router] of routers) {
      const lane = this.#lane(router);
      const waitMs = lane.waitMs(id);
      if (waitMs === 0) {
        held.lanes.set(key, router);
        lane.add(id);
      } else if (lane.silent) held.failure = say`${this.#nameOf(router)} does not answer`;
      else held.postponedTo = Math.min(held.postponedTo, this.#options.clock() + waitMs);
    }
  }

  #lane({ nasId, nasAddress }: Router): Lane {
    const router = { nasId, nasAddress };
    const known = this.#lanes.get(keyOf(router));
    if (known !== undefined) return known.lane;
    const lane: Lane = new Lane({
      perSecond: () =>
        nasAddress === null ? LISTS_PER_SECOND : (this.#options.nases().get(nasId)?.coaPerSecond ?? PACE_UNKNOWN_NAS),
      work: (ids, ended) => void this.#work(lane, router, ids, ended),
      released: (ids) => this.#released(router, ids),
      recovered: () => this.#recovered(router),
      random: this.#random,
    });
    this.#lanes.set(keyOf(router), { router, lane });
    return lane;
  }

  /** The lane's turn: facts are read once more, so that what is said is the newest there is at this moment. */
  async #work(lane: Lane, router: Router, ids: readonly number[], ended: (id: number) => void): Promise<void> {
    let views: Map<number, View>;
    try {
      views = this.#freshlySeen(ids) ?? (await this.#look(ids, () => undefined));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'enforcement cannot read facts; trying again');
      await new Promise((resolve) => setTimeout(resolve, SECOND));
      for (const id of ids) {
        lane.add(id);
        ended(id);
      }
      return;
    }
    await Promise.all(ids.map((id) => this.#turn(lane, router, id, views.get(id) ?? 'absent', ended)));
  }

  /** What the visits saw of these just now; null if it is older for any of them. A view is used once. */
  #freshlySeen(ids: readonly number[]): Map<number, View> | null {
    const views = new Map<number, View>();
    for (const id of ids) {
      const held = this.#held.get(id);
      const seen = held?.seen ?? null;
      if (held !== undefined && held.lanes.size === 1) held.seen = null;
      if (seen !== null && monotonicMs() - seen.atMs <= FRESH_MS) views.set(id, seen.view);
    }
    return views.size === ids.length ? views : null;
  }

  async #turn(lane: Lane, router: Router, id: number, view: View, ended: (id: number) => void): Promise<void> {
    const deeds = new Deeds();
    const failure = await this.#act(lane, router, view, deeds);
    const held = this.#held.get(id);
    let settlement: Settlement | null = null;
    if (held !== undefined) {
      if (deeds.acts.length > 0) held.acted = true;
      if (failure !== null) held.failure = failure;
      if (isSeen(view)) {
        held.validUntil = view.validUntil;
        held.validBelow = view.validBelow;
      }
      if (!lane.wantsAgain(id)) held.lanes.delete(keyOf(router));
      // Once stopped a turn may have left things undone: it stays held, and the stop makes it due again.
      if (held.lanes.size === 0 && !this.#stopped) {
        this.#held.delete(id);
        settlement = this.#settlementOf(held);
      }
    }
    await this.#recorder.write(turnOf(deeds, settlement));
    if (settlement !== null) this.#arm(settlement.dueAt);
    if (deeds.gone.length > 0) this.#options.onSessionsEnded?.([id]);
    ended(id);
  }

  /** Does what is to be done on one router; returns what failed. Our own mistakes end as a failure of this subscriber. */
  async #act(lane: Lane, router: Router, view: View, deeds: Deeds): Promise<string | null> {
    if (view === 'absent') return null;
    if (view instanceof Error) return view.message;
    let failure: string | null = null;
    const noted = (failed: string | null) => {
      if (failed !== null) failure = `${this.#nameOf(router)}: ${failed}`;
    };
    try {
      for (const step of view.steps) {
        if (keyOf(step.session) !== keyOf(router) || step.action.do === 'keep' || this.#stopped) continue;
        noted(await carryOut(this.#actor, lane, step, deeds));
      }
      for (const step of router.nasAddress === null ? view.lists : []) {
        if (step.address.nasId !== router.nasId || !differs(step) || this.#stopped) continue;
        noted(await place(this.#actor, lane, step, deeds));
      }
    } catch (error) {
      this.#options.log.error({ err: error, ...router }, 'enforcement stumbled over a session');
      failure = faultOf(error).message;
    }
    return failure;
  }

  #released(router: Router, ids: readonly number[]): void {
    this.#options.log.warn({ nas: this.#nameOf(router), waiting: ids.length }, 'a NAS does not answer');
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      held.failure = say`${this.#nameOf(router)} does not answer`;
      held.lanes.delete(keyOf(router));
      if (held.lanes.size > 0) continue;
      this.#held.delete(id);
      void this.#settle(this.#settlementOf(held));
    }
  }

  #recovered(router: Router): void {
    this.#options.log.info({ nas: this.#nameOf(router) }, 'a NAS answers again');
    this.#retryFailed(router);
  }

  #retryFailed({ nasId, nasAddress }: Router): void {
    const at = this.#options.clock();
    const { db } = this.#options;
    const retried =
      nasAddress === null ? retryFailedLists(db, nasId, at) : retryFailedOn(db, { nasId, nasAddress }, at);
    retried.then(
      () => this.#arm(at),
      (error) =>
        this.#options.log.warn({ err: error }, 'enforcement cannot hurry what had failed: it goes by its back-off'),
    );
  }

  async #probe(subscriberId: number): Promise<number> {
    const deeds = new Deeds();
    const sessions = await liveSessions(this.#options.db, [subscriberId]);
    await Promise.all(sessions.map((session) => probe(this.#actor, this.#lane(session), session, deeds)));
    await this.#recorder.write(turnOf(deeds, null));
    if (deeds.gone.length > 0) this.#options.onSessionsEnded?.([subscriberId]);
    return deeds.gone.length;
  }

  async #settle(settlement: Settlement): Promise<void> {
    await this.#recorder.write(turnOf(new Deeds(), settlement));
    this.#arm(settlement.dueAt);
  }

  #settlementOf(held: Held): Settlement {
    const at = this.#options.clock();
    const back = handBack(held);
    if (held.failure === null) return back;
    const attempts = held.claim.attempts + 1;
    const retryAt = at + backoffMs(attempts, this.#random);
    return { ...back, dueAt: Math.min(back.dueAt, retryAt), attempts, error: held.failure };
  }

  /** With its address: of a block it tells which router is meant. */
  #nameOf({ nasId, nasAddress }: Router): string {
    return `${this.#options.nases().get(nasId)?.name ?? `NAS ${nasId}`} (${nasAddress ?? 'address-lists'})`;
  }
}

function handBack(held: Held): Settlement {
  return {
    claim: held.claim,
    dueAt: Math.min(held.validUntil, held.postponedTo),
    validBelow: held.validBelow,
    attempts: 0,
    error: null,
    acted: held.acted,
  };
}

const turnOf = (deeds: Deeds, settlement: Settlement | null) => ({ ...deeds, settlement });

const isSeen = (view: View): view is Assessment => view !== 'absent' && !(view instanceof Error);

/** Of a loop that was given no way to address-lists, which then looks at no static addresses. */
const NO_LISTS: ListDriver = { place: async () => ({ is: 'refused', act: null, said: say`there is no way to it` }) };

const faultOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
