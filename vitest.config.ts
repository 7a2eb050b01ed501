import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

export const config = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/setup.ts'],
    pool: 'forks', // processes: a test may kill, and a native fault takes only its own file down
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
  },
});

export default config;
