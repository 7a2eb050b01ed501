import { pino } from 'pino';
import { afterEach, beforeEach, expect } from 'vitest';
import type { GatewayName } from '#domain/gateway';
import { type Payable, type PaymentChoice, type StartedPayment, startPayment } from '#operations/start-payment';
import { type PaymentsOptions, type PaymentsSide, startPayments } from '#policy-server/payments-side';
import { type Invoice, invoiceOfPurchase } from '#storage/invoices';
import { balances, creditOf, verifyLedger } from '#storage/ledger';
import type { Purchase } from '#storage/purchases';
import type { TestDesk } from '#test/operations/desk';
import { openShop, type Shop } from '#test/operations/shop';
import { type MemoryGateway, type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';

/** Who ordered a package and has not paid. */
export type Debtor = { readonly id: number; readonly number: string; readonly invoice: Invoice };

/** What the tests of payments share: fresh for each of them. */
export let shop: Shop;
export let desk: TestDesk;
export let gateways: MemoryGateways;
/** All that was logged. */
export let logged: string[];
const sides: PaymentsSide[] = [];

export function usePayments(): void {
  beforeEach(async () => {
    shop = await openShop();
    desk = shop.desk;
    gateways = memoryGateways();
    logged = [];
  });
  afterEach(async () => {
    await Promise.all(sides.splice(0).map((side) => side.stop()));
  });
}

/** A node's payments side, with the patience of a test. */
export async function start(changes: Partial<PaymentsOptions> = {}): Promise<PaymentsSide> {
  const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
  const side = await startPayments({ desk, gateways, log, lookEveryMs: 20, matchPauseMs: 0, ...changes });
  sides.push(side);
  return side;
}

export const RETURN = 'https://portal.test/customer/invoices';

export async function debtor(): Promise<Debtor> {
  const { id } = await shop.subscriber();
  const { number } = await shop.order(id);
  return { id, number, invoice: (await invoiceOfPurchase(desk.db, (await shop.shown(number)).id))! };
}

export const payable = ({ id, invoice }: Debtor): Payable => ({ subscriberId: id, invoice: invoice.publicId });

export const startFor = (of: Debtor, choice: Partial<PaymentChoice> = {}, by = desk): Promise<StartedPayment> =>
  startPayment(by, gateways, payable(of), { returnUrl: RETURN, ...choice });

export const invoiceNow = async (of: Debtor): Promise<Invoice> =>
  (await invoiceOfPurchase(desk.db, (await shop.shown(of.number)).id))!;
export const purchaseNow = (of: Debtor): Promise<Purchase> => shop.shown(of.number);
export const creditNow = (of: { readonly id: number }): Promise<number> => creditOf(desk.db, of.id);

/** Every attempt of an invoice, the first one first. */
export const attempts = ({ invoice }: Debtor) =>
  desk.db.query<{ orderId: string; gateway: GatewayName; state: string; closed: boolean; rupiah: number }>(
    `select order_id as "orderId", gateway, state, closed_at is not null as closed, amount_rupiah as rupiah
       from payment_intent where invoice_id = $1 order by id`,
    [invoice.id],
  );

export const eventually = <T>(read: () => T | Promise<T>, timeout = 30_000) =>
  expect.poll(read, { timeout, interval: 10 });

/** The gateway POSTs what it has to say of an order, to this node. */
export const tells = (side: PaymentsSide, gateway: MemoryGateway, orderId: string, status?: string, more?: string) =>
  side.webhooks.receive({
    gateway: gateway.name,
    headers: {},
    raw: gateway.event(orderId, status, more),
    source: '127.0.0.1',
  });

/** What came of the events, by the order they came in. */
export const inbox = () =>
  desk.db.query<{ orderId: string | null; outcome: string | null; attempts: number; error: string | null }>(
    'select order_id as "orderId", outcome, attempts, error from gateway_event order by id',
  );

/** The books are even, and nothing in them was changed. */
export async function expectEvenBooks(): Promise<void> {
  expect([...(await balances(desk.db)).values()].reduce((sum, rupiah) => sum + rupiah, 0)).toBe(0);
  expect(await verifyLedger(desk.db)).toEqual([]);
}
