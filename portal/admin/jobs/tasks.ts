import { randomBytes } from 'node:crypto';
import type { Clock } from '#domain/clock';
import { HOUR, type Instant, MINUTE } from '#domain/time';

/** What a piece of work over many lines does; the text of a kind is `jobs.kind-KIND`. */
export type TaskKind = 'migrate' | 'pins' | 'suspend' | 'resume' | 'tag' | 'untag';

/** A PIN that was made, to be handed over: it can be read nowhere else. */
export type MadePin = {
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly portalId: string;
  readonly pin: string;
  readonly messageQueued: boolean;
};

export type TaskResult = {
  readonly changed: number;
  readonly pins: readonly MadePin[];
  /** Who was left out; an empty user name = nobody of that number any more. */
  readonly skipped: readonly { readonly username: string; readonly why: string }[];
};

export type TaskWork = (report: (done: number) => void, signal: AbortSignal) => Promise<TaskResult>;

/** Work over many lines as its page shows it. */
export type Task = {
  readonly id: string;
  readonly staffId: number;
  readonly kind: TaskKind;
  readonly total: number;
  readonly startedAt: Instant;
  done: number;
  endedAt: Instant | null;
  state: 'running' | 'stopping' | 'done' | 'stopped' | 'failed';
  result: Omit<TaskResult, 'pins'> | null;
  /** PINs nobody has looked at yet. */
  pins: readonly MadePin[];
  /** How many there were at the end, looked at or not. */
  pinCount: number;
};

/** How long ended work, with PINs that were not looked at, is remembered. */
const REMEMBERED_MS = 2 * HOUR;
const HELD_MS = 30 * MINUTE;
/** Uploads are up to 20 MB each. */
const MOST_HELD = 10;

/**
 * Work over many lines that runs in this process, and what waits for somebody's yes. Only memory: a restart forgets it
 * (PINs must not lie about anywhere), but what was done is in the database. Other nodes do not know of it; ids and keys
 * name the node they are of, so that those can say where it is.
 */
export class Tasks {
  readonly #clock: Clock;
  readonly #node: string;
  readonly #failed: (error: unknown, kind: TaskKind) => void;
  readonly #tasks = new Map<string, Task & { readonly stopper: AbortController; readonly ended: Promise<void> }>();
  readonly #held = new Map<string, { staffId: number; until: Instant; value: string }>();

  constructor(clock: Clock, node: string, failed: (error: unknown, kind: TaskKind) => void) {
    this.#clock = clock;
    this.#node = node.replaceAll(/[^A-Za-z0-9.:-]/g, '-');
    this.#failed = failed;
  }

  /** Begins; returns at once. Only `staffId` gets to see it. */
  start(staffId: number, kind: TaskKind, total: number, work: TaskWork): Task {
    this.#forget();
    const stopper = new AbortController();
    const task: Task = {
      id: this.#newId(),
      staffId,
      kind,
      total,
      startedAt: this.#clock(),
      done: 0,
      endedAt: null,
      state: 'running',
      result: null,
      pins: [],
      pinCount: 0,
    };
    const held = Object.assign(task, { stopper, ended: Promise.resolve() });
    this.#tasks.set(task.id, Object.assign(held, { ended: this.#run(task, work, stopper.signal) }));
    return task;
  }

  async #run(task: Task, work: TaskWork, signal: AbortSignal): Promise<void> {
    try {
      const { pins, ...result } = await work((done) => {
        task.done = done;
      }, signal);
      Object.assign(task, { result, pins, pinCount: pins.length, state: signal.aborted ? 'stopped' : 'done' });
    } catch (error) {
      task.state = 'failed';
      this.#failed(error, task.kind);
    }
    task.endedAt = this.#clock();
  }

  /** Null when there is none, or it is somebody else's. */
  find(staffId: number, id: string): Task | null {
    const task = this.#tasks.get(id);
    return task?.staffId === staffId ? task : null;
  }

  /** No further line is begun. */
  stop(staffId: number, id: string): void {
    const task = this.find(staffId, id);
    if (task === null || task.state !== 'running') return;
    task.state = 'stopping';
    this.#tasks.get(id)!.stopper.abort();
  }

  /** The PINs, once: they are forgotten here. */
  takePins(staffId: number, id: string): readonly MadePin[] {
    const task = this.find(staffId, id);
    if (task === null) return [];
    const { pins } = task;
    task.pins = [];
    return pins;
  }

  /** Keeps a text (an upload) between its preview and the yes to it, for half an hour. Returns its key. */
  hold(staffId: number, value: string): string {
    this.#forget();
    for (const oldest of [...this.#held.keys()].slice(0, Math.max(0, this.#held.size - MOST_HELD + 1)))
      this.#held.delete(oldest);
    const key = this.#newId();
    this.#held.set(key, { staffId, until: this.#clock() + HELD_MS, value });
    return key;
  }

  /** What was held; null when it is not there any more. */
  held(staffId: number, key: string): string | null {
    this.#forget();
    const held = this.#held.get(key);
    return held?.staffId === staffId ? held.value : null;
  }

  release(key: string): void {
    this.#held.delete(key);
  }

  /** The other node whose work, or whose upload, has this id or key; null when it is none, or our own. */
  elsewhere(id: string): string | null {
    const node = ID.exec(id)?.[1] ?? null;
    return node === this.#node ? null : node;
  }

  /** Stops everything and waits for what was begun. */
  async close(): Promise<void> {
    const all = [...this.#tasks.values()];
    for (const { stopper } of all) stopper.abort();
    await Promise.all(all.map(({ ended }) => ended));
  }

  #newId(): string {
    return `${randomBytes(16).toString('base64url')}@${this.#node}`;
  }

  #forget(): void {
    const now = this.#clock();
    for (const [id, { endedAt }] of this.#tasks)
      if (endedAt !== null && endedAt + REMEMBERED_MS <= now) this.#tasks.delete(id);
    for (const [key, { until }] of this.#held) if (until <= now) this.#held.delete(key);
  }
}

/** As `#newId` makes them. */
const ID = /^[\w-]{22}@([A-Za-z0-9.:-]{1,300})$/;
