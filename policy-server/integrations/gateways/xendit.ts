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
import { DAY, SECOND } from '#domain/time';
import {
  type Fields,
  fieldsOf,
  isFields,
  sameSecret,
  textOf,
  UNKNOWN,
  wholeRupiah,
} from '#integrations/gateways/reading';
import { type XenditAnswer, XenditLine } from '#integrations/gateways/xendit-line';

export type XenditOptions = {
  /** The secret API key; whether it is of the test or the live mode is in it. */
  readonly apiKey: string;
  readonly callbackToken: string;
  /** Ways to pay on the invoice (`payment_methods`); empty = all that the company has. */
  readonly methods: readonly string[];
  readonly clock: Clock;
  /** Instead of Xendit. */
  readonly baseUrl: string | null;
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 10 * SECOND;
const SHORTEST_SECONDS = 60;
const LONGEST_SECONDS = (365 * DAY) / SECOND;

/** Xendit: its Invoice API (payment links) and refunds. It keeps no card for us: the Invoice API has no such thing. */
export function openXendit(options: XenditOptions): Gateway {
  return new Xendit(options);
}

type Order = { readonly orderId: string; readonly gatewayId: string | null };

class Xendit implements Gateway {
  readonly name = 'xendit';
  readonly #options: XenditOptions;
  readonly #line: XenditLine;
  /** Per order one after another: between the look for a first link and a new one nobody may come. */
  readonly #creating = new Map<string, Promise<PaymentLink>>();

  constructor(options: XenditOptions) {
    this.#options = options;
    this.#line = new XenditLine({ timeoutMs: TIMEOUT_MS, ...options });
  }

  async createPayment(request: PaymentRequest): Promise<PaymentLink> {
    const { orderId } = request;
    const before = this.#creating.get(orderId) ?? Promise.resolve();
    const turn = before.then(
      () => this.#findOrCreate(request),
      () => this.#findOrCreate(request),
    );
    this.#creating.set(orderId, turn);
    try {
      return await turn;
    } finally {
      if (this.#creating.get(orderId) === turn) this.#creating.delete(orderId);
    }
  }

  async truthOf(order: Order): Promise<GatewayTruth> {
    const invoice = await this.#find(order);
    if (invoice === null) return UNKNOWN;
    const truth = truthFrom(invoice);
    if (truth.state !== 'paid' || truth.gatewayRef === null || truth.amountRupiah === null) return truth;
    const refundedRupiah = await this.#refunded(truth.gatewayRef);
    if (refundedRupiah === 0) return truth;
    return { ...truth, refundedRupiah, state: refundedRupiah < truth.amountRupiah ? 'partly-refunded' : 'refunded' };
  }

  async close(order: Order): Promise<boolean> {
    const open = (await this.#all(order)).filter(({ status }) => status === 'PENDING');
    for (const { id } of open) {
      const answer = await this.#line.expire(String(id));
      if (answer.status === 403) throw this.#refusal(answer);
    }
    // A refusal may mean that somebody paid this moment.
    const now = await this.#all(order);
    return now.every(({ status }) => status === 'EXPIRED');
  }

  async refund({ gatewayRef, key, amountRupiah, reason }: Parameters<Gateway['refund']>[0]): Promise<void> {
    // Xendit forgets an idempotency key some day; what was given back it does not forget.
    if ((await this.#refundsOf(gatewayRef)).some((one) => one.reference_id === key && isAlive(one))) return;
    const answer = await this.#line.createRefund(
      {
        invoiceId: gatewayRef,
        referenceId: key,
        amount: amountRupiah,
        currency: 'IDR',
        reason: 'REQUESTED_BY_CUSTOMER',
        metadata: { reason: reason.slice(0, 255) },
      },
      key,
    );
    if (answer.status < 300) return;
    if ((await this.#refundsOf(gatewayRef)).some((one) => one.reference_id === key && isAlive(one))) return;
    throw this.#refusal(answer);
  }

  async charge(): Promise<never> {
    throw new GatewayRefusal('refused', 'Xendit keeps no card or wallet for payment links');
  }

  /** Asks for an invoice, whichever: that is what the key has to be good for. */
  async test(): Promise<string | null> {
    try {
      const answer = await this.#line.anyInvoice();
      if (answer.status === 200 && Array.isArray(answer.body)) return null;
      if (answer.status === 403) return say`Xendit knows the API key, but it lacks the permission for invoices (write)`;
      return say`Xendit answers, but not as it should (${answer.status})`;
    } catch (error) {
      if (error instanceof GatewayRefusal) return say`Xendit does not accept the API key`;
      if (error instanceof Unavailable) return say`Xendit cannot be reached, or gives no usable answer`;
      throw error;
    }
  }

  /** The token is the same for all events and says nothing of the body: that is a hint and no more. */
  readEvent(headers: Readonly<Record<string, string | undefined>>, raw: Buffer): ReadEvent {
    const verified = sameSecret(headers['x-callback-token'] ?? '', this.#options.callbackToken);
    const event = fieldsOf(raw.toString('utf8'));
    // Events of other kinds, such as of a refund, have `event` and `data` and no order of ours.
    const orderId = textOf(event?.external_id);
    return { verified, orderId, status: textOf(event?.status) ?? textOf(event?.event) };
  }

  /** No source says that Xendit takes an order id once only, and it knows no key for a repetition: so we look first. */
  async #findOrCreate(request: PaymentRequest): Promise<PaymentLink> {
    const { orderId, amountRupiah, description, customer, expiresAt, returnUrl } = request;
    const known = await this.#all({ orderId, gatewayId: null });
    if (known.length > 0) return sameLink(known, request, this.#options.clock());
    const seconds = Math.ceil((expiresAt - this.#options.clock()) / SECOND);
    const { methods } = this.#options;
    const answer = await this.#line.createInvoice({
      externalId: orderId,
      amount: amountRupiah,
      currency: 'IDR',
      description: description.slice(0, 250),
      invoiceDuration: Math.min(Math.max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS),
      // Without an address or number Xendit sends the link to nobody.
      customer: { givenNames: customer.name.slice(0, 100) },
      shouldSendEmail: false,
      successRedirectUrl: returnUrl,
      failureRedirectUrl: returnUrl,
      ...(methods.length === 0 ? {} : { paymentMethods: [...methods] }),
    });
    const link = answer.status < 300 && isFields(answer.body) ? linkOf(answer.body, expiresAt) : null;
    if (link === null) throw this.#refusal(answer);
    return link;
  }

  async #find(order: Order): Promise<Fields | null> {
    const all = await this.#all(order);
    const paid = all.filter(({ status }) => isPaid(status));
    return paid[0] ?? all.find(({ status }) => status === 'PENDING') ?? all[0] ?? null;
  }

  /** By its own id where that is known; newest first. */
  async #all({ orderId, gatewayId }: Order): Promise<readonly Fields[]> {
    if (gatewayId !== null) {
      const answer = await this.#line.invoice(gatewayId);
      if (answer.status === 200) return [this.#ofOrder(answer.body, orderId)];
      if (answer.status !== 404) throw this.#refusal(answer);
    }
    const answer = await this.#line.invoicesOf(orderId);
    if (answer.status !== 200 || !Array.isArray(answer.body)) throw this.#refusal(answer);
    return answer.body.map((one) => this.#ofOrder(one, orderId));
  }

  #ofOrder(invoice: unknown, orderId: string): Fields {
    if (!isFields(invoice) || textOf(invoice.id) === null || textOf(invoice.status) === null) {
      throw new Unavailable('Xendit gave no usable answer (an invoice)');
    }
    if (invoice.external_id !== orderId) throw new Unavailable('Xendit answered about another order');
    return invoice;
  }

  async #refundsOf(invoiceId: string): Promise<readonly Fields[]> {
    const answer = await this.#line.refundsOf(invoiceId);
    // A key that may not read refunds must not keep payments from being seen.
    if (answer.status === 403 || answer.status === 404) return [];
    const list = isFields(answer.body) ? answer.body.data : null;
    if (answer.status !== 200 || !Array.isArray(list)) throw this.#refusal(answer);
    return list.filter(isFields);
  }

  async #refunded(invoiceId: string): Promise<number> {
    const done = (await this.#refundsOf(invoiceId)).filter(({ status }) => status === 'SUCCEEDED');
    return done.reduce((sum, { amount }) => sum + (wholeRupiah(amount) ?? 0), 0);
  }

  #refusal(answer: XenditAnswer): Error {
    if (answer.status < 300) return new Unavailable('Xendit gave no usable answer');
    const code = answer.status === 403 ? 'keys' : 'refused';
    return new GatewayRefusal(code, `Xendit refuses: ${this.#line.wordsOf(answer)} (${answer.status})`);
  }
}

/** An invoice as Xendit gives it (docs.xendit.co, Get invoice): what was paid counts, not what was asked. */
function truthFrom(invoice: Fields): GatewayTruth {
  const { id, status, amount, paid_amount, paid_at, currency, payment_method, payment_channel } = invoice;
  const at = Date.parse(textOf(paid_at) ?? '');
  return {
    ...UNKNOWN,
    state: stateOf(status),
    gatewayRef: textOf(id),
    amountRupiah: wholeRupiah(paid_amount ?? amount),
    currency: textOf(currency) ?? 'IDR',
    paidAt: Number.isNaN(at) ? null : at,
    method: textOf(payment_channel) ?? textOf(payment_method),
    feeRupiah: wholeRupiah(invoice.fees_paid_amount),
  };
}

const isPaid = (status: unknown): boolean => status === 'PAID' || status === 'SETTLED';

function stateOf(status: unknown): GatewayTruth['state'] {
  if (isPaid(status)) return 'paid';
  if (status === 'PENDING') return 'pending';
  // What is not known never counts as paid.
  return status === 'EXPIRED' ? 'expired' : 'review';
}

const isAlive = ({ status }: Fields): boolean => status !== 'FAILED' && status !== 'CANCELLED';

/** The link of before, if it can still be paid and asks for the same. */
function sameLink(known: readonly Fields[], request: PaymentRequest, now: number): PaymentLink {
  for (const invoice of known) {
    if (invoice.status !== 'PENDING' || wholeRupiah(invoice.amount) !== request.amountRupiah) continue;
    const link = linkOf(invoice, request.expiresAt);
    if (link !== null && link.expiresAt > now) return link;
  }
  throw new GatewayRefusal('order-taken', `Xendit has invoices of ${request.orderId} already, none to be paid`);
}

function linkOf({ id, invoice_url, expiry_date }: Fields, expiresAt: number): PaymentLink | null {
  const gatewayId = textOf(id);
  const url = textOf(invoice_url);
  if (gatewayId === null || url === null || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return null;
  const until = Date.parse(textOf(expiry_date) ?? '');
  return { url, gatewayId, expiresAt: Number.isNaN(until) ? expiresAt : until };
}
