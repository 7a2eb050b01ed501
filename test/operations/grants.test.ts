import { beforeAll, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { resume } from '#operations/resume';
import { revokeGrant } from '#operations/revoke-grant';
import { suspend } from '#operations/suspend';
import { loadEntries } from '#storage/facts';
import { grantsOf } from '#storage/grants';
import { findSubscriber } from '#storage/subscribers';
import { faults, NOW, PLAN, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let next = 0;
beforeAll(async () => {
  desk = await testDesk();
  await addPlan(desk, PLAN);
  await addPlan(desk, { name: 'unlimited', down: '10M', up: '5M', period: 'month', price: '200000' });
});

async function newSubscriber(): Promise<{ username: string; id: number }> {
  next += 1;
  return addSubscriber(desk, { username: `user${next}`, password: 'pw' });
}

describe('giving a grant', () => {
  test('the first one begins now and lasts the period of its plan', async () => {
    const { username } = await newSubscriber();
    const grant = await addGrant(desk, { username, plan: 'prepaid-20mbps' });
    expect([grant.from, grant.until]).toEqual([NOW, NOW + 30 * DAY]);
  });

  test('a second one begins where the first ends, and a third where the second ends: nothing bought is lost', async () => {
    const { username } = await newSubscriber();
    const first = await addGrant(desk, { username, plan: 'prepaid-20mbps' });
    const second = await addGrant(desk, { username, plan: 'unlimited' });
    const third = await addGrant(desk, { username, plan: 'prepaid-20mbps' });
    expect(second.from).toBe(first.until);
    expect(third.from).toBe(second.until);
  });

  test('when the allowance in force is spent, the new one begins now', async () => {
    const { username, id } = await newSubscriber();
    await addGrant(desk, { username, plan: 'prepaid-20mbps' });
    await desk.db.query('update grants set used_bytes = $2 where subscriber_id = $1', [id, 20 * 2 ** 30]);
    expect((await addGrant(desk, { username, plan: 'prepaid-20mbps' })).from).toBe(NOW);
  });

  test('a grant that is revoked or over does not push the next one away', async () => {
    const { username } = await newSubscriber();
    await addGrant(desk, { username, plan: 'unlimited' });
    await revokeGrant(desk, { username });
    expect((await addGrant(desk, { username, plan: 'unlimited' })).from).toBe(NOW);
  });

  test('from and until win over both rules; a bare date is that whole day in the company zone', async () => {
    const { username } = await newSubscriber();
    const grant = await addGrant(desk, { username, plan: 'unlimited', from: '2026-12-01', until: '2026-12-01' });
    expect(grant.from).toBe(Date.parse('2026-12-01T00:00+07:00'));
    expect(grant.until).toBe(Date.parse('2026-12-02T00:00+07:00'));
  });

  test('it keeps the revision that was sold when the plan is changed after', async () => {
    const { username, id } = await newSubscriber();
    await addPlan(desk, { ...PLAN, name: 'changing' });
    await addGrant(desk, { username, plan: 'changing' });
    expect(await addPlan(desk, { ...PLAN, name: 'changing', down: '50M' })).toMatchObject({ revision: 2 });
    const [entry] = await loadEntries(desk.db, desk.sealer, [id]);
    expect(entry!.facts.grants[0]!.plan.rate.downloadBps).toBe(20_000_000);
  });

  test('two at the same moment do not overlap', async () => {
    const { username } = await newSubscriber();
    const both = [addGrant(desk, { username, plan: 'unlimited' }), addGrant(desk, { username, plan: 'unlimited' })];
    const [one, other] = (await Promise.all(both)).toSorted((a, b) => a.from - b.from);
    expect(other!.from).toBe(one!.until);
  });

  test.each([
    [{}, ['username: missing', 'plan: missing']],
    [
      { username: 'user1', plan: 'nothing' },
      ['there is no plan "nothing"; there are: changing, prepaid-20mbps, unlimited'],
    ],
    [{ username: 'nobody', plan: 'unlimited' }, ['there is no subscriber "nobody"']],
    [
      { username: 'user1', plan: 'unlimited', from: 'tomorrow', until: '2026-12-01T10:00' },
      ['from "tomorrow"', 'until "2026-12-01T10:00"'],
    ],
    [{ username: 'user1', plan: 'unlimited', until: '2020-01-01' }, ['until is not after from']],
  ])('wrong input is said line by line: %j', async (input, expected) => {
    expect(await faults(addGrant(desk, input))).toEqual(expected.map((part) => expect.stringContaining(part)));
  });
});

describe('taking a grant back', () => {
  test('which one has to be said where there are several', async () => {
    const { username, id } = await newSubscriber();
    const first = await addGrant(desk, { username, plan: 'unlimited' });
    const second = await addGrant(desk, { username, plan: 'unlimited' });
    const listed = `${second.id} (unlimited), ${first.id} (unlimited)`;
    expect(await faults(revokeGrant(desk, { username }))).toEqual([
      `${username} has several grants: give one with --grant: ${listed}`,
    ]);
    expect(await faults(revokeGrant(desk, { username, grant: '999' }))).toEqual([
      `${username} has no grant 999 that could be revoked; there are: ${listed}`,
    ]);
    await revokeGrant(desk, { username, grant: first.id });
    const states = (await grantsOf(desk.db, id)).map((grant) => [grant.id, grant.revokedAt]);
    expect(states).toEqual([
      [second.id, null],
      [first.id, NOW],
    ]);
  });
});

describe('suspending', () => {
  test('is kept with its instant, is no news the second time, and is lifted by resume', async () => {
    const { username } = await newSubscriber();
    expect(await suspend(desk, username)).toEqual({ changed: true, since: NOW });
    desk.setClock(NOW + DAY);
    expect(await suspend(desk, username)).toEqual({ changed: false, since: NOW });
    desk.setClock(NOW);
    expect(await resume(desk, username)).toEqual({ changed: true });
    expect(await resume(desk, username)).toEqual({ changed: false });
    expect((await findSubscriber(desk.db, username))!.suspendedAt).toBeNull();
  });

  test('nobody of that name is said, with what to do', async () => {
    expect((await faults(suspend(desk, 'Nobody')))[0]).toMatch(
      /^there is no subscriber "Nobody"; user names are case-sensitive; add one with: /,
    );
  });
});
