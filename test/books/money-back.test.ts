import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { refundsJob } from '#jobs/books';
import { askGateway } from '#operations/ask-gateway';
import { issueCreditNote } from '#operations/credit-note';
import { recognise } from '#operations/recognise';
import { recordPayment } from '#operations/record-payment';
import { askForDueRefunds, refundPayment } from '#operations/refund-payment';
import { creditNotesOf } from '#storage/credit-notes';
import { lastPayment, NOW, openTill, type Till, TOTAL } from '#test/books/till';
import { faults } from '#test/operations/desk';

let till: Till;
beforeAll(async () => {
  till = await openTill();
});
beforeEach(() => till.reset());

let keys = 0;
const refund = (payment: number, more: object = {}) =>
  refundPayment(till.desk, till.gateways, {
    payment,
    how: 'gateway',
    reason: 'salah beli',
    key: `form-key-${keys++}`,
    ...more,
  });
const note = (invoice: string, amountRupiah: number, reason = 'tiga hari mati') =>
  issueCreditNote(till.desk, { invoice, amountRupiah, reason });
const refundsOf = (payment: number) =>
  till.desk.db.query<{ amount: number; by: string; reason: string }>(
    'select amount_rupiah as amount, by, reason from refund where payment_id = $1 order by id',
    [payment],
  );

async function paid() {
  const { id } = await till.subscriber();
  const invoice = await till.invoice(id);
  return { id, invoice, ...(await till.pay(invoice)) };
}

describe('credit notes', () => {
  test('have numbers without gaps, also where one is refused between, and take off what is owed', async () => {
    const { id } = await till.subscriber();
    const invoice = await till.invoice(id);
    expect(await note(invoice.number, 11_000)).toMatchObject({
      number: 'CN-2026-001',
      settled: false,
      creditRupiah: 0,
    });
    expect(await faults(note(invoice.number, TOTAL - 11_000 + 1))).toEqual([
      `of invoice ${invoice.number} at most Rp 100.000 can be credited`,
    ]);
    expect(await faults(note(invoice.number, 0))).toHaveLength(1);
    expect(await faults(note(invoice.number, 5, ' '))).toHaveLength(1);
    expect((await note(invoice.publicId, 50_000)).number).toBe('CN-2026-002');
    expect((await till.shown(invoice.number)).owedRupiah).toBe(50_000);
    expect((await creditNotesOf(till.desk.db, invoice.id)).map(({ number }) => number)).toEqual([
      'CN-2026-001',
      'CN-2026-002',
    ]);
    await recordPayment(till.desk, { invoice: invoice.number, method: 'cash' });
    expect((await till.shown(invoice.number)).settledAt).toBe(NOW);
    expect(await till.account('deferred-revenue')).toBe(50_000 - 4_955);
    expect(await till.faults()).toEqual([]);
  });

  test('for all that is owed settle it; what was paid towards it stays credit', async () => {
    const { id } = await till.subscriber();
    const invoice = await till.invoice(id);
    await recordPayment(till.desk, { invoice: invoice.number, method: 'cash', amountRupiah: 30_000 });
    expect(await note(invoice.number, TOTAL)).toMatchObject({ settled: true, creditRupiah: 30_000 });
    expect(await till.account('deferred-revenue')).toBe(0);
  });

  test('with what was paid towards it already, the rest may be all that was wanting', async () => {
    const { id } = await till.subscriber();
    const invoice = await till.invoice(id);
    await recordPayment(till.desk, { invoice: invoice.number, method: 'cash', amountRupiah: 100_000 });
    expect(await note(invoice.number, 11_000)).toMatchObject({ settled: true, creditRupiah: 0 });
  });

  test('of what was paid become credit, out of earned, not earned and tax in their shares', async () => {
    const { id, invoice } = await paid();
    till.desk.setClock(Date.parse('2026-11-26T17:00:00Z'));
    await recognise(till.desk);
    const earned = await till.account('revenue');
    expect(await note(invoice.number, TOTAL / 2)).toMatchObject({ settled: true, creditRupiah: TOTAL / 2 });
    expect(await till.account('tax-payable')).toBe(5_500);
    expect(await till.account('revenue')).toBe(Math.floor(earned / 2));
    expect(await till.account('deferred-revenue')).toBe(50_000 - Math.floor(earned / 2));
    till.desk.setClock(NOW + 30 * DAY);
    await recognise(till.desk);
    expect([await till.account('revenue'), await till.account('deferred-revenue')]).toEqual([50_000, 0]);
    expect(await till.credit(id)).toBe(TOTAL / 2);
    expect(await faults(note(invoice.number, TOTAL / 2 + 1))).toEqual([
      `of invoice ${invoice.number} at most Rp 55.500 can be credited`,
    ]);
  });

  test('and refunds at our expense are together never more than the invoice', async () => {
    const { invoice, paymentId } = await paid();
    await refund(paymentId, { amountRupiah: 100_000 });
    expect(await faults(note(invoice.number, 11_001))).toHaveLength(1);
    await note(invoice.number, 11_000);
    expect(await till.faults()).toEqual([]);
  });

  test('two at the same moment never take off more than there is', async () => {
    const { id } = await till.subscriber();
    const invoice = await till.invoice(id);
    const came = await Promise.all(Array.from({ length: 5 }, () => faults(note(invoice.number, 50_000))));
    expect(came.filter((lines) => lines.length === 0)).toHaveLength(2);
    expect((await till.shown(invoice.number)).creditedRupiah).toBe(100_000);
  });

  test('a void invoice has nothing to credit', async () => {
    const { id } = await till.subscriber();
    const invoice = await till.invoice(id);
    await till.desk.db.execute('update invoice set voided_at = now() where id = $1', [invoice.id]);
    expect(await faults(note(invoice.number, 5))).toEqual([`invoice ${invoice.number} is void: nothing is owed`]);
  });
});

describe('a refund at the gateway', () => {
  test('in part, then the rest: the books follow what the gateway says, with who asked for it and why', async () => {
    const { id, invoice, paymentId } = await paid();
    expect(await refund(paymentId, { amountRupiah: 11_000 })).toMatchObject({ came: 'done', amountRupiah: 11_000 });
    expect(await till.account('refund')).toBe(11_000);
    expect((await till.shown(invoice.number)).settledAt).toBe(NOW);
    expect(await refund(paymentId)).toMatchObject({ came: 'done', amountRupiah: 100_000 });
    expect(await refundsOf(paymentId)).toEqual([
      { amount: 11_000, by: 'test', reason: 'salah beli' },
      { amount: 100_000, by: 'test', reason: 'salah beli' },
    ]);
    // Nothing was earned yet: the expense is made up for wholly.
    for (const account of ['refund', 'deferred-revenue', 'tax-payable', 'clearing:midtrans'])
      expect([account, await till.account(account)]).toEqual([account, 0]);
    expect(await till.credit(id)).toBe(0);
    expect(await faults(refund(paymentId))).toEqual(['of this payment Rp 0 is left to give back']);
    expect(await till.faults()).toEqual([]);
  });

  test('of a form that is sent twice happens once, also at the same moment', async () => {
    const { paymentId } = await paid();
    const twice = () => refund(paymentId, { amountRupiah: 50_000, key: 'one-and-the-same' });
    const came = await Promise.all([twice(), twice(), twice()]);
    expect(came.map((one) => one.came).sort()).toEqual(['before', 'before', 'done']);
    expect(await refundsOf(paymentId)).toHaveLength(1);
    expect(till.gateways.midtrans.refunds.size).toBe(1);
  });

  test('that we did not hear of is asked again with the same key, and happens once', async () => {
    const { paymentId, orderId } = await paid();
    const { midtrans } = till.gateways;
    // The gateway does it, and its answer is lost; or we are killed just then.
    const real = midtrans.refund.bind(midtrans);
    midtrans.refund = async (of) => {
      await real(of);
      midtrans.refund = real;
      throw new Unavailable('midtrans: no answer in time');
    };
    expect(await refund(paymentId, { amountRupiah: 50_000 })).toMatchObject({ came: 'waiting' });
    expect(await faults(refund(paymentId))).toEqual([
      'a refund of this payment is under way at its gateway; wait for what comes of it',
    ]);
    expect(await askForDueRefunds(till.desk, till.gateways)).toEqual([]);
    till.desk.setClock(NOW + HOUR);
    expect(await askForDueRefunds(till.desk, till.gateways)).toMatchObject([{ came: 'done' }]);
    expect([midtrans.refunds.size, (await refundsOf(paymentId)).length]).toEqual([1, 1]);
    expect(await askForDueRefunds(till.desk, till.gateways)).toEqual([]);
    await askGateway(till.desk, till.gateways, orderId);
    expect(await refundsOf(paymentId)).toHaveLength(1);
  });

  test('whose word comes first by an event is the same refund, and is done by it', async () => {
    const { paymentId, orderId } = await paid();
    const { midtrans } = till.gateways;
    const real = midtrans.refund.bind(midtrans);
    midtrans.refund = async (of) => {
      await real(of);
      await askGateway({ ...till.desk, actor: 'system' }, till.gateways, orderId);
    };
    expect(await refund(paymentId, { amountRupiah: 50_000 })).toMatchObject({ came: 'done' });
    midtrans.refund = real;
    expect(await refundsOf(paymentId)).toEqual([{ amount: 50_000, by: 'test', reason: 'salah beli' }]);
  });

  test('that shows only later is booked when it shows', async () => {
    const { paymentId, orderId } = await paid();
    const { midtrans } = till.gateways;
    const order = midtrans.orders.get(orderId)!;
    const before = order.truth;
    const asked = midtrans.calls.refund;
    const real = midtrans.refund.bind(midtrans);
    midtrans.refund = async (of) => {
      await real(of);
      order.truth = before;
    };
    expect(await refund(paymentId, { amountRupiah: 50_000 })).toMatchObject({ came: 'asked' });
    midtrans.refund = real;
    expect(await till.account('refund')).toBe(0);
    midtrans.says(orderId, { state: 'partly-refunded', refundedRupiah: 50_000 });
    till.desk.setClock(NOW + HOUR);
    expect(await askForDueRefunds(till.desk, till.gateways)).toMatchObject([{ came: 'done' }]);
    // It had said yes: it is not asked for it again.
    expect(midtrans.calls.refund - asked).toBe(1);
    expect(await till.account('refund')).toBe(50_000);
  });

  test('that it accepted and never shows is given up after two weeks, for people to ask', async () => {
    const { paymentId, orderId } = await paid();
    const { midtrans } = till.gateways;
    const order = midtrans.orders.get(orderId)!;
    const before = order.truth;
    const real = midtrans.refund.bind(midtrans);
    midtrans.refund = async (of) => {
      await real(of);
      order.truth = before;
    };
    expect(await refund(paymentId, { amountRupiah: 50_000 })).toMatchObject({ came: 'asked' });
    midtrans.refund = real;
    till.desk.setClock(NOW + 14 * DAY);
    expect(await askForDueRefunds(till.desk, till.gateways)).toMatchObject([{ came: 'asked' }]);
    till.desk.setClock(NOW + 15 * DAY);
    expect(await askForDueRefunds(till.desk, till.gateways)).toMatchObject([
      { came: 'refused', error: 'the gateway said yes, and never showed the refund; ask it by hand' },
    ]);
    expect(await till.account('refund')).toBe(0);
    expect(await refund(paymentId, { how: 'transfer', amountRupiah: 50_000 })).toMatchObject({ came: 'done' });
  });

  test('that it refuses changes nothing, says why, and may be tried otherwise', async () => {
    const { paymentId } = await paid();
    const { midtrans } = till.gateways;
    midtrans.says([...midtrans.orders.keys()][0]!, { amountRupiah: 5 });
    expect(await refund(paymentId)).toMatchObject({ came: 'refused', error: 'more than was paid' });
    expect(await till.account('refund')).toBe(0);
    expect(await refund(paymentId, { how: 'transfer' })).toMatchObject({ came: 'done' });
    expect(await till.account('bank')).toBe(-TOTAL);
  });

  test('with its keys gone waits until they are set again', async () => {
    const { paymentId } = await paid();
    till.gateways.keys = ['xendit'];
    expect(await refund(paymentId)).toMatchObject({ came: 'waiting', error: 'the keys of midtrans are not set' });
    till.gateways.keys = ['midtrans', 'xendit'];
    till.desk.setClock(NOW + 10 * MINUTE);
    const job = refundsJob(async (signal) => (await askForDueRefunds(till.desk, till.gateways, signal)).length);
    expect(await job.run(AbortSignal.abort())).toBeNull();
    expect(await job.run(new AbortController().signal)).toBe('asked for 1 refunds');
    expect(await job.run(new AbortController().signal)).toBeNull();
    expect(await refundsOf(paymentId)).toHaveLength(1);
  });
});

describe('whose money goes back', () => {
  test('by hand, of money that came by hand; told twice it is once', async () => {
    const { id } = await till.subscriber();
    const invoice = await till.invoice(id);
    const { paymentId } = await recordPayment(till.desk, { invoice: invoice.number, method: 'cash' });
    expect(await faults(refund(paymentId))).toEqual([
      'this payment came in by hand: give it back in cash or by transfer',
    ]);
    expect(await refund(paymentId, { how: 'cash', key: 'counter-form', amountRupiah: 1_000 })).toMatchObject({
      came: 'done',
    });
    expect(await refund(paymentId, { how: 'cash', key: 'counter-form', amountRupiah: 1_000 })).toMatchObject({
      came: 'before',
    });
    expect([await till.account('cash'), await till.account('refund')]).toEqual([TOTAL - 1_000, 1_000]);
  });

  test('credit that was not spent leaves the credit, and credit that is spent cannot be given back', async () => {
    const { id, username } = await till.subscriber();
    const { paymentId } = await recordPayment(till.desk, { username, method: 'cash', amountRupiah: 120_000 });
    await refund(paymentId, { how: 'cash', amountRupiah: 5_000 });
    expect([await till.credit(id), await till.account('refund')]).toEqual([115_000, 0]);
    const invoice = await till.invoice(id);
    await recordPayment(till.desk, { invoice: invoice.number, method: 'cash', amountRupiah: 1 });
    expect(await till.credit(id)).toBe(4_001);
    expect(await faults(refund(paymentId, { how: 'cash' }))).toEqual([
      'the customer has spent this money: as credit there is less than that left',
    ]);
  });

  test('what was paid twice: the second goes back out of the credit, and what was bought stays', async () => {
    const { id, invoice, paymentId } = await paid();
    // The earlier link of the same invoice, paid too.
    await till.desk.db.execute(
      `insert into payment_intent (order_id, gateway, subscriber_id, invoice_id, amount_rupiah, created_at, created_by, closed_at)
       select 'again-1', 'xendit', $1, $2, $3, now(), 'test', now()`,
      [id, invoice.id, TOTAL],
    );
    till.gateways.xendit.foreign('again-1', { amountRupiah: TOTAL });
    till.gateways.xendit.pay('again-1', NOW);
    await askGateway(till.desk, till.gateways, 'again-1');
    expect(await till.credit(id)).toBe(TOTAL);
    const second = await lastPayment(till.desk.db);
    expect(second).not.toBe(paymentId);
    expect(await refund(second)).toMatchObject({ came: 'done' });
    expect([await till.credit(id), await till.account('refund')]).toEqual([0, 0]);
    expect(await till.account('deferred-revenue')).toBe(100_000);
  });

  test('of an invoice that was paid from the balance in part, all refunded: that part is balance again', async () => {
    const { id, username } = await till.subscriber();
    await recordPayment(till.desk, { username, method: 'cash', amountRupiah: 11_000 });
    const invoice = await till.invoice(id);
    const { paymentId } = await till.pay(invoice);
    expect((await till.shown(invoice.number)).settledAt).toBe(NOW);
    expect(await refund(paymentId)).toMatchObject({ came: 'done', amountRupiah: 100_000 });
    expect([await till.credit(id), await till.account('refund')]).toEqual([11_000, 0]);
    expect(await till.faults()).toEqual([]);
  });

  test('a part refunded and the rest charged back: nobody owes what was given back twice', async () => {
    const { id, invoice, orderId, paymentId } = await paid();
    await refund(paymentId, { amountRupiah: 11_000 });
    till.gateways.midtrans.says(orderId, { state: 'charged-back' });
    expect(await askGateway(till.desk, till.gateways, orderId)).toBe('reversed');
    expect([await till.credit(id), await till.account('refund')]).toEqual([0, 0]);
    expect((await till.shown(invoice.number)).settledAt).toBeNull();
    expect(await till.faults()).toEqual([]);
  });
});
