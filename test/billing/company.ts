import type { Rupiah } from '#domain/billing';
import { startOf } from '#domain/billing';
import type { Facts } from '#domain/facts';
import type { Instant } from '#domain/time';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { receivePayment } from '#operations/receive-payment';
import { subscribe } from '#operations/subscriptions';
import { change } from '#storage/change';
import { loadEntries } from '#storage/facts';
import { grantsOf, type ListedGrant } from '#storage/grants';
import { type Invoice, invoiceOf, invoicesOf, linesOf, lockInvoice } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { findPlan } from '#storage/plans';
import { type Subscription, subscriptionOf } from '#storage/subscriptions';
import { emptied, type TestDesk, testDesk } from '#test/operations/desk';

export const ZONE = 'Asia/Jakarta';

/** Noon of a local date in Jakarta. */
export const noon = (date: string): Instant => Date.parse(`${date}T12:00+07:00`);
/** The first instant of a local date in Jakarta. */
export const begin = (date: string): Instant => startOf(date, ZONE);

/** What a month of each plan costs. */
export const MONTHLY = { home20: 300_000, home50: 450_000, home10: 200_000, limited: 90_000, free: 0 } as const;

/** A company with postpaid lines, and what its tests do over and over. */
export type Company = {
  readonly desk: TestDesk;
  readonly plans: Readonly<Record<keyof typeof MONTHLY, number>>;
  person(more?: object): Promise<number>;
  /** A postpaid subscriber with a subscription as of now. */
  subscriber(plan?: keyof typeof MONTHLY, more?: object): Promise<number>;
  subscription(id: number): Promise<Subscription | null>;
  /** The oldest first. */
  invoices(id: number): Promise<Invoice[]>;
  lines(invoice: Invoice): Promise<(readonly [kind: string, description: string, amountRupiah: Rupiah])[]>;
  /** The earliest beginning first. */
  grants(id: number): Promise<ListedGrant[]>;
  credit(id: number): Promise<Rupiah>;
  /** Cash over the counter: for an invoice, by its public id, or as credit. */
  pay(id: number, amountRupiah: Rupiah, invoicePublicId?: string): Promise<boolean>;
  facts(id: number): Promise<Facts>;
};

/** So many postpaid lines at once, each with a subscription whose first period begins on a date; returns the first's number. */
export async function crowd(
  { db }: Pick<TestDesk, 'db'>,
  count: number,
  planId: number,
  nextOn: string,
): Promise<number> {
  const [row] = await db.query<{ first: number }>(
    `with made as (
       insert into subscriber (username, password_sealed, billing)
       select 'crowd' || n, '', 'postpaid' from generate_series(1, $1::int) n returning id
     ), subscribed as (
       insert into subscription (subscriber_id, plan_id, billing_day, next_on, started_at, started_by)
       select id, $2, extract(day from $3::date), $3::date, now(), 'test' from made
     )
     select min(id) as first from made`,
    [count, planId, nextOn],
  );
  return row!.first;
}

export async function openCompany(at: string): Promise<Company> {
  return furnished(await testDesk(), at);
}

/** As new, on the database of another one. */
export const asNew = async (company: Company, at: string): Promise<Company> =>
  furnished(await emptied(company.desk), at);

async function furnished(desk: TestDesk, at: string): Promise<Company> {
  desk.setClock(noon(at));
  const terms = { up: '5M', period: 'month' };
  await addPlan(desk, { ...terms, name: 'home20', down: '20M', price: String(MONTHLY.home20) });
  await addPlan(desk, { ...terms, name: 'home50', down: '50M', price: String(MONTHLY.home50) });
  await addPlan(desk, { ...terms, name: 'home10', down: '10M', price: String(MONTHLY.home10) });
  await addPlan(desk, {
    ...terms,
    name: 'limited',
    down: '30M',
    quota: '100GB',
    period: '30d',
    price: String(MONTHLY.limited),
  });
  await addPlan(desk, { ...terms, name: 'free', down: '1M', price: '0' });
  const plans = {} as Record<keyof typeof MONTHLY, number>;
  for (const name of Object.keys(MONTHLY) as (keyof typeof MONTHLY)[]) {
    plans[name] = (await findPlan(desk.db, { name }))!.planId;
  }
  const { db } = desk;
  let count = 0;
  const person = async (more: object = {}) => {
    count += 1;
    const given = { username: `line${count}`, password: 'pw', billing: 'postpaid', ...more };
    return (await addSubscriber(desk, given)).id;
  };
  return {
    desk,
    plans,
    person,
    subscriber: async (plan = 'home20', more = {}) => {
      const subscriberId = await person();
      await subscribe(desk, { subscriberId, planId: plans[plan], ...more });
      return subscriberId;
    },
    subscription: (id) => subscriptionOf(db, id),
    invoices: async (id) => (await invoicesOf(db, id, 1000)).reverse(),
    lines: async ({ id }) =>
      (await linesOf(db, id)).map(({ kind, description, amountRupiah }) => [kind, description, amountRupiah] as const),
    grants: async (id) => (await grantsOf(db, id)).sort((one, other) => one.from - other.from || one.id - other.id),
    credit: (id) => creditOf(db, id),
    pay: (subscriberId, amountRupiah, publicId) =>
      change(db, { actor: desk.actor, why: 'record payment', subscriberId }, async (tx) => {
        const found = publicId === undefined ? null : await invoiceOf(tx, subscriberId, publicId);
        const invoice = found === null ? null : await lockInvoice(tx, found.id);
        const money = { subscriberId, invoice, amountRupiah, method: 'cash', gateway: null, receivedAt: desk.clock() };
        return (await receivePayment(tx, desk, money)).settled;
      }),
    facts: async (id) => (await loadEntries(db, desk.sealer, [id]))[0]!.facts,
  };
}
