import type { Instant } from '#domain/time';
import { type Database, timestamp } from '#storage/database';

/**
 * Does `work` for a job's slot unless it is done or being done by any node. The lock is an advisory one of the
 * transaction (a session's lock would stay with a pooled connection), and the slot's row commits with it, so a node that
 * dies midway leaves the slot undone. `work` uses connections of its own.
 */
export async function claimSlot(
  db: Database,
  job: string,
  slot: Instant,
  work: () => Promise<void>,
): Promise<'done' | 'done-before' | 'busy-elsewhere'> {
  return db.transaction(
    async (lock) => {
      // The transaction idles while the work goes on elsewhere.
      await lock.query('set local idle_in_transaction_session_timeout = 0');
      const [got] = await lock.query<{ locked: boolean }>(
        `select pg_try_advisory_xact_lock(hashtextextended('gerbang job ' || $1, 0)) as locked`,
        [job],
      );
      if (!got!.locked) return 'busy-elsewhere';
      const [last] = await lock.query<{ slot: Instant }>('select slot from job_run where job = $1', [job]);
      if (last !== undefined && last.slot >= slot) return 'done-before';
      await work();
      await lock.query(
        `insert into job_run (job, slot, finished_at) values ($1, $2::timestamptz, clock_timestamp())
         on conflict (job) do update set slot = excluded.slot, finished_at = excluded.finished_at`,
        [job, timestamp(slot)],
      );
      return 'done';
    },
    { statementTimeoutMs: 0 },
  );
}
