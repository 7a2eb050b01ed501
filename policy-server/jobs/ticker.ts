import { parentPort } from 'node:worker_threads';

// The worker is only a clock: it says that it is time and ends when the main thread has heard it. The work itself is done
// there, with its database and under its lock (Bree waits for ever for a worker that ignores 'cancel').
type FromMain = 'finished' | 'cancel';

parentPort?.on('message', (message: FromMain) => {
  parentPort?.postMessage(message === 'cancel' ? 'cancelled' : 'done');
});
parentPort?.postMessage('tick');
