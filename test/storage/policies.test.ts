import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defaultPolicy } from '#domain/policy';
import { bucketOf, onlyPolicy, policyFor } from '#domain/rollout';
import { loadNodeState, saveNodeState } from '#policy-server/node-state';
import type { Database } from '#storage/database';
import { insertRevision, policyReader, putInForce, revisionRows } from '#storage/policy';
import { insertRollout, moveRollout } from '#storage/rollouts';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import { testDatabase } from '#test/support/database';

async function* nothing(): AsyncGenerator<Uint8Array> {}

const ZONE = 'Asia/Jakarta';
const policy = defaultPolicy(ZONE);
const other = { ...policy, rules: policy.rules.slice(1) };

let db: Database;
beforeAll(async () => {
  db = await testDatabase();
});

describe('buckets', () => {
  test('PostgreSQL and the program put a subscriber in the same one', async () => {
    const ids = Array.from({ length: 2_000 }, (_, index) => (index < 1_000 ? index : index ** 4));
    const salts = [0, 1, 12_345, 2 ** 31 - 1, Math.floor(Math.random() * 2 ** 31)];
    for (const salt of salts) {
      const rows = await db.query<{ bucket: number }>(
        'select policy_bucket(id, $2) as bucket from unnest($1::bigint[]) with ordinality u (id, n) order by n',
        [ids, salt],
      );
      expect(rows.map(({ bucket }) => bucket)).toEqual(ids.map((id) => bucketOf(id, salt)));
    }
  });

  test('are even, and another rollout has others first', () => {
    const count = 100_000;
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    for (const salt of [7, 8, 1_000_000]) {
      for (const share of [0.01, 0.1, 0.5]) {
        const inside = ids.filter((id) => bucketOf(id, salt) < share).length;
        // Five standard deviations of as many throws of a coin.
        expect(Math.abs(inside - count * share)).toBeLessThan(5 * Math.sqrt(count * share * (1 - share)));
      }
    }
    const first = new Set(ids.filter((id) => bucketOf(id, 7) < 0.01));
    const both = ids.filter((id) => bucketOf(id, 8) < 0.01 && first.has(id));
    expect(both.length).toBeLessThan(40);
  });

  test('a share of nothing is nobody, one of everything everybody', () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => index);
    const with_ = (share: number) => ({ current: policy, rollout: { policy: other, share, salt: 5 } });
    expect(ids.filter((id) => policyFor(with_(0), id) === other)).toEqual([]);
    expect(ids.filter((id) => policyFor(with_(1), id) === other)).toEqual(ids);
    expect(ids.filter((id) => policyFor(onlyPolicy(policy), id) !== policy)).toEqual([]);
  });
});

describe('the policies lines are decided by', () => {
  const revise = async (document: object) =>
    insertRevision(db, { document, source: null, baseId: null, note: '', createdBy: 'test', at: 1, inForce: false });
  const rollout = {
    salt: 5,
    canary: null,
    perSecond: 1,
    watchSeconds: 0,
    limits: { naks: 1, timeouts: 1, lost: 1, samples: 1 },
    startedAt: 1,
    startedBy: 'test',
  };

  beforeEach(async () => {
    await db.execute('truncate policy_rollout_session, policy_rollout, policy_revision restart identity');
  });

  test('are the default before there is any, then the one in force, and both while one takes the place of the other', async () => {
    const read = policyReader(ZONE);
    expect((await read(db)).policies).toEqual(onlyPolicy(policy));
    const [one, two] = [await revise({ rules: policy.rules }), await revise({ rules: other.rules })];
    await putInForce(db, one, 10);
    expect((await read(db)).policies).toEqual(onlyPolicy(policy));
    const { id } = await insertRollout(db, { ...rollout, from: one, to: two, stage: 'spreading', share: 0.25 });
    const during = await read(db);
    expect(during.policies).toEqual({ current: policy, rollout: { policy: other, share: 0.25, salt: 5 } });
    expect(await read(db, during), 'nothing changed: the same object').toBe(during);
    await moveRollout(db, id, { stage: 'spreading', share: 0.5, at: 20 });
    const later = await read(db, during);
    expect(later.policies).toEqual({ current: policy, rollout: { policy: other, share: 0.5, salt: 5 } });
    expect(later.policies.current, 'taken apart once').toBe(during.policies.current);
    await moveRollout(db, id, { stage: 'rolling-back', share: 0, at: 30 });
    expect((await read(db, later)).policies).toEqual(onlyPolicy(policy));
  });

  test('are kept with the node’s copy on disk, so that it answers by both while the database is away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gerbang-policies-'));
    createMasterKey(join(folder, 'master.key'));
    const sealer = loadMasterKey(join(folder, 'master.key'));
    const both = { current: policy, rollout: { policy: other, share: 0.25, salt: 5 } };
    for (const policies of [both, onlyPolicy(other)]) {
      await saveNodeState(folder, sealer, { nases: [], policies }, nothing());
      const loaded = await loadNodeState(folder, sealer, { zone: 'Asia/Jayapura', zoneIsSet: false });
      expect(loaded).toEqual({ nases: [], policies });
    }
    rmSync(folder, { recursive: true });
  });

  test('a revision that comes in force is, also on a node whose clock is behind', async () => {
    const [one, two] = [await revise({ rules: policy.rules }), await revise({ rules: other.rules })];
    await putInForce(db, one, Date.parse('2030-01-01'));
    await putInForce(db, two, Date.parse('2026-01-01'));
    expect((await policyReader(ZONE)(db)).policies).toEqual(onlyPolicy(other));
    const rows = await revisionRows(db, 10, null);
    expect(rows.map(({ id, inForce }) => [id, inForce])).toEqual([
      [two, true],
      [one, false],
    ]);
    expect(await revisionRows(db, 1, two)).toMatchObject([{ id: one }]);
  });
});
