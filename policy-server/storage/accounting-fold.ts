import { assert } from '#domain/assert';
import type { Told } from '#domain/reconcile';
import { type Instant, localDate, MINUTE, nextLocalMidnight } from '#domain/time';
import type {
  AccountingRecord,
  Fold,
  NasRecord,
  SessionFlag,
  SessionRecord,
  SessionState,
  Unusable,
} from '#domain/usage';
import { foldSession, impliedStart } from '#domain/usage';

/** A row of `session` as the intake reads it; times are Instants, `flags` joined by commas. */
export type SessionRow = {
  readonly id: number;
  readonly key: string;
  readonly nasId: number;
  readonly nasAddress: string;
  readonly acctSessionId: string;
  readonly username: string;
  readonly subscriberId: number | null;
  readonly mac: string | null;
  readonly framedIp: string | null;
  readonly nasPortId: string | null;
  readonly startedAt: Instant;
  readonly heardAt: Instant;
  readonly seconds: number;
  readonly upBytes: number;
  readonly downBytes: number;
  readonly rawUp: number;
  readonly rawDown: number;
  readonly day: string;
  readonly dayUp: number;
  readonly dayDown: number;
  readonly toldAt: Instant | null;
  readonly confirmedAt: Instant | null;
  readonly endingSince: Instant | null;
  readonly endedAt: Instant | null;
  readonly cause: string | null;
  readonly flags: string;
};

/** One session while a batch is folded into it. `id` null: it is new. */
export type Slot = {
  readonly id: number | null;
  readonly key: string;
  readonly nasId: number;
  /** Where its NAS last spoke of it from. */
  nasAddress: string;
  readonly acctSessionId: string;
  readonly username: string;
  subscriberId: number | null;
  mac: string | null;
  framedIp: string | null;
  nasPortId: string | null;
  state: SessionState | null;
  /** The running day and what was used on it; a day that is over has gone to `closedDays`. */
  day: string;
  dayUp: number;
  dayDown: number;
  told: Told | null;
  toldAt: Instant | null;
  confirmedAt: Instant | null;
  endingSince: Instant | null;
  /** The first record of a new session was a Start: it replaces an older one of the same line. */
  startedHere: boolean;
  /** What has to be written: nothing, the counters alone (nearly always), or everything. */
  write: 'nothing' | 'counters' | 'all';
  /** Enforcement should look at the subscriber: the session is new, over, back, elsewhere, or was not ended after all. */
  wake: boolean;
};

/** Bytes used at an instant by a session, to be charged and counted once its subscriber is known. */
export type Usage = { readonly slot: Slot; readonly at: Instant; readonly bytes: number };
export type ClosedDay = { readonly slot: Slot; readonly day: string; readonly up: number; readonly down: number };

export type FoldResult = { readonly usage: Usage[]; readonly closedDays: ClosedDay[] };

/** A session without our Class may have begun this much before or after what another record implies. */
const START_TOLERANCE_MS = 15 * MINUTE;

/**
 * The sessions a batch is about. A record with our token belongs to the session with that key, unless that one
 * has another Acct-Session-Id (a NAS that used a Class twice): then its key is token and id together. A record without goes by
 * NAS, address, id and user name to the session whose life it falls into; the id alone recurs after 16 reboots, and two
 * routers of one block may use it at once.
 */
export class Slots {
  readonly #byKey = new Map<string, Slot>();
  /** By NAS, id and user name (an address may change under way); made when a record without Class first asks for it. */
  #byId: Map<string, Slot[]> | null = null;

  get all(): Iterable<Slot> {
    return this.#byKey.values();
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  addRow(row: SessionRow): void {
    if (!this.#byKey.has(row.key)) this.#add(slotOfRow(row));
  }

  /** The key of the record's session when it has a token. */
  keyOf(record: SessionRecord): string | null {
    if (record.token === null) return null;
    const slot = this.#byKey.get(record.token);
    return slot === undefined || slot.acctSessionId === record.acctSessionId ? record.token : splitKey(record);
  }

  find(record: SessionRecord): Slot | undefined {
    const key = this.keyOf(record);
    if (key !== null) return this.#byKey.get(key);
    return this.#idIndex()
      .get(idOf(record))
      ?.filter((slot) => slot.nasAddress === record.nasAddress && livedAt(slot, record))
      .sort((a, b) => distance(a, record) - distance(b, record))[0];
  }

  /** A slot for a session first heard of by this record. */
  create(record: SessionRecord): Slot {
    const key = this.keyOf(record) ?? classlessKey(record);
    assert(!this.#byKey.has(key), `the session ${key} is known`);
    return this.#add(newSlot(key, record));
  }

  #add(slot: Slot): Slot {
    this.#byKey.set(slot.key, slot);
    if (this.#byId !== null) addTo(this.#byId, slot);
    return slot;
  }

  #idIndex(): ReadonlyMap<string, Slot[]> {
    if (this.#byId !== null) return this.#byId;
    this.#byId = new Map();
    for (const slot of this.#byKey.values()) addTo(this.#byId, slot);
    return this.#byId;
  }
}

function addTo(index: Map<string, Slot[]>, slot: Slot): void {
  const id = idOf(slot);
  const same = index.get(id);
  if (same === undefined) index.set(id, [slot]);
  else same.push(slot);
}

const idOf = ({ nasId, acctSessionId, username }: SessionRecord | Slot): string =>
  `${nasId}|${acctSessionId}|${username}`;

/** What the keys of a session without Class begin with. */
export const classlessPrefix = ({ nasId, nasAddress, acctSessionId, username }: SessionRecord): string =>
  `${nasId}|${nasAddress}|${acctSessionId}|${username}|`;

export const splitKey = (record: SessionRecord): string => `${record.token}/${record.acctSessionId}`;

/** Whether a record without Class can be of the session that began and was last heard of at these instants. */
export function fallsInto(startedAt: Instant, heardAt: Instant, record: SessionRecord): boolean {
  const start = impliedStart(record);
  return start >= startedAt - START_TOLERANCE_MS && start <= heardAt + START_TOLERANCE_MS;
}

const classlessKey = (record: SessionRecord): string =>
  `${classlessPrefix(record)}${Math.round(impliedStart(record) / 1000)}`;

function livedAt(slot: Slot, record: SessionRecord): boolean {
  return slot.state === null || fallsInto(slot.state.startedAt, slot.state.heardAt, record);
}

const distance = (slot: Slot, record: SessionRecord): number =>
  slot.state === null ? 0 : Math.abs(slot.state.startedAt - impliedStart(record));

function slotOfRow(row: SessionRow): Slot {
  const { startedAt, heardAt, seconds, upBytes, downBytes, rawUp, rawDown, endedAt, cause } = row;
  const flags = row.flags === '' ? NO_FLAGS : (row.flags.split(',') as SessionFlag[]);
  return {
    id: row.id,
    key: row.key,
    nasId: row.nasId,
    nasAddress: row.nasAddress,
    acctSessionId: row.acctSessionId,
    username: row.username,
    subscriberId: row.subscriberId,
    mac: row.mac,
    framedIp: row.framedIp,
    nasPortId: row.nasPortId,
    state: { startedAt, heardAt, seconds, upBytes, downBytes, rawUp, rawDown, endedAt, cause, flags },
    day: row.day,
    dayUp: row.dayUp,
    dayDown: row.dayDown,
    told: null,
    toldAt: row.toldAt,
    confirmedAt: row.confirmedAt,
    endingSince: row.endingSince,
    startedHere: false,
    write: 'nothing',
    wake: false,
  };
}

function newSlot(key: string, record: SessionRecord): Slot {
  return {
    id: null,
    key,
    nasId: record.nasId,
    nasAddress: record.nasAddress,
    acctSessionId: record.acctSessionId,
    username: record.username,
    subscriberId: null,
    mac: record.mac,
    framedIp: record.framedIp,
    nasPortId: record.nasPortId,
    state: null,
    day: '',
    dayUp: 0,
    dayDown: 0,
    told: record.told,
    // Its accounting proves that the NAS took the Access-Accept, so what that said is confirmed from the first.
    toldAt: record.told === null ? null : impliedStart(record),
    confirmedAt: record.told === null ? null : record.receivedAt,
    endingSince: null,
    startedHere: record.status === 'start',
    write: 'all',
    wake: true,
  };
}

const NO_FLAGS: readonly SessionFlag[] = [];

/** Accounting-On and -Off stand between the records before and after them. */
export function runs(
  entries: readonly { readonly record: AccountingRecord | Unusable }[],
): (SessionRecord[] | NasRecord)[] {
  const list: (SessionRecord[] | NasRecord)[] = [];
  let run: SessionRecord[] = [];
  for (const { record } of entries) {
    if ('acctSessionId' in record) run.push(record);
    else if (record.status !== 'unusable') {
      if (run.length > 0) list.push(run);
      run = [];
      list.push(record);
    }
  }
  if (run.length > 0) list.push(run);
  return list;
}

/** Sees each record and what it did before that is noted in its slot. */
export type FoldWitness = { folded(slot: Slot, record: SessionRecord, fold: Fold): void };

/** Folds the records, in their order, into their sessions (`slotOf` must know one for each). */
export function foldRecords(
  records: readonly SessionRecord[],
  slotOf: (record: SessionRecord) => Slot,
  dayOf: (at: Instant) => string,
  witness?: FoldWitness,
): FoldResult {
  const result: FoldResult = { usage: [], closedDays: [] };
  for (const record of records) foldOne(slotOf(record), record, dayOf, result, witness);
  return result;
}

function foldOne(
  slot: Slot,
  record: SessionRecord,
  dayOf: (at: Instant) => string,
  result: FoldResult,
  witness: FoldWitness | undefined,
): void {
  const before = slot.state;
  const fold = foldSession(before, record);
  witness?.folded(slot, record, fold);
  const { state, effect, upBytes, downBytes } = fold;
  if (effect === 'duplicate' || effect === 'stale') return;
  slot.state = state;
  if (upBytes + downBytes > 0) result.usage.push({ slot, at: record.at, bytes: upBytes + downBytes });
  if (slot.write === 'nothing') slot.write = 'counters';
  const details = takeDetails(slot, record);
  const changed = before === null || state.flags !== before.flags || state.endedAt !== before.endedAt;
  if (changed || details) slot.write = 'all';
  if (effect === 'ended' || effect === 'reopened' || state.endedAt !== (before?.endedAt ?? null)) slot.wake = true;
  if (state.endedAt === null) confirm(slot, record);
  count(slot, dayOf(record.at), upBytes, downBytes, result);
}

/** Adds to the running day; a new day, or the session's end, closes it. A record of an earlier day counts on this one. */
function count(slot: Slot, day: string, up: number, down: number, result: FoldResult): void {
  if (day > slot.day) {
    closeDay(slot, result);
    slot.day = day;
    slot.write = 'all';
  }
  slot.dayUp += up;
  slot.dayDown += down;
  if (slot.state?.endedAt !== null) closeDay(slot, result);
}

function closeDay(slot: Slot, result: FoldResult): void {
  if (slot.dayUp + slot.dayDown > 0) {
    result.closedDays.push({ slot, day: slot.day, up: slot.dayUp, down: slot.dayDown });
  }
  slot.dayUp = 0;
  slot.dayDown = 0;
}

/** What a first Start may lack and a later record brings (RouterOS: Framed-IP-Address), and where the NAS speaks from now. */
function takeDetails(slot: Slot, record: SessionRecord): boolean {
  let changed = false;
  // Another NAS that knows our token has another secret: what it says of the address is worth nothing to this one.
  if (record.nasId === slot.nasId && record.nasAddress !== slot.nasAddress) {
    slot.nasAddress = record.nasAddress;
    // What is on its way goes to where the session was.
    slot.wake = true;
    changed = true;
  }
  if (record.framedIp !== null && record.framedIp !== slot.framedIp) {
    slot.framedIp = record.framedIp;
    changed = true;
  }
  if (slot.mac === null && record.mac !== null) {
    slot.mac = record.mac;
    changed = true;
  }
  if (slot.nasPortId === null && record.nasPortId !== null) {
    slot.nasPortId = record.nasPortId;
    changed = true;
  }
  return changed;
}

/** A sign of life bears out what the NAS was told before it, and disproves an acknowledged disconnect. */
function confirm(slot: Slot, record: SessionRecord): void {
  const unconfirmed = slot.toldAt !== null && (slot.confirmedAt === null || slot.confirmedAt < slot.toldAt);
  if (unconfirmed && record.receivedAt > slot.toldAt!) {
    slot.confirmedAt = record.receivedAt;
    slot.write = 'all';
  }
  if (slot.endingSince !== null && record.at > slot.endingSince) {
    slot.endingSince = null;
    slot.write = 'all';
    slot.wake = true;
  }
}

/** `localDate` with its last answer kept: a batch lies within one day nearly always. */
export function dayTeller(zone: string): (at: Instant) => string {
  let from = Number.POSITIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  let day = '';
  return (at) => {
    if (at >= from && at < until) return day;
    day = localDate(at, zone);
    from = at;
    until = nextLocalMidnight(at, zone);
    return day;
  };
}
