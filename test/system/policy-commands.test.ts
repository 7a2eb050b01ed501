import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Impact, ImpactGroup } from '#domain/policy-impact';
import type { RolloutStatus } from '#domain/rollout';
import { HOUR } from '#domain/time';
import { firstPolicy } from '#operations/first-policy';
import type { Command, Office, Outcome } from '#policy-server/cli/command';
import { policyDiff, policyHistory, policyShow, policySimulate, policyTest } from '#policy-server/cli/policy';
import { attributeChanges, bar, duration, planReport, policyPlan } from '#policy-server/cli/policy-plan';
import { policyPublish, policyRollback, policyStatus, statusReport } from '#policy-server/cli/policy-rollout';
import { readArguments } from '#policy-server/cli/usage';
import { readConfig } from '#policy-server/config';
import { Network } from '#test/enforcement/network';
import { emptied, faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let office: Office;
let folder: string;
beforeAll(async () => {
  desk = await testDesk();
  folder = mkdtempSync(join(tmpdir(), 'gerbang-policy-'));
  office = { ...desk, config: { ...readConfig({ DATA_DIR: join(folder, 'data') }) } };
});
beforeEach(async () => {
  await emptied(desk);
  await firstPolicy(desk);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As the command line does it: faults of usage come first, then those the command sees without the database. */
async function run(command: Command, ...words: string[]): Promise<Outcome> {
  const { given, faults: wrong } = readArguments(command, words);
  const seen = [...wrong, ...(command.check?.(given, office.zone) ?? [])];
  if (seen.length > 0) throw new Error(seen.join('\n'));
  return command.run(office, given);
}

function document(text: string): string {
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, text);
  return file;
}

async function shown(): Promise<string> {
  return (await run(policyShow)).text;
}

describe('a document', () => {
  test('that is shown can be tested, planned and published as it is, and says what it is edited from', async () => {
    const file = document(await shown());
    expect((await run(policyTest, file)).refused).toBe(false);
    expect((await run(policyPlan, file)).json).toMatchObject({ subscribers: { changed: 0 }, revision: { from: 1 } });
    const text = `${await shown()}\n# a note of mine\n`;
    await run(policyPublish, document(text));
    const second = await run(policyShow, '2');
    expect(second.text).toBe(text.replace('revision: 1', 'revision: 2').trimEnd());
    expect(second.json).toMatchObject({ id: 2, createdBy: 'test', inForce: false });
  });

  test('whose revision is written otherwise, or not at all, is shown with its own', async () => {
    const without = (await shown()).replace(/^revision: 1.*\n/, '');
    for (const [first, wanted] of [
      ['revision:   1   # of mine\n', /^revision: 2 {3}# of mine\n/],
      ['"revision": 1\n', /^"revision": 1\n/],
    ] as const) {
      await emptied(desk);
      await firstPolicy(desk);
      await run(policyPublish, document(first + without));
      expect((await run(policyShow, '2')).text).toMatch(wanted);
    }
  });

  test('that is not there, or that nobody understands, is a line with its place', async () => {
    expect(await faults(run(policyShow, '77'))).toEqual([
      'there is no policy revision 77; there are: gerbang policy history',
    ]);
    expect(await faults(run(policyPlan, join(folder, 'nothing.yaml')))).toEqual([
      expect.stringContaining('cannot be read (ENOENT)'),
    ]);
    const file = document((await shown()).replace('when: suspended', 'wen: suspended'));
    expect(await faults(run(policyPlan, file))).toContainEqual(expect.stringMatching(/policy\.yaml:4:5 {2}.*wen/));
    const tested = await run(policyTest, file);
    expect(tested).toMatchObject({ refused: true, json: { publishable: false } });
    expect(tested.text).toMatch(/\d faults?: it cannot be published/);
  });

  test('with a case that fails may be planned, but not published', async () => {
    const failing = `${await shown()}\ncases:\n  - {name: free, given: {}, at: 2026-11-21 01:00, expect: {access: full}}\n`;
    const file = document(failing);
    const tested = await run(policyTest, file);
    expect(tested.refused).toBe(true);
    expect(tested.text).toContain('FAILED  free');
    expect(tested.text).toContain('1 of 1 case fails');
    expect((await run(policyPlan, file)).json).toMatchObject({ subscribers: { changed: 0 } });
    expect((await faults(run(policyPublish, file)))[0]).toMatch(/policy.yaml:\d+ {2}case "free" fails: access/);
  });

  test('is compared with another, line by line', async () => {
    const file = document((await shown()).replace('days: 3', 'days: 4').replace('overdue: 3 days', 'overdue: 4 days'));
    const diff = await run(policyDiff, '1', file);
    expect(diff.text).toContain('- revision 1\n');
    expect(diff.text).toMatch(/^- .*overdue: 3 days/m);
    expect(diff.text).toMatch(/^\+ .*overdue: 4 days/m);
    expect((await run(policyDiff, '1', '1')).text).toBe('revision 1 and revision 1 are the same.');
  });

  test('is listed with who saved it and since when it is in force', async () => {
    await run(
      policyPublish,
      document(`${await shown()}\n`),
      '--note',
      'a note that is far too long for a narrow table',
    );
    const { text, json } = await run(policyHistory);
    expect(json).toMatchObject([
      { id: 2, baseId: 1, inForce: false },
      { id: 1, inForce: true },
    ]);
    expect(text).toMatch(/^ +\* 1 /m);
    expect(tooWide(text)).toEqual([]);
    expect((await run(policyHistory, '--limit', '1')).json).toHaveLength(1);
    await expect(run(policyHistory, '--limit', '0')).rejects.toThrow('--limit is no number');
  });
});

describe('a rollout', () => {
  test.each(['0', '0%', '101%', 'many', '1/2', '-1%', '1%%'])('with a canary of %s is refused', async (canary) => {
    await expect(run(policyPublish, document(await shown()), `--canary=${canary}`)).rejects.toThrow(
      '--canary is no share',
    );
  });

  test.each([
    ['1%', 0.01],
    ['0.01', 0.01],
    ['2,5 %', 0.025],
    ['100%', 1],
  ])('with a canary of %s begins', async (canary, share) => {
    const published = await run(policyPublish, document(`${await shown()}\n`), '--canary', canary, '--watch', '5');
    expect(published.json).toMatchObject({
      from: 1,
      to: 2,
      stage: 'canary',
      canary: share,
      watchSeconds: 5,
      perSecond: 50,
    });
  });

  test.each([
    [['--per-second', '0'], '--per-second is no number'],
    [['--per-second', 'fast'], '--per-second is no number'],
    [['--watch', '1h'], '--watch is no number of seconds'],
    [['--watch', '86401'], '--watch is no number of seconds'],
  ])('with %s is refused', async (words, said) => {
    await expect(run(policyPublish, document(await shown()), ...words)).rejects.toThrow(said);
  });

  test('is told of before, on the way and after; without a server it says that nobody carries it on', async () => {
    expect(await run(policyStatus)).toMatchObject({ json: { inForce: 1, rollout: null } });
    const published = await run(policyPublish, document(`${await shown()}\n`), '--canary', '1%', '--follow');
    expect(published.text).toContain('Saved as revision 2.');
    expect(published.text).toContain('No server is running in DATA_DIR');
    const status = await run(policyStatus);
    expect(status.text).toContain('revision 2 in place of 1');
    expect(tooWide(status.text)).toEqual([]);
    const back = await run(policyRollback, '--reason', 'it was only a try');
    expect(back.json).toMatchObject({ stage: 'rolling-back', reason: 'it was only a try' });
    expect(await faults(run(policyRollback))).toEqual([expect.stringContaining('is being rolled back')]);
  });

  test('while another is under way keeps the document for later', async () => {
    const text = await shown();
    await run(policyPublish, document(`${text}\n`));
    const refused = await faults(run(policyPublish, document(`${text.replace('revision: 1', 'revision: 2')}\n#\n`)));
    expect(refused).toEqual([
      expect.stringContaining('is being rolled out'),
      'it is kept as revision 3: gerbang policy publish 3',
    ]);
    expect((await faults(run(policyPublish, '3'))).length).toBe(1);
  });

  test('of what was edited from an older revision is a conflict that names who was quicker', async () => {
    const text = await shown();
    await run(policyPublish, document(`${text}\n# one\n`));
    const [who, how] = await faults(run(policyPublish, document(`${text}\n# two\n`)));
    expect(who).toContain('revision 2 was saved by test, 21 Nov 2026 09.00 WIB');
    expect(how).toContain('write: revision: 2');
  });

  test.each<[Partial<RolloutStatus>, string]>([
    [{ stage: 'stopped', reason: '7 % were refused', endedAt: NOW }, 'STOPPED by itself'],
    [{ stage: 'spreading', share: 0.43 }, '43 %'],
    [{ stage: 'done', share: 1, endedAt: NOW }, 'everybody has it'],
  ])('that is %o is told of in words', (over, said) => {
    const status: RolloutStatus = {
      ...{ id: 1, from: 7, to: 8, stage: 'canary', share: 0.01, canary: 0.01, perSecond: 50, watchSeconds: 60 },
      ...{ startedAt: NOW, endedAt: null, startedBy: 'staff:sari', reason: null, expectedEnd: NOW + HOUR },
      live: { wanted: 20, told: 10, naks: 2, timeouts: 1, lost: 0 },
      limits: { naks: 0.05, timeouts: 0.1, lost: 0.02, samples: 20 },
      ...over,
    };
    const text = statusReport(status, 'Asia/Jakarta');
    expect(text).toContain(said);
    expect(text).toContain('2 (10 %, limit 5 %)');
    expect(tooWide(text)).toEqual([]);
  });
});

describe('a simulation', () => {
  test('says what changes for one subscriber, and why', async () => {
    const network = new Network(desk.db);
    await network.lines(await network.nas(), 1, NOW + 9 * 24 * HOUR, null);
    const file = document(
      (await shown()).replace(
        '  - name: active\n',
        '  - name: weekend\n    when: {all: [covered, {window: {from: "00:00", to: "24:00", days: [sat, sun]}}]}\n' +
          '    give: {access: full, rate: plan x 3, list: prepaid-active}\n  - name: active\n',
      ),
    );
    const sunday = await run(policySimulate, file, 'line1-0', '--at', '2026-11-22T10:00+07:00');
    expect(sunday.text).toContain('full, 60 Mbps, list prepaid-active');
    expect(sunday.text).toContain('Under revision 1, in force');
    expect(sunday.text).toContain('Mikrotik-Rate-Limit    60000k/60000k');
    const monday = await run(policySimulate, file, 'line1-0', '--at', '2026-11-23T10:00+07:00');
    expect(monday.text).toContain('The same as under revision 1');
    await expect(run(policySimulate, file, 'line1-0', '--at', 'noon')).rejects.toThrow('--at is no instant');
    await expect(run(policySimulate, file, 'line1-0', '--used', 'much')).rejects.toThrow(
      '--used is no number of bytes',
    );
  });
});

describe('the report of a plan', () => {
  const terms = (over: Partial<ImpactGroup['before']>): ImpactGroup['before'] => ({
    ...{ access: 'full', rate: { downloadBps: 20e6, uploadBps: 10e6, burst: null }, addressList: 'prepaid-active' },
    ...{ profile: null, pool: null, idleSeconds: null, interimSeconds: 300, attributes: [], rule: 'active' },
    ...over,
  });
  const group = (over: Partial<ImpactGroup> = {}): ImpactGroup => ({
    before: terms({}),
    after: terms({ rule: 'x'.repeat(90), profile: 'p'.repeat(63), attributes: [['Filter-Id', 'v'.repeat(200)]] }),
    ...{ count: 40, sessions: 30, coa: 20, disconnect: 5, act: 'disconnect', at: NOW },
    samples: ['a', 'b'].map((name, index) => ({
      subscriberId: index,
      username: name.repeat(200),
      nas: 'n'.repeat(100),
      before: [['Mikrotik-Rate-Limit', '10000k/20000k']],
      after: [],
    })),
    ...over,
  });
  const impact = (over: Partial<Impact> = {}): Impact => ({
    ...{ revision: { from: 7 }, at: NOW, subscribers: { total: 100, changed: 40 }, tookMs: 1234 },
    sessions: { total: 60, keep: 35, coa: 20, disconnect: 5 },
    addresses: { total: 4, moved: 1 },
    groups: Array.from({ length: 12 }, () => group()),
    perNas: [{ nasId: 1, name: 'n'.repeat(100), coa: 20, disconnect: 5, seconds: 7 }],
    expectedSeconds: 7,
    later: {
      within24h: Array.from({ length: 24 }, (_, i) => ({ changed: i < 15 ? 40 : 90 })),
      changed: 50,
      groups: [group()],
    },
    ...over,
  });

  test('fits 100 columns whatever names are in it', () => {
    const text = planReport(impact(), 'Asia/Jakarta', { all: false, samples: false });
    expect(tooWide(text)).toEqual([]);
    expect(text).toContain('Subscribers    100: 40 change now, 50 more within 24 hours');
    expect(text).toContain('4 addresses: 1 move to another list');
    expect(text).toContain('and 2 smaller groups with 80 subscribers: --all shows them');
    expect(text).toContain('40 subscribers, 30 online: 20 CoA, 5 Disconnect, from 09.00');
    expect(text.match(/e\.g\./g)).toHaveLength(11);
    const all = planReport(impact(), 'Asia/Jakarta', { all: true, samples: true });
    expect(all.match(/e\.g\./g)).toHaveLength(26);
    expect(all).not.toContain('--all');
  });

  test('draws the hours of the day ahead, equal ones together, and nothing where they are as now', () => {
    const text = planReport(impact(), 'Asia/Jakarta', { all: false, samples: false });
    expect(text).toContain(`09.00 to 00.00  ${bar(40, 90)} 40`);
    expect(text).toContain(`00.00 to 09.00  ${bar(90, 90)} 90`);
    const same = { within24h: Array.from({ length: 24 }, () => ({ changed: 40 })), changed: 0, groups: [] };
    expect(planReport(impact({ later: same }), 'Asia/Jakarta', { all: false, samples: false })).not.toContain(
      'hour by hour',
    );
  });

  test('says attributes that are told anew, otherwise and no more', () => {
    expect(
      attributeChanges(
        [
          ['A', '1'],
          ['B', '2'],
          ['C', '3'],
        ],
        [
          ['A', '1'],
          ['B', '4'],
          ['D', '5'],
        ],
      ),
    ).toEqual(['B 2 → 4', '+ D 5', '- C']);
    expect(attributeChanges([['A', '1']], [])).toEqual(['Access-Reject']);
    expect(attributeChanges([['A', '1']], [['A', '1']])).toEqual([]);
  });

  test('rounds so that something is never nothing', () => {
    expect(bar(0, 100).trim()).toBe('');
    expect(bar(1, 1_000_000).trim()).toBe('▏');
    expect(bar(100, 100).trim()).toBe('█'.repeat(24));
    expect(bar(0, 0).trim()).toBe('');
    expect([40, 600, 9000].map(duration)).toEqual(['40 s', '10 min', '2,5 h']);
  });
});

const tooWide = (text: string): string[] => text.split('\n').filter((line) => [...line].length > 100);
