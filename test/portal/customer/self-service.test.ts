import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addSubscriber } from '#operations/add-subscriber';
import { issuePin } from '#operations/issue-pin';
import { placePurchase } from '#operations/place-purchase';
import { subscribe } from '#operations/subscriptions';
import { suspend } from '#operations/suspend';
import { openInvoices } from '#storage/invoices';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addBill, applyEvents, openOrder } from '#test/portal/customer/bills';
import {
  addCustomer,
  addSession,
  type Company,
  type Customer,
  PLAN,
  startCompany,
} from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

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
  gateways.midtrans.trouble.down = false;
  count += 1;
  customer = await addCustomer(company.desk, {
    username: `self-${count}`,
    name: 'Sri Wahyuni',
    billing: count % 2 === 0 ? 'prepaid' : 'postpaid',
  });
  browser = await company.loginPortal(customer.id);
});

afterEach(() => expect(company.logged.splice(0)).toEqual([]));

const open = async (path = '/customer') => (await browser.open(path)).text;
const said = async (path = '/customer') => textOf(await open(path));
const grant = (from: string, plan = PLAN) => addGrant(company.desk, { username: customer.username, plan, from });
const bill = (more = {}) => addBill(company, customer.id, more);
/** What the page shows of one bill. */
const shownBill = async (number: string) =>
  (await open())
    .split('<li class="bill">')
    .find((one) => one.includes(number))!
    .split('</li>', 1)[0]!;
/** The gateway takes the money of the open link, and we learn it. */
async function pay(invoiceId: number) {
  const orderId = await openOrder(company, invoiceId);
  gateways.midtrans.pay(orderId, company.clock());
  await applyEvents(company, gateways, orderId);
}

describe('the account', () => {
  test('has name, phone, user name, package with bandwidth, and until when with the days left', async () => {
    await grant('2026-11-06T09:00+07:00', '50GB - 50Mbps');
    const page = await open();
    const text = textOf(page);
    expect(text).toContain('Halo, Sri');
    expect(text).toContain('50GB - 50Mbps Aktif 15 hari lagi');
    expect(text).toContain('Bandwidth 50 Mbps / 25 Mbps Berlaku sampai 6 Des 2026 09.00 WIB');
    expect(text).toContain(`Nama Sri Wahyuni No HP 081298765432 Username self-${count}`);
    expect(page).toContain(`data-left="${15 * DAY}"`);
  });

  test('that ran out says so, and since when', async () => {
    await addGrant(company.desk, {
      username: customer.username,
      plan: PLAN,
      from: '2026-10-01',
      until: '2026-11-01T10:00+07:00',
    });
    const text = await said();
    expect(text).toContain('20GB - 20Mbps Berakhir (expired)');
    expect(text).toContain('Berakhir pada 1 Nov 2026 10.00 WIB');
  });

  test('of a suspended line cannot change its package', async () => {
    await suspend(company.desk, customer.username);
    const page = await open();
    expect(textOf(page)).toContain('Dihentikan sementara');
    expect(page).not.toContain('tab=upgrade');
  });

  test('"Ganti Paket" button redirects to upgrade page', async () => {
    expect(await open()).toMatch(
      /<a class="button second" href="\/customer\/wifi\?tab&#x3D;upgrade"|href="\/customer\/wifi\?tab=upgrade"/,
    );
    expect(await said()).toContain('Ganti Paket');
  });

  test('of a line that is closed for a bill says so, and is active again once that is paid', async () => {
    const [plan] = await company.db.query<{ id: number }>('select id from plan where name = $1', [PLAN]);
    await subscribe(company.desk, { subscriberId: customer.id, planId: plan!.id });
    expect(await said()).toContain('20GB - 20Mbps Aktif');
    company.setClock(NOW + 12 * DAY);
    expect(await said()).toContain('Ditutup, tagihan terlambat Tagihan lewat jatuh tempo');
    const [owed] = await openInvoices(company.db, customer.id, 'period');
    expect(textOf(await shownBill(owed!.number))).toContain('Terlambat');
    await browser.fetch(`/api/customer/invoices/payment?invoiceId=${owed!.publicId}`);
    await pay(owed!.id);
    const text = await said();
    expect(text).toContain('20GB - 20Mbps Aktif');
    expect(text).not.toContain('Terlambat');
  });

  test('shows the balance where there is one', async () => {
    expect(await said()).not.toContain('Saldo Anda');
    await addCredit(25_000);
    expect(await said()).toContain('Saldo Anda Rp 25.000');
  });
});

/** Money that was meant for nothing in particular. */
async function addCredit(rupiah: number) {
  const [row] = await company.db.query<{ id: number }>(
    `insert into ledger_transaction (day, at, kind, reference, subscriber_id)
     values ('2026-11-21', now(), 'payment', $1, $2) returning id`,
    [`test:${customer.id}`, customer.id],
  );
  await company.db.execute(
    `insert into ledger_entry values ($1, 1, 'cash', null, $3), ($1, 2, 'customer-credit', $2, -$3::bigint)`,
    [row!.id, customer.id, rupiah],
  );
}

describe('the line', () => {
  test('PPPoE status shows correctly (Connected/Disconnected)', async () => {
    expect(await said()).toMatch(/PPPoE Terputus/);
    await addSession(company, { subscriberId: customer.id, framedIp: '10.8.0.77', startedAt: NOW - 3 * HOUR });
    expect(await said()).toContain('PPPoE Terhubung Alamat IP 10.8.0.77 Sejak 21 Nov 2026 06.00 WIB');
    await company.db.execute('update session set ended_at = $2::timestamptz where subscriber_id = $1', [
      customer.id,
      new Date(NOW - 5 * MINUTE).toISOString(),
    ]);
    const text = await said();
    expect(text).toContain('PPPoE Terputus Sejak 21 Nov 2026 08.55 WIB');
    expect(text).not.toContain('10.8.0.77');
  });

  test('of a static address shows that address', async () => {
    const line = { access: 'static', nas: 'tower-north', addresses: [`10.33.0.${count}`] };
    customer = await addCustomer(company.desk, { username: `fixed-${count}`, ...line });
    browser = await company.loginPortal(customer.id);
    expect(await said()).toContain(`IP statis Terputus Alamat IP 10.33.0.${count}`);
  });
});

describe('the bills', () => {
  test('Invoice list shows all invoices with correct status', async () => {
    const [late, owed, paid] = [await bill({ dueOn: '2026-11-10' }), await bill({ dueOn: '2026-11-28' }), await bill()];
    await browser.fetch(`/api/customer/invoices/payment?invoiceId=${paid.publicId}`);
    await pay(paid.id);
    const shows = async (number: string) => textOf(await shownBill(number));
    expect(await shows(late.number)).toContain(`${late.number} Terlambat Jatuh tempo 10 Nov 2026 Rp 300.000`);
    expect(await shows(owed.number)).toContain(`${owed.number} Belum Bayar Jatuh tempo 28 Nov 2026 Rp 300.000`);
    expect(await shows(paid.number)).toContain(`${paid.number} Lunas Dibayar 21 Nov 2026 Rp 300.000`);
    for (const [number, colour] of [
      [late.number, 'bad'],
      [owed.number, 'warn'],
      [paid.number, 'good'],
    ] as const)
      expect(await shownBill(number)).toMatch(new RegExp(`<span class="chip ${colour}"><svg`));
    const all = await said('/customer/invoices');
    for (const { number } of [late, owed, paid]) expect(all).toContain(number);
  });

  test('what is due today is not late before the day is over', async () => {
    const { number } = await bill({ dueOn: '2026-11-21' });
    expect(textOf(await shownBill(number))).toContain('Belum Bayar');
    company.setClock(Date.parse('2026-11-22T00:00:00+07:00'));
    expect(textOf(await shownBill(number))).toContain('Terlambat');
  });

  test('Payment buttons appear only for unpaid invoices', async () => {
    const [owed, paid] = [await bill(), await bill()];
    await browser.fetch(`/api/customer/invoices/payment?invoiceId=${paid.publicId}`);
    await pay(paid.id);
    expect(textOf(await shownBill(owed.number))).toContain('Generate Link Pembayaran');
    const settled = await shownBill(paid.number);
    expect(settled).not.toMatch(/<form|<button|class="button"/);
    expect(textOf(await open(`/customer/invoices/${paid.publicId}`))).not.toMatch(/Bayar Sekarang|Generate Link/);
  });

  test('what was cancelled is in the list of all, and cannot be paid', async () => {
    const planRevisionId = await company.planId(PLAN);
    const order = { subscriberId: customer.id, planRevisionId };
    await placePurchase(company.desk, order);
    await placePurchase(company.desk, order);
    const [waiting, cancelled] = (await company.db.query<{ number: string; publicId: string }>(
      'select number, public_id as "publicId" from invoice where subscriber_id = $1 order by id desc',
      [customer.id],
    )) as [{ number: string; publicId: string }, { number: string; publicId: string }];
    const text = await said();
    expect([text.includes(waiting.number), text.includes(cancelled.number)]).toEqual([true, false]);
    expect(await said('/customer/invoices')).toContain(`${cancelled.number} Dibatalkan`);
    const answer = await browser.fetch(`/api/customer/invoices/payment?invoiceId=${cancelled.publicId}`);
    expect(answer.status).toBe(404);
  });

  test('one bill shows its lines, its tax, until when, and what was paid for it', async () => {
    const { publicId, number, id } = await bill({
      lines: [
        { kind: 'plan', description: 'Paket Rumah', planRevisionId: null, amountRupiah: 300_000 },
        { kind: 'discount', description: 'Promo HEMAT', planRevisionId: null, amountRupiah: -50_000 },
        { kind: 'tax', description: 'PPN 11%', planRevisionId: null, amountRupiah: 27_500 },
      ],
    });
    const path = `/customer/invoices/${publicId}`;
    const text = await said(path);
    expect(text).toContain(`Tagihan ${number} Belum Bayar`);
    expect(text).toContain('Paket Rumah Rp 300.000 Promo HEMAT -Rp 50.000 PPN 11% Rp 27.500 Total Rp 277.500');
    await browser.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
    await pay(id);
    expect(await said(path)).toMatch(/Lunas 21 Nov 2026 09.00 WIB .* Kwitansi Rp 277.500/);
  });

  test('is told by itself that it is paid, with scripts and without, as long as a link stands open', async () => {
    const { publicId, id } = await bill();
    const path = `/customer/invoices/${publicId}`;
    expect(await open(path)).toContain('data-done');
    await browser.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
    const waiting = await open(path);
    expect(waiting).not.toContain('data-done');
    expect(waiting).toContain('<noscript><meta http-equiv="refresh" content="20"></noscript>');
    const version = /data-version="([^"]+)"/.exec(waiting)![1]!;
    expect((await browser.fetch(`${path}/state?version=${version}`)).status).toBe(204);
    await pay(id);
    const changed = await browser.fetch(`${path}/state?version=${version}`);
    expect([changed.status, textOf(changed.text).includes('Lunas')]).toEqual([200, true]);
    expect(changed.text).toContain('data-done');
  });
});

describe('the login of the account', () => {
  test('is the one of the portal at another address, and leads where one wanted to go', async () => {
    const { publicId } = await bill();
    const stranger = company.browser();
    const wanted = `/customer/invoices/${publicId}`;
    const { path } = await stranger.open(wanted);
    expect(path).toBe(`/customer/login?back=${encodeURIComponent(wanted)}`);
    const { portalId, pin } = customer;
    const wrong = await stranger.submit('/customer/login', { portalId, pin: '000000', back: wanted });
    expect([wrong.status, textOf(wrong.text).includes('Portal ID atau PIN tidak cocok')]).toEqual([422, true]);
    expect((await stranger.submit('/customer/login', { portalId, pin, back: wanted })).path).toBe(wanted);
    expect((await stranger.submit('/customer/logout')).path).toBe('/customer/login');
    expect((await stranger.open('/customer')).path).toBe('/customer/login?back=%2Fcustomer');
    expect((await stranger.submit('/customer/login', { portalId, pin })).path).toBe('/customer');
  });

  test('counts wrong PINs together with those of the other address', async () => {
    await company.db.execute('delete from login_budget');
    const { portalId } = customer;
    const guesser = company.browser();
    for (const [index, address] of ['/customer/login', '/prepaid/portal/login', '/customer/login'].entries()) {
      await guesser.open(address);
      await guesser.submit(address, { portalId, pin: `00000${index}` });
    }
    const [row] = await company.db.query<{ failures: number }>(
      'select failures from portal_account where subscriber_id = $1',
      [customer.id],
    );
    expect(row!.failures).toBe(3);
  });

  test('leads who is billed afterwards to the account from either address, with a first PIN to be changed before', async () => {
    const late = await addCustomer(company.desk, { username: `later-${count}`, billing: 'postpaid' }, { fresh: true });
    const stranger = company.browser();
    await stranger.open('/prepaid/portal/login');
    const page = await stranger.submit('/prepaid/portal/login', { portalId: late.portalId, pin: late.pin });
    expect(page.path).toBe('/prepaid/portal/pin?back=%2Fcustomer');
    expect((await stranger.submit('/prepaid/portal/pin/keep', { back: '/customer' })).path).toBe('/customer');
  });

  test('leads back to no other site', async () => {
    for (const back of ['https://evil.test/', '//evil.test', '/customers', '/customerx', '/login']) {
      await company.db.execute('delete from login_budget');
      const stranger = company.browser();
      await stranger.open('/customer/login');
      const { path } = await stranger.submit('/customer/login', {
        portalId: customer.portalId,
        pin: customer.pin,
        back,
      });
      expect([back, path.startsWith('/customer') && !path.startsWith('/customers')]).toEqual([back, true]);
    }
  });

  test('a session that is over is logged out: pages lead to the login, the API says 401', async () => {
    const { publicId } = await bill();
    company.setClock(NOW + 31 * DAY);
    const api = await browser.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
    expect([api.status, JSON.parse(api.text)]).toEqual([
      401,
      { success: false, error: 'Sesi Anda sudah berakhir. Masuk lagi untuk melanjutkan.' },
    ]);
    browser = await company.loginPortal(customer.id);
    company.setClock(NOW + 62 * DAY);
    const page = await browser.open('/customer');
    expect(page.path).toBe('/customer/login?back=%2Fcustomer');
    expect(textOf(page.text)).toContain('Sesi Anda sudah berakhir.');
    expect(browser.cookies.has('gerbang_portal')).toBe(false);
  });

  test('a new PIN ends the sessions before it', async () => {
    await issuePin(company.desk, customer.id, { send: false });
    expect((await browser.open('/customer')).path).toContain('/customer/login');
  });
});

describe('the PIN of a postpaid customer', () => {
  test('is issued on the staff’s page of the customer, and opens the account', async () => {
    const late = { username: `bulanan-${count}`, password: 'pw', billing: 'postpaid' };
    const { id } = await addSubscriber(company.desk, late);
    const staff = await company.loginStaff('owner');
    expect((await staff.open(`/customers/${id}`)).text).toContain(`href="/customers/${id}/pin"`);
    await staff.open(`/customers/${id}/pin`);
    const { text } = await staff.submit(`/customers/${id}/pin`);
    const [portalId, pin] = [...text.matchAll(/<dd class="secret">(\d+)<\/dd>/g)].map(([, digits]) => digits!);
    const stranger = company.browser();
    await stranger.open('/customer/login');
    await stranger.submit('/customer/login', { portalId: portalId!, pin: pin! });
    await stranger.submit('/prepaid/portal/pin/keep', { back: '/customer' });
    expect((await stranger.open('/customer')).path).toBe('/customer');
  });
});

test('every page is complete in English', async () => {
  await grant('2026-11-06T09:00+07:00');
  const invoice = await bill();
  await browser.open('/language/en?back=/customer');
  for (const path of [
    '/customer',
    '/customer/invoices',
    `/customer/invoices/${invoice.publicId}`,
    '/customer/payments',
  ])
    expect(await said(path)).not.toMatch(/\b(Paket|Anda|Tagihan|Bayar|Pembayaran|Lunas|Jatuh|Sampai|Semua|Terputus)\b/);
  expect(await said()).toContain('15 days left');
});
