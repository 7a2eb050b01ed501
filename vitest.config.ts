import { defineConfig } from 'vitest/config';

export const config = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/setup.ts'],
    pool: 'forks', // processes: a test may kill, and a native fault takes only its own file down
    maxWorkers: 2,
    // Each is far quicker; a machine that is busy with something else must not fail it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    reporters: ['default'],
    restoreMocks: true,
  },
});

export default config;
