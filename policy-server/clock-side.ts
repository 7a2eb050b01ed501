import { clockCorrectionMs, correctClock, machineClock, monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { SECOND } from '#domain/time';
import type { Log } from '#policy-server/log';
import { type Database, databaseTime } from '#storage/database';

/** What keeps this node's clock with that of the others. */
export type ClockSide = { stop(): void };

const LOOK_EVERY_MS = 5 * SECOND;
const TICK_MS = SECOND / 2;
/** Less than this does no harm, and is about what a slow answer makes uncertain. */
const TOLERATED_MS = 2 * SECOND;

/**
 * Claims, expiries and windows of time are decided by whichever node looks: all of them must mean the same by "now".
 * What they have in common is the database, so a machine whose clock is off by more than 2 s (no NTP, an empty battery)
 * goes by the database's until it is right. It is looked at before anything is decided, each 5 s, and within half a second of
 * a jump. While the database is away the last correction stands. `onCorrected` is told when the time was another.
 */
export async function startClock(db: Database, log: Log, onCorrected: () => void): Promise<ClockSide> {
  await alignClock(db, log);
  let lookedAtMs = monotonicMs();
  let machineAhead = machineClock() - monotonicMs();
  const timer = setInterval(() => {
    const ahead = machineClock() - monotonicMs();
    const jumped = Math.abs(ahead - machineAhead) > TOLERATED_MS;
    machineAhead = ahead;
    if (!jumped && monotonicMs() - lookedAtMs < LOOK_EVERY_MS) return;
    lookedAtMs = monotonicMs();
    alignClock(db, log, onCorrected).catch((error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
    });
  }, TICK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

/** Looks once. Throws `Unavailable`. */
export async function alignClock(
  db: Database,
  log: { info(says: string): void; warn(says: string): void },
  onCorrected: () => void = () => undefined,
): Promise<void> {
  const askedMs = monotonicMs();
  const at = await databaseTime(db);
  const tookMs = monotonicMs() - askedMs;
  if (tookMs > TOLERATED_MS) return; // it may mean any moment in between
  const behindMs = Math.round(at + tookMs / 2 - machineClock());
  const wanted = Math.abs(behindMs) > TOLERATED_MS ? behindMs : 0;
  if (Math.abs(wanted - clockCorrectionMs()) <= TOLERATED_MS / 2) return;
  correctClock(wanted);
  if (wanted === 0) log.info("this machine's clock is right again");
  else
    log.warn(
      `this machine's clock is ${Math.abs(Math.round(wanted / SECOND))} s ${wanted < 0 ? 'ahead of' : 'behind'} the database's, by which all nodes go: set it right (NTP)`,
    );
  onCorrected();
}
