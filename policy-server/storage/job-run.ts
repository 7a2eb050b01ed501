import type { Instant } from '#domain/time';
import { type Database, type Queryable, timestamp } from '#storage/database';

const HEARTBEAT_MS = 5_000;
const LONGEST_SILENCE_MS = 20_000;

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
      // The transaction idles while the work goes on elsewhere; a node that stands still (SIGSTOP) must not keep the slot.
      await lock.query(`set local idle_in_transaction_session_timeout = ${LONGEST_SILENCE_MS}`);
      const [got] = await lock.query<{ locked: boolean }>(
        `select pg_try_advisory_xact_lock(hashtextextended('gerbang job ' || $1, 0)) as locked`,
        [job],
      );
      if (!got!.locked) return 'busy-elsewhere';
      const [last] = await lock.query<{ slot: Instant }>('select slot from job_run where job = $1', [job]);
      if (last !== undefined && last.slot >= slot) return 'done-before';
      await heldWhile(lock, work);
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

async function heldWhile(lock: Queryable, work: () => Promise<void>): Promise<void> {
  // A lock that is lost is noticed by the statement after the work, and the slot stays undone.
  let beat: Promise<unknown> = Promise.resolve();
  const beating = setInterval(() => {
    beat = lock.query('select 1').catch(() => undefined); // as said above
  }, HEARTBEAT_MS);
  try {
    await work();
  } finally {
    clearInterval(beating);
    await beat;
  }
}
