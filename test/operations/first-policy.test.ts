import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defaultPolicy, parsePolicy } from '#domain/policy';
import { FORMER_DEFAULTS, firstPolicy } from '#operations/first-policy';
import { change } from '#storage/change';
import { listAudit } from '#storage/log-lists';
import { policyInForce, publishPolicy } from '#storage/policy';
import { emptied, secondNode, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
beforeAll(async () => {
  desk = await testDesk();
});
beforeEach(async () => {
  await emptied(desk);
});

const publish = (document: object) =>
  change(desk.db, { actor: 'staff:andi', why: 'edit policy' }, (tx) =>
    publishPolicy(tx, { document, note: '', createdBy: 'staff:andi', at: new Date(desk.clock()) }),
  );
const inForce = async () => parsePolicy((await policyInForce(desk.db))!.document, desk.zone);
const revisions = () => desk.db.query('select id, created_by as by, note from policy_revision order by id');
const audited = async () => (await listAudit(desk.db, { limit: 9 })).map(({ actor, why }) => ({ actor, why }));
const [prepaidAlone] = FORMER_DEFAULTS;

/** What the versions before money published, as it stands in such a database. */
const SHIPPED =
  '{"rules": [{"give": {"access": "denied"}, "name": "suspended", "when": {"is": "suspended"}}, {"give": {"pool": null, "rate": {"is": "plan"}, "access": "full", "profile": {"is": "plan"}, "attributes": [], "addressList": "prepaid-active", "idleSeconds": null, "interimSeconds": 300}, "name": "active", "when": {"is": "all", "of": [{"is": "covered"}, {"is": "allowance-left"}]}}, {"give": {"pool": null, "rate": {"is": "fixed", "burst": null, "uploadBps": 128000, "downloadBps": 128000}, "access": "walled", "profile": null, "attributes": [], "addressList": "prepaid-no-package", "idleSeconds": null, "interimSeconds": 300}, "name": "no package", "when": {"is": "all", "of": []}}]}';

describe('at the start', () => {
  test('of a new installation the default is published, once', async () => {
    expect(await firstPolicy(desk)).toEqual({ did: 'published', lacks: [] });
    expect(await firstPolicy(desk)).toEqual({ did: 'nothing', lacks: [] });
    expect(await inForce()).toEqual(defaultPolicy(desk.zone));
    expect(await audited()).toEqual([{ actor: 'test', why: 'default policy' }]);
  });

  test('of an installation with the default of before, this version’s is published in its place', async () => {
    expect(parsePolicy(JSON.parse(SHIPPED)).rules).toEqual(prepaidAlone);
    await publish(JSON.parse(SHIPPED));
    expect(await firstPolicy(desk)).toEqual({ did: 'renewed', lacks: [] });
    expect(await inForce()).toEqual(defaultPolicy(desk.zone));
    expect(await firstPolicy(desk)).toEqual({ did: 'nothing', lacks: [] });
    expect(await revisions()).toHaveLength(2);
    expect(await audited()).toContainEqual({ actor: 'test', why: 'renew default policy' });
    expect(await desk.db.query(`select key from change where topic = 'policy'`)).toEqual([{ key: 2 }]);
  });

  test.each([
    ['another rate', '"downloadBps": 128000', '"downloadBps": 256000'],
    ['another list', 'prepaid-no-package', 'isolir'],
    ['another name of a rule', '"no package"', '"isolir"'],
  ])('a policy that somebody gave %s is left alone, and what it lacks is told', async (_what, from, to) => {
    await publish(JSON.parse(SHIPPED.replace(from, to)));
    expect(await firstPolicy(desk)).toEqual({ did: 'nothing', lacks: ['overdue', 'paying'] });
    expect(await revisions()).toHaveLength(1);
  });

  test('what somebody wrote with such rules lacks nothing, wherever they stand', async () => {
    const rules = defaultPolicy(desk.zone).rules.filter(({ name }) => name !== 'paying');
    await publish({ rules });
    expect((await firstPolicy(desk)).lacks).toEqual([]);
    await publish({ rules: rules.filter(({ name }) => name !== 'overdue, paying') });
    expect((await firstPolicy(desk)).lacks).toEqual(['paying']);
  });

  test.each([
    ['no policy', null, 1],
    ['the default of before', SHIPPED, 2],
  ])('two nodes that find %s publish one', async (_what, found, count) => {
    if (found !== null) await publish(JSON.parse(found));
    const other = await secondNode(desk);
    try {
      const came = await Promise.all([desk, other, desk, other].map((node) => firstPolicy(node)));
      expect(came.filter(({ did }) => did !== 'nothing')).toHaveLength(1);
    } finally {
      await other.db.close();
    }
    expect(await revisions()).toHaveLength(count);
    expect(await audited()).toHaveLength(count);
  });
});
