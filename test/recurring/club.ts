import { Unavailable } from '#domain/errors';
import { GatewayRefusal, type Gateways, type PaymentRequest, type SavedMethod } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { chooseAutoPay } from '#operations/auto-pay';
import { receivePayment } from '#operations/receive-payment';
import { type AutoPayRun, runAutoPay } from '#operations/run-auto-pay';
import { type AutoPay, autoPayOf } from '#storage/auto-pay';
import { change } from '#storage/change';
import { type Invoice, invoicesOf } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { openBody } from '#storage/messages';
import { keepMethod } from '#storage/saved-methods';
import { findSubscriberAccount } from '#storage/subscribers';
import type { TestDesk } from '#test/operations/desk';
import { openShop, type Shop } from '#test/operations/shop';
import { MemoryGateway } from '#test/payments/memory-gateway';

/**
 * What happens to a charge: paid, denied; `pending` until the test says more; `away`: it never got there; `lost`: it is paid
 * and the answer is lost; `silent`: paid, the answer lost, and then the gateway does not answer; `refused`.
 */
export type Outcome = 'paid' | 'denied' | 'pending' | 'away' | 'lost' | 'silent' | 'refused';

/** A gateway in memory whose charges end as its script says. */
export class Till extends MemoryGateway {
  script: Outcome[] = [];
  /** Decides where the script is over. */
  decide: (orderId: string) => Outcome = () => 'paid';
  /** What was charged in the end, by order id: an order that is told again is one. */
  readonly charged = new Map<string, { readonly amountRupiah: number; readonly token: string }>();
  readonly #clock: () => Instant;

  constructor(clock: () => Instant) {
    super('midtrans');
    this.#clock = clock;
  }

  override async charge(request: PaymentRequest & { readonly token: string }): Promise<void> {
    this.calls.charge += 1;
    const { orderId, amountRupiah, token } = request;
    if (this.orders.has(orderId)) throw new GatewayRefusal('order-taken', 'this order id is taken');
    if (this.wallets?.states.get(token) === 'ended') throw new GatewayRefusal('refused', 'the wallet is not linked');
    const outcome = this.script.shift() ?? this.decide(orderId);
    if (outcome === 'away') throw new Unavailable('no answer in time');
    if (outcome === 'refused') throw new GatewayRefusal('refused', 'no such token');
    this.foreign(orderId, { amountRupiah });
    if (outcome === 'denied') this.says(orderId, { state: 'denied' });
    else if (outcome === 'pending') this.says(orderId, { state: 'pending' });
    else {
      this.charged.set(orderId, { amountRupiah, token });
      this.pay(orderId, this.#clock(), { method: 'credit_card' });
    }
    if (outcome === 'silent') this.trouble.down = true;
    if (outcome === 'lost' || outcome === 'silent') throw new Unavailable('no answer in time');
  }

  /** Pays what is pending. */
  come(orderId: string): void {
    this.charged.set(orderId, { amountRupiah: this.orders.get(orderId)!.request.amountRupiah, token: '' });
    this.pay(orderId, this.#clock());
  }
}

export const CARD: SavedMethod = { kind: 'card', label: 'VISA •••• 1111', token: 'tok-1', expiresAt: null };

/** A shop whose customers pay by themselves. */
export type Club = Shop & {
  readonly desk: TestDesk;
  readonly till: Till;
  readonly gateways: Gateways;
  run(): Promise<AutoPayRun>;
  /** Somebody with a running package and, unless it is null, a saved card. */
  member(more?: { plan?: string; card?: SavedMethod | null }): Promise<{ id: number; methodId: number | null }>;
  /** A card of theirs that is kept. */
  card(id: number, card?: Partial<SavedMethod>): Promise<number>;
  choose(id: number, methodId: number | null, planId?: number): Promise<void>;
  topUp(id: number, amountRupiah: number): Promise<void>;
  state(id: number): Promise<AutoPay>;
  /** When the cover that lasts longest ends. */
  coverEnd(id: number): Promise<Instant>;
  invoices(id: number): Promise<Invoice[]>;
  credit(id: number): Promise<number>;
  /** The notices that were queued, the oldest first, and what they say. */
  told(id: number): Promise<{ notice: string; text: string }[]>;
};

export async function openClub(): Promise<Club> {
  const shop = await openShop();
  const { desk } = shop;
  const till = new Till(desk.clock);
  const gateways: Gateways = { active: async () => [till], named: async (name) => (name === 'midtrans' ? till : null) };
  const system = { ...desk, actor: 'system' };
  const card = (id: number, more: Partial<SavedMethod> = {}) =>
    desk.db.transaction((tx) => keepMethod(tx, desk.sealer, id, 'midtrans', { ...CARD, ...more }, desk.clock()));
  return {
    ...shop,
    desk,
    till,
    gateways,
    run: () => runAutoPay(system, gateways),
    member: async ({ plan = 'prepaid-20mbps', card: has = CARD } = {}) => {
      const { id } = await shop.subscriber();
      await shop.cash((await shop.order(id, plan)).number);
      return { id, methodId: has === null ? null : await card(id, has) };
    },
    card,
    choose: (id, methodId, planId) => chooseAutoPay(shop.self(id), { subscriberId: id, methodId, planId }),
    topUp: async (subscriberId, amountRupiah) => {
      await change(desk.db, { actor: 'test', why: 'top up', subscriberId }, async (tx) => {
        await findSubscriberAccount(tx, subscriberId, 'lock');
        const receivedAt = desk.clock();
        const money = { subscriberId, invoice: null, amountRupiah, method: 'cash', gateway: null, receivedAt };
        await receivePayment(tx, desk, money);
      });
    },
    state: async (id) => (await autoPayOf(desk.db, id))!,
    coverEnd: async (id) =>
      (
        await desk.db.query<{ at: Instant }>('select ends_at as at from cover where subscriber_id = $1 and last', [id])
      )[0]!.at,
    invoices: async (id) => (await invoicesOf(desk.db, id, 100)).reverse(),
    credit: (id) => creditOf(desk.db, id),
    told: async (id) => {
      const rows = await desk.db.query<{ id: number; notice: string; body: Buffer }>(
        'select id, notice, body_sealed as body from message where subscriber_id = $1 order by id',
        [id],
      );
      return rows.map((row) => ({ notice: row.notice, text: openBody(desk.sealer, row.id, row.body).text }));
    },
  };
}
