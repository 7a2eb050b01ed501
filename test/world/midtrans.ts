import { randomUUID } from 'node:crypto';
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
import { accountNotification, core, GopayAccounts } from '#test/world/midtrans-accounts';
import {
  cents,
  type MidtransOrder,
  type MidtransStatus,
  newOrder,
  notificationOf,
  statusOf,
} from '#test/world/midtrans-orders';

export type { MidtransOrder, MidtransStatus } from '#test/world/midtrans-orders';

export type MidtransOptions = {
  readonly serverKey: string;
  /** Where notifications go (the dashboard's "Payment Notification URL"); none is sent while it is null. */
  readonly notificationUrl?: string | null;
  readonly port?: number;
  /** How many times faster than Midtrans it repeats notifications: its pauses are 2, 10, 30, 90 and 210 minutes. */
  readonly hurry?: number;
  /** How long it waits for an answer to a notification. */
  readonly patienceMs?: number;
  readonly clock?: () => number;
};

const PAUSES_MIN = [2, 10, 30, 90, 210];

/** On the loopback. `MIDTRANS_BASE_URL` is its `url`. */
export async function startMidtrans(options: MidtransOptions): Promise<Midtrans> {
  const midtrans = new Midtrans(options);
  await midtrans.start(options.port);
  return midtrans;
}

/**
 * Midtrans as the unmodified client library and a customer's browser see it (docs.midtrans.com): Snap with its page, the
 * status that is not there until a method is chosen, notifications signed and repeated, refunds, cancellations, charges of a
 * kept card or a linked GoPay, and what it does out of order. What it tells of itself goes to `on('event')`.
 */
export class Midtrans extends GatewayWeb {
  notificationUrl: string | null;
  /** GoPay, as far as it is linked to the merchant. */
  readonly gopay = new GopayAccounts({
    url: () => this.url,
    changed: (account) => {
      this.tell('up', '', `Midtrans: GoPay of ${account.phone} is ${account.status}`);
      this.#post(account.id, accountNotification(account, this.#options.serverKey));
    },
  });
  readonly #options: MidtransOptions;
  readonly #orders = new Map<string, MidtransOrder>();
  readonly #answered = new Map<string, Answer>();
  readonly #altered = new Map<string, { fields: Readonly<Record<string, unknown>>; type: string }>();

  constructor(options: MidtransOptions) {
    super();
    this.#options = options;
    this.notificationUrl = options.notificationUrl ?? null;
  }

  orders(): readonly MidtransOrder[] {
    return [...this.#orders.values()];
  }

  order(orderId: string): MidtransOrder {
    const order = this.#orders.get(orderId);
    if (order === undefined) throw new Error(`Midtrans knows no order ${orderId}`);
    return order;
  }

  /** The customer chooses how to pay, and has not paid yet. */
  choose(orderId: string, method = 'bank_transfer', notify = true): void {
    const order = this.order(orderId);
    order.method = method;
    order.transactionId = randomUUID();
    order.chosenAt = this.#now();
    this.become(orderId, 'pending', { notify });
  }

  /** The money is there; whatever stood in the way, as with a virtual account that is paid late. */
  pay(orderId: string, method?: string, notify = true): void {
    const order = this.order(orderId);
    if (order.method === null || method !== undefined) this.choose(orderId, method, notify);
    order.settledAt = this.#now();
    this.become(orderId, order.method === 'credit_card' ? 'capture' : 'settlement', { notify });
  }

  /** Any state, such as `deny` after `settlement` (Permata, Mandiri and Indomaret do that). */
  become(
    orderId: string,
    status: MidtransStatus,
    more: { notify?: boolean; fraud?: MidtransOrder['fraud'] } = {},
  ): void {
    const order = this.order(orderId);
    order.status = status;
    if (more.fraud !== undefined) order.fraud = more.fraud;
    this.tell('up', '', `Midtrans: ${orderId} is ${status}`);
    if (more.notify !== false) this.notify(orderId);
  }

  /** Money goes back by Midtrans' own hand. */
  giveBack(orderId: string, amount: number, key: string = randomUUID()): void {
    this.#refund(this.order(orderId), amount, key, 'by Midtrans');
  }

  /** The status is told with other fields than it should, or as another type of content. */
  answerWith(orderId: string, fields: Readonly<Record<string, unknown>>, type = 'application/json'): void {
    this.#altered.set(orderId, { fields, type });
  }

  /** Sends a notification of now, or of another state: twice, late or out of order, as the network likes it. */
  notify(orderId: string, as?: MidtransStatus): Delivery | null {
    const order = this.order(orderId);
    return this.#post(orderId, notificationOf(order, as ?? order.status!, this.#options.serverKey));
  }

  #post(about: string, body: string): Delivery | null {
    if (this.notificationUrl === null) return null;
    const { hurry = 6_000, patienceMs = 15_000 } = this.#options;
    const rule = (status: number | null, attempts: number) => {
      if (attempts > retriesFor(status)) return null;
      return (PAUSES_MIN[attempts - 1]! * 60_000) / hurry;
    };
    const headers = { 'user-agent': 'Veritrans' };
    const sent = this.send(this.notificationUrl, headers, body, rule, patienceMs);
    void sent.done.then(() => this.tell('up', '', `Midtrans: told of ${about}, ${sent.attempts.at(-1)?.status}`));
    return sent;
  }

  #now(): number {
    return (this.#options.clock ?? Date.now)();
  }

  protected override answerTo(asked: Asked): Answer {
    const [, room, ...rest] = asked.path.split('/').map(decodeURIComponent);
    if (room === 'snap' && rest[0] === 'v4') return this.#page(asked, rest[2] ?? '');
    if (room === 'gopay') return this.gopay.page(asked, rest[1] ?? '');
    const basic = `Basic ${Buffer.from(`${this.#options.serverKey}:`).toString('base64')}`;
    const isSnap = room === 'snap';
    if (asked.headers.authorization !== basic) {
      const words = 'Transaction cannot be authorized with the current client/server key.';
      return json(
        401,
        isSnap ? { error_messages: ['Access denied, please check client or server key'] } : core(401, words),
      );
    }
    if (isSnap) return this.#create(asked);
    return this.#repeatable(asked, () => this.#core(asked, rest));
  }

  /** What succeeded under a key is answered again without being done again. */
  #repeatable(asked: Asked, work: () => Answer): Answer {
    const key = asked.headers['idempotency-key'];
    if (typeof key !== 'string' || asked.method !== 'POST') return work();
    const before = this.#answered.get(key);
    if (before !== undefined) return before;
    const answer = work();
    if (answer.status < 300) this.#answered.set(key, answer);
    return answer;
  }

  #core(asked: Asked, [id = '', ...act]: readonly string[]): Answer {
    if (asked.method === 'POST' && id === 'charge') return this.#charge(asked);
    if (id === 'pay') return this.gopay.answer(asked, act.slice(1));
    const order = [...this.#orders.values()].find((one) => [one.orderId, one.transactionId].includes(id));
    if (order === undefined || order.status === null) return json(404, core(404, "Transaction doesn't exist."));
    switch (`${asked.method} ${act.join('/')}`) {
      case 'GET status':
        return this.#told(order);
      case 'POST cancel':
        return this.#end(order, 'cancel', ['pending', 'capture', 'authorize']);
      case 'POST expire':
        return this.#end(order, 'expire', ['pending']);
      case 'POST refund':
      case 'POST refund/online/direct':
        return this.#askedRefund(order, JSON.parse(asked.body), act.length > 1);
      default:
        return json(404, core(404, 'The requested resource is not found'));
    }
  }

  #told(order: MidtransOrder): Answer {
    const { fields, type } = this.#altered.get(order.orderId) ?? { fields: {}, type: 'application/json' };
    return { ...json(200, { ...statusOf(order), ...fields }), headers: { 'content-type': type } };
  }

  #end(order: MidtransOrder, to: 'cancel' | 'expire', from: readonly MidtransStatus[]): Answer {
    if (!from.includes(order.status!)) return json(200, core(412, 'Merchant cannot modify status of transaction'));
    this.become(order.orderId, to);
    return json(200, { ...statusOf(order), status_code: to === 'cancel' ? '200' : '407' });
  }

  #askedRefund(order: MidtransOrder, asked: Record<string, unknown>, direct: boolean): Answer {
    const { refund_key: key, amount, reason } = asked as { refund_key: string; amount: number; reason: string };
    const directOnly = ['qris'];
    const neverDirect = ['dana', 'ovo'];
    const never = ['bank_transfer', 'echannel', 'cstore', 'permata'];
    const refused = never.includes(order.method!) || (direct ? neverDirect : directOnly).includes(order.method!);
    if (refused) return json(200, core(412, 'Payment method is not allowed to be refunded by this way'));
    if (!['settlement', 'partial_refund'].includes(order.status!)) {
      return json(200, core(412, 'Transaction status cannot be updated.'));
    }
    if (order.refunds.some((one) => one.refund_key === key)) return json(200, core(406, 'Duplicate refund key'));
    if (amount > left(order)) return json(200, core(414, 'Refund amount is more than the transaction amount'));
    this.#refund(order, amount, key, reason);
    return json(200, { ...statusOf(order), refund_key: key });
  }

  #refund(order: MidtransOrder, amount: number, key: string, reason: string): void {
    order.refunds.push({ refund_key: key, refund_amount: cents(amount), reason });
    this.become(order.orderId, left(order) === 0 ? 'refund' : 'partial_refund');
  }

  #charge(asked: Asked): Answer {
    const { transaction_details: of, payment_type, credit_card: card, gopay, custom_field1 } = JSON.parse(asked.body);
    if (this.#orders.get(of.order_id)?.status != null) {
      return json(406, core(406, 'The request could not be completed due to a conflict: order ID has been used'));
    }
    const isCard = payment_type === 'credit_card';
    const status = isCard ? this.#chargedCard(card.token_id) : this.gopay.chargedBy(gopay, of.gross_amount);
    if (!ENDS.some((end) => end === status)) return json(411, core(411, status));
    const order = newOrder({ orderId: of.order_id, amount: of.gross_amount, customField1: custom_field1 ?? null });
    Object.assign(order, { method: payment_type, transactionId: randomUUID(), chosenAt: this.#now() });
    this.#orders.set(order.orderId, order);
    this.become(order.orderId, status as MidtransStatus);
    return json(200, statusOf(order));
  }

  #chargedCard(token: string): MidtransStatus | string {
    const known = this.orders().some((one) => notificationOf(one, 'capture', '').includes(`"${token}"`));
    if (!known) return 'Credit card token is no longer available. Please create a new one.';
    return this.refusesCards ? 'deny' : 'capture';
  }

  /** Charges of a kept card are denied by the bank. */
  refusesCards = false;

  #create(asked: Asked): Answer {
    const request = JSON.parse(asked.body);
    const { order_id: orderId, gross_amount: amount } = request.transaction_details ?? {};
    const faults = snapFaults(request);
    if (this.#orders.get(orderId)?.status != null) faults.push('transaction_details.order_id sudah digunakan');
    if (faults.length > 0) return json(400, { error_messages: faults });
    const { duration, unit } = request.page_expiry ?? { duration: 24, unit: 'hours' };
    const order = newOrder({
      orderId,
      amount,
      pageUntil: this.#now() + duration * (String(unit).startsWith('minute') ? 60_000 : 3_600_000),
      finish: request.callbacks?.finish ?? null,
      ...(request.enabled_payments === undefined ? {} : { methods: request.enabled_payments }),
      savesCard: request.credit_card?.save_card === true && typeof request.user_id === 'string',
      customField1: request.custom_field1 ?? null,
    });
    this.#orders.set(orderId, order);
    this.tell('up', '', `Midtrans: a link for ${orderId}`);
    return json(201, { token: order.token, redirect_url: this.linkOf(orderId) });
  }

  /** As five minutes later: what was asked under a key can be asked again. */
  forgetKeys(): void {
    this.#answered.clear();
  }

  /** Where the customer pays. */
  linkOf(orderId: string): string {
    return `${this.url}/snap/v4/redirection/${this.order(orderId).token}`;
  }

  #page(asked: Asked, token: string): Answer {
    const order = this.orders().find((one) => one.token === token);
    if (order === undefined || order.pageUntil <= this.#now()) {
      return page(410, 'Halaman pembayaran tidak tersedia', '<p>Tautan ini tidak berlaku lagi.</p>');
    }
    if (asked.method === 'POST') return this.#chosen(order, new URLSearchParams(asked.body));
    if (isOver(order))
      return page(200, 'Midtrans (tiruan)', `<p>Pembayaran ${escaped(order.orderId)} sudah selesai.</p>`);
    const options = order.methods.map((one) => `<option>${escaped(one)}</option>`).join('');
    return page(
      200,
      'Midtrans (tiruan)',
      `<p>${escaped(order.orderId)}: <strong>Rp ${order.amount.toLocaleString('id-ID')}</strong></p><form method="post">
<label>Cara bayar <select name="method">${options}</select></label><button name="act" value="pay">Bayar</button>
<button name="act" value="wait">Bayar nanti</button><button name="act" value="fail">Gagalkan</button></form>`,
    );
  }

  #chosen(order: MidtransOrder, form: URLSearchParams): Answer {
    const { orderId } = order;
    const method = form.get('method') ?? order.methods[0]!;
    if (isOver(order)) return page(409, 'Midtrans (tiruan)', '<p>Sudah selesai.</p>');
    if (form.get('act') === 'pay') this.pay(orderId, order.method === null ? method : undefined);
    else if (order.method === null) this.choose(orderId, method);
    if (form.get('act') === 'fail') this.become(orderId, 'deny');
    const query = `order_id=${orderId}&status_code=200&transaction_status=${order.status}`;
    const { finish } = order;
    if (finish === null) return page(200, 'Midtrans (tiruan)', `<p>${escaped(query)}</p>`);
    return redirect(`${finish}${finish.includes('?') ? '&' : '?'}${query}`);
  }
}

/** How a charge can end. */
const ENDS: readonly MidtransStatus[] = ['settlement', 'capture', 'deny', 'pending'];

/** A page whose attempt was denied can be used again. */
const isOver = ({ status }: MidtransOrder): boolean => status !== null && status !== 'pending' && status !== 'deny';

const left = ({ amount, refunds }: MidtransOrder): number =>
  amount - refunds.reduce((sum, one) => sum + Number.parseInt(one.refund_amount, 10), 0);

/** docs.midtrans.com, "HTTP notification": how often it is repeated after which answer. */
function retriesFor(status: number | null): number {
  if (status === null) return 5;
  if (status < 400 && status !== 307 && status !== 308) return 0;
  return { 500: 1, 503: 4, 400: 2, 404: 2 }[status] ?? 5;
}

function snapFaults(request: Record<string, unknown>): string[] {
  const { order_id, gross_amount } = (request.transaction_details ?? {}) as Record<string, unknown>;
  const items = (request.item_details ?? []) as { price: number; quantity: number; name: string }[];
  const total = items.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  return [
    ...(/^[A-Za-z0-9\-_~.]{1,50}$/.test(String(order_id ?? '')) ? [] : ['transaction_details.order_id tidak valid']),
    ...(Number.isInteger(gross_amount) && Number(gross_amount) > 0
      ? []
      : ['transaction_details.gross_amount tidak valid']),
    ...(items.length === 0 || total === gross_amount
      ? []
      : ['transaction_details.gross_amount is not equal to the sum of item_details']),
    ...(items.every(({ name }) => name.length <= 50) ? [] : ['item_details.name too long']),
  ];
}
