import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addPlan } from '#operations/add-plan';
import { openLog } from '#policy-server/log';
import { startPayments } from '#policy-server/payments-side';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { entities } from '#storage/entities';
import { balances, verifyLedger } from '#storage/ledger';
import { lockDataDir } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { plansOnSale } from '#storage/plans';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import type { Row } from '#test/bench/report';
import { NOW, PLAN, type TestDesk } from '#test/operations/desk';
import { chaos } from '#test/payments/chaos';
import { memoryGateways } from '#test/payments/memory-gateway';

const ORDERS = 10_000;
const SEED = 17;

/**
 * Ten thousand orders in the chaos of test/payments/chaos.ts: events told 0 to 20 times in any order, forged ones among
 * them, pages, pollers, two nodes that match, staff that cancel and take cash. What is not as the gateway says is a fault.
 */
export async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const lock = lockDataDir(join(folder, 'data'));
  const embedded = await startEmbedded(join(folder, 'data'));
  await migrate(embedded.url);
  const masterKeyFile = join(folder, 'master.key');
  createMasterKey(masterKeyFile);
  let now = NOW;
  const desk: TestDesk = {
    db: openDatabase({ url: embedded.url, poolSize: 10, entities }),
    sealer: loadMasterKey(masterKeyFile),
    clock: () => now,
    zone: 'Asia/Jakarta',
    actor: 'bench',
    publicUrl: 'https://portal.test',
    masterKeyFile,
    setClock: (at) => {
      now = at;
    },
  };
  const other = { ...desk, db: openDatabase({ url: embedded.url, poolSize: 10, entities }) };
  const gateways = memoryGateways();
  const log = openLog('error', (line) => process.stderr.write(line));
  const options = { gateways, log, lookEveryMs: 20, matchPauseMs: 0 };
  const nodes = [await startPayments({ ...options, desk }), await startPayments({ ...options, desk: other })] as const;
  try {
    await addPlan(desk, PLAN);
    const planRevisionId = [...(await plansOnSale(desk.db, [PLAN.name])).values()][0]!.revisionId;
    const began = performance.now();
    const of = { desk, other, gateways, nodes, planRevisionId, orders: ORDERS, seed: SEED };
    const { faults, events, forged } = await chaos(of);
    const seconds = (performance.now() - began) / 1000;
    for (const fault of faults.slice(0, 20)) console.error(fault);
    const uneven = [...(await balances(desk.db)).values()].reduce((sum, rupiah) => sum + rupiah, 0);
    const damaged = await verifyLedger(desk.db);
    return [
      {
        name: 'payment chaos: orders that do not stand as the gateway says',
        value: faults.length,
        unit: `of ${ORDERS}`,
        goal: 0,
        higherIsBetter: false,
      },
      {
        name: 'payment chaos: rupiah that the books are off',
        value: Math.abs(uneven) + damaged.length,
        unit: 'Rp',
        goal: 0,
        higherIsBetter: false,
      },
      { name: 'payment chaos: events', value: events, unit: '' },
      { name: 'payment chaos: forged events, all refused', value: forged, unit: '' },
      { name: 'payment chaos: took', value: seconds, unit: 's', higherIsBetter: false },
    ];
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await other.db.close();
    await desk.db.close();
    await embedded.stop();
    lock.release();
    await rm(folder, { recursive: true, force: true });
  }
}
