import { type Clock, monotonicMs } from '#domain/clock';
import { DAY, type Instant, localMidnight, MINUTE, nextLocalMidnight, SECOND } from '#domain/time';
import { Waker } from '#domain/waker';
import { reasonCode } from '#domain/whatsapp';
import { Breaker, type BreakerNote, type BreakerTimes } from '#integrations/whatsapp/breaker';
import { Pace } from '#integrations/whatsapp/pace';
import type { IntegrationLog, SendOutcome, Transport } from '#integrations/whatsapp/transport';
import type { Database } from '#storage/database';
import { type MessageBody, openBody } from '#storage/messages';
import {
  type ClaimedMessage,
  claimMessage,
  countSentSince,
  expireMessages,
  outboxState,
  recordReceipt,
  releaseClaims,
  settleFailed,
  settleLater,
  settleSent,
} from '#storage/outbox';
import { type Sealer, SecretsFault } from '#storage/secrets';
import { readNote, writeNote } from '#storage/whatsapp-auth';
import { rememberRegistered, rememberWrote } from '#storage/whatsapp-contacts';

export type OutboxOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: IntegrationLog;
  /** The company's: where a day ends. */
  readonly zone: string;
  /** Asked before each message, so that a change of the settings counts at once. */
  readonly limits: () => { readonly perMinute: number; readonly perDay: number };
  /** What pages show of the outbox is another. */
  readonly onChange?: () => void;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  readonly breakerTimes?: BreakerTimes;
  readonly firstPauseMs?: number;
  /** How long a message waits for the webhook to tell what came of it. */
  readonly confirmMs?: number;
};

export type OutboxCounts = { sent: number; failed: number; later: number; restricted: number };

const LOOK_EVERY_MS = 5 * SECOND;
const EXPIRE_EVERY_MS = 30 * SECOND;
const TROUBLE_MS = SECOND;
const CLAIM_MS = 5 * MINUTE;
const FIRST_PAUSE_MS = 5 * SECOND;
const LONGEST_PAUSE_MS = 15 * MINUTE;
const CONFIRM_MS = 15 * MINUTE;
const CHECKED_FOR_MS = 30 * DAY;
const NOT_FOUND_FOR_MS = DAY;
/** After so many refusals a person has to be reached in another way. */
const RESTRICTED_AT_MOST = 3;

/**
 * Sends what is queued, one message after another, at the pace of a person. Run by one process of the cluster. Before a
 * message is handed over, it is on record with its transport and id; after a kill it is tried again with the same id, or,
 * where that would make two, waits for the webhook to tell. The transport is null while WhatsApp is off: then messages
 * only expire.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #transport: Transport | null;
  readonly #pace: Pace;
  #breaker = new Breaker(null);
  readonly counts: OutboxCounts = { sent: 0, failed: 0, later: 0, restricted: 0 };
  queued = 0;
  sentToday = 0;
  #dayEndsAt: Instant = 0;
  #expireAt: Instant = 0;
  #stopped = false;
  readonly #waker = new Waker();
  #running: Promise<void> = Promise.resolve();
  /** Receipts, and who wrote: each is written down however long the database is away. */
  #noting: Promise<void> = Promise.resolve();

  constructor(options: OutboxOptions, transport: Transport | null) {
    this.#options = options;
    this.#transport = transport;
    this.#pace = new Pace(monotonicMs(), this.#random);
  }

  /** Only for whoever holds the lock: what others had claimed is taken from them. */
  async start(): Promise<void> {
    const { db, sealer } = this.#options;
    await releaseClaims(db);
    this.#breaker = new Breaker(await readNote<BreakerNote>(db, sealer, this.#breakerNote), this.#options.breakerTimes);
    this.#running = this.#run();
  }

  /** Something may be due, or the transport is in another state. */
  wake(): void {
    this.#waker.wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waker.wake();
    await this.#running;
    await this.#noting;
  }

  /** Until when people who never wrote to us get nothing; null = no restriction. */
  get restriction(): BreakerNote | null {
    return this.#breaker.phase(this.#options.clock()) === 'closed' ? null : this.#breaker.note;
  }

  /** WhatsApp restricts us, and said so by itself. */
  restrict(reason: string, until: Instant | null): void {
    const { clock, log, db, sealer } = this.#options;
    this.#breaker.trip(reason, clock(), until);
    const { note } = this.#breaker;
    log.warn({ reason, until: new Date(note!.coldUntil).toISOString() }, 'WhatsApp restricts us: messages wait');
    this.#note(() => writeNote(db, sealer, this.#breakerNote, note));
    this.#options.onChange?.();
  }

  receipt(transportId: string, is: 'sent' | 'delivered' | 'read', at: Instant): void {
    this.#note(async () => {
      await recordReceipt(this.#options.db, [transportId], is, at);
    });
  }

  wrote(phone: string, at: Instant): void {
    this.#note(() => rememberWrote(this.#options.db, phone, at));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let pauseMs = TROUBLE_MS;
      this.#waker.forget();
      try {
        pauseMs = await this.#round();
      } catch (error) {
        this.#options.log.warn({ err: error }, 'the outbox cannot go on; trying again');
      }
      if (pauseMs > 0 && !this.#stopped) await this.#waker.sleep(pauseMs);
    }
  }

  /** One message, or none; how long to wait for the next look. */
  async #round(): Promise<number> {
    const { db, clock, limits } = this.#options;
    const now = clock();
    if (now >= this.#dayEndsAt) await this.#beginDay(now);
    if (now >= this.#expireAt) {
      await expireMessages(db, now);
      this.#expireAt = now + EXPIRE_EVERY_MS;
    }
    const { queued, nextDueAt } = await outboxState(db, now);
    if (queued !== this.queued) this.#options.onChange?.();
    this.queued = queued;
    const transport = this.#transport;
    const phase = this.#breaker.phase(now);
    const { perMinute, perDay } = limits();
    const idle = transport?.state().state !== 'connected' || phase === 'open' || this.sentToday >= perDay;
    const nextLookMs = Math.min(LOOK_EVERY_MS, this.#breaker.changesInMs(now));
    if (transport === null || idle || queued === 0) return nextLookMs;
    const waitMs = this.#pace.waitMs(monotonicMs(), perMinute);
    if (waitMs > 0) return Math.min(waitMs, LOOK_EVERY_MS);
    const message = await claimMessage(db, {
      transport: transport.name,
      transportId: transport.newId(),
      now,
      until: now + CLAIM_MS,
      warmOnly: phase === 'half-open',
    });
    if (message === null) return Math.min(nextLookMs, Math.max(1, (nextDueAt ?? Number.POSITIVE_INFINITY) - now));
    await this.#deliver(transport, message, perMinute);
    return 0;
  }

  async #beginDay(now: Instant): Promise<void> {
    this.sentToday = await countSentSince(this.#options.db, localMidnight(now, this.#options.zone));
    this.#dayEndsAt = nextLocalMidnight(now, this.#options.zone);
  }

  async #deliver(transport: Transport, message: ClaimedMessage, perMinute: number): Promise<void> {
    const outcome = (await this.#unsendable(transport, message)) ?? (await this.#send(transport, message, perMinute));
    await this.#settle(transport, message, outcome);
    this.#options.onChange?.();
  }

  /** Why it must not be handed over; null when it may. */
  async #unsendable(transport: Transport, message: ClaimedMessage): Promise<SendOutcome | null> {
    const { db, clock } = this.#options;
    const { inDoubt, phone, registered, checkedAt, firstWroteAt } = message;
    if (inDoubt && !transport.repeatable) {
      return message.waitingFor === 'unconfirmed'
        ? { is: 'failed', reason: 'unconfirmed' }
        : { is: 'later', reason: 'unconfirmed', inDoubt: true };
    }
    const age = clock() - (checkedAt ?? 0);
    if (firstWroteAt !== null || (registered === true && age < CHECKED_FOR_MS)) return null;
    if (registered === false && age < NOT_FOUND_FOR_MS) return { is: 'failed', reason: 'not-on-whatsapp' };
    let found: boolean | null;
    try {
      found = await transport.isRegistered(phone);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'WhatsApp does not say whether a number is registered');
      return { is: 'later', reason: 'not-connected', inDoubt };
    }
    if (found === null) return null;
    await rememberRegistered(db, phone, found, clock());
    return found ? null : { is: 'failed', reason: 'not-on-whatsapp' };
  }

  async #send(transport: Transport, message: ClaimedMessage, perMinute: number): Promise<SendOutcome> {
    const { transportId, phone, notice, lastWroteAt, attempts } = message;
    let body: MessageBody;
    try {
      body = openBody(this.#options.sealer, message.id, message.bodySealed);
    } catch (error) {
      if (!(error instanceof SecretsFault || error instanceof SyntaxError)) throw error;
      return { is: 'failed', reason: 'unreadable' };
    }
    this.#pace.take(monotonicMs(), perMinute);
    return transport.send({ transportId, phone, notice, ...body, lastWroteAt, attempts });
  }

  async #settle(transport: Transport, message: ClaimedMessage, given: SendOutcome): Promise<void> {
    const { db, clock } = this.#options;
    const cold = message.firstWroteAt === null;
    if (given.is === 'sent' && this.#breaker.passed(cold, clock())) {
      this.#note(() => writeNote(db, this.#options.sealer, this.#breakerNote, null));
    }
    if (given.is === 'restricted') {
      this.counts.restricted += 1;
      this.restrict(given.reason, null);
    }
    const outcome = given.is === 'restricted' ? afterRestriction(given.reason, message) : given;
    this.counts[outcome.is] += 1;
    if (outcome.is === 'sent') this.sentToday += 1;
    // That a second try was refused says nothing of a first one nobody knows about.
    const inDoubt = message.inDoubt || (outcome.is === 'later' && outcome.inDoubt);
    await this.#untilStored(() => {
      const at = clock();
      if (outcome.is === 'sent') return settleSent(db, message.id, at, outcome.theirId ?? null);
      if (outcome.is === 'failed') return settleFailed(db, message.id, outcome.reason, at);
      const dueAt = given.is === 'restricted' ? null : at + this.#pauseMs(transport, message, inDoubt);
      return settleLater(db, message.id, { reason: outcome.reason, inDoubt, dueAt });
    });
  }

  /** Doubling, of which a random half is taken off at most. */
  #pauseMs(transport: Transport, { attempts }: ClaimedMessage, inDoubt: boolean): number {
    if (inDoubt && !transport.repeatable) return this.#options.confirmMs ?? CONFIRM_MS;
    const first = this.#options.firstPauseMs ?? FIRST_PAUSE_MS;
    const full = Math.min(first * 2 ** Math.min(attempts - 1, 20), LONGEST_PAUSE_MS);
    return full * (1 - this.#random() / 2);
  }

  get #breakerNote(): string {
    return `breaker-${this.#transport?.name ?? 'off'}`;
  }

  readonly #random = (): number => (this.#options.random ?? Math.random)();

  #note(write: () => Promise<void>): void {
    this.#noting = this.#noting.then(() => this.#untilStored(write));
  }

  /** What happened has to be written down; only when we are told to stop it is left, and found out again later. */
  async #untilStored(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await write();
        return;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'what came of a WhatsApp message cannot be stored; trying again');
        if (this.#stopped) return;
        await new Promise((resolve) => setTimeout(resolve, TROUBLE_MS));
      }
    }
  }
}

/** It was not sent. Somebody who can never be written to first must not hold up the others for ever. */
function afterRestriction(
  reason: string,
  { attempts, waitingFor }: ClaimedMessage,
): Extract<SendOutcome, { is: 'failed' | 'later' }> {
  const again = waitingFor !== null && reasonCode(waitingFor) === reasonCode(reason);
  if (reasonCode(reason) === 'reach-out-lock-463' && again && attempts >= RESTRICTED_AT_MOST) {
    return { is: 'failed', reason };
  }
  return { is: 'later', reason, inDoubt: false };
}
