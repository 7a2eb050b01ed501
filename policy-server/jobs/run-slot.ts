import { type Instant, SECOND } from '#domain/time';
import type { Job } from '#jobs/job';
import type { Database } from '#storage/database';
import { claimSlot } from '#storage/job-run';

/** A clock may fire some milliseconds early (Bree issue #241): that still belongs to the slot it was meant for. */
const EARLY_MS = 250;

/** The beginning of the slot that an instant belongs to. */
export function slotOf(at: Instant, everySeconds: number): Instant {
  const length = everySeconds * SECOND;
  return Math.floor((at + EARLY_MS) / length) * length;
}

/**
 * Runs a cluster job for a slot, if no node has yet. The slot counts as done when the work succeeded; if it throws, the
 * next tick tries again. Slots missed while everything was down are made up for by one run, for each job does all
 * there is to do.
 */
export async function runSlot(
  db: Database,
  job: Job,
  slot: Instant,
  signal: AbortSignal,
): Promise<{ outcome: 'done' | 'done-before' | 'busy-elsewhere'; said: string | null }> {
  let said: string | null = null;
  const outcome = await claimSlot(db, job.name, slot, async () => {
    said = await job.run(signal);
  });
  return { outcome, said };
}
