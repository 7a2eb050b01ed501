import { describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import type { GatewayTruth } from '#domain/gateway';
import { DAY } from '#domain/time';
import { type Applied, applyTruth } from '#operations/apply-truth';
import { askGateway } from '#operations/ask-gateway';
import { settlePurchase } from '#operations/settle-purchase';
import { startPayment } from '#operations/start-payment';
import { balances } from '#storage/ledger';
import { faults, NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import {
  attempts,
  creditNow,
  type Debtor,
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

/** Somebody with a link, at whose gateway things happen. */
async function payer(): Promise<Debtor & { readonly orderId: string; says: typeof says }> {
  const one = await debtor();
  const { orderId } = await startFor(one);
  const says = (truth: Partial<GatewayTruth>): Promise<Applied> => {
    if (truth.state === 'paid') gateways.midtrans.pay(orderId, desk.clock(), truth);
    else gateways.midtrans.says(orderId, truth);
    return askGateway(desk, gateways, orderId);
  };
  return { ...one, orderId, says };
}

const audited = async () => (await desk.db.query('select from audit')).length;
const clearing = async () => (await balances(desk.db)).get('clearing:midtrans') ?? 0;
const unmatched = () => desk.db.query('select reason, amount_rupiah as rupiah from unmatched_money order by id');

describe('what a gateway says after it has said something else', () => {
  test('paid → review: nothing changes', async () => {
    const one = await payer();
    await one.says({ state: 'paid' });
    expect(await one.says({ state: 'review' })).toBe('known');
    expect((await purchaseNow(one)).state).toBe('done');
  });

  test.each(['expired', 'cancelled', 'failed'] as const)('%s → review → paid: it is honoured', async (state) => {
    const one = await payer();
    await one.says({ state });
    expect(await one.says({ state: 'review' })).toBe('noted');
    expect(await one.says({ state: 'paid' })).toBe('settled');
    expect((await purchaseNow(one)).state).toBe('done');
  });

  test.each(['cancelled', 'failed'] as const)('paid → %s: taken back like a reversal', async (state) => {
    const one = await payer();
    await one.says({ state: 'paid' });
    expect(await one.says({ state })).toBe('reversed');
    expect((await invoiceNow(one)).settledAt).toBeNull();
    expect(await clearing()).toBe(0);
    expect(await creditNow(one)).toBe(0);
  });

  test('paid → expired: cannot be, and nothing is done, but it is told each time', async () => {
    const one = await payer();
    await one.says({ state: 'paid' });
    const before = await audited();
    expect(await one.says({ state: 'expired' })).toBe('contradiction');
    expect(await one.says({ state: 'expired' })).toBe('contradiction');
    expect(await audited()).toBe(before);
    expect((await purchaseNow(one)).state).toBe('done');
  });

  test('denied and paid after all, denied again, paid with another number: each counts', async () => {
    const one = await payer();
    expect(await one.says({ state: 'denied' })).toBe('noted');
    expect(await one.says({ state: 'paid' })).toBe('settled');
    expect(await one.says({ state: 'denied' })).toBe('reversed');
    expect(await one.says({ state: 'paid', gatewayRef: 'another' })).toBe('settled');
    expect((await purchaseNow(one)).state).toBe('done');
    expect(await clearing()).toBe(PRICE);
    expect((await invoiceNow(one)).settlements).toBe(2);
    await expectEvenBooks();
  });

  test('paid and partly refunded before anybody looked: the rest of it is ours', async () => {
    const one = await payer();
    gateways.midtrans.pay(one.orderId, NOW);
    expect(await one.says({ state: 'partly-refunded', refundedRupiah: 25_000 })).toBe('refunded');
    expect((await purchaseNow(one)).state).toBe('done');
    expect(await clearing()).toBe(PRICE - 25_000);
    await expectEvenBooks();
  });

  test.each(['refunded', 'charged-back'] as const)('paid and %s before anybody looked: it is closed', async (state) => {
    const one = await payer();
    gateways.midtrans.pay(one.orderId, NOW);
    expect(await one.says({ state, refundedRupiah: PRICE })).toBe('noted');
    expect(await one.says({ state, refundedRupiah: PRICE })).toBe('known');
    expect(await attempts(one)).toMatchObject([{ state: 'cancelled', closed: true }]);
    expect(await clearing()).toBe(0);
  });

  test('refunded by us and not yet by the gateway: it is not paid again', async () => {
    const one = await payer();
    await one.says({ state: 'paid' });
    await one.says({ state: 'refunded', refundedRupiah: PRICE });
    expect(await one.says({ state: 'paid', refundedRupiah: 0 })).toBe('known');
    expect(await unmatched()).toEqual([]);
  });

  test('reversed and paid again with the same number: a person has to look', async () => {
    const one = await payer();
    await one.says({ state: 'paid' });
    await one.says({ state: 'denied' });
    expect(await one.says({ state: 'paid' })).toBe('unmatched');
    expect(await one.says({ state: 'paid' })).toBe('known');
    expect(await unmatched()).toEqual([{ reason: 'paid-again', rupiah: PRICE }]);
    expect(await clearing()).toBe(PRICE);
  });

  test('a charged-back payment of what cash had paid already: the package stays', async () => {
    const one = await payer();
    await shop.cash(one.number);
    expect(await one.says({ state: 'paid' })).toBe('credited');
    expect(await one.says({ state: 'charged-back' })).toBe('reversed');
    expect((await purchaseNow(one)).state).toBe('done');
    expect(await creditNow(one)).toBe(0);
  });

  test('cash for what was refunded is not taken: it is over', async () => {
    const one = await payer();
    await one.says({ state: 'paid' });
    await one.says({ state: 'refunded', refundedRupiah: PRICE });
    const refusal = await faults(settlePurchase(desk, { number: one.number, method: 'cash' }));
    expect(refusal).toHaveLength(1);
    expect(await creditNow(one)).toBe(0);
  });

  test('denied for good a day after its link has ended: it is closed, and asked about no more', async () => {
    const one = await payer();
    await one.says({ state: 'denied' });
    expect(await attempts(one)).toMatchObject([{ closed: false }]);
    desk.setClock(NOW + 2 * DAY);
    expect(await one.says({ state: 'denied' })).toBe('noted');
    expect(await attempts(one)).toMatchObject([{ state: 'denied', closed: true }]);
  });

  test.each(['denied', 'paid'] as const)(
    'an answer that is overtaken by a newer one (%s) is not applied: the gateway is asked once more',
    async (newer) => {
      const one = await payer();
      const ask = gateways.midtrans.truthOf.bind(gateways.midtrans);
      const held = Promise.withResolvers<void>();
      if (newer === 'denied') gateways.midtrans.pay(one.orderId, NOW);
      else gateways.midtrans.says(one.orderId, { state: 'expired' });
      gateways.midtrans.truthOf = async (order) => {
        const old = await ask(order);
        gateways.midtrans.truthOf = ask;
        await held.promise;
        return old;
      };
      const late = askGateway(desk, gateways, one.orderId);
      await expect.poll(() => gateways.midtrans.calls.truth).toBe(1);
      await one.says({ state: newer });
      held.resolve();
      expect(await late).toBe('known');
      expect((await purchaseNow(one)).state).toBe(newer === 'paid' ? 'done' : 'waiting');
      expect(gateways.midtrans.calls.truth).toBe(3);
    },
  );

  test('what is known leaves no line in the audit, however often it is said', async () => {
    const [paid, open] = [await payer(), await payer()];
    await paid.says({ state: 'paid' });
    await open.says({ state: 'pending' });
    const before = await audited();
    for (let i = 0; i < 3; i += 1) {
      expect(await paid.says({ state: 'paid' })).toBe('known');
      expect(await open.says({ state: 'pending' })).toBe('known');
    }
    expect(await audited()).toBe(before);
  });
});

describe('whose money it is', () => {
  test('a top-up is credit', async () => {
    const { id } = await shop.subscriber();
    const choice = { returnUrl: RETURN };
    const { orderId } = await startPayment(desk, gateways, { subscriberId: id, topUpRupiah: 50_000 }, choice);
    gateways.midtrans.pay(orderId, NOW);
    expect(await askGateway(desk, gateways, orderId)).toBe('credited');
    expect(await creditNow({ id })).toBe(50_000);
  });

  test('credit and the link together settle what neither does alone', async () => {
    const one = await debtor();
    const topUp = { subscriberId: one.id, topUpRupiah: 30_000 };
    const first = await startPayment(desk, gateways, topUp, { returnUrl: RETURN });
    gateways.midtrans.pay(first.orderId, NOW);
    await askGateway(desk, gateways, first.orderId);
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    expect(await askGateway(desk, gateways, orderId)).toBe('settled');
    expect(await creditNow(one)).toBe(0);
    expect((await purchaseNow(one)).state).toBe('done');
    await expectEvenBooks();
  });

  test('credit that is spent elsewhere meanwhile: what comes by the link is kept, and the rest of the bill is asked', async () => {
    const [one, topUp] = [await debtor(), { topUpRupiah: 30_000 }];
    const first = await startPayment(desk, gateways, { subscriberId: one.id, ...topUp }, { returnUrl: RETURN });
    gateways.midtrans.pay(first.orderId, NOW);
    await askGateway(desk, gateways, first.orderId);
    const { orderId } = await startFor(one);
    gateways.midtrans.says(first.orderId, { state: 'charged-back' });
    await askGateway(desk, gateways, first.orderId);
    gateways.midtrans.pay(orderId, NOW);
    expect(await askGateway(desk, gateways, orderId)).toBe('credited');
    expect(await creditNow(one)).toBe(45_000);
    expect((await purchaseNow(one)).state).toBe('waiting');
    const rest = await startFor(one);
    expect(gateways.midtrans.orders.get(rest.orderId)!.request.amountRupiah).toBe(30_000);
  });

  test('an order of ours at another gateway than the one that speaks of it is not ours', async () => {
    const one = await payer();
    gateways.xendit.foreign(one.orderId, { state: 'paid', gatewayRef: 'x', amountRupiah: PRICE, currency: 'IDR' });
    const truth = await gateways.xendit.truthOf({ orderId: one.orderId });
    expect(await applyTruth(desk, { gateway: 'xendit', orderId: one.orderId }, truth)).toBe('unmatched');
    expect((await purchaseNow(one)).state).toBe('waiting');
    expect(await attempts(one)).toMatchObject([{ state: 'created', closed: false }]);
  });

  test('an order id that was taken when we came is not paid for us, whatever becomes of it', async () => {
    const one = await debtor();
    const taken = `${one.invoice.number}-1`;
    gateways.midtrans.foreign(taken, { state: 'paid', gatewayRef: 'old', amountRupiah: PRICE, currency: 'IDR' });
    await startFor(one);
    expect(await askGateway(desk, gateways, taken)).toBe('unmatched');
    expect((await purchaseNow(one)).state).toBe('waiting');
    expect(await unmatched()).toEqual([{ reason: 'unknown-order', rupiah: PRICE }]);
  });
});

describe('a gateway in trouble', () => {
  test('that does not answer, or has no keys, is Unavailable, and nothing changes', async () => {
    const one = await payer();
    gateways.midtrans.pay(one.orderId, NOW);
    gateways.midtrans.trouble.down = true;
    await expect(askGateway(desk, gateways, one.orderId)).rejects.toThrow(Unavailable);
    gateways.keys = [];
    await expect(askGateway(desk, gateways, one.orderId)).rejects.toThrow('the keys of midtrans are not set');
    expect((await purchaseNow(one)).state).toBe('waiting');
  });

  test.each([
    ['no number of the payment', { gatewayRef: null }],
    ['no amount', { amountRupiah: null }],
  ])('that says paid and gives %s is not believed', async (_what, lacks) => {
    const one = await payer();
    expect(await one.says({ state: 'paid', ...lacks })).toBe('contradiction');
    expect((await purchaseNow(one)).state).toBe('waiting');
    expect(await clearing()).toBe(0);
  });

  test('that is asked about an order nobody knows has nothing to say', async () => {
    expect(await askGateway(desk, gateways, 'nobody-1')).toBe('known');
    expect(gateways.midtrans.calls.truth).toBe(0);
    expect(payable(await debtor())).toMatchObject({ invoice: expect.stringMatching(/^inv_/) });
  });
});
