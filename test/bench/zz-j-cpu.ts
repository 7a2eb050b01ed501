import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { localDays } from '#domain/calendar';
import { DAY, localDate, localMidnight } from '#domain/time';
import * as dash from '#storage/dashboard';
import { openDatabase } from '#storage/database';
import { listSubscribers } from '#storage/lists';
import { listNases } from '#storage/nas';
import * as plans from '#storage/plans';
import { countLists, redirectSessions } from '#storage/redirect';
import * as reports from '#storage/reports';
import { listSubscriptions } from '#storage/sales-lists';
import { countStaticAddresses, redirectRows } from '#storage/static-addresses';
const folder = process.argv[2]!;
const only = process.argv[3];
const db = openDatabase({ url: readFileSync(join(folder, 'url'), 'utf8'), poolSize: 1 });
const Z = 'Asia/Jakarta';
const now = Date.now();
const from = localMidnight(now - 29 * DAY, Z);
const [{ pid } = { pid: 0 }] = await db.query<{ pid: number }>('select pg_backend_pid() as pid');
const ticks = () => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return Number(f[11]) + Number(f[12]); };
const work: Record<string, () => Promise<unknown>> = {
  figure: () => dash.countFigure(db, now),
  endingDash: () => dash.endingBetween(db, { now, from: now, to: now + DAY, limit: 6 }),
  ending7: () => dash.endingBetween(db, { now, from: now, to: now + 7 * DAY, limit: 50 }),
  countEnding7: () => dash.countEnding(db, now, localDays(now, now + 7 * DAY, Z)),
  attention: () => dash.attention(db, now),
  expired: () => reports.expiredBetween(db, { now, from, to: now + DAY, limit: 50 }),
  countExpired: () => reports.countExpired(db, now, localDays(from, now, Z)),
  activity30: () => reports.customerActivity(db, { from: localDate(from, Z), to: localDate(now, Z), paidFrom: from, paidTo: now, limit: 51 }),
  revenue: () => reports.revenueBySpan(db, localDays(from, now, Z)),
  top: () => reports.topPackages(db, from, now),
  byEnd: () => listSubscribers(db, { page: 3, pageSize: 50, now, sort: 'ends' }),
  needs: () => listSubscribers(db, { page: 1, pageSize: 50, now, billing: 'prepaid', standing: ['depleted', 'expired', 'no-package'] }),
  list: () => listSubscribers(db, { page: 1, pageSize: 50, now }),
  plans: () => (plans as any).listPlans(db, now),
  lists: () => countLists(db),
  static: () => redirectRows(db, {}),
  staticDiffering: () => redirectRows(db, { differing: true }),
  staticCounts: () => countStaticAddresses(db),
  sessions: () => redirectSessions(db, { page: 1, pageSize: 50, now }),
  nases: () => listNases(db),
  subscriptions: () => listSubscriptions(db, { page: 1, pageSize: 50, now }),
};
for (const [name, run] of Object.entries(work)) {
  if (only && !name.startsWith(only)) continue;
  try {
    await run(); await run();
    const n = 10; const t = ticks(); const b = performance.now();
    for (let i = 0; i < n; i++) await run();
    console.log(name.padEnd(18), 'cpu', (((ticks() - t) * 10) / n).toFixed(0), 'ms   wall', ((performance.now() - b) / n).toFixed(0));
  } catch (e) { console.log(name, String(e)); }
}
await db.close();
