import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { cancelPurchase } from '#operations/cancel-purchase';
import { revokeGrant } from '#operations/revoke-grant';
import { settlePurchase } from '#operations/settle-purchase';
import { suspend } from '#operations/suspend';
import { grantsOf } from '#storage/grants';
import { purchasesOf } from '#storage/purchases';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import {
  addCustomer,
  addSession,
  type Company,
  type Customer,
  PLAN,
  setSettled,
  startCompany,
} from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

const PACKAGES = '/prepaid/portal/packages';

let company: Company;
let customer: Customer;
let browser: Browserlike;
let count = 0;
beforeAll(async () => {
  company = await startCompany();
});
afterAll(() => company.stop());
beforeEach(async () => {
  company.setClock(NOW);
  count += 1;
  customer = await addCustomer(company.desk, { username: `buyer-${count}`, name: 'Budi Santoso' });
  browser = await company.loginPortal(customer.id);
});

/** Chooses a package on the page; returns the page it led to. */
async function buy(plan = PLAN, fields = {}) {
  await browser.open(PACKAGES);
  return browser.submit(PACKAGES, { plan: String(await company.planId(plan)), ...fields });
}

const numberOf = (path: string): string => path.split('/').at(-1)!;
const cash = (number: string) => settlePurchase(company.desk, { number, method: 'cash' });
const orders = () => purchasesOf(company.db, customer.id, 20, company.clock());

describe('the packages', () => {
  test('show what they give, cost, and cost by the GB', async () => {
    const text = textOf((await browser.open(PACKAGES)).text);
    expect(text).toContain('20GB - 20Mbps Rp 75.000 30 hari 20 GB 20 Mbps Rp 3.750 per GB Beli Paket');
    expect(text).toContain('50GB - 50Mbps Rp 150.000 30 hari 50 GB 50 Mbps, unggah 25 Mbps Rp 3.000 per GB');
    expect(text).toContain('Unlimited - 100Mbps Rp 300.000 1 bulan Tanpa batas 100 Mbps Rp 10.000 per hari');
    expect(text).not.toContain('Mulai kapan?');
  });

  test('ask when the new one begins while another goes on, and say what that means', async () => {
    await addGrant(company.desk, { username: customer.username, plan: PLAN });
    const text = textOf((await browser.open(PACKAGES)).text);
    expect(text).toContain('Paket 20GB - 20Mbps masih berjalan sampai 21 Des 2026 09.00 WIB. Sisa kuota: 20 GB.');
    expect(text).toContain('Mulai kapan?');
    expect(text).toContain('Mulai 21 Des 2026 09.00 WIB. Tidak ada hari yang hilang.');
  });

  test('that cost nothing are had at once: no money to wait for, no payment', async () => {
    await addPlan(company.desk, { name: 'Hadiah', down: '5M', up: '5M', period: '1d', price: '0' });
    const page = await buy('Hadiah');
    expect(page.path).toMatch(/\/orders\/P-/);
    expect(textOf(page.text)).toContain('Gratis');
    expect(textOf(page.text)).not.toContain('Bayar sebelum');
    expect(await orders()).toMatchObject([{ state: 'done', from: NOW, payments: [] }]);
    expect(await grantsOf(company.db, customer.id)).toHaveLength(1);
    await company.db.execute("update plan set retired_at = now() where name = 'Hadiah'");
  });

  test('with the quota used up there is nothing to ask: the new one begins when it is paid, as the page says', async () => {
    await addGrant(company.desk, { username: customer.username, plan: PLAN });
    await company.db.execute('update grants set used_bytes = $2 where subscriber_id = $1', [customer.id, 20 * 2 ** 30]);
    const text = textOf((await browser.open(PACKAGES)).text);
    expect(text).toContain('Kuota paket 20GB - 20Mbps habis.');
    expect(text).not.toContain('Mulai kapan?');
    const { path } = await buy();
    expect((await cash(numberOf(path))).from).toBe(NOW);
  });

  test('that were changed, taken off sale or never were are refused, with the list as it is now', async () => {
    await addPlan(company.desk, { name: 'Malam', down: '5M', up: '5M', period: '7d', price: '10000' });
    const old = await company.planId('Malam');
    await addPlan(company.desk, { name: 'Malam', down: '5M', up: '5M', period: '7d', price: '12000' });
    await browser.open(PACKAGES);
    for (const plan of [String(old), '999999', '0']) {
      const page = await browser.submit(PACKAGES, { plan });
      expect([page.status, page.path]).toEqual([422, PACKAGES]);
      expect(textOf(page.text)).toContain('Paket ini baru saja berubah atau tidak dijual lagi.');
      expect(textOf(page.text)).toContain('Rp 12.000');
    }
    for (const plan of ['', 'x', '-1', '1.5', '9'.repeat(40)])
      expect(textOf((await browser.submit(PACKAGES, { plan })).text)).toContain('Belum ada paket yang dipilih.');
    expect(await orders()).toEqual([]);
  });

  test('that are not on the portal cannot be bought by knowing their number', async () => {
    await addPlan(company.desk, { name: `Rahasia ${count}`, down: '5M', up: '5M', period: '7d', price: '10000' });
    const hidden = await company.planId(`Rahasia ${count}`);
    await company.db.execute('update plan set on_portal = false where name = $1', [`Rahasia ${count}`]);
    const page = await browser.open(PACKAGES);
    expect(page.text).not.toContain('Rahasia');
    expect((await browser.submit(PACKAGES, { plan: String(hidden) })).status).toBe(422);
    expect(await orders()).toEqual([]);
  });

  test('are not sold to a suspended line, which is told what to do', async () => {
    await browser.open(PACKAGES);
    await suspend(company.desk, customer.username);
    const page = await browser.submit(PACKAGES, { plan: String(await company.planId(PLAN)) });
    expect([page.status, textOf(page.text).includes('dihentikan sementara')]).toEqual([422, true]);
    expect(textOf((await browser.open(PACKAGES)).text)).not.toContain('Beli Paket');
    expect(await orders()).toEqual([]);
  });

  test('a price sent with the form is not listened to, nor another buyer', async () => {
    const other = await addSubscriber(company.desk, { username: `other-${count}`, password: 'pw' });
    await buy(PLAN, { price: '1', priceRupiah: '1', subscriberId: String(other.id), begins: 'yesterday' });
    expect(await orders()).toMatchObject([{ priceRupiah: 75_000, subscriberId: customer.id, begins: 'after' }]);
  });
});

describe('an order', () => {
  test('says what, how much, until when it can be paid, and how', async () => {
    const page = await buy();
    const text = textOf(page.text);
    const number = numberOf(page.path);
    expect(page.path).toMatch(/^\/prepaid\/portal\/orders\/P-[0-9A-Z]{8}$/);
    expect(text).toContain('Menunggu pembayaran');
    expect(text).toContain('Harga Rp 75.000');
    expect(text).toContain('Bayar sebelum 22 Nov 2026 09.00 WIB');
    expect(text).toContain('Bayar tunai ke Maju Net Jl. Melati 7, Malang');
    const chats = [...page.text.replaceAll('&#x3D;', '=').matchAll(/wa\.me\/6281234567890\?text=([^"]+)"/g)].map(
      ([, said]) => decodeURIComponent(said!),
    );
    expect(chats).toContain(`Halo, saya ingin membayar pesanan ${number}: 20GB - 20Mbps, Rp 75.000.`);
  });

  test('looks again by itself, with scripts and without, until it is done', async () => {
    const { text, path } = await buy();
    expect(text).toContain('<noscript><meta http-equiv="refresh" content="15"></noscript>');
    expect(text).toContain(`data-refresh="${path}/state"`);
    expect(text).not.toContain('data-done');
    await cash(numberOf(path));
    await addSession(company, { subscriberId: customer.id, framedIp: '10.9.0.1' });
    await setSettled(company);
    const done = await browser.open(path);
    expect(done.text).toContain('data-done');
    expect(done.text).not.toContain('http-equiv="refresh"');
  });

  test('is asked for by the script only as often as it changes', async () => {
    const { path, text } = await buy();
    const version = /data-version="([^"]+)"/.exec(text)![1]!;
    const same = await browser.fetch(`${path}/state?version=${version}`);
    expect([same.status, same.text]).toEqual([204, '']);
    await cash(numberOf(path));
    const changed = await browser.fetch(`${path}/state?version=${version}`);
    expect(changed.status).toBe(200);
    expect(changed.text).not.toContain('<html');
    expect(changed.text).not.toContain(`data-version="${version}"`);
  });

  test('goes Dibuat, Dibayar, Aktif: paid, then told to the router, then online', async () => {
    const { path } = await buy();
    const step = async () => textOf((await browser.open(path)).text);
    await cash(numberOf(path));
    await setSettled(company, false);
    await addSession(company, { subscriberId: customer.id, framedIp: '10.9.0.2' });
    expect(await step()).toContain('Pembayaran diterima. Menyambungkan internet Anda…');
    await setSettled(company);
    const done = await step();
    expect(done).toContain('Internet aktif. Selamat berselancar!');
    expect(done).toContain('berlaku sampai 21 Des 2026 09.00 WIB');
  });

  test('a router that does not come back in a minute: what to do, for a line that dials', async () => {
    const { path } = await buy();
    await cash(numberOf(path));
    await setSettled(company);
    await addSession(company, { subscriberId: customer.id, framedIp: '10.9.0.3', endingSince: NOW });
    const soon = await browser.open(path);
    expect(textOf(soon.text)).toContain('Biasanya kurang dari satu menit.');
    expect(soon.text).not.toContain('<details');
    company.setClock(NOW + 2 * MINUTE);
    const slow = await browser.open(path);
    expect(slow.text).toContain('<details class="more" open>');
    expect(textOf(slow.text)).toContain('Tunggu satu menit: router menyambung ulang sendiri.');
    expect(slow.text).not.toContain('data-done');
    company.setClock(NOW + HOUR);
    expect((await browser.open(path)).text).toContain('data-done');
  });

  test('of a static line is done once its router has the entry', async () => {
    const line = { access: 'static', nas: 'tower-north', addresses: [`10.30.0.${count}`] };
    customer = await addCustomer(company.desk, { username: `static-${count}`, ...line });
    browser = await company.loginPortal(customer.id);
    const { path } = await buy();
    await cash(numberOf(path));
    await setSettled(company);
    const told = (list: string) =>
      company.db.execute(
        `update static_address set wanted_list = 'prepaid-active', told_list = $2 where subscriber_id = $1`,
        [customer.id, list],
      );
    await told('prepaid-no-package');
    company.setClock(NOW + 2 * MINUTE);
    expect(textOf((await browser.open(path)).text)).toContain('Tutup lalu buka lagi halaman');
    await told('prepaid-active');
    expect(textOf((await browser.open(path)).text)).toContain('Internet aktif. Selamat berselancar!');
  });

  test('that begins after the present package says when, and is done', async () => {
    await addGrant(company.desk, { username: customer.username, plan: PLAN });
    const { path } = await buy(PLAN, { begins: 'after' });
    await cash(numberOf(path));
    const { text } = await browser.open(path);
    expect(textOf(text)).toContain('mulai otomatis pada 21 Des 2026 09.00 WIB');
    expect(text).toContain('data-done');
  });

  test('paid while its page is made, or by a node whose clock is ahead, is not one of later', async () => {
    const { path } = await buy();
    company.setClock(NOW + 2_000);
    await cash(numberOf(path));
    company.setClock(NOW);
    const { text } = await browser.open(path);
    expect(textOf(text)).not.toContain('disimpan untuk Anda');
    expect(text).not.toContain('data-done');
  });

  test('that begins now is in force beside the present package', async () => {
    await addGrant(company.desk, { username: customer.username, plan: PLAN });
    const { path } = await buy('50GB - 50Mbps', { begins: 'now' });
    expect((await cash(numberOf(path))).from).toBe(NOW);
  });

  test('not paid in a day is over, and says that money counts all the same', async () => {
    const { path } = await buy();
    company.setClock(NOW + DAY);
    const { text } = await browser.open(path);
    expect(textOf(text)).toContain('Pesanan ini sudah lewat waktunya');
    expect(textOf(text)).toContain('uang Anda tetap dihitung');
    expect(text).toContain('data-done');
  });

  test('can be cancelled, twice too, and not any more once it is paid', async () => {
    const { path } = await buy();
    const cancelled = await browser.submit(`${path}/cancel`);
    expect([cancelled.path, textOf(cancelled.text).includes('Pesanan dibatalkan.')]).toEqual([PACKAGES, true]);
    expect((await browser.submit(`${path}/cancel`)).path).toBe(PACKAGES);
    expect(textOf((await browser.open(path)).text)).toContain('Pesanan ini dibatalkan');
    await cash(numberOf(path));
    expect((await browser.submit(`${path}/cancel`)).path).toBe(path);
    expect(await orders()).toMatchObject([{ state: 'done' }]);
  });

  test('a new one takes the place of what was not paid', async () => {
    const first = await buy();
    await buy('10GB - 10Mbps');
    expect((await orders()).map(({ plan, state }) => [plan, state])).toEqual([
      ['10GB - 10Mbps', 'waiting'],
      [PLAN, 'cancelled'],
    ]);
    expect(textOf((await browser.open(first.path)).text)).toContain('Pesanan ini dibatalkan');
  });

  test('whose package was taken back or is over says so', async () => {
    const { path } = await buy();
    const { grantId } = await cash(numberOf(path));
    company.setClock(NOW + 40 * DAY);
    browser = await company.loginPortal(customer.id);
    expect(textOf((await browser.open(path)).text)).toContain('Paket ini sudah berakhir');
    company.setClock(NOW);
    await revokeGrant(company.desk, { username: customer.username, grant: grantId });
    expect(textOf((await browser.open(path)).text)).toContain('Paket ini ditarik kembali');
  });

  test('every act of it stands in the audit as the subscriber’s own', async () => {
    const { path } = await buy();
    await browser.submit(`${path}/cancel`);
    const rows = await company.db.query<{ actor: string; why: string }>(
      'select actor, why from audit where subscriber_id = $1 order by id desc limit 2',
      [customer.id],
    );
    expect(rows.reverse()).toEqual([
      { actor: `subscriber:${customer.id}`, why: 'order package' },
      { actor: `subscriber:${customer.id}`, why: 'cancel purchase' },
    ]);
  });
});

describe('somebody else’s order', () => {
  test('is not found, not read by its part, not cancelled: as if it never was', async () => {
    const { path } = await buy();
    const thief = await addCustomer(company.desk, { username: `thief-${count}` });
    const other = await company.loginPortal(thief.id);
    await other.open('/prepaid/portal/home');
    const never = '/prepaid/portal/orders/P-00000000';
    for (const at of ['', '/state', '/state?version=waiting..'])
      expect([(await other.open(path + at)).status, (await other.open(never + at)).status]).toEqual([404, 404]);
    const cancelled = await other.submit(`${path}/cancel`);
    expect(cancelled.status).toBe(404);
    expect(cancelled.text).not.toContain('20GB');
    expect(await orders()).toMatchObject([{ state: 'waiting' }]);
    expect((await company.browser().open(path)).path).toContain('/prepaid/portal/login');
  });

  test.each(["P-'; drop", '%00', '..%2f..%2fhome', 'p-aaaaaaaa', `P-${'A'.repeat(150)}`, '%E2%80%AE'])(
    '%s is just not found',
    async (number) => {
      expect((await browser.open(`/prepaid/portal/orders/${number}`)).status).toBe(404);
      expect(company.logged).toEqual([]);
    },
  );
});

test('a cancelled order that staff settles after all is given', async () => {
  const { path } = await buy();
  await cancelPurchase(company.desk, numberOf(path));
  await cash(numberOf(path));
  expect(await grantsOf(company.db, customer.id)).toHaveLength(1);
});
