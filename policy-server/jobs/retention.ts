import type { Clock } from '#domain/clock';
import type { Job } from '#jobs/job';
import type { Database } from '#storage/database';
import { pruneChanges } from '#storage/feed';
import { dropExpiredPartitions, preparePartitions, pruneActs } from '#storage/history';

/** Once a day: what is older than so many months goes, the coming months are prepared, and the read part of the feed is cut. */
export const retentionJob = (db: Database, clock: Clock, historyMonths: number): Job => ({
  name: 'retention',
  everySeconds: 86_400,
  scope: 'cluster',
  run: async () => {
    await preparePartitions(db, clock());
    const dropped = await dropExpiredPartitions(db, clock(), historyMonths);
    await pruneActs(db, clock(), historyMonths);
    await pruneChanges(db, clock());
    return dropped.length === 0 ? null : `dropped ${dropped.join(', ')}`;
  },
});
