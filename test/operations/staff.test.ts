import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { may, mayManage, PERMISSIONS } from '#operations/permissions';
import {
  addStaff,
  disableStaff,
  editStaff,
  enableStaff,
  endStaffSessions,
  resetStaffPassword,
  resetStaffTotp,
} from '#operations/staff';
import { findStaff, listStaff, STAFF_ROLES, type StaffRole } from '#storage/staff';
import { createWebSession, findWebSession, listWebSessionsOf } from '#storage/web-sessions';
import { emptied, faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let owner: number;
let admin: number;
let siti: number;
const by = (username: string): TestDesk => ({ ...desk, actor: `staff:${username}` });
const add = async (username: string, role: StaffRole) => (await addStaff(desk, { username, role })).id;
const session = (staffId: number) =>
  createWebSession(desk.db, { of: { staffId, step: 'full' }, address: '10.0.0.5', userAgent: 'Fox', at: NOW });

beforeAll(async () => {
  desk = await testDesk();
});

beforeEach(async () => {
  await emptied(desk);
  owner = await add('pak-hadi', 'owner');
  admin = await add('rina', 'admin');
  siti = await add('siti', 'customer-service');
});

describe('who may what', () => {
  test('is one table', () => {
    const table = STAFF_ROLES.map((role) => [
      role,
      PERMISSIONS.filter((permission) => may(role, permission)).join(' '),
    ]);
    expect(Object.fromEntries(table)).toEqual({
      owner: 'see subscribers money sessions plans network policy messages settings staff audit',
      admin: 'see subscribers money sessions plans network policy messages settings staff audit',
      'customer-service': 'see subscribers money sessions messages',
      technician: 'see sessions network',
      'network-engineer': 'see sessions plans network policy',
    });
  });

  test('only owners manage owners; admins manage the others; nobody else anybody', () => {
    const managed = (role: StaffRole) => STAFF_ROLES.filter((of) => mayManage(role, of));
    expect(managed('owner')).toEqual(STAFF_ROLES);
    expect(managed('admin')).toEqual(STAFF_ROLES.filter((of) => of !== 'owner'));
    for (const role of ['customer-service', 'technician', 'network-engineer'] as const)
      expect(managed(role)).toEqual([]);
  });

  test.each([
    ['an admin makes an owner', () => addStaff(by('rina'), { username: 'x', role: 'owner' })],
    ['an admin becomes an owner', () => editStaff(by('rina'), { id: admin, role: 'owner' })],
    ['an admin demotes an owner', () => editStaff(by('rina'), { id: owner, role: 'technician' })],
    ['an admin renames an owner', () => editStaff(by('rina'), { id: owner, name: 'X' })],
    ['an admin disables an owner', () => disableStaff(by('rina'), owner)],
    ['an admin takes an owner their password', () => resetStaffPassword(by('rina'), owner)],
    ['an admin takes an owner their second factor', () => resetStaffTotp(by('rina'), owner)],
    ['an admin ends an owner their sessions', () => endStaffSessions(by('rina'), owner, null)],
    ['customer service adds staff', () => addStaff(by('siti'), { username: 'x', role: 'technician' })],
    ['customer service makes itself an admin', () => editStaff(by('siti'), { id: siti, role: 'admin' })],
    ['somebody who is no staff', () => disableStaff(by('nobody'), siti)],
  ])('refused: %s', async (_, act) => {
    const before = await desk.db.query('select * from staff order by id');
    expect(await faults(act())).toEqual([
      expect.stringMatching(/^your role may not do this to a member of staff of the role [a-z-]+; ask an owner$/),
    ]);
    expect(await desk.db.query('select * from staff order by id')).toEqual(before);
  });

  test('somebody who was disabled a moment ago may nothing any more', async () => {
    await disableStaff(desk, admin);
    expect(await faults(disableStaff(by('rina'), siti))).toHaveLength(1);
    await enableStaff(desk, admin);
    expect(await disableStaff(by('rina'), siti)).toEqual({ changed: true });
  });

  test('everybody changes their own name and language', async () => {
    expect(await editStaff(by('siti'), { id: siti, name: 'Siti Aminah', language: 'en' })).toEqual({
      changed: ['name', 'language'],
    });
    expect(await findStaff(desk.db, { username: 'siti' })).toMatchObject({
      name: 'Siti Aminah',
      language: 'en',
      role: 'customer-service',
    });
    expect(await faults(editStaff(by('siti'), { id: admin, name: 'X' }))).toHaveLength(1);
  });
});

describe('the last owner', () => {
  const LAST = ['pak-hadi is the only owner who can log in; make somebody else an owner first'];

  test('is neither disabled nor demoted, by anybody', async () => {
    expect(await faults(disableStaff(desk, owner))).toEqual(LAST);
    expect(await faults(editStaff(by('pak-hadi'), { id: owner, role: 'admin' }))).toEqual(LAST);
    expect(await findStaff(desk.db, { id: owner })).toMatchObject({ role: 'owner', disabledAt: null });
  });

  test('a disabled owner does not count', async () => {
    const second = await add('bu-dewi', 'owner');
    await disableStaff(desk, second);
    expect(await faults(disableStaff(desk, owner))).toEqual(LAST);
    await enableStaff(desk, second);
    expect(await disableStaff(desk, owner)).toEqual({ changed: true });
  });

  test('of owners who disable and demote each other at once one stays', async () => {
    const others = [await add('bu-dewi', 'owner'), await add('pak-joko', 'owner'), await add('bu-ani', 'owner')];
    for (let round = 0; round < 10; round += 1) {
      const acts = [disableStaff(desk, owner), ...others.map((id) => editStaff(desk, { id, role: 'admin' }))];
      const refused = await Promise.all(acts.map(faults));
      expect(refused.filter((lines) => lines.length > 0)).toHaveLength(1);
      const standing = (await listStaff(desk.db)).filter((one) => one.role === 'owner' && one.disabledAt === null);
      expect(standing).toHaveLength(1);
      await desk.db.query(`update staff set role = 'owner', disabled_at = null where id = any($1::int[])`, [
        [owner, ...others],
      ]);
    }
  });
});

describe('the accounts', () => {
  test('a new one has a one-time password, and a name is there once', async () => {
    const made = await addStaff(desk, { username: 'joko', name: 'Joko', role: 'technician' });
    expect(made.password).toMatch(/^[A-Za-z2-9]{16}$/);
    expect(await findStaff(desk.db, { id: made.id })).toMatchObject({
      username: 'joko',
      name: 'Joko',
      role: 'technician',
      mustChangePassword: true,
      totpSince: null,
      disabledAt: null,
    });
    expect(await faults(addStaff(desk, { username: 'joko', role: 'admin' }))).toEqual([
      'username "joko" is taken; give another',
    ]);
  });

  test('every wrong field is said', async () => {
    expect(await faults(addStaff(desk, { username: 'jo ko', role: 'boss' }))).toEqual([
      'username "jo ko" is not usable; give a user name of letters, digits and . _ @ -, for example siti',
      'role "boss" is not usable; give one of owner, admin, customer-service, technician, network-engineer',
    ]);
    expect(await faults(editStaff(desk, { id: 999, name: 'x' }))).toEqual([
      'this member of staff is no more; go back to the list',
    ]);
  });

  test('disabled: every session ends at once, and nothing changes twice', async () => {
    const token = await session(siti);
    expect(await disableStaff(desk, siti)).toEqual({ changed: true });
    expect(await findWebSession(desk.db, token, NOW)).toBeNull();
    expect(await disableStaff(desk, siti)).toEqual({ changed: false });
    await enableStaff(desk, siti);
    expect(await findWebSession(desk.db, token, NOW), 'it does not come back').toBeNull();
  });

  test('a role that is changed counts for the session that is open', async () => {
    const token = await session(siti);
    await editStaff(desk, { id: siti, role: 'technician' });
    expect(await findWebSession(desk.db, token, NOW)).toMatchObject({ staff: { role: 'technician' } });
  });

  test.each([
    ['password', resetStaffPassword],
    ['second factor', resetStaffTotp],
  ])('a %s that is reset ends every session', async (_, reset) => {
    const token = await session(siti);
    await reset(desk, siti);
    expect(await findWebSession(desk.db, token, NOW)).toBeNull();
  });

  test('one session ends, or all, by oneself or by whoever may', async () => {
    const tokens = [await session(siti), await session(siti), await session(siti)];
    const [first] = await listWebSessionsOf(desk.db, siti, NOW);
    expect(await endStaffSessions(by('siti'), siti, first!.key)).toEqual({ ended: 1 });
    expect(await endStaffSessions(by('siti'), siti, first!.key)).toEqual({ ended: 0 });
    expect(await endStaffSessions(by('rina'), siti, null)).toEqual({ ended: 2 });
    for (const token of tokens) expect(await findWebSession(desk.db, token, NOW)).toBeNull();
  });

  test('each act is in the audit with before and after, and no password', async () => {
    const { password } = await addStaff(by('rina'), { username: 'joko', name: 'Joko', role: 'technician' });
    const joko = (await findStaff(desk.db, { username: 'joko' }))!.id;
    await editStaff(by('rina'), { id: joko, role: 'network-engineer' });
    await disableStaff(by('rina'), joko);
    const rows = await desk.db.query<{ actor: string; why: string; detail: object; all: string }>(
      `select actor, why, detail, a::text as all from audit a where actor = 'staff:rina' order by id`,
    );
    expect(rows.map(({ why, detail }) => [why, detail])).toEqual([
      ['add staff', { username: 'joko', name: 'Joko', role: 'technician' }],
      [
        'edit staff',
        { id: joko, username: 'joko', before: { role: 'technician' }, after: { role: 'network-engineer' } },
      ],
      ['disable staff', { id: joko, username: 'joko' }],
    ]);
    expect(rows.map((row) => row.all).join()).not.toContain(password);
  });
});
