import { SECOND } from '#domain/time';
import { startBench, until } from '#test/bench/enforcement-bench';
import { load, SECRET, startWorker } from '#test/bench/radius-bench';
import type { Row } from '#test/bench/report';
import { ACTIVE, FIXED, WALLED } from '#test/enforcement/network';

const SESSIONS = 10_000;
const NASES = 2;
const PER_SECOND = 250;
const DIALS_PER_SECOND = 2_000;
/** Long enough to load everything and look at it once before. */
const LEAD_MS = 8 * SECOND;

/**
 * 10,000 sessions on two NASes whose grants end in the same second: when the last one is changed and written down, and how
 * authentication fares meanwhile at 2,000 dials a second.
 */
export async function run(): Promise<Row[]> {
  const bench = await startBench(NASES, PER_SECOND);
  const worker = await startWorker(SESSIONS);
  try {
    const expiresAt = Math.ceil((Date.now() + LEAD_MS) / SECOND) * SECOND;
    const ids: number[] = [];
    for (const nasId of bench.nasIds) {
      const told = { live: ACTIVE, fixed: FIXED };
      ids.push(...(await bench.network.lines(nasId, SESSIONS / NASES, expiresAt, told)));
    }
    // Ends spread over the second, as a shop's sales of one evening would.
    await bench.db.execute("update grants set ends_at = ends_at + (id % 1000) * interval '1 millisecond'");
    await bench.network.mark(ids);
    await until(async () => (await waiting(bench.db, expiresAt)) === SESSIONS, LEAD_MS);
    await until(async () => Date.now() >= expiresAt - SECOND, LEAD_MS);

    const dials = load({
      port: worker.authPort,
      secret: SECRET,
      subscribers: SESSIONS,
      credential: 'pap',
      packets: SESSIONS,
      rounds: 4,
      seconds: 20,
      perSecond: DIALS_PER_SECOND,
    });
    const told = async () => {
      const counts = await Promise.all(bench.nasIds.map((nasId) => bench.network.countTold(WALLED, nasId)));
      return counts.reduce((sum, count) => sum + count) === SESSIONS;
    };
    await until(told, 120 * SECOND);
    const writtenMs = Date.now() - expiresAt;
    const reports = await bench.nases.report();
    const times = reports.flatMap(({ firstAt }) => firstAt.map(([, at]) => at));
    const lastMs = times.reduce((last, at) => Math.max(last, at), 0) - expiresAt;
    const firstMs = times.reduce((first, at) => Math.min(first, at), Number.POSITIVE_INFINITY) - expiresAt;
    const { p99Ms, lost, answeredPerSecond } = await dials;
    return [
      { name: 'expiry: first CoA after the instant', value: firstMs, unit: 'ms', higherIsBetter: false },
      { name: `expiry: last of ${SESSIONS} CoAs`, value: lastMs / 1000, unit: 's', goal: 30, higherIsBetter: false },
      {
        name: 'expiry: all acknowledged and stored',
        value: writtenMs / 1000,
        unit: 's',
        goal: 30,
        higherIsBetter: false,
      },
      { name: 'expiry: pace kept by both NASes', value: (SESSIONS / lastMs) * 1000, unit: 'CoA/s', goal: 334 },
      {
        name: 'expiry: requests in excess of one a session',
        value: sum(reports.map((r) => r.requests)) - SESSIONS,
        unit: '',
      },
      { name: 'expiry: dials answered meanwhile', value: answeredPerSecond, unit: '/s' },
      { name: 'expiry: authentication p99 meanwhile', value: p99Ms, unit: 'ms', goal: 20, higherIsBetter: false },
      { name: 'expiry: dials unanswered', value: lost, unit: '', higherIsBetter: false },
    ];
  } finally {
    await worker.stop();
    await bench.stop();
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How many have been looked at and wait for their end. */
async function waiting(db: { query<R extends object>(text: string, values: unknown[]): Promise<R[]> }, from: number) {
  const [row] = await db.query<{ count: number }>(
    `select count(*) as count from due where claimed_until is null and due_at >= $1::timestamptz
     and due_at < $1::timestamptz + interval '1 second'`,
    [new Date(from).toISOString()],
  );
  return row?.count ?? 0;
}
