import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localDays } from '#domain/calendar';
import { STANDINGS } from '#domain/standing';
import { DAY, localDate } from '#domain/time';
import { customerActivity } from '#storage/activity';
import { attention, countEnding, countFigure, endingBetween, figuresBetween, kpis } from '#storage/dashboard';
import { type Database, openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { listSubscribers, type SubscriberPage } from '#storage/lists';
import { lockDataDir } from '#storage/lock';
import { listAudit, listMessages } from '#storage/log-lists';
import { migrate } from '#storage/migrate';
import { endedSince, endingSoon, quotaReached } from '#storage/reminders';
import { expiredBetween, revenueByDay, revenueByMonth, topPackages } from '#storage/reports';
import { listPurchases, listSubscriptions } from '#storage/sales-lists';
import { timeline, whyOffline } from '#storage/timeline';
import { seedCompany } from '#test/bench/company';
import { percentile } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';
import { measureServedPages } from '#test/bench/served-pages';

/** Fewer for a look whether the bench works. */
const SUBSCRIBERS = Number(process.env.BENCH_SUBSCRIBERS ?? 100_000);
const ROUNDS = 20;
const ZONE = 'Asia/Jakarta';

type Query = { readonly name: string; readonly goalMs: number; readonly run: () => Promise<unknown> };

/**
 * A company of 100,000 subscribers: p50 and p99 of each query of the staff's pages, and of the pages of customers and staff
 * as a server of its own process serves them.
 */
export async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const dataDir = join(folder, 'data');
  const lock = lockDataDir(dataDir);
  const embedded = await startEmbedded(dataDir);
  const db = openDatabase({ url: embedded.url, poolSize: 4 });
  try {
    await migrate(embedded.url);
    const now = Date.now();
    await seedCompany(db, SUBSCRIBERS, now);
    const rows: Row[] = [];
    for (const query of queries(db, now)) rows.push(...(await measure(query)));
    return [...rows, ...(await measureServedPages(db, folder, SUBSCRIBERS))];
  } finally {
    await db.close();
    await embedded.stop();
    lock.release();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure({ name, goalMs, run }: Query): Promise<Row[]> {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const began = performance.now();
    await run();
    // The first time also plans and fills caches.
    if (round > 0) times.push(performance.now() - began);
  }
  const row = (share: number): Row => ({
    name: `pages: ${name}, p${share * 100}`,
    value: percentile(times, share),
    unit: 'ms',
    higherIsBetter: false,
  });
  return [row(0.5), { ...row(0.99), goal: goalMs }];
}

/** Pages that are opened all day have 50 ms, lists in every combination 200 ms, and what a job does a second. */
function queries(db: Database, now: number): Query[] {
  const subscribers = (over: Partial<SubscriberPage>) => () =>
    listSubscribers(db, { page: 1, pageSize: 50, now, ...over });
  const paged = { page: 1, pageSize: 50, now };
  const days = (count: number) => [now - count * DAY, now] as const;
  const activity = (count: number) => () =>
    customerActivity(db, {
      from: localDate(now - (count - 1) * DAY, ZONE),
      to: localDate(now, ZONE),
      paidFrom: now - count * DAY,
      paidTo: now,
      limit: 50,
    });
  const of = (goalMs: number) => (name: string, run: () => Promise<unknown>) => ({ name, goalMs, run });
  const [page, list, job] = [of(50), of(200), of(1_000)];
  return [
    page('dashboard: figures and revenue', () => kpis(db, now + 60_000, ZONE)),
    page('dashboard: what needs attention', () => attention(db, now)),
    page('dashboard: a chart of a week', () => figuresBetween(db, ...days(7))),
    page('dashboard: ends in two days', async () => {
      await endingBetween(db, { now, from: now, to: now + 2 * DAY, limit: 10 });
      await countEnding(db, now, localDays(now, now + 2 * DAY, ZONE));
    }),
    page('subscribers: by name', subscribers({})),
    page('subscribers: page 200', subscribers({ page: 200 })),
    page('subscribers: the last page', subscribers({ page: SUBSCRIBERS / 50 })),
    page('subscribers: search "siti r"', subscribers({ search: 'siti r' })),
    page('subscribers: search a phone number', subscribers({ search: '0812345' })),
    page('subscribers: search an address', subscribers({ search: '10.0.1.5' })),
    page('subscribers: online', subscribers({ online: true })),
    list('subscribers: search "si"', subscribers({ search: 'si' })),
    ...STANDINGS.map((one) => list(`subscribers: ${one}`, subscribers({ standing: [one], billing: 'prepaid' }))),
    list('subscribers: need a package', subscribers({ standing: ['depleted', 'expired', 'no-package'] })),
    list('subscribers: by end', subscribers({ sort: 'ends' })),
    list('subscribers: active by end, page 100', subscribers({ sort: 'ends', standing: ['active'], page: 100 })),
    page('subscriptions in force', () => listSubscriptions(db, { ...paged, state: 'in-force' })),
    page('purchases', () => listPurchases(db, paged)),
    page('messages that failed', () => listMessages(db, { ...paged, state: 'failed' })),
    page('audit log by actor', () => listAudit(db, { actor: 'staff:sari', limit: 50 })),
    page('a subscriber: timeline', () => timeline(db, 1 + Math.floor(Math.random() * SUBSCRIBERS), { now })),
    page('a subscriber: why offline', () => whyOffline(db, 1 + Math.floor(Math.random() * SUBSCRIBERS), now)),
    page('report: revenue of 30 days', () => revenueByDay(db, ...days(30), ZONE)),
    list('report: revenue of 12 months', () => revenueByMonth(db, ...days(364), ZONE)),
    list('report: top packages of a year', () => topPackages(db, ...days(364))),
    list('report: activity of 7 days', activity(7)),
    list('report: activity of 30 days', activity(30)),
    list('report: expired in 30 days', () => expiredBetween(db, { now, from: now - 30 * DAY, to: now, limit: 50 })),
    job('job: figures', () => countFigure(db, now)),
    job('job: reminders', async () => {
      await endingSoon(db, now, DAY);
      await endedSince(db, now, now - DAY);
      await quotaReached(db, now, [80, 100]);
    }),
  ];
}
