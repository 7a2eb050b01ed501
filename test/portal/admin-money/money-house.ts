import type { InvoiceLine } from '#domain/billing';
import { DAY, HOUR } from '#domain/time';
import { askGateway, askOrder } from '#operations/ask-gateway';
import { closeBooks } from '#operations/close-books';
import { issueInvoice } from '#operations/issue-invoice';
import { placePurchase } from '#operations/place-purchase';
import { recordPayment } from '#operations/record-payment';
import { startPayment } from '#operations/start-payment';
import { change } from '#storage/change';
import { type Invoice, invoiceByNumber, invoicesOf } from '#storage/invoices';
import { readSettings } from '#storage/settings';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import { addPackage, addPerson, type Person } from '#test/portal/admin-first/people';
import type { Browserlike } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

export const PRICE = 75_000;

/** The staff's pages with gateways in memory, and what customers do there. */
export type House = {
  readonly pages: TestPortal;
  readonly gateways: MemoryGateways;
  readonly cashier: Browserlike;
  /** Somebody who ordered a package and has not paid. */
  order(name: string): Promise<{ person: Person; invoice: Invoice }>;
  /** Paid by a link of Midtrans; left open with `open`. */
  payOnline(invoice: Invoice, open?: 'open'): Promise<string>;
  shown(number: string): Promise<Invoice>;
  /** Money at Xendit for an order that is none of ours. */
  stray(orderId: string, amountRupiah: number): Promise<void>;
  setClock(at: number): void;
  lastPayment(): Promise<number>;
};

export async function openHouse(): Promise<House> {
  const gateways = memoryGateways();
  const pages = await startPortal({ gateways });
  const plan = await addPackage(pages.desk);
  const { desk, db } = pages;
  const shown = async (number: string) => (await invoiceByNumber(db, number))!;
  return {
    pages,
    gateways,
    cashier: await pages.loginStaff('customer-service', 'kasir'),
    shown,
    setClock: pages.setClock,
    order: async (name) => {
      const person = await addPerson(desk, { name });
      await placePurchase(desk, { subscriberId: person.id, planRevisionId: plan });
      return { person, invoice: (await invoicesOf(db, person.id, 1))[0]! };
    },
    payOnline: async ({ subscriberId, publicId }, open) => {
      const choice = { gateway: 'midtrans', returnUrl: 'https://portal.test/' } as const;
      const { orderId } = await startPayment(desk, gateways, { subscriberId, invoice: publicId }, choice);
      if (open === 'open') return orderId;
      gateways.midtrans.pay(orderId, pages.clock());
      await askGateway(desk, gateways, orderId);
      return orderId;
    },
    stray: async (orderId, amountRupiah) => {
      gateways.xendit.foreign(orderId, { amountRupiah });
      gateways.xendit.pay(orderId, pages.clock(), { amountRupiah });
      await askOrder(desk, gateways, { orderId, gateway: 'xendit' });
    },
    lastPayment: async () => {
      const [row] = await db.query<{ id: number }>('select max(id) as id from payment');
      return row!.id;
    },
  };
}

/** A month of a small company: everything that the pages of money show at least once. */
export async function seedHouse(house: House): Promise<void> {
  const { pages } = house;
  const { desk } = pages;
  for (let back = 12; back >= 1; back -= 1) {
    house.setClock(NOW - back * DAY);
    await closeBooks(desk);
    const { invoice } = await house.order(`Pelanggan ${back}`);
    if (back % 3 === 0) await house.payOnline(invoice);
    else if (back % 3 === 1) await recordPayment(desk, { invoice: invoice.number, method: 'cash' });
  }
  house.setClock(NOW - 5 * HOUR);
  await house.stray('TOKO-LAIN-0001', 150_000);
  await house.stray('TOKO-LAIN-0002', 27_500);
  house.setClock(NOW);
}

/** An invoice for something else than a package. */
export async function otherInvoice(house: House, person: Person, amountRupiah: number): Promise<Invoice> {
  const { desk, db } = house.pages;
  const line: InvoiceLine = { kind: 'other', description: 'Pasang baru', planRevisionId: null, amountRupiah };
  const { number } = await change(db, { actor: 'test', why: 'issue' }, async (tx) => {
    const { billing } = await readSettings(tx);
    const taxed = { ...billing, tax: 'included' as const, taxPercent: 11 };
    return issueInvoice(tx, desk, taxed, { subscriberId: person.id, kind: 'other', lines: [line] });
  });
  return house.shown(number);
}
