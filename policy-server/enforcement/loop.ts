import type { Clock } from '#domain/clock';
import type { Facts } from '#domain/facts';
import type { Policies } from '#domain/rollout';
import { type Instant, NEVER, SECOND } from '#domain/time';
import type { EnforcedNas } from '#enforcement/assess';
import { Crew } from '#enforcement/crew';
import type { NasDriver } from '#enforcement/driver';
import type { ListDriver } from '#enforcement/list-driver';
import type { Database } from '#storage/database';
import { type Claim, claimDue, earliestDue, renewClaims } from '#storage/due';

export type LoopLog = {
  info(fields: object, line: string): void;
  warn(fields: object, line: string): void;
  error(fields: object, line: string): void;
};

/** Calls `work` at the instant `at` or as soon after as it can; returns how to call it off. */
export type Alarm = (at: Instant, work: () => void) => () => void;

export type LoopOptions<Entry extends { readonly facts: Facts }> = {
  readonly db: Database;
  readonly clock: Clock;
  /**
   * The policies in force, not older than this call: who was made due for a new policy must not be looked at with the old
   * one. Throws `Unavailable`.
   */
  readonly policies: () => Promise<Policies>;
  readonly nases: () => ReadonlyMap<number, EnforcedNas>;
  readonly driver: NasDriver;
  /** The way to address-lists; left out, static lines are not looked after. */
  readonly lists?: ListDriver;
  /** Fresh facts of these subscribers; one that is not there any more is left out. */
  readonly loadEntries: (subscriberIds: readonly number[]) => Promise<readonly Entry[]>;
  /** Hands fresh facts to this node's directories: a line that dials during the change is already answered by them. */
  readonly publish: (entries: readonly Entry[]) => void;
  /** Sessions of these subscribers were found gone and are closed. */
  readonly onSessionsEnded?: (subscriberIds: readonly number[]) => void;
  readonly log: LoopLog;
  readonly alarm?: Alarm;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  /** After this long a claim of a dead process is anybody's. */
  readonly leaseMs?: number;
};

export type Loop = {
  /** Something may be due: look now. */
  wake(): void;
  /** Asks the NASes about this subscriber's sessions and closes those that are gone; how many that were. */
  probeSessions(subscriberId: number): Promise<number>;
  /** This router's address-lists can be reached (again): what failed there is tried at once. */
  listsReachable(nasId: number): void;
  /** How long the longest due subscriber has been waiting to be looked at; 0 = up to date. */
  behindMs(): number;
  status(): LoopStatus;
  /** Ends cleanly: what was not carried out is due again for whoever comes next. */
  stop(): Promise<void>;
};

export type LaneStatus = { nasId: number; queued: number; inFlight: number; silent: boolean };

export type LoopStatus = {
  /** Subscribers being looked at or waiting for a word to their NAS. */
  readonly held: number;
  /** Of a NAS that is a block, all its routers together; `silent`: one of them does not answer. */
  readonly nases: readonly LaneStatus[];
  /** The same of address-lists. */
  readonly lists: readonly LaneStatus[];
};

/** With a look each third of it, the claims of a node that died or stands still are another's within 8 s. */
const LEASE_MS = 6 * SECOND;
const CLAIM_AT_ONCE = 500;
const TROUBLE_MS = SECOND;

/**
 * The loop that makes the network as decided. Looking is quick and waits for no NAS; what has to be said to NASes waits in
 * one lane for each. It is woken by NOTIFY, by `wake`, and by an alarm at the earliest due instant, so an expiry is
 * carried out at its instant and not at the next round.
 */
export async function startLoop<Entry extends { readonly facts: Facts }>(options: LoopOptions<Entry>): Promise<Loop> {
  const { db, clock, log } = options;
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const alarm = options.alarm ?? systemAlarm(clock);
  let stopped = false;
  let wanted = false;
  /** Since when something may be due that has not been looked at. */
  let waitingSince: Instant | null = null;
  /** Claimed, but the database was away before they could be visited. */
  let unvisited: Claim[] = [];
  let running: Promise<void> | null = null;
  let nextAt: Instant = NEVER;
  let callOff: () => void = () => undefined;

  const arm = (at: Instant) => {
    if (stopped || at >= nextAt) return;
    callOff();
    nextAt = at;
    callOff = alarm(at, () => {
      nextAt = NEVER;
      wake();
    });
  };
  const crew = new Crew(options, arm);

  const round = async () => {
    for (let more = true; more && !stopped; ) {
      const at = clock();
      if (unvisited.length === 0) unvisited = await claimDue(db, at, at + leaseMs, CLAIM_AT_ONCE);
      more = unvisited.length === CLAIM_AT_ONCE;
      if (unvisited.length > 0) await crew.visit(unvisited);
      unvisited = [];
    }
    // Claims that lapse are found by looking from time to time; the rest has its instant (PostgreSQL's clock is finer
    // than ours by three digits, hence the next millisecond).
    const next = (await earliestDue(db)) ?? NEVER;
    arm(Math.min(next + 1, clock() + leaseMs / 3));
  };
  const wake = () => {
    if (stopped) return;
    wanted = true;
    waitingSince ??= clock();
    running ??= run().finally(() => {
      running = null;
    });
  };
  const run = async () => {
    while (wanted && !stopped) {
      wanted = false;
      try {
        await round();
        if (!wanted) waitingSince = null;
      } catch (error) {
        log.warn({ err: error }, 'enforcement cannot look at what is due; trying again');
        arm(clock() + TROUBLE_MS);
      }
    }
  };

  const renewing = setInterval(() => {
    const claims = crew.claims();
    if (claims.length === 0) return;
    renewClaims(db, claims, clock() + leaseMs).catch((error) =>
      log.warn({ err: error }, 'enforcement cannot renew its claims'),
    );
  }, leaseMs / 3);
  const listener = await db.listen('gerbang_change', wake, wake);
  wake();
  return {
    wake,
    probeSessions: (subscriberId) => crew.probeSessions(subscriberId),
    listsReachable: (nasId) => crew.listsReachable(nasId),
    behindMs: () => Math.max(0, clock() - Math.min(waitingSince ?? NEVER, nextAt)),
    status: () => crew.status(),
    stop: async () => {
      stopped = true;
      callOff();
      clearInterval(renewing);
      crew.stopping();
      await listener.close();
      await running;
      await crew.stop();
    },
  };
}

const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

function systemAlarm(clock: Clock): Alarm {
  return (at, work) => {
    // A time-out longer than 2^31-1 ms would fire at once; one cut short merely looks too early.
    const timer = setTimeout(work, Math.min(Math.max(0, at - clock()), LONGEST_TIMEOUT_MS));
    return () => clearTimeout(timer);
  };
}
