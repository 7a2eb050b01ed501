import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { cancelPurchase } from '#operations/cancel-purchase';
import { placePurchase } from '#operations/place-purchase';
import { addPromo, disablePromo, previewPromo } from '#operations/promos';
import { sellPackage } from '#operations/sell-package';
import { saveSettings } from '#operations/settings';
import { type Invoice, invoiceOfPurchase, linesOf } from '#storage/invoices';
import { listPromos } from '#storage/promos';
import { purchaseByNumber } from '#storage/purchases';
import { faults, NOW, type TestDesk } from '#test/operations/desk';
import { openShop, PRICE, type Shop } from '#test/operations/shop';

let desk: TestDesk;
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
  desk = shop.desk;
});
beforeEach(() => desk.setClock(NOW));

let codes = 0;
/** A promo of a code of its own, half price for a month unless told otherwise. */
async function promo(more: object = {}): Promise<{ id: number; code: string }> {
  codes += 1;
  const code = `HEMAT-${codes}`;
  const half = 'fixed' in more ? {} : { percent: 50 };
  const { id } = await addPromo(desk, { code, ...half, until: '2026-12-31', ...more });
  return { id, code };
}

const planId = async (name: string): Promise<number> =>
  (await desk.db.query<{ id: number }>('select id from plan where name = $1', [name]))[0]!.id;

async function invoice(number: string): Promise<Invoice> {
  const purchase = (await purchaseByNumber(desk.db, number, desk.clock()))!;
  return (await invoiceOfPurchase(desk.db, purchase.id))!;
}
const order = async (promoCode: string, plan = 'prepaid-20mbps', by?: number) => {
  const id = by ?? (await shop.subscriber()).id;
  return shop.order(id, plan, { promoCode });
};

describe('an order with a promo code', () => {
  test('asks the price less the percentage, with a line that says so', async () => {
    const { code } = await promo({ percent: 33 });
    const { number } = await order(` ${code.toLowerCase()} `);
    const asked = await invoice(number);
    expect(asked.totalRupiah).toBe(PRICE - 24_750);
    expect(await linesOf(desk.db, asked.id)).toMatchObject([
      { kind: 'plan', amountRupiah: PRICE },
      { kind: 'discount', description: `Promo ${code}`, amountRupiah: -24_750 },
    ]);
    await shop.cash(number);
    expect(await shop.shown(number)).toMatchObject({ state: 'done', payments: [{ amountRupiah: PRICE - 24_750 }] });
  });

  test('asks the price less the amount, and never less than nothing', async () => {
    const { code } = await promo({ fixed: 'Rp 10.000' });
    expect((await invoice((await order(code)).number)).totalRupiah).toBe(PRICE - 10_000);
    const more = await promo({ fixed: '100000' });
    expect((await invoice((await order(more.code)).number)).totalRupiah).toBe(0);
  });

  test('with a tax that is added, the tax is of what is left', async () => {
    const { code } = await promo();
    await saveSettings(desk, 'billing', { tax: 'added', taxPercent: 10 });
    expect(await invoice((await order(code)).number)).toMatchObject({ taxRupiah: 3_750, totalRupiah: 41_250 });
    await saveSettings(desk, 'billing', { tax: 'off' });
  });

  test('that leaves nothing to pay is granted at once to whoever orders for themselves', async () => {
    const { code } = await promo({ percent: 100 });
    const { id } = await shop.subscriber();
    const placed = await placePurchase(shop.self(id), {
      subscriberId: id,
      planRevisionId: shop.plans['prepaid-20mbps'],
      promoCode: code,
    });
    expect(placed.grantId).not.toBeNull();
    expect(await shop.shown(placed.number)).toMatchObject({ state: 'done', payments: [] });
    expect((await invoice(placed.number)).settledAt).toBe(NOW);
  });

  test('can be sold over the counter', async () => {
    const { code } = await promo({ fixed: '25000' });
    const { id: subscriberId } = await shop.subscriber();
    const sale = { subscriberId, planRevisionId: shop.plans['prepaid-20mbps'], promoCode: code, method: 'cash' };
    const { number } = await sellPackage(desk, sale);
    expect((await shop.shown(number)).payments).toMatchObject([{ amountRupiah: 50_000 }]);
  });
});

describe('a promo code is refused', () => {
  const refused = async (code: string, plan?: string, by?: number) => (await faults(order(code, plan, by))).join();

  test('when there is none, or it was stopped; in use again it is good again', async () => {
    expect(await refused('NOTHING')).toBe('there is no promo code "NOTHING"');
    const { id, code } = await promo();
    await disablePromo(desk, id, true);
    expect(await refused(code)).toContain('no promo code');
    await disablePromo(desk, id, false);
    expect(await refused(code)).toBe('');
  });

  test('before it begins and when it is over, to the instant', async () => {
    const { code } = await promo({ from: '2026-12-01', until: '2026-12-02' });
    expect(await refused(code)).toContain('not valid yet');
    desk.setClock(Date.parse('2026-12-01T00:00+07:00'));
    expect(await refused(code)).toBe('');
    desk.setClock(Date.parse('2026-12-03T00:00+07:00') - 1);
    expect(await refused(code)).toBe('');
    desk.setClock(Date.parse('2026-12-03T00:00+07:00'));
    expect(await refused(code)).toContain('is over');
  });

  test('for a package that it is not for', async () => {
    const { code } = await promo({ planIds: [await planId('unlimited')] });
    expect(await refused(code)).toContain('other packages');
    expect(await refused(code, 'unlimited')).toBe('');
  });

  test('to who has used it as often as each may', async () => {
    const { code } = await promo({ mostUsesEach: 2 });
    const { id } = await shop.subscriber();
    for (let use = 0; use < 2; use += 1) await shop.cash((await order(code, undefined, id)).number);
    expect(await refused(code, undefined, id)).toContain('you have used');
    expect(await refused(code)).toBe('');
  });

  test('when it is used up; one that was cancelled, or never paid, is no use', async () => {
    const { code } = await promo({ mostUses: 1, until: '2027-12-31' });
    const first = await order(code);
    expect(await refused(code)).toContain('used up');
    await cancelPurchase(desk, first.number);
    const second = await order(code);
    expect(await refused(code)).toContain('used up');
    desk.setClock(NOW + DAY);
    const third = await order(code);
    await shop.cash(third.number);
    desk.setClock(NOW + 9 * DAY);
    expect(await refused(code)).toContain('used up');
    expect(second.number).not.toBe(third.number);
  });

  test('and nothing of the order is left', async () => {
    const { id } = await shop.subscriber();
    await refused('NOTHING', undefined, id);
    expect(await desk.db.query('select id from purchase where subscriber_id = $1', [id])).toEqual([]);
  });
});

test('however many order at the same moment, it is given no more often than it may', async () => {
  const { code } = await promo({ mostUses: 3 });
  const people = await Promise.all(Array.from({ length: 10 }, () => shop.subscriber()));
  const came = await Promise.all(people.map(({ id }) => faults(order(code, undefined, id))));
  expect(came.filter((lines) => lines.length === 0)).toHaveLength(3);
  expect(new Set(came.flat())).toEqual(new Set([`the promo code "${code}" is used up`]));
});

test('a preview says the discount and keeps nothing', async () => {
  const { code } = await promo({ mostUses: 1 });
  const { id: subscriberId } = await shop.subscriber();
  const use = { code, planId: await planId('unlimited'), subscriberId, priceRupiah: 200_000 };
  for (let look = 0; look < 3; look += 1) {
    expect((await previewPromo(desk.db, desk, use)).line.amountRupiah).toBe(-100_000);
  }
});

describe('the list of promos', () => {
  test('says how often each is used, how often that was paid, and what was given', async () => {
    const { id, code } = await promo({ fixed: '5000', mostUses: 9, planIds: [await planId('prepaid-20mbps')] });
    await shop.cash((await order(code)).number);
    await order(code);
    await cancelPurchase(desk, (await order(code)).number);
    const listed = (await listPromos(desk.db, NOW)).find((one) => one.id === id)!;
    expect(listed).toMatchObject({ uses: 2, paid: 1, givenRupiah: 5_000, plans: ['prepaid-20mbps'] });
  });

  test.each([
    [{}, 'give a percentage or an amount'],
    [{ percent: 10, fixed: '5000' }, 'give a percentage or an amount'],
    [{ percent: 101 }, 'percent 101 is not usable'],
    [{ percent: 10, code: 'x' }, 'code "x" is not usable'],
    [{ percent: 10, until: '2026-01-01' }, 'until is not after from'],
    [{ percent: 10, until: '' }, 'until: missing'],
  ])('does not take %j', async (more, fault) => {
    const said = await faults(addPromo(desk, { code: 'OTHER', until: '2026-12-31', ...more }));
    expect(said.join()).toContain(fault);
  });

  test('takes each code once, however it is written', async () => {
    const { code } = await promo();
    const again = { code: code.toLowerCase(), percent: 5, until: '2026-12-31' };
    expect((await faults(addPromo(desk, again))).join()).toContain('belongs to another promo');
  });
});
