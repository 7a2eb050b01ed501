import { expect, test } from 'vitest';
import { secondNode } from '#test/operations/desk';
import { chaos } from '#test/payments/chaos';
import { desk, expectEvenBooks, gateways, logged, shop, start, usePayments } from '#test/payments/harness';

usePayments();

/** `npm run bench -- webhooks` has ten thousand. */
const ORDERS = 250;

test.each([1, 2])(
  'events told 0 to 20 times in any order, forged ones, polls, two nodes, matching and staff at once: in the end all is as the gateway says (seed %i)',
  async (seed) => {
    const other = await secondNode(desk);
    const nodes = [await start(), await start({ desk: other })] as const;
    const planRevisionId = shop.plans['prepaid-20mbps']!;
    const { faults, events, forged } = await chaos({
      desk,
      other,
      gateways,
      nodes,
      planRevisionId,
      orders: ORDERS,
      seed,
    });
    expect(faults).toEqual([]);
    expect(events).toBeGreaterThan(ORDERS * 10);
    expect(forged).toBeGreaterThan(ORDERS / 2);
    expect(logged.filter((line) => /mistake/.test(line))).toEqual([]);
    await expectEvenBooks();
    await nodes[1].stop();
    await other.db.close();
  },
  300_000,
);
