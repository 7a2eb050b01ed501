import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '#storage/settings';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

const PATH = '/settings/billing';

let pages: TestPortal;
let browser: Browserlike;
beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('owner');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const FORM = { prefix: 'mn', tax: 'added', taxPercent: '11,5', dueDays: '10', autoPayDays: '2', autoPayTries: '4' };
const send = async (form: Record<string, string>) => {
  await browser.open(PATH);
  return browser.submit(PATH, form);
};

test('the numbers, the tax, the due date and auto-pay are set in one form', async () => {
  expect((await browser.open(PATH)).text).toContain('value="INV"');
  expect(textOf((await send(FORM)).text)).toContain('Tagihan & pajak');
  const billing = { prefix: 'MN', tax: 'added', taxPercent: 11.5, dueDays: 10, autoPayDays: 2, autoPayTries: 4 };
  expect((await readSettings(pages.db)).billing).toEqual(billing);
  expect((await browser.open(PATH)).text).toContain('<option value="added" selected>');
});

test.each([
  [{ prefix: 'A B' }, 'Isi 1 sampai 10 huruf dan angka.'],
  [{ taxPercent: '101' }, 'Isi tarif 0 sampai 100'],
  [{ taxPercent: 'banyak' }, 'Isi tarif 0 sampai 100'],
  [{ dueDays: '61' }, 'Isi hari bulat 0 sampai 60.'],
  [{ autoPayDays: '0' }, 'Isi hari bulat 1 sampai 14.'],
  [{ autoPayTries: '7' }, 'Isi angka bulat 1 sampai 6.'],
  [{ tax: 'half' }, 'Pilih salah satu.'],
])('%j is refused beside its field, and nothing is saved', async (more, says) => {
  const before = (await readSettings(pages.db)).billing;
  const refused = await send({ ...FORM, prefix: 'ZZ', ...more });
  expect(refused.status).toBe(422);
  expect(textOf(refused.text)).toContain(says);
  expect((await readSettings(pages.db)).billing).toEqual(before);
});

test('is for who may change settings', async () => {
  const service = await pages.loginStaff('customer-service');
  expect((await service.open(PATH)).status).toBe(403);
});
