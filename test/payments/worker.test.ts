import { describe, expect, test } from 'vitest';
import { HOUR, type Instant, MINUTE, SECOND } from '#domain/time';
import { cancelPurchase } from '#operations/cancel-purchase';
import { NOW, secondNode } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import {
  attempts,
  creditNow,
  debtor,
  desk,
  eventually,
  expectEvenBooks,
  gateways,
  inbox,
  logged,
  purchaseNow,
  shop,
  start,
  startFor,
  tells,
  usePayments,
} from '#test/payments/harness';

usePayments();

const said = (pattern: RegExp) => logged.filter((line) => pattern.test(line)).length;

describe('events', () => {
  test('of one order that came while nobody worked are answered by one question', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    const node = await start();
    await node.stop();
    gateways.midtrans.pay(orderId, NOW);
    for (const status of ['pending', 'paid', 'paid-again']) await tells(node, gateways.midtrans, orderId, status);
    await start();
    await eventually(inbox).toEqual(
      Array.from({ length: 3 }, () => ({ orderId, outcome: 'settled', attempts: 1, error: null })),
    );
    expect(gateways.midtrans.calls.truth).toBe(1);
  });

  test('wait while the gateway is away, and it is asked ever less often; both are said once', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    gateways.midtrans.trouble.down = true;
    const node = await start({ random: () => 0 });
    await tells(node, gateways.midtrans, orderId);
    await eventually(inbox).toMatchObject([{ outcome: null, attempts: 1, error: 'midtrans: no answer in time' }]);
    // 2 s, 4 s, 8 s … between two tries.
    const triedAt: Instant[] = [0];
    for (let at = 0; triedAt.length < 5; at += SECOND) {
      desk.setClock(NOW + at);
      const due = (
        await desk.db.query<{ due: boolean }>('select due_at <= $1::timestamptz as due from gateway_event', [
          new Date(desk.clock()).toISOString(),
        ])
      )[0]!.due;
      if (!due || at === 0) continue;
      const before = gateways.midtrans.calls.truth;
      node.wake();
      await eventually(() => gateways.midtrans.calls.truth).toBe(before + 1);
      await eventually(async () => (await inbox())[0]!.attempts).toBe(triedAt.length + 1);
      await eventually(
        async () => (await desk.db.query('select from gateway_event where claimed_until is not null')).length,
      ).toBe(0);
      triedAt.push(at / SECOND);
    }
    expect(triedAt).toEqual([0, 2, 6, 14, 30]);
    gateways.midtrans.trouble.down = false;
    desk.setClock(NOW + HOUR);
    node.wake();
    await eventually(async () => (await purchaseNow(one)).state).toBe('done');
    expect([said(/does not answer/), said(/answers again/)]).toEqual([1, 1]);
  });

  test('of a gateway that is silent are not asked about one after the other: it is left alone for a while', async () => {
    const debtors = [await debtor(), await debtor()];
    const [first, second] = await Promise.all(debtors.map((of) => startFor(of)));
    gateways.midtrans.trouble.down = true;
    const node = await start({ random: () => 0 });
    await tells(node, gateways.midtrans, first!.orderId, 'paid');
    await eventually(() => node.counts().orders.unanswered).toBe(1);
    gateways.midtrans.trouble.down = false;
    gateways.midtrans.pay(second!.orderId, NOW);
    await tells(node, gateways.midtrans, second!.orderId);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(gateways.midtrans.calls.truth).toBe(1);
    desk.setClock(NOW + 2 * SECOND);
    await eventually(async () => (await purchaseNow(debtors[1]!)).state).toBe('done');
  });

  test('of an order that cannot be worked on, by a mistake of ours, hold up no other one and are tried again', async () => {
    const [odd, one] = [await debtor(), await debtor()];
    const [first, second] = await Promise.all([odd, one].map((of) => startFor(of)));
    for (const { orderId } of [first!, second!]) gateways.midtrans.pay(orderId, NOW);
    const ask = gateways.midtrans.truthOf.bind(gateways.midtrans);
    gateways.midtrans.truthOf = async (order) => {
      if (order.orderId === first!.orderId) throw new TypeError('Body is unusable');
      return ask(order);
    };
    const node = await start({ random: () => 0 });
    for (const { orderId } of [first!, second!]) await tells(node, gateways.midtrans, orderId);
    await eventually(async () => (await purchaseNow(one)).state).toBe('done');
    await eventually(() => node.counts().orders.failed).toBe(1);
    expect(said(/by a mistake of ours/)).toBe(1);
    gateways.midtrans.truthOf = ask;
    desk.setClock(NOW + 2 * SECOND);
    await eventually(async () => (await purchaseNow(odd)).state).toBe('done');
  });

  test('are applied many in one commit, and one that cannot be applied leaves the others alone', async () => {
    const debtors = await Promise.all(Array.from({ length: 12 }, debtor));
    const orders = await Promise.all(debtors.map((of) => startFor(of)));
    const door = await start();
    await door.stop();
    for (const [at, { orderId }] of orders.entries()) {
      // What PostgreSQL does not take in a text.
      gateways.midtrans.pay(orderId, NOW, at === 5 ? { method: 'q\u0000' } : {});
      await tells(door, gateways.midtrans, orderId);
    }
    gateways.midtrans.trouble.delayMs = 50;
    const node = await start({ random: () => 0 });
    await eventually(() => [node.counts().orders.settled, node.counts().orders.failed]).toEqual([11, 1]);
    expect((await purchaseNow(debtors[5]!)).state).toBe('waiting');
    gateways.midtrans.pay(orders[5]!.orderId, NOW);
    desk.setClock(NOW + 2 * SECOND);
    await eventually(async () => (await purchaseNow(debtors[5]!)).state).toBe('done');
    await node.stop();
    const more = await Promise.all(Array.from({ length: 12 }, debtor));
    for (const of of more) {
      const { orderId } = await startFor(of);
      gateways.midtrans.pay(orderId, desk.clock());
      await tells(door, gateways.midtrans, orderId);
    }
    const next = await start();
    await eventually(() => next.counts().orders.settled).toBe(12);
    const commits = await desk.db.query(
      'select distinct xmin::text from payment where subscriber_id = any($1::bigint[])',
      [more.map(({ id }) => id)],
    );
    expect(commits.length).toBeLessThanOrEqual(6);
    const audits = await desk.db.query(
      `select from audit where why = 'gateway payment' and detail->>'came' = 'settled'`,
    );
    expect(audits).toHaveLength(24);
    await expectEvenBooks();
  });

  test('of one gateway do not wait for the other one', async () => {
    const [slow, quick] = [await debtor(), await debtor()];
    const first = await startFor(slow);
    const second = await startFor(quick, { gateway: 'xendit' });
    gateways.midtrans.trouble.down = true;
    gateways.midtrans.pay(first.orderId, NOW);
    gateways.xendit.pay(second.orderId, NOW);
    const node = await start();
    await tells(node, gateways.midtrans, first.orderId);
    await tells(node, gateways.xendit, second.orderId);
    await eventually(async () => (await purchaseNow(quick)).state).toBe('done');
    expect((await purchaseNow(slow)).state).toBe('waiting');
  });

  test('wake every node: another one does the work of the one that has stopped working', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    const other = await secondNode(desk);
    const [door, worker] = [await start(), await start({ desk: other, lookEveryMs: HOUR })];
    await door.stop();
    await eventually(() => worker.figures()).not.toBeNull();
    // It has looked, found nothing, and sleeps for an hour.
    await new Promise((resolve) => setTimeout(resolve, 200));
    gateways.midtrans.pay(orderId, NOW);
    await tells(door, gateways.midtrans, orderId);
    await eventually(async () => (await purchaseNow(one)).state, 3_000).toBe('done');
    expect(worker.counts().orders.settled).toBe(1);
    await worker.stop();
    await other.db.close();
  });

  test('that a node had claimed when it died are another’s when its claim is over', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    const dead = await start();
    await dead.stop();
    await tells(dead, gateways.midtrans, orderId);
    await desk.db.execute(`update gateway_event set claimed_until = $1::timestamptz, attempts = 1`, [
      // Before the order is asked about by itself.
      new Date(NOW + MINUTE / 2).toISOString(),
    ]);
    const node = await start();
    await eventually(() => node.figures()?.waiting).toBe(1);
    expect(gateways.midtrans.calls.truth).toBe(0);
    desk.setClock(NOW + MINUTE / 2);
    await eventually(inbox).toMatchObject([{ outcome: 'settled', attempts: 2 }]);
  });

  test('many at once are worked on many at a time, but no more than that', async () => {
    const debtors = await Promise.all(Array.from({ length: 12 }, debtor));
    const orders = await Promise.all(debtors.map((of) => startFor(of)));
    let open = 0;
    let most = 0;
    const ask = gateways.midtrans.truthOf.bind(gateways.midtrans);
    gateways.midtrans.truthOf = async (order) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 30));
      open -= 1;
      return ask(order);
    };
    const node = await start({ mostAsked: 4 });
    for (const { orderId } of orders) gateways.midtrans.pay(orderId, NOW);
    await Promise.all(orders.map(({ orderId }) => tells(node, gateways.midtrans, orderId)));
    await eventually(() => node.counts().orders.settled).toBe(12);
    expect(most).toBe(4);
  });
});

describe('what is open', () => {
  const pollOf = async (orderId: string) =>
    (
      await desk.db.query<{ polls: number; nextAt: Instant | null }>(
        'select polls, next_poll_at as "nextAt" from payment_intent where order_id = $1',
        [orderId],
      )
    )[0]!;

  test('is asked about after 1, 2, 5, 10 and 30 minutes, then every hour, until the gateway says it is over', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    const node = await start();
    const askedAfter: number[] = [];
    for (let polls = 0; polls < 8; polls += 1) {
      await eventually(async () => (await pollOf(orderId)).polls).toBe(polls);
      const { nextAt } = await pollOf(orderId);
      askedAfter.push((nextAt! - NOW) / MINUTE);
      desk.setClock(nextAt!);
      node.wake();
    }
    await eventually(() => gateways.midtrans.calls.truth).toBe(8);
    expect(askedAfter).toEqual([1, 2, 5, 10, 30, 90, 150, 210]);
    await eventually(async () => (await pollOf(orderId)).polls).toBe(8);
    gateways.midtrans.says(orderId, { state: 'expired' });
    desk.setClock((await pollOf(orderId)).nextAt!);
    node.wake();
    await eventually(async () => (await pollOf(orderId)).nextAt).toBeNull();
    expect(await attempts(one)).toMatchObject([{ state: 'expired', closed: true }]);
  });

  test('and paid is found by asking, though nobody told; then everything open there is asked about often', async () => {
    const [found, next] = [await debtor(), await debtor()];
    const first = await startFor(found);
    const second = await startFor(next);
    const node = await start();
    desk.setClock(NOW + 30 * MINUTE);
    node.wake();
    await eventually(async () => (await pollOf(second.orderId)).polls).toBe(1);
    gateways.midtrans.pay(first.orderId, NOW + 40 * MINUTE);
    desk.setClock(NOW + 3 * HOUR);
    await desk.db.execute('update payment_intent set next_poll_at = $2::timestamptz where order_id = $1', [
      second.orderId,
      new Date(NOW + 4 * HOUR).toISOString(),
    ]);
    node.wake();
    await eventually(async () => (await purchaseNow(found)).state).toBe('done');
    await eventually(async () => (await pollOf(second.orderId)).nextAt! - desk.clock()).toBeLessThanOrEqual(4 * MINUTE);
    expect(said(/no event told of/)).toBe(1);
    for (let i = 0; i < 3; i += 1) {
      const { nextAt, polls } = await pollOf(second.orderId);
      desk.setClock(nextAt! + 1);
      node.wake();
      await eventually(async () => (await pollOf(second.orderId)).polls).toBe(polls + 1);
      expect((await pollOf(second.orderId)).nextAt! - desk.clock()).toBe(4 * MINUTE);
    }
    // An event that arrives ends it.
    const third = await debtor();
    const { orderId } = await startFor(third);
    gateways.midtrans.pay(orderId, desk.clock());
    await tells(node, gateways.midtrans, orderId);
    await eventually(async () => (await purchaseNow(third)).state).toBe('done');
    const { nextAt, polls } = await pollOf(second.orderId);
    desk.setClock(nextAt! + 1);
    node.wake();
    await eventually(async () => (await pollOf(second.orderId)).polls).toBe(polls + 1);
    expect((await pollOf(second.orderId)).nextAt! - desk.clock()).toBe(HOUR);
  });

  test('by two nodes is asked about once', async () => {
    const debtors = await Promise.all(Array.from({ length: 20 }, debtor));
    await Promise.all(debtors.map((of) => startFor(of)));
    const other = await secondNode(desk);
    const nodes = [await start(), await start({ desk: other })];
    gateways.midtrans.trouble.delayMs = 20;
    desk.setClock(NOW + MINUTE);
    for (const node of nodes) node.wake();
    await eventually(async () => {
      const [row] = await desk.db.query<{ count: number }>(
        'select count(*)::int as count from payment_intent where polls = 1',
      );
      return row!.count;
    }).toBe(20);
    expect(gateways.midtrans.calls.truth).toBe(20);
    await nodes[1]!.stop();
    await other.db.close();
  });
});

test('cancelled here, paid there a moment later: it is given, and nothing is lost', async () => {
  const one = await debtor();
  const { orderId } = await startFor(one);
  await cancelPurchase(desk, one.number);
  gateways.midtrans.pay(orderId, NOW);
  const node = await start();
  await tells(node, gateways.midtrans, orderId);
  await eventually(async () => (await purchaseNow(one)).state).toBe('done');
  expect(await creditNow(one)).toBe(0);
});

test('paid at the counter and by the link: the second one is credit, which the books show', async () => {
  const one = await debtor();
  const { orderId } = await startFor(one);
  await shop.cash(one.number);
  gateways.midtrans.pay(orderId, NOW);
  const node = await start();
  await tells(node, gateways.midtrans, orderId);
  await eventually(inbox).toMatchObject([{ outcome: 'credited' }]);
  expect(await creditNow(one)).toBe(PRICE);
  await expectEvenBooks();
});
