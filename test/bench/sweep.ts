import { DAY, SECOND } from '#domain/time';
import { sweep } from '#enforcement/sweep';
import { startBench, until } from '#test/bench/enforcement-bench';
import { load, SECRET, startWorker } from '#test/bench/radius-bench';
import type { Row } from '#test/bench/report';
import { ACTIVE, FIXED } from '#test/enforcement/network';

const LINES = 100_000;
const NASES = 2;
const DIALS_PER_SECOND = 2_000;

/**
 * The five-minute sweep over 100,000 subscribers with a live session each, all of them as they should be, while people dial:
 * how long it takes to make everybody due, how long until everybody was looked at (without the usual spread over half of
 * the interval), and how authentication fares meanwhile.
 */
export async function run(): Promise<Row[]> {
  const bench = await startBench(NASES, 1_000);
  const worker = await startWorker(10_000);
  try {
    for (const nasId of bench.nasIds)
      await bench.network.lines(nasId, LINES / NASES, Date.now() + 30 * DAY, { live: ACTIVE, fixed: FIXED });
    await bench.db.execute(
      `insert into due (subscriber_id, due_at) select id, now() + interval '10 days' from subscriber`,
    );
    await bench.db.execute('vacuum analyze');

    const dials = load({
      port: worker.authPort,
      secret: SECRET,
      subscribers: 10_000,
      credential: 'pap',
      packets: 10_000,
      rounds: 4,
      seconds: 20,
      perSecond: DIALS_PER_SECOND,
    });
    const began = performance.now();
    const marked = await sweep(bench.db, Date.now(), 0);
    const markedMs = performance.now() - began;
    bench.loop.wake();
    await until(async () => (await overdue(bench.db)) === 0, 120 * SECOND);
    const lookedMs = performance.now() - began;
    const { p99Ms, lost } = await dials;
    return [
      { name: 'sweep: subscribers made due', value: marked, unit: '', goal: LINES },
      { name: `sweep: over ${LINES} live sessions`, value: markedMs / 1000, unit: 's', goal: 5, higherIsBetter: false },
      {
        name: 'sweep: everybody looked at, without a spread',
        value: lookedMs / 1000,
        unit: 's',
        higherIsBetter: false,
      },
      { name: 'sweep: authentication p99 meanwhile', value: p99Ms, unit: 'ms', goal: 20, higherIsBetter: false },
      { name: 'sweep: dials lost meanwhile', value: lost, unit: '', goal: 0, higherIsBetter: false },
    ];
  } finally {
    await worker.stop();
    await bench.stop();
  }
}

async function overdue(db: Awaited<ReturnType<typeof startBench>>['db']): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    `select count(*) as count from due where due_at <= now() + interval '1 minute' or claimed_until is not null`,
  );
  return row!.count;
}
