import { monotonicMs } from '#domain/clock';
import type { Instant } from '#domain/time';
import { HOUR } from '#domain/time';
import { CHANGE_CHANNEL } from '#storage/change';
import type { Database, Queryable } from '#storage/database';
import { timestamp } from '#storage/database';

/** What changed since the last batch: ids to load afresh. A subscriber that is not found any more is to be forgotten. */
export type Changes = {
  readonly subscriberIds: readonly number[];
  readonly nasIds: readonly number[];
  readonly policy: boolean;
};

/** A place in the feed: which transactions had been seen, and when. Opaque; may be kept on disk. */
export type Cursor = string;

export type FeedOptions = {
  /** Where to go on; `currentCursor` taken before a full load misses nothing that happened during it. */
  readonly from: Cursor;
  /** Called one batch at a time, again with the same one after it threw. At most 10,000 subscribers a batch. */
  readonly onChanges: (changes: Changes) => Promise<void>;
  /**
   * The feed cannot say what changed (cursor too old, another primary, a restored database): load everything, and believe
   * nothing that was known.
   */
  readonly onReset: () => Promise<void>;
  /** Told of each failure; the feed goes on trying by itself. */
  readonly onTrouble?: (error: unknown) => void;
};

export type Feed = {
  /** The place up to which every change has been handed over. */
  cursor(): Cursor;
  /** Reads now; resolves when everything that was committed before the call has been handed over. */
  catchUp(): Promise<void>;
  close(): Promise<void>;
};

const BATCH = 10_000;
/** The guarantee behind the hint: also where LISTEN does not get through (a transaction pooler), nobody is later. */
const POLL_MS = 5_000;
/**
 * Between reads that are asked for by NOTIFY: the first change is read at once, and where hundreds come in a second each read
 * takes many of them. Without it three nodes at 1,000 changes a second do nothing but read.
 */
const PAUSE_MS = 30;
const KEEP_MS = 72 * HOUR;
/** A cursor must be younger by this than the rows that are kept: pruning and reading may overlap. */
const MARGIN_MS = HOUR;

/** The place in the feed before which everything is visible to a load that begins after this call. */
export async function currentCursor(q: Queryable): Promise<Cursor> {
  const [row] = await q.query<{ cursor: Cursor }>(`select ${CURSOR} as cursor`);
  return row!.cursor;
}

const CURSOR = `pg_current_snapshot()::text || '@' || (extract(epoch from clock_timestamp()) * 1000)::bigint
  || '@' || case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) end`;

/**
 * Follows the feed of changes over a LISTEN connection that mends itself. Nothing is lost to a dropped listener, nor to
 * transactions that commit in another order than they began: a row is new exactly when its transaction was not visible
 * in the snapshot of the previous read (`pg_visible_in_snapshot`) and its row is visible in this one. That holds as long as
 * numbers of transactions are not given out twice. They may be after a crash, those that had not reached the log on
 * disk, and by another primary: then everything is loaded anew (`onReset`).
 */
export async function followChanges(db: Database, options: FeedOptions): Promise<Feed> {
  let cursor = options.from;
  const reader = new Reader(db, options);
  let closed = false;
  let wanted = 0;
  let done = 0;
  let running: Promise<void> | null = null;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let soon: NodeJS.Timeout | undefined;

  const readAll = async () => {
    while (done < wanted && !closed) {
      const reading = wanted;
      cursor = await reader.handOver(cursor);
      readAtMs = monotonicMs();
      done = reading;
    }
  };
  const read = (): Promise<void> => {
    wanted += 1;
    running ??= readAll().finally(() => {
      running = null;
    });
    return running;
  };
  const readNow = () => {
    soon = undefined;
    if (!closed) read().catch((error: unknown) => options.onTrouble?.(error));
  };
  const wake = () => {
    if (soon !== undefined) return;
    const waitMs = running === null ? readAtMs + PAUSE_MS - monotonicMs() : PAUSE_MS;
    if (waitMs <= 0) readNow();
    else soon = setTimeout(readNow, waitMs);
  };

  const listener = await db.listen(CHANGE_CHANNEL, wake, wake);
  const poll = setInterval(wake, POLL_MS);
  poll.unref();
  return {
    cursor: () => cursor,
    catchUp: read,
    close: async () => {
      closed = true;
      clearInterval(poll);
      clearTimeout(soon);
      await listener.close();
      // A read that fails now is told to nobody: whoever follows next begins at the cursor.
      await running?.catch(() => undefined);
    },
  };
}

class Reader {
  readonly #db: Database;
  readonly #options: FeedOptions;
  /** Server processes that have read for us and have lived, therefore, through no crash since. */
  readonly #known = new Set<number>();

  constructor(db: Database, options: FeedOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Hands over all that is new since `from`; returns the place reached. Throws what the database or the reader threw. */
  async handOver(from: Cursor): Promise<Cursor> {
    const rows = await this.#db.query<FeedRow>(READ, [snapshotOf(from)], 'feed-read');
    const { cursor: reached, pid } = rows[0]!;
    if (isBroken(from, reached) || !(await this.#isSameRun(pid, from))) {
      this.#known.clear();
      await this.#options.onReset();
      return reached;
    }
    await this.#tell(rows);
    return reached;
  }

  /**
   * A crash ends every process of the server: one that began before `from` says that there was none since. It is looked
   * for when the one that read is new to us.
   */
  async #isSameRun(pid: number, from: Cursor): Promise<boolean> {
    if (this.#known.has(pid)) return true;
    const older = await this.#db.query(
      'select from pg_stat_activity where backend_start <= $1::timestamptz limit 1',
      [timestamp(takenAt(from) + 1)], // a place is cut to milliseconds
      'feed-survivors',
    );
    if (older.length > 0) this.#known.add(pid);
    return older.length > 0;
  }

  async #tell(rows: readonly FeedRow[]): Promise<void> {
    const { onChanges } = this.#options;
    const subscriberIds: number[] = [];
    const nasIds: number[] = [];
    let policy = false;
    for (const { topic, key } of rows) {
      if (topic === 'subscriber') subscriberIds.push(key);
      else if (topic === 'nas') nasIds.push(key);
      else if (topic === 'policy') policy = true;
    }
    if (nasIds.length > 0 || policy) await onChanges({ subscriberIds: [], nasIds, policy });
    for (let at = 0; at < subscriberIds.length; at += BATCH) {
      await onChanges({ subscriberIds: subscriberIds.slice(at, at + BATCH), nasIds: [], policy: false });
    }
  }
}

type FeedRow = { cursor: Cursor; pid: number; topic: 'subscriber' | 'nas' | 'policy' | null; key: number };

/** One row with an empty topic when nothing is new: the cursor moves on all the same. */
const READ = `
select here.cursor, here.pid, fresh.topic, fresh.key
from (select ${CURSOR} as cursor, pg_backend_pid() as pid) here
left join (
  select topic, key, max(seq) as seq from change
  where xid >= pg_snapshot_xmin($1::pg_snapshot) and not pg_visible_in_snapshot(xid, $1::pg_snapshot)
  group by topic, key
) fresh on true
order by fresh.seq`;

const snapshotOf = (cursor: Cursor): string => cursor.slice(0, cursor.indexOf('@'));
const takenAt = (cursor: Cursor): Instant => Number(cursor.split('@')[1]);
const timeline = (cursor: Cursor): string | undefined => cursor.split('@')[2];
/** `xmin:xmax:in progress`: xmax is the first transaction id not yet given out. */
const nextTransaction = (cursor: Cursor): bigint => BigInt(cursor.split(':')[1]!);

function isBroken(from: Cursor, reached: Cursor): boolean {
  return (
    timeline(reached) !== timeline(from) ||
    nextTransaction(reached) < nextTransaction(from) ||
    takenAt(reached) - takenAt(from) > KEEP_MS - MARGIN_MS
  );
}

/** Removes rows of the feed that no cursor can need any more (older than 72 hours); returns how many. For a job. */
export function pruneChanges(q: Queryable, now: Instant): Promise<number> {
  return q.execute('delete from change where at < $1::timestamptz', [timestamp(now - KEEP_MS)]);
}
