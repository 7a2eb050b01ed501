import { afterAll, beforeAll, expect, test } from 'vitest';
import { addPackage, addPerson } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('admin');
  await addPackage(pages.desk);
});
afterAll(() => pages.stop());

const file = (text: string | Uint8Array<ArrayBuffer>, name = 'x.csv') => new File([text], name, { type: 'text/csv' });
const count = async (): Promise<number> =>
  (await pages.db.query<{ count: number }>('select count(*) as count from subscriber'))[0]!.count;
const keyIn = (text: string): string => /name="key" value="([^"]+)"/.exec(text)![1]!;

test('a CSV is shown first and imported after a yes, once', async () => {
  const page = await browser.open('/customers/import');
  const template = await browser.fetch('/customers/import/template.csv');
  expect(template.text).toContain('username,password');
  const seen = await browser.submit('/customers/import', {
    file: file('username,password,name,plan\nani,rahasia,Ani,20GB - 20Mbps\nbeni,rahasia,<b>Beni</b>,\n'),
  });
  expect(page.status).toBe(200);
  expect(textOf(seen.text)).toContain('2 pelanggan siap diimpor');
  expect(seen.text).toContain('&lt;b&gt;Beni');
  expect(await count()).toBe(0);
  const key = keyIn(seen.text);
  const done = await browser.submit('/customers/import/apply', { key });
  expect(textOf(done.text)).toContain('2 pelanggan sudah diimpor, 1 paket diberikan');
  expect(await count()).toBe(2);
  expect(textOf((await browser.submit('/customers/import/apply', { key })).text)).toContain(
    'Berkasnya tidak tersimpan lagi',
  );
});

test('the file as it is offered as an example can be imported', async () => {
  await browser.open('/customers/import');
  const template = await browser.fetch('/customers/import/template.csv');
  const seen = await browser.submit('/customers/import', { file: file(template.text) });
  expect(textOf(seen.text)).toContain('1 pelanggan siap diimpor');
});

test('every fault of a file is named with its line, and nothing is imported', async () => {
  await browser.open('/customers/import');
  const before = await count();
  const wrong = await browser.submit('/customers/import', {
    file: file('username,password,phone,plan\nani,rahasia,,\nx,,abc,hantu\n'),
  });
  expect(wrong.status).toBe(422);
  for (const line of ['baris 2: username "ani" sudah dipakai', 'baris 3: phone "abc" tidak bisa dipakai'])
    expect(textOf(wrong.text)).toContain(line);
  expect(wrong.text).not.toContain('name="key"');
  const many = await browser.submit('/customers/import', { file: file(`username,password\n${'a b ,\n'.repeat(80)}`) });
  expect(textOf(many.text)).toMatch(/… dan \d+ kesalahan lagi/);
  expect(textOf((await browser.submit('/customers/import', { file: file('') })).text)).toContain('Pilih berkas dulu');
  const sheet = await browser.submit('/customers/import', { file: file(new Uint8Array([0x50, 0x4b, 3, 4, 0xff, 0])) });
  expect(textOf(sheet.text)).toContain('bukan teks UTF-8');
  expect(await count()).toBe(before);
});

test('nobody applies what somebody else uploaded', async () => {
  await browser.open('/customers/import');
  const seen = await browser.submit('/customers/import', { file: file('username,password\ncici,rahasia\n') });
  const other = await pages.loginStaff('admin');
  await other.open('/customers/import');
  const before = await count();
  const answer = await other.submit('/customers/import/apply', { key: keyIn(seen.text) });
  expect(answer.status).toBe(422);
  expect(await count()).toBe(before);
});

test('a RouterOS export is taken in with profiles made to packages', async () => {
  await browser.open('/customers/import-mikrotik');
  const rsc = [
    '# 2026-11-21 09:00:00 by RouterOS 7.18.2',
    '/ppp profile add name=20M rate-limit=20M/20M',
    '/ppp secret',
    'add name=doni password=rahasia profile=20M service=pppoe comment="Doni Saputra"',
    'add name=eka profile=20M service=pppoe',
    '',
  ].join('\n');
  const seen = await browser.submit('/customers/import-mikrotik', { file: file(rsc, 'x.rsc') });
  expect(textOf(seen.text)).toContain('2 akun PPPoE ditemukan RouterOS 7.18.2');
  expect(seen.text).toContain('name="plan:20M"');
  const key = keyIn(seen.text);
  const refused = await browser.submit('/customers/import-mikrotik/apply', { key });
  expect(refused.status).toBe(422);
  const chosen = { key, 'plan:20M': '20GB - 20Mbps', passwords: 'generate', billing: 'prepaid', disabled: 'suspend' };
  const again = await browser.submit('/customers/import-mikrotik/preview', chosen);
  expect(again.text).toContain('<option value="20GB - 20Mbps" selected');
  const past = await browser.submit('/customers/import-mikrotik/preview', { ...chosen, until: '2020-01-01' });
  expect(past.status).toBe(422);
  const before = await count();
  const done = await browser.submit('/customers/import-mikrotik/apply', chosen);
  expect(textOf(done.text)).toContain('Impor selesai');
  expect(textOf(done.text)).toContain('1 kata sandi baru dibuat');
  expect(await count()).toBe(before + 2);
  const csv = Buffer.from(/base64,([^"]+)"/.exec(done.text)![1]!.replaceAll('&#x3D;', '='), 'base64').toString();
  expect(csv).toMatch(/eka,\w{8,}/);
});

test('a CSV names who is migrated: a preview, then the work', async () => {
  for (const username of ['migrasi1', 'migrasi2']) await addPerson(pages.desk, { username, billing: 'postpaid' });
  await browser.open('/migrate');
  const wrong = await browser.submit('/migrate', { file: file('username\nsiapa\n') });
  expect([wrong.status, textOf(wrong.text)]).toEqual([422, expect.stringContaining('siapa')]);
  const seen = await browser.submit('/migrate', { file: file('username\nmigrasi1\nmigrasi2\n') });
  expect(textOf(seen.text)).toContain('Akan dipindahkan 2');
  const running = await browser.submit('/migrate/start', { key: keyIn(seen.text) });
  expect(running.path).toMatch(/^\/jobs\//);
  for (;;) {
    const part = await browser.fetch(`${running.path}/progress`);
    if (part.text.includes('data-done')) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(textOf((await browser.open(running.path)).text)).toContain('2 PIN siap');
  expect(pages.logged).toEqual([]);
});
