import { DROP_REASONS, type DropReason, REJECT_REASONS, type RejectReason } from '#radius/worker-messages';

/** What happened since the start, counted by its reason. Never reset: whoever reads takes differences. */
export class Counters {
  accepts = 0;
  /** Answers to FreeRADIUS' rlm_rest that let in whoever has the password. */
  restAuthorized = 0;
  /** HTTP requests that got no answer of use: without the token, malformed, of an unknown NAS, while we cannot know. */
  restRefused = 0;
  duplicatesAnswered = 0;
  accountingReceived = 0;
  accountingAnswered = 0;
  statusServerAnswered = 0;
  readonly rejects = zeros<RejectReason>(REJECT_REASONS);
  readonly drops = zeros<DropReason>(DROP_REASONS);

  get rejected(): number {
    return Object.values(this.rejects).reduce((sum, count) => sum + count, 0);
  }

  get dropped(): number {
    return Object.values(this.drops).reduce((sum, count) => sum + count, 0);
  }
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
