import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GatewayTruth } from '#domain/gateway';
import { DAY, MINUTE } from '#domain/time';
import { type Applied, applyTruth } from '#operations/apply-truth';
import { cancelPurchase } from '#operations/cancel-purchase';
import { invoiceOfPurchase } from '#storage/invoices';
import { balances, creditOf, verifyLedger } from '#storage/ledger';
import { purchaseByNumber } from '#storage/purchases';
import { NOW, type TestDesk } from '#test/operations/desk';
import { openShop, PRICE, type Shop } from '#test/operations/shop';

let desk: TestDesk;
let { subscriber, order, cash, lastAudit } = {} as Shop;
beforeAll(async () => {
  ({ desk, subscriber, order, cash, lastAudit } = await openShop());
});

const NOTHING: GatewayTruth = {
  state: 'pending',
  gatewayRef: null,
  amountRupiah: PRICE,
  refundedRupiah: 0,
  currency: 'IDR',
  paidAt: null,
  method: 'qris',
  feeRupiah: null,
  saved: null,
};

/** Somebody who ordered a package and has a link to pay it at Midtrans. */
async function payer() {
  const { id } = await subscriber();
  const { number } = await order(id);
  const shown = async () => (await purchaseByNumber(desk.db, number, desk.clock()))!;
  const { id: purchaseId } = await shown();
  const invoice = async () => (await invoiceOfPurchase(desk.db, purchaseId))!;
  const orderId = `${(await invoice()).number}-1`;
  await desk.db.execute(
    `insert into payment_intent (order_id, gateway, subscriber_id, invoice_id, amount_rupiah, created_at, created_by, expires_at)
     values ($1, 'midtrans', $2, $3, $4, $5::timestamptz, 'test', $6::timestamptz)`,
    [
      orderId,
      id,
      (await invoice()).id,
      PRICE,
      new Date(desk.clock()).toISOString(),
      new Date(desk.clock() + DAY).toISOString(),
    ],
  );
  const says = (truth: Partial<GatewayTruth>): Promise<Applied> =>
    applyTruth(desk, { gateway: 'midtrans', orderId }, { ...NOTHING, gatewayRef: `ref-${orderId}`, ...truth });
  const intent = async () =>
    (
      await desk.db.query<{ state: string; closed: boolean }>(
        'select state, closed_at is not null as closed from payment_intent where order_id = $1',
        [orderId],
      )
    )[0]!;
  const credit = () => creditOf(desk.db, id);
  return { id, number, orderId, shown, invoice, says, intent, credit };
}

const PAID = { state: 'paid', paidAt: NOW } as const;

describe('what a gateway says of an order', () => {
  test('paid: the package is granted, the invoice settled, the books agree', async () => {
    const one = await payer();
    expect(await one.says(PAID)).toBe('settled');
    expect(await one.shown()).toMatchObject({ state: 'done', payments: [{ method: 'qris', amountRupiah: PRICE }] });
    expect(await one.invoice()).toMatchObject({ settledAt: NOW, settlements: 1 });
    expect(await one.intent()).toEqual({ state: 'paid', closed: true });
    expect(await one.credit()).toBe(0);
    expect(await lastAudit(one.id)).toMatchObject({
      why: 'gateway payment',
      detail: { says: 'paid', came: 'settled' },
    });
  });

  test('paid again and again, and by many at the same moment, it counts once', async () => {
    const one = await payer();
    const came = await Promise.all(Array.from({ length: 8 }, () => one.says(PAID)));
    expect(came.sort()).toEqual([...Array.from({ length: 7 }, () => 'known'), 'settled']);
    expect((await one.shown()).payments).toHaveLength(1);
    expect(await one.credit()).toBe(0);
  });

  test('pending, review and denied are noted; after it is paid they change nothing', async () => {
    const one = await payer();
    for (const state of ['pending', 'review', 'denied'] as const) {
      expect(await one.says({ state })).toBe('noted');
      expect(await one.intent()).toEqual({ state, closed: false });
    }
    expect(await one.says(PAID)).toBe('settled');
    expect(await one.says({ state: 'pending' })).toBe('known');
    expect(await one.says({ state: 'expired' })).toBe('contradiction');
    expect((await one.shown()).state).toBe('done');
  });

  test.each(['expired', 'cancelled', 'failed'] as const)(
    '%s closes the link; paid late it settles all the same',
    async (state) => {
      const one = await payer();
      expect(await one.says({ state })).toBe('noted');
      expect(await one.intent()).toEqual({ state, closed: true });
      desk.setClock(NOW + 3 * DAY);
      expect(await one.says(PAID)).toBe('settled');
      expect((await one.shown()).state).toBe('done');
      desk.setClock(NOW);
    },
  );

  test('an order that was cancelled here and is paid there is given', async () => {
    const one = await payer();
    await cancelPurchase(desk, one.number);
    expect((await one.invoice()).voidedAt).toBe(NOW);
    expect(await one.says(PAID)).toBe('settled');
    expect((await one.shown()).state).toBe('done');
    expect((await one.invoice()).voidedAt).toBeNull();
  });

  test('paid at the counter and by the link: the second payment is credit', async () => {
    const one = await payer();
    await cash(one.number);
    expect(await one.says(PAID)).toBe('credited');
    expect(await one.credit()).toBe(PRICE);
  });

  test.each([
    ['another amount', { amountRupiah: PRICE - 1 }, 'wrong-amount'],
    ['another currency', { currency: 'USD' }, 'wrong-currency'],
  ])('%s waits for a person, is in the books, and opens nothing', async (_what, over, reason) => {
    const one = await payer();
    expect(await one.says({ ...PAID, ...over })).toBe('unmatched');
    expect(await one.says({ ...PAID, ...over })).toBe('known');
    expect((await one.shown()).state).toBe('waiting');
    const queue = await desk.db.query('select reason from unmatched_money where order_id = $1', [one.orderId]);
    expect(queue).toEqual([{ reason }]);
    expect(await one.credit()).toBe(0);
  });

  test('money of an order that is none of ours waits for a person too', async () => {
    const strange = { gateway: 'xendit', orderId: 'nobody-knows-1' } as const;
    expect(await applyTruth(desk, strange, { ...NOTHING, gatewayRef: 'x1' })).toBe('known');
    expect(await applyTruth(desk, strange, { ...NOTHING, ...PAID, gatewayRef: 'x1' })).toBe('unmatched');
    expect(await applyTruth(desk, strange, { ...NOTHING, ...PAID, gatewayRef: 'x1' })).toBe('known');
  });

  test('a link that nobody used is closed a day after its end', async () => {
    const one = await payer();
    expect(await one.says({ state: 'unknown' })).toBe('known');
    desk.setClock(NOW + 2 * DAY - MINUTE);
    expect(await one.says({ state: 'unknown' })).toBe('known');
    desk.setClock(NOW + 2 * DAY);
    expect(await one.says({ state: 'unknown' })).toBe('noted');
    expect(await one.intent()).toEqual({ state: 'expired', closed: true });
    desk.setClock(NOW);
  });
});

describe('money that goes back', () => {
  test.each([
    ['denied', 'reversal'],
    ['charged-back', 'chargeback'],
  ] as const)(
    '%s after it was paid: the package ends and is owed again; paid anew it is given anew',
    async (state, kind) => {
      const one = await payer();
      await one.says(PAID);
      const { grantId } = await one.shown();
      expect(await one.says({ state })).toBe('reversed');
      expect(await one.says({ state })).toBe('known');
      const [grant] = await desk.db.query<{ revoked: number }>(
        'select revoked_at as revoked from grants where id = $1',
        [grantId],
      );
      expect(grant!.revoked).toBe(NOW);
      expect(await one.invoice()).toMatchObject({ settledAt: null, recognisedRupiah: 0 });
      expect(await one.credit()).toBe(0);
      const back = await desk.db.query(
        'select kind from refund join payment on payment.id = payment_id where subscriber_id = $1',
        [one.id],
      );
      expect(back).toEqual([{ kind }]);
      await cash(one.number);
      expect((await one.shown()).state).toBe('done');
      expect((await one.invoice()).settlements).toBe(2);
    },
  );

  test('a part refunded leaves the package; all of it ends the package', async () => {
    const one = await payer();
    await one.says(PAID);
    expect(await one.says({ state: 'partly-refunded', refundedRupiah: 25_000 })).toBe('refunded');
    expect(await one.says({ state: 'partly-refunded', refundedRupiah: 25_000 })).toBe('known');
    expect(await one.shown()).toMatchObject({ state: 'done', revokedAt: null });
    expect(await one.says({ state: 'refunded', refundedRupiah: PRICE })).toBe('refunded');
    expect((await one.shown()).state).not.toBe('done');
    const [sum] = await desk.db.query<{ back: number }>(
      'select sum(refund.amount_rupiah)::bigint as back from refund join payment on payment.id = payment_id where subscriber_id = $1',
      [one.id],
    );
    expect(sum!.back).toBe(PRICE);
  });

  test('what was paid, taken back and is paid once more under the same number waits for a person', async () => {
    const one = await payer();
    await one.says(PAID);
    await one.says({ state: 'denied' });
    expect(await one.says(PAID)).toBe('unmatched');
  });
});

test('whatever is said in whatever order, as often as it likes: the last word holds, and the books come to zero', async () => {
  const state = fc.constantFrom(
    'pending',
    'review',
    'denied',
    'expired',
    'cancelled',
    'paid',
    'unknown',
  ) as fc.Arbitrary<GatewayTruth['state']>;
  await fc.assert(
    fc.asyncProperty(fc.array(state, { maxLength: 8 }), async (before) => {
      const one = await payer();
      // Until it is paid nothing that is said can keep it from being so.
      const until = before.includes('paid') ? before.slice(0, before.indexOf('paid')) : before;
      for (const said of until) await one.says({ state: said });
      await one.says(PAID);
      for (const said of ['pending', 'review', 'expired', 'unknown', 'paid'] as const) await one.says({ state: said });
      expect((await one.shown()).state).toBe('done');
      expect((await one.shown()).payments).toHaveLength(1);
      expect(await one.credit()).toBe(0);
    }),
    { numRuns: 25 },
  );
  expect([...(await balances(desk.db)).values()].reduce((sum, rupiah) => sum + rupiah, 0)).toBe(0);
  expect(await verifyLedger(desk.db)).toEqual([]);
}, 120_000);
