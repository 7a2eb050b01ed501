import type { Decision } from '#domain/decision';
import type { NasVendor } from '#domain/policy';

/**
 * The port through which enforcement reaches a NAS. The loop knows no protocol: it asks for one of three things and gets
 * one of six answers, always as a value; an implementation never throws for what a NAS or the network does.
 */
export type NasDriver = {
  /** Make a live session as decided: rate and address-list, in the words of its NAS's make. Not for `denied`. */
  coa(session: DrivenSession, decision: Decision, vendor: NasVendor): Promise<Answer>;
  /** End the session; the line dials again and is answered afresh. */
  disconnect(session: DrivenSession): Promise<Answer>;
  /** Ask whether the session lives, and change nothing. */
  probe(session: DrivenSession): Promise<Answer>;
};

/** What identifies a session to its NAS. */
export type DrivenSession = {
  readonly nasId: number;
  /** Where its accounting comes from: which router, when the NAS is a block of addresses. */
  readonly nasAddress: string;
  readonly username: string;
  /** As the NAS sent it, octet for octet. */
  readonly acctSessionId: string;
  /** For a NAS that wants more to go by. */
  readonly framedIp: string | null;
  readonly mac: string | null;
};

/**
 * - `done`: the NAS acknowledged; later accounting has to bear it out.
 * - `gone`: the NAS knows no such session, and is known to say so only when that is true.
 * - `cannot`: the NAS will not do this to this session, however often it is asked.
 * - `later`: the NAS could not just now.
 * - `doubtful`: the NAS may mean `gone`, but has never yet acknowledged anything that would give its word weight.
 * - `silent`: no answer; whether it was carried out is unknown.
 */
export type Answer = {
  readonly is: 'done' | 'gone' | 'cannot' | 'later' | 'doubtful' | 'silent';
  /** What the NAS said, in words, for the record: `nak 503 session context not found`. */
  readonly said: string;
};
