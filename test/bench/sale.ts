import { systemClock } from '#domain/clock';
import { DAY } from '#domain/time';
import { startHttp } from '#http/server';
import { placePurchase } from '#operations/place-purchase';
import { readConfig } from '#policy-server/config';
import { openGateways } from '#policy-server/gateways-side';
import { openLog } from '#policy-server/log';
import { noParts } from '#policy-server/node-parts';
import { portalPages } from '#policy-server/portal-side';
import { COOKIES } from '#portal/shared/context';
import { createWebSession } from '#storage/web-sessions';
import { now } from '#test/bench/coa-nas';
import { type Bench, percentile, startBench, until } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';
import { ACTIVE, FIXED, testSealer, WALLED } from '#test/enforcement/network';
import { Browserlike } from '#test/portal/browserlike';

/** Fewer for a look whether the bench works. */
const SUBSCRIBERS = Number(process.env.BENCH_SUBSCRIBERS ?? 100_000);
const SALES = Number(process.env.BENCH_SALES ?? 200);
const PER_SECOND = 10;

/**
 * "Cash received" on the page of purchases, sale after sale, in a node with 100,000 lines online: from when the browser
 * sends the form until the CoA is at the NAS, with the page, PostgreSQL and the enforcement loop of one process between.
 */
export async function run(): Promise<Row[]> {
  const bench = await startBench(1, 1_000);
  try {
    const nasId = bench.nasIds[0]!;
    await bench.network.lines(nasId, SUBSCRIBERS, Date.now() + 30 * DAY, { live: ACTIVE, fixed: FIXED });
    const buyers = await bench.network.lines(nasId, SALES, null, { live: WALLED, fixed: FIXED }, 'buyer');
    await bench.db.execute(
      `insert into due (subscriber_id, due_at) select id, now() + interval '10 days' from subscriber`,
    );
    await bench.db.execute('vacuum analyze');
    const pages = await servePages(bench);
    try {
      return rowsOf(await sell(bench, pages.url, buyers));
    } finally {
      await pages.stop();
    }
  } finally {
    await bench.stop();
  }
}

/** The pages as a node serves them, beside the loop, which they wake. */
async function servePages({ db, loop }: Bench): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const sealer = testSealer();
  const parts = { ...noParts(), enforcement: { loop } } as ReturnType<typeof noParts>;
  const log = openLog('warn', (line) => process.stderr.write(line));
  const config = readConfig({ COMPANY_TIMEZONE: 'Asia/Jakarta' });
  const gateways = openGateways({ ...config, db, sealer, clock: systemClock, log });
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => ({}),
    metrics: () => [],
    pages: portalPages(config, parts, () => ({ db, sealer, gateways }), log),
    log,
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop() };
}

type Sold = {
  /** Until the CoA is at the NAS, and until the browser has its answer; milliseconds since the form was sent. */
  readonly coaMs: readonly number[];
  readonly answerMs: readonly number[];
};

async function sell(bench: Bench, url: string, buyers: readonly number[]): Promise<Sold> {
  const { db, network, nases } = bench;
  const planRevisionId = await network.plan();
  const desk = { db, sealer: testSealer(), clock: systemClock, zone: 'Asia/Jakarta', actor: 'bench', publicUrl: url };
  const numbers: string[] = [];
  for (const subscriberId of buyers) {
    numbers.push((await placePurchase(desk, { subscriberId, planRevisionId })).number);
  }
  const rows = await db.query<{ id: number; session: string }>(
    'select subscriber_id as id, acct_session_id as session from session where subscriber_id = any($1::bigint[])',
    [buyers],
  );
  const sessionOf = new Map(rows.map(({ id, session }) => [id, session]));
  const browser = await cashier(bench, url);

  const sentAt = new Map<string, number>();
  const answerMs: number[] = [];
  const selling: Promise<void>[] = [];
  const began = performance.now();
  for (const [i, number] of numbers.entries()) {
    const waitMs = began + (i * 1000) / PER_SECOND - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const at = now();
    sentAt.set(sessionOf.get(buyers[i]!)!, at);
    selling.push(
      browser.post(`/prepaid/purchases/${number}/settle`, { method: 'cash', note: '' }).then(({ status }) => {
        answerMs.push(now() - at);
        if (status !== 303) throw new Error(`the sale of ${number} was answered ${status}`);
      }),
    );
  }
  await Promise.all(selling);
  await until(async () => (await nases.report())[0]!.firstAt.filter(([id]) => sentAt.has(id)).length === SALES, 10_000);
  const [report] = await nases.report();
  const coaMs = report!.firstAt.flatMap(([id, at]) => (sentAt.has(id) ? [at - sentAt.get(id)!] : []));
  return { coaMs, answerMs };
}

/** Staff who may take money, logged in, with the page of purchases open. */
async function cashier({ db }: Bench, url: string): Promise<Browserlike> {
  const [staff] = await db.query<{ id: number }>(
    `insert into staff (username, password_hash, role, must_change_password)
     values ('bench', '-', 'customer-service', false) returning id`,
  );
  const of = { staffId: staff!.id, step: 'full' } as const;
  const token = await createWebSession(db, { of, address: '127.0.0.1', userAgent: 'bench', at: systemClock() });
  const browser = new Browserlike(url, { [COOKIES.staff]: token });
  await browser.open('/prepaid/purchases');
  return browser;
}

function rowsOf({ coaMs, answerMs }: Sold): Row[] {
  const row = (name: string, values: readonly number[], share: number, goal?: number): Row => ({
    name: `sale: ${name}`,
    value: percentile(values, share),
    unit: 'ms',
    higherIsBetter: false,
    ...(goal === undefined ? {} : { goal }),
  });
  return [
    row('form sent → CoA at the NAS, p50', coaMs, 0.5),
    row('form sent → CoA at the NAS, p99', coaMs, 0.99, 300),
    row('form sent → CoA at the NAS, longest', coaMs, 1),
    row('form sent → answer in the browser, p99', answerMs, 0.99),
  ];
}
