/**
 * What the RADIUS side sees of a router without asking it: counts over a span of time, and when it last showed what. The
 * RADIUS workers, the accounting intake and enforcement count; `nas-doctor.ts` reads it.
 */
import type { Instant } from '#domain/time';

/** One word for each column of `nas_signs`, in the order of the table. */
export const NAS_COUNTS = [
  /** Access-Requests answered, each once, and how. */
  'accepted',
  'rejected',
  /** Access-Requests with a Message-Authenticator that holds, and without any; those of the latter that we had to drop. */
  'signed',
  'unsigned',
  'unsignedDropped',
  /** PAP passwords that come out as text under our secret, and as garbage. */
  'papReadable',
  'papGarbled',
  /** Requests that our secret does not bear out: Message-Authenticators, and authenticators of accounting. */
  'authForged',
  'acctForged',
  /** Accounting-Requests taken, each once; those of them the router says it has sent before (Acct-Delay-Time). */
  'accounted',
  'delayed',
  /** The same request again, octet for octet: see `RouterSigns.again`. */
  'againQueued',
  'againHeld',
  'againUnwritten',
  'againSoon',
  'againLate',
  /** The same accounting again under another Identifier. */
  'repeated',
  /** Usage between two interims, of lines that were busy: under the rate that was told, and over it; last told by CoA, or by the Access-Accept. */
  'rateKept',
  'rateExceeded',
  'coaKept',
  'coaExceeded',
  /** CoA, Disconnect and probes: acknowledged, answered otherwise, not answered. */
  'coaAcknowledged',
  'coaRefused',
  'coaSilent',
] as const;
export type NasCount = (typeof NAS_COUNTS)[number];
export type NasCounts = Readonly<Record<NasCount, number>>;

export const noCounts = (): Record<NasCount, number> =>
  Object.fromEntries(NAS_COUNTS.map((name) => [name, 0])) as Record<NasCount, number>;

/** When a router last did what tells something; null = never, as far as is known. */
export const NAS_INSTANTS = ['authAt', 'acctAt', 'rightAt', 'wrongAt', 'signedAt', 'unsignedAt'] as const;
export type NasInstants = Readonly<Record<(typeof NAS_INSTANTS)[number], Instant | null>>;

/** How far a router's clock is ahead of ours, in milliseconds (negative: behind), by Event-Timestamp. */
export type ClockSkew = { readonly ms: number; readonly at: Instant };

/** What was seen of one router, an address that a NAS speaks from, since it was last told. */
export type NasSigns = NasInstants & {
  readonly nasId: number;
  readonly nasAddress: string;
  readonly counts: Partial<NasCounts>;
  /** Seconds from one interim of a session to its next, by its own clock: counts in the buckets of `gapBucket`; empty = none. */
  readonly gaps: readonly number[];
  /** NAS-Identifier, for people; null = not heard. */
  readonly identity: string | null;
  readonly skew: ClockSkew | null;
};

/** Signs of nothing yet. */
export const noSigns = (nasId: number, nasAddress: string): NasSigns => ({
  nasId,
  nasAddress,
  counts: {},
  gaps: [],
  identity: null,
  skew: null,
  ...(Object.fromEntries(NAS_INSTANTS.map((name) => [name, null])) as NasInstants),
});

/** Both together: counts added, the later of instants. */
export function addSigns(one: NasSigns, other: NasSigns): NasSigns {
  const counts: Partial<Record<NasCount, number>> = { ...one.counts };
  for (const [name, count] of Object.entries(other.counts) as [NasCount, number][])
    counts[name] = (counts[name] ?? 0) + count;
  const instants = Object.fromEntries(NAS_INSTANTS.map((name) => [name, later(one[name], other[name])]));
  const newer = (other.skew?.at ?? Number.NEGATIVE_INFINITY) >= (one.skew?.at ?? Number.NEGATIVE_INFINITY);
  return {
    ...one,
    ...(instants as NasInstants),
    counts,
    gaps: addGaps(one.gaps, other.gaps),
    identity: other.identity ?? one.identity,
    skew: newer ? other.skew : one.skew,
  };
}

export const later = (one: Instant | null, other: Instant | null): Instant | null =>
  one === null ? other : other === null ? one : Math.max(one, other);

export function addGaps(one: readonly number[], other: readonly number[]): readonly number[] {
  if (one.length === 0 || other.length === 0) return one.length === 0 ? other : one;
  return one.map((count, bucket) => count + (other[bucket] ?? 0));
}

/** Buckets grow by 7 %, from 10 s to some five hours: a tenth more or less of an interval is another bucket. */
export const GAP_BUCKETS = 112;
const FIRST_GAP_SECONDS = 10;
const GAP_GROWTH = Math.log(1.07);

export function gapBucket(seconds: number): number {
  const bucket = Math.round(Math.log(Math.max(seconds, FIRST_GAP_SECONDS) / FIRST_GAP_SECONDS) / GAP_GROWTH);
  return Math.min(bucket, GAP_BUCKETS - 1);
}

/** The middle of a bucket. */
export const gapSeconds = (bucket: number): number => FIRST_GAP_SECONDS * Math.exp(bucket * GAP_GROWTH);
