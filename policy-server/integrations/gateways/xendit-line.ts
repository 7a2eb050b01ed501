import { AsyncLocalStorage } from 'node:async_hooks';
import { Invoice, Refund } from 'xendit-node';
import { Unavailable } from '#domain/errors';
import { GatewayRefusal } from '#domain/gateway';
import { fieldsOf, isFields, textOf, wordsWithout } from '#integrations/gateways/reading';

export type XenditPlace = {
  readonly apiKey: string;
  /** Instead of Xendit. */
  readonly baseUrl: string | null;
  readonly timeoutMs: number;
};

/** What Xendit said, as it came: an object, or an array of them. */
export type XenditAnswer = { readonly status: number; readonly body: unknown };

type NewInvoice = Parameters<Invoice['createInvoice']>[0]['data'];
type NewRefund = NonNullable<NonNullable<Parameters<Refund['createRefund']>[0]>['data']>;

const XENDIT_URL = 'https://api.xendit.co';
const LARGEST_ANSWER = 4_000_000;

/**
 * The client library with what it lacks: it waits for minutes, follows redirections, loses the status of an answer that is
 * no JSON ("Body is unusable"), fails on an invoice without one of its lists, and leaves out what was paid and when. So it
 * builds the requests, and what came back is kept here as it was. An answer is a value, also when it says no; what is no
 * answer is `Unavailable`.
 */
export class XenditLine {
  readonly #invoices: Invoice;
  readonly #refunds: Refund;
  readonly #place: XenditPlace;
  readonly #asking = new AsyncLocalStorage<{ answer: XenditAnswer | null; status: number | null }>();

  constructor(place: XenditPlace) {
    const xenditURL = (place.baseUrl ?? XENDIT_URL).replace(/\/+$/, '');
    this.#place = place;
    this.#invoices = this.#furnish(new Invoice({ secretKey: place.apiKey, xenditURL }));
    this.#refunds = this.#furnish(new Refund({ secretKey: place.apiKey, xenditURL }));
  }

  createInvoice(data: NewInvoice): Promise<XenditAnswer> {
    return this.#ask('a payment link', () => this.#invoices.createInvoice({ data }));
  }

  invoice(invoiceId: string): Promise<XenditAnswer> {
    return this.#ask('an invoice', () => this.#invoices.getInvoiceById({ invoiceId }));
  }

  /** Newest first. */
  invoicesOf(externalId: string): Promise<XenditAnswer> {
    return this.#ask('invoices', () => this.#invoices.getInvoices({ externalId, limit: 100 }));
  }

  anyInvoice(): Promise<XenditAnswer> {
    return this.#ask('an invoice', () => this.#invoices.getInvoices({ limit: 1 }));
  }

  expire(invoiceId: string): Promise<XenditAnswer> {
    return this.#ask('an end', () => this.#invoices.expireInvoice({ invoiceId }));
  }

  createRefund(data: NewRefund, idempotencyKey: string): Promise<XenditAnswer> {
    return this.#ask('a refund', () => this.#refunds.createRefund({ idempotencyKey, data }));
  }

  refundsOf(invoiceId: string): Promise<XenditAnswer> {
    return this.#ask('refunds', () => this.#refunds.getAllRefunds({ invoiceId, limit: 100 }));
  }

  /** Xendit's words for a refusal, fit to be shown. */
  wordsOf({ body }: XenditAnswer): string {
    const { error_code, message } = isFields(body) ? body : {};
    const words = [textOf(error_code), textOf(message)].filter((one) => one !== null).join(': ');
    return words === '' ? 'no reason given' : wordsWithout([this.#place.apiKey], words);
  }

  #furnish<Api extends Invoice | Refund>(api: Api): Api {
    // The library's own seam for this, which its types call private.
    const fetchApi = (url: string, init: RequestInit) => this.#fetch(url, init);
    return Object.assign(api, { fetchApi });
  }

  async #ask(what: string, call: () => Promise<unknown>): Promise<XenditAnswer> {
    const seen: { answer: XenditAnswer | null; status: number | null } = { answer: null, status: null };
    await this.#asking.run(seen, call).catch(() => undefined); // what came counts, not what the library makes of it
    const { answer, status } = seen;
    if (answer === null) throw this.#noAnswer(what, status);
    if (answer.status === 401) throw new GatewayRefusal('keys', 'Xendit does not accept the API key');
    if (answer.status === 429 || answer.status >= 500) throw this.#noAnswer(what, answer.status);
    return answer;
  }

  /** The answer as the library wants it, and as it came for us. */
  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const signal = AbortSignal.timeout(this.#place.timeoutMs);
    // The key goes to nobody else.
    const response = await fetch(url, { ...init, redirect: 'error', signal });
    const seen = this.#asking.getStore();
    if (seen !== undefined) seen.status = response.status;
    const text = await textUpTo(response, LARGEST_ANSWER);
    const body = fieldsOf(text) ?? arrayOf(text);
    if (seen !== undefined && body !== null) seen.answer = { status: response.status, body };
    return new Response(text === '' ? null : text, { status: response.status, headers: response.headers });
  }

  #noAnswer(what: string, status: number | null): Unavailable {
    const seconds = this.#place.timeoutMs / 1000;
    return new Unavailable(
      status === null
        ? `Xendit cannot be reached, or did not answer within ${seconds} s (${what})`
        : `Xendit gave no usable answer (${what}, status ${status})`,
    );
  }
}

async function textUpTo(response: Response, most: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.byteLength;
    if (length > most) throw new Unavailable('Xendit gave an answer without an end');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function arrayOf(json: string): readonly unknown[] | null {
  const wrapped = fieldsOf(`{"list":${json}}`);
  return Array.isArray(wrapped?.list) ? wrapped.list : null;
}
