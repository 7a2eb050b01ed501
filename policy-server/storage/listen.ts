import type { PgClient, PgPool } from '#storage/connection';
import type { Queryable } from '#storage/database';
import type { Hosts } from '#storage/hosts';

export type Listener = { close(): Promise<void> };

/** So often, and so long without an answer: a peer that is silently gone is noticed within 10 s. */
const HEARTBEAT_MS = 5_000;
const HEARTBEAT_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

/**
 * LISTENs on a connection of its own. When that connection is lost it is made again (pauses of 50 ms doubling to 5 s);
 * whatever was notified meanwhile is lost, so `onListening` is called each time listening (re)starts: catch up there.
 * Returns once listening, or after the first failure while it goes on trying.
 */
export async function listen(
  pool: PgPool,
  hosts: Hosts,
  channel: string,
  onPayload: (payload: string) => void,
  onListening: () => void = () => undefined,
): Promise<Listener> {
  let closed = false;
  let client: PgClient | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;

  const retry = (failed: PgClient | undefined) => {
    if (closed || client !== failed) return;
    client = undefined;
    clearTimeout(timer);
    hosts.doubt();
    // It failed already; that it cannot say goodbye either adds nothing.
    failed?.end().catch(() => undefined);
    timer = setTimeout(() => void start(), pauseMs * (0.5 + Math.random() / 2));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  };

  const heartbeat = (of: PgClient) => {
    timer = setTimeout(() => {
      of.query({ text: 'select 1', query_timeout: HEARTBEAT_TIMEOUT_MS }).then(
        () => {
          if (!closed && client === of) heartbeat(of);
        },
        () => retry(of),
      );
    }, HEARTBEAT_MS);
    timer.unref();
  };

  const start = async () => {
    let mine: PgClient | undefined;
    try {
      await hosts.settle();
      if (closed) return;
      const made = new pool.Client({ ...pool.options, application_name: 'gerbang listener' });
      mine = made;
      client = made;
      made.on('error', () => retry(made));
      made.on('end', () => retry(made));
      made.on('notification', (message) => {
        if (!closed && message.channel === channel) onPayload(message.payload ?? '');
      });
      await made.connect();
      await made.query({ text: `listen "${channel.replaceAll('"', '""')}"` });
    } catch {
      // Not an outcome to hide: the next attempt is the answer to it, and onListening tells when one succeeded.
      retry(mine);
      return;
    }
    if (closed || client !== mine) return;
    pauseMs = FIRST_PAUSE_MS;
    heartbeat(mine);
    onListening();
  };

  await start();
  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await client?.end();
    },
  };
}

/** Tells every node that listens; inside a transaction, once it commits. A payload is at most 8,000 octets and no secret. */
export async function notify(q: Queryable, channel: string, payload: string): Promise<void> {
  await q.query('select pg_notify($1, $2)', [channel, payload]);
}
