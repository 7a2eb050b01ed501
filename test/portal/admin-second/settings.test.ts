import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '#operations/settings';
import { HOSTILE } from '#test/portal/admin-first/people';
import { changes, unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

const COMPANY = { name: 'Maju Net', address: 'Jl. Melati 7', phone: '081234567890', hours: '08.00–20.00', zone: '' };
const REMINDERS = { endingSoonHours: '24', quotaShares: '80, 100', quietFrom: '21:00', quietTo: '07:00' };
const OWNERS = ['owner', 'admin'];

let pages: TestPortal;
let browser: Browserlike;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('admin', 'rina');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const send = async (path: string, fields: Record<string, string>) => {
  await browser.open(path);
  return browser.submit(path, fields);
};

test('only owner and admin see and change what the company decides', async () => {
  const paths = ['/settings', '/settings/reminders', '/settings/walled-garden'];
  expect(await whoOpens(pages, paths)).toEqual(Object.fromEntries(paths.map((path) => [path, OWNERS])));
  const forms = {
    '/settings': COMPANY,
    '/settings/reminders': REMINDERS,
    '/settings/walled-garden': { hosts: 'a.example' },
  };
  const before = await changes(pages);
  expect(await unrefused(pages, forms, ['customer-service', 'technician', 'network-engineer'])).toEqual([]);
  expect(await changes(pages)).toBe(before);
});

test('the company is saved, with who changed it last; the same again changes nothing', async () => {
  const saved = await send('/settings', { ...COMPANY, name: `Maju ${HOSTILE}` });
  expect(textOf(saved.text)).toContain('Pengaturan disimpan');
  expect(textOf(saved.text)).toContain('Terakhir diubah oleh rina, baru saja');
  expect(saved.text).not.toContain('<img src=x');
  expect((await readSettings(pages.db)).company).toMatchObject({
    name: `Maju ${HOSTILE}`,
    phone: '+6281234567890',
    zone: null,
  });
  await send('/settings', COMPANY);
  expect(textOf((await send('/settings', COMPANY)).text)).toContain('Tidak ada yang berubah');
});

test.each([
  ['/settings', { name: 'x'.repeat(101) }, 'name', 'Isi nama perusahaan', 'Enter the company name'],
  ['/settings', { phone: 'abc' }, 'phone', 'Ini bukan nomor telepon', 'This is no telephone number'],
  ['/settings', { hours: 'x'.repeat(101) }, 'hours', 'Jam layanan paling banyak', 'Service hours may have'],
  ['/settings', { address: 'x'.repeat(301) }, 'address', 'Alamat paling banyak', 'An address may have'],
  ['/settings', { zone: 'Mars/Base' }, 'zone', 'Zona ini tidak dikenal', 'This zone is not known'],
  ['/settings/reminders', { endingSoonHours: '0' }, 'endingSoonHours', 'Tulis jam bulat', 'Write whole hours'],
  ['/settings/reminders', { quotaShares: '80, banyak' }, 'quotaShares', 'Tulis persen dari 1', 'Write percent from 1'],
  ['/settings/reminders', { quietTo: '' }, 'quietFrom', 'Isi kedua jam', 'Fill in both times'],
  ['/settings/reminders', { quietTo: '21:00' }, 'quietTo', 'Jam akhir harus berbeda', 'The end has to differ'],
  [
    '/settings/walled-garden',
    { hosts: 'app.midtrans.com\nhttp://evil.example/x' },
    'hosts',
    'Ada baris yang bukan nama host',
    'A line is neither a host name',
  ],
] as const)(
  '%s with %j: %s is refused beside its field, and what was typed stays',
  async (path, wrong, id, ...said) => {
    const whole = path === '/settings' ? COMPANY : path === '/settings/reminders' ? REMINDERS : { hosts: '' };
    const before = await readSettings(pages.db);
    for (const [at, language] of (['id', 'en'] as const).entries()) {
      browser.cookies.set('gerbang_lang', language);
      const { status, text } = await send(path, { ...whole, ...wrong });
      expect(status).toBe(422);
      expect(text).toMatch(new RegExp(`id="${id}-says">${said[at]}`));
      expect(text).toContain(`<a href="#${id}">${said[at]}`);
      if (id !== 'zone') expect(text).toMatch(new RegExp(`id="${id}"[^>]* aria-invalid="true"`));
      for (const typed of Object.values(wrong)) expect(textOf(text) + text).toContain(typed.split('\n')[0]);
    }
    browser.cookies.delete('gerbang_lang');
    expect(await readSettings(pages.db)).toEqual(before);
  },
);

test('the zone is chosen, and said to come with the next start', async () => {
  const saved = await send('/settings', { ...COMPANY, zone: 'Asia/Jayapura' });
  expect(textOf(saved.text)).toContain('Zona waktu yang baru berlaku setelah server dimulai ulang');
  expect(textOf(saved.text)).toContain('yang berlaku masih Asia/Jakarta');
  expect(saved.text).toContain('<option value="Asia/Jayapura" selected>');
  await send('/settings', COMPANY);
});

test('a zone that the server’s environment names is shown, not asked for, and not changed by a form', async () => {
  const fixed = await startPortal({ zoneIsSet: true });
  const owner = await fixed.loginStaff('owner');
  const { text } = await owner.open('/settings');
  expect(text).not.toContain('name="zone"');
  expect(textOf(text)).toContain('Asia/Jakarta ditetapkan oleh COMPANY_TIMEZONE');
  const saved = await owner.submit('/settings', { ...COMPANY, zone: 'Asia/Jayapura' });
  expect(textOf(saved.text)).toContain('Pengaturan disimpan dan berlaku');
  expect((await readSettings(fixed.db)).company).toMatchObject({ name: 'Maju Net', zone: null });
  expect(fixed.logged).toEqual([]);
  await fixed.stop();
});

test('reminders and the walled garden are saved as lists, and may be none', async () => {
  await send('/settings/reminders', { endingSoonHours: '48', quotaShares: '100; 50', quietFrom: '', quietTo: '' });
  await send('/settings/walled-garden', { hosts: 'App.Midtrans.com\r\n*.xendit.co\r\n203.0.113.0/24' });
  expect(await readSettings(pages.db)).toMatchObject({
    reminders: { endingSoonHours: 48, quotaShares: [50, 100], quietFrom: null, quietTo: null },
    walledGarden: { hosts: ['app.midtrans.com', '*.xendit.co', '203.0.113.0/24'] },
  });
  expect((await browser.open('/settings/reminders')).text).toContain('value="50, 100"');
  expect((await browser.open('/settings/walled-garden')).text).toContain('*.xendit.co\n203.0.113.0/24</textarea>');
  await send('/settings/reminders', { ...REMINDERS, quotaShares: '' });
  await send('/settings/walled-garden', { hosts: '' });
  expect(await readSettings(pages.db)).toMatchObject({ reminders: { quotaShares: [] }, walledGarden: { hosts: [] } });
});
