/** The run of a month in a process of its own, so that it can be killed: `node run-child.ts DATABASE_URL MASTER_KEY_FILE INSTANT`. */
import { runInvoices } from '#operations/run-invoices';
import { openDatabase } from '#storage/database';
import { loadMasterKey } from '#storage/secrets';

const [url, masterKeyFile, now] = process.argv.slice(2) as [string, string, string];
const db = openDatabase({ url, poolSize: 2 });
const sealer = loadMasterKey(masterKeyFile);
const desk = {
  db,
  sealer,
  clock: () => Number(now),
  zone: 'Asia/Jakarta',
  actor: 'system',
  publicUrl: 'https://portal.test',
};
await runInvoices(desk, { onProgress: (done) => process.stdout.write(`${done}\n`) });
await db.close();
