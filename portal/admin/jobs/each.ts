import { InvalidInput, Unavailable } from '#domain/errors';
import type { MadePin, TaskResult, TaskWork } from '#portal/admin/jobs/tasks';

/** What came of one line. */
export type One = {
  readonly username: string;
  readonly changed: boolean;
  readonly pin?: MadePin;
  /** Why it was left out; not given = it was so already. */
  readonly why?: string;
};

/** Of those not reached before somebody stopped it. */
export const STOPPED = 'stopped';
/** Of those that were so already. */
export const UNCHANGED = 'unchanged';

/** One line after the other; what one of them cannot take is told at the end and holds up nobody else. */
export function eachOf(ids: readonly number[], act: (id: number) => Promise<One>): TaskWork {
  return async (report, signal) => {
    const pins: MadePin[] = [];
    const skipped: TaskResult['skipped'][number][] = [];
    let changed = 0;
    for (const [at, id] of ids.entries()) {
      if (signal.aborted) {
        skipped.push(...ids.slice(at).map(() => ({ username: '', why: STOPPED })));
        break;
      }
      try {
        const one = await act(id);
        if (one.pin !== undefined) pins.push(one.pin);
        if (one.changed) changed += 1;
        else skipped.push({ username: one.username, why: one.why ?? UNCHANGED });
      } catch (error) {
        if (!(error instanceof InvalidInput) && !(error instanceof Unavailable)) throw error;
        skipped.push({ username: `#${id}`, why: error.message });
      }
      report(at + 1);
    }
    return { changed, pins, skipped };
  };
}
