import { onlyPolicy } from '#domain/rollout';
import { type Loop, startLoop } from '#enforcement/loop';
import { RouterLists } from '#integrations/routeros/routers';
import { openDatabase } from '#storage/database';
import { loadEntries } from '#storage/facts';
import { loadMasterKey } from '#storage/secrets';
import { POLICY, quiet, ScriptedDriver } from '#test/enforcement/network';

/** A node in a process of its own, to be killed: `static-child.ts DATABASE_URL MASTER_KEY_FILE`. */
const [url = '', keyFile = ''] = process.argv.slice(2);
const db = openDatabase({ url, poolSize: 3 });
const sealer = loadMasterKey(keyFile);
// A router may be ready before the loop is.
let loop: Loop | null = null;
const lists = new RouterLists({
  db,
  sealer,
  clock: Date.now,
  log: quiet,
  onReady: (nasId) => loop?.listsReachable(nasId),
});
await lists.start();
loop = await startLoop({
  db,
  clock: Date.now,
  policies: async () => onlyPolicy(POLICY),
  nases: () => new Map(),
  driver: new ScriptedDriver(),
  lists,
  loadEntries: (ids) => loadEntries(db, sealer, ids),
  publish: () => undefined,
  log: quiet,
  leaseMs: 1_000,
});
