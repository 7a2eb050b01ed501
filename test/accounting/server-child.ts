import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { defaultPolicy } from '#domain/policy';
import { onlyPolicy } from '#domain/rollout';
import type { FromIntake, IntakeSettings } from '#policy-server/intake-messages';
import type { NasEntry } from '#radius/nas-table';
import type { FromRadiusWorker, RadiusWorkerSettings, ToRadiusWorker } from '#radius/worker-messages';

/**
 * The accounting path of the program as a process to be killed: the real RADIUS worker thread and the real intake thread,
 * in a process forked by a test. Sends its accounting port to its parent.
 */
export type ChildSettings = {
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly nas: NasEntry;
  /** Left out: no intake, records only gather in the journal. */
  readonly intake?: Omit<IntakeSettings, 'databaseUrl' | 'journalsFolder'>;
};

const { dataDir, databaseUrl, nas, intake } = JSON.parse(process.argv[2]!) as ChildSettings;
const journalsFolder = join(dataDir, 'journal');
const radiusSettings: RadiusWorkerSettings = {
  worker: 0,
  hosts: ['127.0.0.1'],
  authPort: 0,
  acctPort: 0,
  reusePort: false,
  journalFolder: join(journalsFolder, '0'),
};
const radius = new Worker(new URL('../../policy-server/radius-worker.ts', import.meta.url), {
  workerData: radiusSettings,
});
const tell = (message: ToRadiusWorker): void => radius.postMessage(message);

function startIntake(settings: NonNullable<ChildSettings['intake']>): Worker {
  const workerData: IntakeSettings = { ...settings, databaseUrl, journalsFolder };
  const worker = new Worker(new URL('../../policy-server/intake-worker.ts', import.meta.url), { workerData });
  worker.on('message', (message: FromIntake) => {
    if (message.kind === 'metrics') process.send?.({ metrics: message.metrics });
    if (message.kind === 'log') console.error(message.line);
  });
  return worker;
}

const applying = intake === undefined ? null : startIntake(intake);
radius.on('message', (message: FromRadiusWorker) => {
  if (message.kind === 'ready') {
    tell({ kind: 'policy', policies: onlyPolicy(defaultPolicy('Asia/Jakarta')) });
    tell({ kind: 'nases', nases: [nas] });
    tell({ kind: 'snapshotDone' });
    process.send?.({ acctPort: message.acctPort });
  }
  if (message.kind === 'journalled') applying?.postMessage({ kind: 'wake' });
  if (message.kind === 'log') console.error(message.line);
});
process.on('disconnect', () => process.exit());
