import { randomBytes, randomUUID } from 'node:crypto';
import {
  type Answer,
  type Asked,
  type Delivery,
  escaped,
  GatewayWeb,
  json,
  page,
  redirect,
} from '#test/world/gateway-web';

export type XenditOptions = {
  readonly apiKey: string;
  readonly callbackToken: string;
  /** Where events of invoices go; none is sent while it is null. */
  readonly webhookUrl?: string | null;
  readonly port?: number;
  /** How many times faster than Xendit it repeats events: its pauses are 15, 45, 120, 180, 360 and 720 minutes. */
  readonly hurry?: number;
  /** How long it waits for an answer to an event. */
  readonly patienceMs?: number;
  readonly clock?: () => number;
};

export type XenditInvoice = {
  readonly id: string;
  readonly externalId: string;
  readonly amount: number;
  readonly currency: string;
  status: 'PENDING' | 'PAID' | 'SETTLED' | 'EXPIRED';
  readonly createdAt: number;
  expiresAt: number;
  readonly returnTo: { readonly success: string | null; readonly failure: string | null };
  readonly methods: readonly string[];
  paidAmount: number | null;
  paidAt: number | null;
  channel: string | null;
  readonly asked: Readonly<Record<string, unknown>>;
};

type Refund = {
  readonly id: string;
  readonly invoice_id: string;
  readonly reference_id: string;
  readonly amount: number;
  readonly currency: string;
  status: 'SUCCEEDED' | 'PENDING' | 'FAILED';
};

const PAUSES_MIN = [15, 45, 120, 180, 360, 720];
const METHODS = ['BCA', 'BRI', 'QRIS', 'OVO', 'DANA', 'ALFAMART', 'CREDIT_CARD'];
/** These can give money back by themselves. */
const REFUNDABLE = ['OVO', 'DANA', 'CREDIT_CARD', 'QRIS'];

/** On the loopback. `XENDIT_BASE_URL` is its `url`. */
export async function startXendit(options: XenditOptions): Promise<Xendit> {
  const xendit = new Xendit(options);
  await xendit.start(options.port);
  return xendit;
}

/**
 * Xendit as the unmodified client library and a customer's browser see it (docs.xendit.co): invoices with their page, which
 * it takes twice for one external id, refunds, and events with the one token, repeated after a wrong answer but never after
 * no answer. What it tells of itself goes to `on('event')`.
 */
export class Xendit extends GatewayWeb {
  webhookUrl: string | null;
  readonly refunds: Refund[] = [];
  /** A refund is only promised at first. */
  slowRefunds = false;
  /** What the key may not do. */
  forbidden: readonly ('invoices' | 'refunds')[] = [];
  readonly #options: XenditOptions;
  readonly #invoices: XenditInvoice[] = [];
  readonly #answered = new Map<string, Answer>();
  #instead: (asked: Asked) => object | null = () => null;

  constructor(options: XenditOptions) {
    super();
    this.#options = options;
    this.webhookUrl = options.webhookUrl ?? null;
  }

  /** All of that external id, newest first. */
  invoicesOf(externalId: string): readonly XenditInvoice[] {
    return this.#invoices.filter((one) => one.externalId === externalId).toReversed();
  }

  /** The newest of that external id. */
  invoice(externalId: string): XenditInvoice {
    const [newest] = this.invoicesOf(externalId);
    if (newest === undefined) throw new Error(`Xendit knows no invoice ${externalId}`);
    return newest;
  }

  /** The money is there, also when the invoice had expired ("paid after expiry"). */
  pay(externalId: string, channel = 'BCA', more: { amount?: number; notify?: boolean } = {}): void {
    const invoice = this.invoice(externalId);
    Object.assign(invoice, { paidAmount: more.amount ?? invoice.amount, paidAt: this.#now(), channel });
    this.become(externalId, 'PAID', more.notify);
  }

  become(externalId: string, status: XenditInvoice['status'], notify = true): void {
    this.invoice(externalId).status = status;
    this.tell('up', '', `Xendit: ${externalId} is ${status}`);
    if (notify) this.notify(externalId);
  }

  /** Xendit takes an external id twice: another invoice for what somebody asked for already. */
  duplicate(externalId: string): void {
    const first = this.invoice(externalId);
    this.#invoices.push({ ...first, id: randomBytes(12).toString('hex'), status: 'PENDING', paidAt: null });
  }

  /** As a day later: what was asked under a key can be asked again. */
  forgetKeys(): void {
    this.#answered.clear();
  }

  /** JSON to answer with instead; null = as it should. */
  answerFor(of: (asked: Asked) => object | null): void {
    this.#instead = of;
  }

  /** Sends an event of now, or of another state: twice, late or out of order, as the network likes it. */
  notify(externalId: string, as?: XenditInvoice['status']): Delivery | null {
    if (this.webhookUrl === null) return null;
    const body = JSON.stringify(eventOf({ ...this.invoice(externalId), ...(as === undefined ? {} : { status: as }) }));
    const { hurry = 45_000, patienceMs = 30_000, callbackToken } = this.#options;
    const rule = (status: number | null, attempts: number) => {
      // Without an answer in 30 s it is never repeated by itself.
      const over = status === null || (status >= 200 && status < 300) || attempts > PAUSES_MIN.length;
      return over ? null : (PAUSES_MIN[attempts - 1]! * 60_000) / hurry;
    };
    const headers = { 'x-callback-token': callbackToken, 'webhook-id': randomUUID() };
    const sent = this.send(this.webhookUrl, headers, body, rule, patienceMs);
    void sent.done.then(() => this.tell('up', '', `Xendit: told of ${externalId}, ${sent.attempts.at(-1)?.status}`));
    return sent;
  }

  /** Where the customer pays. */
  linkOf(externalId: string): string {
    return this.#linkOf(this.invoice(externalId));
  }

  #linkOf({ id }: XenditInvoice): string {
    return `${this.url}/web/${id}`;
  }

  #now(): number {
    return (this.#options.clock ?? Date.now)();
  }

  protected override answerTo(asked: Asked): Answer {
    const [, room, ...rest] = asked.path.split('/').map(decodeURIComponent);
    if (room === 'web') return this.#page(asked, rest[0] ?? '');
    const basic = `Basic ${Buffer.from(`${this.#options.apiKey}:`).toString('base64')}`;
    if (asked.headers.authorization !== basic) return refused(401, 'INVALID_API_KEY', 'API key is invalid');
    const instead = this.#instead(asked);
    if (instead !== null) return json(200, instead);
    const isRefund = room === 'refunds';
    if (this.forbidden.includes(isRefund ? 'refunds' : 'invoices')) {
      return refused(403, 'REQUEST_FORBIDDEN_ERROR', 'API key in use does not have necessary permissions');
    }
    if (isRefund) return asked.method === 'POST' ? this.#repeatable(asked) : this.#listRefunds(asked);
    const [, id] = room === 'v2' ? rest : ['', rest[0]];
    if (asked.method === 'POST' && room === 'invoices' && rest[1] === 'expire!') return this.#expire(id ?? '');
    if (asked.method === 'POST') return this.#create(asked);
    if (id === undefined || id === '') return this.#list(asked);
    const invoice = this.#invoices.find((one) => one.id === id);
    return invoice === undefined ? notFound() : json(200, this.#shown(invoice));
  }

  /** No two are one here: Xendit does not promise that. */
  #create(asked: Asked): Answer {
    const given = JSON.parse(asked.body);
    const faults = [
      ...(typeof given.external_id === 'string' && given.external_id !== '' ? [] : ['external_id is required']),
      ...(typeof given.amount === 'number' && given.amount > 0 ? [] : ['amount must be a number']),
      ...(given.invoice_duration === undefined || typeof given.invoice_duration === 'number'
        ? []
        : ['invoice_duration must be a number']),
    ];
    if (faults.length > 0) return refused(400, 'API_VALIDATION_ERROR', faults.join('; '));
    const invoice: XenditInvoice = {
      id: randomBytes(12).toString('hex'),
      externalId: given.external_id,
      amount: given.amount,
      currency: given.currency ?? 'IDR',
      status: 'PENDING',
      createdAt: this.#now(),
      expiresAt: this.#now() + (given.invoice_duration ?? 86_400) * 1000,
      returnTo: { success: given.success_redirect_url ?? null, failure: given.failure_redirect_url ?? null },
      methods: given.payment_methods ?? METHODS,
      paidAmount: null,
      paidAt: null,
      channel: null,
      asked: given,
    };
    this.#invoices.push(invoice);
    this.tell('up', '', `Xendit: an invoice for ${invoice.externalId}`);
    return json(200, this.#shown(invoice));
  }

  #list({ query }: Asked): Answer {
    const statuses = query.getAll('statuses');
    const externalId = query.get('external_id');
    const found = this.#invoices
      .filter((one) => externalId === null || one.externalId === externalId)
      .filter((one) => statuses.length === 0 || statuses.includes(one.status))
      .toReversed()
      .slice(0, Number(query.get('limit') ?? 10));
    return json(
      200,
      found.map((one) => this.#shown(one)),
    );
  }

  #expire(id: string): Answer {
    const invoice = this.#invoices.find((one) => one.id === id);
    if (invoice === undefined) return notFound();
    if (invoice.status !== 'PENDING') {
      return refused(400, 'INVALID_INVOICE_STATUS_ERROR', 'Invoice is not pending and cannot be expired');
    }
    this.become(invoice.externalId, 'EXPIRED');
    return json(200, this.#shown(invoice));
  }

  /** What came under a key is answered again; the same key with another body is refused. */
  #repeatable(asked: Asked): Answer {
    const key = String(asked.headers['idempotency-key'] ?? randomUUID());
    const before = this.#answered.get(key);
    if (before !== undefined) return before;
    const answer = this.#refund(JSON.parse(asked.body));
    if (answer.status < 300) this.#answered.set(key, answer);
    return answer;
  }

  #refund(given: Record<string, unknown>): Answer {
    const invoice = this.#invoices.find((one) => one.id === given.invoice_id);
    if (invoice === undefined) return notFound();
    if (invoice.paidAmount === null || !REFUNDABLE.includes(invoice.channel!)) {
      return refused(400, 'INELIGIBLE_TRANSACTION', 'The transaction is not eligible for refund');
    }
    const amount = Number(given.amount);
    const back = this.refunds.filter((one) => one.invoice_id === invoice.id && one.status !== 'FAILED');
    if (back.reduce((sum, one) => sum + one.amount, amount) > invoice.paidAmount) {
      return refused(400, 'MAXIMUM_REFUND_AMOUNT_REACHED', 'The refund amount is more than what is left');
    }
    const refund: Refund = {
      id: `rfd-${randomUUID()}`,
      invoice_id: invoice.id,
      reference_id: String(given.reference_id),
      amount,
      currency: String(given.currency),
      status: this.slowRefunds ? 'PENDING' : 'SUCCEEDED',
    };
    this.refunds.push(refund);
    this.tell('up', '', `Xendit: ${amount} of ${invoice.externalId} go back`);
    return json(200, refund);
  }

  #listRefunds({ query }: Asked): Answer {
    const data = this.refunds.filter((one) => one.invoice_id === query.get('invoice_id'));
    return json(200, { data, has_more: false });
  }

  #page(asked: Asked, id: string): Answer {
    const invoice = this.#invoices.find((one) => one.id === id);
    if (invoice === undefined || invoice.status === 'EXPIRED' || invoice.expiresAt <= this.#now()) {
      return page(410, 'Tagihan tidak tersedia', '<p>Tautan ini tidak berlaku lagi.</p>');
    }
    const { externalId, status, amount, methods, returnTo } = invoice;
    if (status !== 'PENDING') return page(200, 'Xendit (tiruan)', `<p>${escaped(externalId)} sudah dibayar.</p>`);
    if (asked.method === 'POST') {
      const form = new URLSearchParams(asked.body);
      const pays = form.get('act') === 'pay';
      if (pays) this.pay(externalId, form.get('method') ?? methods[0]!);
      const to = pays ? returnTo.success : returnTo.failure;
      return to === null ? page(200, 'Xendit (tiruan)', `<p>${pays ? 'Lunas' : 'Gagal'}</p>`) : redirect(to);
    }
    const options = methods.map((one) => `<option>${escaped(one)}</option>`).join('');
    return page(
      200,
      'Xendit (tiruan)',
      `<p>${escaped(externalId)}: <strong>Rp ${amount.toLocaleString('id-ID')}</strong></p><form method="post">
<label>Cara bayar <select name="method">${options}</select></label><button name="act" value="pay">Bayar</button>
<button name="act" value="fail">Gagalkan</button></form>`,
    );
  }

  /** With all the lists that the library insists on. */
  #shown(invoice: XenditInvoice): Record<string, unknown> {
    return {
      ...eventOf(invoice),
      merchant_profile_picture_url: 'https://example.net/logo.png',
      expiry_date: iso(invoice.expiresAt),
      invoice_url: this.#linkOf(invoice),
      available_banks: [],
      available_retail_outlets: [],
      available_ewallets: [],
      available_qr_codes: [],
      available_direct_debits: [],
      available_paylaters: [],
      should_exclude_credit_card: false,
      should_send_email: false,
    };
  }
}

/** What an invoice and an event about it have in common. */
function eventOf(invoice: XenditInvoice): Record<string, unknown> {
  const { id, externalId, amount, currency, status, createdAt, paidAmount, paidAt, channel } = invoice;
  const paid =
    paidAt === null
      ? {}
      : {
          paid_amount: paidAmount,
          paid_at: iso(paidAt),
          payment_method: channel === 'CREDIT_CARD' ? 'CREDIT_CARD' : 'BANK_TRANSFER',
          payment_channel: channel,
          payment_id: `py-${id}`,
        };
  return {
    id,
    external_id: externalId,
    user_id: '5781d19b2e2385880609791c',
    status,
    merchant_name: 'Gerbang',
    amount,
    currency,
    created: iso(createdAt),
    updated: iso(paidAt ?? createdAt),
    ...paid,
  };
}

const refused = (status: number, error_code: string, message: string): Answer => json(status, { error_code, message });
const notFound = (): Answer => refused(404, 'INVOICE_NOT_FOUND_ERROR', 'Invoice is not found');
const iso = (at: number): string => new Date(at).toISOString();
