import { join } from 'node:path';
import { systemClock } from '#domain/clock';
import type { Instant } from '#domain/time';
import { slotOf } from '#jobs/run-slot';
import { placePurchase } from '#operations/place-purchase';
import { COOKIES } from '#portal/shared/context';
import { countFigure, FIGURE_SECONDS, saveFigure } from '#storage/dashboard';
import { type Database, timestamp } from '#storage/database';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import { createWebSession } from '#storage/web-sessions';
import { percentile } from '#test/bench/enforcement-bench';
import { type BenchPortal, startPortalChild } from '#test/bench/portal-child';
import type { Row } from '#test/bench/report';

const REQUESTS = Number(process.env.BENCH_REQUESTS ?? 200);
const WARM_UP = 10;
/** Readers of customers' pages at once; of the staff there are few, and a page of theirs is measured by itself. */
const CUSTOMERS_AT_ONCE = 2;
const CUSTOMERS = 20;
const PAGE_MS = 50;
const LIST_MS = 200;

/** A customer who is logged in, and at whose address a line is online. */
type Customer = { readonly id: number; readonly cookie: string; readonly address: string; readonly order: string };
/** One request for a page, the `i`-th. */
type Asked = { readonly path: string; readonly cookie?: string; readonly from?: string };
type Page = {
  readonly name: string;
  readonly goalMs: number;
  readonly atOnce: number;
  readonly ask: (i: number) => Asked;
};

/**
 * The pages themselves, served by a process of its own to a few readers at a time: how long each kept the server, from
 * the head of the request until its answer was handed over.
 */
export async function measureServedPages(db: Database, folder: string, subscribers: number): Promise<Row[]> {
  const masterKeyFile = join(folder, 'bench.key');
  createMasterKey(masterKeyFile);
  const now = systemClock();
  const staff = await loginStaff(db, now);
  const customers = await loginCustomers(db, masterKeyFile, now);
  // As of a node at work: routers have just been heard, and the dashboard goes by the five minutes' job.
  await db.execute('update session set heard_at = $1::timestamptz where ended_at is null', [timestamp(now)]);
  await db.execute('vacuum analyze session');
  await saveFigure(db, slotOf(now, FIGURE_SECONDS), await countFigure(db, now));
  const portal = await startPortalChild(db.url, masterKeyFile);
  try {
    const pages = [...customerPages(customers), ...staffPages(staff, subscribers)];
    for (const page of pages) await openOften(portal, page);
    return rowsOf(pages, await portal.times());
  } finally {
    await portal.stop();
  }
}

async function openOften(portal: BenchPortal, { name, atOnce, ask }: Page): Promise<void> {
  let next = 0;
  const reader = async (count: number, measured: { name?: string }) => {
    while (next < count) {
      const { path, ...who } = ask(next++);
      const { status, octets } = await portal.get(path, { ...who, ...measured });
      if (status !== 200 || octets < 200) throw new Error(`${path} answered ${status} with ${octets} octets`);
    }
  };
  const readers = (count: number, measured: { name?: string } = {}) =>
    Promise.all(Array.from({ length: atOnce }, () => reader(count, measured)));
  await readers(WARM_UP);
  next = 0;
  await readers(REQUESTS, { name });
}

function rowsOf(pages: readonly Page[], times: Readonly<Record<string, number[]>>): Row[] {
  const p = (name: string, share: number) => percentile(times[name] ?? [], share);
  const row = (name: string, share: number): Row => ({
    name: `served: ${name}, p${share * 100}`,
    value: p(name, share),
    unit: 'ms',
    higherIsBetter: false,
  });
  const worst = (goalMs: number, of: string): Row => {
    const name = pages
      .filter((page) => page.goalMs === goalMs)
      .map((page) => page.name)
      .reduce((one, other) => (p(other, 0.99) > p(one, 0.99) ? other : one));
    return { ...row(name, 0.99), name: `served: slowest ${of} (${name}), p99`, goal: goalMs };
  };
  return [
    ...pages.flatMap(({ name, goalMs }) => [row(name, 0.5), { ...row(name, 0.99), goal: goalMs }]),
    worst(PAGE_MS, 'page'),
    worst(LIST_MS, 'list that searches, filters, or a report'),
  ];
}

async function loginStaff(db: Database, at: Instant): Promise<string> {
  const [staff] = await db.query<{ id: number }>(
    `insert into staff (username, password_hash, role, must_change_password) values ('bench', '-', 'owner', false) returning id`,
  );
  const of = { staffId: staff!.id, step: 'full' } as const;
  return `${COOKIES.staff}=${await createWebSession(db, { of, address: '127.0.0.1', userAgent: 'bench', at })}`;
}

async function loginCustomers(db: Database, masterKeyFile: string, at: Instant): Promise<Customer[]> {
  const rows = await db.query<{ id: number; address: string }>(
    `select s.id, host(l.framed_ip) as address from subscriber s join session l on l.subscriber_id = s.id and l.ended_at is null
      where s.billing = 'prepaid' and s.suspended_at is null order by md5(s.username) limit $1`,
    [CUSTOMERS],
  );
  const [plan] = await db.query<{ id: number }>('select max(id) as id from plan_revision');
  const desk = {
    db,
    sealer: loadMasterKey(masterKeyFile),
    clock: systemClock,
    zone: 'Asia/Jakarta',
    publicUrl: 'http://portal.bench',
  };
  return Promise.all(
    rows.map(async ({ id, address }) => {
      await db.execute(
        `insert into portal_account (subscriber_id, pin_sealed, issued_at, must_change_pin) values ($1, '', now(), false)`,
        [id],
      );
      const token = await createWebSession(db, { of: { subscriberId: id }, address, userAgent: 'bench', at });
      const order = { subscriberId: id, planRevisionId: plan!.id };
      const { number } = await placePurchase({ ...desk, actor: `subscriber:${id}` }, order);
      return { id, address, cookie: `${COOKIES.portal}=${token}`, order: number };
    }),
  );
}

function customerPages(customers: readonly Customer[]): Page[] {
  const page = (name: string, ask: (customer: Customer) => Asked): Page => ({
    name,
    goalMs: PAGE_MS,
    atOnce: CUSTOMERS_AT_ONCE,
    ask: (i) => ask(customers[i % customers.length]!),
  });
  const own = (name: string, path: (customer: Customer) => string) =>
    page(name, (customer) => ({ path: path(customer), cookie: customer.cookie }));
  return [
    page('splash, nobody known', () => ({ path: '/prepaid/portal/splash' })),
    page('splash, the line recognised', ({ address }) => ({ path: '/prepaid/portal/splash', from: address })),
    page('login', ({ address }) => ({ path: '/prepaid/portal/login', from: address })),
    own('packages', () => '/prepaid/portal/packages'),
    own('my package', () => '/prepaid/portal/home'),
    own('history', () => '/prepaid/portal/history'),
    own('account', () => '/customer'),
    own('invoices of a customer', () => '/customer/invoices'),
    own('payments of a customer', () => '/customer/payments'),
    own('order', ({ order }) => `/prepaid/portal/orders/${order}`),
    own('order, its state alone', ({ order }) => `/prepaid/portal/orders/${order}/state`),
  ];
}

const SEARCHES = ['siti', 'budi s', 'rahayu', '0812', 'user0004', '10.0.1.5', 'wulandari', 'xyz'];
const STANDINGS = ['served', 'ends-soon', 'needs-package', 'depleted', 'expired', 'no-package', 'suspended'];

function staffPages(cookie: string, subscribers: number): Page[] {
  const of =
    (goalMs: number) =>
    (name: string, path: string | ((i: number) => string)): Page => ({
      name,
      goalMs,
      atOnce: 1,
      ask: (i) => ({ path: typeof path === 'string' ? path : path(i), cookie }),
    });
  const [page, list] = [of(PAGE_MS), of(LIST_MS)];
  /** Everybody, in no order: the pages of nobody in particular are the ones that no cache knows. */
  const id = (i: number) => 1 + ((i * 7919) % subscribers);
  const report = (view: string) => `/prepaid/reports?view=${view}`;
  return [
    page('dashboard', '/prepaid/dashboard'),
    page('subscribers', '/customers'),
    page('subscribers, prepaid', '/prepaid/customers'),
    list('subscribers, searched', (i) => `/customers?q=${encodeURIComponent(SEARCHES[i % SEARCHES.length]!)}`),
    list('subscribers, by standing', (i) => `/prepaid/customers?standing=${STANDINGS[i % STANDINGS.length]}`),
    list('subscribers, online', '/customers?online=yes'),
    list('subscribers, by end', (i) => `/customers?sort=ends&page=${1 + (i % 100)}`),
    page('a subscriber', (i) => `/customers/${id(i)}`),
    page('subscriptions', '/prepaid/subscriptions'),
    page('purchases', '/prepaid/purchases'),
    page('packages of staff', '/prepaid/packages'),
    page('redirect, PPPoE', '/prepaid/redirect'),
    page('redirect, static', '/prepaid/redirect?tab=static'),
    page('messages', '/messages'),
    page('messages that failed', '/messages?state=failed'),
    page('audit', '/audit'),
    page('routers', '/settings/routers'),
    page('report, revenue', report('revenue')),
    page('report, packages', report('packages')),
    list('report, activity', report('activity')),
    list('report, ending', report('ending')),
    list('report, expired', report('expired')),
  ];
}
