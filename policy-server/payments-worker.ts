import { backoffMs } from '#domain/backoff';
import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { GATEWAYS, type GatewayName, type Gateways } from '#domain/gateway';
import { type Instant, MINUTE, SECOND } from '#domain/time';
import { Waker } from '#domain/waker';
import type { Applied } from '#operations/apply-truth';
import { askOrder, Unanswered } from '#operations/ask-gateway';
import type { Desk } from '#operations/desk';
import type { OrderAt } from '#operations/inbox';
import { ApplyBatches } from '#policy-server/apply-batches';
import { GatewayLine } from '#policy-server/gateway-line';
import type { Log } from '#policy-server/log';
import type { Database, Listener } from '#storage/database';
import {
  claimEvents,
  type InboxFigures,
  inboxFigures,
  PAYMENT_CHANNEL,
  postponeEvents,
  settleEvents,
} from '#storage/gateway-events';
import { bringPollsForward, claimPolls, type PolledIntent, settlePolls } from '#storage/intent-polls';

export type WorkerOptions = {
  readonly desk: Desk;
  readonly gateways: Gateways;
  readonly log: Pick<Log, 'info' | 'warn' | 'error' | 'debug'>;
  /** Questions that are open at the gateways at the same time. */
  readonly mostAsked?: number;
  readonly lookEveryMs?: number;
  /** What a node that died had claimed is another's after so long. */
  readonly claimMs?: number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
};

/** How often each came of asking about an order. */
export type OrderCounts = Readonly<Record<Applied | 'unanswered' | 'failed', number>>;

const MOST_ASKED = 96;
const MOST_ASKED_IN_A_CROWD = 2;
const LOOK_EVERY_MS = 2 * SECOND;
const FIGURES_EVERY_MS = 5 * SECOND;
const TROUBLE_MS = SECOND;
/** What was worked on within this time is written down with one statement. */
const TOGETHER_MS = 10;
/** Longer than the longest answer of a gateway with what is done about it. */
const CLAIM_MS = MINUTE;
/** While a gateway's events do not arrive. */
const DEAF_POLL_EVERY_MS = 4 * MINUTE;

/** An order to be asked about, and what is to be done about its being due. */
type Task = OrderAt &
  (
    | { readonly events: readonly number[]; readonly attempts: number; readonly poll: null }
    | { readonly events: null; readonly poll: PolledIntent }
  );

export class PaymentsWorker {
  readonly #options: WorkerOptions;
  readonly #isCrowded: () => boolean;
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #batches: ApplyBatches;
  readonly #lines: Readonly<Record<GatewayName, GatewayLine>>;
  readonly #asked = new Set<Promise<void>>();
  readonly counts: Record<Applied | 'unanswered' | 'failed', number> = {
    settled: 0,
    credited: 0,
    unmatched: 0,
    reversed: 0,
    refunded: 0,
    noted: 0,
    known: 0,
    contradiction: 0,
    unanswered: 0,
    failed: 0,
  };
  figures: InboxFigures | null = null;
  #figuresAt: Instant = -Infinity;
  /** Worked on; to be written down together. */
  #worked: { readonly task: Task; readonly answer: string }[] = [];
  #writing: Promise<void> | null = null;
  #listener: Listener | null = null;
  readonly #waker = new Waker();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  /** `isCrowded`: gateways wait for an answer to their events; that comes first. */
  constructor(options: WorkerOptions, isCrowded: () => boolean) {
    this.#options = options;
    this.#isCrowded = isCrowded;
    this.#db = options.desk.db;
    this.#clock = options.desk.clock;
    this.#batches = new ApplyBatches(options.desk);
    const line = (name: GatewayName) => new GatewayLine(name, options.log, options.random ?? Math.random);
    this.#lines = { midtrans: line('midtrans'), xendit: line('xendit') };
  }

  async start(): Promise<void> {
    const wake = () => this.wake();
    this.#listener = await this.#db.listen(PAYMENT_CHANNEL, wake, wake);
    this.#running = this.#run();
  }

  wake(): void {
    this.#waker.wake();
  }

  /** What is being asked is brought to its end; what is not begun is somebody's at the next look. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await this.#listener?.close();
    await this.#running;
    await Promise.all(this.#asked);
    await this.#writing;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#waker.forget();
      let pauseMs = TROUBLE_MS;
      try {
        pauseMs = await this.#round();
      } catch (error) {
        this.#options.log.warn({ err: error }, 'payments cannot be worked on; trying again');
      }
      if (pauseMs > 0 && !this.#stopped) await this.#waker.sleep(pauseMs);
    }
  }

  /** Begins as much as there is room for; how long to wait for the next look. */
  async #round(): Promise<number> {
    const now = this.#clock();
    if (now - this.#figuresAt >= FIGURES_EVERY_MS || now < this.#figuresAt) await this.#look(now);
    const { claimMs = CLAIM_MS, lookEveryMs = LOOK_EVERY_MS } = this.#options;
    const mostAsked = this.#isCrowded() ? MOST_ASKED_IN_A_CROWD : (this.#options.mostAsked ?? MOST_ASKED);
    const room = mostAsked - this.#asked.size;
    // Claimed in handfuls: one statement for many.
    if (room < mostAsked / 2) return this.#untilOneEnds();
    const gateways = GATEWAYS.filter((name) => this.#lines[name].mayBeAsked(now));
    if (gateways.length === 0) return lookEveryMs;
    const claim = { gateways, at: now, until: now + claimMs };
    const told = await claimEvents(this.#db, { ...claim, limit: room });
    for (const { attempts, events, gateway, orderId } of told) {
      this.#begin({ gateway, orderId, events, attempts, poll: null });
    }
    const polled = told.length === room ? [] : await claimPolls(this.#db, { ...claim, limit: room - told.length });
    for (const poll of polled) this.#begin({ gateway: poll.gateway, orderId: poll.orderId, events: null, poll });
    if (told.length + polled.length > 0) return 0;
    return lookEveryMs;
  }

  async #untilOneEnds(): Promise<number> {
    await Promise.race(this.#asked);
    return 0;
  }

  async #look(now: Instant): Promise<void> {
    this.figures = await inboxFigures(this.#db);
    this.#figuresAt = now;
  }

  #begin(task: Task): void {
    const asking = this.#work(task).finally(() => this.#asked.delete(asking));
    this.#asked.add(asking);
  }

  async #work(task: Task): Promise<void> {
    const { desk, gateways, log } = this.#options;
    try {
      const { applied, truth } = await askOrder(desk, gateways, task, (answer) => this.#batches.add(answer));
      this.#lines[task.gateway].answered(this.#clock());
      this.counts[applied] += 1;
      sayApplied(log, applied, task);
      if (applied === 'settled' || applied === 'credited') await this.#learnOfLine(task, truth?.paidAt ?? null);
      this.#write(task, applied);
    } catch (error) {
      await this.#failed(task, error);
    }
  }

  async #learnOfLine({ gateway, poll }: Task, paidAt: Instant | null): Promise<void> {
    const now = this.#clock();
    if (poll === null) this.#lines[gateway].told();
    else if (this.#lines[gateway].foundByAsking(paidAt, now)) {
      await bringPollsForward(this.#db, { gateway, at: now, withinMs: DEAF_POLL_EVERY_MS });
    }
  }

  /** Many are written down with one statement; those that come meanwhile with the next one. */
  #write(task: Task, answer: string): void {
    this.#worked.push({ task, answer });
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#worked.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, TOGETHER_MS));
        const worked = this.#worked.splice(0);
        const events = worked.flatMap(({ task, answer }) =>
          task.events === null ? [] : [{ events: task.events, outcome: answer }],
        );
        const polls = worked.flatMap(({ task, answer }) => (task.poll === null ? [] : [{ ...task.poll, answer }]));
        const at = this.#clock();
        if (events.length > 0) await settleEvents(this.#db, events, at);
        if (polls.length > 0)
          await settlePolls(this.#db, polls, at, (name) =>
            this.#lines[name].isDeaf(at) ? DEAF_POLL_EVERY_MS : Infinity,
          );
      }
    } catch (error) {
      // Their claims lapse: they are asked about once more, and nothing new comes of it.
      this.#options.log.warn(
        { err: error },
        'what came of payments cannot be written down; they are asked about again',
      );
    }
  }

  async #failed(task: Task, error: unknown): Promise<void> {
    const { log, random = Math.random } = this.#options;
    // The database is away: that is said where the work is claimed, and the claim lapses.
    if (error instanceof Unavailable && !(error instanceof Unanswered)) return;
    const isSilent = error instanceof Unanswered;
    this.counts[isSilent ? 'unanswered' : 'failed'] += 1;
    if (isSilent) this.#lines[task.gateway].unanswered(this.#clock(), error);
    else sayMistake(log, error, task);
    if (task.events === null) return; // it is due again when its claim lapses
    const dueAt = this.#clock() + backoffMs(task.attempts, random);
    const reason = error instanceof Error ? error.message.slice(0, 200) : String(error);
    try {
      await postponeEvents(this.#db, task.events, { dueAt, error: reason });
    } catch (failure) {
      // The database is away as well.
      log.debug({ err: failure }, 'a payment event cannot be put off');
    }
  }
}

/** What somebody has to know of, or may ask for later. */
export function sayApplied(log: WorkerOptions['log'], applied: Applied, { gateway, orderId }: OrderAt): void {
  const fields = { gateway, order: orderId };
  switch (applied) {
    case 'unmatched':
      log.warn(fields, 'money came in that fits no order: a person has to look at it');
      break;
    case 'reversed':
      log.warn(fields, 'a payment was taken back by the gateway: what it paid for is owed again');
      break;
    case 'contradiction':
      log.warn(fields, 'the gateway says of a payment what cannot be; nothing was done');
      break;
    case 'settled':
    case 'credited':
    case 'refunded':
      log.info(fields, `payment ${applied}`);
      break;
    default:
      log.debug(fields, `payment ${applied}`);
  }
}

export function sayMistake(log: WorkerOptions['log'], error: unknown, { gateway, orderId }: OrderAt): void {
  log.error(
    { err: error, gateway, order: orderId },
    'an order could not be worked on, by a mistake of ours; it is tried again',
  );
}
