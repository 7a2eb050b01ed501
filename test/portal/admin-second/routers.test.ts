import { afterAll, beforeAll, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { addSubscriber } from '#operations/add-subscriber';
import { setApiFingerprint } from '#operations/edit-nas';
import { saveSettings } from '#operations/settings';
import type { RouterState } from '#portal/shared/parts';
import { loadNases } from '#storage/facts';
import { findNas } from '#storage/nas';
import { nasApiPasswordAad } from '#storage/secrets';
import { STAFF_ROLES } from '#storage/staff';
import { HOSTILE } from '#test/portal/admin-first/people';
import { changes, unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

const PATH = '/settings/routers';
const SECRET = 'canary-radius-secret';
const PASSWORD = 'canary-api-password';
const NETWORK = ['owner', 'admin', 'technician', 'network-engineer'];
const FORM = {
  name: 'menara-utara',
  address: '10.20.0.1',
  secret: SECRET,
  coaPort: '3799',
  coaPerSecond: '50',
  messageAuthenticator: 'auto',
  tags: 'utara fiber',
  recognisesLines: 'true',
  apiHost: '',
  apiPort: '8729',
  apiTls: 'pinned',
  apiUser: 'gerbang',
  apiPassword: PASSWORD,
};

let pages: TestPortal;
let browser: Browserlike;
let states: RouterState[] = [];
let tested: { ok: boolean; says: string } = { ok: true, says: 'menara answers: RouterOS 7.16 on CCR2004' };
/** The first router, and its page. */
let id: number;
let page: string;

beforeAll(async () => {
  pages = await startPortal({ live: { routers: { states: () => states, test: async () => tested } } });
  browser = await pages.loginStaff('network-engineer', 'andi');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const send = async (path: string, fields: Record<string, string> = {}) => {
  await browser.open(`${PATH}/new`);
  return browser.submit(path, fields);
};
const said = async (path: string): Promise<string> => textOf((await browser.open(path)).text);
const secretOf = async (name: string): Promise<string> =>
  (await loadNases(pages.db, pages.desk.sealer)).find((nas) => nas.name === name)!.secret.reveal();
async function apiPassword(): Promise<string | null> {
  const [row] = await pages.db.query<{ sealed: Buffer | null }>(
    'select api_password_sealed as sealed from nas where id = $1',
    [id],
  );
  return row!.sealed === null ? null : pages.desk.sealer.open(row!.sealed, nasApiPasswordAad(id));
}

test('without a router the page teaches what to do first', async () => {
  expect(await said(PATH)).toContain('Belum ada router Tambahkan MikroTik yang melayani pelanggan Anda');
  const cs = await pages.loginStaff('customer-service');
  expect((await cs.open(PATH)).text).not.toContain(`${PATH}/new`);
});

test('a router is added with all that was entered; its secrets are sealed and on no page', async () => {
  const added = await send(`${PATH}/new`, FORM);
  expect(textOf(added.text)).toContain('menara-utara');
  const nas = (await findNas(pages.db, { name: 'menara-utara' }))!;
  ({ id } = nas);
  page = `${PATH}/${id}`;
  expect(nas).toMatchObject({
    address: '10.20.0.1',
    tags: ['utara', 'fiber'],
    recognisesLines: true,
    apiUser: 'gerbang',
    apiPasswordSet: true,
  });
  expect([await secretOf('menara-utara'), await apiPassword()]).toEqual([SECRET, PASSWORD]);
  const owner = await pages.loginStaff('owner');
  for (const path of [PATH, page, `${page}/edit`, `${page}/script`, '/audit', '/prepaid/redirect'])
    expect((await owner.open(path)).text, path).not.toContain('canary');
  expect(added.text).not.toContain('canary');
});

test('everybody sees routers; only who runs the network changes, tests or takes them away', async () => {
  const paths = [PATH, page, `${PATH}/new`, `${page}/edit`, `${page}/script`];
  expect(await whoOpens(pages, paths)).toEqual({
    [PATH]: STAFF_ROLES,
    [page]: STAFF_ROLES,
    [`${PATH}/new`]: STAFF_ROLES.filter((role) => NETWORK.includes(role)),
    [`${page}/edit`]: STAFF_ROLES.filter((role) => NETWORK.includes(role)),
    [`${page}/script`]: STAFF_ROLES.filter((role) => NETWORK.includes(role)),
  });
  const forms = {
    [`${PATH}/new`]: { ...FORM, name: 'lain', address: '10.20.0.9' },
    [`${page}/edit`]: { ...FORM, name: 'lain' },
    [`${page}/test`]: {},
    [`${page}/forget-certificate`]: {},
    [`${page}/delete`]: {},
    [`${page}/script`]: { server: '10.0.0.2' },
  };
  const before = await changes(pages);
  expect(await unrefused(pages, forms, ['customer-service'])).toEqual([]);
  expect(await changes(pages)).toBe(before);
  const cs = await pages.loginStaff('customer-service');
  expect((await cs.open(page)).text).not.toMatch(/\/(edit|script|delete|test)"/);
});

test('a secret that we made is shown once, in the answer that made it, and kept out of caches', async () => {
  const made = await send(`${PATH}/new`, { ...FORM, name: 'menara-barat', address: '10.20.0.2', secret: '' });
  const secret = await secretOf('menara-barat');
  expect(secret).toMatch(/^\S{20,}$/);
  expect(textOf(made.text)).toContain(`Secret RADIUS (hanya tampil sekali) ${secret}`);
  expect(made.headers.get('cache-control')).toBe('no-store');
  const { id: other } = (await findNas(pages.db, { name: 'menara-barat' }))!;
  for (const path of [`${PATH}/${other}`, `${PATH}/${other}/edit`, PATH, `${PATH}/${other}/script`])
    expect((await browser.open(path)).text).not.toContain(secret);
  const again = await send(`${PATH}/${other}/edit`, {
    ...FORM,
    name: 'menara-barat',
    address: '10.20.0.2',
    secret: '',
    newSecret: 'yes',
  });
  const second = await secretOf('menara-barat');
  expect(second).not.toBe(secret);
  expect(textOf(again.text)).toContain(second);
  expect((await browser.open(`${PATH}/${other}`)).text).not.toContain(second);
});

test('an edit changes what was changed, and keeps secrets that are left empty', async () => {
  const fields = { ...FORM, secret: '', apiPassword: '', coaPerSecond: '20', recognisesLines: '' };
  expect(textOf((await send(`${page}/edit`, fields)).text)).toContain('Router menara-utara disimpan');
  expect(await findNas(pages.db, { id })).toMatchObject({ coaPerSecond: 20, recognisesLines: false });
  expect([await secretOf('menara-utara'), await apiPassword()]).toEqual([SECRET, PASSWORD]);
  expect(textOf((await send(`${page}/edit`, fields)).text)).toContain('Tidak ada yang berubah');
  await send(`${page}/edit`, { ...fields, secret: 'canary-new-secret', apiPassword: 'canary-new' });
  expect([await secretOf('menara-utara'), await apiPassword()]).toEqual(['canary-new-secret', 'canary-new']);
  const forgot = await send(`${page}/edit`, { ...fields, forgetPassword: 'yes' });
  expect(textOf(forgot.text)).toContain('Sandi belum diisi');
  expect(await apiPassword()).toBeNull();
});

test.each([
  [{ name: '' }, 'name', 'Isi nama 1 sampai 100 huruf', 'Enter a name of 1 to 100'],
  [{ name: 'menara-utara' }, 'name', 'Nama ini dipakai router lain', 'Another router has this name'],
  [{ address: '10.20.0.300' }, 'address', 'Tulis alamat IP atau blok', 'Write an IP address or a block'],
  [{ address: '10.20.0.1' }, 'address', 'Alamat ini milik router lain', 'This address belongs to another'],
  [{ secret: 'short' }, 'secret', 'Secret harus 8 sampai 256', 'A secret has 8 to 256'],
  [{ coaPort: '0' }, 'coaPort', 'Tulis port 1 sampai 65535', 'Write a port from 1 to 65535'],
  [{ coaPerSecond: 'x' }, 'coaPerSecond', 'Tulis angka 1 sampai 10000', 'Write a number from 1 to 10000'],
  [{ tags: 't'.repeat(51) }, 'tags', 'Setiap tag 1 sampai 50', 'Each tag has 1 to 50'],
  [{ apiHost: 'router.example' }, 'apiHost', 'Tulis alamat IP, atau kosongkan', 'Write an IP address, or leave'],
  [{ apiPort: '99999' }, 'apiPort', 'Tulis port 1 sampai 65535', 'Write a port from 1 to 65535'],
  [{ apiPassword: 'x'.repeat(201) }, 'apiPassword', 'Sandi paling banyak 200', 'A password has at most 200'],
] as const)('%j is refused beside %s, and no router is added', async (wrong, field, ...says) => {
  const count = async () => (await loadNases(pages.db, pages.desk.sealer)).length;
  const before = await count();
  for (const [at, language] of (['id', 'en'] as const).entries()) {
    browser.cookies.set('gerbang_lang', language);
    const { status, text } = await send(`${PATH}/new`, { ...FORM, name: 'baru', address: '10.30.0.1', ...wrong });
    expect(status).toBe(422);
    expect(text).toContain(`<p class="fault" id="${field}-says">${says[at]}`);
    expect(text).toContain(`<a href="#${field}">`);
    expect(text).not.toContain('canary');
    if (['coaPort', 'tags'].includes(field)) expect(text).toContain('<details class="fold" open>');
  }
  browser.cookies.delete('gerbang_lang');
  expect(await count()).toBe(before);
});

test('a wrong edit shows its faults and changes nothing', async () => {
  const { status, text } = await send(`${page}/edit`, { ...FORM, name: 'menara-barat', apiTls: 'maybe' });
  expect(status).toBe(422);
  expect(text).toContain('value="menara-barat"');
  expect(textOf(text)).toContain('Pilih dari daftar');
  expect(textOf((await send(`${page}/edit`, { ...FORM, name: 'menara-barat' })).text)).toContain('Nama ini dipakai');
  expect((await findNas(pages.db, { id }))!.name).toBe('menara-utara');
});

test('a hostile name is text wherever it stands', async () => {
  const { id: hostile } = await addNas(pages.desk, { name: HOSTILE, address: '10.66.0.1', secret: 'generate' });
  states = [
    {
      nasId: hostile,
      name: HOSTILE,
      state: 'failing',
      error: '<b>invalid user</b>',
      lastSeenAt: null,
      wanted: 4,
      differing: 1,
    },
  ];
  tested = { ok: false, says: '<i>cannot log in</i>' };
  await send(`${PATH}/${hostile}/edit`, { ...FORM, name: HOSTILE, address: '10.66.0.1' });
  for (const path of [PATH, `${PATH}/${hostile}`, `${PATH}/${hostile}/edit`, `${PATH}/${hostile}/script`]) {
    const { text, status } = await browser.open(path);
    expect(status).toBe(200);
    expect(text).not.toContain('<img src=x');
    expect(text).not.toContain('<b>invalid');
  }
  expect((await send(`${PATH}/${hostile}/test`)).text).not.toContain('<i>cannot');
  const script = await send(`${PATH}/${hostile}/script`, { server: '10.0.0.2', do: 'show' });
  expect(script.text).not.toContain('<img src=x');
  const file = await send(`${PATH}/${hostile}/script`, { server: '10.0.0.2', do: 'download' });
  expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="[\w.-]+\.rsc"$/);
  expect(textOf((await send(`${PATH}/${hostile}/delete`)).text)).toContain('dihapus');
  states = [];
});

test('the API’s state stands in the list and on the page; a router without API that has static lines is a warning', async () => {
  const state = { nasId: id, name: 'menara-utara', error: null, lastSeenAt: pages.clock() - 60_000, wanted: 4 };
  states = [{ ...state, state: 'connected', differing: 2 }];
  await send(`${page}/edit`, { ...FORM });
  expect(await said(PATH)).toMatch(/menara-utara .*Terhubung 2 alamat belum sesuai/);
  states = [{ ...state, state: 'silent', differing: 0, error: 'connect ETIMEDOUT' }];
  expect(await said(page)).toMatch(/Tidak menjawab .*Terakhir menjawab 1 menit lalu Kesalahan connect ETIMEDOUT/);
  states = [];
  const line = { username: 'statis', access: 'static', nas: 'menara-barat', addresses: ['203.0.113.9'] };
  await addSubscriber(pages.desk, line);
  const { id: other } = (await findNas(pages.db, { name: 'menara-barat' }))!;
  await send(`${PATH}/${other}/edit`, { ...FORM, name: 'menara-barat', address: '10.20.0.2', apiUser: '', secret: '' });
  expect(await said(`${PATH}/${other}`)).toContain('Belum diatur, padahal ada saluran statis');
  expect((await browser.open(`${PATH}/${other}`)).text).not.toContain('/test"');
});

test('a test says what came of it, and when it fails what to look at', async () => {
  tested = { ok: true, says: 'menara answers: RouterOS 7.16 on CCR2004' };
  expect(textOf((await send(`${page}/test`)).text)).toContain(
    'Sambungan API berhasil menara menjawab: RouterOS 7.16 di CCR2004',
  );
  tested = { ok: false, says: 'invalid user name or password (6)' };
  expect(textOf((await send(`${page}/test`)).text)).toContain(
    'Sambungan API gagal invalid user name or password (6) Periksa: /ip service',
  );
});

test('a certificate that was trusted can be forgotten', async () => {
  await setApiFingerprint(pages.desk, id, 'ab'.repeat(32));
  expect((await browser.open(page)).text).toContain('ab:ab:ab');
  expect(textOf((await send(`${page}/forget-certificate`)).text)).toContain('Sertifikat berikutnya akan dipercaya');
  expect((await findNas(pages.db, { id }))!.apiFingerprint).toBeNull();
});

test('the script holds the secret and the walled garden of the settings, and is made by a form only', async () => {
  await saveSettings(pages.desk, 'walledGarden', { hosts: 'pay.example.net' });
  const { text } = await browser.open(`${page}/script`);
  expect(text).not.toContain('canary');
  expect(textOf(text)).toContain('/radius monitor 0');
  const secret = await secretOf('menara-utara');
  const shown = await send(`${page}/script`, { server: '10.0.0.2', version: '7', do: 'show' });
  expect(textOf(shown.text)).toContain(`secret="${secret}"`);
  expect(textOf(shown.text)).toContain('list=walled-garden address=pay.example.net');
  expect(shown.headers.get('cache-control')).toBe('no-store');
  const file = await send(`${page}/script`, { server: '10.0.0.2', version: '6', do: 'download' });
  expect(file.headers.get('content-disposition')).toBe('attachment; filename="menara-utara.rsc"');
  expect(file.text).toMatch(/^# Gerbang: RouterOS 6, router menara-utara\n/);
  const wrong = await send(`${page}/script`, { server: 'server.example' });
  expect([wrong.status, textOf(wrong.text)]).toEqual([422, expect.stringContaining('Tulis alamat IPv4 server ini')]);
});

test('a router of another make is told so, keeps it, and has what is entered there instead of a script', async () => {
  const fields = { ...FORM, secret: 'a-plain-secret-of-32-characters-', apiPassword: '', vendor: 'accel-ppp' };
  expect(textOf((await send(`${page}/edit`, fields)).text)).toContain('Merek accel-ppp');
  const { vendor: _kept, ...without } = fields;
  await send(`${page}/edit`, without);
  expect(await findNas(pages.db, { id })).toMatchObject({ vendor: 'accel-ppp' });
  expect((await browser.open(`${page}/edit`)).text).toMatch(/value="accel-ppp" selected/);
  const asked = await browser.open(`${page}/script`);
  expect(textOf(asked.text)).not.toContain('RouterOS');
  const shown = await send(`${page}/script`, { server: '10.0.0.2', do: 'show' });
  expect(textOf(shown.text)).toContain('server=10.0.0.2,a-plain-secret-of-32-characters-,auth-port=');
  const file = await send(`${page}/script`, { server: '10.0.0.2', do: 'download' });
  expect(file.headers.get('content-disposition')).toMatch(/\.conf"$/);
  expect((await send(`${page}/edit`, { ...fields, vendor: 'cisco' })).status).toBe(422);
  await send(`${page}/edit`, { ...fields, vendor: 'mikrotik' });
});

test('a router’s CoA goes through a FreeRADIUS that is marked as one, and directly again', async () => {
  const { id: tower } = await addNas(pages.desk, { name: 'lewat', address: '10.30.0.1', secret: SECRET });
  const edit = `${PATH}/${tower}/edit`;
  expect((await browser.open(edit)).text).not.toContain('name="coaVia"');
  await send(`${PATH}/new`, { ...FORM, name: 'freeradius-1', address: '10.30.0.5', proxy: 'true', apiPassword: '' });
  expect((await browser.open(edit)).text).toContain('<option>freeradius-1</option>');
  const fields = { ...FORM, name: 'lewat', address: '10.30.0.1', secret: '', apiPassword: '' };
  await send(edit, { ...fields, coaVia: 'freeradius-1' });
  expect(await findNas(pages.db, { id: tower })).toMatchObject({ coaVia: 'freeradius-1', proxy: false });
  expect(await said(`${PATH}/${tower}`)).toContain('CoA dikirim lewat freeradius-1');
  expect((await send(edit, { ...fields, coaVia: 'menara-utara' })).status).toBe(422);
  const through = await findNas(pages.db, { name: 'freeradius-1' });
  expect(await said(`${PATH}/${through!.id}`)).toContain('FreeRADIUS, untuk router di belakangnya');
  await send(edit, { ...fields, coaVia: '' });
  expect(await findNas(pages.db, { id: tower })).toMatchObject({ coaVia: null });
});

test('who had a script shown or downloaded stands in the audit log, in words', async () => {
  const owner = await pages.loginStaff('owner');
  const rows = async () =>
    (await owner.open('/audit?why=show+router+script&actor=staff:andi')).text.split('<tbody')[1]!.split('</tr>');
  const before = await rows();
  await send(`${page}/script`, { server: '10.0.0.2', do: 'show' });
  await send(`${page}/script`, { server: '10.0.0.2', do: 'download' });
  await send(`${page}/script`, { server: 'server.example' });
  await browser.open(`${page}/script`);
  const after = await rows();
  expect(after).toHaveLength(before.length + 2);
  for (const row of after.slice(0, 2))
    expect(textOf(row)).toMatch(/Skrip router ditampilkan, memuat secret RADIUS andi .*menara-utara/);
  owner.cookies.set('gerbang_lang', 'en');
  expect(textOf((await rows())[0]!)).toContain('Router script shown, with the RADIUS secret');
});

test('a router in use is not deleted; one that is free is, and leads nowhere afterwards', async () => {
  const { id: used } = (await findNas(pages.db, { name: 'menara-barat' }))!;
  expect(textOf((await send(`${PATH}/${used}/delete`)).text)).toContain('Router ini masih dipakai');
  expect(await findNas(pages.db, { id: used })).not.toBeNull();
  const gone = await send(`${page}/delete`);
  expect([gone.path, textOf(gone.text)]).toEqual([PATH, expect.stringContaining('Router menara-utara dihapus')]);
  for (const path of [page, `${page}/edit`, `${page}/script`, `${PATH}/abc`, `${PATH}/99999999999`])
    expect((await browser.fetch(path)).status, path).toBe(404);
  for (const act of ['edit', 'test', 'forget-certificate', 'delete', 'script'])
    expect((await browser.post(`${page}/${act}`, FORM)).status, act).toBe(404);
});
