import type { InvoiceLine, Rupiah } from '#domain/billing';
import type { GatewayTruth } from '#domain/gateway';
import { DAY, type Instant } from '#domain/time';
import { addSubscriber } from '#operations/add-subscriber';
import { askGateway } from '#operations/ask-gateway';
import { issueInvoice } from '#operations/issue-invoice';
import { startPayment } from '#operations/start-payment';
import { change } from '#storage/change';
import type { Database } from '#storage/database';
import { type Invoice, invoiceByNumber } from '#storage/invoices';
import { balances, creditOf, verifyLedger } from '#storage/ledger';
import { readSettings } from '#storage/settings';
import { emptied, NOW, type TestDesk, testDesk } from '#test/operations/desk';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';

export const TOTAL = 111_000;

/** A desk with gateways in memory, and what the tests of the books do over and over. */
export type Till = {
  readonly desk: TestDesk;
  readonly gateways: MemoryGateways;
  /** As new, the gateways too. */
  reset(): Promise<void>;
  subscriber(): Promise<{ id: number; username: string }>;
  /** An invoice that grants nothing, for a service of ten days from now on; the tax is contained. */
  invoice(
    subscriberId: number,
    more?: { rupiah?: Rupiah; from?: Instant; until?: Instant; spanless?: true },
  ): Promise<Invoice>;
  shown(number: string): Promise<Invoice>;
  /** Paid at Midtrans, and told by it. Returns the number of the payment. */
  pay(invoice: Invoice, more?: Partial<GatewayTruth>): Promise<{ paymentId: number; orderId: string }>;
  credit(subscriberId: number): Promise<Rupiah>;
  /** By account, credit above zero as people read it where the account is one of debts. */
  account(name: string): Promise<Rupiah>;
  /** Nothing is wrong with the books: every sum is zero. */
  faults(): Promise<string[]>;
};

export async function openTill(): Promise<Till> {
  const desk = await testDesk();
  const gateways = memoryGateways();
  let next = 0;
  const shown = async (number: string) => (await invoiceByNumber(desk.db, number))!;
  return {
    desk,
    gateways,
    shown,
    reset: async () => {
      await emptied(desk);
      for (const { orders, refunds } of [gateways.midtrans, gateways.xendit]) {
        orders.clear();
        refunds.clear();
      }
    },
    subscriber: async () => {
      next += 1;
      return addSubscriber(desk, { username: `payer${next}`, password: 'pw', billing: 'postpaid' });
    },
    invoice: async (subscriberId, more = {}) => {
      const from = more.from ?? desk.clock();
      const service = more.spanless ? {} : { service: { from, until: more.until ?? from + 10 * DAY } };
      const line: InvoiceLine = {
        kind: 'other',
        description: 'Sewa perangkat',
        planRevisionId: null,
        amountRupiah: more.rupiah ?? TOTAL,
      };
      const { number } = await change(desk.db, { actor: 'test', why: 'issue' }, async (tx) => {
        const { billing } = await readSettings(tx);
        const taxed = { ...billing, tax: 'included' as const, taxPercent: 11 };
        return issueInvoice(tx, desk, taxed, { subscriberId, kind: 'other', lines: [line], ...service });
      });
      return shown(number);
    },
    pay: async (invoice, more = {}) => {
      const { subscriberId, publicId } = invoice;
      const { orderId } = await startPayment(
        desk,
        gateways,
        { subscriberId, invoice: publicId },
        { gateway: 'midtrans', returnUrl: 'https://portal.test/' },
      );
      gateways.midtrans.pay(orderId, desk.clock(), more);
      await askGateway(desk, gateways, orderId);
      return { orderId, paymentId: await lastPayment(desk.db) };
    },
    credit: (subscriberId) => creditOf(desk.db, subscriberId),
    account: async (name) => {
      const rupiah = [...(await balances(desk.db))].find(([account]) => account === name)?.[1] ?? 0;
      return ['deferred-revenue', 'revenue', 'tax-payable', 'unmatched', 'customer-credit'].includes(name)
        ? -rupiah + 0
        : rupiah;
    },
    faults: async () => {
      const sum = [...(await balances(desk.db)).values()].reduce((total, rupiah) => total + rupiah, 0);
      return [...(sum === 0 ? [] : [`all accounts come to ${sum}`]), ...(await verifyLedger(desk.db))];
    },
  };
}

export async function lastPayment(db: Database): Promise<number> {
  const [row] = await db.query<{ id: number }>('select max(id) as id from payment');
  return row!.id;
}

export { NOW };
