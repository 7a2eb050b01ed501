import type { Job } from '#jobs/job';

/** What `queue` did: how many reminders it queued, how many that waited it took back. */
type Queued = Readonly<Record<'endingSoon' | 'ended' | 'quota' | 'outdated', number>>;

/** Every minute subscribers are told what they should know by now; `queue` finds out and puts it into the outbox. */
export const remindersJob = (queue: (signal: AbortSignal) => Promise<Queued>): Job => ({
  name: 'reminders',
  everySeconds: 60,
  scope: 'cluster',
  run: async (signal) => {
    const { endingSoon, ended, quota, outdated } = await queue(signal);
    const done = [
      [endingSoon, 'of packages that end soon'],
      [ended, 'of ended packages'],
      [quota, 'of used quota'],
      [outdated, 'taken back'],
    ].filter(([count]) => count !== 0);
    return done.length === 0 ? null : `reminders: ${done.map((part) => part.join(' ')).join(', ')}`;
  },
});
