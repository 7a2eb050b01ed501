import type { Clock } from '#domain/clock';
import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';

/** What every operation stands on, and who is acting (`cli:root`, `system`, a staff name): it goes to the audit. */
export type Desk = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** The company's zone. */
  readonly zone: string;
  readonly actor: string;
  /** Where subscribers' browsers reach us, without a slash at the end: for links in messages and on slips. */
  readonly publicUrl: string;
};

/** The subscriber who acts in person, as the portal's pages let them; null for staff, a command or a job. */
export function actingSubscriber({ actor }: Pick<Desk, 'actor'>): number | null {
  const match = /^subscriber:(\d+)$/.exec(actor);
  return match === null ? null : Number(match[1]);
}
