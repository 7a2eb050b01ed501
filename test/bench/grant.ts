import { now } from '#test/bench/coa-nas';
import { percentile, startBench, until } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';
import { FIXED, WALLED } from '#test/enforcement/network';

const GRANTS = 1_000;
const PER_SECOND = 100;

/**
 * From the commit of a grant to the CoA's arrival at the NAS, for 1,000 subscribers of one NAS paying at 100 a second (far
 * more than a provider sells), with PostgreSQL and the loop between.
 */
export async function run(): Promise<Row[]> {
  const bench = await startBench(1, 1_000);
  try {
    const nasId = bench.nasIds[0]!;
    const ids = await bench.network.lines(nasId, GRANTS, null, { live: WALLED, fixed: FIXED });
    const rows = await bench.db.query<{ id: number; session: string }>(
      'select subscriber_id as id, acct_session_id as session from session',
    );
    const sessionOf = new Map(rows.map(({ id, session }) => [id, session]));
    const committedAt = new Map<string, number>();
    const paying: Promise<void>[] = [];
    const began = performance.now();
    for (const [i, id] of ids.entries()) {
      const waitMs = began + (i * 1000) / PER_SECOND - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      paying.push(
        bench.network.grant(id, Date.now()).then(() => {
          committedAt.set(sessionOf.get(id) ?? '', now());
        }),
      );
    }
    await Promise.all(paying);
    await until(async () => (await bench.nases.report())[0]?.firstAt.length === GRANTS, 10_000);
    const [report] = await bench.nases.report();
    // Where the CoA overtook the news of our own commit the answer is "at once".
    const tookMs = report!.firstAt.map(([session, at]) => Math.max(0, at - (committedAt.get(session) ?? Number.NaN)));
    return [
      { name: 'grant → CoA at the NAS, p50', value: percentile(tookMs, 0.5), unit: 'ms', higherIsBetter: false },
      {
        name: 'grant → CoA at the NAS, p99',
        value: percentile(tookMs, 0.99),
        unit: 'ms',
        goal: 200,
        higherIsBetter: false,
      },
      { name: 'grant → CoA at the NAS, longest', value: percentile(tookMs, 1), unit: 'ms', higherIsBetter: false },
    ];
  } finally {
    await bench.stop();
  }
}
