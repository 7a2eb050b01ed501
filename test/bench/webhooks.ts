import { systemClock } from '#domain/clock';
import { startHttp } from '#http/server';
import { openLog } from '#policy-server/log';
import { startPayments } from '#policy-server/payments-side';
import { type Bench, percentile, startBench, until } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';
import { type Answered, sendEvents } from '#test/bench/webhook-load';
import { FIXED, testSealer, WALLED } from '#test/enforcement/network';
import { type MemoryGateway, memoryGateways } from '#test/payments/memory-gateway';

const PRICE = 75_000;
const SINGLE = 200;
const SINGLE_PER_SECOND = 10;
const STORM = 10_000;
const STORM_PER_SECOND = 1_000;
/** How long the gateway takes to say how an order stands. */
const GATEWAY_MS = 50;

/**
 * Payments by webhook in one node (HTTP, inbox, worker, PostgreSQL, enforcement loop), the lines walled in until they are
 * paid. First ten payments a second: from when the gateway sends its event until the CoA is at the NAS. Then 1,000 events
 * a second for ten seconds. The gateway that is asked for the truth is in the memory of the process and takes 50 ms; its
 * calls come over loopback from another process.
 */
export async function run(): Promise<Row[]> {
  const bench = await startBench(1, 1_000);
  const { midtrans, ...gateways } = memoryGateways();
  midtrans.trouble.delayMs = GATEWAY_MS;
  const log = openLog('warn', (line) => process.stderr.write(line));
  try {
    const orders = await placeOrders(bench, midtrans, SINGLE + STORM);
    const desk = {
      db: bench.db,
      sealer: testSealer(),
      clock: systemClock,
      zone: 'Asia/Jakarta',
      actor: 'system',
      publicUrl: 'https://portal.test',
    };
    const side = await startPayments({ desk, gateways, log });
    const server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      readiness: async () => ({}),
      metrics: () => [],
      gatewayWebhooks: () => side.webhooks,
      log,
    });
    const url = `http://127.0.0.1:${server.port}/api/webhooks/midtrans`;
    try {
      const singles = orders.slice(0, SINGLE);
      const bodies = (of: readonly Order[]) => of.map(({ orderId }) => midtrans.event(orderId).toString());
      const single = await sendEvents({ url, perSecond: SINGLE_PER_SECOND, bodies: bodies(singles) });
      const toCoa = await untilTold(bench, singles, single);
      const storm = await sendEvents({ url, perSecond: STORM_PER_SECOND, bodies: bodies(orders.slice(SINGLE)) });
      const lastAt = performance.now();
      await until(async () => (await settled(bench)) === orders.length, 300_000);
      const afterMs = performance.now() - lastAt;
      await mustBeOnce(bench, orders.length);
      return rowsOf(toCoa, storm, afterMs);
    } finally {
      await server.stop();
      await side.stop();
    }
  } finally {
    await bench.stop();
  }
}

type Order = { readonly orderId: string; readonly session: string };

/** Orders with their invoices and links, in bulk; the gateway says that each is paid. */
export async function placeOrders(
  { db, network, nasIds }: Bench,
  gateway: MemoryGateway,
  count: number,
): Promise<Order[]> {
  const ids = await network.lines(nasIds[0]!, count, null, { live: WALLED, fixed: FIXED }, 'payer');
  const revision = await network.plan();
  await db.execute(`update subscriber set phone = '0812' || lpad(id::text, 8, '0'), name = 'Budi ' || id`);
  await db.execute(`insert into due (subscriber_id, due_at) select id, now() + interval '10 days' from subscriber`);
  await db.execute(
    `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, begins, ordered_by, ordered_at, expires_at)
     select 'P-' || lpad(id::text, 8, '0'), id, $2, $3, 'after', 'bench', now(), now() + interval '1 day' from unnest($1::bigint[]) id`,
    [ids, revision, PRICE],
  );
  await db.execute(
    `insert into invoice (public_id, number, subscriber_id, kind, purchase_id, issued_at, issued_by, due_on, due_at, total_rupiah)
     select 'inv_' || lpad(id::text, 20, '0'), 'INV-2026-' || id, subscriber_id, 'package', id, now(), 'bench', current_date,
            now() + interval '7 days', price_rupiah from purchase`,
  );
  await db.execute(
    `insert into payment_intent (order_id, gateway, subscriber_id, invoice_id, amount_rupiah, created_at, created_by, expires_at, next_poll_at)
     select number || '-1', 'midtrans', subscriber_id, id, total_rupiah, now(), 'bench', now() + interval '1 day', now() + interval '1 hour'
       from invoice`,
  );
  // Not the tables that are empty yet: whoever plans with the knowledge that they are reads them from end to end.
  await db.execute('vacuum analyze subscriber, session, due, purchase, invoice, payment_intent');
  const orders = await db.query<Order>(
    `select order_id as "orderId", acct_session_id as session from payment_intent
       join session on session.subscriber_id = payment_intent.subscriber_id order by payment_intent.id`,
  );
  const paidAt = systemClock();
  for (const { orderId } of orders) {
    const gatewayRef = `ref-${orderId}`;
    gateway.foreign(orderId, {
      state: 'paid',
      gatewayRef,
      amountRupiah: PRICE,
      currency: 'IDR',
      paidAt,
      method: 'qris',
    });
  }
  return orders;
}

/** Milliseconds from each event's being sent to its CoA. */
async function untilTold({ nases }: Bench, orders: readonly Order[], { sentAt }: Answered): Promise<number[]> {
  const wanted = new Map(orders.map(({ session }, at) => [session, sentAt[at]!]));
  const told = async () => (await nases.report())[0]!.firstAt.filter(([session]) => wanted.has(session));
  await until(async () => (await told()).length === orders.length, 30_000);
  return (await told()).map(([session, at]) => at - wanted.get(session)!);
}

const settled = async ({ db }: Bench): Promise<number> =>
  (await db.query<{ count: number }>('select count(*)::int as count from invoice where settled_at is not null'))[0]!
    .count;

/** A bench that measures something that is wrong would be worse than none. */
async function mustBeOnce({ db }: Bench, orders: number): Promise<void> {
  const [row] = await db.query<Record<string, number>>(
    `select (select count(*)::int from payment) as payments, (select count(*)::int from grants) as grants,
            (select count(distinct subscriber_id)::int from grants) as granted,
            (select coalesce(sum(amount_rupiah), 0)::bigint from ledger_entry where account = 'clearing:midtrans') as rupiah,
            (select coalesce(sum(amount_rupiah), 0)::bigint from ledger_entry) as zero`,
  );
  const wanted = { payments: orders, grants: orders, granted: orders, rupiah: orders * PRICE, zero: 0 };
  if (JSON.stringify(row) !== JSON.stringify(wanted)) throw new Error(`not once each: ${JSON.stringify(row)}`);
}

function rowsOf(toCoa: readonly number[], { statuses, sentAt, answeredAt }: Answered, afterMs: number): Row[] {
  const answerMs = answeredAt.map((at, i) => at - sentAt[i]!);
  const tookSeconds = (Math.max(...answeredAt) - Math.min(...sentAt)) / 1000;
  const row = (name: string, value: number, unit: string, goal?: number, higherIsBetter = false): Row => ({
    name: `webhooks: ${name}`,
    value,
    unit,
    higherIsBetter,
    ...(goal === undefined ? {} : { goal }),
  });
  return [
    row('event sent → CoA at the NAS, p50', percentile(toCoa, 0.5), 'ms'),
    row('event sent → CoA at the NAS, p99', percentile(toCoa, 0.99), 'ms', 1_000),
    row('storm: events stored and answered 200', statuses[200] ?? 0, 'of 10,000', STORM, true),
    row('storm: events a second', sentAt.length / tookSeconds, '1/s', STORM_PER_SECOND * 0.95, true),
    row('storm: answer, p50', percentile(answerMs, 0.5), 'ms'),
    row('storm: answer, p99', percentile(answerMs, 0.99), 'ms', 1_000),
    row('storm: answer, longest', Math.max(...answerMs), 'ms'),
    row('storm: all settled after its end', afterMs / 1000, 's', 30),
  ];
}
