import { onlyPolicy } from '#domain/rollout';
import { startLoop } from '#enforcement/loop';
import { openDatabase } from '#storage/database';
import { loadEntries } from '#storage/facts';
import { loadMasterKey } from '#storage/secrets';
import { POLICY, quiet } from '#test/enforcement/network';

/** A loop in a process of its own, to be killed: `loop-child.ts DATABASE_URL MASTER_KEY_FILE NAS_ID`. Acks after 20 ms. */
const [url = '', keyFile = '', nasId = ''] = process.argv.slice(2);
const db = openDatabase({ url, poolSize: 3 });
const sealer = loadMasterKey(keyFile);
const ack = async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { is: 'done', said: 'ack' } as const;
};
const nases = new Map([[Number(nasId), { name: 'nas1', tags: [], vendor: 'mikrotik' as const, coaPerSecond: 100 }]]);
await startLoop({
  db,
  clock: Date.now,
  policies: async () => onlyPolicy(POLICY),
  nases: () => nases,
  driver: { coa: ack, disconnect: ack, probe: ack },
  loadEntries: (ids) => loadEntries(db, sealer, ids),
  publish: () => undefined,
  log: quiet,
  leaseMs: 1_000,
});
