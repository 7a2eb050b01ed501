import { createHash } from 'node:crypto';
import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import {
  type Gateway,
  GatewayRefusal,
  type GatewayTruth,
  type PaymentLink,
  type PaymentRequest,
  type ReadEvent,
} from '#domain/gateway';
import { say } from '#domain/say';
import { DAY, MINUTE, SECOND } from '#domain/time';
import { canBeAsked, type MidtransAnswer, MidtransLine } from '#integrations/gateways/midtrans-line';
import { savedFrom, truthFrom, wibText } from '#integrations/gateways/midtrans-truth';
import { accountOfToken, MidtransWallets } from '#integrations/gateways/midtrans-wallets';
import {
  type Fields,
  fieldsOf,
  isFields,
  isWebAddress,
  sameSecret,
  textOf,
  UNKNOWN,
} from '#integrations/gateways/reading';

export type MidtransOptions = {
  readonly serverKey: string;
  readonly production: boolean;
  /** Ways to pay on the Snap page (`enabled_payments`); empty = all that the company has. */
  readonly methods: readonly string[];
  readonly clock: Clock;
  /** Instead of Midtrans: Snap is at `/snap/v1` of it, the Core API at `/v2`. */
  readonly baseUrl: string | null;
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 10 * SECOND;

/** Midtrans: Snap for payments by the customer's own hand, the Core API for everything after that. */
export function openMidtrans(options: MidtransOptions): Gateway {
  return new Midtrans(options);
}

class Midtrans implements Gateway {
  readonly name = 'midtrans';
  readonly keepsMethods = true;
  readonly wallets: MidtransWallets;
  readonly #options: MidtransOptions;
  readonly #line: MidtransLine;

  constructor(options: MidtransOptions) {
    this.#options = options;
    this.#line = new MidtransLine({ timeoutMs: TIMEOUT_MS, ...options });
    this.wallets = new MidtransWallets(this.#line);
  }

  /**
   * Asked again before a method was chosen, Snap gives a new link and the one before it is void; afterwards it says that
   * the order is taken (Midtrans' documentation, "Re-creating Snap Token"). So there is never a second one to be paid.
   */
  async createPayment(request: PaymentRequest): Promise<PaymentLink> {
    const now = this.#options.clock();
    const expiresAt = Math.min(Math.max(request.expiresAt, now + PAGE_AT_LEAST_MS), now + PAGE_AT_MOST_MS);
    const answer = await this.#line.createTransaction({
      ...this.#order(request),
      ...(this.#options.methods.length === 0 ? {} : { enabled_payments: this.#options.methods }),
      ...expiry(now, expiresAt),
      callbacks: { finish: request.returnUrl },
      gopay: { enable_callback: true, callback_url: request.returnUrl },
      shopeepay: { callback_url: request.returnUrl },
      ...(request.save === null
        ? { credit_card: { secure: true } }
        : { credit_card: { secure: true, save_card: true }, user_id: request.save.customerRef }),
    });
    const { token, redirect_url } = answer.body;
    if (answer.code < 300 && typeof token === 'string' && isWebAddress(redirect_url)) {
      return { url: redirect_url, gatewayId: token, expiresAt };
    }
    throw this.#refusal(answer);
  }

  async truthOf({ orderId }: { readonly orderId: string }): Promise<GatewayTruth> {
    const status = await this.#status(orderId);
    return status === null ? UNKNOWN : truthFrom(status);
  }

  async close({ orderId }: { readonly orderId: string }): Promise<boolean> {
    const cancelled = await this.#line.cancel(orderId);
    if (cancelled.code === 200 || cancelled.code === 407) return true;
    if (cancelled.code === 404) return this.#voidLink(orderId);
    // 412: it stands in a way that cannot be cancelled, which may be just as closed.
    const { state } = await this.truthOf({ orderId });
    return state === 'cancelled' || state === 'expired' || state === 'failed';
  }

  /** Where money is only captured as yet there is nothing to refund: Midtrans wants it cancelled. */
  async refund(order: Parameters<Gateway['refund']>[0]): Promise<void> {
    const status = await this.#status(order.orderId);
    if (status === null) throw new GatewayRefusal('refused', 'Midtrans knows no such payment');
    if (wasRefunded(status, order.key)) return;
    const { payment_type, transaction_status } = status;
    const truth = truthFrom(status);
    if (transaction_status === 'capture' && order.amountRupiah === truth.amountRupiah) {
      const cancelled = await this.#line.cancel(order.orderId);
      if (cancelled.code !== 200) throw this.#refusal(cancelled);
      return;
    }
    const asked = { refund_key: order.key, amount: order.amountRupiah, reason: order.reason.slice(0, 255) };
    const first = DIRECT.has(String(payment_type)) ? 'refundDirect' : 'refund';
    const answer = await this.#line[first](order.orderId, asked);
    if (answer.code < 300) return;
    // Asked with this key before, by somebody who did not hear the answer.
    const after = await this.#status(order.orderId);
    if (after === null || !wasRefunded(after, order.key)) throw this.#refusal(answer);
  }

  /**
   * A card without 3-D Secure: the company's acquirer has to allow it ("recurring MID"). GoPay without its PIN: Midtrans has to;
   * where it does not, the charge stays pending.
   */
  async charge(request: PaymentRequest & { readonly token: string }): Promise<void> {
    const { orderId, token, returnUrl } = request;
    const account = accountOfToken(token);
    const paidBy =
      account === null
        ? { payment_type: 'credit_card', credit_card: { token_id: token } }
        : await this.wallets.payingBy(account, returnUrl);
    const key = createHash('sha256').update(`charge ${orderId}`).digest('hex').slice(0, 36);
    const answer = await this.#line.charge({ ...this.#order(request), ...paidBy }, key);
    // 406: an attempt before this one arrived. 202: refused by the bank, which the truth says too.
    if (answer.code >= 400 && answer.code !== 406) throw this.#refusal(answer);
  }

  /** Asks for an order that cannot be. */
  async test(): Promise<string | null> {
    try {
      const probe = `gerbang-test-${this.#options.clock()}`;
      const { code } = await this.#line.status(probe);
      return code === 404 ? null : say`Midtrans answers, but not as it should (${code})`;
    } catch (error) {
      if (error instanceof GatewayRefusal) {
        return this.#options.production
          ? say`Midtrans does not accept the server key; production is on: is it the key of production?`
          : say`Midtrans does not accept the server key; production is off: is it the key of the sandbox?`;
      }
      if (error instanceof Unavailable) return say`Midtrans cannot be reached, or gives no usable answer`;
      throw error;
    }
  }

  readEvent(_headers: Readonly<Record<string, string | undefined>>, raw: Buffer): ReadEvent {
    const event = fieldsOf(raw.toString('utf8'));
    if (event === null) return { verified: false, orderId: null, status: null };
    return {
      verified: isSigned(event, this.#options.serverKey),
      orderId: orderOf(event),
      status: textOf(event.transaction_status),
      saved: savedFrom(event),
    };
  }

  /** Null for an order that is not known. */
  async #status(orderId: string): Promise<Fields | null> {
    if (!canBeAsked(orderId)) return null;
    const { code, body } = await this.#line.status(orderId);
    // A proxy's 404 is no word of Midtrans.
    if (code === 404 && textOf(body.status_code) !== null) return null;
    if (textOf(body.transaction_status) === null || textOf(body.transaction_id) === null) {
      throw new Unavailable(`Midtrans gave no usable answer (a status, ${code})`);
    }
    // By its own number it is asked for only by mistake; whose order that is cannot be seen from it.
    if (orderId === body.transaction_id) return null;
    // With DANA and some banks `order_id` has the gateway's own number in it (midtrans-php issues 113, 121).
    if (body.order_id !== orderId && body.order_id !== body.transaction_id) {
      throw new Unavailable('Midtrans answered about another order');
    }
    return body;
  }

  #order({ orderId, amountRupiah, description, customer }: PaymentRequest): Fields {
    return {
      transaction_details: { order_id: orderId, gross_amount: amountRupiah },
      item_details: [{ id: 'total', price: amountRupiah, quantity: 1, name: shortened(description, 50) }],
      customer_details: {
        first_name: shortened(customer.name, 100),
        ...(customer.phone === null ? {} : { phone: customer.phone }),
      },
      // Comes back with the event, also where its `order_id` does not.
      custom_field1: orderId,
    };
  }

  /**
   * A link of which no method was chosen is known to Snap only; it becomes void when another one is made for its order
   * (Midtrans' FAQ, "Can I revoke or cancel an active Snap Token"). Nobody learns that other one.
   */
  async #voidLink(orderId: string): Promise<boolean> {
    const now = this.#options.clock();
    const answer = await this.#line.createTransaction({
      transaction_details: { order_id: orderId, gross_amount: ANY_AMOUNT },
      ...expiry(now, now + PAGE_AT_LEAST_MS),
    });
    if (answer.code < 300) return true;
    if (!isTaken(answer)) throw this.#refusal(answer);
    return (await this.#line.cancel(orderId)).code === 200;
  }

  #refusal(answer: MidtransAnswer): GatewayRefusal {
    return new GatewayRefusal(
      isTaken(answer) ? 'order-taken' : 'refused',
      `Midtrans refuses: ${this.#line.wordsOf(answer)} (${answer.code})`,
    );
  }
}

/** Snap's limits for its page (docs.midtrans.com, Expire a Snap Session). */
const PAGE_AT_LEAST_MS = 5 * MINUTE;
const PAGE_AT_MOST_MS = 7 * DAY;
const ANY_AMOUNT = 10_000;

/** Of these the refund goes to the provider at once (docs.midtrans.com, Direct Refund Transaction). */
const DIRECT = new Set(['gopay', 'qris', 'shopeepay', 'akulaku', 'kredivo']);

/** Without a beginning the time of a method would only run from when it was chosen. */
function expiry(now: number, expiresAt: number): Fields {
  const duration = Math.floor((expiresAt - now) / MINUTE);
  return {
    expiry: { start_time: wibText(now), unit: 'minute', duration },
    page_expiry: { duration, unit: 'minute' },
  };
}

const isTaken = ({ code, body }: MidtransAnswer): boolean =>
  code === 406 || /order_id.*(sudah digunakan|already)/i.test(JSON.stringify(body.error_messages ?? ''));

const wasRefunded = ({ refunds }: Fields, key: string): boolean =>
  Array.isArray(refunds) && refunds.some((one) => isFields(one) && one.refund_key === key);

/** Over the texts as they were received: `10000.00` is not `10000`. */
function isSigned({ order_id, status_code, gross_amount, signature_key }: Fields, serverKey: string): boolean {
  if (![order_id, status_code, gross_amount, signature_key].every((one) => typeof one === 'string')) return false;
  const given = String(signature_key).toLowerCase();
  if (!/^[0-9a-f]{128}$/.test(given)) return false;
  const expected = createHash('sha512').update(`${order_id}${status_code}${gross_amount}${serverKey}`).digest('hex');
  return sameSecret(given, expected);
}

function orderOf({ order_id, transaction_id, custom_field1 }: Fields): string | null {
  return order_id === transaction_id ? textOf(custom_field1) : textOf(order_id);
}

const shortened = (text: string, most: number): string => [...text].slice(0, most).join('');
