import { createHash } from 'node:crypto';
import { Unavailable } from '#domain/errors';
import {
  type Gateway,
  type GatewayName,
  GatewayRefusal,
  type Gateways,
  type GatewayTruth,
  type PaymentLink,
  type PaymentRequest,
  type ReadEvent,
  type WalletLink,
  type WalletState,
  type Wallets,
} from '#domain/gateway';
import type { Instant } from '#domain/time';

/** How an order stands in the memory of the gateway: its truth, and what it was asked with. */
export type MemoryOrder = {
  readonly request: PaymentRequest;
  readonly link: PaymentLink;
  /** Who looks at the page has chosen a way to pay; before that Snap knows nothing of the order. */
  truth: GatewayTruth;
  closed: boolean;
};

/** What the gateway does wrong; each stays so until it is set back. */
export type Trouble = {
  /** It does not answer. */
  down: boolean;
  /** Every answer takes so long, */
  delayMs: number;
  /** and up to so much longer. */
  jitterMs: number;
  /** `createPayment` makes the order, and then the answer is lost. */
  loseCreated: boolean;
  /** `createPayment` is refused for this reason. */
  refuse: GatewayRefusal['code'] | null;
  /** It does not find what it made before by its id, as Snap: `order-taken`. */
  forgetful: boolean;
};

const UNKNOWN: GatewayTruth = {
  state: 'unknown',
  gatewayRef: null,
  amountRupiah: null,
  refundedRupiah: 0,
  currency: null,
  paidAt: null,
  method: null,
  feeRupiah: null,
  saved: null,
};

/** E-wallets in memory; one number is one account, and `states` is what their owners decided. */
export class MemoryWallets implements Wallets {
  readonly brand = 'GoPay';
  readonly states = new Map<string, WalletState>();
  readonly calls = { link: 0, state: 0, unlink: 0 };
  /** The wallet knows no such number. */
  refuses = false;
  readonly #answer: () => Promise<void>;

  constructor(answer: () => Promise<void>) {
    this.#answer = answer;
  }

  async link({ phone, returnUrl }: { readonly phone: string; readonly returnUrl: string }): Promise<WalletLink> {
    this.calls.link += 1;
    await this.#answer();
    const token = `gopay:${phone}`;
    if (this.refuses || this.states.get(token) === 'linked') throw new GatewayRefusal('refused', 'User Not Found');
    this.states.set(token, 'pending');
    return { url: `https://gopay.test/${phone}?to=${returnUrl}`, token, label: `GoPay •••• ${phone.slice(-4)}` };
  }

  async stateOf(token: string): Promise<WalletState> {
    this.calls.state += 1;
    await this.#answer();
    return this.states.get(token) ?? 'ended';
  }

  async unlink(token: string): Promise<void> {
    this.calls.unlink += 1;
    await this.#answer();
    this.states.set(token, 'ended');
  }
}

/**
 * A payment gateway in memory that keeps the port's promises and none of a wire, for tests of what stands on the port. Its
 * events are JSON, signed with its key: `event(orderId)` is what it would POST.
 */
export class MemoryGateway implements Gateway {
  readonly name: GatewayName;
  /** As at the real ones: cards and GoPay at Midtrans, nothing at Xendit. */
  readonly keepsMethods: boolean;
  readonly wallets?: MemoryWallets;
  readonly orders = new Map<string, MemoryOrder>();
  readonly trouble: Trouble = {
    down: false,
    delayMs: 0,
    jitterMs: 0,
    loseCreated: false,
    refuse: null,
    forgetful: false,
  };
  /** How often each method was called. */
  readonly calls = { create: 0, truth: 0, close: 0, refund: 0, charge: 0 };
  /** Given back, by key. */
  readonly refunds = new Map<string, { readonly gatewayRef: string; readonly amountRupiah: number }>();
  readonly key: string;

  constructor(name: GatewayName, key = `key-of-${name}`) {
    this.name = name;
    this.keepsMethods = name === 'midtrans';
    if (name === 'midtrans') this.wallets = new MemoryWallets(() => this.#answer());
    this.key = key;
  }

  async createPayment(request: PaymentRequest): Promise<PaymentLink> {
    this.calls.create += 1;
    await this.#answer();
    const { refuse, forgetful, loseCreated } = this.trouble;
    if (refuse !== null) throw new GatewayRefusal(refuse, `${this.name} refuses: ${refuse}`);
    const before = this.orders.get(request.orderId);
    if (before !== undefined) {
      if (forgetful || before.closed) throw new GatewayRefusal('order-taken', 'this order id is taken');
      return before.link;
    }
    const url = `https://${this.name}.test/pay/${createHash('sha256').update(request.orderId).digest('hex').slice(0, 16)}`;
    const link = { url, gatewayId: `gid-${request.orderId}`, expiresAt: request.expiresAt };
    this.orders.set(request.orderId, { request, link, truth: UNKNOWN, closed: false });
    if (loseCreated) throw new Unavailable(`${this.name}: no answer in time`);
    return link;
  }

  async truthOf({ orderId }: { readonly orderId: string }): Promise<GatewayTruth> {
    this.calls.truth += 1;
    // As it stands when the question arrives; the answer may be old when it is there.
    const truth = this.orders.get(orderId)?.truth ?? UNKNOWN;
    await this.#answer();
    return truth;
  }

  async close({ orderId }: { readonly orderId: string }): Promise<boolean> {
    this.calls.close += 1;
    await this.#answer();
    const order = this.orders.get(orderId);
    if (order === undefined) return true;
    if (!['unknown', 'pending', 'denied', 'failed', 'cancelled', 'expired'].includes(order.truth.state)) return false;
    order.closed = true;
    if (order.truth.state === 'pending') order.truth = { ...order.truth, state: 'cancelled' };
    return true;
  }

  async refund(refund: { gatewayRef: string; key: string; amountRupiah: number; orderId: string }): Promise<void> {
    this.calls.refund += 1;
    await this.#answer();
    if (this.refunds.has(refund.key)) return;
    const order = this.orders.get(refund.orderId);
    if (order === undefined) throw new GatewayRefusal('refused', 'there is no such payment');
    const refundedRupiah = order.truth.refundedRupiah + refund.amountRupiah;
    const amount = order.truth.amountRupiah ?? 0;
    if (refundedRupiah > amount) throw new GatewayRefusal('refused', 'more than was paid');
    this.refunds.set(refund.key, refund);
    order.truth = { ...order.truth, refundedRupiah, state: refundedRupiah === amount ? 'refunded' : 'partly-refunded' };
  }

  /** A token that contains `declined` is declined. */
  async charge(request: PaymentRequest & { readonly token: string }): Promise<void> {
    this.calls.charge += 1;
    await this.#answer();
    if (this.orders.has(request.orderId)) return;
    const link = { url: '', gatewayId: `gid-${request.orderId}`, expiresAt: request.expiresAt };
    this.orders.set(request.orderId, { request, link, truth: UNKNOWN, closed: false });
    if (request.token.includes('declined')) this.says(request.orderId, { state: 'denied' });
    else this.pay(request.orderId, request.expiresAt);
  }

  async test(): Promise<string | null> {
    return this.trouble.down ? `${this.name} does not answer` : null;
  }

  readEvent(_headers: Readonly<Record<string, string | undefined>>, raw: Buffer): ReadEvent {
    let body: unknown;
    try {
      body = JSON.parse(raw.toString('utf8'));
    } catch {
      // Whatever it is, it is not an event of ours.
      body = null;
    }
    const { order_id, status, signature } = (body ?? {}) as Record<string, unknown>;
    const read = (of: unknown) => (typeof of === 'string' ? of : null);
    return {
      verified: signature === this.#sign(String(order_id), String(status)),
      orderId: read(order_id),
      status: read(status),
    };
  }

  /** The customer pays, what was asked where nothing else is said. */
  pay(orderId: string, at: Instant, more: Partial<GatewayTruth> = {}): void {
    const { request } = this.#order(orderId);
    this.says(orderId, {
      state: 'paid',
      gatewayRef: `ref-${orderId}`,
      amountRupiah: request.amountRupiah,
      currency: 'IDR',
      paidAt: at,
      method: 'qris',
      ...more,
    });
  }

  /** From now on this is the truth of an order. */
  says(orderId: string, truth: Partial<GatewayTruth>): void {
    const order = this.#order(orderId);
    order.truth = { ...order.truth, ...truth };
  }

  /** An order that we did not make: somebody else's, with the same account. */
  foreign(orderId: string, truth: Partial<GatewayTruth>): void {
    const request = { orderId, amountRupiah: truth.amountRupiah ?? 0 } as PaymentRequest;
    const link = { url: '', gatewayId: `gid-${orderId}`, expiresAt: 0 };
    this.orders.set(orderId, { request, link, truth: { ...UNKNOWN, ...truth }, closed: true });
  }

  /** What it POSTs about an order; `more` makes two events of one status differ. */
  event(orderId: string, status: string = this.#order(orderId).truth.state, more = ''): Buffer {
    return Buffer.from(JSON.stringify({ order_id: orderId, status, more, signature: this.#sign(orderId, status) }));
  }

  #sign(orderId: string, status: string): string {
    return createHash('sha256').update(`${orderId}|${status}|${this.key}`).digest('hex');
  }

  #order(orderId: string): MemoryOrder {
    const order = this.orders.get(orderId);
    if (order === undefined) throw new Error(`${this.name} knows no order ${orderId}`);
    return order;
  }

  async #answer(): Promise<void> {
    const { delayMs, jitterMs } = this.trouble;
    const takesMs = delayMs + Math.random() * jitterMs;
    if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
    if (this.trouble.down) throw new Unavailable(`${this.name}: no answer in time`);
  }
}

/** Both gateways in memory; `active` and `keys` are the settings, to be changed at any time. */
export type MemoryGateways = Gateways & {
  readonly midtrans: MemoryGateway;
  readonly xendit: MemoryGateway;
  /** Those switched on, the preferred one first. */
  on: GatewayName[];
  /** Those whose keys are set. */
  keys: GatewayName[];
};

export function memoryGateways(on: GatewayName[] = ['midtrans', 'xendit']): MemoryGateways {
  const of = { midtrans: new MemoryGateway('midtrans'), xendit: new MemoryGateway('xendit') };
  const gateways: MemoryGateways = {
    ...of,
    on,
    keys: ['midtrans', 'xendit'],
    active: async () => gateways.on.filter((name) => gateways.keys.includes(name)).map((name) => of[name]),
    named: async (name) => (gateways.keys.includes(name) ? of[name] : null),
  };
  return gateways;
}
