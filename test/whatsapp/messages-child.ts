import { openLog } from '#policy-server/log';
import { startMessages } from '#policy-server/messages-side';
import { openDatabase } from '#storage/database';
import { loadMasterKey } from '#storage/secrets';
import '#test/world/whatsapp-trust';

/** The messages side in a process of its own, to be killed: `messages-child.ts DATABASE_URL MASTER_KEY_FILE WHATSAPP_URL`. */
const [url = '', keyFile = '', whatsAppUrl = ''] = process.argv.slice(2);
await startMessages({
  db: openDatabase({ url, poolSize: 4 }),
  sealer: loadMasterKey(keyFile),
  clock: Date.now,
  log: openLog('silent'),
  zone: 'Asia/Jakarta',
  whatsAppUrl,
  lookEveryMs: 50,
  baileys: { firstPauseMs: 20 },
  outbox: { firstPauseMs: 20, limits: () => ({ perMinute: 1_000_000, perDay: 100_000 }) },
});
