/**
 * What accounting says and what it amounts to. Sessions are folded record by record; the rules are written for a world
 * where records are lost, repeated, late and out of order (RFC 2866, RFC 5080 section 2.2.1), and where only the session's
 * own clock, Acct-Session-Time, can be trusted to put them in order.
 */
import type { Told } from '#domain/reconcile';
import type { Instant } from '#domain/time';

/** One accounting request about one session, understood. Octets are seen from the subscriber. */
export type SessionRecord = {
  readonly status: 'start' | 'interim' | 'stop';
  readonly nasId: number;
  /** Where the request was sent from: which router, when the NAS is a block of addresses. */
  readonly nasAddress: string;
  /** As received, octet for octet: it recurs after 16 reboots of a RouterOS, so it alone names no session. */
  readonly acctSessionId: string;
  readonly username: string;
  /** The token of our Class in hex; null when the session has none (it began before us, or the NAS lost it). */
  readonly token: string | null;
  /** What the Access-Accept told the NAS, as our Class brings it back. */
  readonly told: Told | null;
  readonly mac: string | null;
  readonly framedIp: string | null;
  readonly nasPortId: string | null;
  /** Acct-Session-Time; null when the NAS left it out. */
  readonly sessionSeconds: number | null;
  /** Cumulative since the session's start; null when the NAS left the counters out. */
  readonly octets: { readonly up: number; readonly down: number } | null;
  /** The request had Gigawords attributes (RFC 2869 section 5.1), so its counters do not wrap at 2^32. */
  readonly gigawords: boolean;
  /** When it happened at the NAS, as well as we can know. */
  readonly at: Instant;
  /** When it came in. */
  readonly receivedAt: Instant;
  /** Acct-Terminate-Cause in words; null but for Stop. */
  readonly cause: string | null;
};

/** Accounting-On or -Off: the router at this address (re)starts or shuts down, none of its older sessions lives on. */
export type NasRecord = {
  readonly status: 'on' | 'off';
  readonly nasId: number;
  readonly nasAddress: string;
  readonly at: Instant;
  readonly receivedAt: Instant;
};

export type AccountingRecord = SessionRecord | NasRecord;

/** An accounting request that cannot be used: acknowledged all the same, kept in quarantine with its reason. */
export type Unusable = { readonly status: 'unusable'; readonly reason: string };

/** What is known of one session after some of its records. */
export type SessionState = {
  readonly startedAt: Instant;
  /** The latest `at` of a record that had an effect. */
  readonly heardAt: Instant;
  /** Acct-Session-Time of that state: the session's logical clock. */
  readonly seconds: number;
  /** What the session has used: never shrinks. */
  readonly upBytes: number;
  readonly downBytes: number;
  /** The counters as last received. */
  readonly rawUp: number;
  readonly rawDown: number;
  readonly endedAt: Instant | null;
  readonly cause: string | null;
  readonly flags: readonly SessionFlag[];
};

export type SessionFlag =
  /** Its NAS sends Gigawords, so a counter that falls did not wrap. */
  | 'gigawords'
  /** A 32-bit counter ran over and was carried on. */
  | 'wrapped'
  /** A counter fell and cannot have wrapped: what it showed after was counted from zero. */
  | 'reset'
  /** More octets than 100 Gbit/s could carry in the time: counted, to be looked at. */
  | 'implausible'
  /** Heard of after its Stop: usage was taken, it stayed closed. */
  | 'late'
  /** We closed it (silence, a reboot, a successor), no Stop said so: heard of again it reopens. */
  | 'assumed-ended'
  | 'reopened';

/** What one record did: the state after it and the bytes it added (both ≥ 0). */
export type Fold = {
  readonly state: SessionState;
  readonly effect: 'new' | 'advanced' | 'duplicate' | 'stale' | 'ended' | 'reopened';
  readonly upBytes: number;
  readonly downBytes: number;
};

const TWO_31 = 2 ** 31;
const TWO_32 = 2 ** 32;
/** 100 Gbit/s in bytes per second: no access router has a port that a subscriber could fill faster. */
const IMPLAUSIBLE_BYTES_PER_SECOND = 12.5e9;

/**
 * Takes one record into the state of its session (null: first heard of). The order of records of one session is that of
 * (Acct-Session-Time, counters): what is behind the state changes nothing, what equals it is a duplicate, what is ahead
 * adds the difference. A counter that falls has wrapped (32 bits, no Gigawords ever, from above 2^31 to below it) or was
 * reset, and then counts from zero. A Stop closes whatever it says; after it usage is still taken, but nothing reopens the
 * session, unless its end was only assumed by us.
 */
export function foldSession(state: SessionState | null, record: SessionRecord): Fold {
  if (state === null) return firstHeard(record);
  const seconds = record.sessionSeconds ?? Math.max(state.seconds, wholeSeconds(record.at - state.startedAt));
  const up = record.octets?.up ?? state.rawUp;
  const down = record.octets?.down ?? state.rawDown;
  const order = seconds - state.seconds || fallen(state, up, down);
  if (order < 0) return stop(state, record, 'stale');
  if (order === 0 && up === state.rawUp && down === state.rawDown) return stop(state, record, 'duplicate');

  let flags = state.flags;
  if (record.gigawords) flags = withFlag(flags, 'gigawords');
  const upFlag = fallenFlag(state.rawUp, up, flags);
  const downFlag = fallenFlag(state.rawDown, down, flags);
  const upBytes = added(state.rawUp, up, upFlag);
  const downBytes = added(state.rawDown, down, downFlag);
  if (upFlag !== null) flags = withFlag(flags, upFlag);
  if (downFlag !== null) flags = withFlag(flags, downFlag);
  if (upBytes + downBytes > IMPLAUSIBLE_BYTES_PER_SECOND * Math.max(60, seconds - state.seconds)) {
    flags = withFlag(flags, 'implausible');
  }
  const assumed = state.endedAt !== null && flags.includes('assumed-ended');
  const reopens = assumed && record.status !== 'stop';
  if (reopens) flags = withFlag(withoutFlag(flags, 'assumed-ended'), 'reopened');
  else if (state.endedAt !== null && !assumed) flags = withFlag(flags, 'late');
  const advanced: SessionState = {
    startedAt: state.startedAt,
    heardAt: Math.max(state.heardAt, record.at),
    seconds,
    upBytes: Math.min(state.upBytes + upBytes, Number.MAX_SAFE_INTEGER),
    downBytes: Math.min(state.downBytes + downBytes, Number.MAX_SAFE_INTEGER),
    rawUp: up,
    rawDown: down,
    endedAt: reopens ? null : state.endedAt,
    cause: reopens ? null : state.cause,
    flags,
  };
  const used = { upBytes: advanced.upBytes - state.upBytes, downBytes: advanced.downBytes - state.downBytes };
  if (reopens) return { state: advanced, effect: 'reopened', ...used };
  return { ...stop(advanced, record, 'advanced'), ...used };
}

/** The session is over as far as we can tell, since it was last heard of; a sign of life from it takes that back. */
export function assumeEnded(state: SessionState, cause: string): SessionState {
  if (state.endedAt !== null) return state;
  return { ...state, endedAt: state.heardAt, cause, flags: [...state.flags, 'assumed-ended'] };
}

/** When the session began by a record's own account. */
export function impliedStart(record: SessionRecord): Instant {
  return record.at - (record.sessionSeconds ?? 0) * 1000;
}

function firstHeard(record: SessionRecord): Fold {
  const up = record.octets?.up ?? 0;
  const down = record.octets?.down ?? 0;
  const seconds = record.sessionSeconds ?? 0;
  const flags: SessionFlag[] = [];
  if (record.gigawords) flags.push('gigawords');
  if (up + down > IMPLAUSIBLE_BYTES_PER_SECOND * Math.max(60, seconds)) flags.push('implausible');
  const upBytes = Math.min(up, Number.MAX_SAFE_INTEGER);
  const downBytes = Math.min(down, Number.MAX_SAFE_INTEGER);
  const state: SessionState = {
    startedAt: impliedStart(record),
    heardAt: record.at,
    seconds,
    upBytes,
    downBytes,
    rawUp: up,
    rawDown: down,
    endedAt: record.status === 'stop' ? record.at : null,
    cause: record.status === 'stop' ? record.cause : null,
    flags,
  };
  return { state, effect: 'new', upBytes, downBytes };
}

/** The record's end, when it is a Stop and the state has none, or only an assumed one. */
function stop(state: SessionState, record: SessionRecord, otherwise: 'advanced' | 'duplicate' | 'stale'): Fold {
  const assumed = state.flags.includes('assumed-ended');
  if (record.status !== 'stop' || (state.endedAt !== null && !assumed)) {
    return { state, effect: otherwise, upBytes: 0, downBytes: 0 };
  }
  const ended: SessionState = {
    ...state,
    endedAt: Math.max(record.at, state.startedAt),
    cause: record.cause,
    flags: assumed ? withoutFlag(state.flags, 'assumed-ended') : state.flags,
  };
  return { state: ended, effect: 'ended', upBytes: 0, downBytes: 0 };
}

/** At the same second of the session, lower counters are an older view of it, not a reset. */
const fallen = (state: SessionState, up: number, down: number): number =>
  up < state.rawUp || down < state.rawDown ? -1 : 0;

/** What it means that a counter fell; null when it did not. */
function fallenFlag(before: number, now: number, flags: readonly SessionFlag[]): 'wrapped' | 'reset' | null {
  if (now >= before) return null;
  return !flags.includes('gigawords') && before >= TWO_31 && before < TWO_32 && now < TWO_31 ? 'wrapped' : 'reset';
}

function added(before: number, now: number, fell: 'wrapped' | 'reset' | null): number {
  if (fell === null) return now - before;
  return fell === 'wrapped' ? now + TWO_32 - before : now;
}

/** The old array when nothing changes, so that "did the flags change" is a comparison of references. */
const withFlag = (flags: readonly SessionFlag[], flag: SessionFlag): readonly SessionFlag[] =>
  flags.includes(flag) ? flags : [...flags, flag];

const withoutFlag = (flags: readonly SessionFlag[], flag: SessionFlag): readonly SessionFlag[] =>
  flags.filter((other) => other !== flag);

const wholeSeconds = (ms: number): number => Math.max(0, Math.floor(ms / 1000));
