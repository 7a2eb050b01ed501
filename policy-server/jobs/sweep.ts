import type { Job } from '#jobs/job';

/**
 * Every five minutes every subscriber with a live session is made due, so that whatever was missed is made up for.
 * `sweep` marks them, spread over so many milliseconds, and returns how many it marked.
 */
export const sweepJob = (sweep: (spreadMs: number) => Promise<number>): Job => ({
  name: 'sweep',
  everySeconds: SWEEP_SECONDS,
  scope: 'cluster',
  run: async () => {
    await sweep((SWEEP_SECONDS * 1000) / 2);
    return null;
  },
});

const SWEEP_SECONDS = 300;
