import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import type { Settings } from '#domain/settings';
import { type Instant, MINUTE, SECOND } from '#domain/time';
import { WHATSAPP_OFF, type WhatsAppControl, type WhatsAppStatus } from '#domain/whatsapp';
import type { WhatsAppWebhook } from '#http/whatsapp-webhook';
import { type BaileysOptions, startBaileys } from '#integrations/whatsapp/baileys';
import { CloudTransport } from '#integrations/whatsapp/cloud';
import { type CloudEvent, receiveWebhook, verifyChallenge } from '#integrations/whatsapp/cloud-webhook';
import { Outbox, type OutboxCounts, type OutboxOptions } from '#integrations/whatsapp/outbox';
import type { Transport, TransportEvents } from '#integrations/whatsapp/transport';
import type { Log } from '#policy-server/log';
import { type ClusterLock, takeClusterLock } from '#storage/cluster-lock';
import type { Database, Listener } from '#storage/database';
import { notify } from '#storage/listen';
import { MESSAGE_CHANNEL } from '#storage/messages';
import { recordFailure, recordReceipt } from '#storage/outbox';
import type { Sealer } from '#storage/secrets';
import { readSecretSetting, readSettings } from '#storage/settings';
import { readNote, writeNote } from '#storage/whatsapp-auth';
import { rememberWrote } from '#storage/whatsapp-contacts';

export type MessagesOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Log;
  readonly zone: string;
  /** Where WhatsApp's web socket is; null = at WhatsApp. */
  readonly whatsAppUrl: string | null;
  /** Where Meta's Graph API is; left out, at Meta. */
  readonly graphUrl?: string;
  /** How often the settings are looked at. */
  readonly lookEveryMs?: number;
  /** How long a command waits for the node that holds the line. */
  readonly patienceMs?: number;
  /** Patience of the outbox and of the line. */
  readonly outbox?: Partial<OutboxOptions>;
  readonly baileys?: Partial<BaileysOptions>;
};

export type MessagesSide = {
  readonly control: WhatsAppControl;
  readonly webhook: WhatsAppWebhook;
  /** Of this node; null while another one sends. */
  metrics(): { readonly queued: number; readonly counts: OutboxCounts } | null;
  stop(): Promise<void>;
};

type WhatsAppSettings = Settings['whatsapp'] & { readonly token: string | null };

/** What this node does while it holds the lock. */
type Holding = { readonly key: string; readonly transport: Transport | null; readonly outbox: Outbox };

type Command =
  | { readonly do: 'pair-qr' | 'unpair' | 'reconnect' }
  | { readonly do: 'pair-code'; readonly phone: string }
  | { readonly do: 'restrict'; readonly reason: string };

/** Between the nodes. `id`: whoever asked waits for `done` with the same; `status`: there is another one to be read. */
type Word =
  | (Command & { readonly id?: string })
  | { readonly do: 'done'; readonly id: string }
  | { readonly do: 'status' };

/** The status as the node that holds the line publishes it, sealed; what it holds of a pairing counts for a while only. */
type Told = { readonly status: WhatsAppStatus; readonly pairingUntil: Instant };

const CHANNEL = 'gerbang_whatsapp';
const LOCK = 'whatsapp';
const STATUS_NOTE = 'status';
const LOOK_EVERY_MS = 5 * SECOND;
const PATIENCE_MS = 5 * SECOND;
const PUBLISH_AFTER_MS = 200;
/** WhatsApp takes a QR for a minute at most and a code for less than three; the line then says otherwise, if it still can. */
const QR_LASTS_MS = MINUTE;
const CODE_LASTS_MS = 3 * MINUTE;

/**
 * Messages to subscribers: one node of the cluster holds the line to WhatsApp and empties the outbox; when it dies the
 * next one takes over. Every node takes the webhook, and knows and shows the status.
 */
export async function startMessages(options: MessagesOptions): Promise<MessagesSide> {
  const side = new Messages(options);
  await side.start();
  return {
    control: {
      status: () => side.status(),
      pairByQr: () => side.ask({ do: 'pair-qr' }),
      pairByCode: (phone) => side.ask({ do: 'pair-code', phone }),
      unpair: () => side.ask({ do: 'unpair' }),
      reconnect: () => side.ask({ do: 'reconnect' }),
    },
    webhook: {
      verify: async (query) => verifyChallenge(query, await side.secret('whatsapp.cloud.verify-token')),
      receive: async (rawBody, signature) => {
        const events = receiveWebhook(rawBody, signature, await side.secret('whatsapp.cloud.app-secret'));
        for (const event of events ?? []) await side.take(event);
        return events !== null;
      },
    },
    metrics: () => side.metrics(),
    stop: () => side.stop(),
  };
}

class Messages {
  readonly #options: MessagesOptions;
  #settings: WhatsAppSettings | null = null;
  #lock: ClusterLock | null = null;
  #holding: Holding | null = null;
  /** As the node that holds the line last told. */
  #told: Told | null = null;
  #published = '';
  /** Those who wait for what they asked for, by the id of the command. */
  readonly #asking = new Map<string, () => void>();
  #listeners: Listener[] = [];
  #timer: NodeJS.Timeout | undefined;
  #publishTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Looks, commands and a lost lock take their turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: MessagesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { db } = this.#options;
    this.#listeners = [
      await db.listen(MESSAGE_CHANNEL, () => this.#holding?.outbox.wake()),
      await db.listen(CHANNEL, (payload) => this.#inTurn(() => this.#hear(JSON.parse(payload) as Word))),
    ];
    await this.#inTurn(() => this.#look());
    this.#timer = setInterval(() => void this.#inTurn(() => this.#look()), this.#options.lookEveryMs ?? LOOK_EVERY_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#publishTimer);
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#turn;
    const held = this.#holding !== null;
    await this.#letGo();
    if (held) await this.#untell();
    await this.#lock?.release();
  }

  status(): WhatsAppStatus {
    const transport = this.#settings?.transport ?? 'off';
    const holding = this.#holding;
    if (holding === null) {
      if (this.#told !== null) return unexpired(this.#told, this.#options.clock());
      return { ...WHATSAPP_OFF, transport, state: transport === 'off' ? 'off' : 'elsewhere' };
    }
    const { outbox } = holding;
    const state = holding.transport?.state() ?? WHATSAPP_OFF;
    const restriction = outbox.restriction;
    return {
      transport: holding.transport?.name ?? 'off',
      state: state.state,
      qr: state.qr,
      pairingCode: state.pairingCode,
      me: state.me,
      since: state.since,
      breakerUntil: restriction?.coldUntil ?? null,
      reason: restriction?.reason ?? state.reason,
      sentToday: outbox.sentToday,
    };
  }

  metrics(): { queued: number; counts: OutboxCounts } | null {
    return this.#holding === null ? null : { queued: this.#holding.outbox.queued, counts: this.#holding.outbox.counts };
  }

  /**
   * Has the node that holds the line, which may be this one, carry it out; false when it did not say so in time: there is
   * none just now, it is slow, or it cannot. Throws `Unavailable`.
   */
  async ask(command: Command): Promise<boolean> {
    const id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), this.#options.patienceMs ?? PATIENCE_MS);
    this.#asking.set(id, () => resolve(true));
    try {
      await this.#say({ ...command, id });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#asking.delete(id);
    }
  }

  async #say(word: Word): Promise<void> {
    await notify(this.#options.db, CHANNEL, JSON.stringify(word));
  }

  secret(key: Parameters<typeof readSecretSetting>[2]): Promise<string | null> {
    return readSecretSetting(this.#options.db, this.#options.sealer, key);
  }

  async take(event: CloudEvent): Promise<void> {
    const { db } = this.#options;
    switch (event.is) {
      case 'wrote':
        return rememberWrote(db, event.phone, event.at);
      case 'failed':
        return recordFailure(db, event.ids, event.reason, event.at);
      case 'restricted':
        return this.#say({ do: 'restrict', reason: event.reason });
      default:
        await recordReceipt(db, event.ids, event.is, event.at);
    }
  }

  /** Takes the line when nobody has it, and runs it as the settings say. */
  async #look(): Promise<void> {
    const { db, sealer } = this.#options;
    const { whatsapp } = await readSettings(db);
    const token = whatsapp.transport === 'cloud' ? await this.secret('whatsapp.cloud.token') : null;
    this.#settings = { ...whatsapp, token };
    this.#lock ??= await takeClusterLock(db, LOCK, (error) => this.#lost(error));
    if (this.#lock === null) {
      this.#told = await readNote<Told>(db, sealer, STATUS_NOTE);
      return;
    }
    const key = createHash('sha256')
      .update(JSON.stringify([whatsapp.transport, whatsapp.transport === 'cloud' && whatsapp.cloud, token]))
      .digest('hex');
    if (this.#holding?.key === key) {
      this.#publishSoon();
      return;
    }
    await this.#letGo();
    await this.#hold(key, this.#settings);
  }

  async #hold(key: string, settings: WhatsAppSettings): Promise<void> {
    const { db, sealer, clock, log, zone } = this.#options;
    let outbox: Outbox | null = null;
    const events: TransportEvents = {
      onState: () => {
        outbox?.wake();
        this.#publishSoon();
      },
      onReceipt: (transportId, is, at) => outbox?.receipt(transportId, is, at),
      onWrote: (phone, at) => outbox?.wrote(phone, at),
      onRestricted: (reason, until) => outbox?.restrict(reason, until),
    };
    const transport = await this.#transportOf(settings, events);
    const limits = () => this.#settings ?? settings;
    outbox = new Outbox(
      { db, sealer, clock, log, zone, limits, onChange: () => this.#publishSoon(), ...this.#options.outbox },
      transport,
    );
    this.#holding = { key, transport, outbox };
    await outbox.start();
    this.#publishSoon();
  }

  async #transportOf(settings: WhatsAppSettings, events: TransportEvents): Promise<Transport | null> {
    const { db, sealer, clock, log, whatsAppUrl, graphUrl, baileys } = this.#options;
    switch (settings.transport) {
      case 'baileys':
        return startBaileys({ db, sealer, clock, log, events, url: whatsAppUrl ?? undefined, ...baileys });
      case 'cloud':
        return new CloudTransport({ settings: settings.cloud, token: settings.token, clock, events, graphUrl });
      case 'off':
        return null;
    }
  }

  async #letGo(): Promise<void> {
    const holding = this.#holding;
    this.#holding = null;
    // Whoever holds the line meanwhile tells something else.
    this.#published = '';
    // Nothing more is begun; what is being sent is cut off with the connection, and is in doubt.
    const ended = holding?.outbox.stop();
    await holding?.transport?.stop();
    await ended;
  }

  #lost(error: unknown): void {
    this.#options.log.warn({ err: error }, 'this node may no longer hold the WhatsApp line: letting go of it');
    void this.#inTurn(async () => {
      this.#lock = null;
      await this.#letGo();
    });
  }

  async #hear(word: Word): Promise<void> {
    const holding = this.#holding;
    switch (word.do) {
      case 'status':
        return holding === null ? this.#look() : undefined;
      case 'done':
        return this.#asking.get(word.id)?.();
      default:
        if (holding === null) return;
        await obey(holding, word);
        await this.#publish();
        if (word.id !== undefined) await this.#say({ do: 'done', id: word.id });
    }
  }

  /** For the pages of the other nodes. Many changes in a row are told once. */
  #publishSoon(): void {
    if (this.#stopped || this.#publishTimer !== undefined) return;
    this.#publishTimer = setTimeout(() => {
      this.#publishTimer = undefined;
      void this.#inTurn(() => this.#publish());
    }, PUBLISH_AFTER_MS);
  }

  async #publish(): Promise<void> {
    if (this.#holding === null) return;
    const { db, sealer, clock } = this.#options;
    const status = this.status();
    const text = JSON.stringify(status);
    if (text === this.#published) return;
    const pairingUntil = clock() + (status.pairingCode === null ? QR_LASTS_MS : CODE_LASTS_MS);
    await writeNote(db, sealer, STATUS_NOTE, { status, pairingUntil } satisfies Told);
    this.#published = text;
    await this.#say({ do: 'status' });
  }

  /** A line that nobody holds has no status; above all nothing of a pairing stays behind. */
  async #untell(): Promise<void> {
    const { db, sealer, log } = this.#options;
    try {
      await writeNote(db, sealer, STATUS_NOTE, null);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      // It stays sealed, and the next node that takes the line writes over it.
      log.warn({ err: error }, 'the status of the WhatsApp line could not be taken back');
    }
  }

  /** Trouble is looked at again within seconds. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn
      .then(() => (this.#stopped ? undefined : work()))
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'WhatsApp: trying again soon'));
    return this.#turn;
  }
}

/** Without what can no longer be used of a pairing: whoever holds the line may not be able to say so. */
function unexpired({ status, pairingUntil }: Told, now: Instant): WhatsAppStatus {
  return now < pairingUntil ? status : { ...status, qr: null, pairingCode: null };
}

async function obey({ transport, outbox }: Holding, command: Command): Promise<void> {
  switch (command.do) {
    case 'pair-qr':
      return transport?.pairByQr();
    case 'pair-code':
      return transport?.pairByCode(command.phone);
    case 'unpair':
      return transport?.unpair();
    case 'reconnect':
      return transport?.reconnect();
    case 'restrict':
      return outbox.restrict(command.reason, null);
  }
}
