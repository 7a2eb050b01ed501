import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '#storage/embedded';
import { migrate } from '#storage/migrate';

/** One embedded PostgreSQL for the whole run, in a folder that goes away with it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'gerbang-test-'));
  const embedded = await startEmbedded(join(folder, 'data'));
  await migrate(embedded.url);
  project.provide('templateUrl', embedded.url);
  return async () => {
    await embedded.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
