import type { Policies } from '#domain/rollout';
import { startLoop } from '#enforcement/loop';
import { driveRollouts } from '#enforcement/rollout';
import { openDatabase } from '#storage/database';
import { loadEntries } from '#storage/facts';
import { policyReader, type ReadPolicies } from '#storage/policy';
import { loadMasterKey } from '#storage/secrets';
import { quiet } from '#test/enforcement/network';

/**
 * A node's loop and its driver of rollouts, in a process of its own, to be killed or paused:
 * `rollout-child.ts DATABASE_URL MASTER_KEY_FILE NAS_ID`. Routers acknowledge after 20 ms. It says a line when it is up.
 */
const [url = '', keyFile = '', nasId = ''] = process.argv.slice(2);
const db = openDatabase({ url, poolSize: 6 });
const sealer = loadMasterKey(keyFile);
const zone = 'Asia/Jakarta';
const loadSome = (ids: readonly number[]) => loadEntries(db, sealer, ids);
const nases = new Map([[Number(nasId), { name: 'nas1', tags: [], vendor: 'mikrotik' as const, coaPerSecond: 1_000 }]]);
const read = policyReader(zone);
let known: ReadPolicies | null = null;
const policies = async (): Promise<Policies> => {
  known = await read(db, known);
  return known.policies;
};
const ack = async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { is: 'done', said: 'ack' } as const;
};
await startLoop({
  db,
  clock: Date.now,
  policies,
  nases: () => nases,
  driver: { coa: ack, disconnect: ack, probe: ack },
  loadEntries: loadSome,
  publish: () => undefined,
  log: quiet,
  leaseMs: 1_000,
});
driveRollouts({ db, zone, nases: () => nases, loadEntries: loadSome, log: quiet, everyMs: 100 });
process.stdout.write('up\n');
