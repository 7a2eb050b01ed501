import { beforeAll, describe, expect, test } from 'vitest';
import { entitlement } from '#domain/entitlement';
import { DAY, HOUR } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { cancelPurchase } from '#operations/cancel-purchase';
import { newPurchaseNumber, placePurchase } from '#operations/place-purchase';
import { settlePurchase } from '#operations/settle-purchase';
import { suspend } from '#operations/suspend';
import { loadEntries } from '#storage/facts';
import { grantsOf } from '#storage/grants';
import { findMessage, messagesOf, openBody } from '#storage/messages';
import { plansOnSale } from '#storage/plans';
import { openPurchases, purchasesOf } from '#storage/purchases';
import { faults, NOW, PLAN, type TestDesk } from '#test/operations/desk';
import { openShop, PRICE, type Shop } from '#test/operations/shop';

let desk: TestDesk;
let plans: Shop['plans'];
let { subscriber, order, cash, shown, self, lastAudit } = {} as Shop;
beforeAll(async () => {
  ({ desk, plans, subscriber, order, cash, shown, self, lastAudit } = await openShop());
});

const due = (id: number) => desk.db.query('select from due where subscriber_id = $1', [id]);
const notDue = (id: number) => desk.db.execute('delete from due where subscriber_id = $1', [id]);

describe('ordering a package', () => {
  test('it waits a day for its money, at the price that was shown', async () => {
    const { id, username } = await subscriber({ name: 'Budi' });
    const { number } = await order(id);
    expect(number).toMatch(/^P-[0-9A-HJKMNP-TV-Z]{8}$/);
    expect(await shown(number)).toEqual({
      id: expect.any(Number),
      number,
      subscriberId: id,
      username,
      name: 'Budi',
      plan: 'prepaid-20mbps',
      planRevisionId: plans['prepaid-20mbps'],
      priceRupiah: PRICE,
      askedRupiah: PRICE,
      begins: 'after',
      state: 'waiting',
      orderedBy: 'test',
      orderedAt: NOW,
      expiresAt: NOW + DAY,
      cancelledAt: null,
      cancelledBy: null,
      grantedAt: null,
      grantId: null,
      from: null,
      until: null,
      revokedAt: null,
      payments: [],
    });
    expect(await lastAudit(id)).toEqual({
      why: 'order package',
      detail: { username, number, plan: 'prepaid-20mbps', priceRupiah: PRICE, totalRupiah: PRICE, cancelled: [] },
    });
    desk.setClock(NOW + DAY - 1);
    expect((await shown(number)).state).toBe('waiting');
    desk.setClock(NOW + DAY);
    expect((await shown(number)).state).toBe('expired');
    desk.setClock(NOW);
  });

  test('another order takes the place of one that waits, and leaves those that expired or are done', async () => {
    const { id } = await subscriber();
    const old = await order(id);
    desk.setClock(NOW + DAY);
    const done = await order(id);
    await cash(done.number);
    const waiting = await order(id, 'unlimited');
    const newest = await order(id);
    const states = (await purchasesOf(desk.db, id, 10, desk.clock())).map((one) => [one.number, one.state]);
    expect(states).toEqual([
      [newest.number, 'waiting'],
      [waiting.number, 'cancelled'],
      [done.number, 'done'],
      [old.number, 'expired'],
    ]);
    expect(await purchasesOf(desk.db, id, 2, desk.clock())).toHaveLength(2);
    desk.setClock(NOW);
  });

  test('one that costs nothing is given at once to a customer who orders it, as often as they like, and no payment is made up', async () => {
    const { id } = await subscriber();
    await notDue(id);
    const free = { subscriberId: id, planRevisionId: plans.gift };
    const first = await placePurchase(self(id), free);
    expect(await shown(first.number)).toMatchObject({ state: 'done', from: NOW, payments: [] });
    expect(await due(id)).toHaveLength(1);
    expect((await messagesOf(desk.db, id)).map(({ notice }) => notice)).toEqual(['activated']);
    expect((await lastAudit(id)).detail).toMatchObject({
      number: first.number,
      priceRupiah: 0,
      grantId: first.grantId,
    });
    const again = await placePurchase(self(id), free);
    expect(await shown(again.number)).toMatchObject({ state: 'done', from: (await shown(first.number)).until });
    expect((await placePurchase(self(id), { ...free, planRevisionId: plans['prepaid-20mbps'] })).grantId).toBeNull();
    // Staff may mean something by letting it wait.
    expect((await placePurchase(desk, free)).grantId).toBeNull();
  });

  test('two orders at the same moment leave one that waits', async () => {
    const { id } = await subscriber();
    await Promise.all([order(id), order(id, 'unlimited'), order(id)]);
    const states = (await purchasesOf(desk.db, id, 10, NOW)).map((one) => one.state);
    expect(states.sort()).toEqual(['cancelled', 'cancelled', 'waiting']);
  });

  test('what waits is listed oldest first, of all or of one', async () => {
    const [one, other] = [await subscriber(), await subscriber()];
    const first = await order(one.id);
    const second = await order(other.id);
    const all = (await openPurchases(desk.db, { limit: 1000 }, NOW)).map((open) => open.number);
    expect(all.filter((number) => [first.number, second.number].includes(number))).toEqual([
      first.number,
      second.number,
    ]);
    expect(await openPurchases(desk.db, { limit: 10, subscriberId: other.id }, NOW)).toMatchObject([
      { number: second.number, state: 'waiting' },
    ]);
    expect(await openPurchases(desk.db, { limit: 10, subscriberId: other.id }, NOW + DAY)).toEqual([]);
  });

  test('a plan that changed since it was shown, is sold no more, or never was, is said', async () => {
    const { id } = await subscriber();
    await addPlan(desk, { ...PLAN, name: 'changing' });
    const shownRevision = (await plansOnSale(desk.db, ['changing'])).get('changing')!.revisionId;
    await addPlan(desk, { ...PLAN, name: 'changing', price: '80000' });
    const changed = ['the package "changing" was changed or is no longer sold; choose again'];
    expect(await faults(placePurchase(desk, { subscriberId: id, planRevisionId: shownRevision }))).toEqual(changed);
    const newest = (await plansOnSale(desk.db, ['changing'])).get('changing')!.revisionId;
    await desk.db.execute(`update plan set retired_at = now() where name = 'changing'`);
    expect(await faults(placePurchase(desk, { subscriberId: id, planRevisionId: newest }))).toEqual(changed);
    expect(await faults(placePurchase(desk, { subscriberId: id, planRevisionId: 9999 }))).toEqual([
      'there is no package of number 9999',
    ]);
    expect(await faults(placePurchase(desk, { subscriberId: 999_999, planRevisionId: newest }))).toEqual([
      'there is no subscriber of number 999999',
    ]);
    expect(await faults(placePurchase(desk, { begins: 'soon' }))).toHaveLength(3);
  });

  test('subscribers order for themselves, what is on the portal, and not while suspended', async () => {
    const { id, username } = await subscriber();
    const other = await subscriber();
    const own = (planRevisionId: number | undefined, subscriberId = id) =>
      placePurchase(self(id), { subscriberId, planRevisionId });
    expect((await shown((await own(plans.unlimited)).number)).orderedBy).toBe(`subscriber:${id}`);
    expect(await faults(own(plans.hidden))).toEqual([`there is no package of number ${plans.hidden}`]);
    expect(await faults(own(plans.unlimited, other.id))).toEqual([`there is no subscriber of number ${other.id}`]);
    expect(await faults(order(id, 'hidden'))).toEqual([]);
    await suspend(desk, username);
    expect(await faults(own(plans.unlimited))).toEqual([
      'the line is suspended, so a package would not help; ask customer service',
    ]);
    expect(await faults(order(id))).toEqual([]);
  });

  test('numbers use their whole alphabet evenly and do not come again', () => {
    const numbers = Array.from({ length: 4_000 }, newPurchaseNumber);
    expect(new Set(numbers).size).toBe(4_000);
    const counts = Map.groupBy(numbers.join('').replaceAll('P-', ''), (sign) => sign);
    // Of P- also the letter P itself; 1,000 of each are expected.
    expect(counts.size).toBe(32);
    for (const [, of] of counts) expect(Math.abs(of.length - 1_000)).toBeLessThan(200);
  });
});

describe('settling a purchase', () => {
  test('the money, the package, the notice and enforcement are one commit', async () => {
    const { id, username } = await subscriber({ name: 'Budi' });
    const { number } = await order(id);
    await notDue(id);
    const settled = await cash(number.toLowerCase(), 'BCA 20 Nov');
    expect(settled).toEqual({ grantId: expect.any(Number), from: NOW, until: NOW + 30 * DAY, alreadySettled: false });
    expect(await shown(number)).toMatchObject({
      state: 'done',
      grantedAt: NOW,
      grantId: settled.grantId,
      from: NOW,
      until: NOW + 30 * DAY,
      payments: [{ method: 'cash', amountRupiah: PRICE, receivedAt: NOW, receivedBy: 'test', note: 'BCA 20 Nov' }],
    });
    const [entry] = await loadEntries(desk.db, desk.sealer, [id]);
    expect(entitlement(entry!.facts, NOW).plan!.name).toBe('prepaid-20mbps');
    expect(await due(id)).toHaveLength(1);
    expect(await lastAudit(id)).toMatchObject({
      why: 'settle purchase',
      detail: {
        number,
        method: 'cash',
        username,
        plan: 'prepaid-20mbps',
        grantId: settled.grantId,
        alreadySettled: false,
      },
    });
    const [message] = await messagesOf(desk.db, id);
    expect(message).toMatchObject({ notice: 'activated', secret: false });
    const { bodySealed } = (await findMessage(desk.db, message!.id))!;
    const { text } = openBody(desk.sealer, message!.id, bodySealed);
    expect(text).toContain('Halo Budi,');
    expect(text).toContain('Kuota: 20 GB\nBerlaku sampai: 21 Des 2026 09.00 WIB');
  });

  test('the notice speaks the language of the subscriber, and of a plan without a limit', async () => {
    const { id, username } = await subscriber({ language: 'en' });
    await cash((await order(id, 'unlimited')).number);
    const [message] = await messagesOf(desk.db, id);
    const { bodySealed } = (await findMessage(desk.db, message!.id))!;
    const { text } = openBody(desk.sealer, message!.id, bodySealed);
    expect(text).toContain(`Hello ${username},`);
    expect(text).toContain('Quota: unlimited\nValid until: 21 Dec 2026 09.00 WIB');
  });

  test('twice is once', async () => {
    const { id } = await subscriber();
    const { number } = await order(id);
    const first = await cash(number);
    await notDue(id);
    desk.setClock(NOW + HOUR);
    expect(await settlePurchase(desk, { number, method: 'transfer' })).toEqual({ ...first, alreadySettled: true });
    expect((await shown(number)).payments).toHaveLength(1);
    expect(await grantsOf(desk.db, id)).toHaveLength(1);
    expect(await messagesOf(desk.db, id)).toHaveLength(2);
    expect(await due(id)).toEqual([]);
    expect(await lastAudit(id)).toMatchObject({ why: 'settle purchase', detail: { alreadySettled: true } });
    desk.setClock(NOW);
  });

  test('many at the same moment are once', async () => {
    const { id } = await subscriber();
    const { number } = await order(id);
    const all = await Promise.all(Array.from({ length: 6 }, () => cash(number)));
    expect(all.filter((one) => !one.alreadySettled)).toHaveLength(1);
    expect(new Set(all.map((one) => one.grantId)).size).toBe(1);
    expect((await shown(number)).payments).toHaveLength(1);
    expect(await grantsOf(desk.db, id)).toHaveLength(1);
  });

  test('two orders of one subscriber settled at the same moment do not run beside each other', async () => {
    const { id } = await subscriber();
    const numbers = [(await order(id)).number, (await order(id, 'unlimited')).number];
    const [one, other] = (await Promise.all(numbers.map((number) => cash(number)))).toSorted((a, b) => a.from - b.from);
    expect([one!.from, other!.from]).toEqual([NOW, one!.until]);
  });

  test('settled and cancelled at the same moment, the money wins', async () => {
    const { id } = await subscriber();
    const { number } = await order(id);
    const [settled] = await Promise.all([cash(number), faults(cancelPurchase(desk, number))]);
    expect(settled.alreadySettled).toBe(false);
    expect(await shown(number)).toMatchObject({ state: 'done', cancelledAt: null });
  });

  test('money in hand wins: an order that expired, or was cancelled, is settled at the price that was shown', async () => {
    const { id } = await subscriber();
    const expired = await order(id);
    desk.setClock(NOW + 40 * DAY);
    expect(await cash(expired.number)).toMatchObject({ from: NOW + 40 * DAY, alreadySettled: false });
    desk.setClock(NOW);
    const other = await subscriber();
    const cancelled = await order(other.id);
    await order(other.id, 'unlimited');
    expect((await shown(cancelled.number)).state).toBe('cancelled');
    await cash(cancelled.number);
    expect(await shown(cancelled.number)).toMatchObject({
      state: 'done',
      cancelledAt: null,
      cancelledBy: null,
      payments: [{ amountRupiah: PRICE }],
    });
    expect(await lastAudit(other.id)).toMatchObject({ detail: { wasCancelled: true } });
  });

  test('what was ordered is given, also when the plan changed since or is sold no more', async () => {
    await addPlan(desk, { ...PLAN, name: 'older' });
    const revision = (await plansOnSale(desk.db, ['older'])).get('older')!.revisionId;
    const { id } = await subscriber();
    const { number } = await placePurchase(desk, { subscriberId: id, planRevisionId: revision });
    await addPlan(desk, { ...PLAN, name: 'older', price: '99000', period: 'day' });
    await desk.db.execute(`update plan set retired_at = now() where name = 'older'`);
    expect(await cash(number)).toMatchObject({ until: NOW + 30 * DAY });
    expect((await shown(number)).payments).toMatchObject([{ amountRupiah: PRICE }]);
  });

  test('it begins where the cover in force ends, or now if that was asked', async () => {
    const { id, username } = await subscriber();
    const running = await addGrant(desk, { username, plan: 'unlimited' });
    expect((await cash((await order(id)).number)).from).toBe(running.until);
    expect((await cash((await order(id, 'unlimited', { begins: 'now' })).number)).from).toBe(NOW);
    const third = await cash((await order(id)).number);
    expect(third.from).toBe(running.until + 30 * DAY);
  });

  test('when the allowance in force is spent it begins now', async () => {
    const { id } = await subscriber();
    await cash((await order(id)).number);
    await desk.db.execute('update grants set used_bytes = $2 where subscriber_id = $1', [id, 20 * 2 ** 30]);
    desk.setClock(NOW + DAY);
    expect((await cash((await order(id)).number)).from).toBe(NOW + DAY);
    desk.setClock(NOW);
  });

  test('a package that costs nothing makes no payment', async () => {
    const { id } = await subscriber();
    const { number } = await order(id, 'gift');
    await cash(number);
    expect(await shown(number)).toMatchObject({ state: 'done', payments: [] });
  });

  test.each([
    [{}, ['number: missing', 'method: missing']],
    [{ number: 'P-1', method: 'qris', note: 'a\u0000' }, ['number "P-1"', 'method "qris"', 'note ']],
    [{ number: 'P-00000000', method: 'cash' }, ['there is no purchase P-00000000; see: purchase list']],
  ])('wrong input is said line by line: %j', async (input, lines) => {
    expect(await faults(settlePurchase(desk, input))).toEqual(lines.map((part) => expect.stringContaining(part)));
  });
});
