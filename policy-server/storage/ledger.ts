import { createHash } from 'node:crypto';
import { assert } from '#domain/assert';
import type { LocalDate, Rupiah } from '#domain/billing';
import type { Account, Entry } from '#domain/ledger';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import { type Database, json, type Queryable, timestamp } from '#storage/database';

/** What is posted together; the amounts of `entries` come to zero. */
export type Posting = {
  /** Such as `payment`, `settled`, `refund`. */
  readonly kind: string;
  /** Names what is booked, so that it is booked once: `payment:midtrans:8f3…`. */
  readonly reference: string;
  /** Whom it is about; null where it is about many. */
  readonly subscriberId: number | null;
  readonly at: Instant;
  /** The company's local date of `at`. The database takes the next open day where that one is closed. */
  readonly day: LocalDate;
  readonly entries: readonly Entry[];
  readonly detail?: Readonly<Record<string, unknown>>;
};

/**
 * Books in the caller's transaction. Returns false when this reference was booked before: then nothing is done.
 * Without entries (an amount of zero) nothing is booked either.
 */
export async function post(tx: Queryable, posting: Posting): Promise<boolean> {
  const { kind, reference, subscriberId, at, day, entries, detail = {} } = posting;
  assert(entries.reduce((sum, entry) => sum + entry.amountRupiah, 0) === 0, `${reference} sums to zero`);
  if (entries.length === 0) return false;
  const rows = await tx.query(
    `with booked as (
       insert into ledger_transaction (day, at, kind, reference, subscriber_id, detail)
       values ($1::date, $2::timestamptz, $3, $4, $5, $6::jsonb)
       on conflict (reference) do nothing returning id)
     insert into ledger_entry (transaction_id, position, account, subscriber_id, amount_rupiah)
     select booked.id, entry.position, entry.account, entry.customer, entry.amount
       from booked, unnest($7::text[], $8::bigint[], $9::bigint[]) with ordinality as entry (account, customer, amount, position)
     returning transaction_id`,
    [
      day,
      timestamp(at),
      kind,
      reference,
      subscriberId,
      json(detail),
      entries.map(({ account }) => account),
      entries.map((entry) => entry.subscriberId ?? null),
      entries.map(({ amountRupiah }) => amountRupiah),
    ],
    'ledger-post',
  );
  return rows.length > 0;
}

/** Whether something is booked under this reference. */
export async function isPosted(q: Queryable, reference: string): Promise<boolean> {
  const rows = await q.query('select from ledger_transaction where reference = $1', [reference], 'ledger-is-posted');
  return rows.length > 0;
}

/** What a subscriber has with us; below zero where money was taken back that is spent already. */
export async function creditOf(q: Queryable, subscriberId: number): Promise<Rupiah> {
  const [row] = await q.query<{ credit: number }>(
    'select coalesce(-sum(amount_rupiah), 0)::bigint as credit from ledger_entry where subscriber_id = $1',
    [subscriberId],
    'ledger-credit',
  );
  return row!.credit;
}

/** The sum of each account that was ever used, debit above zero; all subscribers' credit is one account here. */
export async function balances(q: Queryable): Promise<ReadonlyMap<Account, Rupiah>> {
  const rows = await q.query<{ account: Account; rupiah: number }>(
    'select account, sum(amount_rupiah)::bigint as rupiah from ledger_entry group by account order by account',
  );
  return new Map(rows.map(({ account, rupiah }) => [account, rupiah]));
}

export type LedgerDay = { readonly day: LocalDate; readonly transactions: number; readonly hash: Buffer };

/** The first link of the chain follows this. */
const BEGINNING = Buffer.alloc(32);
const CHUNK = 5_000;

/**
 * Closes every day with transactions before `today`, the oldest first: its hash covers the day before it and all that was
 * booked on it. What was begun on that day and is booked later goes to the next one. Returns the days closed now.
 */
export async function closeDays(db: Database, today: LocalDate, at: Instant): Promise<LedgerDay[]> {
  const closed: LedgerDay[] = [];
  for (;;) {
    const day = await closeNext(db, today, at);
    if (day === null) return closed;
    closed.push(day);
  }
}

/** One day a transaction: after an outage of weeks nobody who books waits for all of them. Null when none is left. */
const closeNext = (db: Database, today: LocalDate, at: Instant): Promise<LedgerDay | null> =>
  db.transaction(async (tx) => {
    // Whoever books now waits a moment: nobody may add to a day while it is being closed.
    await tx.execute('lock table ledger_transaction in share row exclusive mode');
    const [open] = await tx.query<{ day: LocalDate | null }>(
      `select min(day) as day from ledger_transaction
        where day < $1::date and day > coalesce((select max(day) from ledger_day), '-infinity')`,
      [today],
    );
    const day = open?.day ?? null;
    if (day === null) return null;
    const previous = (await lastDay(tx))?.hash ?? BEGINNING;
    const one = await hashDay(tx, day, previous);
    await tx.execute(
      `insert into ledger_day (day, transactions, previous_hash, hash, closed_at)
       values ($1::date, $2, $3, $4, $5::timestamptz)`,
      [day, one.transactions, previous, one.hash, timestamp(at)],
    );
    return one;
  });

async function lastDay(q: Queryable): Promise<{ hash: Buffer } | null> {
  const [row] = await q.query<{ hash: Buffer }>('select hash from ledger_day order by day desc limit 1');
  return row ?? null;
}

/** SHA-256 over the hash before and each transaction of the day as one line of text, in the order of their ids. */
async function hashDay(q: Queryable, day: LocalDate, previous: Buffer): Promise<LedgerDay> {
  const hash = createHash('sha256').update(previous);
  let transactions = 0;
  for (let after = 0; ; ) {
    const rows = await q.query<{ id: number; line: string }>(
      `select t.id, jsonb_build_array(t.id, t.day, extract(epoch from t.at), t.kind, t.reference, t.subscriber_id, t.detail,
                (select jsonb_agg(jsonb_build_array(e.position, e.account, e.subscriber_id, e.amount_rupiah) order by e.position)
                   from ledger_entry e where e.transaction_id = t.id))::text as line
         from ledger_transaction t where t.day = $1::date and t.id > $2 order by t.id limit ${CHUNK}`,
      [day, after],
    );
    for (const { line } of rows) hash.update(`${line}\n`);
    transactions += rows.length;
    if (rows.length < CHUNK) return { day, transactions, hash: hash.digest() };
    after = rows.at(-1)!.id;
  }
}

/** What is wrong with the books, one line each; empty = every sum is zero and every closed day is as it was closed. */
export async function verifyLedger(q: Queryable): Promise<string[]> {
  const faults: string[] = [];
  const uneven = await q.query<{ reference: string }>(
    `select reference from ledger_transaction t left join ledger_entry e on e.transaction_id = t.id
      group by t.id having coalesce(sum(e.amount_rupiah), 1) <> 0 order by t.id limit 20`,
  );
  for (const { reference } of uneven) faults.push(say`${reference} does not sum to zero`);
  // Days are closed in order: a transaction of an earlier day that is none of the closed ones was put there afterwards.
  const between = await q.query<{ reference: string; day: LocalDate }>(
    `select reference, day from ledger_transaction t where day < (select max(day) from ledger_day)
        and not exists (select from ledger_day d where d.day = t.day) order by id limit 20`,
  );
  for (const { reference, day } of between) faults.push(say`${reference} is of ${day}, which was never closed`);
  const days = await q.query<{ day: LocalDate; transactions: number; previous: Buffer; hash: Buffer }>(
    'select day, transactions, previous_hash as previous, hash from ledger_day order by day',
  );
  let before: Buffer = BEGINNING;
  for (const { day, transactions, previous, hash } of days) {
    if (!previous.equals(before)) faults.push(say`${day} does not follow the day that was closed before it`);
    const now = await hashDay(q, day, previous);
    if (!now.hash.equals(hash)) {
      faults.push(say`${day} is not as it was closed: ${transactions} transactions then, ${now.transactions} now`);
    }
    before = hash;
  }
  return faults;
}

/** The days that were closed, the newest first. */
export async function closedDays(q: Queryable, limit: number): Promise<(LedgerDay & { readonly closedAt: Instant })[]> {
  return q.query('select day, transactions, hash, closed_at as "closedAt" from ledger_day order by day desc limit $1', [
    limit,
  ]);
}
