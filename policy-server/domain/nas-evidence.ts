import type { ClockSkew, NasCount, NasCounts, NasInstants } from '#domain/nas-signs';
import type { NasVendor } from '#domain/policy';
import { type Instant, MINUTE } from '#domain/time';

/** What is known of a router, and the shape of what is found about it (`nas-doctor.ts`). */

export const FINDING_CODES = [
  'heard',
  'secret',
  'signed',
  'accounting',
  'interim',
  'gaps',
  'resends',
  'coa',
  'coa-effect',
  'rate',
  'redial',
  'clock',
  'direction',
  'address',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

export const FINDING_LEVELS = ['bad', 'warn', 'ok', 'unknown'] as const;
export type FindingLevel = (typeof FINDING_LEVELS)[number];

export type Finding = {
  readonly code: FindingCode;
  readonly level: FindingLevel;
  /** In words that are marked for translation. */
  readonly says: string;
  /** A RouterOS line for its terminal; null where nothing is to be done, or not on the router. */
  readonly fix: string | null;
};

/** Counts of a span of time up to now. */
export type Counted = { readonly counts: NasCounts; readonly gaps: readonly number[] };

/** What is known of one router. */
export type RouterEvidence = {
  readonly at: Instant;
  /** Says an instant in the company's zone. */
  readonly when: (at: Instant) => string;
  readonly nas: {
    readonly name: string;
    readonly vendor: NasVendor;
    readonly coaPort: number;
    readonly messageAuthenticator: 'required' | 'auto' | 'off';
    readonly messageAuthenticatorSeen: boolean;
    readonly swapOctets: boolean;
  };
  /** Null: nothing was ever heard from this address. */
  readonly known: (NasInstants & { readonly skew: ClockSkew | null }) | null;
  readonly lastHour: Counted;
  readonly lastDay: Counted;
  /** The interims that the policy in force asks for, in seconds; never empty. */
  readonly askedSeconds: readonly number[];
  readonly sessions: {
    readonly live: number;
    /** Silent for longer than a lost interim or two explain. */
    readonly silent: number;
    readonly reported: number;
    readonly withoutAddress: number;
    readonly downloading: number;
    readonly uploading: number;
  };
  /** Acknowledged Disconnects of the last day. */
  readonly disconnects: { readonly acknowledged: number; readonly survived: number; readonly redialled: number };
  /** What it answered just now; null = it was not asked. */
  readonly probe: Probe | null;
};

/** What a router answered to CoA-Requests that only name a session and change nothing, at its port and at the other usual one. */
export type Probe = {
  readonly is: 'answered' | 'forged' | 'silent' | 'not-sent';
  /** What it said, or why nothing could be sent. */
  readonly said: string;
  /** Where it answered although it is entered with another port. */
  readonly otherPort: number | null;
};

/** The counts of the last hour where it holds enough of them to go by, else of the last day. */
export function recent(evidence: RouterEvidence, names: readonly NasCount[], enough: number): Counted {
  const { lastHour, lastDay } = evidence;
  return names.reduce((sum, name) => sum + lastHour.counts[name], 0) >= enough ? lastHour : lastDay;
}

/** A router that is silent for so long is down, or does not reach us: three interims and a minute, a quarter of an hour at least. */
export const silentAfterMs = (askedSeconds: readonly number[]): number =>
  Math.max((3 * Math.max(...askedSeconds) + 60) * 1000, 15 * MINUTE);
