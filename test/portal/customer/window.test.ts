import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { owe, waitingPayment } from '#test/operations/owing';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import {
  addCustomer,
  addSession,
  type Company,
  type Customer,
  PLAN,
  startCompany,
} from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

/** The payment window on the customer's pages. */

const HOME = '/customer';
const WINDOW = '/customer/window';

let company: Company;
let customer: Customer;
let browser: Browserlike;
let count = 0;
beforeAll(async () => {
  company = await startCompany();
});
afterAll(async () => {
  expect(company.logged).toEqual([]);
  await company.stop();
});
beforeEach(async () => {
  company.setClock(NOW);
  count += 1;
  customer = await addCustomer(company.desk, { username: `payer-${count}`, name: 'Budi Santoso' });
  browser = await company.loginPortal(customer.id);
});

const home = async () => textOf((await browser.open(HOME)).text);

describe('a customer whose payment waits at a gateway', () => {
  beforeEach(async () => {
    await waitingPayment(company.desk, customer.id);
  });

  test('opens the internet for it, reads until when, and comes back to the page', async () => {
    expect(await home()).toContain(
      'Aplikasi tidak terbuka? Kami bisa membuka internet Anda 15 menit, khusus untuk membayar. Buka internet untuk membayar Tersisa 3 kali hari ini.',
    );
    const page = await browser.submit(WINDOW, {});
    expect(page.path).toBe(HOME);
    expect(textOf(page.text)).toContain('Internet terbuka sampai 09.15. Silakan buka aplikasi Anda dan bayar.');
    expect(await home()).toContain('Terbuka sampai 09.15 Buka aplikasi bank atau e-wallet Anda sekarang');
    expect((await browser.open(HOME)).text).not.toContain(`action="${WINDOW}"`);
    company.setClock(NOW + 15 * MINUTE);
    expect(await home()).toContain('Tersisa 2 kali hari ini.');
  });

  test('reads when it can be opened again once it was opened as often as it may be', async () => {
    for (const times of [0, 1, 2]) {
      company.setClock(NOW + times * HOUR);
      await browser.open(HOME);
      await browser.submit(WINDOW, {});
    }
    company.setClock(NOW + 3 * HOUR);
    const said = await home();
    expect(said).toContain('Sudah dipakai semua untuk hari ini. Bisa dibuka lagi 22 Nov 2026 00.00 WIB');
    expect(said).toContain('QRIS atau virtual account');
    company.setClock(NOW + 24 * HOUR);
    // The payment that waited is over by then, and with it what there is to open for.
    expect(await home()).not.toContain('Bayar lewat aplikasi');
  });

  test('is told in words when there is nothing to open for any more', async () => {
    await browser.open(HOME);
    await addGrant(company.desk, { username: customer.username, plan: PLAN });
    const page = await browser.submit(WINDOW, {});
    expect(textOf(page.text)).toContain('internet Anda tidak ditutup, jadi tidak perlu dibuka untuk membayar');
  });

  test.each([
    ['https://evil.example/', HOME],
    ['//evil.example', HOME],
    ['/prepaid/dashboard', HOME],
    ['/customer/window', HOME],
    ['/customer/../login', HOME],
    ['/prepaid/portal/home?x=1', '/prepaid/portal/home'],
  ])('a page to come back to that is %s leads to %s', async (back, to) => {
    await browser.open(HOME);
    expect((await browser.submit(WINDOW, { back })).path).toBe(to);
  });

  test('reads it in English too', async () => {
    await company.db.execute(`update subscriber set language = 'en' where id = $1`, [customer.id]);
    expect(await home()).toContain('Open the internet to pay 3 times left today.');
  });
});

test('without a payment that waits there is nothing of it', async () => {
  expect(await home()).not.toContain('aplikasi');
});

test('the splash tells a line that owes why, and leads to its bills; with the window open it says until when', async () => {
  const desk = company.desk;
  const owing = await addCustomer(desk, { username: `owing-${count}`, name: 'Sari Dewi', billing: 'postpaid' });
  await addGrant(desk, { username: owing.username, plan: PLAN });
  await addSession(company, { subscriberId: owing.id, framedIp: '127.0.0.1' });
  const splash = async () => textOf((await company.browser().open('/prepaid/portal/splash')).text);
  expect(await splash()).toContain('Internet Anda aktif');
  await owe(desk, owing.id, { dueOn: '2026-11-16', plan: PLAN });
  const closed = await splash();
  expect(closed).toContain('Internet Anda belum aktif Tagihan lewat jatuh tempo sejak 17 Nov 2026');
  expect(closed).toContain('Lihat dan bayar tagihan');
  expect(closed).not.toContain('Rp 75.000');
  await waitingPayment(desk, owing.id);
  const hers = await company.loginPortal(owing.id);
  await hers.open(HOME);
  await hers.submit(WINDOW, {});
  expect(await splash()).toContain('Internet terbuka untuk membayar Terbuka sampai 09.15');
});
