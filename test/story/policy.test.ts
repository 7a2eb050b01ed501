import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Impact } from '#domain/policy-impact';
import type { RolloutStatus } from '#domain/rollout';
import {
  LINES,
  type PolicyNetwork,
  startPolicyNetwork,
  username,
  WITHOUT,
  windowOfNow,
} from '#test/story/policy-network';

/** The "It is done when", on the command line, as docs/POLICY.md tells it. */

const HEAVY = 40;
const COVERED = LINES - WITHOUT;
const USUAL = '20000000';
let network: PolicyNetwork;
let file: string;

beforeAll(async () => {
  network = await startPolicyNetwork();
  file = join(network.dataDir, 'policy.yaml');
}, 240_000);

afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(network?.node.output().slice(-4000));
});

afterAll(async () => {
  await network?.stop();
}, 60_000);

const { from, to, at } = windowOfNow();
const BOOST = `  - name: fair use
    when: {all: [covered, {used: 100GB, per: month from renewal}]}
    give: {access: reduced, rate: 50% of plan, list: prepaid-active, profile: plan}
  - name: night boost
    when: {all: [covered, allowance left, {window: {from: "${from}", to: "${to}"}}]}
    give: {access: full, rate: plan x 2, list: prepaid-active, profile: plan}
`;
const CASES = `cases:
  - name: twice the speed at night
    given: {plan: 20M/20M, used: 10GB, since: 2026-11-01 08:00, until: 2026-12-01 08:00}
    at: ${at}
    expect: {access: full, rate: 40M/40M, list: prepaid-active, because: rule "night boost"}
  - name: half of it after 100 GB
    given: {plan: 20M/20M, used: 100GB, since: 2026-11-01 08:00, until: 2026-12-01 08:00}
    at: ${at}
    expect: {access: reduced, rate: 10M/10M, because: rule "fair use"}
`;

/** Live sessions by their download limit in bit/s, as the router has them. */
function rates(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { limits } of network.router.sessions())
    counts[limits.downloadBps] = (counts[limits.downloadBps] ?? 0) + 1;
  return counts;
}

const status = async (): Promise<RolloutStatus> =>
  JSON.parse((await network.gerbang('policy', 'status', '--json')).stdout) as RolloutStatus;
const plan = async (): Promise<Impact> =>
  JSON.parse((await network.gerbang('policy', 'plan', file, '--json')).stdout) as Impact;

describe('an engineer at a command line', () => {
  test('has a network of 2,000 live sessions, some of them heavy users', async () => {
    expect(rates()).toEqual({ [USUAL]: COVERED, 128000: WITHOUT });
    for (let index = 0; index < HEAVY; index++) {
      const session = network.router.session(username(index))!;
      network.router.use(session, { downloadBytes: 101 * 2 ** 30 });
      expect(await network.router.interim(session)).toBe(true);
    }
  }, 60_000);

  test('adds a night boost and a fair-use step to the policy, and a fault is told with its line', async () => {
    const shown = await network.gerbang('policy', 'show');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    const text = shown.stdout.replace('  - name: active\n', `${BOOST}  - name: active\n`) + CASES;
    const line = text.split('\n').findIndex((one) => one.includes('when: {all: [covered, {used')) + 1;
    writeFileSync(file, text.replace('{used: 100GB, per', '{usd: 100GB, per'));
    const wrong = await network.gerbang('policy', 'test', file);
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(new RegExp(`policy.yaml:${line}:\\d+ .*"usd".*did you mean`));
    writeFileSync(file, text);
    expect(await network.gerbang('policy', 'test', file)).toMatchObject({ code: 0, stderr: '' });
  }, 60_000);

  test('cannot publish it while one of its cases fails', async () => {
    const right = readFileSync(file, 'utf8');
    writeFileSync(file, right.replace('rate: 40M/40M', 'rate: 30M/30M'));
    const failing = await network.gerbang('policy', 'test', file);
    expect([failing.code, failing.stdout]).toEqual([1, expect.stringContaining('FAILED  twice the speed at night')]);
    const refused = await network.gerbang('policy', 'publish', file);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('case "twice the speed at night" fails'),
    ]);
    writeFileSync(file, right);
  }, 60_000);

  test('sees what it would do to every session before it does', async () => {
    await expect.poll(async () => (await plan()).groups.length, { timeout: 30_000, interval: 1_000 }).toBe(2);
    const impact = await plan();
    expect(impact.subscribers).toEqual({ total: LINES, changed: COVERED });
    expect(impact.sessions).toEqual({ total: LINES, keep: WITHOUT, coa: COVERED, disconnect: 0 });
    expect(impact.groups.map(({ count, after }) => [after.rule, count])).toEqual([
      ['night boost', COVERED - HEAVY],
      ['fair use', HEAVY],
    ]);
    const people = (await network.gerbang('policy', 'plan', file)).stdout;
    expect(people).toContain(`${COVERED} get a CoA, 0 a Disconnect, ${WITHOUT} nothing`);
    expect(people).toContain('Mikrotik-Rate-Limit 20000k/20000k → 40000k/40000k');
    expect(people.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(rates()).toEqual({ [USUAL]: COVERED, 128000: WITHOUT });
    const asked = await network.gerbang('policy', 'simulate', file, username(0), '--json');
    expect(JSON.parse(asked.stdout)).toMatchObject({ nas: 'pop', given: { gets: expect.stringContaining('10 Mbps') } });
  }, 60_000);

  test('publishes it as a canary, and watches it spread', async () => {
    const published = await network.gerbang(
      ...['policy', 'publish', file, '--canary', '1%', '--per-second', '400', '--watch', '8', '--note', 'night boost'],
    );
    expect(published).toMatchObject({ code: 0, stderr: '' });
    expect(published.stdout).toContain('revision 2 in place of 1');
    const following = network.gerbang('policy', 'status', '--follow');

    // Looked at where it is felt: a command takes longer than a canary is watched on a busy machine.
    await expect.poll(() => rates()['40000000'] ?? 0, { timeout: 60_000, interval: 50 }).toBeGreaterThan(0);
    expect(rates()['40000000']).toBeLessThan(COVERED / 20);

    const followed = await following;
    expect((await status()).stage).toBe('done');
    await expect
      .poll(rates, { timeout: 30_000 })
      .toEqual({ 40000000: COVERED - HEAVY, 10000000: HEAVY, 128000: WITHOUT });
    expect(followed.code).toBe(0);
    expect(followed.stderr).toMatch(
      /canary .* [1-9]\d* of \d+ live sessions told\n(.*\n)*.*spreading .*\n(.*\n)*.*done /,
    );
    expect(network.router.counts).toMatchObject({ coaAcks: COVERED, coaNaks: 0 });
    expect((await plan()).subscribers.changed).toBe(0);
  }, 240_000);

  test('finds a new dial answered by it', async () => {
    const session = network.router.session(username(100))!;
    await network.router.hangUp(session);
    const again = await network.router.dial(username(100), 'sandi-100');
    expect(again.limits.downloadBps).toBe(40e6);
  }, 30_000);

  test('rolls it back, and every session is as before', async () => {
    const back = await network.gerbang('policy', 'rollback', '--reason', 'too much for the uplink', '--follow');
    expect([back.code, back.stdout]).toEqual([0, expect.stringContaining('too much for the uplink')]);
    await expect.poll(rates, { timeout: 30_000 }).toEqual({ [USUAL]: COVERED, 128000: WITHOUT });
    await network.router.hangUp(network.router.session(username(100))!);
    const again = await network.router.dial(username(100), 'sandi-100');
    expect(again.limits.downloadBps).toBe(20e6);
    expect(network.router.counts.coaNaks).toBe(0);
    const history = JSON.parse((await network.gerbang('policy', 'history', '--json')).stdout) as object[];
    expect(history).toMatchObject([
      { id: 2, inForce: false, note: 'night boost' },
      { id: 1, inForce: true },
    ]);
  }, 120_000);

  test('loses no work of another: what was edited from an old revision is a conflict', async () => {
    const mine = readFileSync(file, 'utf8').replace('plan x 2', 'plan x 3').replaceAll('40M/40M', '60M/60M');
    const theirs = join(network.dataDir, 'theirs.yaml');
    writeFileSync(theirs, mine);
    const refused = await network.gerbang('policy', 'publish', theirs);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('revision 2 was saved by cli:');
    writeFileSync(theirs, mine.replace('revision: 1', 'revision: 2'));
    const taken = await network.gerbang(
      'policy',
      'publish',
      theirs,
      '--canary',
      '5%',
      '--watch',
      '86400',
      '--per-second',
      '400',
    );
    expect([taken.code, taken.stderr]).toEqual([0, '']);
    await expect
      .poll(async () => (await status()).live, { timeout: 60_000, interval: 500 })
      .toSatisfy(({ wanted, told }: RolloutStatus['live']) => wanted > 0 && told === wanted);
    await network.gerbang('policy', 'rollback', '--follow');
    await expect.poll(rates, { timeout: 30_000 }).toEqual({ [USUAL]: COVERED, 128000: WITHOUT });
  }, 120_000);

  test('has a canary stopped by itself when routers refuse it', async () => {
    network.router.options.incoming.refuses = 401;
    const stopped = await network.gerbang(
      'policy',
      'publish',
      '2',
      '--canary',
      '5%',
      '--per-second',
      '400',
      '--follow',
    );
    network.router.options.incoming.refuses = null;
    expect(stopped.code).toBe(1);
    expect(stopped.stdout).toContain('STOPPED by itself');
    // Where a CoA is refused enforcement falls back to a Disconnect: those lines dial again.
    await expect.poll(rates, { timeout: 60_000 }).toEqual({ [USUAL]: COVERED, 128000: WITHOUT });
    expect((await status()).live.naks).toBeGreaterThan(0);
  }, 180_000);
});
