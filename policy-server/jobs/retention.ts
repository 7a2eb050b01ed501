import type { Clock } from '#domain/clock';
import type { Job } from '#jobs/job';
import type { Database } from '#storage/database';
import { pruneChanges } from '#storage/feed';
import { dropExpiredPartitions, preparePartitions, pruneActs } from '#storage/history';
import { forgetBeyond } from '#storage/retention';

/**
 * Once a day: what is older than so many months goes, the coming months are prepared, the read part of the feed is cut, and
 * what has served its purpose sooner (rejects, logins that are over, texts of old messages) is forgotten.
 */
export const retentionJob = (db: Database, clock: Clock, historyMonths: number): Job => ({
  name: 'retention',
  everySeconds: 86_400,
  scope: 'cluster',
  run: async (signal) => {
    await preparePartitions(db, clock());
    const dropped = await dropExpiredPartitions(db, clock(), historyMonths);
    await pruneActs(db, clock(), historyMonths);
    await pruneChanges(db, clock());
    await forgetBeyond(db, clock(), historyMonths, signal);
    return dropped.length === 0 ? null : `dropped ${dropped.join(', ')}`;
  },
});
