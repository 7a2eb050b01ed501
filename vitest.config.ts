import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

/** What puts something in the place of a module, and what weighs its process, needs one that has loaded nothing else. */
const APART = [
  'test/operations/pins.test.ts',
  'test/radius-protocol/fuzz.test.ts',
  'test/radius-server/{duplicates,fuzz,packets}.test.ts',
];

export const config = defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/setup.ts'],
    pool: 'forks', // processes: a test may kill
    maxWorkers: 4, // of two cores: many a test waits
    sequence: { sequencer: LongestFirst },
    // Each is far quicker; a machine that is busy with something else must not fail it.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    // Less than the 5 s after which a node looks by itself: what is told by notification must be told.
    expect: { poll: { timeout: 4_000 } },
    reporters: ['default'],
    restoreMocks: true,
    projects: [
      // Files that run in one process one after another share what they import: a fifth less to do.
      { extends: true, test: { name: 'together', isolate: false, include: ['test/**/*.test.ts'], exclude: APART } },
      { extends: true, test: { name: 'apart', include: APART } },
    ],
  },
});

export default config;
