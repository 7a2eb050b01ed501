import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FromRadiusWorker, RadiusWorkerSettings, ToRadiusWorker } from '#radius/worker-messages';

type Kind = FromRadiusWorker['kind'];
export type Message<K extends Kind> = Extract<FromRadiusWorker, { kind: K }>;

/** A RADIUS worker thread as `main` runs it. */
export class RunningWorker {
  readonly #worker: Worker;
  readonly heard: FromRadiusWorker[] = [];
  #wake: (() => void)[] = [];

  constructor(settings: RadiusWorkerSettings) {
    const file = fileURLToPath(new URL('../../policy-server/radius-worker.ts', import.meta.url));
    this.#worker = new Worker(file, { workerData: settings, execArgv: [] });
    this.#worker.on('message', (message: FromRadiusWorker) => {
      this.heard.push(message);
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  tell(message: ToRadiusWorker): void {
    this.#worker.postMessage(message);
  }

  /** The first message of a kind (that fits), now or to come. */
  async hear<K extends Kind>(kind: K, fits: (message: Message<K>) => boolean = () => true): Promise<Message<K>> {
    for (;;) {
      const found = this.heard.find((one): one is Message<K> => one.kind === kind && fits(one as Message<K>));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Waits until everything told so far has been taken: messages and datagrams come by different ways. */
  async settled(): Promise<void> {
    const before = this.heard.length;
    this.tell({ kind: 'export' });
    await this.hear('exported', (one) => one.last && this.heard.indexOf(one) >= before);
  }

  async stop(): Promise<void> {
    const exited = once(this.#worker, 'exit');
    this.tell({ kind: 'stop' });
    await exited;
  }
}
