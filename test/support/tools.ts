import { describe, type TestAPI, test } from 'vitest';
import { freeRadiusMissing } from '#test/support/freeradius';

/**
 * A group of tests with a real FreeRADIUS and radclient. Where they are not installed the group is skipped, says so and
 * is counted; under CI=true it fails instead. The only door to a skipped test (a tidy test holds everybody to that).
 */
export function describeWithFreeRadius(name: string, tests: () => void): void {
  const missing = freeRadiusMissing();
  if (missing !== null && process.env.CI === 'true') throw new Error(`${name}: ${missing}`);
  if (missing !== null) console.warn(`SKIPPED: ${name}: ${missing}`);
  describe.skipIf(missing !== null)(name, tests);
}

/** A test that only root can run (dropping to another user, taking a folder over). Skipped loudly for anybody else. */
export const testAsRoot: TestAPI | TestAPI['skip'] = asRoot();

function asRoot() {
  if (process.getuid?.() === 0) return test;
  console.warn('SKIPPED: what only root can do');
  return test.skip;
}
