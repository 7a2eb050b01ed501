import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defaultPolicy } from '#domain/policy';
import { checkPolicy, printPolicy } from '#domain/policy-document';
import { firstPolicy } from '#operations/first-policy';
import { listRevisions, revision, rolloutStatus, savePolicy, startRollout } from '#operations/publish-policy';
import { listAudit } from '#storage/log-lists';
import { insertRevision, lockPolicies, policyInForce } from '#storage/policy';
import { emptied, faults, secondNode, type TestDesk, testDesk } from '#test/operations/desk';

const DICTIONARY = { names: ['Filter-Id'], encodable: (name: string) => name === 'Filter-Id' };
const ZONE = 'Asia/Jakarta';

let desk: TestDesk;
beforeAll(async () => {
  desk = await testDesk();
});
beforeEach(async () => {
  await emptied(desk);
  await firstPolicy(desk);
});

/** The default, with a comment and a line that says what it was edited from. */
const edited = (remark: string, from: number | null = 1): string =>
  `# ${remark}\n${printPolicy(defaultPolicy(ZONE), ...(from === null ? [] : [from]))}`;
const save = (text: string, base: number | null = null, note = '') =>
  savePolicy(desk, { text, note, base }, DICTIONARY);
const audited = async () =>
  (await listAudit(desk.db, { limit: 9 })).map(({ actor, why, detail }) => ({ actor, why, detail }));

describe('a policy document that is saved', () => {
  test('is the next revision, with its text to the last comment, and decides nobody yet', async () => {
    const text = edited('by hand');
    expect(checkPolicy(text, ZONE, DICTIONARY).faults).toEqual([]);
    expect(await save(text, null, 'first try')).toEqual({ is: 'saved', revision: 2 });
    expect(await revision(desk.db, 2, ZONE)).toMatchObject({
      text,
      note: 'first try',
      baseId: 1,
      inForce: false,
      publishedAt: null,
      createdBy: 'test',
      document: defaultPolicy(ZONE),
    });
    expect((await policyInForce(desk.db))!.id).toBe(1);
    expect((await audited())[0]).toEqual({
      actor: 'test',
      why: 'save policy',
      detail: { revision: 2, base: 1, note: 'first try' },
    });
  });

  test('again with the same text is the same revision, and no second line in the audit', async () => {
    await save(edited('once'));
    const before = await audited();
    expect(await save(edited('once'))).toEqual({ is: 'saved', revision: 2 });
    expect(await audited()).toEqual(before);
    expect(await listRevisions(desk.db, { limit: 9 })).toHaveLength(2);
  });

  test('with faults, or with a case that fails, is refused and says where', async () => {
    const broken = await save(edited('x').replace('rules:', 'ruls:'));
    expect(broken).toMatchObject({ is: 'refused', check: { policy: null } });
    const cases =
      'cases:\n  - {name: cannot be, given: {suspended: 2026-11-01 08:00}, at: 2026-11-21 01:00, expect: {access: full}}';
    const failing = await save(`${edited('x')}\n${cases}`);
    expect(failing).toMatchObject({
      is: 'refused',
      check: { faults: [], cases: [{ name: 'cannot be', passed: false }] },
    });
    expect(await listRevisions(desk.db, { limit: 9 })).toHaveLength(1);
  });
});

describe('two engineers who edit at once', () => {
  test('get a conflict, not a lost edit: the second is told whose revision it does not have', async () => {
    const andi = { ...desk, actor: 'staff:andi' };
    await savePolicy(andi, { text: edited('by andi'), note: '', base: 1 }, DICTIONARY);
    const conflict = { is: 'conflict', inForce: 2, by: 'staff:andi', at: desk.clock() };
    expect(await save(edited('by me'), 1)).toEqual(conflict);
    expect(await save(edited('by me'), null), 'the document says what it was edited from').toEqual(conflict);
    expect(await save(edited('from nothing', null), null), 'nor does one that says nothing').toEqual(conflict);
    expect(await save(edited('by me'), 2), 'once it has been looked at').toEqual({ is: 'saved', revision: 3 });
  });

  test('in the same moment, on two nodes: who comes second waits for the first, and sees it', async () => {
    const other = await secondNode(desk);
    const document = { rules: defaultPolicy(ZONE).rules };
    const rest = { source: 'x', baseId: 1, note: '', createdBy: 'staff:andi', at: desk.clock(), inForce: false };
    let saving: ReturnType<typeof save> | null = null;
    await other.db.transaction(async (tx) => {
      await lockPolicies(tx);
      await insertRevision(tx, { document, ...rest });
      saving = save(edited('here'));
      const waits = () =>
        tx.query(`select 1 from pg_locks where relation = 'policy_revision'::regclass and not granted`);
      await expect.poll(waits, { timeout: 10_000, interval: 10 }).toHaveLength(1);
    });
    await other.db.close();
    expect(await saving).toMatchObject({ is: 'conflict', inForce: 2, by: 'staff:andi' });
  });
});

test('what the program made itself is printed as a document', async () => {
  const found = await revision(desk.db, 1, ZONE);
  expect(checkPolicy(found!.text, ZONE, DICTIONARY)).toMatchObject({ policy: defaultPolicy(ZONE), revision: 1 });
  expect(await revision(desk.db, 9, ZONE)).toBeNull();
});

test('a rollout says in what order it will go, and limits that are not given are the usual ones', async () => {
  expect(await rolloutStatus(desk.db)).toBeNull();
  await save(edited('to be rolled out'));
  const order = { revision: 2, canary: 0.01, perSecond: 50, watchSeconds: 60, limits: { naks: 0.2 } };
  const status = await startRollout(desk, order);
  expect(status).toMatchObject({
    from: 1,
    to: 2,
    stage: 'canary',
    share: 0.01,
    limits: { naks: 0.2, timeouts: 0.1, lost: 0.02, samples: 20 },
    expectedEnd: desk.clock() + 60_000,
  });
  expect(await rolloutStatus(desk.db)).toEqual(status);
  expect((await audited())[0]).toMatchObject({ why: 'start policy rollout', detail: { from: 1, to: 2, canary: 0.01 } });
  expect(await faults(startRollout(desk, { ...order, limits: { lost: 2 } }))).toHaveLength(1);
});

test('a start that would renew an old default leaves a rollout under way alone', async () => {
  await desk.db.execute(`update policy_revision set document = document #- '{rules,1}' #- '{rules,1}'`);
  const former = await desk.db.query('select document from policy_revision');
  expect(former).toHaveLength(1);
  await save(edited('mine'));
  await startRollout(desk, { revision: 2, canary: null, perSecond: 50, watchSeconds: 60 });
  expect(await firstPolicy(desk)).toMatchObject({ did: 'nothing' });
});
