import { expect, test } from 'vitest';
import { HOUR, type Instant, MINUTE } from '#domain/time';
import { NOW } from '#test/operations/desk';
import {
  debtor,
  desk,
  eventually,
  expectEvenBooks,
  gateways,
  inbox,
  logged,
  start,
  startFor,
  usePayments,
} from '#test/payments/harness';
import { Random } from '#test/radius-server/random';

usePayments();

const ORDERS = 40;

/** When something is due, and how often orders were asked about so far. */
async function polls(now: Instant): Promise<{ due: number; asked: number; nextAt: Instant | null }> {
  const [row] = await desk.db.query<{ due: number; asked: number; nextAt: Instant | null }>(
    `select count(*) filter (where next_poll_at <= $1::timestamptz)::int as due, coalesce(sum(polls), 0)::int as asked,
            min(next_poll_at) as "nextAt" from payment_intent`,
    [new Date(now).toISOString()],
  );
  return row!;
}

test('for 24 hours no event arrives: asking finds every payment, and soon within five minutes of it', async () => {
  const random = new Random(20);
  // It looks when it is woken, and only then.
  const node = await start({ lookEveryMs: HOUR });
  const begins = Array.from({ length: ORDERS }, () => NOW + random.below(24 * HOUR)).sort((one, next) => one - next);
  const pays: { at: Instant; orderId: string; of: number }[] = [];
  const foundAfter = new Map<number, number>();
  let firstFoundAt = Number.POSITIVE_INFINITY;
  let [now, begun, paid] = [NOW, 0, 0];
  while (foundAfter.size < ORDERS && now < NOW + 48 * HOUR) {
    const { nextAt } = await polls(now);
    const pending = pays.filter(({ at }) => at > now).map(({ at }) => at);
    now = Math.max(now, Math.min(begins[begun] ?? Infinity, nextAt === null ? Infinity : nextAt + 1, ...pending));
    desk.setClock(now);
    for (; begun < ORDERS && begins[begun]! <= now; begun += 1) {
      const one = await debtor();
      const { orderId } = await startFor(one);
      pays.push({ at: now + MINUTE + random.below(150 * MINUTE), orderId, of: one.id });
    }
    for (const { at, orderId } of pays) {
      const isNow = at <= now && gateways.midtrans.orders.get(orderId)!.truth.state === 'unknown';
      if (isNow) gateways.midtrans.pay(orderId, at);
      if (isNow) paid += 1;
    }
    const { due, asked } = await polls(now);
    if (due === 0) continue;
    node.wake();
    await eventually(async () => (await polls(now)).asked).toBe(asked + due);
    const settled = await desk.db.query<{ of: number }>('select subscriber_id as of from payment');
    for (const { of } of settled) {
      const at = pays.find((pay) => pay.of === of)!.at;
      if (!foundAfter.has(of)) foundAfter.set(of, now - at);
      if (now - at > MINUTE) firstFoundAt = Math.min(firstFoundAt, at);
    }
  }
  expect([foundAfter.size, paid]).toEqual([ORDERS, ORDERS]);
  expect(Math.max(...foundAfter.values())).toBeLessThanOrEqual(HOUR + MINUTE);
  const later = pays.filter(({ at }) => at > firstFoundAt + HOUR).map(({ of }) => foundAfter.get(of)!);
  expect(later.length).toBeGreaterThan(ORDERS / 2);
  expect(Math.max(...later)).toBeLessThan(5 * MINUTE);
  expect(await inbox()).toEqual([]);
  expect(logged.filter((line) => /no event told of/.test(line)).length).toBeGreaterThan(0);
  await expectEvenBooks();
}, 120_000);
