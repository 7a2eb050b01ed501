import type { Job } from '#jobs/job';

/** What `run` did: whom it told of a charge, who was paid for, who could not be, and of whom it is not known yet. */
type Ran = Readonly<Record<'told' | 'paid' | 'failed' | 'inDoubt', number>>;

/** Every minute whoever chose auto-pay is charged when it is time; `run` finds out and does it. */
export const autoPayJob = (run: (signal: AbortSignal) => Promise<Ran>): Job => ({
  name: 'auto-pay',
  everySeconds: 60,
  scope: 'cluster',
  run: async (signal) => {
    const { told, paid, failed, inDoubt } = await run(signal);
    return summary('auto-pay', [
      [told, 'told'],
      [paid, 'paid'],
      [failed, 'failed'],
      [inDoubt, 'not known yet'],
    ]);
  },
});

/** What `queue` did, by notice. */
type Queued = Readonly<Record<'invoice-issued' | 'invoice-due' | 'invoice-overdue' | 'outdated', number>>;

/** Every minute subscribers are told of their invoices. */
export const billNoticesJob = (queue: (signal: AbortSignal) => Promise<Queued>): Job => ({
  name: 'bill-notices',
  everySeconds: 60,
  scope: 'cluster',
  run: async (signal) => {
    const queued = await queue(signal);
    return summary('notices of invoices', [
      [queued['invoice-issued'], 'issued'],
      [queued['invoice-due'], 'due soon'],
      [queued['invoice-overdue'], 'overdue'],
      [queued.outdated, 'taken back'],
    ]);
  },
});

function summary(of: string, counts: readonly (readonly [number, string])[]): string | null {
  const done = counts.filter(([count]) => count !== 0).map((part) => part.join(' '));
  return done.length === 0 ? null : `${of}: ${done.join(', ')}`;
}
