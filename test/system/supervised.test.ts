import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';
import { superviseWorker } from '#policy-server/supervised-worker';

const folder = mkdtempSync(join(tmpdir(), 'gerbang-worker-'));

function workerFile(name: string, code: string) {
  const file = join(folder, name);
  writeFileSync(file, `import { parentPort } from 'node:worker_threads';\n${code}`);
  return pathToFileURL(file);
}

const obedient = workerFile(
  'obedient.ts',
  `parentPort.postMessage('ready');
   parentPort.on('message', (message) => {
     if (message === 'crash') throw new Error('boom');
     if (message === 'stop') parentPort.close();
     if (message === 'hang') for (;;);
   });`,
);

function start(file: URL) {
  const heard: string[] = [];
  const log = { error: vi.fn() };
  const onRestart = vi.fn();
  const options = {
    name: 'worker',
    file,
    workerData: () => null,
    onMessage: (message: string) => heard.push(message),
    onRestart,
    log,
  };
  return { heard, log, onRestart, ...superviseWorker<string, string>(options, (message) => message === 'ready') };
}

test('a worker that crashes is started again, is counted and said, and is told to be empty', async () => {
  const { worker, first, heard, log, onRestart } = start(obedient);
  await first;
  worker.post('crash');
  await vi.waitFor(() => expect(heard).toEqual(['ready', 'ready']), { timeout: 30_000 });
  expect(worker.restarts()).toBe(1);
  expect(onRestart).toHaveBeenCalledTimes(1);
  expect(log.error.mock.calls[0]![1]).toBe('worker ended; it is started again in 100 ms');
  await worker.stop('stop', 5_000);
  expect(worker.running()).toBe(false);
});

test('one that cannot start at all is not tried for ever: its own error comes out', async () => {
  const { first, onRestart } = start(
    workerFile('broken.ts', `throw Object.assign(new Error('no port'), { code: 'EADDRINUSE', port: 1812 });`),
  );
  await expect(first).rejects.toMatchObject({ code: 'EADDRINUSE', port: 1812 });
  expect(onRestart).not.toHaveBeenCalled();
});

test('one that does not listen is ended all the same', async () => {
  const { worker, first } = start(obedient);
  await first;
  worker.post('hang');
  await worker.stop('stop', 200);
  expect(worker.running()).toBe(false);
});
