import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { raddbMissing } from '#test/freeradius/raddb';
import { chromiumMissing } from '#test/support/chromium';
import { freeRadiusMissing } from '#test/support/freeradius';
import { namespacesForbidden, namespaceToolsMissing } from '#test/support/namespaces';

/**
 * `npm test [-- pattern…]`: sees to what the tests need, then formatting and lint, types, and every test. Its last line
 * is `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed. With CI=true a missing tool fails.
 */

type Counts = { passed: number; failed: number; skipped: number };

const inCi = process.env.CI === 'true';

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): boolean {
  console.log(`\n> ${[command, ...args].join(' ')}`);
  return spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } }).status === 0;
}

function quietly(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** What the tests use and a machine may lack: why it is missing (null: it is there), and Debian's packages of it. */
const TOOLS: readonly { missing: () => string | null; packages: readonly string[] }[] = [
  { missing: freeRadiusMissing, packages: ['freeradius', 'freeradius-utils'] },
  // Both are on the same machine as freeradius itself; rlm_sql on PostgreSQL is for the bench.
  { missing: raddbMissing, packages: ['freeradius-rest', 'freeradius-postgresql'] },
  { missing: chromiumMissing, packages: ['chromium-headless-shell'] },
  {
    missing: () => (namespacesForbidden() === null ? namespaceToolsMissing() : null),
    packages: ['iproute2', 'nftables'],
  },
];

/** Installs what is missing, where we may. Returns what still is. */
function provideTools(): string[] {
  const mayInstall = process.getuid?.() === 0 && quietly('apt-get', ['--version']);
  const lacking = TOOLS.filter(({ missing }) => missing() !== null);
  if (mayInstall) install(lacking.map(({ packages }) => packages));
  return lacking.flatMap(({ missing }) => missing() ?? []);
}

/** Each tool by itself, so that one that this distribution has not keeps no other away. */
function install(tools: readonly (readonly string[])[]): void {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const lacks = (wanted: readonly string[]) =>
    !run('apt-get', ['install', '-y', '--no-install-recommends', ...wanted], env);
  // A fresh machine knows no packages until `apt-get update`.
  const again = tools.filter(lacks);
  if (again.length > 0 && run('apt-get', ['update'], env)) again.forEach(lacks);
  // The package may have started its own server on 1812; the tests start theirs on ports of their own.
  const served = tools.flat().includes('freeradius') && quietly('service', ['freeradius', 'status']);
  if (served) quietly('service', ['freeradius', 'stop']);
}

/** A check that is not a test counts as one: passed or failed. */
function check(name: string, passed: boolean): Counts {
  if (!passed) console.error(`\nFAILED: ${name}`);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

function vitest(patterns: readonly string[]): Counts {
  const report = join(tmpdir(), `gerbang-test-report-${process.pid}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const ended = run('vitest', ['run', ...reporters, ...patterns]);
  const counts = readReport(report);
  rmSync(report, { force: true });
  if (counts === null) return check('vitest made no report', false);
  // A file that cannot be loaded has no tests to fail, and an error outside of any test is not in the counts.
  return !ended && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function readReport(file: string): Counts | null {
  try {
    const report: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = report as Record<string, number>;
    return {
      passed: numPassedTests ?? 0,
      failed: numFailedTests ?? 0,
      skipped: (numPendingTests ?? 0) + (numTodoTests ?? 0),
    };
  } catch (error) {
    console.error(error);
    return null;
  }
}

const patterns = process.argv.slice(2);
const counts: Counts[] = [];
for (const missing of provideTools()) {
  console.warn(`\n${inCi ? 'MISSING' : 'SKIPPING what needs it'}: ${missing}`);
  if (inCi) counts.push(check(missing, false));
}
if (patterns.length === 0) {
  counts.push(check('biome check', run('biome', ['check', '--error-on-warnings', '.'])));
  counts.push(check('tsc --noEmit', run('tsc', ['--noEmit'])));
}
counts.push(vitest(patterns));

const sum = (of: keyof Counts) => counts.reduce((total, part) => total + part[of], 0);
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
