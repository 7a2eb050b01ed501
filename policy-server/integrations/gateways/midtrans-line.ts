import { AsyncLocalStorage } from 'node:async_hooks';
import midtrans from 'midtrans-client';
import { Unavailable } from '#domain/errors';
import { GatewayRefusal } from '#domain/gateway';
import { type Fields, isFields, textOf, wordsWithout } from '#integrations/gateways/reading';

export type MidtransPlace = {
  readonly serverKey: string;
  readonly production: boolean;
  /** Instead of Midtrans: Snap is at `/snap/v1` of it, the Core API at `/v2`. */
  readonly baseUrl: string | null;
  readonly timeoutMs: number;
};

/** What Midtrans said, whether by HTTP or by `status_code` in the body. */
export type MidtransAnswer = { readonly code: number; readonly body: Fields };

/** Refusals are small; nobody makes us keep a gigabyte. */
const LARGEST_ANSWER = 1_000_000;

/**
 * The client library with what it lacks. It waits for ever, follows redirections with the key, writes ids into paths as
 * they are, has no way to give a header, and its errors hold the server key (`rawHttpClientData.config.auth`): they end
 * here. An answer is a value, also when it says no; what is no answer is `Unavailable`.
 */
export class MidtransLine {
  readonly #snap: InstanceType<typeof midtrans.Snap>;
  readonly #core: InstanceType<typeof midtrans.CoreApi>;
  readonly #place: MidtransPlace;
  readonly #idempotency = new AsyncLocalStorage<string>();

  constructor(place: MidtransPlace) {
    const options = { isProduction: place.production, serverKey: place.serverKey, clientKey: '' };
    this.#place = place;
    this.#snap = this.#furnish(new midtrans.Snap(options));
    this.#core = this.#furnish(new midtrans.CoreApi(options));
  }

  createTransaction(parameters: Fields): Promise<MidtransAnswer> {
    return this.#ask('a payment link', () => this.#snap.createTransaction(parameters));
  }

  status(id: string): Promise<MidtransAnswer> {
    return this.#askOf(id, 'a status', (part) => this.#core.transaction.status(part));
  }

  cancel(id: string): Promise<MidtransAnswer> {
    return this.#askOf(id, 'a cancellation', (part) => this.#core.transaction.cancel(part));
  }

  refund(id: string, parameters: Fields): Promise<MidtransAnswer> {
    return this.#askOf(id, 'a refund', (part) => this.#core.transaction.refund(part, parameters));
  }

  refundDirect(id: string, parameters: Fields): Promise<MidtransAnswer> {
    return this.#askOf(id, 'a direct refund', (part) => this.#core.transaction.refundDirect(part, parameters));
  }

  /** `key`: asked again with it within five minutes, it is done once (docs.midtrans.com, Idempotency-Key). */
  charge(parameters: Fields, key: string): Promise<MidtransAnswer> {
    return this.#idempotency.run(key, () => this.#ask('a charge', () => this.#core.charge(parameters)));
  }

  linkAccount(parameters: Fields): Promise<MidtransAnswer> {
    return this.#ask('linking an account', () => this.#core.linkPaymentAccount(parameters));
  }

  account(id: string): Promise<MidtransAnswer> {
    return this.#askOf(id, 'an account', (part) => this.#core.getPaymentAccount(part));
  }

  unlinkAccount(id: string): Promise<MidtransAnswer> {
    return this.#askOf(id, 'unlinking an account', (part) => this.#core.unlinkPaymentAccount(part));
  }

  /** Midtrans' words for a refusal, fit to be shown. */
  wordsOf({ body }: MidtransAnswer): string {
    const messages = Array.isArray(body.error_messages) ? body.error_messages : [];
    const said = [
      body.status_message,
      body.channel_response_message,
      ...messages,
      ...(Array.isArray(body.validation_messages) ? body.validation_messages : []),
    ];
    const words = said.filter((one): one is string => typeof one === 'string').join('; ');
    return words === '' ? 'no reason given' : wordsWithout([this.#place.serverKey], words);
  }

  #furnish<Api extends InstanceType<typeof midtrans.Snap> | InstanceType<typeof midtrans.CoreApi>>(api: Api): Api {
    const { baseUrl, timeoutMs } = this.#place;
    if (baseUrl !== null) {
      const base = baseUrl.replace(/\/+$/, '');
      api.apiConfig.getSnapApiBaseUrl = () => `${base}/snap/v1`;
      api.apiConfig.getCoreApiBaseUrl = () => base;
    }
    const client = api.httpClient.http_client;
    Object.assign(client.defaults, { timeout: timeoutMs, maxRedirects: 0, maxContentLength: LARGEST_ANSWER });
    client.interceptors.request.use((request) => {
      // `timeout` is of silence: an answer that comes drop by drop would be waited for as long as it likes.
      request.signal = AbortSignal.timeout(timeoutMs);
      const key = this.#idempotency.getStore();
      if (key !== undefined) request.headers.set('Idempotency-Key', key);
      return request;
    });
    return api;
  }

  /** The library would ask for `/v2/../b/status` as it stands. */
  #askOf(id: string, what: string, call: (pathPart: string) => Promise<unknown>): Promise<MidtransAnswer> {
    if (!canBeAsked(id)) throw new GatewayRefusal('refused', 'this is no number of an order');
    return this.#ask(what, () => call(encodeURIComponent(id)));
  }

  async #ask(what: string, call: () => Promise<unknown>): Promise<MidtransAnswer> {
    const { said, status } = await outcomeOf(call);
    if (!isFields(said) || (status !== null && status >= 300 && status < 400)) throw this.#noAnswer(what, status);
    const code = codeOf(said.status_code) ?? status ?? 200;
    if (code === 401) {
      throw new GatewayRefusal('keys', 'Midtrans does not accept the server key: is it of the right environment?');
    }
    if (code === 429 || code >= 500) throw this.#noAnswer(what, code);
    return { code, body: said };
  }

  #noAnswer(what: string, status: number | null): Unavailable {
    const seconds = this.#place.timeoutMs / 1000;
    return new Unavailable(
      status === null
        ? `Midtrans cannot be reached, or did not answer within ${seconds} s (${what})`
        : `Midtrans gave no usable answer (${what}, status ${status})`,
    );
  }
}

type Outcome = { readonly said: unknown; readonly status: number | null };

/**
 * The library's outcomes brought together. Its errors carry the status as a number, as a text (from the body) or as null
 * (no answer at all); a redirection comes as the error of the HTTP client underneath. Nothing else of an error is taken.
 */
async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { said: await call(), status: null };
  } catch (error) {
    if (!isFields(error)) return { said: null, status: null };
    const status = codeOf(error.httpStatusCode) ?? codeOf(isFields(error.response) ? error.response.status : null);
    return { said: error.ApiResponse ?? null, status };
  }
}

function codeOf(given: unknown): number | null {
  const text = typeof given === 'number' ? String(given) : (textOf(given) ?? '');
  return /^[1-5]\d\d$/.test(text) ? Number(text) : null;
}

/** Nothing that would be another path, and no more than a number of an order can have. */
export const canBeAsked = (id: string): boolean => !/^\.*$/.test(id) && id.length <= 100;
