import { describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { GatewayRefusal } from '#domain/gateway';
import { DAY, HOUR, MINUTE, SECOND } from '#domain/time';
import { cancelPurchase } from '#operations/cancel-purchase';
import { receivePayment } from '#operations/receive-payment';
import { NoGateway, NotPayable, openLinks, startPayment } from '#operations/start-payment';
import { change } from '#storage/change';
import { NOW, secondNode } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import {
  attempts,
  creditNow,
  debtor,
  desk,
  expectEvenBooks,
  gateways,
  invoiceNow,
  payable,
  purchaseNow,
  RETURN,
  shop,
  startFor,
  usePayments,
} from '#test/payments/harness';

usePayments();

const topUp = (subscriberId: number, topUpRupiah: number) =>
  startPayment(desk, gateways, { subscriberId, topUpRupiah }, { returnUrl: RETURN });

async function credit(subscriberId: number, amountRupiah: number): Promise<void> {
  await change(desk.db, { actor: 'test', why: 'record payment' }, (tx) =>
    receivePayment(tx, desk, {
      subscriberId,
      invoice: null,
      amountRupiah,
      method: 'cash',
      gateway: null,
      receivedAt: NOW,
    }),
  );
}

describe('a link to pay an invoice', () => {
  test('is made once, and is there again for whoever asks later', async () => {
    const one = await debtor();
    const first = await startFor(one);
    expect(first).toEqual({
      url: expect.stringMatching(/^https:\/\/midtrans\.test\/pay\//),
      orderId: `${one.invoice.number}-1`,
      gateway: 'midtrans',
      expiresAt: NOW + 24 * HOUR,
      reused: false,
    });
    expect(gateways.midtrans.orders.get(first.orderId)!.request).toMatchObject({
      amountRupiah: PRICE,
      description: `Tagihan ${one.invoice.number}`,
      customer: { name: expect.any(String), phone: '081270004321' },
      returnUrl: RETURN,
      save: null,
    });
    expect(await startFor(one)).toEqual({ ...first, reused: true });
    expect(gateways.midtrans.calls.create).toBe(1);
    const links = await openLinks(desk.db, desk.sealer, one.id, NOW);
    expect([...links]).toEqual([[one.invoice.id, { url: first.url, gateway: 'midtrans', expiresAt: first.expiresAt }]]);
  });

  test('stands nowhere in the database as it is', async () => {
    const one = await debtor();
    const { url } = await startFor(one);
    const [row] = await desk.db.query<{ text: string }>(
      `select (select string_agg(t::text, ' ') from payment_intent t) || (select string_agg(t::text, ' ') from audit t) as text`,
    );
    expect(row!.text).not.toContain(url);
    expect(row!.text).not.toContain(Buffer.from(url).toString('hex'));
  });

  test('asked for by fifty clicks at once, on two nodes, it is one order at the gateway', async () => {
    const one = await debtor();
    gateways.midtrans.trouble.delayMs = 50;
    const other = await secondNode(desk);
    const clicks = Array.from({ length: 50 }, (_, at) => startFor(one, {}, at % 2 === 0 ? desk : other));
    const started = await Promise.all(clicks);
    await other.db.close();
    expect(new Set(started.map(({ url }) => url)).size).toBe(1);
    expect(started.filter(({ reused }) => !reused)).toHaveLength(1);
    expect(gateways.midtrans.calls.create).toBe(1);
    expect(await attempts(one)).toHaveLength(1);
  });

  test('of a claimant that died is asked for by the next one after the time of the claim, for the same order', async () => {
    const one = await debtor();
    await startFor(one);
    // As it is when the process was killed after it had asked the gateway.
    await desk.db.execute(
      `update payment_intent set link_sealed = null, gateway_id = null, expires_at = null, next_poll_at = null, claimed_until = $1::timestamptz`,
      [new Date(NOW + 20 * SECOND).toISOString()],
    );
    const waiting = startFor(one);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(gateways.midtrans.calls.create).toBe(1);
    desk.setClock(NOW + 20 * SECOND);
    expect((await waiting).orderId).toBe(`${one.invoice.number}-1`);
    expect(gateways.midtrans.calls.create).toBe(2);
    expect(gateways.midtrans.orders.size).toBe(1);
  });

  test('whose answer was lost is found by asking for the same order again', async () => {
    const one = await debtor();
    gateways.midtrans.trouble.loseCreated = true;
    await expect(startFor(one)).rejects.toThrow(Unavailable);
    gateways.midtrans.trouble.loseCreated = false;
    expect((await startFor(one)).orderId).toBe(`${one.invoice.number}-1`);
    expect(gateways.midtrans.orders.size).toBe(1);
  });

  test('under an order id that is taken at the gateway is made under the next one, and that order stays somebody else’s', async () => {
    const one = await debtor();
    const taken = `${one.invoice.number}-1`;
    gateways.midtrans.foreign(taken, { state: 'paid', gatewayRef: 'old', amountRupiah: PRICE, currency: 'IDR' });
    expect((await startFor(one)).orderId).toBe(`${one.invoice.number}-2`);
    expect(await attempts(one)).toMatchObject([
      { orderId: taken, state: 'failed', closed: true },
      { state: 'created', closed: false },
    ]);
  });

  test('at another gateway closes the one before, so that it is not paid twice', async () => {
    const one = await debtor();
    const first = await startFor(one);
    const second = await startFor(one, { gateway: 'xendit' });
    expect(second).toMatchObject({ gateway: 'xendit', orderId: `${one.invoice.number}-2`, reused: false });
    expect(gateways.midtrans.orders.get(first.orderId)!.closed).toBe(true);
    expect(await startFor(one)).toMatchObject({ url: second.url, reused: true });
    expect(await startFor(one, { gateway: 'midtrans' })).toMatchObject({ orderId: `${one.invoice.number}-3` });
    expect((await attempts(one)).map(({ closed }) => closed)).toEqual([true, true, false]);
  });

  test('at another gateway, when the one before was paid a moment ago: it is settled instead', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    await expect(startFor(one, { gateway: 'xendit' })).rejects.toMatchObject({ name: 'NotPayable', is: 'settled' });
    expect((await purchaseNow(one)).state).toBe('done');
    expect(gateways.xendit.calls.create).toBe(0);
  });

  test('at another gateway because the first one is down: it is given, and what comes by the first all the same is credit', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.trouble.down = true;
    const second = await startFor(one, { gateway: 'xendit' });
    expect(second.gateway).toBe('xendit');
    const [before] = await desk.db.query<{ polled: boolean }>(
      'select next_poll_at is not null as polled from payment_intent where order_id = $1',
      [orderId],
    );
    expect(before!.polled).toBe(true);
  });

  test('that has run out is closed and made anew', async () => {
    const one = await debtor();
    await startFor(one);
    desk.setClock(NOW + 24 * HOUR - MINUTE);
    expect(await startFor(one)).toMatchObject({ orderId: `${one.invoice.number}-2`, reused: false });
    expect((await attempts(one)).map(({ closed }) => closed)).toEqual([true, false]);
    expect(await openLinks(desk.db, desk.sealer, one.id, NOW + 3 * DAY)).toEqual(new Map());
  });

  test('with the card to be kept is another link than one without', async () => {
    const one = await debtor();
    await startFor(one);
    const keeping = await startFor(one, { save: true });
    expect(gateways.midtrans.orders.get(keeping.orderId)!.request.save).toEqual({
      customerRef: `subscriber-${one.id}`,
    });
    expect(await startFor(one)).toMatchObject({ url: keeping.url, reused: true });
    expect((await startFor(one, { save: false })).url).not.toBe(keeping.url);
  });

  test('is only for what is owed: not for an invoice that is settled, void, somebody else’s, or none', async () => {
    const paid = await debtor();
    await shop.cash(paid.number);
    const gone = await debtor();
    await cancelPurchase(desk, gone.number);
    const other = await debtor();
    const reasons = await Promise.all(
      [
        payable(paid),
        payable(gone),
        { ...payable(other), subscriberId: paid.id },
        { subscriberId: paid.id, invoice: 'inv_00000000000000000000' },
      ].map((of) =>
        startPayment(desk, gateways, of, { returnUrl: RETURN }).catch((error: unknown) =>
          error instanceof NotPayable ? error.is : error,
        ),
      ),
    );
    expect(reasons).toEqual(['settled', 'void', 'not-found', 'not-found']);
    await expect(startFor(other, {}, shop.self(paid.id))).rejects.toMatchObject({ is: 'not-found' });
    expect(gateways.midtrans.calls.create).toBe(0);
  });

  test('needs a gateway that is switched on and has its keys', async () => {
    const one = await debtor();
    gateways.on = ['xendit'];
    await expect(startFor(one, { gateway: 'midtrans' })).rejects.toThrow(NoGateway);
    expect((await startFor(one)).gateway).toBe('xendit');
    gateways.keys = [];
    await expect(startFor(one)).rejects.toThrow(NoGateway);
  });

  test('at a gateway that was switched off meanwhile is no longer offered', async () => {
    const one = await debtor();
    const first = await startFor(one);
    gateways.on = ['xendit'];
    expect((await startFor(one)).gateway).toBe('xendit');
    expect(gateways.midtrans.orders.get(first.orderId)!.closed).toBe(true);
  });

  test('that the gateway refuses is given up; the next try is another attempt', async () => {
    const one = await debtor();
    gateways.midtrans.trouble.refuse = 'refused';
    await expect(startFor(one)).rejects.toThrow(GatewayRefusal);
    gateways.midtrans.trouble.refuse = null;
    expect((await startFor(one)).orderId).toBe(`${one.invoice.number}-2`);
  });
});

describe('the customer’s credit', () => {
  test('is taken off what is asked, and the invoice is settled by both', async () => {
    const one = await debtor();
    await credit(one.id, 20_000);
    const { orderId } = await startFor(one);
    expect(gateways.midtrans.orders.get(orderId)!.request.amountRupiah).toBe(PRICE - 20_000);
  });

  test('that changes makes another link, of the amount that is left', async () => {
    const one = await debtor();
    await startFor(one);
    await credit(one.id, 5_000);
    expect(await startFor(one)).toMatchObject({ orderId: `${one.invoice.number}-2`, reused: false });
    expect((await attempts(one)).map(({ rupiah }) => rupiah)).toEqual([PRICE, PRICE - 5_000]);
  });

  test('that is enough settles the invoice at once', async () => {
    const one = await debtor();
    await credit(one.id, PRICE + 1);
    await expect(startFor(one)).rejects.toMatchObject({ is: 'settled' });
    expect((await invoiceNow(one)).settledAt).toBe(NOW);
    expect((await purchaseNow(one)).state).toBe('done');
    expect(await creditNow(one)).toBe(1);
    expect(gateways.midtrans.calls.create).toBe(0);
    await expectEvenBooks();
  });
});

describe('a top-up', () => {
  test('is a link of its own amount, the same one for a double click', async () => {
    const { id } = await shop.subscriber();
    const started = await Promise.all([topUp(id, 50_000), topUp(id, 50_000), topUp(id, 50_000)]);
    expect(new Set(started.map(({ url }) => url)).size).toBe(1);
    expect(started[0]!.orderId).toMatch(/^TOPUP-[0-9a-f]{20}$/);
    expect((await topUp(id, 60_000)).url).not.toBe(started[0]!.url);
    expect(gateways.midtrans.calls.create).toBe(2);
  });

  test('is for somebody, and of some money', async () => {
    const { id } = await shop.subscriber();
    await expect(topUp(id, 0)).rejects.toThrow('a top-up is of more than Rp 0');
    await expect(topUp(999_999, 50_000)).rejects.toThrow('there is no subscriber of number 999999');
  });
});
