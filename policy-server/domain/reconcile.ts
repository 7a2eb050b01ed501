import type { Decision } from '#domain/decision';
import type { Instant } from '#domain/time';

/**
 * What a NAS was told about one session and acknowledged, in two canonical lines: `live` is what a CoA can change
 * (rate and address-list), `fixed` what only a new dial can (profile, pool, extra attributes). Two decisions that would
 * tell the NAS the same thing have equal lines.
 */
export type Told = { readonly live: string; readonly fixed: string };

/** One live session as accounting and acknowledgements show it. */
export type ObservedSession = {
  readonly sessionId: number;
  readonly nasId: number;
  /** What the NAS last acknowledged for it; null when we never knew (it began before us, or without our Class). */
  readonly told: Told | null;
  /** A Disconnect was acknowledged at this instant and no accounting has come since; null otherwise. */
  readonly endingSince: Instant | null;
};

/** What has to be done so that the network is as decided. */
export type Action = {
  readonly do: 'keep' | 'coa' | 'disconnect';
  readonly sessionId: number;
  readonly nasId: number;
  /** One line for logs and pages. */
  readonly reason: string;
};

export type { Decision };
