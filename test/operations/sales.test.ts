import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { cancelPurchase } from '#operations/cancel-purchase';
import { newPurchaseNumber } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import { purchaseCancel, purchaseList, purchaseSettle } from '#policy-server/cli/purchase';
import { readConfig } from '#policy-server/config';
import { grantsOf } from '#storage/grants';
import { purchasesOf } from '#storage/purchases';
import { faults, NOW, type TestDesk } from '#test/operations/desk';
import { openShop, PRICE, type Shop } from '#test/operations/shop';

let desk: TestDesk;
let plans: Shop['plans'];
let { subscriber, order, cash, shown, self, lastAudit } = {} as Shop;
beforeAll(async () => {
  ({ desk, plans, subscriber, order, cash, shown, self, lastAudit } = await openShop());
});

describe('selling over the counter', () => {
  const sell = (subscriberId: number, more: object = {}) =>
    sellPackage(desk, { subscriberId, planRevisionId: plans['prepaid-20mbps'], method: 'cash', ...more });

  test('is ordered and paid in one go, and what waited is cancelled', async () => {
    const { id } = await subscriber();
    const waiting = await order(id, 'unlimited');
    const sold = await sell(id, { note: 'kios', begins: 'now' });
    expect(sold).toMatchObject({ from: NOW, until: NOW + 30 * DAY, alreadySettled: false });
    expect(await shown(sold.number)).toMatchObject({
      state: 'done',
      grantId: sold.grantId,
      begins: 'now',
      payments: [{ method: 'cash', amountRupiah: PRICE, note: 'kios' }],
    });
    expect((await shown(waiting.number)).state).toBe('cancelled');
    expect(await lastAudit(id)).toMatchObject({
      why: 'sell package',
      detail: { number: sold.number, grantId: sold.grantId },
    });
  });

  test('a form that is sent twice sells once, also at the same moment; without a number each is a sale', async () => {
    const { id } = await subscriber();
    const number = newPurchaseNumber();
    const sold = await Promise.all([sell(id, { number }), sell(id, { number })]);
    expect(new Set(sold.map((one) => one.grantId)).size).toBe(1);
    expect(sold.map((one) => one.alreadySettled).sort()).toEqual([false, true]);
    await sell(id);
    await sell(id);
    expect(await grantsOf(desk.db, id)).toHaveLength(3);
  });

  test('the number of somebody else is refused, and nothing is sold', async () => {
    const [one, other] = [await subscriber(), await subscriber()];
    const { number } = await order(one.id);
    expect(await faults(sell(other.id, { number }))).toEqual([
      `number ${number} is of another subscriber's purchase; leave it out`,
    ]);
    expect((await shown(number)).state).toBe('waiting');
    expect(await grantsOf(desk.db, other.id)).toEqual([]);
  });
});

describe('cancelling', () => {
  test('what waits is cancelled, and by whom is kept; the second time is no news; what is done stays', async () => {
    const { id, username } = await subscriber();
    const { number } = await order(id);
    expect(await cancelPurchase(desk, number)).toEqual({ changed: true });
    expect(await shown(number)).toMatchObject({ state: 'cancelled', cancelledAt: NOW, cancelledBy: 'test' });
    expect(await lastAudit(id)).toEqual({
      why: 'cancel purchase',
      detail: { number, username, plan: 'prepaid-20mbps' },
    });
    desk.setClock(NOW + HOUR);
    expect(await cancelPurchase(desk, number)).toEqual({ changed: false });
    expect((await shown(number)).cancelledAt).toBe(NOW);
    desk.setClock(NOW);
    const { grantId } = await cash(number);
    expect(await faults(cancelPurchase(desk, number))).toEqual([
      `purchase ${number} is done; to take the package back: grant revoke --username ${username} --grant ${grantId}`,
    ]);
  });

  test('subscribers cancel their own and do not learn of others', async () => {
    const [one, other] = [await subscriber(), await subscriber()];
    const { number } = await order(one.id);
    expect(await faults(cancelPurchase(self(other.id), number))).toEqual([
      `there is no purchase ${number}; see: purchase list`,
    ]);
    expect(await cancelPurchase(self(one.id), number)).toEqual({ changed: true });
  });
});

describe('whatever is done in whatever order', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('place' as const), plan: fc.constantFrom('prepaid-20mbps', 'unlimited', 'gift') }),
    fc.record({ do: fc.constantFrom('settle' as const, 'settle twice' as const, 'cancel' as const), which: fc.nat(5) }),
    fc.record({ do: fc.constant('sell' as const), plan: fc.constantFrom('prepaid-20mbps', 'gift') }),
    fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 40 }) }),
  );

  test('each purchase that was settled was paid once and gave one package, and at most one waits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const { id } = await subscriber();
        const numbers: string[] = [];
        const settled = new Set<string>();
        let now = NOW;
        for (const one of steps) {
          const number = 'which' in one ? numbers[one.which] : undefined;
          if (one.do === 'place') numbers.push((await order(id, one.plan)).number);
          else if (one.do === 'sell') {
            const sold = await sellPackage(desk, { subscriberId: id, planRevisionId: plans[one.plan], method: 'cash' });
            numbers.push(sold.number);
            settled.add(sold.number);
          } else if (one.do === 'wait') {
            now += one.hours * HOUR;
            desk.setClock(now);
          } else if (number !== undefined) {
            if (one.do === 'cancel') await faults(cancelPurchase(desk, number));
            else {
              await Promise.all(one.do === 'settle' ? [cash(number)] : [cash(number), cash(number)]);
              settled.add(number);
            }
          }
        }
        const all = await purchasesOf(desk.db, id, 100, now);
        desk.setClock(NOW);
        const done = all.filter((one) => one.state === 'done');
        expect(new Set(done.map((one) => one.number))).toEqual(settled);
        for (const one of all) {
          const expected = one.state === 'done' && one.priceRupiah > 0 ? [one.priceRupiah] : [];
          expect(one.payments.map((payment) => payment.amountRupiah)).toEqual(expected);
        }
        const grants = await grantsOf(desk.db, id);
        expect(grants.map((grant) => grant.id).sort()).toEqual(done.map((one) => one.grantId).sort());
        expect(all.filter((one) => one.state === 'waiting').length).toBeLessThanOrEqual(1);
        const [money] = await desk.db.query<{ sum: number }>(
          'select coalesce(sum(amount_rupiah), 0)::bigint as sum from payment where subscriber_id = $1',
          [id],
        );
        expect(money!.sum).toBe(done.reduce((sum, one) => sum + one.priceRupiah, 0));
        // Nothing bought is lost: without a gap, and none runs beside another.
        const inOrder = grants.toSorted((one, other) => one.from - other.from);
        for (const [at, grant] of inOrder.entries()) {
          if (at > 0) expect(grant.from).toBeGreaterThanOrEqual(inOrder[at - 1]!.until);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('the commands', () => {
  const run = (command: typeof purchaseList, words: readonly string[], options: Record<string, string | true> = {}) =>
    command.run({ ...desk, config: readConfig({}) }, { words, options });

  test('purchase list, settle and cancel', async () => {
    const { id, username } = await subscriber();
    const first = await order(id);
    expect((await run(purchaseList, [])).text).toContain(first.number);
    expect((await run(purchaseSettle, [first.number], { method: 'cash' })).text).toMatch(
      /^The package is active from 21 Nov 2026 09\.00 WIB until 21 Dec 2026 09\.00 WIB \(grant \d+\)\.$/,
    );
    expect((await run(purchaseSettle, [first.number], { method: 'cash' })).text).toMatch(
      /^It was settled before: grant /,
    );
    const second = await order(id);
    expect((await run(purchaseCancel, [second.number])).text).toBe(`Purchase ${second.number} is cancelled.`);
    const listed = await run(purchaseList, [], { username });
    expect(listed.text).toMatch(/cancelled[\s\S]*Rp 75\.000 .*done/);
    expect(listed.json).toHaveLength(2);
  });

  test('what is missing is said once, before the database is asked', () => {
    expect(purchaseSettle.check!({ words: [], options: {} }, desk.zone)).toEqual([]);
    const wrong = purchaseSettle.check!({ words: ['P-1'], options: { method: 'qris' } }, desk.zone);
    expect(wrong.map((line) => line.split(' ')[0])).toEqual(['number', 'method']);
  });
});
