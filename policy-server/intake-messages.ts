import type { NasSigns } from '#domain/nas-signs';

/** What the main thread and the accounting intake say to each other. Types only. */

/** Handed to the worker thread when it is started (`workerData`). */
export type IntakeSettings = {
  readonly databaseUrl: string;
  /** The folder whose sub-folders are the journals of this node's RADIUS workers, also of ones that run no more. */
  readonly journalsFolder: string;
  /** The company's zone: a day of usage is a local day. */
  readonly zone: string;
  /** The longest interim interval sessions are given; 600 if not given. */
  readonly interimSeconds?: number;
  /** Applied segments to keep in each journal all the same; none if not given. */
  readonly keepSegments?: number;
  /** Records in one transaction at most; 2000 if not given. */
  readonly batchRecords?: number;
};

/** main → intake */
export type ToIntake =
  /** There is more to read (a worker's `journalled`). It looks by itself, too, every 100 ms. */
  | { readonly kind: 'wake' }
  /** Finish the batch in hand, close, answer `stopped`. */
  | { readonly kind: 'stop' };

/** intake → main */
export type FromIntake =
  | { readonly kind: 'ready' }
  /** These subscribers are due at once (marked in the same commit): wake the loop. */
  | { readonly kind: 'woken'; readonly subscriberIds: readonly number[] }
  /** What accounting shows of routers, every few seconds. */
  | { readonly kind: 'nasSigns'; readonly signs: readonly NasSigns[] }
  /** Once a second. */
  | { readonly kind: 'metrics'; readonly metrics: IntakeMetrics }
  | { readonly kind: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly line: string }
  | { readonly kind: 'stopped' };

/** Counters since the start, and how things stand now. */
export type IntakeMetrics = {
  readonly recordsApplied: number;
  readonly batchesApplied: number;
  /** Requests that could not be used or applied: in the table `quarantine`. */
  readonly quarantined: number;
  /** Places in journals where records should have been and were not. Should be 0: look at the disk. */
  readonly damaged: number;
  /** Octets of half-written records at the ends of journals: after a crash, harmless. */
  readonly tornOctets: number;
  readonly segmentsDeleted: number;
  readonly sessionsAssumedEnded: number;
  readonly sessionsMoved: number;
  /** Octets of journal not applied yet. */
  readonly behindOctets: number;
  /** When the newest applied record came in; null before the first. */
  readonly appliedUpTo: number | null;
  readonly databaseReachable: boolean;
};
