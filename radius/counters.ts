import { DROP_REASONS, type DropReason, REJECT_REASONS, type RejectReason } from '#radius/worker-messages';

/** What happened since the start, counted by its reason. Never reset: whoever reads takes differences. */
export class Counters {
  accepts = 0;
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
