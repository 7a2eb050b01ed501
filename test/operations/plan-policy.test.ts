import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Facts } from '#domain/facts';
import { defaultPolicy, LONGEST_GRACE_DAYS, type Policy, type Rule } from '#domain/policy';
import type { Impact } from '#domain/policy-impact';
import { toldOf } from '#domain/reconcile';
import { bucketOf } from '#domain/rollout';
import { DAY, HOUR, type Instant } from '#domain/time';
import { firstPolicy } from '#operations/first-policy';
import { planPolicy } from '#operations/plan-policy';
import { startRollout } from '#operations/publish-policy';
import { type Question, simulate } from '#operations/simulate';
import { replyOf } from '#policy-server/policy-side';
import { timestamp } from '#storage/database';
import { loadAllFacts, loadFacts } from '#storage/facts';
import { insertRevision } from '#storage/policy';
import { Network } from '#test/enforcement/network';
import { emptied, faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let network: Network;
beforeAll(async () => {
  desk = await testDesk();
});
beforeEach(async () => {
  await emptied(desk);
  network = new Network(desk.db);
  await firstPolicy(desk);
});

const BEFORE = defaultPolicy('Asia/Jakarta');
const edited = (rule: Rule): Policy => ({ ...BEFORE, rules: BEFORE.rules.toSpliced(3, 0, rule) });
const FULL = BEFORE.rules[3]!.give as Rule['give'] & { access: 'full' };
const TWICE = edited({
  name: 'twice',
  when: { is: 'all', of: [{ is: 'covered' }, { is: 'allowance-left' }] },
  give: { ...FULL, rate: { is: 'share', share: 2 } },
});

const plan = (policy: Policy): Promise<Impact> => planPolicy({ ...desk, replyOf }, policy);
const ACTIVE = { live: '20000000/20000000 list=prepaid-active', fixed: 'default' };

describe('a plan', () => {
  test('counts everybody and says by samples what a router would be told', async () => {
    const [utara, selatan] = [await network.nas({ coaPerSecond: 2 }), await network.nas()];
    const covered = await network.lines(utara, 5, NOW + 10 * DAY, ACTIVE);
    await network.lines(selatan, 3, null, { live: '128000/128000 list=prepaid-no-package', fixed: 'default' });
    await desk.db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, started_at, heard_at, day)
       values ('stranger', $1, '10.0.0.1', '1', 'nobody', now(), now(), current_date)`,
      [utara],
    );
    const seen: number[][] = [];
    const onProgress = (...progress: number[]) => seen.push(progress);
    const impact = await planPolicy({ ...desk, replyOf }, TWICE, { onProgress });
    expect(impact).toMatchObject({
      revision: { from: 1 },
      at: NOW,
      subscribers: { total: 8, changed: 5 },
      sessions: { total: 9, keep: 4, coa: 5, disconnect: 0 },
      perNas: [{ nasId: utara, name: 'nas1', coa: 5, disconnect: 0, seconds: 3 }],
      expectedSeconds: 3,
    });
    expect(impact.groups).toHaveLength(1);
    const [sample] = impact.groups[0]!.samples;
    expect(sample).toMatchObject({ subscriberId: covered[0], username: `line${utara}-0`, nas: 'nas1' });
    expect(sample!.before).toContainEqual(['Mikrotik-Rate-Limit', '20000k/20000k']);
    expect(sample!.after).toContainEqual(['Mikrotik-Rate-Limit', '40000k/40000k']);
    expect(seen).toEqual([[8, 8]]);
  });

  test('changes nothing, and needs no lock that anybody holds', async () => {
    await network.lines(await network.nas(), 2, NOW + DAY, ACTIVE);
    const before = await desk.db.query(
      'select (select count(*) from audit) as audits, (select count(*) from change) as changes',
    );
    await desk.db.transaction(async (tx) => {
      await tx.execute('lock table policy_revision in share row exclusive mode');
      await tx.query('select from subscriber for update');
      expect((await plan(TWICE)).subscribers.changed).toBe(2);
    });
    expect(
      await desk.db.query('select (select count(*) from audit) as audits, (select count(*) from change) as changes'),
    ).toEqual(before);
  });

  test('compares with what each line has in a rollout that is under way', async () => {
    const ids = await network.lines(await network.nas(), 40, NOW + DAY, ACTIVE);
    const { zone: _, ...document } = TWICE;
    const to = await insertRevision(desk.db, {
      document,
      source: null,
      baseId: 1,
      note: '',
      createdBy: 'test',
      at: NOW,
      inForce: false,
    });
    await startRollout(desk, { revision: to, canary: 0.5, perSecond: 50, watchSeconds: 60 });
    const [rollout] = await desk.db.query<{ salt: number }>('select salt from policy_rollout');
    const have = ids.filter((id) => bucketOf(id, rollout!.salt) < 0.5).length;
    expect(have).toBeGreaterThan(5);
    expect((await plan(TWICE)).subscribers.changed).toBe(40 - have);
    expect((await plan(BEFORE)).subscribers.changed).toBe(have);
  });

  test('of a company without anybody is empty', async () => {
    expect(await plan(TWICE)).toMatchObject({ subscribers: { total: 0, changed: 0 }, groups: [], perNas: [] });
  });

  test('of a policy with very many windows lets other work go on meanwhile', async () => {
    await network.lines(await network.nas(), 1_000, NOW + 10 * DAY, ACTIVE);
    const windows = Array.from({ length: 60 }, (_, i): Rule => {
      const hour = String(i % 24).padStart(2, '0');
      const [from, to] = [`${hour}:${10 + (i % 40)}`, `${hour}:${11 + (i % 40)}`];
      const when = { is: 'all', of: [{ is: 'covered' }, { is: 'window', from, to }] } as const;
      return { name: `window ${i}`, when, give: { ...FULL, rate: { is: 'share', share: 1 + i / 100 } } };
    });
    let [longest, last] = [0, performance.now()];
    const look = () => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    };
    const other = setInterval(look, 1);
    const impact = await plan({ ...BEFORE, rules: [...windows, ...BEFORE.rules] });
    look();
    clearInterval(other);
    expect(impact.later.changed + impact.subscribers.changed).toBe(1_000);
    expect(longest).toBeLessThan(impact.tookMs / 3);
  });

  test('reads more subscribers than one chunk holds, each with what is theirs', async () => {
    const nas = await network.nas();
    await network.lines(nas, 5_100, NOW + DAY, ACTIVE);
    await desk.db.execute(`update subscriber set suspended_at = '2026-11-01' where id % 100 = 0`);
    const impact = await plan(TWICE);
    expect(impact.subscribers).toEqual({ total: 5_100, changed: 5_100 - 51 });
    expect(impact.sessions).toEqual({ total: 5_100, keep: 51, coa: 5_049, disconnect: 0 });
  });
});

describe('the facts of a plan', () => {
  const GRACE: Policy = {
    zone: 'Asia/Jakarta',
    rules: [
      {
        name: 'new',
        when: { is: 'not', of: { is: 'any', of: [{ is: 'covered' }, { is: 'had-cover' }] } },
        give: { access: 'denied' },
      },
      { name: 'grace', when: { is: 'grace', days: 20 }, give: { ...FULL, rate: { is: 'share', share: 0.5 } } },
      { name: 'named', when: { is: 'plan', name: '20M' }, give: FULL },
      ...BEFORE.rules,
    ],
  };

  test('say at every later instant what all facts say', async () => {
    const revision = await network.plan();
    const spans: (readonly [from: number, until: number, revoked?: number])[][] = [
      [],
      [[-40, -10]],
      [[-100, -95]],
      [
        [-40, -10],
        [-10, 20],
      ],
      [
        [-40, -10],
        [5, 20],
      ],
      [
        [-5, 25],
        [-80, -50],
        [-50, -20],
      ],
      [[-5, 25, -1]],
      [[5, 25, 4]],
      [
        [-40, -10],
        [-5, 25, -6],
      ],
      [[5, 25]],
      [[-30, 0]],
      [[0, 30]],
      [
        [-10, 10],
        [-20, 5],
        [-300, -200],
      ],
      [[-200, -150]],
      [
        [-30, -2],
        [-60, -1],
      ],
    ];
    for (const [index, own] of spans.entries()) {
      await desk.db.execute(`insert into subscriber (username, password_sealed, tags) values ($1, '', $2)`, [
        `s${index}`,
        index % 2 === 0 ? [] : ['vip'],
      ]);
      for (const [from, until, revoked] of own)
        await desk.db.execute(
          `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, revoked_at, used_bytes)
           values ($1, $2, $3::timestamptz, $4::timestamptz, $5::timestamptz, 77)`,
          [
            index + 1,
            revision,
            ...[from, until, revoked].map((days) => (days === undefined ? null : timestamp(NOW + days * DAY))),
          ],
        );
    }
    // The full facts are cut by the database's own clock, which is years away from this one.
    const shift = Date.now() - NOW;
    await desk.db.execute(
      `update grants set starts_at = starts_at + $1 * interval '1 millisecond', ends_at = ends_at + $1 * interval '1 millisecond',
              revoked_at = revoked_at + $1 * interval '1 millisecond'`,
      [shift],
    );
    const at: Instant = NOW + shift;
    const ahead = new Map<number, Facts>();
    await loadAllFacts(desk.db, at, (chunk) => {
      for (const facts of chunk) ahead.set(facts.subscriberId, facts);
    });
    const all = await loadFacts(
      desk.db,
      [...spans.keys()].map((index) => index + 1),
    );
    expect([...ahead.keys()]).toEqual([...all.keys()]);
    for (const [id, facts] of all) {
      const { grants: _, ...own } = ahead.get(id)!;
      const { grants: __, ...full } = facts;
      expect(own).toEqual(full);
      for (const later of [0, 1, HOUR, 4 * DAY, 5 * DAY, 6 * DAY, 11 * DAY, 21 * DAY, 40 * DAY, 60 * DAY])
        for (const policy of [BEFORE, GRACE])
          expect(decide(ahead.get(id)!, policy, at + later), `${id} after ${later / DAY} days`).toEqual(
            decide(facts, policy, at + later),
          );
    }
    expect(LONGEST_GRACE_DAYS).toBeGreaterThan(20);
    expect([...ahead.values()].filter(({ grants }) => grants.length > 2)).toEqual([]);
  });
});

describe('a simulation', () => {
  const ask = (question: Partial<Question> & { username?: string }) =>
    simulate({ ...desk, replyOf }, { username: 'line1-0', policy: TWICE, ...question } as Question);

  beforeEach(async () => {
    await network.lines(await network.nas(), 2, NOW + 10 * DAY, ACTIVE);
  });

  test('says what a subscriber would get and why, beside what is in force', async () => {
    const found = await ask({});
    expect(found).toMatchObject({ username: 'line1-0', nas: 'nas1', at: NOW, same: false });
    expect(found.given.gets).toBe('full, 40 Mbps, list prepaid-active');
    expect(found.given.reasons).toContain('rule "twice"');
    expect(found.given.attributes).toContainEqual(['Mikrotik-Rate-Limit', '40000k/40000k']);
    expect(found.given.validUntil).toBe(NOW + 10 * DAY);
    expect(found.inForce).toMatchObject({ revision: 1, gets: 'full, 20 Mbps, list prepaid-active' });
    expect((await ask({ policy: BEFORE })).same).toBe(true);
    expect(toldOf(found.given.decision).live).toContain('40000000');
  });

  test('at another time, at another router and after more usage', async () => {
    await desk.db.execute('update nas set tags = $1', [['gpon']]);
    await network.nas();
    const night: Rule['when'] = { is: 'window', from: '00:00', to: '06:00' };
    const give = { ...FULL, rate: { is: 'share', share: 2 } } as const;
    const boost = edited({ name: 'night', when: night, give });
    expect((await ask({ policy: boost })).same).toBe(true);
    expect((await ask({ policy: boost, at: Date.parse('2026-11-22T01:00:00+07:00') })).same).toBe(false);
    const gpon = edited({ name: 'gpon', when: { is: 'nas-tag', tag: 'gpon' }, give });
    expect((await ask({ policy: gpon })).same).toBe(false);
    expect(await ask({ policy: gpon, nasName: 'nas2' })).toMatchObject({ same: true, nas: 'nas2' });
    const per = { every: 'month', from: 'calendar' } as const;
    for (const when of [
      { is: 'fair-use', bytes: 1e9, per: null } as const,
      { is: 'fair-use', bytes: 1e9, per } as const,
    ]) {
      const fair = edited({
        name: 'fair use',
        when,
        give: { ...FULL, access: 'reduced', rate: { is: 'share', share: 0.5 } },
      });
      expect((await ask({ policy: fair, usedBytes: 999_999_999 })).given).toMatchObject({
        decision: { access: 'full', validBelow: 1e9 },
        furtherBytes: 1,
      });
      expect((await ask({ policy: fair, usedBytes: 1e9 })).given.decision.access).toBe('reduced');
    }
  });

  test('of somebody or something that is not there says so', async () => {
    expect(await faults(ask({ username: 'siapa' }))).toEqual([
      expect.stringContaining('there is no subscriber "siapa"'),
    ]);
    const nobody = simulate({ ...desk, replyOf }, { subscriberId: 99, policy: TWICE });
    expect(await faults(nobody)).toEqual([expect.stringContaining('there is no subscriber of number 99')]);
    expect(await faults(ask({ nasName: 'barat' }))).toEqual(['there is no NAS "barat"; there are: nas1']);
    expect(await faults(ask({ usedBytes: 1, at: NOW + 20 * DAY }))).toEqual([
      'used: line1-0 has no package then of which something could be used',
    ]);
  });

  test('of one whose password nobody can open works: no password is looked at', async () => {
    await desk.db.execute(`update subscriber set password_sealed = 'x'`);
    expect((await ask({})).given.decision.access).toBe('full');
    expect((await plan(TWICE)).subscribers.changed).toBe(2);
  });
});
