import { type Acs, type AcsOrder, type AcsOutcome, AcsRefusal, type FoundOnt } from '#domain/acs';
import { backoffMs } from '#domain/backoff';
import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { HOUR, MINUTE, SECOND } from '#domain/time';
import { Waker } from '#domain/waker';
import type { SetAcs } from '#integrations/genieacs/readings';
import {
  type ClaimedOntTask,
  claimOntTask,
  endOntTask,
  markOntTaskSent,
  type OntTaskKind,
  openOntTask,
  settleOntTaskLater,
  type WifiChange,
} from '#storage/acs';
import type { Database } from '#storage/database';
import { type Sealer, SecretsFault } from '#storage/secrets';

export type TasksOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: { warn(fields: object, line: string): void };
  readonly set: () => Promise<SetAcs | null>;
  /** A device has been told something: it is to be read again. */
  readonly onDone: (subscriberId: number) => void;
  readonly lookEveryMs?: number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
};

const LOOK_EVERY_MS = 2 * SECOND;
/** Each is little more than an HTTP request that lasts up to minutes. */
const AT_ONCE = 16;
/** Longer than everything that is asked for one task can take; a test adds it up. */
export const CLAIM_MS = 6 * MINUTE;
const TRIES_WHEN_REFUSED = 3;

/** How long an order waits for a device that is silent. One that reboots hours later would only surprise. */
const PATIENCE_MS: Readonly<Record<OntTaskKind, number>> = {
  wifi: 24 * HOUR,
  reboot: 10 * MINUTE,
  refresh: 10 * MINUTE,
};
/** The ACS drops it later than we do: we then know that it was not carried out. */
const EXPIRES_AFTER_MS = HOUR;

/** Why a task failed, as it is stored; pages have words for each (`wifi.failed-…`). What follows `: ` is the other's text. */
export const TASK_FAILURES = [
  'no-device',
  'conflict',
  'not-changeable',
  'fault',
  'never-online',
  'unreachable',
  'refused',
  'unknown',
  'unreadable',
] as const;
type Failure = (typeof TASK_FAILURES)[number];

/**
 * Hands tasks to the ACS and follows them to their end, on every node: a task is worked by whoever claimed it. It carries
 * one key from its first try to its last, so that a repetition takes the place of what may be waiting.
 */
export class OntTasks {
  readonly #options: TasksOptions;
  readonly #active = new Set<Promise<void>>();
  #stopped = false;
  readonly #waker = new Waker();
  readonly #running: Promise<void>;

  constructor(options: TasksOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  wake(): void {
    this.#waker.wake();
  }

  /** Begins nothing more and waits for what is on its way; the caller cuts that off at the ACS. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waker.wake();
    await this.#running;
    await Promise.all(this.#active);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#waker.forget();
      try {
        while (!this.#stopped && this.#active.size < AT_ONCE && (await this.#begin()));
      } catch (error) {
        this.#options.log.warn({ err: error }, 'tasks for ONTs cannot go on; trying again');
      }
      if (!this.#stopped) await this.#waker.sleep(this.#options.lookEveryMs ?? LOOK_EVERY_MS);
    }
  }

  /** False when nothing is due. */
  async #begin(): Promise<boolean> {
    const { db, clock, set } = this.#options;
    const now = clock();
    const acs = await set();
    if (acs === null) return false;
    const task = await claimOntTask(db, now, now + CLAIM_MS);
    if (task === null) return false;
    const work = this.#work(acs.acs, task).finally(() => {
      this.#active.delete(work);
      this.wake();
    });
    this.#active.add(work);
    return true;
  }

  async #work(acs: Acs, task: ClaimedOntTask): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#step(acs, task);
    } catch (error) {
      // The claim runs out, and somebody looks again.
      log.warn({ err: error, task: task.id }, 'a task for an ONT cannot go on; trying again');
    }
  }

  async #step(acs: Acs, task: ClaimedOntTask): Promise<void> {
    try {
      const body = this.#bodyOf(task);
      if (body === null) await this.#fail(task, 'unreadable');
      else if (task.acsId === null) await this.#handOver(acs, task, body);
      else await this.#settle(acs, task, body, await acs.outcomeOf(task.deviceId, task.acsId));
    } catch (error) {
      if (error instanceof Unavailable) await this.#again(task, error.message);
      else if (error instanceof AcsRefusal) await this.#refused(task, error.message);
      else throw error;
    }
  }

  async #handOver(acs: Acs, task: ClaimedOntTask, body: WifiChange): Promise<void> {
    // There may have been no ACS for long: nobody wants by now what was wanted then.
    if (this.#options.clock() - task.createdAt >= PATIENCE_MS[task.kind]) return this.#fail(task, 'unreachable');
    const key = `gerbang-${task.id}`;
    if (task.state === 'sent') {
      // It was begun, and nobody knows what came of it. Twice the same WiFi does no harm; a reboot twice does.
      const waits = await acs.waitingOrder(task.deviceId, key);
      if (waits !== null) return this.#settle(acs, task, body, await acs.outcomeOf(task.deviceId, waits));
      if (task.kind === 'reboot') return this.#fail(task, 'unknown');
    }
    // Whoever is told something is looked for anew: it may have been exchanged, or there may be two.
    const found = await acs.find(task.username, task.kind === 'refresh' ? task.deviceId : null);
    if (found === null) return this.#fail(task, 'no-device');
    if (found.othersOnline > 0 && task.kind !== 'refresh') return this.#fail(task, 'conflict');
    const order = orderOf(task.kind, body, found);
    if (order === null) return this.#fail(task, 'not-changeable');
    if (!(await markOntTaskSent(this.#options.db, task, found.deviceId))) return;
    const expirySeconds = (PATIENCE_MS[task.kind] + EXPIRES_AFTER_MS) / SECOND;
    const outcome = await acs.give(found.deviceId, order, key, expirySeconds);
    return this.#settle(acs, task, body, outcome);
  }

  async #settle(acs: Acs, task: ClaimedOntTask, { password }: WifiChange, outcome: AcsOutcome): Promise<void> {
    switch (outcome.is) {
      case 'done':
        await endOntTask(this.#options.db, task, null, this.#options.clock());
        return this.#options.onDone(task.subscriberId);
      case 'gone':
        return this.#fail(task, 'no-device');
      case 'faulted': {
        // Or the ACS would try it again, long after it was said that it failed.
        await acs.takeBack(outcome.acsId);
        const fault = `${outcome.code} ${outcome.message}`.trim();
        // Some repeat in their fault what they were given.
        return this.#fail(task, 'fault', password === undefined ? fault : fault.replaceAll(password, '(not shown)'));
      }
      case 'waiting':
        return this.#wait(acs, task, outcome.acsId);
    }
  }

  async #wait(acs: Acs, task: ClaimedOntTask, acsId: string): Promise<void> {
    const { db, clock } = this.#options;
    const now = clock();
    const age = now - task.createdAt;
    if (age >= PATIENCE_MS[task.kind] && (await acs.takeBack(acsId))) return this.#fail(task, 'never-online');
    await settleOntTaskLater(db, task, { acsId, dueAt: now + (age < 5 * MINUTE ? 15 * SECOND : MINUTE), error: null });
  }

  /** The ACS could not be asked. What was handed over may have been taken; the next try looks. */
  async #again(task: ClaimedOntTask, error: string): Promise<void> {
    const { db, clock, random = Math.random } = this.#options;
    const now = clock();
    if (now - task.createdAt >= PATIENCE_MS[task.kind]) return this.#fail(task, 'unreachable');
    const dueAt = this.#stopped ? now : now + backoffMs(task.attempts, random, MINUTE);
    await settleOntTaskLater(db, task, { acsId: task.acsId, dueAt, error });
  }

  async #refused(task: ClaimedOntTask, error: string): Promise<void> {
    if (task.attempts >= TRIES_WHEN_REFUSED) return this.#fail(task, 'refused', error);
    return this.#again(task, error);
  }

  #fail(task: ClaimedOntTask, failure: Failure, more?: string): Promise<void> {
    const error = more === undefined || more === '' ? failure : `${failure}: ${more}`;
    return endOntTask(this.#options.db, task, error, this.#options.clock());
  }

  #bodyOf(task: ClaimedOntTask): WifiChange | null {
    try {
      return openOntTask(this.#options.sealer, task);
    } catch (error) {
      if (error instanceof SecretsFault) return null;
      throw error;
    }
  }
}

/** Null: this device does not let it be changed from here. */
function orderOf(kind: OntTaskKind, { ssid, password }: WifiChange, { reading }: FoundOnt): AcsOrder | null {
  if (kind === 'reboot') return { is: 'reboot' };
  if (kind === 'refresh') return { is: 'refresh', paths: reading.readPaths };
  const { ssidPaths, passwordPaths } = reading;
  if ((ssid !== undefined && ssidPaths.length === 0) || (password !== undefined && passwordPaths.length === 0))
    return null;
  const named = ssid === undefined ? [] : ssidPaths.map((path) => [path, ssid] as const);
  const locked = password === undefined ? [] : passwordPaths.map((path) => [path, password] as const);
  return { is: 'set', values: [...named, ...locked] };
}
