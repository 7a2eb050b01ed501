import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { defaultPolicy } from '#domain/policy';
import { onlyPolicy } from '#domain/rollout';
import { Directory } from '#radius/directory';
import type { Row } from '#test/bench/report';
import { subscriber, username } from '#test/bench/subscribers';

/**
 * A million subscribers in a directory, filled in batches that went through the structured clone as messages to a worker
 * do, each dialled once so that its answer is cached too. In a process of its own, which says what it grew by.
 */

const SUBSCRIBERS = 1_000_000;
const BATCH = 5000;

type Measured = { readonly octetsEach: number; readonly residentOctetsEach: number; readonly seconds: number };

export async function run(): Promise<Row[]> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: ['--expose-gc', '--max-old-space-size=4096'] });
  child.send('measure');
  const [measured] = (await once(child, 'message')) as [Measured];
  return [
    { name: 'directory, a subscriber', value: measured.octetsEach, unit: 'B', goal: 700, higherIsBetter: false },
    { name: 'directory, growth of the process', value: measured.residentOctetsEach, unit: 'B', higherIsBetter: false },
    { name: 'directory, a million loaded', value: measured.seconds, unit: 's', goal: 20, higherIsBetter: false },
  ];
}

function measure(): Measured {
  const now = Date.now();
  const directory = new Directory();
  directory.setPolicies(onlyPolicy(defaultPolicy('Asia/Jakarta')));
  collect();
  const before = process.memoryUsage();
  let loadingMs = 0;
  for (let from = 0; from < SUBSCRIBERS; from += BATCH) {
    const batch = serialize(Array.from({ length: BATCH }, (_, i) => subscriber(from + i, now)));
    const start = performance.now();
    directory.put(deserialize(batch));
    loadingMs += performance.now() - start;
  }
  const nas = { id: 1, facts: { name: 'pop-1', tags: [], vendor: 'mikrotik' as const } };
  for (let i = 0; i < SUBSCRIBERS; i += 1) directory.answer(directory.find(username(i))!, nas, now);
  collect();
  const after = process.memoryUsage();
  const inUse = after.heapUsed + after.external - before.heapUsed - before.external;
  return {
    octetsEach: inUse / directory.size,
    // With what the collector keeps for itself after the loading.
    residentOctetsEach: (after.rss - before.rss) / directory.size,
    seconds: loadingMs / 1000,
  };
}

function collect(): void {
  globalThis.gc?.();
  globalThis.gc?.();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', () => {
    process.send?.(measure(), () => process.disconnect());
  });
}
