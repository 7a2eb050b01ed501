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
};
