import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { InvalidInput } from '#domain/errors';
import { DAY, HOUR } from '#domain/time';
import { askGateway } from '#operations/ask-gateway';
import { closeBooks } from '#operations/close-books';
import { issueCreditNote } from '#operations/credit-note';
import { recordPayment } from '#operations/record-payment';
import { refundPayment } from '#operations/refund-payment';
import { taxOwed } from '#operations/settle-invoice';
import { NOW, openTill, type Till } from '#test/books/till';

let till: Till;
beforeAll(async () => {
  till = await openTill();
});

type Act =
  | { is: 'invoice'; rupiah: number; hours: number }
  | { is: 'pay'; which: number; by: 'cash' | 'midtrans'; share: number }
  | { is: 'credit'; rupiah: number }
  | { is: 'note'; which: number; share: number }
  | { is: 'refund'; which: number; share: number }
  | { is: 'charge back'; which: number }
  | { is: 'night'; hours: number };

const which = fc.nat({ max: 9 });
const share = fc.constantFrom(0.1, 0.33, 0.5, 1, 1.2);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    is: fc.constant('invoice' as const),
    rupiah: fc.integer({ min: 1, max: 400_000 }),
    hours: fc.integer({ min: 1, max: 400 }),
  }),
  fc.record({
    is: fc.constant('pay' as const),
    which,
    by: fc.constantFrom('cash' as const, 'midtrans' as const),
    share,
  }),
  fc.record({ is: fc.constant('pay' as const), which, by: fc.constant('midtrans' as const), share: fc.constant(1) }),
  fc.record({ is: fc.constant('credit' as const), rupiah: fc.integer({ min: 1, max: 200_000 }) }),
  fc.record({ is: fc.constant('note' as const), which, share }),
  fc.record({ is: fc.constant('refund' as const), which, share }),
  fc.record({ is: fc.constant('charge back' as const), which }),
  fc.record({ is: fc.constant('night' as const), hours: fc.integer({ min: 5, max: 90 }) }),
);

/** Refusals are answers too. */
async function maybe(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
  }
}

class Company {
  now = NOW;
  key = 0;
  readonly numbers: string[] = [];
  readonly who: { id: number; username: string };

  constructor(who: { id: number; username: string }) {
    this.who = who;
  }

  async does(one: Act): Promise<void> {
    const { desk } = till;
    if (one.is === 'invoice') {
      const { number } = await till.invoice(this.who.id, { rupiah: one.rupiah, until: this.now + one.hours * HOUR });
      this.numbers.push(number);
    } else if (one.is === 'night') {
      this.now += one.hours * HOUR;
      desk.setClock(this.now);
      await closeBooks(desk);
    } else if (one.is === 'credit') {
      await recordPayment(desk, { username: this.who.username, method: 'cash', amountRupiah: one.rupiah });
    } else if (one.is === 'pay' || one.is === 'note') await this.ofInvoice(one);
    else await this.ofPayment(one);
  }

  async ofInvoice(one: Act & { is: 'pay' | 'note' }): Promise<void> {
    const name = this.numbers[one.which % Math.max(1, this.numbers.length)];
    if (name === undefined) return;
    const invoice = await till.shown(name);
    const amountRupiah = Math.max(1, Math.floor(invoice.owedRupiah * one.share));
    if (one.is === 'note') return maybe(issueCreditNote(till.desk, { invoice: name, amountRupiah, reason: 'r' }));
    if (one.by === 'cash') return maybe(recordPayment(till.desk, { invoice: name, method: 'cash', amountRupiah }));
    return maybe(till.pay(invoice));
  }

  async ofPayment(one: Act & { is: 'refund' | 'charge back' }): Promise<void> {
    const payments = await till.desk.db.query<{ id: number; amount: number; orderId: string | null }>(
      `select payment.id, payment.amount_rupiah as amount, order_id as "orderId"
         from payment left join payment_intent on payment_intent.id = intent_id order by payment.id`,
    );
    const payment = payments[one.which % Math.max(1, payments.length)];
    if (payment === undefined) return;
    if (one.is === 'charge back') {
      if (payment.orderId === null) return;
      till.gateways.midtrans.says(payment.orderId, { state: 'charged-back' });
      await askGateway(till.desk, till.gateways, payment.orderId);
      return;
    }
    this.key += 1;
    const how = payment.orderId === null ? 'cash' : 'gateway';
    const amountRupiah = Math.max(1, Math.floor(payment.amount * one.share));
    const order = { payment: payment.id, how, amountRupiah, reason: 'r', key: `property-${this.key}` };
    await maybe(refundPayment(till.desk, till.gateways, order));
  }
}

test('whatever is paid, credited, refunded, charged back and earned in whatever order, the books stay true', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 4, maxLength: 24 }), async (acts) => {
      await till.reset();
      const company = new Company(await till.subscriber());
      await company.does({ is: 'invoice', rupiah: 111_000, hours: 240 });
      for (const one of acts) {
        await company.does(one);
        expect(await till.account('deferred-revenue'), `deferred after ${JSON.stringify(one)}`).toBeGreaterThanOrEqual(
          0,
        );
      }
      company.now += 20 * DAY;
      till.desk.setClock(company.now);
      await closeBooks(till.desk);
      expect(await till.faults()).toEqual([]);
      // After every span nothing is left to be earned, and what was settled is revenue, less what a refund ended.
      expect(await till.account('deferred-revenue')).toBe(0);
      let net = 0;
      for (const number of company.numbers) {
        const invoice = await till.shown(number);
        const of = invoice.owedRupiah - taxOwed(invoice);
        expect(invoice.recognisedRupiah).toBe(invoice.settledAt === null ? 0 : of);
        net += invoice.recognisedRupiah;
      }
      const released = await till.desk.db.query<{ sum: number | null }>(
        `select sum(amount_rupiah)::bigint as sum from ledger_entry e join ledger_transaction t on t.id = e.transaction_id
          where t.kind = 'refund-released' and e.account = 'deferred-revenue'`,
      );
      expect(await till.account('revenue')).toBe(net - (released[0]!.sum ?? 0));
    }),
    { numRuns: 40 },
  );
}, 240_000);

test('whatever happens to invoices in the very moment in which they are earned, books and invoices agree', async () => {
  await till.reset();
  const { desk } = till;
  const invoices: { number: string; paymentId: number }[] = [];
  for (let n = 0; n < 6; n += 1) {
    const { id } = await till.subscriber();
    const { number } = await till.invoice(id, { rupiah: 100_003 + n });
    invoices.push({ number, ...(await till.pay(await till.shown(number))) });
  }
  for (let night = 1; night <= 8; night += 1) {
    desk.setClock(NOW + night * DAY);
    const acts = invoices.flatMap(({ number, paymentId }, n) => [
      maybe(issueCreditNote(desk, { invoice: number, amountRupiah: 1_000 + n, reason: 'r' })),
      maybe(
        refundPayment(desk, till.gateways, {
          payment: paymentId,
          how: 'cash',
          amountRupiah: 3_001,
          reason: 'r',
          key: `race-${night}-${n}`,
        }),
      ),
    ]);
    await Promise.all([closeBooks(desk), ...acts, closeBooks(desk)]);
    let deferred = 0;
    for (const { number } of invoices) {
      const invoice = await till.shown(number);
      expect(invoice.recognisedRupiah).toBeLessThanOrEqual(invoice.owedRupiah - taxOwed(invoice));
      deferred += invoice.owedRupiah - taxOwed(invoice) - invoice.recognisedRupiah;
    }
    expect(await till.account('deferred-revenue'), `after night ${night}`).toBe(deferred);
  }
  expect(await till.faults()).toEqual([]);
}, 120_000);
