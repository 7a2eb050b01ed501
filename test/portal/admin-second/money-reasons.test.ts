import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MINUTE } from '#domain/time';
import { gardenHosts } from '#domain/walled-garden';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { openPaymentWindow } from '#operations/open-payment-window';
import { readSettings, saveSettings } from '#operations/settings';
import { showRouterScript } from '#operations/show-router-script';
import { owe, waitingPayment } from '#test/operations/owing';
import { addPackage, addPerson, type Person } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

/** Why a line is closed or open for what is owed or paid, in words, where staff look. */

let pages: TestPortal;
let browser: Browserlike;
let wayan: Person;
let made: Person;
let nyoman: Person;

beforeAll(async () => {
  pages = await startPortal();
  const { desk, db } = pages;
  browser = await pages.loginStaff('technician');
  await addNas(desk, { name: 'utara', address: '10.20.0.1', secret: 'Rahasia-utara-77' });
  await addPackage(desk, 'Paket A');
  wayan = await addPerson(desk, { name: 'Wayan', billing: 'postpaid' });
  made = await addPerson(desk, { name: 'Made' });
  nyoman = await addPerson(desk, {
    name: 'Nyoman',
    billing: 'postpaid',
    access: 'static',
    nas: 'utara',
    addresses: ['10.30.0.4'],
  });
  for (const who of [wayan, nyoman]) {
    await addGrant(desk, { username: who.username, plan: 'Paket A' });
    await owe(desk, who.id, { dueOn: '2026-11-16', plan: 'Paket A' });
  }
  await waitingPayment(desk, made.id);
  await openPaymentWindow(desk, { subscriberId: made.id });
  for (const [who, ip, list] of [
    [wayan, '10.7.0.1', '128000/128000 list=prepaid-no-package'],
    [made, '10.7.0.2', '1000000/512000 list=prepaid-paying'],
  ] as const)
    await db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day, told_live, told_at)
       values ($1, 1, '10.20.0.1', $1, $2, $3, $4::inet, $5::timestamptz, $5::timestamptz, '2026-11-21', $6, $5::timestamptz)`,
      [`s-${ip}`, who.username, who.id, ip, new Date(NOW).toISOString(), list],
    );
  await db.execute(`update static_address set wanted_list = 'prepaid-no-package', told_list = 'prepaid-no-package'`);
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const lines = async (query = '') =>
  textOf((await browser.open(`/prepaid/redirect${query}`)).text.split('class="tally"')[1]!);
const customer = async (who: Person) => textOf((await browser.open(`/customers/${who.id}`)).text);

test('a router whose script keeps less open than the gateways need is told of, until its script is made again', async () => {
  const { desk } = pages;
  const utara = async () => textOf((await browser.open('/prepaid/redirect')).text.split('id="by-router"')[1]!);
  const make = async () => {
    const { walledGarden, gateways } = await readSettings(desk.db);
    const server = { address: '10.0.0.2', authPort: 1812, acctPort: 1813 };
    const portal = { address: '10.0.0.2', url: 'http://10.0.0.2:3000' };
    const garden = gardenHosts({ walledGarden, gateways });
    await showRouterScript(desk, { name: 'utara' }, { server, portal, version: 7, walledGarden: garden });
  };
  expect(await utara()).not.toContain('Pasang skripnya lagi');
  await saveSettings(desk, 'gateways', { midtrans: { active: true, production: true } });
  const owner = await pages.loginStaff('owner');
  expect(textOf((await owner.open('/settings/walled-garden')).text)).toContain('app.midtrans.com');
  expect(textOf((await owner.open('/prepaid/dashboard')).text)).toContain(
    'Halaman pembayaran belum terbuka di 1 router',
  );
  expect(await utara()).toContain('utara Pasang skripnya lagi: halaman pembayaran mungkin belum terbuka');
  await make();
  expect(await utara()).not.toContain('Pasang skripnya lagi');
  await saveSettings(desk, 'walledGarden', { hosts: 'pay.example.net' });
  expect(await utara()).toContain('Pasang skripnya lagi: pay.example.net belum terbuka');
  await saveSettings(desk, 'gateways', { xendit: { active: true } });
  expect(await utara()).toMatch(/Pasang skripnya lagi: \S+xendit\.co dan \d alamat lain belum terbuka/);
  await make();
  expect(await utara()).not.toContain('Pasang skripnya lagi');
  expect(textOf((await owner.open('/prepaid/dashboard')).text)).not.toContain('Halaman pembayaran belum terbuka');
});

describe('why a line is in its list', () => {
  test('the page of the redirect says what is owed and what is being paid', async () => {
    const said = await lines();
    expect(said).toMatch(/Wayan.*10\.7\.0\.1 utara prepaid-no-package 128 kbps Menunggak sejak 17 Nov 2026 Paket A/);
    expect(said).toMatch(/Made.*10\.7\.0\.2 utara prepaid-paying 1 Mbps Terbuka untuk membayar sampai 09\.15/);
    expect(await lines('?tab=static')).toMatch(/10\.30\.0\.4 utara prepaid-no-package.*Menunggak sejak 17 Nov 2026/);
    expect(await lines('?list=prepaid-paying')).toMatch(/1 sesi.*Made/);
  });

  test('so does the first sentence of the customer’s page', async () => {
    expect(await customer(wayan)).toContain('Online sejak 09.00; ditutup karena menunggak sejak 17 Nov 2026');
    expect(await customer(made)).toContain('Online sejak 09.00; terbuka untuk membayar sampai 09.15');
    expect(await customer(nyoman)).toContain('Ditutup karena menunggak sejak 17 Nov 2026; ');
  });

  test('that it was opened stands on the timeline', async () => {
    // The audit is written by the database's clock.
    pages.setClock(Date.now() + MINUTE);
    try {
      const later = await pages.loginStaff('technician');
      const timeline = async (who: Person) => textOf((await later.open(`/customers/${who.id}`)).text);
      expect(await timeline(made)).toContain('Jendela pembayaran dibuka');
      expect(await timeline(wayan)).not.toContain('Jendela pembayaran dibuka');
    } finally {
      pages.setClock(NOW);
    }
  });

  test('and says it no longer once the window is over', async () => {
    pages.setClock(NOW + 15 * MINUTE);
    try {
      expect(await lines()).toMatch(/Made.*Belum ada paket/);
      expect(await customer(made)).not.toContain('terbuka untuk membayar');
    } finally {
      pages.setClock(NOW);
    }
  });
});
