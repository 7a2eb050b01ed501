import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { askGateway } from '#operations/ask-gateway';
import { addPromo } from '#operations/promos';
import { receivePayment } from '#operations/receive-payment';
import { runAutoPay } from '#operations/run-auto-pay';
import { autoPayOf } from '#storage/auto-pay';
import { change } from '#storage/change';
import { creditOf } from '#storage/ledger';
import { purchasesOf } from '#storage/purchases';
import { keepMethod, methodsOf } from '#storage/saved-methods';
import { findSubscriberAccount } from '#storage/subscribers';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addCustomer, type Company, type Customer, PLAN, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

const AUTO_PAY = '/customer/autopay';
const TOP_UP = '/customer/topup';

let company: Company;
let gateways: MemoryGateways;
let customer: Customer;
let browser: Browserlike;
let count = 0;
beforeAll(async () => {
  gateways = memoryGateways();
  company = await startCompany({ gateways });
});
afterAll(() => company.stop());
beforeEach(async () => {
  company.setClock(NOW);
  gateways.on = ['midtrans', 'xendit'];
  count += 1;
  customer = await addCustomer(company.desk, { username: `payer-${count}`, name: 'Budi Santoso' });
  browser = await company.loginPortal(customer.id);
});

const card = (label = 'VISA •••• 1111', token = 'tok') =>
  company.db.transaction((tx) => {
    const saved = { kind: 'card', label, token, expiresAt: null } as const;
    return keepMethod(tx, company.desk.sealer, customer.id, 'midtrans', saved, company.clock());
  });
const cover = () => addGrant(company.desk, { username: customer.username, plan: PLAN });
const credit = (amountRupiah: number) =>
  change(company.db, { actor: 'test', why: 'top up' }, async (tx) => {
    await findSubscriberAccount(tx, customer.id, 'lock');
    const money = { invoice: null, amountRupiah, method: 'cash', gateway: null, receivedAt: company.clock() };
    await receivePayment(tx, company.desk, { ...money, subscriberId: customer.id });
  });
const open = async (path = AUTO_PAY) => textOf((await browser.open(path)).text);
const run = () => runAutoPay({ ...company.desk, actor: 'system' }, gateways);

describe('the page of auto-pay', () => {
  test('is for who is logged in', async () => {
    expect((await company.browser().open(AUTO_PAY)).path).toContain('/login');
  });

  test('says what would be paid, what it means, and that nothing is charged yet', async () => {
    await cover();
    const text = await open();
    expect(text).toContain('Belum aktif');
    expect(text).toContain('Yang berikutnya: Rp 75.000 · paket 20GB - 20Mbps · 21 Des 2026 09.00 WIB');
    expect(text).not.toContain('Hentikan bayar otomatis');
  });

  test('switched on, it says what is charged next, when, and from what', async () => {
    await cover();
    const id = await card();
    await open();
    const text = textOf((await browser.submit(AUTO_PAY, { by: String(id), plan: '' })).text);
    expect(text).toContain('Bayar otomatis aktif.');
    expect(text).toContain('Dibayar dari VISA •••• 1111 .');
    expect(text).toContain('Rp 75.000');
    expect(text).toContain('20 Des 2026 09.00 WIB');
    expect(await autoPayOf(company.db, customer.id)).toMatchObject({ methodId: id, planId: null });
  });

  test('one tap stops it', async () => {
    await cover();
    await open();
    const page = await browser.submit(AUTO_PAY, { by: 'balance' });
    expect(page.text.match(/action="\/customer\/autopay\/stop"/g)).toHaveLength(1);
    const stopped = textOf((await browser.submit(`${AUTO_PAY}/stop`)).text);
    expect(stopped).toContain('Bayar otomatis berhenti. Tidak ada yang ditagih lagi.');
    expect(await autoPayOf(company.db, customer.id)).toBeNull();
    expect(stopped).toMatch(/Riwayat Dihentikan .* Diaktifkan/);
  });

  test('takes another package to renew, and refuses what is not sold', async () => {
    await cover();
    await credit(400_000);
    await open();
    const [plan] = await company.db.query<{ id: number }>(`select id from plan where name = 'Unlimited - 100Mbps'`);
    const text = textOf((await browser.submit(AUTO_PAY, { by: 'balance', plan: String(plan!.id) })).text);
    expect(text).toContain('Rp 300.000');
    const refused = await browser.submit(AUTO_PAY, { by: 'balance', plan: '9999' });
    expect(refused.status).toBe(422);
    expect(textOf(refused.text)).toContain('Paket ini tidak dijual lagi; pilih paket lain');
  });

  test.each([
    [{}, 'Belum ada cara bayar yang dipilih'],
    [{ by: '123456' }, 'tidak tersimpan lagi'],
    [{ by: 'x' }, 'Belum ada cara bayar yang dipilih'],
  ])('%j is refused with what to do', async (form, says) => {
    await open();
    const refused = await browser.submit(AUTO_PAY, form);
    expect(refused.status).toBe(422);
    expect(textOf(refused.text)).toContain(says);
  });

  test('that could not pay says why, and when it tries again; paused, what to do', async () => {
    await cover();
    await open();
    await browser.submit(AUTO_PAY, { by: 'balance' });
    const end = NOW + 30 * DAY;
    company.setClock(end - 2 * DAY);
    await run();
    company.setClock(end - DAY);
    await run();
    browser = await company.loginPortal(customer.id);
    const failed = await open();
    expect(failed).toContain('Terakhir belum berhasil: Saldo belum cukup.');
    expect(failed).toContain('20 Des 2026 15.00 WIB');
    expect(failed).toContain('Riwayat Belum berhasil');
    for (const hours of [18, 6]) {
      company.setClock(end - hours * HOUR);
      await run();
    }
    browser = await company.loginPortal(customer.id);
    const paused = await open();
    expect(paused).toContain('Dijeda');
    expect(paused).toContain('Pilih cara bayar di bawah, lalu aktifkan lagi.');
  });

  test('lists what is saved; what is removed is gone, and auto-pay by it stops', async () => {
    const [first, second] = [await card(), await card('GoPay •••• 0812', 'other')];
    await open();
    await browser.submit(AUTO_PAY, { by: String(second) });
    expect(await open()).toContain('Dipakai bayar otomatis: bila dihapus, bayar otomatis berhenti.');
    const text = textOf((await browser.submit(`${AUTO_PAY}/methods/${second}/remove`)).text);
    expect(text).toContain('Sudah dihapus');
    expect(text).toContain('Belum aktif');
    expect((await methodsOf(company.db, customer.id)).map(({ id }) => id)).toEqual([first]);
    expect((await browser.submit(`${AUTO_PAY}/methods/${second}/remove`)).status).toBe(422);
  });

  test('nobody removes or uses what is somebody else’s', async () => {
    const id = await card();
    const other = await addCustomer(company.desk, { username: `other-${count}` });
    const stranger = await company.loginPortal(other.id);
    await stranger.open(AUTO_PAY);
    expect((await stranger.submit(`${AUTO_PAY}/methods/${id}/remove`)).status).toBe(422);
    expect((await stranger.submit(AUTO_PAY, { by: String(id) })).status).toBe(422);
    expect(await methodsOf(company.db, customer.id)).toHaveLength(1);
  });

  test('never shows what a method is charged by', async () => {
    await card('VISA •••• 1111', 'a-secret-token');
    expect((await browser.open(AUTO_PAY)).text).not.toContain('a-secret-token');
  });
});

describe('filling the balance', () => {
  const orderOf = (path: string) => /TOPUP-[0-9a-f]+/.exec(path)![0];

  test('leads to the gateway for the amount that was chosen; what is paid is in the balance', async () => {
    await open(TOP_UP);
    const page = await browser.submit(TOP_UP, { amount: '100000', own: '', gateway: 'xendit' });
    const order = orderOf(page.path);
    expect(page.text).toContain('https://xendit.test/pay/');
    expect(gateways.xendit.orders.get(order)!.request).toMatchObject({ amountRupiah: 100_000, save: null });
    expect(await open(`${TOP_UP}/${order}`)).toContain('Menunggu pembayaran Rp 100.000');
    gateways.xendit.pay(order, NOW);
    const back = await browser.open(`${TOP_UP}?back=1`);
    expect(back.path).toBe(`${TOP_UP}/${order}?back=1`);
    expect(textOf(back.text)).toContain('Saldo bertambah Rp 100.000');
    expect(await creditOf(company.db, customer.id)).toBe(100_000);
  });

  test.each(['9.999', '10000001', '-5', 'banyak', '1e5'])('%s is refused with the bounds', async (own) => {
    await open(TOP_UP);
    const page = await browser.submit(TOP_UP, { amount: '50000', own });
    expect(page.status).toBe(422);
    expect(textOf(page.text)).toContain('Jumlah itu tidak bisa dipakai. Isi dari Rp 10.000 sampai Rp 10.000.000.');
  });

  test('an amount of their own counts, however it is written', async () => {
    await open(TOP_UP);
    const page = await browser.submit(TOP_UP, { amount: '50000', own: 'Rp 12.500' });
    expect(gateways.midtrans.orders.get(orderOf(page.path))!.request.amountRupiah).toBe(12_500);
  });

  test('with a tick the card is kept when it is paid, once, and can be chosen', async () => {
    await open(`${TOP_UP}?save=1`);
    for (const amount of ['50000', '100000']) {
      await open(TOP_UP);
      const page = await browser.submit(TOP_UP, { amount, gateway: 'midtrans', save: 'on' });
      const order = orderOf(page.path);
      expect(gateways.midtrans.orders.get(order)!.request.save).not.toBeNull();
      const saved = { kind: 'card', label: 'VISA •••• 4242', token: 'tok-4242', expiresAt: null } as const;
      gateways.midtrans.pay(order, NOW, { saved });
      await askGateway(company.desk, gateways, order);
    }
    expect(await methodsOf(company.db, customer.id)).toMatchObject([{ label: 'VISA •••• 4242', gateway: 'midtrans' }]);
    expect(await open()).toContain('VISA •••• 4242');
  });

  test('without the tick nothing is kept, whatever the gateway says', async () => {
    await open(TOP_UP);
    const page = await browser.submit(TOP_UP, { amount: '50000', gateway: 'midtrans' });
    const saved = { kind: 'card', label: 'VISA •••• 4242', token: 'tok-4242', expiresAt: null } as const;
    gateways.midtrans.pay(orderOf(page.path), NOW, { saved });
    await askGateway(company.desk, gateways, orderOf(page.path));
    expect(await methodsOf(company.db, customer.id)).toEqual([]);
  });

  test('without a gateway it says how else, and a gateway that fails is no broken page', async () => {
    gateways.midtrans.trouble.down = true;
    await open(TOP_UP);
    const failed = await browser.submit(TOP_UP, { amount: '50000', gateway: 'midtrans' });
    gateways.midtrans.trouble.down = false;
    expect(failed.status).toBe(422);
    gateways.on = [];
    expect(await open(TOP_UP)).not.toContain('Lanjut bayar');
    company.logged.length = 0;
  });

  test('of somebody else, or that never was, is not found', async () => {
    await open(TOP_UP);
    const order = orderOf((await browser.submit(TOP_UP, { amount: '50000' })).path);
    const other = await addCustomer(company.desk, { username: `nosy-${count}` });
    const stranger = await company.loginPortal(other.id);
    for (const path of [`${TOP_UP}/${order}`, `${TOP_UP}/${order}/pay`, `${TOP_UP}/TOPUP-00`])
      expect((await stranger.open(path)).status).toBe(404);
  });
});

describe('a promo code on the packages', () => {
  const PACKAGES = '/prepaid/portal/packages';
  const buy = async (fields = {}) => browser.submit(PACKAGES, { plan: String(await company.planId(PLAN)), ...fields });

  test('shows the new prices before the order, and the order has them', async () => {
    await addPromo(company.desk, { code: 'HEMAT20', percent: 20, until: '2026-12-31' });
    const page = await browser.open(`${PACKAGES}?promo=hemat20`);
    const text = textOf(page.text);
    expect(text).toContain('Kode HEMAT20 dipakai.');
    expect(text).toContain('Rp 75.000 Rp 60.000 30 hari');
    expect(page.text).toContain('<input type="hidden" name="promo" value="HEMAT20">');
    expect((await buy({ promo: 'HEMAT20' })).path).toMatch(/\/orders\/P-/);
    const [order] = await purchasesOf(company.db, customer.id, 1, NOW);
    const [invoice] = await company.db.query<{ total: number }>(
      'select total_rupiah as total from invoice where purchase_id = $1',
      [order!.id],
    );
    expect(invoice!.total).toBe(60_000);
    // Ordered and not paid, it can be ordered otherwise with the same code.
    expect(textOf((await browser.open(`${PACKAGES}?promo=HEMAT20`)).text)).toContain('Kode HEMAT20 dipakai.');
  });

  test('that is none, or for other packages, says so beside the field and beside the package', async () => {
    const none = textOf((await browser.open(`${PACKAGES}?promo=%3Cb%3E`)).text);
    expect(none).toContain('Kode promo "<B>" tidak ada; periksa tulisannya');
    const [plan] = await company.db.query<{ id: number }>('select id from plan where name = $1', [PLAN]);
    await addPromo(company.desk, { code: 'SATU', fixed: '5000', until: '2026-12-31', planIds: [plan!.id] });
    const text = textOf((await browser.open(`${PACKAGES}?promo=SATU`)).text);
    expect(text).toContain('Rp 75.000 Rp 70.000');
    expect(text).toContain('Rp 50.000 Kode promo tidak berlaku untuk paket ini.');
  });

  test('that ran out while the page was open orders nothing at another price', async () => {
    await addPromo(company.desk, { code: 'CEPAT', fixed: '5000', until: '2026-11-22' });
    await browser.open(`${PACKAGES}?promo=CEPAT`);
    company.setClock(NOW + 2 * DAY);
    browser = await company.loginPortal(customer.id);
    await browser.open(PACKAGES);
    const refused = await buy({ promo: 'CEPAT' });
    expect(refused.status).toBe(422);
    expect(textOf(refused.text)).toContain('Masa berlaku kode promo "CEPAT" sudah lewat');
    expect(await purchasesOf(company.db, customer.id, 1, company.clock())).toEqual([]);
  });

  test('that takes all of the price gives the package at once', async () => {
    await addPromo(company.desk, { code: 'GRATIS', percent: 100, until: '2026-12-31' });
    await browser.open(`${PACKAGES}?promo=GRATIS`);
    expect(textOf((await buy({ promo: 'GRATIS' })).text)).not.toContain('Bayar sebelum');
    expect((await purchasesOf(company.db, customer.id, 1, NOW))[0]).toMatchObject({ state: 'done', payments: [] });
  });
});

test('no page logged a fault', () => {
  expect(company.logged).toEqual([]);
});
