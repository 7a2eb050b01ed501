import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ConnectionState, proto, WASocket } from '@whiskeysockets/baileys';
import type { Clock } from '#domain/clock';
import { MINUTE, SECOND } from '#domain/time';
import type { WhatsAppState } from '#domain/whatsapp';
import { AuthStore } from '#integrations/whatsapp/auth-store';
import { afterClose, afterNack } from '#integrations/whatsapp/close-rules';
import { hear } from '#integrations/whatsapp/inbound';
import { type Baileys, loadBaileys, silentLogger } from '#integrations/whatsapp/library';
import type {
  IntegrationLog,
  Outgoing,
  SendOutcome,
  Transport,
  TransportEvents,
  TransportState,
} from '#integrations/whatsapp/transport';
import type { Database } from '#storage/database';
import { bodyByTransportId } from '#storage/outbox';
import type { Sealer } from '#storage/secrets';

export type BaileysOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: IntegrationLog;
  readonly events: TransportEvents;
  /** Where WhatsApp's web socket is; left out, at WhatsApp. */
  readonly url?: string | undefined;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  readonly answerTimeoutMs?: number;
  readonly firstPauseMs?: number;
  readonly load?: () => Promise<Baileys | null>;
};

const ANSWER_TIMEOUT_MS = 20 * SECOND;
const FIRST_PAUSE_MS = 2 * SECOND;
const LONGEST_PAUSE_MS = 5 * MINUTE;
/** How WhatsApp lists us among the linked devices. */
const DEVICE: [string, string, string] = ['Gerbang', 'Chrome', '1.0'];

/**
 * WhatsApp through a linked device, as WhatsApp Web does it, by the library Baileys. A socket of it is used once: after
 * each close there is a new one, or none (`close-rules.ts`). Start it only while holding the lock of the outbox: two
 * processes with one link throw each other out and spoil its keys.
 */
export async function startBaileys(options: BaileysOptions): Promise<Transport> {
  const baileys = await (options.load ?? loadBaileys)();
  if (baileys === null) return missing(options.clock);
  const { db, sealer, log } = options;
  const line = new Line(options, baileys, await AuthStore.open({ db, sealer, baileys, log }));
  line.start();
  return line;
}

class Line implements Transport {
  readonly name = 'baileys';
  /** The receiver's WhatsApp shows a message of one id once. */
  readonly repeatable = true;
  readonly #options: BaileysOptions;
  readonly #baileys: Baileys;
  readonly #auth: AuthStore;
  #state: TransportState;
  #socket: WASocket | null = null;
  /** Ends what waits for an answer of the socket when we drop it ourselves: the library then leaves that waiting. */
  #dropped = new AbortController();
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: BaileysOptions, baileys: Baileys, auth: AuthStore) {
    this.#options = options;
    this.#baileys = baileys;
    this.#auth = auth;
    const me = auth.paired ? numberOf(auth.creds.me?.id) : null;
    this.#state = {
      state: auth.paired ? 'connecting' : 'unpaired',
      qr: null,
      pairingCode: null,
      me,
      since: options.clock(),
      reason: null,
    };
  }

  start(): void {
    if (this.#auth.paired) this.#connect();
  }

  state(): TransportState {
    return this.#state;
  }

  /** Like the ids of WhatsApp Web: 3EB0 and 18 random hexadecimal digits. */
  newId(): string {
    return `3EB0${randomBytes(9).toString('hex').toUpperCase()}`;
  }

  async isRegistered(phone: string): Promise<boolean> {
    const found = await this.#within(this.#open().onWhatsApp(phone));
    if (found === undefined) throw new Error('WhatsApp does not say whether a number is registered');
    // A number that is not registered is simply not among the answers.
    return found.some(({ exists }) => Boolean(exists));
  }

  async send(message: Outgoing): Promise<SendOutcome> {
    const socket = this.#socket;
    if (socket === null || this.#state.state !== 'connected') {
      return { is: 'later', reason: 'not-connected', inDoubt: false };
    }
    const jid = `${message.phone}@s.whatsapp.net`;
    try {
      // Without a device the library writes a message that nobody can read, and it is acknowledged.
      const devices = await this.#within(socket.getUSyncDevices([jid], true, false));
      if (devices.length === 0) return { is: 'later', reason: 'no-devices', inDoubt: false };
    } catch {
      // Nothing was written yet: whatever it was, the message is not on its way.
      return { is: 'later', reason: 'not-connected', inDoubt: false };
    }
    return this.#write(socket, jid, message);
  }

  /** `sendMessage` only says that the message was written; what counts is WhatsApp's acknowledgement. */
  async #write(socket: WASocket, jid: string, { transportId, text, attempts }: Outgoing): Promise<SendOutcome> {
    const waiting = this.#within(socket.waitForMessage<Answer>(transportId, this.#answerTimeoutMs));
    // No answer and a lost connection are the same to us: nobody knows whether it arrived.
    const answer = waiting.catch(() => undefined);
    try {
      const content = { text, linkPreview: null };
      await this.#within(socket.sendMessage(jid, content, { messageId: transportId }));
    } catch (error) {
      this.#options.log.debug({ err: error }, 'a WhatsApp message could not be written');
      return { is: 'later', reason: 'no-answer', inDoubt: true };
    }
    const node = await answer;
    if (node === undefined) return { is: 'later', reason: 'no-answer', inDoubt: true };
    const error = node.tag === 'ack' ? node.attrs.error : undefined;
    return error === undefined ? { is: 'sent' } : outcomeOf(error, attempts);
  }

  async pairByQr(): Promise<void> {
    await this.#pair(null);
  }

  async pairByCode(phone: string): Promise<void> {
    await this.#pair(phone);
  }

  async unpair(): Promise<void> {
    const socket = this.#drop();
    // Without a connection the phone goes on listing the device; it can be removed there.
    await socket?.logout().catch(() => undefined);
    await this.#auth.renew();
    this.#enter('unpaired', { me: null });
  }

  async reconnect(): Promise<void> {
    if (!this.#auth.paired) return;
    await this.#drop()?.end(undefined);
    this.#attempts = 0;
    this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#drop()?.end(undefined);
    await this.#auth.close();
  }

  get #answerTimeoutMs(): number {
    return this.#options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
  }

  async #within<Value>(work: Promise<Value>): Promise<Value> {
    const signal = AbortSignal.any([this.#dropped.signal, AbortSignal.timeout(this.#answerTimeoutMs)]);
    return Promise.race([work, once(signal, 'abort').then(() => Promise.reject(new Error('no answer of WhatsApp')))]);
  }

  #open(): WASocket {
    if (this.#socket === null || this.#state.state !== 'connected') throw new Error('WhatsApp is not connected');
    return this.#socket;
  }

  async #pair(phone: string | null): Promise<void> {
    if (this.#auth.paired) return;
    await this.#drop()?.end(undefined);
    await this.#auth.renew();
    this.#enter('pairing');
    this.#connect(phone);
  }

  /** `phone`: ask for a code to be typed there instead of showing a QR. */
  #connect(phone: string | null = null): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    if (this.#auth.paired) this.#enter('connecting');
    const auth = this.#auth.state();
    const socket = this.#baileys.makeWASocket({
      auth: { creds: auth.creds, keys: this.#baileys.makeCacheableSignalKeyStore(auth.keys, silentLogger) },
      logger: silentLogger,
      browser: DEVICE,
      markOnlineOnConnect: false,
      syncFullHistory: false,
      generateHighQualityLinkPreview: false,
      getMessage: async ({ id }) => this.#message(id),
      ...(this.#options.url === undefined ? {} : { waWebSocketUrl: this.#options.url }),
    });
    this.#socket = socket;
    socket.ev.on('creds.update', (changed) => this.#auth.update(changed, auth.creds));
    socket.ev.on('connection.update', (update) => {
      // A socket that was dropped still says goodbye.
      if (socket === this.#socket) this.#updated(socket, update, phone);
    });
    hear(socket, this.#options);
  }

  #updated(socket: WASocket, update: Partial<ConnectionState>, phone: string | null): void {
    if (update.qr !== undefined) this.#offer(socket, update.qr, phone);
    if (update.connection === 'open') {
      this.#attempts = 0;
      this.#enter('connected', { me: numberOf(socket.user?.id) });
    }
    const lock = update.reachoutTimeLock;
    if (lock?.isActive) {
      this.#options.events.onRestricted('reach-out-lock-463', lock.timeEnforcementEnds?.getTime() ?? null);
    }
    if (update.connection === 'close') this.#closed(codeOf(update.lastDisconnect?.error));
  }

  /** WhatsApp is ready to pair: by the QR, or by a code, which may be asked for only from now on. */
  #offer(socket: WASocket, qr: string, phone: string | null): void {
    if (phone === null) {
      this.#enter('pairing', { qr });
      return;
    }
    if (this.#state.pairingCode !== null) return;
    socket.requestPairingCode(phone).then(
      (pairingCode) => {
        if (socket === this.#socket) this.#enter('pairing', { pairingCode });
      },
      (error: unknown) => this.#options.log.warn({ err: error }, 'WhatsApp gives no pairing code'),
    );
  }

  #closed(code: number | undefined): void {
    this.#socket = null;
    if (this.#stopped) return;
    const then = afterClose(code);
    if (then === 'restart') {
      this.#connect();
      return;
    }
    if (then === 'unlinked' || then === 'banned') {
      void this.#forget(then === 'banned' ? 'blocked' : 'logged-out', code);
      return;
    }
    if (!this.#auth.paired) {
      this.#enter('unpaired', { reason: code === 408 ? 'pairing-timed-out' : `pairing-interrupted: ${code}` });
      return;
    }
    if (then === 'replaced') {
      this.#options.log.warn({ code }, 'WhatsApp: another program uses this link; not connecting again by ourselves');
      this.#enter('replaced', { reason: `closed: ${code}` });
      return;
    }
    this.#attempts += 1;
    const pauseMs = this.#pauseMs();
    this.#enter('connecting', { reason: `closed: ${code}` });
    this.#options.log.info({ code, pauseMs: Math.round(pauseMs) }, 'WhatsApp: connection lost; connecting again');
    this.#timer = setTimeout(() => this.#connect(), pauseMs);
  }

  /** The link is worth nothing any more; the queue stays. */
  async #forget(state: WhatsAppState, code: number | undefined): Promise<void> {
    this.#options.log.warn({ code }, 'WhatsApp took our link away: pair again');
    this.#enter(state, { reason: `closed: ${code}`, me: null });
    await this.#auth
      .renew()
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'the WhatsApp link could not be wiped'));
  }

  /** Doubling, of which a random half is taken off at most. */
  #pauseMs(): number {
    const first = this.#options.firstPauseMs ?? FIRST_PAUSE_MS;
    const full = Math.min(first * 2 ** Math.min(this.#attempts - 1, 20), LONGEST_PAUSE_MS);
    return full * (1 - (this.#options.random ?? Math.random)() / 2);
  }

  async #message(id: string | null | undefined): Promise<proto.IMessage | undefined> {
    if (id == null) return undefined;
    const body = await bodyByTransportId(this.#options.db, this.#options.sealer, id);
    return body === null ? undefined : { extendedTextMessage: { text: body.text } };
  }

  #drop(): WASocket | null {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#dropped.abort();
    this.#dropped = new AbortController();
    return socket;
  }

  #enter(state: WhatsAppState, changed: Partial<TransportState> = {}): void {
    const since = state === this.#state.state ? this.#state.since : this.#options.clock();
    const me = state === 'unpaired' || state === 'pairing' ? null : this.#state.me;
    this.#state = { state, since, me, qr: null, pairingCode: null, reason: null, ...changed };
    this.#options.events.onState();
  }
}

type Answer = { readonly tag: string; readonly attrs: Readonly<Record<string, string | undefined>> };

function outcomeOf(code: string, attempts: number): SendOutcome {
  const said = code === '463' ? 'reach-out-lock-463' : code === '429' ? 'rate-limited' : `rejected: ${code}`;
  switch (afterNack(code, attempts)) {
    case 'restricted':
      return { is: 'restricted', reason: said };
    case 'failed':
      return { is: 'failed', reason: said };
    case 'later':
      return { is: 'later', reason: Number(code) >= 500 ? `server-error: ${code}` : said, inDoubt: false };
  }
}

/** `6281234567890:7@s.whatsapp.net` → `6281234567890`. */
const numberOf = (jid: string | undefined): string | null => /^\d+/.exec(jid ?? '')?.[0] ?? null;

/** Baileys says with a Boom why it closed. */
function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('output' in error)) return undefined;
  const { output } = error;
  if (typeof output !== 'object' || output === null || !('statusCode' in output)) return undefined;
  return typeof output.statusCode === 'number' ? output.statusCode : undefined;
}

/** Stands where the optional package is not installed, and says so. */
function missing(clock: Clock): Transport {
  const state: TransportState = {
    state: 'missing',
    qr: null,
    pairingCode: null,
    me: null,
    since: clock(),
    reason: 'not-installed: the optional package @whiskeysockets/baileys is not installed; npm install adds it',
  };
  const nothing = async () => undefined;
  return {
    name: 'baileys',
    repeatable: true,
    state: () => state,
    newId: () => '',
    isRegistered: async () => null,
    send: async () => ({ is: 'later', reason: 'not-connected', inDoubt: false }),
    stop: nothing,
    pairByQr: nothing,
    pairByCode: nothing,
    unpair: nothing,
    reconnect: nothing,
  };
}
