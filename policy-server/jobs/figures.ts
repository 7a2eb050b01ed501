import type { Clock } from '#domain/clock';
import type { Job } from '#jobs/job';
import { slotOf } from '#jobs/run-slot';
import { countFigure, FIGURE_SECONDS, saveFigure } from '#storage/dashboard';
import type { Database } from '#storage/database';

/**
 * Every five minutes counts how many subscribers stand how, for the charts. What was not counted while everything was
 * down stays a gap: nobody knows what it was.
 */
export const figuresJob = (db: Database, clock: Clock): Job => ({
  name: 'figures',
  everySeconds: FIGURE_SECONDS,
  scope: 'cluster',
  run: async () => {
    const now = clock();
    await saveFigure(db, slotOf(now, FIGURE_SECONDS), await countFigure(db, now));
    return null;
  },
});
