import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '#domain/clock';
import { BY_HAND, NOTICE_FIELDS } from '#domain/notices';
import { DAY, MINUTE, SECOND } from '#domain/time';
import type {
  Outgoing,
  SendOutcome,
  Transport,
  TransportEvents,
  TransportState,
} from '#integrations/whatsapp/transport';

export type CloudSettings = {
  /** Null: not set up yet. */
  readonly phoneNumberId: string | null;
  readonly apiVersion: string;
  /** The approved template for each notice, by name. Its fields are {{1}}, {{2}}, … in the order of `NOTICE_FIELDS`. */
  readonly templates: Readonly<Record<string, string>>;
};

export type CloudOptions = {
  readonly settings: CloudSettings;
  readonly token: string | null;
  readonly clock: Clock;
  readonly events: TransportEvents;
  /** Where the Graph API is, without a slash at the end. */
  readonly graphUrl?: string | undefined;
  readonly timeoutMs?: number;
};

const GRAPH_URL = 'https://graph.facebook.com';
const TIMEOUT_MS = 20 * SECOND;
/** Free text may be sent for 24 hours after the subscriber wrote; a minute less, for the way. */
const WINDOW_MS = DAY - MINUTE;

/**
 * WhatsApp through Meta's Cloud API. It knows no id of ours that would make a repetition harmless; our id travels along
 * as `biz_opaque_callback_data` and comes back with the statuses of the webhook, which settle what was in doubt.
 */
export class CloudTransport implements Transport {
  readonly name = 'cloud';
  readonly repeatable = false;
  readonly #options: CloudOptions;
  #state: TransportState;

  constructor(options: CloudOptions) {
    this.#options = options;
    this.#state = this.#fresh();
  }

  state(): TransportState {
    return this.#state;
  }

  newId(): string {
    return `gerbang:${randomUUID()}`;
  }

  /** The Cloud API has no such question: it says with the message. */
  async isRegistered(): Promise<null> {
    return null;
  }

  async send(message: Outgoing): Promise<SendOutcome> {
    const content = contentOf(message, this.#options.settings.templates, this.#options.clock());
    if (typeof content === 'string') return { is: 'failed', reason: content };
    let response: Response;
    let text: string;
    try {
      response = await this.#post({ ...content, to: message.phone, biz_opaque_callback_data: message.transportId });
      text = await response.text();
    } catch (error) {
      const reached = !neverConnected(error);
      return { is: 'later', reason: reached ? 'no-answer' : 'not-connected', inDoubt: reached };
    }
    return this.#outcome(response.status, text);
  }

  #post(message: object): Promise<Response> {
    const { settings, token, graphUrl = GRAPH_URL, timeoutMs = TIMEOUT_MS } = this.#options;
    return fetch(`${graphUrl}/${settings.apiVersion}/${settings.phoneNumberId}/messages`, {
      method: 'POST',
      redirect: 'error', // the token goes to nobody else
      signal: AbortSignal.timeout(timeoutMs),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ messaging_product: 'whatsapp', recipient_type: 'individual', ...message }),
    });
  }

  #outcome(status: number, text: string): SendOutcome {
    const answer = answerSchema.safeParse(jsonOrNull(text));
    const sent = answer.data?.messages?.[0];
    if (status < 300 && sent !== undefined) return { is: 'sent', theirId: sent.id };
    // A success without an id is one that we cannot follow: the webhook has to tell.
    if (status < 300) return { is: 'later', reason: 'no-answer', inDoubt: true };
    const code = answer.data?.error?.code;
    if (status === 401 || code === 190) {
      this.#enter('logged-out', `rejected: ${code ?? status}`);
      return { is: 'later', reason: 'logged-out', inDoubt: false };
    }
    return cloudError(code, answer.data?.error?.error_data?.details, status);
  }

  async stop(): Promise<void> {}

  async pairByQr(): Promise<void> {}

  async pairByCode(): Promise<void> {}

  async unpair(): Promise<void> {}

  /** The token may be good again. */
  async reconnect(): Promise<void> {
    this.#state = this.#fresh();
    this.#options.events.onState();
  }

  #fresh(): TransportState {
    const ready = this.#options.settings.phoneNumberId !== null && this.#options.token !== null;
    const state = { qr: null, pairingCode: null, me: null, since: this.#options.clock() };
    return { ...state, state: ready ? 'connected' : 'unpaired', reason: ready ? null : 'not-configured' };
  }

  #enter(state: 'logged-out', reason: string): void {
    this.#state = { ...this.#state, state, reason, since: this.#options.clock() };
    this.#options.events.onState();
  }
}

/** The notice as an approved template, or as text while that is allowed; or the reason why neither can be. */
function contentOf(
  message: Outgoing,
  templates: CloudSettings['templates'],
  now: number,
): { readonly type: string; readonly [field: string]: unknown } | string {
  if (message.lastWroteAt !== null && now - message.lastWroteAt < WINDOW_MS) {
    return { type: 'text', text: { body: message.text, preview_url: false } };
  }
  if (message.notice === BY_HAND) return 'outside-24-hours';
  const name = templates[message.notice];
  if (name === undefined) return `no-template: ${message.notice}`;
  const fields: Readonly<Record<string, readonly string[]>> = NOTICE_FIELDS;
  const parameters = (fields[message.notice] ?? []).map((field) => ({
    type: 'text',
    // Meta refuses line ends, tabs and more than four blanks in a row inside of a parameter.
    text: (message.values[field] ?? '').replace(/\s+/g, ' ').trim() || '-',
  }));
  const components = parameters.length === 0 ? [] : [{ type: 'body', parameters }];
  return { type: 'template', template: { name, language: { code: message.language }, components } };
}

/** Codes: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes (May 2026). Titles may change, codes do not. */
const RESTRICTED = new Set([4, 80007, 130429, 131031, 131048, 368]);
const TROUBLE_OF_THEIRS = new Set([1, 2, 131000, 131016]);
const TOO_MANY_TO_ONE = 131056;
const OUTSIDE_24_HOURS = 131047;

/** What an error of the Cloud API means for the message, in its answer and, later, in a status of the webhook. */
export function cloudError(code: number | undefined, details: string | undefined, status = 400): SendOutcome {
  if (code === undefined) {
    return status >= 500 || status === 429
      ? { is: 'later', reason: `server-error: ${status}`, inDoubt: false }
      : { is: 'failed', reason: `rejected: HTTP ${status}` };
  }
  if (RESTRICTED.has(code)) return { is: 'restricted', reason: `rate-limited: ${code}` };
  if (code === TOO_MANY_TO_ONE) return { is: 'later', reason: `rate-limited: ${code}`, inDoubt: false };
  if (code === OUTSIDE_24_HOURS) return { is: 'failed', reason: 'outside-24-hours' };
  if (TROUBLE_OF_THEIRS.has(code)) return { is: 'later', reason: `server-error: ${code}`, inDoubt: false };
  return { is: 'failed', reason: `rejected: ${code}${details === undefined ? '' : ` ${details.slice(0, 200)}`}` };
}

const answerSchema = z.object({
  messages: z.array(z.object({ id: z.string().min(1) })).optional(),
  error: z.object({ code: z.number(), error_data: z.object({ details: z.string().optional() }).optional() }).optional(),
});

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's page instead of an answer: the HTTP status has to do.
    return null;
  }
}

/** Errors of undici and the system that come before the first octet of a request is written. */
const NOT_CONNECTED = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;

function neverConnected(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'code' in cause && NOT_CONNECTED.test(String(cause.code));
}
