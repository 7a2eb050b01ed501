import { InvalidInput } from '#domain/errors';
import type { GatewayTruth } from '#domain/gateway';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { addSubscriber } from '#operations/add-subscriber';
import { askGateway, Unanswered } from '#operations/ask-gateway';
import { cancelPurchase } from '#operations/cancel-purchase';
import { placePurchase } from '#operations/place-purchase';
import { settlePurchase } from '#operations/settle-purchase';
import { startPayment } from '#operations/start-payment';
import type { PaymentsSide } from '#policy-server/payments-side';
import { creditOf } from '#storage/ledger';
import { NOW, type TestDesk } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import type { MemoryGateway, MemoryGateways } from '#test/payments/memory-gateway';
import { Random } from '#test/radius-server/random';

/** What a gateway says of an order, one thing after the other; the last one is the truth in the end. */
const HISTORIES: readonly (readonly Partial<GatewayTruth>[])[] = [
  [{ state: 'paid' }],
  [{ state: 'pending' }, { state: 'paid' }],
  [{ state: 'review' }, { state: 'paid' }],
  [{ state: 'pending' }, { state: 'denied' }, { state: 'paid' }],
  [{ state: 'expired' }, { state: 'paid' }],
  [{ state: 'pending' }, { state: 'cancelled' }, { state: 'paid' }],
  [],
  [{ state: 'pending' }],
  [{ state: 'pending' }, { state: 'denied' }],
  [{ state: 'pending' }, { state: 'expired' }],
  [{ state: 'failed' }],
  [{ state: 'paid' }, { state: 'denied' }],
  [{ state: 'paid' }, { state: 'charged-back' }],
  [{ state: 'paid' }, { state: 'partly-refunded', refundedRupiah: 25_000 }],
  [{ state: 'paid' }, { state: 'refunded', refundedRupiah: PRICE }],
  [{ state: 'paid', amountRupiah: PRICE - 1 }],
];

type Order = {
  readonly subscriberId: number;
  readonly number: string;
  readonly orderId: string;
  readonly gateway: MemoryGateway;
  readonly history: readonly Partial<GatewayTruth>[];
  /** How often cash was taken for it. */
  cash: number;
};

export type Chaos = {
  readonly desk: TestDesk;
  /** Another node of the same company. */
  readonly other: TestDesk;
  readonly gateways: MemoryGateways;
  readonly nodes: readonly [PaymentsSide, PaymentsSide];
  readonly planRevisionId: number;
  readonly orders: number;
  readonly seed: number;
};

export type Outcome = {
  /** Where the end is not as it must be, one line each. */
  readonly faults: readonly string[];
  readonly events: number;
  readonly forged: number;
};

/** 02.30 in Jakarta, when the nightly matching asks about everything. */
const NIGHT = NOW + 17.5 * HOUR;

/**
 * Orders whose gateway says one thing after another, each told of 0 to 20 times at any moment, also too early or never,
 * with forged events among them, while pages hurry the poller, two nodes match and staff cancel and take cash: all at
 * once. In the end every order has to stand as its gateway says, and every rupiah has to be where it belongs.
 */
export async function chaos(of: Chaos): Promise<Outcome> {
  const random = new Random(of.seed);
  const orders = await placeOrders(of, random);
  of.desk.setClock(NIGHT);
  // Answers overtake each other.
  for (const gateway of [of.gateways.midtrans, of.gateways.xendit]) gateway.trouble.jitterMs = 40;
  const acts = orders.flatMap((order) => actsOn(of, order, random));
  const matching = of.nodes.map((node) => node.match(new AbortController().signal));
  await inOrder(acts);
  await Promise.all(matching);
  // A day later everything has been told, postponed and asked about.
  of.desk.setClock(NIGHT + DAY);
  for (const node of of.nodes) node.wake();
  await untilWorked(of);
  await of.nodes[0].match(new AbortController().signal);
  const { refused, stored, again } = sumOf(of.nodes);
  const forged = acts.filter(({ is }) => is === 'forged').length;
  const faults = await faultsOf(of, orders);
  if (refused !== forged) faults.push(`${forged} events were forged, ${refused} refused`);
  const failed = of.nodes.reduce((sum, node) => sum + node.counts().orders.failed, 0);
  if (failed > 0) faults.push(`${failed} orders could not be worked on`);
  return { faults, events: stored + again, forged };
}

const sumOf = (nodes: readonly PaymentsSide[]) =>
  nodes
    .map((node) => node.counts().events)
    .reduce((sum, one) => ({
      stored: sum.stored + one.stored,
      again: sum.again + one.again,
      refused: sum.refused + one.refused,
      'not-set': 0,
    }));

async function placeOrders({ desk, gateways, planRevisionId, orders }: Chaos, random: Random): Promise<Order[]> {
  const placed: Order[] = [];
  const drawn = Array.from({ length: orders }, (_, at) => ({
    at,
    history: random.of(HISTORIES),
    gateway: random.chance(0.5) ? gateways.midtrans : gateways.xendit,
  }));
  await inParallel(drawn, 4, async ({ at, history, gateway }) => {
    const { id: subscriberId } = await addSubscriber(desk, { username: `chaos${at}`, password: 'pw' });
    const { number } = await placePurchase(desk, { subscriberId, planRevisionId });
    const [invoice] = await desk.db.query<{ publicId: string }>(
      'select public_id as "publicId" from invoice where subscriber_id = $1',
      [subscriberId],
    );
    const payable = { subscriberId, invoice: invoice!.publicId };
    const choice = { gateway: gateway.name, returnUrl: desk.publicUrl };
    const { orderId } = await startPayment(desk, gateways, payable, choice);
    placed.push({ subscriberId, number, orderId, gateway, history, cash: 0 });
  });
  return placed;
}

type Act = { readonly when: number; readonly is: string; run(): unknown };

function actsOn({ desk, other, gateways, nodes }: Chaos, order: Order, random: Random): Act[] {
  const { gateway, orderId, history } = order;
  const acts: Act[] = [];
  const add = (is: string, run: Act['run'], when = random.below(1_000_000)) => acts.push({ is, when, run });
  const post = (raw: Buffer) =>
    random.of(nodes).webhooks.receive({ gateway: gateway.name, headers: {}, raw, source: null });
  const times = history.map(() => random.below(1_000_000)).sort((one, next) => one - next);
  for (const [at, truth] of history.entries()) {
    const becomes = () => {
      if (truth.state === 'paid') gateway.pay(orderId, desk.clock(), truth);
      else gateway.says(orderId, truth);
    };
    add('truth', becomes, times[at]!);
    for (let copies = random.below(21); copies > 0; copies -= 1) {
      const more = random.chance(0.5) ? '' : String(random.below(3));
      add('event', () => post(gateway.event(orderId, truth.state, more)));
    }
  }
  for (let forged = random.below(3); forged > 0; forged -= 1) {
    const event = gateway
      .event(orderId, 'paid')
      .toString()
      .replace(/"signature":"./, '"signature":"-');
    add('forged', () => post(Buffer.from(event)));
  }
  for (let looks = random.below(3); looks > 0; looks -= 1) {
    add('page', () => askGateway(other, gateways, orderId).catch(whatSilenceIs));
  }
  if (random.chance(0.5)) add('poll', () => makeDue(desk, orderId));
  if (random.chance(0.2)) add('cancel', () => byStaff(() => cancelPurchase(other, order.number)));
  if (random.chance(0.3)) {
    add('cash', () =>
      byStaff(async () => {
        const { alreadySettled } = await settlePurchase(other, { number: order.number, method: 'cash' });
        if (!alreadySettled) order.cash += 1;
      }),
    );
  }
  if (random.chance(0.02)) {
    add('outage', async () => {
      gateway.trouble.down = true;
      await new Promise((resolve) => setTimeout(resolve, 20));
      gateway.trouble.down = false;
    });
  }
  return acts;
}

/** It is time to ask about it, as it would be a while later. */
async function makeDue({ db, clock }: TestDesk, orderId: string): Promise<void> {
  const due =
    'update payment_intent set next_poll_at = $2::timestamptz where order_id = $1 and next_poll_at is not null';
  await db.execute(due, [orderId, new Date(clock()).toISOString()]);
}

/** A page is shown all the same when the gateway does not answer. */
function whatSilenceIs(error: unknown): void {
  if (!(error instanceof Unanswered)) throw error;
}

/** Staff are told when something cannot be done any more. */
async function byStaff(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    // It was done by then, or undone: that is what staff would see.
  }
}

/** One after another as they are drawn, 32 of them at the same time. */
const inOrder = (acts: readonly Act[]): Promise<void> =>
  inParallel(
    acts.toSorted((one, next) => one.when - next.when),
    32,
    async ({ run }) => {
      await run();
    },
  );

async function inParallel<T>(all: readonly T[], width: number, work: (one: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < all.length) {
      next += 1;
      await work(all[next - 1]!);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function untilWorked({ desk, nodes }: Chaos): Promise<void> {
  for (const endsAt = performance.now() + 10 * MINUTE; performance.now() < endsAt; ) {
    const waiting = await desk.db.query('select from gateway_event where worked_at is null limit 1');
    if (waiting.length === 0) return;
    desk.setClock(desk.clock() + MINUTE);
    for (const node of nodes) node.wake();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('events are left over after ten minutes');
}

/** What a gateway has of an order in the end, given back or not there any more taken off. */
function kept({ gateway, orderId }: Order): number {
  const { state, amountRupiah, refundedRupiah } = gateway.orders.get(orderId)!.truth;
  if (state === 'paid') return amountRupiah!;
  return state === 'partly-refunded' ? amountRupiah! - refundedRupiah : 0;
}

type Found = {
  readonly subscriberId: number;
  readonly grants: number;
  readonly received: number;
  readonly times: number;
  readonly unmatched: number;
};

async function faultsOf({ desk, gateways }: Chaos, orders: readonly Order[]): Promise<string[]> {
  const faults: string[] = [];
  const rows = await desk.db.query<Found>(
    `select s.id as "subscriberId",
            (select count(*)::int from grants where subscriber_id = s.id and revoked_at is null) as grants,
            (select coalesce(sum(amount_rupiah - coalesce((select sum(amount_rupiah) from refund where payment_id = payment.id), 0)), 0)::bigint
               from payment where subscriber_id = s.id and gateway is not null) as received,
            (select count(*)::int from payment where subscriber_id = s.id and gateway is not null) as times,
            (select coalesce(sum(unmatched.amount_rupiah), 0)::bigint from unmatched_money unmatched
               join payment_intent intent on intent.id = intent_id where intent.subscriber_id = s.id) as unmatched
       from subscriber s where username like 'chaos%'`,
  );
  const found = new Map(rows.map((row) => [row.subscriberId, row]));
  for (const order of orders) {
    const { grants, received, times, unmatched } = found.get(order.subscriberId)!;
    const isOdd = order.history.some(({ amountRupiah }) => amountRupiah !== undefined);
    const money = kept(order);
    const credit = await creditOf(desk.db, order.subscriberId);
    const wanted = {
      grants: order.cash > 0 || (money > 0 && !isOdd) ? 1 : 0,
      received: isOdd ? 0 : money,
      unmatched: isOdd ? money : 0,
      credit: order.cash > 0 && !isOdd ? money : 0,
    };
    const is = { grants, received, unmatched, credit };
    if (JSON.stringify(is) !== JSON.stringify(wanted) || times > 1 || order.cash > 1) {
      const said = order.history.map(({ state }) => state).join(' → ');
      faults.push(
        `${order.orderId} (${said}; cash ${order.cash}): ${JSON.stringify(is)} instead of ${JSON.stringify(wanted)}`,
      );
    }
  }
  for (const gateway of [gateways.midtrans, gateways.xendit]) {
    const [row] = await desk.db.query<{ rupiah: number }>(
      'select coalesce(sum(amount_rupiah), 0)::bigint as rupiah from ledger_entry where account = $1',
      [`clearing:${gateway.name}`],
    );
    const total = orders.filter((order) => order.gateway === gateway).reduce((sum, order) => sum + kept(order), 0);
    if (row!.rupiah !== total) faults.push(`${gateway.name} has Rp ${total}, the books say Rp ${row!.rupiah}`);
  }
  return faults;
}
