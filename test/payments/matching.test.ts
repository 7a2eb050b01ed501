import { describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { paymentsJob } from '#jobs/payments';
import { NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import {
  attempts,
  debtor,
  desk,
  eventually,
  expectEvenBooks,
  gateways,
  purchaseNow,
  start,
  startFor,
  tells,
  usePayments,
} from '#test/payments/harness';

usePayments();

describe('the nightly matching', () => {
  const NIGHT = Date.parse('2026-11-21T19:30:00Z'); // 02.30 in Jakarta
  const idle = () => new AbortController().signal;

  test('finds what was paid late, taken back or refunded, and asks nobody twice in a night', async () => {
    const [late, reversed, refunded, quiet] = [await debtor(), await debtor(), await debtor(), await debtor()];
    const orders = await Promise.all([late, reversed, refunded, quiet].map((of) => startFor(of)));
    const [lateOrder, reversedOrder, refundedOrder] = orders.map(({ orderId }) => orderId) as [string, string, string];
    const node = await start();
    for (const orderId of [reversedOrder, refundedOrder]) {
      gateways.midtrans.pay(orderId, NOW);
      await tells(node, gateways.midtrans, orderId);
    }
    await eventually(() => node.counts().orders.settled).toBe(2);
    gateways.midtrans.says(lateOrder, { state: 'expired' });
    await tells(node, gateways.midtrans, lateOrder);
    await eventually(() => node.counts().orders.noted).toBe(1);
    await node.stop();
    gateways.midtrans.pay(lateOrder, NOW + HOUR);
    gateways.midtrans.says(reversedOrder, { state: 'denied' });
    gateways.midtrans.says(refundedOrder, { state: 'refunded', refundedRupiah: PRICE });
    desk.setClock(NIGHT);
    expect(await node.match(idle())).toEqual({ settled: 1, reversed: 1, refunded: 1, known: 1 });
    expect((await purchaseNow(late)).state).toBe('done');
    expect((await purchaseNow(reversed)).state).not.toBe('done');
    expect(await node.match(idle())).toEqual({});
    desk.setClock(NIGHT + DAY);
    expect(await node.match(idle())).toEqual({ known: 4 });
    await expectEvenBooks();
  });

  test('by day only makes up for nights in which nothing ran', async () => {
    await startFor(await debtor());
    const node = await start();
    await node.stop();
    desk.setClock(NOW + 25 * HOUR);
    expect(await node.match(idle())).toEqual({});
    desk.setClock(NOW + 27 * HOUR);
    expect(await node.match(idle())).toEqual({ known: 1 });
  });

  test('leaves a gateway that is silent for the next time, and asks the other one', async () => {
    const [one, other] = [await debtor(), await debtor()];
    await startFor(one);
    const paid = await startFor(other, { gateway: 'xendit' });
    gateways.midtrans.trouble.down = true;
    gateways.xendit.pay(paid.orderId, NOW);
    const node = await start();
    await node.stop();
    desk.setClock(NIGHT);
    expect(await node.match(idle())).toEqual({ unanswered: 1, settled: 1 });
    gateways.midtrans.trouble.down = false;
    expect(await node.match(idle())).toEqual({ known: 1 });
  });

  test('looks back 35 days, not asking again about what came to nothing long ago or was never ours', async () => {
    const [old, failed, foreign, paid] = [await debtor(), await debtor(), await debtor(), await debtor()];
    for (const of of [old, failed]) await startFor(of);
    gateways.midtrans.foreign(`${foreign.invoice.number}-1`, { state: 'paid', amountRupiah: PRICE });
    await startFor(foreign);
    const { orderId } = await startFor(paid);
    const node = await start();
    gateways.midtrans.pay(orderId, NOW);
    gateways.midtrans.says((await attempts(failed))[0]!.orderId, { state: 'expired' });
    await tells(node, gateways.midtrans, orderId);
    await tells(node, gateways.midtrans, (await attempts(failed))[0]!.orderId);
    await eventually(() => [node.counts().orders.settled, node.counts().orders.noted]).toEqual([1, 1]);
    await node.stop();
    desk.setClock(NIGHT + 4 * DAY);
    // The old one, that of which the order id was taken in its second attempt, and the paid one.
    expect(await node.match(idle())).toEqual({ known: 1, noted: 2 });
    desk.setClock(NIGHT + 36 * DAY);
    expect(await node.match(idle())).toEqual({});
  });

  test('ends when it is told to', async () => {
    for (let i = 0; i < 3; i += 1) await startFor(await debtor());
    const node = await start({ matchPauseMs: HOUR });
    await node.stop();
    desk.setClock(NIGHT);
    const stop = new AbortController();
    const matching = node.match(stop.signal);
    await eventually(() => gateways.midtrans.calls.truth).toBe(1);
    stop.abort();
    expect(await matching).toEqual({ known: 1 });
  });
});

test('the job says what it found that nobody had told, and nothing when there was nothing', async () => {
  let found: Record<string, number> = { known: 40, settled: 2, reversed: 1, unanswered: 1 };
  const job = paymentsJob(async () => found);
  const { signal } = new AbortController();
  expect([job.everySeconds, job.scope]).toEqual([3_600, 'cluster']);
  expect(await job.run(signal)).toBe(
    'payments matched with the gateways: 2 paid, of which nobody told us, 1 reversed or charged back, 1 without an answer',
  );
  found = { known: 40, noted: 2 };
  expect(await job.run(signal)).toBeNull();
});
