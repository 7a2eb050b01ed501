import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { askOrder } from '#operations/ask-gateway';
import { recordPayout } from '#operations/payouts';
import { recordPayment } from '#operations/record-payment';
import { askForDueRefunds, refundPayment } from '#operations/refund-payment';
import { resolveUnmatched } from '#operations/resolve-unmatched';
import { voidInvoice } from '#operations/void-invoice';
import { listUnmatched, unmatchedWaiting } from '#storage/unmatched';
import { NOW, openTill, type Till, TOTAL } from '#test/books/till';
import { faults } from '#test/operations/desk';
import { openShop } from '#test/operations/shop';

let till: Till;
beforeAll(async () => {
  till = await openTill();
});
beforeEach(() => till.reset());

describe('money that comes in by hand', () => {
  test('for an invoice settles it; less stays as credit until the rest is there; what is over stays too', async () => {
    const { id } = await till.subscriber();
    const { number } = await till.invoice(id);
    const part = await recordPayment(till.desk, { invoice: number, method: 'cash', amountRupiah: '100.000' });
    expect(part).toMatchObject({ settled: false, creditRupiah: 100_000, amountRupiah: 100_000 });
    const rest = await recordPayment(till.desk, { invoice: number, method: 'transfer', amountRupiah: 20_000 });
    expect(rest).toMatchObject({ settled: true, creditRupiah: 9_000 });
    expect([await till.account('cash'), await till.account('bank')]).toEqual([100_000, 20_000]);
    expect(await faults(recordPayment(till.desk, { invoice: number, method: 'cash' }))).toEqual([
      `invoice ${number} is paid already; further money is credit of the customer`,
    ]);
    expect(await till.faults()).toEqual([]);
  });

  test('as credit settles what a postpaid line owes, the earliest first', async () => {
    const { id, username } = await till.subscriber();
    const [first, second] = [await till.invoice(id), await till.invoice(id)];
    await till.desk.db.execute(
      `with plan as (insert into plan (name) values ('p') returning id), subscribed as (
         insert into subscription (subscriber_id, plan_id, billing_day, next_on, started_at, started_by)
         select $1, id, 1, '2026-12-01', now(), 'test' from plan returning id)
       update invoice set kind = 'period', subscription_id = (select id from subscribed),
              service_from = service_from + id * interval '1 day', service_until = service_until + id * interval '1 day'`,
      [id],
    );
    const came = await recordPayment(till.desk, { username, method: 'transfer', amountRupiah: TOTAL + 5 });
    expect(came).toMatchObject({ settled: true, creditRupiah: 5 });
    expect((await till.shown(first.number)).settledAt).toBe(NOW);
    expect((await till.shown(second.number)).settledAt).toBeNull();
  });

  test('told twice with the same key counts once, also at the same moment', async () => {
    const { username, id } = await till.subscriber();
    const tell = () => recordPayment(till.desk, { username, method: 'cash', amountRupiah: 10_000, key: 'a-form-once' });
    const came = await Promise.all([tell(), tell(), tell()]);
    expect(came.map(({ before }) => before).sort()).toEqual([false, true, true]);
    expect(await till.credit(id)).toBe(10_000);
  });

  test.each([
    [{}, 'for whom is it? give an invoice or a user name'],
    [{ username: 'nobody' }, /there is no subscriber "nobody"/],
    [{ invoice: 'INV-1999-1' }, 'there is no invoice INV-1999-1; see: invoice list'],
    [{ username: 'x', amountRupiah: '7,5' }, /amountRupiah/],
    [{ username: 'x', amountRupiah: -5 }, /amountRupiah/],
    [{ username: 'x', method: 'gold', amountRupiah: 5 }, /method/],
  ])('%j is refused', async (input, says) => {
    const lines = await faults(recordPayment(till.desk, { method: 'cash', amountRupiah: 5, ...input }));
    expect(lines.join('\n')).toMatch(says);
  });
});

describe('an invoice that is taken back', () => {
  test('is void with its order, with a reason; paid all the same it is given', async () => {
    const shop = await openShop();
    const { id } = await shop.subscriber();
    const { number: order } = await shop.order(id);
    const [{ number }] = (await shop.desk.db.query<{ number: string }>('select number from invoice')) as [
      { number: string },
    ];
    expect(await faults(voidInvoice(shop.desk, { invoice: number, reason: '' }))).toHaveLength(1);
    expect(await voidInvoice(shop.desk, { invoice: number, reason: 'salah' })).toEqual({ number, changed: true });
    expect(await voidInvoice(shop.desk, { invoice: number, reason: 'salah' })).toEqual({ number, changed: false });
    expect((await shop.shown(order)).state).toBe('cancelled');
    expect(await shop.lastAudit(id)).toMatchObject({
      why: 'void invoice',
      detail: { reason: 'salah', invoice: number },
    });
    expect((await recordPayment(shop.desk, { invoice: number, method: 'cash' })).settled).toBe(true);
    expect((await shop.shown(order)).state).toBe('done');
    expect(await faults(voidInvoice(shop.desk, { invoice: number, reason: 'salah' }))).toEqual([
      `invoice ${number} is paid; give a credit note, or refund its payment`,
    ]);
  });
});

describe('money that fits nothing', () => {
  /** Xendit tells of an order that is none of ours. */
  async function told(orderId: string) {
    return (await askOrder(till.desk, till.gateways, { orderId, gateway: 'xendit' })).applied;
  }

  /** Somebody else's order with the same account, or one of ours with another amount. */
  async function stray(amountRupiah = 40_000) {
    till.gateways.xendit.foreign('stray-1', { amountRupiah });
    till.gateways.xendit.pay('stray-1', NOW, { amountRupiah });
    expect(await told('stray-1')).toBe('unmatched');
    return (await listUnmatched(till.desk.db, 10))[0]!;
  }
  const resolve = (id: number, more: object) =>
    resolveUnmatched(till.desk, till.gateways, { id, reason: 'telepon dari pelanggan', ...more });

  test('waits, and how long and how much is seen', async () => {
    const money = await stray();
    expect(money).toMatchObject({ reason: 'unknown-order', amountRupiah: 40_000, username: null, refunding: false });
    till.desk.setClock(NOW + 2 * DAY);
    expect(await unmatchedWaiting(till.desk.db)).toEqual({ count: 1, rupiah: 40_000, since: NOW });
  });

  test('becomes credit of a subscriber, as a payment that can be refunded; once', async () => {
    const { id, username } = await till.subscriber();
    const money = await stray();
    const twice = await Promise.all([
      faults(resolve(money.id, { how: 'credit', username })),
      faults(resolve(money.id, { how: 'credit', username })),
    ]);
    expect(twice.flat()).toEqual(['somebody has resolved this already']);
    expect([await till.credit(id), await till.account('unmatched')]).toEqual([40_000, 0]);
    expect(await unmatchedWaiting(till.desk.db)).toMatchObject({ count: 0, since: null });
    expect((await listUnmatched(till.desk.db, 5, true))[0]).toMatchObject({ resolvedBy: 'test', resolution: username });
    // Told again it is known, not money once more.
    expect(await told('stray-1')).toBe('known');
    const [payment] = await till.desk.db.query<{ id: number }>('select id from payment');
    const back = { payment: payment!.id, how: 'gateway', reason: 'salah orang', key: 'refund-stray' };
    expect(await refundPayment(till.desk, till.gateways, back)).toMatchObject({ came: 'done' });
    expect([await till.credit(id), await till.account('clearing:xendit')]).toEqual([0, 0]);
    expect(await till.faults()).toEqual([]);
  });

  test('pays an invoice, with the rest as credit; too little of it stays credit', async () => {
    const { id } = await till.subscriber();
    const { number } = await till.invoice(id);
    const little = await stray();
    expect((await resolve(little.id, { how: 'invoice', invoice: number })).settled).toBe(false);
    expect(await till.credit(id)).toBe(40_000);
    till.gateways.xendit.foreign('stray-2', {});
    till.gateways.xendit.pay('stray-2', NOW, { amountRupiah: TOTAL });
    await told('stray-2');
    const [enough] = await listUnmatched(till.desk.db, 10);
    expect((await resolve(enough!.id, { how: 'invoice', invoice: number })).settled).toBe(true);
    expect(await till.credit(id)).toBe(40_000);
    expect(await till.faults()).toEqual([]);
  });

  test('goes back at its gateway, once, also when it is asked again and again', async () => {
    const money = await stray();
    till.gateways.xendit.trouble.down = true;
    expect((await resolve(money.id, { how: 'refund' })).refund).toMatchObject({ came: 'waiting' });
    expect(await faults(resolve(money.id, { how: 'refund' }))).toEqual(['its gateway is just asked to give it back']);
    till.gateways.xendit.trouble.down = false;
    till.desk.setClock(NOW + HOUR);
    await Promise.all([askForDueRefunds(till.desk, till.gateways), askForDueRefunds(till.desk, till.gateways)]);
    expect(till.gateways.xendit.refunds.size).toBe(1);
    expect([await till.account('unmatched'), await till.account('clearing:xendit')]).toEqual([0, 0]);
    expect((await listUnmatched(till.desk.db, 5, true))[0]).toMatchObject({ resolution: 'refund' });
    expect(await till.faults()).toEqual([]);
  });

  test('that its gateway does not give back waits again, with what it said', async () => {
    const money = await stray();
    till.gateways.xendit.says('stray-1', { amountRupiah: 1 });
    expect((await resolve(money.id, { how: 'refund' })).refund).toMatchObject({ came: 'refused' });
    expect((await listUnmatched(till.desk.db, 5))[0]).toMatchObject({
      refunding: false,
      refundError: 'more than was paid',
    });
    const { username } = await till.subscriber();
    await resolve(money.id, { how: 'credit', username });
    expect(await till.account('unmatched')).toBe(0);
  });

  test.each([
    [{ how: 'credit' }, 'whose credit is it? give a user name'],
    [{ how: 'invoice' }, 'which invoice is it for? give its number'],
    [{ how: 'credit', username: 'nobody' }, /no subscriber "nobody"/],
    [{ how: 'refund', reason: '' }, /reason: missing/],
  ])('%j is refused', async (input, says) => {
    const { id } = await stray();
    expect((await faults(resolve(id, input))).join()).toMatch(says);
    expect(await faults(resolve(id + 1, { how: 'refund' }))).toEqual([
      `there is no unmatched money of number ${id + 1}`,
    ]);
  });
});

describe('a payout of a gateway', () => {
  test('is in the bank less its fee, once, and never more than it holds', async () => {
    const { id } = await till.subscriber();
    await till.pay(await till.invoice(id));
    const payout = (more: object) =>
      recordPayout(till.desk, {
        gateway: 'midtrans',
        amountRupiah: 100_000,
        feeRupiah: '4.000',
        reference: 'MID-1',
        ...more,
      });
    expect(await payout({})).toEqual({ gateway: 'midtrans', holdsRupiah: 7_000 });
    expect(await faults(payout({}))).toEqual(['the payout MID-1 of midtrans is booked already']);
    expect(await faults(payout({ reference: 'MID-2' }))).toEqual([
      'midtrans holds Rp 7.000 of ours by the books; look at the amounts again',
    ]);
    expect(await payout({ reference: 'MID-3', amountRupiah: 7_000, feeRupiah: 0 })).toMatchObject({ holdsRupiah: 0 });
    expect([await till.account('bank'), await till.account('fee')]).toEqual([107_000, 4_000]);
    expect(await till.faults()).toEqual([]);
  });
});
