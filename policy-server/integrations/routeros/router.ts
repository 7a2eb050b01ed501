import { backoffMs } from '#domain/backoff';
import { type Clock, monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { say } from '#domain/say';
import { type Instant, SECOND } from '#domain/time';
import { type Connection, connectRouterOs, type Patience } from '#integrations/routeros/client';
import { type Entry, ListBook, type Placed, type Wanted } from '#integrations/routeros/list-book';
import type { ApiRouter } from '#storage/nas-api';

/** What happens on the way to a router, told to whoever keeps it. None of them throws. */
export type RouterEvents = {
  /**
   * A full look that began `at`; returns the entries of ours that nobody accounts for, or null when it cannot be kept just
   * now: it is then made again.
   */
  readonly onLook: (entries: readonly Entry[], at: Instant) => Promise<readonly Entry[] | null>;
  /** Those were taken out. */
  readonly onRemoved: (entries: readonly Entry[]) => Promise<void>;
  /** Connected, looked at, and ready to be told. */
  readonly onReady: () => void;
  readonly onSeen: (at: Instant) => void;
  readonly onFailure: (why: string) => void;
  /** The certificate of a router that has none pinned yet. */
  readonly onFingerprint: (fingerprint: string) => Promise<void>;
};

export type RouterOptions = RouterEvents & {
  readonly installation: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly patience?: Patience;
  /** How long a connection may be quiet before it is asked whether it lives. */
  readonly idleMs?: number;
};

const IDLE_MS = 30 * SECOND;
/** A database that is away while a look is kept. */
const KEEP_AGAIN_MS = 2 * SECOND;
/** Looks take a router at most this part of its time, however long its lists are. */
const LOOK_SHARE = 1 / 20;

export type Connectedness = 'connected' | 'connecting' | 'failing';

/**
 * The way to one router: connects, looks at everything it holds, and from then on tells it what is wanted; when the
 * connection is lost it begins again, after 2 s doubling to 5 min. Nothing of another router's is waited for here.
 */
export class RouterWay {
  readonly counts = { connections: 0, commands: 0, traps: 0, failures: 0 };
  readonly #options: RouterOptions;
  readonly #idleMs: number;
  #router: ApiRouter;
  /** Counts the times it came to be reached otherwise. */
  #generation = 0;
  /** The certificate it showed last. */
  #shown: string | null = null;
  #book: ListBook | null = null;
  #error: string | null = null;
  /** In a row. */
  #failures = 0;
  #stopped = false;
  #heardAtMs = 0;
  #saidSeenAtMs = Number.NEGATIVE_INFINITY;
  #wantsLook = false;
  #nextLookAtMs = 0;
  /** Ends the connection, or the attempt to make one. */
  #ending = new AbortController();
  /** Over when the first attempt since the start, or since it is reached otherwise, has come to an end. */
  #firstAttempt = Promise.withResolvers<void>();
  #wake: () => void = () => undefined;
  readonly #running: Promise<void>;

  constructor(router: ApiRouter, options: RouterOptions) {
    this.#router = router;
    this.#options = options;
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#running = this.#live();
  }

  get state(): Connectedness {
    if (this.#book !== null) return 'connected';
    return this.#error === null ? 'connecting' : 'failing';
  }

  /** Why it is not connected; null when it is, or is about to be. */
  get error(): string | null {
    return this.#error;
  }

  /** How it is reached may have changed: then it is connected anew at once. */
  configure(router: ApiRouter): void {
    const isPin = this.#router.fingerprint === null && router.fingerprint === this.#shown;
    const isSame = sameAddress(isPin ? { ...this.#router, fingerprint: this.#shown } : this.#router, router);
    this.#router = router;
    if (isSame) return;
    this.#generation += 1;
    this.#failures = 0;
    this.#error = null;
    this.#firstAttempt.resolve();
    this.#firstAttempt = Promise.withResolvers();
    this.#end();
  }

  /** Look at everything again, as soon as it is this router's turn. */
  look(): void {
    this.#wantsLook = true;
    this.#wake();
  }

  /**
   * Has the wanted list put in place. Waits while the first connection is being made, but not while it is failing: then,
   * and when it is lost meanwhile, throws `Unavailable` at once.
   */
  async place(wanted: Wanted): Promise<Placed> {
    if (this.state === 'connecting') await this.#firstAttempt.promise;
    if (this.#book === null) throw new Unavailable(this.#error ?? say`is not connected`);
    return this.#book.place(wanted);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end();
    await this.#running;
    this.#firstAttempt.resolve();
  }

  #end(): void {
    this.#ending.abort();
    this.#wake();
  }

  async #live(): Promise<void> {
    while (!this.#stopped) {
      const generation = this.#generation;
      const why = await this.#once(this.#router);
      this.#book = null;
      if (this.#stopped || this.#generation !== generation) continue;
      this.#error = why;
      this.#failures += 1;
      this.counts.failures += 1;
      this.#firstAttempt.resolve();
      this.#options.onFailure(why);
      await this.#pause(backoffMs(this.#failures, this.#options.random));
    }
  }

  /** One connection from its beginning to its end; returns why it ended. */
  async #once(router: ApiRouter): Promise<string> {
    if (router.fault !== null) return router.fault;
    this.#ending = new AbortController();
    const { signal } = this.#ending;
    try {
      const connection = await connectRouterOs(router, { ...this.#options.patience, signal });
      this.counts.connections += 1;
      this.#shown = connection.fingerprint;
      if (router.tls === 'pinned' && router.fingerprint === null)
        await this.#options.onFingerprint(connection.fingerprint!);
      await this.#serve(this.#counted(connection));
      return (await connection.over).message;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return error.message;
    } finally {
      this.#ending.abort();
    }
  }

  /** Until the connection is over. Throws `Unavailable` when it breaks in the middle of something. */
  async #serve(connection: Connection): Promise<void> {
    const book = new ListBook(connection, this.#options.installation);
    let isOver = false;
    void connection.over.then(() => {
      isOver = true;
      this.#wake();
    });
    this.#wantsLook = true;
    this.#nextLookAtMs = 0;
    while (!isOver) {
      if (this.#wantsLook && monotonicMs() >= this.#nextLookAtMs) await this.#look(book);
      else if (this.#idleForMs() >= this.#idleMs) await connection.talk(['/system/identity/print']);
      const untilIdleMs = this.#idleMs - this.#idleForMs();
      const untilLookMs = this.#wantsLook ? this.#nextLookAtMs - monotonicMs() : untilIdleMs;
      if (!isOver) await this.#pause(Math.max(0, Math.min(untilIdleMs, untilLookMs)));
    }
  }

  /** Reads everything, has it kept, removes what nobody accounts for. The first of a connection makes it ready. */
  async #look(book: ListBook): Promise<void> {
    this.#wantsLook = false;
    const began = monotonicMs();
    const at = this.#options.clock();
    const entries = await book.readAll();
    const tookMs = monotonicMs() - began;
    const orphans = await this.#options.onLook(entries, at);
    if (orphans === null) {
      this.#wantsLook = true;
      this.#nextLookAtMs = monotonicMs() + KEEP_AGAIN_MS;
      return;
    }
    this.#nextLookAtMs = monotonicMs() + tookMs / LOOK_SHARE;
    await book.removeAll(orphans);
    if (orphans.length > 0) await this.#options.onRemoved(orphans);
    if (this.#book === book) return;
    this.#book = book;
    this.#error = null;
    this.#failures = 0;
    this.#firstAttempt.resolve();
    this.#options.onReady();
  }

  #counted(connection: Connection): Connection {
    this.#heard();
    return {
      ...connection,
      talk: async (words) => {
        this.counts.commands += 1;
        const reply = await connection.talk(words);
        if (reply.is === 'trap') this.counts.traps += 1;
        this.#heard();
        return reply;
      },
    };
  }

  #heard(): void {
    this.#heardAtMs = monotonicMs();
    if (this.#heardAtMs - this.#saidSeenAtMs < this.#idleMs / 2 && this.#error === null) return;
    this.#saidSeenAtMs = this.#heardAtMs;
    this.#options.onSeen(this.#options.clock());
  }

  #idleForMs(): number {
    return monotonicMs() - this.#heardAtMs;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function sameAddress(one: ApiRouter, other: ApiRouter): boolean {
  return (
    one.host === other.host &&
    one.port === other.port &&
    one.user === other.user &&
    one.tls === other.tls &&
    one.fingerprint === other.fingerprint &&
    one.fault === other.fault &&
    one.password.reveal() === other.password.reveal()
  );
}
