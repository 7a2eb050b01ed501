import type { NasSigns } from '#domain/nas-signs';
import type { FromIntake, IntakeMetrics, IntakeSettings, ToIntake } from '#policy-server/intake-messages';
import type { Log } from '#policy-server/log';
import { superviseWorker } from '#policy-server/supervised-worker';

/** The accounting intake as the main thread sees it. */
export type IntakeSide = {
  wake(): void;
  metrics(): IntakeMetrics | null;
  restarts(): number;
  running(): boolean;
  stop(): Promise<void>;
};

const STOP_PATIENCE_MS = 10_000;

/** Starts the intake thread; `onWoken` gets the subscribers whom accounting has made due, `onNasSigns` what it shows of routers. */
export async function startIntake(
  settings: IntakeSettings,
  onWoken: (subscriberIds: readonly number[]) => void,
  onNasSigns: (signs: readonly NasSigns[]) => void,
  log: Log,
): Promise<IntakeSide> {
  let metrics: IntakeMetrics | null = null;
  const { worker, first } = superviseWorker<ToIntake, FromIntake>(
    {
      name: 'accounting intake',
      file: new URL('intake-worker.ts', import.meta.url),
      workerData: () => settings,
      onMessage: (message) => {
        if (message.kind === 'woken') onWoken(message.subscriberIds);
        else if (message.kind === 'nasSigns') onNasSigns(message.signs);
        else if (message.kind === 'metrics') metrics = message.metrics;
        else if (message.kind === 'log') log[message.level](`accounting intake: ${message.line}`);
      },
      onRestart: () => undefined,
      log,
    },
    (message) => message.kind === 'ready',
  );
  await first;
  return {
    wake: () => worker.post({ kind: 'wake' }),
    metrics: () => metrics,
    restarts: worker.restarts,
    running: worker.running,
    stop: () => worker.stop({ kind: 'stop' }, STOP_PATIENCE_MS),
  };
}
