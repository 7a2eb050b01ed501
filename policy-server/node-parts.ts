import type { Gateways } from '#domain/gateway';
import { within } from '#domain/patience';
import type { HttpServer } from '#http/server';
import type { Schedule } from '#jobs/schedule';
import type { AcsSide } from '#policy-server/acs-side';
import type { ClockSide } from '#policy-server/clock-side';
import type { DatabaseSide } from '#policy-server/database-side';
import type { DirectorySide } from '#policy-server/directory-side';
import type { EnforcementSide } from '#policy-server/enforcement-side';
import type { IntakeSide } from '#policy-server/intake-side';
import type { MessagesSide } from '#policy-server/messages-side';
import type { PaymentsSide } from '#policy-server/payments-side';
import type { RadiusSide } from '#policy-server/radius-side';
import type { RejectRecorder } from '#policy-server/rejects-side';
import type { SignsRecorder } from '#policy-server/signs-side';
import type { StaticSide } from '#policy-server/static-side';
import type { StatusProbe } from '#policy-server/status-probe';
import type { Database } from '#storage/database';
import type { DataDirLock } from '#storage/lock';
import type { Sealer } from '#storage/secrets';

/** The parts of a running node, each null until it is started: what health and metrics look at and what stop stops. */
export type NodeParts = {
  lock: DataDirLock | null;
  database: DatabaseSide | null;
  http: HttpServer | null;
  radius: RadiusSide | null;
  rejects: RejectRecorder | null;
  signs: SignsRecorder | null;
  probe: StatusProbe | null;
  directory: DirectorySide | null;
  db: Database | null;
  clock: ClockSide | null;
  sealer: Sealer | null;
  gateways: Gateways | null;
  /** The company's zone in force. */
  zone: string | null;
  intake: IntakeSide | null;
  staticLines: StaticSide | null;
  enforcement: EnforcementSide | null;
  schedule: Schedule | null;
  messages: MessagesSide | null;
  payments: PaymentsSide | null;
  acs: AcsSide | null;
};

export const noParts = (): NodeParts => ({
  lock: null,
  database: null,
  http: null,
  radius: null,
  rejects: null,
  signs: null,
  probe: null,
  directory: null,
  db: null,
  clock: null,
  sealer: null,
  gateways: null,
  zone: null,
  intake: null,
  staticLines: null,
  enforcement: null,
  schedule: null,
  messages: null,
  payments: null,
  acs: null,
});

const SAVE_PATIENCE_MS = 10_000;

/**
 * Stops what was started, so that nothing is promised any more before what keeps promises goes: the directory is written
 * down for a next start without the database, RADIUS takes nothing
 * new and its journal is flushed; then the doors, the clocks, the loop, the intake, and the database last. Each gets its
 * turn whatever the one before it did; returns what went wrong.
 */
export async function stopParts(parts: NodeParts): Promise<unknown[]> {
  const failures: unknown[] = [];
  const steps: (() => Promise<unknown> | undefined)[] = [
    () => saveDirectory(parts),
    () => parts.radius?.stop(),
    () => parts.rejects?.stop(),
    () => parts.http?.stop(),
    () => parts.schedule?.stop(),
    () => parts.messages?.stop(),
    () => parts.payments?.stop(),
    () => parts.acs?.stop(),
    () => parts.enforcement?.stop(),
    () => parts.staticLines?.stop(),
    () => parts.intake?.stop(),
    () => parts.directory?.stop(),
    () => parts.signs?.stop(),
    async () => parts.clock?.stop(),
    () => parts.db?.close(),
    () => parts.database?.stop(),
    async () => parts.lock?.release(),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

/** Not longer than a little: the copy of some minutes ago does as well. */
async function saveDirectory({ directory, radius }: NodeParts): Promise<void> {
  if (directory === null || radius === null) return;
  await within(directory.save(radius.exportChunks()), SAVE_PATIENCE_MS);
}
