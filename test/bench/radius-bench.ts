import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { defaultPolicy } from '#domain/policy';
import { onlyPolicy } from '#domain/rollout';
import type { FromRadiusWorker, RadiusWorkerSettings, RestDoorAt, ToRadiusWorker } from '#radius/worker-messages';
import type { LoadPlan, LoadResult } from '#test/bench/radius-load';
import { subscriber } from '#test/bench/subscribers';

/** What the RADIUS benches share: a real worker thread and the load generator's process. */

export const SECRET = 'a-secret-of-some-length-0123456789';

export type RunningWorker = {
  readonly authPort: number;
  readonly acctPort: number;
  /** null = the HTTP door is closed. */
  readonly restPort: number | null;
  stop(): Promise<void>;
};

/** A worker as `main` starts it, with so many subscribers put. */
export async function startWorker(subscribers: number, rest: RestDoorAt | null = null): Promise<RunningWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const settings: RadiusWorkerSettings = {
    worker: 0,
    hosts: ['127.0.0.1'],
    authPort: 0,
    acctPort: 0,
    reusePort: false,
    journalFolder: join(folder, 'journal'),
    rest,
  };
  const file = fileURLToPath(new URL('../../policy-server/radius-worker.ts', import.meta.url));
  const worker = new Worker(file, { workerData: settings });
  const tell = (message: ToRadiusWorker): void => worker.postMessage(message);
  const ready = await new Promise<Extract<FromRadiusWorker, { kind: 'ready' }>>((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (message: FromRadiusWorker) => {
      if (message.kind === 'ready') resolve(message);
      if (message.kind === 'log') console.error(message.line);
    });
  });
  tell({ kind: 'nases', nases: [NAS] });
  tell({ kind: 'policy', policies: onlyPolicy(defaultPolicy('Asia/Jakarta')) });
  const now = Date.now();
  for (let from = 0; from < subscribers; from += 5000) {
    const many = Math.min(5000, subscribers - from);
    tell({ kind: 'subscribers', subscribers: Array.from({ length: many }, (_, i) => subscriber(from + i, now)) });
  }
  tell({ kind: 'snapshotDone' });
  return {
    authPort: ready.authPort,
    acctPort: ready.acctPort,
    restPort: ready.restPort,
    stop: async () => {
      const exited = once(worker, 'exit');
      tell({ kind: 'stop' });
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const NAS = {
  id: 1,
  name: 'pop-1',
  tags: [],
  address: '127.0.0.0/8',
  secret: SECRET,
  messageAuthenticator: 'auto',
  messageAuthenticatorSeen: false,
  swapOctets: false,
} as const;

/** Runs the load generator to its end. */
export async function load(plan: LoadPlan): Promise<LoadResult> {
  const child = fork(fileURLToPath(new URL('radius-load.ts', import.meta.url)), { execArgv: [] });
  const result = once(child, 'message');
  child.send(plan);
  const [answer] = (await result) as [LoadResult];
  return answer;
}
