import type { Instant } from '#domain/time';
import type { AccountingRecord, Unusable } from '#domain/usage';
import type { Applied, IntakeEntry } from '#storage/accounting';
import { applyBatch, journalPosition } from '#storage/accounting';
import type { Database } from '#storage/database';
import { timestamp } from '#storage/database';

export const ZONE = 'Asia/Jakarta';

/** The same database for the next test: its rows are gone, its partitions stay. */
export async function emptied(db: Database): Promise<void> {
  const tables = 'nas, plan, subscriber, journal_position, quarantine, change, session_history';
  const usage = 'usage_daily, usage_monthly, usage_yearly';
  await db.query(`truncate ${tables}, ${usage} restart identity cascade`);
}

/** A NAS, a plan and subscribers with one grant each; `budi` is the first. Ids as the database gave them. */
export async function company(
  db: Database,
  at: Instant,
  options: { usernames?: readonly string[]; allowanceBytes?: number | null } = {},
): Promise<{ nasId: number; otherNasId: number; ids: number[] }> {
  const nases = await db.query<{ id: number }>(
    `insert into nas (name, address, secret_sealed) values ('a', '10.0.0.1', ''), ('b', '10.0.0.2', '') returning id`,
  );
  await db.query(`insert into plan (name) values ('20M')`);
  await db.query(
    `insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_months, price_rupiah)
     values (1, 1, 20000000, 20000000, $1, 1, 75000)`,
    [options.allowanceBytes ?? null],
  );
  const usernames = options.usernames ?? ['budi'];
  const subscribers = await db.query<{ id: number }>(
    `insert into subscriber (username, password_sealed) select u, '' from unnest($1::text[]) with ordinality t (u, n)
     order by n returning id`,
    [usernames],
  );
  const ids = subscribers.map(({ id }) => id);
  await db.query(
    `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
     select id, 1, $2::timestamptz, $3::timestamptz from unnest($1::bigint[]) t (id)`,
    [ids, timestamp(at - 86_400_000), timestamp(at + 30 * 86_400_000)],
  );
  return { nasId: nases[0]!.id, otherNasId: nases[1]!.id, ids };
}

/** A journal that is only a list: each record lies one octet behind the other. */
export class Ledger {
  readonly journal: string;
  readonly #db: Database;

  constructor(db: Database, journal = 'f'.repeat(32)) {
    this.#db = db;
    this.journal = journal;
  }

  /** Applies the records as one batch at the journal's end. */
  async apply(...records: (AccountingRecord | Unusable)[]): Promise<Applied> {
    const from = await journalPosition(this.#db, this.journal);
    const first = from.segment === 0 ? { segment: 1, offset: 32 } : from;
    const entries: IntakeEntry[] = records.map((record, index) => ({
      segment: 1,
      offset: first.offset + index,
      record,
      packet: Buffer.from('packet'),
    }));
    const to = { segment: 1, offset: first.offset + records.length };
    return applyBatch(this.#db, this.journal, { from, to, entries }, ZONE);
  }
}

export type StoredSession = {
  id: number;
  key: string;
  seconds: number;
  up_bytes: number;
  down_bytes: number;
  raw_up: number;
  day: string;
  day_up: number;
  day_down: number;
  subscriber_id: number | null;
  started_at: Instant;
  heard_at: Instant;
  told_live: string | null;
  told_at: Instant | null;
  confirmed_at: Instant | null;
  ending_since: Instant | null;
  ended_at: Instant | null;
  cause: string | null;
  framed_ip: string | null;
  nas_address: string;
  flags: string[];
};

export const sessions = (db: Database): Promise<StoredSession[]> =>
  db.query<StoredSession>(
    'select *, host(framed_ip) as framed_ip, host(nas_address) as nas_address from session order by id',
  );

/** All bytes ever charged to grants. */
export async function charged(db: Database): Promise<number> {
  const [row] = await db.query<{ sum: number }>('select coalesce(sum(used_bytes), 0)::bigint as sum from grants');
  return row!.sum;
}
