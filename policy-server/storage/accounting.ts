import { Unavailable } from '#domain/errors';
import { DAY, type Instant } from '#domain/time';
import type { AccountingRecord, NasRecord, SessionRecord, Unusable } from '#domain/usage';
import { chargeGrants } from '#storage/accounting-charge';
import type { ClosedDay, SessionRow, Slot } from '#storage/accounting-fold';
import { classlessPrefix, dayTeller, fallsInto, foldRecords, runs, Slots, splitKey } from '#storage/accounting-fold';
import { AccountingSigns } from '#storage/accounting-signs';
import * as sql from '#storage/accounting-sql';
import { numbers } from '#storage/accounting-sql';
import { mark } from '#storage/change';
import type { Database, Queryable } from '#storage/database';
import { sqlState, timestamp, violatedConstraint } from '#storage/database';
import { ensurePartitions } from '#storage/history';
import { assumeEnded } from '#storage/silence';

export { closeSilentSessions, staleAfterMs } from '#storage/silence';

/** A place in a journal: where the next record to apply begins. */
export type IntakePosition = { readonly segment: number; readonly offset: number };

/** One record of the journal, understood or not; `packet` is what goes into quarantine. */
export type IntakeEntry = IntakePosition & { readonly record: AccountingRecord | Unusable; readonly packet: Buffer };

/** Records one after the other; `to` is where the next batch begins. */
export type IntakeBatch = {
  readonly from: IntakePosition;
  readonly to: IntakePosition;
  readonly entries: readonly IntakeEntry[];
};

export type Applied = {
  /** Where the database says the journal is now: `batch.to`, or elsewhere when the batch was not at its turn. */
  readonly position: IntakePosition;
  /** Whether this batch was applied now. */
  readonly applied: boolean;
  readonly records: number;
  readonly quarantined: number;
  /** Subscribers enforcement is due for. */
  readonly woken: readonly number[];
  /** What the records show of their routers. */
  readonly signs: AccountingSigns;
};

/** How far back a record may belong to a session that is in the history already. */
const HISTORY_REACH_MS = 45 * DAY;

/** Which way round each NAS reports octets. */
export async function octetDirections(db: Queryable): Promise<{ readonly id: number; readonly swapOctets: boolean }[]> {
  return db.query('select id, swap_octets as "swapOctets" from nas');
}

/** How far a journal is applied; the beginning when nothing is. */
export async function journalPosition(db: Queryable, journal: string): Promise<IntakePosition> {
  const [row] = await db.query<{ segment: number; offset: number }>(
    'select segment, "offset" from journal_position where journal = $1',
    [journal],
  );
  return row ?? { segment: 0, offset: 0 };
}

/**
 * The same, once it is certain that the database will never say less: segments before it may be deleted. Batches are
 * committed without waiting for the disk, so a crash of PostgreSQL may take the last of them back, position and effects
 * together, and they are applied again from the journal. This commit waits, and WAL is written in order: when it is on disk
 * (and, with synchronous replication, on the standby), so is every batch before it.
 */
export async function durablePosition(db: Database, journal: string): Promise<IntakePosition> {
  return db.transaction(async (tx) => {
    await tx.execute("select set_config('synchronous_commit', 'on', true)");
    const [row] = await tx.query<{ segment: number; offset: number }>(
      'update journal_position set segment = segment where journal = $1 returning segment, "offset"',
      [journal],
    );
    return row ?? { segment: 0, offset: 0 };
  });
}

/**
 * Applies a batch exactly once: one transaction moves the journal's position from `batch.from` to `batch.to` and writes
 * what the records amount to. A batch that is not at its turn (another applied it, or its commit was lost) changes nothing
 * and says where to go on. A record that cannot be applied is found by halving the batch and put into quarantine: it never
 * blocks the others. Throws `Unavailable` when the database is; then call again with the same batch.
 */
export async function applyBatch(db: Database, journal: string, batch: IntakeBatch, zone: string): Promise<Applied> {
  try {
    return await applyWithPartitions(db, journal, batch, zone);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    if (violatedConstraint(error) === 'session_nas_id_fkey') {
      const without = await withoutDeletedNases(db, batch);
      if (without !== null) return applyBatch(db, journal, without, zone);
    }
    return await applyHalves(db, journal, batch, zone, error);
  }
}

/** A NAS that was deleted when its records were understood already: they go aside at once. Null: it is not that. */
async function withoutDeletedNases(db: Database, batch: IntakeBatch): Promise<IntakeBatch | null> {
  const named = new Set(batch.entries.flatMap(({ record }) => ('nasId' in record ? [record.nasId] : [])));
  for (const { id } of await db.query<{ id: number }>(sql.NASES, [[...named]])) named.delete(id);
  if (named.size === 0) return null;
  const entries = batch.entries.map((entry) => {
    const { record } = entry;
    if (!('nasId' in record) || !named.has(record.nasId)) return entry;
    return { ...entry, record: { status: 'unusable', reason: `NAS ${record.nasId} is no longer known` } as const };
  });
  return { ...batch, entries };
}

async function applyHalves(
  db: Database,
  journal: string,
  batch: IntakeBatch,
  zone: string,
  cause: unknown,
): Promise<Applied> {
  if (batch.entries.length <= 1) return quarantineBatch(db, journal, batch, zone, cause);
  const middle = Math.floor(batch.entries.length / 2);
  const at = { segment: batch.entries[middle]!.segment, offset: batch.entries[middle]!.offset };
  const first = { from: batch.from, to: at, entries: batch.entries.slice(0, middle) };
  const one = await applyBatch(db, journal, first, zone);
  if (!one.applied) return one;
  const two = await applyBatch(db, journal, { from: at, to: batch.to, entries: batch.entries.slice(middle) }, zone);
  two.signs.add(one.signs);
  return {
    ...two,
    records: one.records + two.records,
    quarantined: one.quarantined + two.quarantined,
    woken: [...one.woken, ...two.woken],
  };
}

/** The one record that failed alone: it is tried once more, lest what failed was not the record, and then put aside. */
async function quarantineBatch(
  db: Database,
  journal: string,
  batch: IntakeBatch,
  zone: string,
  cause: unknown,
): Promise<Applied> {
  const reason = `cannot be applied: ${cause instanceof Error ? cause.message : String(cause)}`.replaceAll('\0', '');
  const poisoned = batch.entries.map((entry) => ({ ...entry, record: { status: 'unusable', reason } as const }));
  try {
    return await applyWithPartitions(db, journal, batch, zone);
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    return applyOnce(db, journal, { ...batch, entries: poisoned }, zone);
  }
}

/** 23514 with no constraint of ours at fault is "no partition of relation found for row": make them and try again. */
async function applyWithPartitions(db: Database, journal: string, batch: IntakeBatch, zone: string): Promise<Applied> {
  try {
    return await applyOnce(db, journal, batch, zone);
  } catch (error) {
    if (sqlState(error) !== '23514') throw error;
    const times = batch.entries.flatMap(({ record }) => ('at' in record ? [record.at] : []));
    if (times.length === 0) throw error;
    await ensurePartitions(db, Math.min(...times) - 62 * DAY, Math.max(...times) + 2 * DAY);
    return applyOnce(db, journal, batch, zone);
  }
}

function applyOnce(db: Database, journal: string, batch: IntakeBatch, zone: string): Promise<Applied> {
  const { from, to, entries } = batch;
  return db.transaction(async (tx) => {
    const signs = new AccountingSigns();
    const claim = [journal, from.segment, from.offset, to.segment, to.offset];
    const claimed = await tx.query(sql.CLAIM, claim, 'intake-claim');
    if (claimed.length === 0) {
      const position = await journalPosition(tx, journal);
      return { position, applied: false, records: 0, quarantined: 0, woken: [], signs };
    }
    const quarantined = await quarantine(tx, journal, entries);
    const woken = new Set<number>();
    for (const run of runs(entries)) {
      if (Array.isArray(run)) await applyRecords(tx, run, zone, woken, signs);
      else await endSessionsOfNas(tx, run, woken);
    }
    await mark(tx, [...woken]);
    return { position: to, applied: true, records: entries.length, quarantined, woken: [...woken], signs };
  });
}

async function quarantine(tx: Queryable, journal: string, entries: readonly IntakeEntry[]): Promise<number> {
  const bad = entries.flatMap((entry) => (entry.record.status === 'unusable' ? [{ ...entry, ...entry.record }] : []));
  if (bad.length === 0) return 0;
  const values = [journal, numbers(bad.map((b) => b.segment)), numbers(bad.map((b) => b.offset))];
  return tx.execute(sql.QUARANTINE, [...values, bad.map((b) => b.reason), bad.map((b) => b.packet)]);
}

async function applyRecords(
  tx: Queryable,
  records: readonly SessionRecord[],
  zone: string,
  woken: Set<number>,
  signs: AccountingSigns,
): Promise<void> {
  const slots = await readSlots(tx, records, zone);
  const slotOf = (record: SessionRecord): Slot => slots.find(record) ?? slots.create(record);
  const { usage, closedDays } = foldRecords(records, slotOf, dayTeller(zone), signs);
  await findSubscribers(tx, slots);
  for (const slot of slots.all) if (slot.wake && slot.subscriberId !== null) woken.add(slot.subscriberId);
  await writeSessions(tx, [...slots.all]);
  await writeDays(tx, closedDays);
  await chargeGrants(tx, usage, zone, woken);
  await endReplaced(tx, slots, woken);
}

/** All sessions the records may be about, locked; those that had gone to the history come back first. */
async function readSlots(tx: Queryable, records: readonly SessionRecord[], zone: string): Promise<Slots> {
  const slots = new Slots();
  const tokens = new Set<string>();
  const classless: SessionRecord[] = [];
  for (const record of records) {
    if (record.token === null) classless.push(record);
    else tokens.add(record.token);
  }
  await readKeys(tx, slots, [...tokens]);
  if (classless.length > 0) await readIds(tx, slots, classless);
  await readKeys(tx, slots, splitKeys(slots, records));
  const restored = await restore(tx, slots, records, zone);
  await readKeys(tx, slots, restored);
  return slots;
}

/** Keys of tokens that are used with more than one Acct-Session-Id, be it here or in the database. */
function splitKeys(slots: Slots, records: readonly SessionRecord[]): string[] {
  const first = new Map<string, string>();
  const keys = new Set<string>();
  for (const record of records) {
    if (record.token === null) continue;
    const id = first.get(record.token) ?? record.acctSessionId;
    first.set(record.token, id);
    if (id !== record.acctSessionId || slots.keyOf(record) !== record.token) keys.add(splitKey(record));
  }
  return [...keys];
}

async function readKeys(tx: Queryable, slots: Slots, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  for (const row of await tx.query<SessionRow>(sql.READ_BY_KEY, [keys], 'intake-by-key')) slots.addRow(row);
}

async function readIds(tx: Queryable, slots: Slots, records: readonly SessionRecord[]): Promise<void> {
  const ids = [...new Map(records.map((record) => [classlessPrefix(record), record])).values()];
  const values = [ids.map((r) => r.nasId), ids.map((r) => r.acctSessionId), ids.map((r) => r.username)];
  for (const row of await tx.query<SessionRow>(sql.READ_BY_ID, values, 'intake-by-id')) slots.addRow(row);
}

/** The keys that were brought back. */
async function restore(
  tx: Queryable,
  slots: Slots,
  records: readonly SessionRecord[],
  zone: string,
): Promise<string[]> {
  /** The NAS that speaks of each. */
  const keys = new Map<string, number>();
  const classless = new Map<string, SessionRecord>();
  let since = Number.POSITIVE_INFINITY;
  for (const record of records) {
    if (slots.find(record) !== undefined) continue;
    since = Math.min(since, record.at - HISTORY_REACH_MS);
    const key = slots.keyOf(record);
    if (key !== null) keys.set(key, record.nasId);
    else classless.set(classlessPrefix(record), record);
  }
  if (classless.size > 0) {
    const found = await tx.query<{ key: string; startedAt: Instant; heardAt: Instant; prefix: string }>(
      sql.HISTORY_BY_PREFIX,
      [[...classless.keys()], timestamp(since)],
      'intake-history-by-prefix',
    );
    for (const row of found) {
      const record = classless.get(row.prefix)!;
      if (fallsInto(row.startedAt, row.heardAt, record)) keys.set(row.key, record.nasId);
    }
  }
  if (keys.size === 0) return [];
  const values = [[...keys.keys()], timestamp(since), zone, [...keys.values()]];
  return (await tx.execute(sql.RESTORE_BY_KEY, values, 'intake-restore')) > 0 ? [...keys.keys()] : [];
}

/** New sessions, and live ones that began before their subscriber was entered. */
async function findSubscribers(tx: Queryable, slots: Slots): Promise<void> {
  const without = [...slots.all].filter((slot) => slot.subscriberId === null && slot.write !== 'nothing');
  if (without.length === 0) return;
  const usernames = [...new Set(without.map((slot) => slot.username))];
  const rows = await tx.query<{ id: number; username: string }>(sql.SUBSCRIBERS, [usernames], 'intake-subscribers');
  const ids = new Map(rows.map((row) => [row.username, row.id]));
  for (const slot of without) {
    const id = ids.get(slot.username);
    if (id === undefined) continue;
    slot.subscriberId = id;
    slot.write = 'all';
    slot.wake = true;
  }
}

async function writeSessions(tx: Queryable, slots: readonly Slot[]): Promise<void> {
  const counters = slots.filter((slot) => slot.id !== null && slot.write === 'counters');
  if (counters.length > 0) {
    const values = [numbers(counters.map((slot) => slot.id)), ...counterColumns(counters)];
    await tx.execute(sql.UPDATE_COUNTERS, values, 'intake-update-counters');
  }
  const all = slots.filter((slot) => slot.id !== null && slot.write === 'all');
  if (all.length > 0) {
    const values = [numbers(all.map((slot) => slot.id)), ...counterColumns(all), ...detailColumns(all)];
    await tx.execute(sql.UPDATE_ALL, values, 'intake-update-all');
  }
  const fresh = slots.filter((slot) => slot.id === null);
  if (fresh.length > 0) {
    const values = [...counterColumns(fresh), ...detailColumns(fresh), ...identityColumns(fresh)];
    await tx.execute(sql.INSERT, values, 'intake-insert');
  }
}

const counterColumns = (slots: readonly Slot[]): unknown[] => [
  numbers(slots.map((slot) => slot.state!.heardAt)),
  numbers(slots.map((slot) => slot.state!.seconds)),
  numbers(slots.map((slot) => slot.state!.upBytes)),
  numbers(slots.map((slot) => slot.state!.downBytes)),
  numbers(slots.map((slot) => slot.state!.rawUp)),
  numbers(slots.map((slot) => slot.state!.rawDown)),
  numbers(slots.map((slot) => slot.dayUp)),
  numbers(slots.map((slot) => slot.dayDown)),
];

const detailColumns = (slots: readonly Slot[]): unknown[] => [
  slots.map((slot) => slot.day),
  numbers(slots.map((slot) => slot.subscriberId)),
  slots.map((slot) => slot.mac),
  slots.map((slot) => slot.framedIp),
  slots.map((slot) => slot.nasPortId),
  numbers(slots.map((slot) => slot.confirmedAt)),
  numbers(slots.map((slot) => slot.endingSince)),
  numbers(slots.map((slot) => slot.state!.endedAt)),
  slots.map((slot) => slot.state!.cause),
  slots.map((slot) => slot.state!.flags.join(',')),
  slots.map((slot) => slot.nasAddress),
];

const identityColumns = (slots: readonly Slot[]): unknown[] => [
  slots.map((slot) => slot.key),
  numbers(slots.map((slot) => slot.nasId)),
  slots.map((slot) => slot.acctSessionId),
  slots.map((slot) => slot.username),
  numbers(slots.map((slot) => slot.state!.startedAt)),
  slots.map((slot) => slot.told?.live ?? null),
  slots.map((slot) => slot.told?.fixed ?? null),
  numbers(slots.map((slot) => slot.toldAt)),
];

async function writeDays(tx: Queryable, days: readonly ClosedDay[]): Promise<void> {
  const known = days.filter((day) => day.slot.subscriberId !== null);
  if (known.length === 0) return;
  await tx.execute(
    sql.ADD_DAYS,
    [
      numbers(known.map((day) => day.slot.subscriberId)),
      known.map((day) => day.day),
      numbers(known.map((day) => day.up)),
      numbers(known.map((day) => day.down)),
    ],
    'intake-add-days',
  );
}

/** A Start on a line that still has an older open session: its Stop was lost (so RouterOS' manual on RADIUS says). */
async function endReplaced(tx: Queryable, slots: Slots, woken: Set<number>): Promise<void> {
  const begun = [...slots.all].filter((slot) => slot.startedHere && slot.subscriberId !== null && slot.mac !== null);
  if (begun.length === 0) return;
  const replaced = await tx.query<{ id: number }>(
    sql.REPLACED,
    [numbers(begun.map((slot) => slot.subscriberId)), begun.map((slot) => slot.key)],
    'intake-replaced',
  );
  await assumeEnded(tx, replaced, 'Lost-Carrier', woken);
}

async function endSessionsOfNas(tx: Queryable, record: NasRecord, woken: Set<number>): Promise<void> {
  const open = await tx.query<{ id: number }>(sql.OPEN_OF_NAS, [record.nasId, record.nasAddress, timestamp(record.at)]);
  await assumeEnded(tx, open, 'NAS-Reboot', woken);
}
