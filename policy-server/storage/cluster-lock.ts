import { pauseUnless } from '#domain/patience';
import type { Database } from '#storage/database';

/** Held by this process alone, on any number of nodes, until it is released or lost. */
export type ClusterLock = { release(): Promise<void> };

const HEARTBEAT_MS = 2_000;
/** A connection that is silent for longer is given up by us … */
const PATIENCE_MS = 5_000;
/** … and (idle in transaction) by PostgreSQL: of a process that is paused, others take over within ten seconds. */
const LONGEST_SILENCE_MS = 7_000;

/**
 * Takes a lock of the whole cluster, or answers null when somebody has it. It is an advisory lock of a transaction that
 * stays open (a session's lock would stay with a pooled connection), kept alive by a heartbeat; the open transaction
 * holds no snapshot, so it keeps nothing from being vacuumed. `onLost` is called when the connection is lost: by then
 * somebody else may have the lock. Throws `Unavailable`.
 */
export async function takeClusterLock(
  db: Database,
  name: string,
  onLost: (error: unknown) => void,
): Promise<ClusterLock | null> {
  const releasing = new AbortController();
  let taken: (got: boolean) => void = () => undefined;
  let refused: (error: unknown) => void = () => undefined;
  const answer = new Promise<boolean>((resolve, reject) => {
    taken = resolve;
    refused = reject;
  });
  let held = false;
  const holding = db
    .transaction(
      async (tx) => {
        const [row] = await tx.query<{ locked: boolean }>(
          `select pg_try_advisory_xact_lock(hashtextextended('gerbang ' || $1, 0)) as locked`,
          [name],
        );
        held = row!.locked;
        if (held) await tx.query(`set local idle_in_transaction_session_timeout = ${LONGEST_SILENCE_MS}`);
        taken(held);
        while (held && !releasing.signal.aborted) {
          await tx.query('select 1');
          await pauseUnless(releasing.signal, HEARTBEAT_MS);
        }
      },
      { statementTimeoutMs: PATIENCE_MS },
    )
    .catch((error: unknown) => {
      refused(error);
      if (held && !releasing.signal.aborted) onLost(error);
    });
  if (!(await answer)) return null;
  return {
    release: async () => {
      releasing.abort();
      await holding;
    },
  };
}
