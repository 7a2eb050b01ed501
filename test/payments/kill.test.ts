import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { MINUTE } from '#domain/time';
import type { PaymentsSide } from '#policy-server/payments-side';
import type { Database, Queryable } from '#storage/database';
import { NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import {
  type Debtor,
  debtor,
  desk,
  eventually,
  expectEvenBooks,
  gateways,
  inbox,
  start,
  startFor,
  tells,
  usePayments,
} from '#test/payments/harness';

usePayments();

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
});

function run(): ChildProcess {
  const program = join(import.meta.dirname, 'settling-child.ts');
  const args = [program, desk.db.url, desk.masterKeyFile, String(PRICE)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

/** What there is of an order that was paid, as counts: each of them has to be one, whatever happened on the way. */
async function counted(of: Debtor): Promise<Record<string, number>> {
  const [row] = await desk.db.query<Record<string, number>>(
    `select (select count(*)::int from payment where subscriber_id = $1) as payments,
            (select count(*)::int from grants where subscriber_id = $1 and revoked_at is null) as grants,
            (select count(*)::int from invoice where subscriber_id = $1 and settled_at is not null and settlements = 1) as settled,
            (select count(*)::int from purchase where subscriber_id = $1 and grant_id is not null) as purchases,
            (select count(*)::int from payment_intent where subscriber_id = $1 and state = 'paid' and closed_at is not null) as intents,
            (select count(*)::int from ledger_transaction where subscriber_id = $1 and kind = 'payment') as booked,
            (select count(*)::int from ledger_transaction where subscriber_id = $1 and kind = 'settled') as earned,
            (select coalesce(sum(amount_rupiah), 0)::int + 1 from ledger_entry where subscriber_id = $1) as credit,
            (select count(*)::int from due where subscriber_id = $1) as due,
            (select count(*)::int from message where subscriber_id = $1 and notice = 'activated') as notices`,
    [of.id],
  );
  return row!;
}

const ONCE = {
  payments: 1,
  grants: 1,
  settled: 1,
  purchases: 1,
  intents: 1,
  booked: 1,
  earned: 1,
  credit: 1,
  due: 1,
  notices: 1,
};

/**
 * A database that dies with its process at the n-th statement: before it reaches the server, or after, when nobody hears
 * what came of it. What was open is rolled back by the server, and nothing is asked or told any more.
 */
function mortal(db: Database, diesAt: number, heard: 'before' | 'after'): { db: Database; died(): boolean } {
  let statements = 0;
  let dead = false;
  const die = (): never => {
    dead = true;
    throw new Error('dead');
  };
  const begin = (): boolean => {
    statements += 1;
    const isLast = statements === diesAt;
    if (dead || (isLast && heard === 'before')) die();
    return isLast;
  };
  const step = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    const isLast = begin();
    const result = await run();
    return dead || isLast ? die() : result;
  };
  const over = (q: Queryable): Queryable => ({
    query: (text, values, name) => step(() => q.query(text, values, name)),
    execute: (text, values, name) => step(() => q.execute(text, values, name)),
  });
  const dying = {
    ...over(db),
    transaction: async (work, options) => {
      let diesUnheard = false;
      const result = await db.transaction(async (tx) => {
        const worked = await work({
          ...over(tx),
          copyOut: tx.copyOut,
          copyIn: tx.copyIn,
          get em() {
            return tx.em;
          },
        });
        // The COMMIT is a statement too: with `after` it is through, and nobody knows.
        diesUnheard = begin();
        return worked;
      }, options);
      return diesUnheard ? die() : result;
    },
    listen: (channel, onPayload, onListening) => db.listen(channel, onPayload, onListening),
    close: () => db.close(),
    orm: db.orm,
    url: db.url,
  } satisfies Database;
  return { db: dying, died: () => dead };
}

const allWorked = async () => (await inbox()).every(({ outcome }) => outcome !== null);

/** An order that was paid and of which an event lies in the inbox. */
async function paidOrder(door: PaymentsSide): Promise<Debtor & { orderId: string }> {
  const one = await debtor();
  const { orderId } = await startFor(one);
  gateways.midtrans.pay(orderId, NOW);
  await tells(door, gateways.midtrans, orderId);
  return { ...one, orderId };
}

test.each(['before', 'after'] as const)(
  'killed %s any statement of a settlement: the next node finishes it, once',
  async (heard) => {
    const door = await start();
    await door.stop();
    let at = NOW;
    const died = { beforeCommit: 0, afterCommit: 0 };
    // The number of statements differs by one or two with what else is looked at meanwhile.
    for (let [diesAt, survived] = [1, 0]; survived < 4; diesAt += 1) {
      const order = await paidOrder(door);
      const mortalOne = mortal(desk.db, diesAt, heard);
      const dying = await start({ desk: { ...desk, db: mortalOne.db }, lookEveryMs: 60 * MINUTE });
      await eventually(async () => mortalOne.died() || (await allWorked())).toBe(true);
      await dying.stop();
      if (!mortalOne.died()) {
        survived += 1;
        continue;
      }
      const left = await counted(order);
      if (left.payments === 0) died.beforeCommit += 1;
      else {
        expect(left).toEqual(ONCE);
        died.afterCommit += 1;
      }
      // What it had claimed is somebody else's a minute later.
      at += 2 * MINUTE;
      desk.setClock(at);
      const next = await start();
      await eventually(allWorked).toBe(true);
      await next.stop();
      expect(await counted(order)).toEqual(ONCE);
    }
    expect(died.beforeCommit).toBeGreaterThan(20);
    expect(died.afterCommit).toBeGreaterThan(0);
    await expectEvenBooks();
  },
  180_000,
);

test('kill -9 of the process in the middle of a hundred settlements, five times: each order is settled exactly once', async () => {
  const door = await start();
  await door.stop();
  desk.setClock(systemClock());
  const orders: (Debtor & { orderId: string })[] = [];
  for (let i = 0; i < 100; i += 1) orders.push(await paidOrder(door));
  const payments = async () => (await desk.db.query('select from payment')).length;
  let unfinished = 0;
  for (let kills = 0; kills < 5; kills += 1) {
    const before = await payments();
    const child = run();
    await eventually(payments, 20_000).toBeGreaterThanOrEqual(before + 8);
    await kill(child);
    unfinished += (await inbox()).filter(({ outcome, attempts }) => outcome === null && attempts > 0).length;
  }
  expect(unfinished).toBeGreaterThan(0);
  expect(await payments()).toBeLessThan(100);
  run();
  await eventually(allWorked, 60_000).toBe(true);
  for (const order of orders) expect(await counted(order)).toEqual(ONCE);
  await expectEvenBooks();
}, 180_000);
