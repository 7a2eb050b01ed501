import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { COOKIES } from '#portal/shared/context';
import { findStaff, STAFF_ROLES } from '#storage/staff';
import { createWebSession } from '#storage/web-sessions';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let owner: Browserlike;
let admin: Browserlike;
let count = 0;
beforeAll(async () => {
  pages = await startPortal();
  owner = await pages.loginStaff('owner', 'rina');
  admin = await pages.loginStaff('admin', 'andi');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const person = async (username: string) => (await findStaff(pages.db, { username }))!;

/** Adds somebody over the form; the password that was shown. */
async function add(by: Browserlike, username: string, role: string): Promise<{ id: number; password: string }> {
  await by.open('/staff/new');
  const { text } = await by.submit('/staff/new', { username, name: `Staf ${username}`, role });
  return { id: (await person(username)).id, password: /one-time">([^<]+)</.exec(text)![1]! };
}
let somebody: string;
beforeEach(() => {
  count += 1;
  somebody = `staf${count}`;
});

describe('a new member of staff', () => {
  test('gets a one-time password that is shown on this one page, works once, and must be changed', async () => {
    await owner.open('/staff/new');
    const fields = { username: somebody, name: 'Siti', role: 'customer-service' };
    const made = await owner.post('/staff/new', fields);
    const password = /one-time">([^<]+)</.exec(made.text)![1]!;
    expect([made.status, made.location, password.length]).toEqual([200, null, 16]);
    expect(made.headers.get('cache-control')).toContain('no-store');
    expect(JSON.stringify([...made.headers])).not.toContain(password);
    const { id } = await person(somebody);
    for (const path of ['/staff', `/staff/${id}`, '/audit'])
      expect((await owner.open(path)).text).not.toContain(password);
    const stored = await pages.db.query(
      'select detail::text as detail from audit union all select password_hash from staff',
    );
    expect(JSON.stringify(stored)).not.toContain(password);
    const login = pages.browser();
    await login.open('/login');
    expect((await login.submit('/login', { username: somebody, password })).path).toBe('/account/password');
  });

  test('is refused with words of our own when the form is wrong, and nobody is added', async () => {
    await owner.open('/staff/new');
    const wrong = await owner.submit('/staff/new', { username: 'a b', name: 'x'.repeat(201), role: 'king' });
    expect(wrong.status).toBe(422);
    const said = textOf(wrong.text);
    for (const part of ['tanpa spasi', 'paling panjang 200', 'Pilih peran']) expect(said).toContain(part);
    const taken = await owner.submit('/staff/new', { username: 'rina', name: '', role: 'admin' });
    expect(textOf(taken.text)).toContain('Username ini sudah dipakai');
    expect(await findStaff(pages.db, { username: 'a b' })).toBeNull();
  });

  test('whose name is markup stays text', async () => {
    await owner.open('/staff/new');
    await owner.submit('/staff/new', { username: somebody, name: '<img src=x onerror=alert(1)>', role: 'technician' });
    const { id } = await person(somebody);
    for (const path of ['/staff', `/staff/${id}`, '/audit']) {
      const { text } = await owner.open(path);
      expect(text).not.toContain('<img src=x');
      expect(textOf(text)).toContain('<img src=x onerror=alert(1)>');
    }
  });
});

describe('a member of staff', () => {
  test('gets another role and name, and who did it is in the log', async () => {
    const { id } = await add(owner, somebody, 'technician');
    await owner.open(`/staff/${id}`);
    await owner.submit(`/staff/${id}`, { name: 'Nama Baru', role: 'network-engineer' });
    expect(await person(somebody)).toMatchObject({ name: 'Nama Baru', role: 'network-engineer' });
    const log = textOf((await owner.open('/audit?why=edit+staff')).text);
    expect(log).toMatch(/Staf diubah rina.*Nama: .*→ Nama Baru.*Peran technician → network-engineer/);
  });

  test('is disabled, loses every session at once, and is enabled again', async () => {
    const their = await pages.loginStaff('customer-service', somebody);
    const { id } = await person(somebody);
    expect((await their.open('/customers')).path).toBe('/customers');
    expect(textOf((await owner.open('/staff')).text)).toMatch(
      new RegExp(`${somebody} Layanan pelanggan Aktif Belum baru saja 1`),
    );
    await owner.open(`/staff/${id}`);
    expect(textOf((await owner.submit(`/staff/${id}/disable`)).text)).toContain(
      'dinonaktifkan dan semua sesinya diakhiri',
    );
    expect((await their.open('/customers')).path).toContain('/login');
    expect(textOf((await owner.submit(`/staff/${id}/enable`)).text)).toContain('bisa login lagi');
    expect((await person(somebody)).disabledAt).toBeNull();
  });

  test('gets a new one-time password; the old one and the sessions are gone', async () => {
    const { id, password } = await add(owner, somebody, 'customer-service');
    await owner.open(`/staff/${id}`);
    const reset = await owner.submit(`/staff/${id}/password`);
    const fresh = /one-time">([^<]+)</.exec(reset.text)![1]!;
    expect(fresh).not.toBe(password);
    const login = pages.browser();
    await login.open('/login');
    expect((await login.submit('/login', { username: somebody, password })).path).toBe('/login');
    pages.setClock(pages.clock() + 60_000);
    expect((await login.submit('/login', { username: somebody, password: fresh })).path).toBe('/account/password');
  });

  test('has sessions ended, one or all, and the second factor taken away', async () => {
    const one = await pages.loginStaff('technician', somebody);
    const { id } = await person(somebody);
    const session = {
      of: { staffId: id, step: 'full' },
      address: '10.0.0.9',
      userAgent: 'Firefox/140 Android',
      at: pages.clock(),
    } as const;
    const other = pages.browser({ [COOKIES.staff]: await createWebSession(pages.db, session) });
    const isIn = async (browser: Browserlike) => (await browser.open('/customers')).path === '/customers';
    expect([await isIn(one), await isIn(other)]).toEqual([true, true]);
    const page = await owner.open(`/staff/${id}`);
    const key = /Firefox · Android[\s\S]*?name="key" value="([0-9a-f]{64})"/.exec(page.text)![1]!;
    await owner.submit(`/staff/${id}/sessions`, { key });
    expect([await isIn(one), await isIn(other)]).toEqual([true, false]);
    expect(textOf((await owner.submit(`/staff/${id}/sessions`, { key: 'all' })).text)).toContain('Tidak ada sesi');
    expect(await isIn(one)).toBe(false);
    await pages.db.execute(`update staff set totp_sealed = '\\x00', totp_since = now() where id = $1`, [id]);
    expect(textOf((await owner.submit(`/staff/${id}/totp`)).text)).toContain('dilepas dan semua sesinya diakhiri');
    expect((await person(somebody)).totpSince).toBeNull();
  });

  test('that does not exist is told', async () => {
    for (const id of ['99999', 'x', '99999999999']) expect((await owner.open(`/staff/${id}`)).path).toBe('/staff');
  });
});

describe('nobody locks the company out', () => {
  test('the last owner cannot be disabled or given another role, and the page says why and what to do', async () => {
    const { id } = await person('rina');
    const page = await owner.open(`/staff/${id}`);
    expect(textOf(page.text)).toContain('satu-satunya pemilik yang bisa login');
    for (const [path, fields] of [
      [`/staff/${id}/disable`, {}],
      [`/staff/${id}`, { name: 'Rina', role: 'admin' }],
    ] as const) {
      const refused = await owner.submit(path, fields);
      expect([path, refused.status]).toEqual([path, 422]);
      expect(textOf(refused.text.split('role="alert"')[1]!.split('</ul>')[0]!)).toContain(
        'Jadikan orang lain pemilik dulu',
      );
    }
    expect(await person('rina')).toMatchObject({ role: 'owner', disabledAt: null });
  });

  test('what one does to oneself goes over the own account', async () => {
    const { id } = await person('andi');
    await admin.open(`/staff/${id}`);
    for (const act of ['disable', 'password', 'totp', 'sessions']) {
      const refused = await admin.submit(`/staff/${id}/${act}`, { key: 'all' });
      expect([act, refused.status, refused.text.includes('akun Anda sendiri')]).toEqual([act, 422, true]);
    }
    expect(await person('andi')).toMatchObject({ disabledAt: null, mustChangePassword: false });
  });

  test('an admin manages everybody but owners, whatever is sent', async () => {
    const { id } = await person('rina');
    const page = await admin.open(`/staff/${id}`);
    expect(textOf(page.text)).toContain('Hanya pemilik yang boleh mengubah akun pemilik');
    await pages.loginStaff('owner', somebody); // so that she is not the last one
    for (const act of ['disable', 'password', 'totp', 'sessions', ''])
      expect(
        (await admin.submit(`/staff/${id}/${act}`.replace(/\/$/, ''), { name: 'x', role: 'technician' })).status,
      ).toBe(422);
    const added = await admin.submit('/staff/new', { username: `${somebody}-x`, name: '', role: 'owner' });
    expect([added.status, await findStaff(pages.db, { username: `${somebody}-x` })]).toEqual([422, null]);
    expect(await person('rina')).toMatchObject({
      role: 'owner',
      name: '',
      disabledAt: null,
      mustChangePassword: false,
    });
    expect((await owner.open('/staff')).status).toBe(200);
  });
});

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  '/prepaid/packages': STAFF_ROLES,
  '/prepaid/packages/new': ['owner', 'admin', 'network-engineer'],
  '/prepaid/speed-profiles': STAFF_ROLES,
  '/prepaid/speed-profiles/new': ['owner', 'admin', 'network-engineer'],
  '/prepaid/redirect': STAFF_ROLES,
  '/prepaid/redirect/differing': STAFF_ROLES,
  '/prepaid/reports': STAFF_ROLES,
  '/prepaid/reports/export.csv': STAFF_ROLES,
  '/staff': ['owner', 'admin'],
  '/staff/new': ['owner', 'admin'],
  '/staff/1': ['owner', 'admin'],
  '/audit': ['owner', 'admin'],
  '/audit/export.csv': ['owner', 'admin'],
};
const POSTS: Readonly<Record<string, readonly string[]>> = {
  '/prepaid/packages/new': ['owner', 'admin', 'network-engineer'],
  '/prepaid/packages/1/edit': ['owner', 'admin', 'network-engineer'],
  '/prepaid/packages/1/delete': ['owner', 'admin', 'network-engineer'],
  '/prepaid/speed-profiles/new': ['owner', 'admin', 'network-engineer'],
  '/prepaid/speed-profiles/1': ['owner', 'admin', 'network-engineer'],
  '/prepaid/speed-profiles/1/delete': ['owner', 'admin', 'network-engineer'],
  '/staff/new': ['owner', 'admin'],
  '/staff/999': ['owner', 'admin'],
  ...Object.fromEntries(
    ['disable', 'enable', 'password', 'totp', 'sessions'].map((act) => [`/staff/999/${act}`, ['owner', 'admin']]),
  ),
};

describe.each(STAFF_ROLES)('as %s', (role) => {
  let browser: Browserlike;
  beforeAll(async () => {
    browser = await pages.loginStaff(role);
  });

  test('each page opens or is refused, as the role says', async () => {
    for (const [path, roles] of Object.entries(ALLOWED))
      expect([path, (await browser.open(path)).status]).toEqual([path, roles.includes(role) ? 200 : 403]);
  });

  test('each change is taken or refused, as the role says', async () => {
    await browser.open('/account');
    for (const [path, roles] of Object.entries(POSTS)) {
      const { status } = await browser.post(path);
      expect([path, status === 403]).toEqual([path, !roles.includes(role)]);
    }
  });
});

test('nobody who is not logged in sees anything, and a form without its token changes nothing', async () => {
  const nobody = pages.browser();
  for (const path of Object.keys(ALLOWED)) expect((await nobody.fetch(path)).location).toContain('/login');
  for (const path of Object.keys(POSTS)) {
    expect([path, (await owner.post(path, {}, { token: null })).status]).toEqual([path, 403]);
    expect([path, (await owner.post(path, {}, { token: 'wrong' })).status]).toEqual([path, 403]);
  }
});
