import { createHash } from 'node:crypto';
import type { Clock } from '#domain/clock';
import type { Settings } from '#domain/settings';
import { SECOND } from '#domain/time';
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
  | { readonly do: 'pair-qr' | 'unpair' | 'reconnect' | 'status' }
  | { readonly do: 'pair-code'; readonly phone: string }
  | { readonly do: 'restrict'; readonly reason: string };

/** Commands and "the status is another" between the nodes. */
const CHANNEL = 'gerbang_whatsapp';
const LOCK = 'whatsapp';
const STATUS_NOTE = 'status';
const LOOK_EVERY_MS = 5 * SECOND;
const PUBLISH_AFTER_MS = 200;

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
      pairByQr: () => side.command({ do: 'pair-qr' }),
      pairByCode: (phone) => side.command({ do: 'pair-code', phone }),
      unpair: () => side.command({ do: 'unpair' }),
      reconnect: () => side.command({ do: 'reconnect' }),
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
  #told: WhatsAppStatus | null = null;
  #published = '';
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
      await db.listen(CHANNEL, (payload) => this.#inTurn(() => this.#obey(JSON.parse(payload) as Command))),
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
    await this.#letGo();
    await this.#lock?.release();
  }

  status(): WhatsAppStatus {
    const transport = this.#settings?.transport ?? 'off';
    const holding = this.#holding;
    if (holding === null) {
      if (this.#told !== null) return this.#told;
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

  /** Reaches the node that holds the line, which may be this one. Throws `Unavailable`. */
  async command(command: Command): Promise<void> {
    await notify(this.#options.db, CHANNEL, JSON.stringify(command));
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
        return this.command({ do: 'restrict', reason: event.reason });
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
      this.#told = await readNote<WhatsAppStatus>(db, sealer, STATUS_NOTE);
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

  async #obey(command: Command): Promise<void> {
    const holding = this.#holding;
    if (holding === null) {
      if (command.do === 'status') await this.#look();
      return;
    }
    switch (command.do) {
      case 'pair-qr':
        return holding.transport?.pairByQr();
      case 'pair-code':
        return holding.transport?.pairByCode(command.phone);
      case 'unpair':
        return holding.transport?.unpair();
      case 'reconnect':
        return holding.transport?.reconnect();
      case 'restrict':
        return holding.outbox.restrict(command.reason, null);
      case 'status':
        return;
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
    const status = this.status();
    const text = JSON.stringify(status);
    if (text === this.#published) return;
    await writeNote(this.#options.db, this.#options.sealer, STATUS_NOTE, status);
    this.#published = text;
    await this.command({ do: 'status' });
  }

  /** Trouble is looked at again within seconds. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn
      .then(() => (this.#stopped ? undefined : work()))
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'WhatsApp: trying again soon'));
    return this.#turn;
  }
}
