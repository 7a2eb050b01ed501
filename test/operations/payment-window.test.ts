import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import { defaultPolicy, parsePolicy } from '#domain/policy';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { firstPolicy } from '#operations/first-policy';
import { openPaymentWindow } from '#operations/open-payment-window';
import { suspend } from '#operations/suspend';
import { change } from '#storage/change';
import { loadFacts } from '#storage/facts';
import { policyInForce, publishPolicy } from '#storage/policy';
import { faults, NOW, type TestDesk } from '#test/operations/desk';
import { openShop, type Shop } from '#test/operations/shop';

let desk: TestDesk;
let shop: Shop;
let orders = 0;
beforeAll(async () => {
  shop = await openShop();
  desk = shop.desk;
});
beforeEach(async () => {
  desk.setClock(NOW);
  await desk.db.execute('delete from policy_revision');
  await firstPolicy(desk);
});

type Intent = { state?: string; link?: boolean; closed?: boolean; expiresAt?: Instant };

/** A payment that waits at Midtrans, unless it is told otherwise. */
async function intent(subscriberId: number, of: Intent = {}): Promise<void> {
  orders += 1;
  const at = (instant: Instant) => new Date(instant).toISOString();
  await desk.db.execute(
    `insert into payment_intent (order_id, gateway, subscriber_id, amount_rupiah, created_at, created_by, state, link_sealed, expires_at, closed_at)
     values ($1, 'midtrans', $2, 75000, $3::timestamptz, 'test', $4, $5, $6::timestamptz, $7::timestamptz)`,
    [
      `TOPUP-${orders}`,
      subscriberId,
      at(NOW),
      of.state ?? 'pending',
      of.link === false ? null : Buffer.from('sealed'),
      at(of.expiresAt ?? NOW + 5 * DAY),
      of.closed === true ? at(NOW) : null,
    ],
  );
}

/** Somebody without a package who has chosen how to pay. */
async function payer(more: object = {}) {
  const { id, username } = await shop.subscriber(more);
  await intent(id);
  const open = (as: TestDesk = shop.self(id)) => openPaymentWindow(as, { subscriberId: id });
  const gets = async (at: Instant) => {
    const policy = parsePolicy((await policyInForce(desk.db))!.document, desk.zone);
    return decide((await loadFacts(desk.db, [id])).get(id)!, policy, at);
  };
  const audited = () =>
    desk.db.query<{ actor: string; detail: Record<string, unknown> }>(
      `select actor, detail from audit where subscriber_id = $1 and why = 'open payment window' order by id`,
      [id],
    );
  return { id, username, open, gets, audited };
}

async function publish(minutes: number, timesADay: number): Promise<void> {
  const { rules } = defaultPolicy(desk.zone);
  const when = { is: 'paying', minutes, timesADay } as const;
  const document = { rules: rules.map((rule) => (rule.name === 'paying' ? { ...rule, when } : rule)) };
  await change(desk.db, { actor: 'test', why: 'edit policy' }, async (tx) => {
    await publishPolicy(tx, { document, note: '', createdBy: 'test', at: new Date(desk.clock()) });
  });
}

describe('a payment window', () => {
  test('opens the line for a quarter of an hour at a megabit, marked for enforcement and audited; it ends by itself', async () => {
    const one = await payer();
    await desk.db.execute('delete from due');
    expect(await one.open()).toEqual({ until: NOW + 15 * MINUTE, timesLeft: 2 });
    expect(await one.gets(NOW)).toMatchObject({
      access: 'reduced',
      addressList: 'prepaid-paying',
      rate: { downloadBps: 1_000_000, uploadBps: 512_000 },
      validUntil: NOW + 15 * MINUTE,
    });
    expect(await one.gets(NOW + 15 * MINUTE)).toMatchObject({ access: 'walled', addressList: 'prepaid-no-package' });
    expect(await desk.db.query('select subscriber_id as id from due')).toEqual([{ id: one.id }]);
    expect(await one.audited()).toEqual([
      { actor: `subscriber:${one.id}`, detail: { intentId: expect.any(Number), minutes: 15, timesLeft: 2 } },
    ]);
  });

  test('is one however often it is asked for at once, and each is told the same', async () => {
    const one = await payer();
    const told = await Promise.all(Array.from({ length: 8 }, () => one.open()));
    expect(new Set(told.map((window) => JSON.stringify(window)))).toEqual(
      new Set([JSON.stringify({ until: NOW + 15 * MINUTE, timesLeft: 2 })]),
    );
    desk.setClock(NOW + 14 * MINUTE);
    expect(await one.open()).toEqual(told[0]);
    expect(await one.audited()).toHaveLength(1);
    expect((await one.gets(NOW)).validUntil).toBe(NOW + 15 * MINUTE);
  });

  test('is opened three times a day; who asks again is told when', async () => {
    const one = await payer();
    for (const [times, hour] of [2, 1, 0].entries()) {
      desk.setClock(NOW + times * HOUR);
      expect((await one.open()).timesLeft).toBe(hour);
    }
    desk.setClock(NOW + 3 * HOUR);
    expect(await faults(one.open())).toEqual([
      'the payment window was opened 3 times today, as often as it may be; again from 22 Nov 2026 00.00 WIB',
    ]);
    expect(await one.audited()).toHaveLength(3);
    desk.setClock(Date.parse('2026-11-22T00:00+07:00'));
    expect((await one.open()).timesLeft).toBe(2);
  });

  test('is as long and as often as the policy in force says', async () => {
    const one = await payer();
    await publish(5, 1);
    expect(await one.open()).toEqual({ until: NOW + 5 * MINUTE, timesLeft: 0 });
    desk.setClock(NOW + 5 * MINUTE);
    expect(await faults(one.open())).toHaveLength(1);
    await publish(10, 2);
    expect(await one.open()).toEqual({ until: NOW + 5 * MINUTE + 5 * MINUTE, timesLeft: 1 });
  });

  test('is opened by staff too, who are named', async () => {
    const one = await payer();
    await one.open({ ...desk, actor: 'staff:andi' });
    expect(await one.audited()).toMatchObject([{ actor: 'staff:andi' }]);
  });
});

describe('there is none', () => {
  test.each([
    ['before a way to pay was chosen', { link: false }],
    ['once it is paid', { state: 'paid', closed: true }],
    ['once its link is closed', { closed: true }],
    ['once its link is over', { expiresAt: NOW }],
    ['while the gateway itself looks at it', { state: 'review' }],
  ] as const)('%s', async (_when, of: Intent) => {
    const { id } = await shop.subscriber();
    await intent(id, of);
    expect(await faults(openPaymentWindow(shop.self(id), { subscriberId: id }))).toEqual([
      'there is no payment that waits; choose how to pay first, then open the internet for it',
    ]);
  });

  test('for a payment of somebody else, nor for somebody else', async () => {
    const payed = await payer();
    const { id } = await shop.subscriber();
    expect(await faults(openPaymentWindow(shop.self(id), { subscriberId: id }))).toHaveLength(1);
    expect(await faults(openPaymentWindow(shop.self(id), { subscriberId: payed.id }))).toEqual([
      `there is no subscriber of number ${payed.id}`,
    ]);
    expect(await payed.audited()).toEqual([]);
  });

  test('for a line that is open, nor for one that is suspended', async () => {
    const one = await payer();
    await addGrant(desk, { username: one.username, plan: 'prepaid-20mbps' });
    expect(await faults(one.open())).toEqual(['the line is not closed, so no payment window is needed']);
    await suspend(desk, one.username);
    expect(await faults(one.open())).toEqual([
      'the line is suspended, so a payment window would not help; ask customer service',
    ]);
    expect(await one.audited()).toEqual([]);
  });

  test('where the policy gives none', async () => {
    const one = await payer();
    const rules = defaultPolicy(desk.zone).rules.filter(({ name }) => !name.includes('paying'));
    await change(desk.db, { actor: 'test', why: 'edit policy' }, async (tx) => {
      await publishPolicy(tx, { document: { rules }, note: '', createdBy: 'test', at: new Date(desk.clock()) });
    });
    expect(await faults(one.open())).toEqual([
      'this line gets no payment window; pay from another connection, or with QRIS',
    ]);
  });
});
