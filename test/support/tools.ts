import { describe, type TestAPI, test } from 'vitest';
import { raddbMissing } from '#test/freeradius/raddb';
import { chromiumMissing } from '#test/support/chromium';
import { freeRadiusMissing } from '#test/support/freeradius';
import { namespacesForbidden, namespaceToolsMissing } from '#test/support/namespaces';

/**
 * A group of tests that needs a tool. Where it is not installed the group is skipped, says so and is counted; under
 * CI=true it fails instead. The only door to a skipped test (a tidy test holds everybody to that).
 */
function describeUnless(missing: string | null, name: string, tests: () => void): void {
  if (missing !== null && process.env.CI === 'true') throw new Error(`${name}: ${missing}`);
  if (missing !== null) console.warn(`SKIPPED: ${name}: ${missing}`);
  describe.skipIf(missing !== null)(name, tests);
}

/** Tests with a real FreeRADIUS and radclient. */
export function describeWithFreeRadius(name: string, tests: () => void): void {
  describeUnless(freeRadiusMissing(), name, tests);
}

/** Tests with a real FreeRADIUS in Debian's own configuration folder, with rlm_rest. */
export function describeWithRaddb(name: string, tests: () => void): void {
  describeUnless(raddbMissing(), name, tests);
}

/** Tests with a real browser (`launchChromium`). */
export function describeWithChromium(name: string, tests: () => void): void {
  describeUnless(chromiumMissing(), name, tests);
}

/** Tests with a browser in a network of its own: Linux, root, `ip` and `nft`. Skipped loudly where a machine forbids it. */
export function describeWithNamespaces(name: string, tests: () => void): void {
  const forbidden = namespacesForbidden();
  if (forbidden === null) {
    describeUnless(namespaceToolsMissing() ?? chromiumMissing(), name, tests);
  } else {
    console.warn(`SKIPPED: ${name}: ${forbidden}`);
    describe.skip(name, tests);
  }
}

/** A test that only root can run (dropping to another user, taking a folder over). Skipped loudly for anybody else. */
export const testAsRoot: TestAPI | TestAPI['skip'] = asRoot();

function asRoot() {
  if (process.getuid?.() === 0) return test;
  console.warn('SKIPPED: what only root can do');
  return test.skip;
}
