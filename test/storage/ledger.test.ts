import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Entry, transfer } from '#domain/ledger';
import type { Database } from '#storage/database';
import { balances, closeDays, creditOf, type Posting, post, verifyLedger } from '#storage/ledger';
import { testDatabase } from '#test/support/database';

const AT = Date.parse('2026-11-21T02:00:00Z');
const DAY_OF = (day: number) => `2026-11-${String(day).padStart(2, '0')}`;

let db: Database;
let count = 0;
beforeAll(async () => {
  db = await testDatabase();
});

const posting = (over: Partial<Posting> = {}): Posting => ({
  kind: 'payment',
  reference: `payment:test:${count++}`,
  subscriberId: 7,
  at: AT,
  day: DAY_OF(21),
  entries: transfer({ account: 'customer-credit', subscriberId: 7 }, { account: 'cash' }, 75_000),
  ...over,
});
const book = (over: Partial<Posting> = {}) => db.transaction((tx) => post(tx, posting(over)));

describe('booking', () => {
  test('a payment is credit of the customer', async () => {
    const before = await creditOf(db, 9);
    await book({
      subscriberId: 9,
      entries: transfer({ account: 'customer-credit', subscriberId: 9 }, { account: 'cash' }, 75_000),
    });
    expect((await creditOf(db, 9)) - before).toBe(75_000);
  });

  test('the same reference is booked once, also by two at the same moment', async () => {
    const same = { reference: 'payment:midtrans:same', subscriberId: 11 };
    const entries = transfer({ account: 'customer-credit', subscriberId: 11 }, { account: 'bank' }, 10_000);
    const answers = await Promise.all([
      book({ ...same, entries }),
      book({ ...same, entries }),
      book({ ...same, entries }),
    ]);
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await creditOf(db, 11)).toBe(10_000);
  });

  test('nothing is booked for an amount of zero', async () => {
    expect(await book({ entries: transfer({ account: 'revenue' }, { account: 'cash' }, 0) })).toBe(false);
  });

  test('what does not come to zero is refused by us and by the database', async () => {
    const uneven: Entry[] = [{ account: 'cash', amountRupiah: 5 }];
    await expect(book({ entries: uneven })).rejects.toThrow('sums to zero');
    const forced = db.transaction(async (tx) => {
      const [row] = await tx.query<{ id: number }>(
        `insert into ledger_transaction (day, at, kind, reference) values ('2026-11-21', now(), 'x', 'uneven') returning id`,
      );
      await tx.execute(
        `insert into ledger_entry (transaction_id, position, account, amount_rupiah) values ($1, 1, 'cash', 5)`,
        [row!.id],
      );
    });
    await expect(forced).rejects.toThrow('does not sum to zero');
  });

  test('of whatever is booked, all accounts together come to zero', async () => {
    const amount = fc.integer({ min: -1_000_000, max: 1_000_000 }).filter((rupiah) => rupiah !== 0);
    const account = fc.constantFrom('cash', 'bank', 'revenue', 'deferred-revenue', 'fee', 'refund', 'tax-payable');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(account, account, amount), { minLength: 1, maxLength: 4 }), async (moves) => {
        await book({
          entries: moves.flatMap(([from, to, rupiah]) => transfer({ account: from }, { account: to }, rupiah)),
        });
        expect([...(await balances(db)).values()].reduce((sum, rupiah) => sum + rupiah, 0)).toBe(0);
      }),
      { numRuns: 30 },
    );
    expect(await verifyLedger(db)).toEqual([]);
  });
});

test.each([
  ['a transaction', `update ledger_transaction set detail = '{}'`],
  ['an amount', 'update ledger_entry set amount_rupiah = -amount_rupiah'],
  ['the seal of a day', `update ledger_day set hash = ''`],
  ['rows away', 'delete from ledger_entry'],
  ['transactions away', 'delete from ledger_transaction'],
  ['everything away', 'truncate ledger_entry, ledger_transaction'],
])('nobody changes or takes %s', async (_what, statement) => {
  await book();
  await expect(db.execute(statement)).rejects.toThrow('only added to');
});

test('a day that is closed gets no more entries, also none that come to zero', async () => {
  const books = await testDatabase();
  await books.transaction((tx) => post(tx, posting({ day: DAY_OF(18), reference: 'a' })));
  const add = `insert into ledger_entry (transaction_id, position, account, amount_rupiah)
               select id, 7 + n, 'cash', 5 - 10 * n from ledger_transaction, generate_series(0, 1) as n`;
  await closeDays(books, DAY_OF(21), AT);
  await expect(books.execute(add)).rejects.toThrow('a closed day of the ledger gets no more entries');
  expect(await verifyLedger(books)).toEqual([]);
});

describe('closing days', () => {
  test('each day is closed once, and what is booked for it later is of the next day', async () => {
    const books = await testDatabase();
    const bookAt = (day: number, reference: string) =>
      books.transaction((tx) => post(tx, posting({ day: DAY_OF(day), reference })));
    await bookAt(18, 'a');
    await bookAt(20, 'b');
    await bookAt(21, 'today');
    expect((await closeDays(books, DAY_OF(21), AT)).map(({ day, transactions }) => [day, transactions])).toEqual([
      [DAY_OF(18), 1],
      [DAY_OF(20), 1],
    ]);
    expect(await closeDays(books, DAY_OF(21), AT)).toEqual([]);
    await bookAt(20, 'late');
    const days = await books.query(`select reference, day from ledger_transaction order by id`);
    expect(days).toEqual([
      { reference: 'a', day: DAY_OF(18) },
      { reference: 'b', day: DAY_OF(20) },
      { reference: 'today', day: DAY_OF(21) },
      { reference: 'late', day: DAY_OF(21) },
    ]);
    expect(await verifyLedger(books)).toEqual([]);
  });

  test('booking and closing at the same moment lose nothing and leave every closed day as it was', async () => {
    const books = await testDatabase({ poolSize: 8 });
    const writers = Array.from({ length: 200 }, (_, one) =>
      books.transaction((tx) => post(tx, posting({ day: DAY_OF(1 + (one % 20)), reference: `race:${one}` }))),
    );
    const closers = Array.from({ length: 10 }, (_, one) => closeDays(books, DAY_OF(1 + 2 * one), AT));
    await Promise.all([...writers, ...closers]);
    await closeDays(books, DAY_OF(30), AT);
    expect(await verifyLedger(books)).toEqual([]);
    const [row] = await books.query<{ count: number; sealed: number }>(
      'select count(*) as count, (select sum(transactions)::int from ledger_day) as sealed from ledger_transaction',
    );
    expect(row).toEqual({ count: 200, sealed: 200 });
  });

  test.each([
    ['changed', `update ledger_entry set amount_rupiah = amount_rupiah * 2 where transaction_id = 1`],
    [
      'slipped in',
      `insert into ledger_transaction (day, at, kind, reference) values ('2026-11-18', now(), 'x', 'slipped')`,
    ],
    [
      'slipped into a day between',
      `insert into ledger_transaction (day, at, kind, reference) values ('2026-11-19', now(), 'x', 'slipped');
       insert into ledger_entry (transaction_id, position, account, amount_rupiah)
       select id, n, 'cash', 15 - 10 * n from ledger_transaction, generate_series(1, 2) as n where reference = 'slipped'`,
      DAY_OF(19),
    ],
    ['added to', `insert into ledger_entry values (1, 7, 'cash', null, 5), (1, 8, 'bank', null, -5)`],
    ['moved to another day', `update ledger_transaction set day = '2026-11-20' where id = 2`],
    ['told otherwise', `update ledger_transaction set detail = '{"why": "x"}' where id = 2`],
    ['sealed anew', `update ledger_day set previous_hash = '\\x00', hash = '\\x00'`],
    ['taken out of the chain', `delete from ledger_day where day = '2026-11-18'`],
    ['taken out', 'delete from ledger_entry where transaction_id = 1; delete from ledger_transaction where id = 1'],
  ])('what a superuser has %s afterwards is found', async (_how, statement, day = DAY_OF(18)) => {
    const books = await testDatabase();
    for (const [day, reference] of [
      [18, 'a'],
      [18, 'b'],
      [20, 'c'],
    ] as const)
      await books.transaction((tx) => post(tx, posting({ day: DAY_OF(day), reference })));
    await closeDays(books, DAY_OF(21), AT);
    expect(await verifyLedger(books)).toEqual([]);
    await books.transaction(async (tx) => {
      await tx.query(`set local session_replication_role = 'replica'`);
      for (const one of statement.split(/;\s/)) await tx.execute(one);
    });
    expect((await verifyLedger(books)).join()).toContain(day);
  });

  test('a day that was changed and sealed anew no longer fits the day after it', async () => {
    const books = await testDatabase();
    for (const [day, reference] of [
      [18, 'a'],
      [20, 'b'],
    ] as const)
      await books.transaction((tx) => post(tx, posting({ day: DAY_OF(day), reference })));
    await closeDays(books, DAY_OF(21), AT);
    const superuser = (statement: string, values: readonly unknown[] = []) =>
      books.transaction(async (tx) => {
        await tx.query(`set local session_replication_role = 'replica'`);
        await tx.execute(statement, values);
      });
    const [after] = await books.query<{ previous: Buffer; hash: Buffer }>(
      `select previous_hash as previous, hash from ledger_day where day = '2026-11-20'`,
    );
    await superuser('update ledger_entry set amount_rupiah = amount_rupiah * 2 where transaction_id = 1');
    await superuser('delete from ledger_day');
    await closeDays(books, DAY_OF(21), AT);
    expect(await verifyLedger(books)).toEqual([]);
    await superuser(`update ledger_day set previous_hash = $1, hash = $2 where day = '2026-11-20'`, [
      after!.previous,
      after!.hash,
    ]);
    expect(await verifyLedger(books)).toEqual(['2026-11-20 does not follow the day that was closed before it']);
  });
});
