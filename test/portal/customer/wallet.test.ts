import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { autoPayOf } from '#storage/auto-pay';
import { methodsOf } from '#storage/saved-methods';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addCustomer, type Company, type Customer, PLAN, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

const AUTO_PAY = '/customer/autopay';
const WALLET = '/customer/autopay/wallet';

let company: Company;
let gateways: MemoryGateways;
let customer: Customer;
let browser: Browserlike;
let count = 0;
let phone = '';
beforeAll(async () => {
  gateways = memoryGateways();
  company = await startCompany({ gateways });
});
afterAll(() => company.stop());
beforeEach(async () => {
  company.setClock(NOW);
  gateways.on = ['midtrans', 'xendit'];
  gateways.midtrans.trouble.down = false;
  gateways.midtrans.wallets!.refuses = false;
  count += 1;
  phone = `08123456${String(5000 + count)}`;
  customer = await addCustomer(company.desk, { username: `wallet-${count}`, name: 'Budi Santoso', phone });
  browser = await company.loginPortal(customer.id);
  await browser.open(AUTO_PAY);
});

const token = () => `gopay:62${phone.slice(1)}`;
const decide = (state: 'linked' | 'ended') => gateways.midtrans.wallets!.states.set(token(), state);
const link = (to = phone) => browser.submit(WALLET, { phone: to });
const labels = async () => (await methodsOf(company.db, customer.id)).map(({ label }) => label);

test('GoPay is linked on a page of GoPay, comes back linked, and auto-pay is switched on from it', async () => {
  await addGrant(company.desk, { username: customer.username, plan: PLAN });
  const page = await browser.open(AUTO_PAY);
  expect(page.text).toContain(`value="${phone}"`);
  expect(textOf(page.text)).toContain('Hubungkan GoPay');
  const go = await link();
  expect(go.path).toBe(`${WALLET}/go`);
  expect(go.text).toMatch(/<meta http-equiv="refresh" content="0;url=https:\/\/gopay\.test\//);
  expect(go.text).toContain(`href="https://gopay.test/62${phone.slice(1)}?to`);
  decide('linked');
  const back = await browser.open(WALLET);
  expect(back.path).toBe(AUTO_PAY);
  expect(textOf(back.text)).toContain('GoPay terhubung. Pilih di bawah, lalu aktifkan bayar otomatis.');
  const [method] = await methodsOf(company.db, customer.id);
  const on = textOf((await browser.submit(AUTO_PAY, { by: String(method!.id), plan: '' })).text);
  expect(on).toContain(`Dibayar dari GoPay •••• ${phone.slice(-4)} .`);
  expect((await autoPayOf(company.db, customer.id))?.methodId).toBe(method!.id);
});

test('while it waits, the page says so and leads on; a later look finds it linked', async () => {
  await link();
  const waits = await browser.open(WALLET);
  expect(textOf(waits.text)).toContain('GoPay belum menerima persetujuan Anda.');
  expect(textOf(waits.text)).toContain('Menunggu persetujuan Anda di GoPay');
  expect(waits.text).toContain(`href="${WALLET}/go"`);
  decide('linked');
  company.setClock(NOW + MINUTE);
  expect(textOf((await browser.open(WALLET)).text)).toContain('GoPay terhubung.');
  expect(textOf((await browser.open(AUTO_PAY)).text)).not.toContain('Menunggu persetujuan');
});

test('said no to, it is not linked, and the page says what to do', async () => {
  await link();
  decide('ended');
  const text = textOf((await browser.open(WALLET)).text);
  expect(text).toContain('GoPay tidak terhubung, dan tidak ada yang ditagih. Bila masih ingin, hubungkan lagi.');
  expect((await browser.open(`${WALLET}/go`)).path).toBe(AUTO_PAY);
  expect(await labels()).toEqual([]);
});

test.each([
  ['021 555 1234', 'nomor HP Indonesia, misalnya 0812-3456-7890'],
  ['', 'nomor HP Indonesia'],
])('the number "%s" is refused with what to type', async (to, says) => {
  const refused = await link(to);
  expect(refused.status).toBe(422);
  expect(textOf(refused.text)).toContain(says);
});

test('a number that GoPay does not know, and a gateway that is away, say so', async () => {
  gateways.midtrans.wallets!.refuses = true;
  const refused = await link();
  expect(refused.status).toBe(422);
  expect(textOf(refused.text)).toContain('GoPay tidak menerima nomor ini.');
  gateways.midtrans.trouble.down = true;
  expect((await link()).status).toBe(422);
  gateways.midtrans.trouble.down = false;
  company.logged.length = 0;
});

test('is offered only where an active gateway links wallets', async () => {
  gateways.on = ['xendit'];
  expect((await browser.open(AUTO_PAY)).text).not.toContain(WALLET);
  expect((await link()).status).toBe(422);
  expect(gateways.midtrans.wallets!.states.has(token())).toBe(false);
});

test('removed, it is gone from the page and unlinked at the gateway', async () => {
  await link();
  decide('linked');
  await browser.open(WALLET);
  const [method] = await methodsOf(company.db, customer.id);
  company.setClock(NOW + MINUTE);
  const text = textOf((await browser.submit(`${AUTO_PAY}/methods/${method!.id}/remove`)).text);
  expect(text).toContain('Sudah dihapus');
  expect(await labels()).toEqual([]);
  expect(gateways.midtrans.wallets!.states.get(token())).toBe('ended');
});

test('nobody sees or takes over what somebody else links', async () => {
  await link();
  const other = await addCustomer(company.desk, { username: `nosy-${count}` });
  const stranger = await company.loginPortal(other.id);
  expect((await stranger.open(`${WALLET}/go`)).path).toBe(AUTO_PAY);
  const refused = await stranger.submit(WALLET, { phone });
  expect(textOf(refused.text)).toContain('Dompet digital ini terhubung untuk pelanggan lain; hapus dulu di sana');
  decide('linked');
  await stranger.open(WALLET);
  expect(await methodsOf(company.db, other.id)).toEqual([]);
});

test('never shows what the wallet is charged by', async () => {
  await link();
  decide('linked');
  expect((await browser.open(WALLET)).text).not.toContain(token());
});

test('no page logged a fault', () => {
  expect(company.logged).toEqual([]);
});
