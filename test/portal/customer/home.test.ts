import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { placePurchase } from '#operations/place-purchase';
import { revokeGrant } from '#operations/revoke-grant';
import { sellPackage } from '#operations/sell-package';
import { suspend } from '#operations/suspend';
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
  customer = await addCustomer(company.desk, { username: `home-${count}`, name: 'Sri Wahyuni' });
  browser = await company.loginPortal(customer.id);
});

const open = async (page: 'home' | 'history') => (await browser.open(`/prepaid/portal/${page}`)).text;
const grant = (from: string, plan = PLAN) => addGrant(company.desk, { username: customer.username, plan, from });
const use = (bytes: number) =>
  company.db.execute('update grants set used_bytes = $2 where subscriber_id = $1', [customer.id, bytes]);

describe('my package', () => {
  test('shows the days and the quota left as pictures, and in words', async () => {
    await grant('2026-11-06T09:00+07:00');
    await use(5 * 2 ** 30);
    const page = await open('home');
    const text = textOf(page);
    expect(text).toContain('Sampai 6 Des 2026 09.00 WIB');
    expect(text).toContain('15 GB tersisa dari 20 GB');
    expect(page).toContain('aria-label="15 hari"');
    // Half of the ring: 2π·42 / 2.
    expect(page).toContain('stroke-dasharray="131.9 263.9"');
    expect(page).toContain('style="width:75%"');
  });

  test('in its last day says so, and counts hours', async () => {
    await grant('2026-10-22T18:00+07:00');
    const page = await open('home');
    expect(page).toContain('aria-label="9 jam"');
    expect(textOf(page)).toContain('Berakhir kurang dari sehari lagi');
    company.setClock(NOW + 9 * HOUR - 30_000);
    expect(await open('home')).toContain('aria-label="1 menit"');
  });

  test('without a limit has no bar', async () => {
    await grant('2026-11-20T09:00+07:00', 'Unlimited - 100Mbps');
    const page = await open('home');
    expect(textOf(page)).toContain('Kuota tanpa batas');
    expect(page).not.toContain('class="meter');
  });

  test('with the quota used up says what to do', async () => {
    await grant('2026-11-20T09:00+07:00');
    await use(30 * 2 ** 30);
    const page = await open('home');
    expect(textOf(page)).toContain('0 byte tersisa dari 20 GB');
    expect(textOf(page)).toContain('Kuota habis. Beli paket');
    expect(page).toContain('style="width:0%"');
  });

  test('that is followed by another goes on until the end of both', async () => {
    await grant('2026-11-06T09:00+07:00');
    await addGrant(company.desk, { username: customer.username, plan: '50GB - 50Mbps' });
    const text = textOf(await open('home'));
    expect(text).toContain('Sampai 5 Jan 2027 09.00 WIB');
    expect(text).toContain('Berikutnya 50GB - 50Mbps, mulai 6 Des 2026 09.00 WIB');
  });

  test('is not there: why, and the button to buy', async () => {
    expect(textOf(await open('home'))).toContain('Internet Anda belum aktif Belum ada paket');
    await addGrant(company.desk, {
      username: customer.username,
      plan: PLAN,
      from: '2026-10-01',
      until: '2026-11-01T10:00+07:00',
    });
    const text = textOf(await open('home'));
    expect(text).toContain('Paket 20GB - 20Mbps berakhir 1 Nov 2026 10.00 WIB');
    expect(text).toContain('Beli Paket');
  });

  test('of a suspended line cannot be bought', async () => {
    await suspend(company.desk, customer.username);
    const page = await open('home');
    expect(textOf(page)).toContain('Layanan Anda dihentikan sementara');
    expect(page).not.toContain('href="/prepaid/portal/packages"');
  });

  test('an order that waits is one tap away', async () => {
    const planRevisionId = await company.planId(PLAN);
    const { number } = await placePurchase(company.desk, { subscriberId: customer.id, planRevisionId });
    expect(await open('home')).toContain(`href="/prepaid/portal/orders/${number}"`);
    company.setClock(NOW + DAY);
    expect(await open('home')).not.toContain(number);
  });
});

describe('the line', () => {
  const chip = async () => textOf(/<span class="chip.*?<\/p>/s.exec(await open('home'))![0]);

  test('of one who dials is connected since, disconnected since, or never was', async () => {
    expect(await chip()).toBe('PPPoE belum terhubung');
    await addSession(company, { subscriberId: customer.id, framedIp: '10.8.0.1', startedAt: NOW - 3 * HOUR });
    expect(await chip()).toBe('PPPoE terhubung sejak 3 jam lalu');
    await company.db.execute('update session set ended_at = $2::timestamptz where subscriber_id = $1', [
      customer.id,
      new Date(NOW - 5 * MINUTE).toISOString(),
    ]);
    expect(await chip()).toBe('PPPoE terputus sejak 5 menit lalu');
  });

  test('that is being ended is not said to be connected', async () => {
    await addSession(company, { subscriberId: customer.id, framedIp: '10.8.0.2', endingSince: NOW - 1_000 });
    expect(await chip()).not.toContain('terhubung sejak');
  });

  test('of a static address is active with a package', async () => {
    customer = await addCustomer(company.desk, {
      username: `static-${count}`,
      access: 'static',
      nas: 'tower-north',
      addresses: ['10.31.0.1'],
    });
    browser = await company.loginPortal(customer.id);
    expect(await chip()).toBe('IP statis belum aktif');
    await grant('2026-11-06');
    expect(await chip()).toBe('IP statis aktif');
  });
});

describe('the usage of 30 days', () => {
  const used = (day: string, up: number, down: number) =>
    company.db.execute(
      'insert into usage_daily (subscriber_id, day, up_bytes, down_bytes) values ($1, $2::date, $3, $4)',
      [customer.id, day, up, down],
    );

  test('is a bar a day, a sum, and a table for who cannot see bars', async () => {
    await used('2026-11-21', 2 ** 30, 2 ** 30);
    await used('2026-11-19', 0, 2 ** 30);
    await used('2026-10-23', 2 ** 29, 0);
    await used('2026-10-22', 2 ** 40, 0);
    const page = await open('home');
    expect(/<svg class="bars".*?<\/svg>/s.exec(page)![0].match(/<rect/g)).toHaveLength(30);
    expect(textOf(page)).toContain('3,5 GB unduh dan unggah');
    expect(textOf(/<tbody>.*<\/tbody>/s.exec(page)![0])).toBe('21 Nov 2026 2 GB 19 Nov 2026 1 GB 23 Okt 2026 512 MB');
    expect(page).toMatch(/<th scope="col">/);
  });

  test('says so when there is none', async () => {
    expect(textOf(await open('home'))).toContain('Belum ada pemakaian.');
  });
});

describe('the history', () => {
  test('has every package with its state in words, and every order', async () => {
    await addGrant(company.desk, {
      username: customer.username,
      plan: PLAN,
      from: '2026-09-01T09:00+07:00',
      until: '2026-10-01T09:00+07:00',
    });
    const stopped = await grant('2026-11-01T09:00+07:00');
    await revokeGrant(company.desk, { username: customer.username, grant: stopped.id });
    const planRevisionId = await company.planId('10GB - 10Mbps');
    const sale = { subscriberId: customer.id, planRevisionId, method: 'cash', begins: 'after' };
    await sellPackage(company.desk, sale);
    await sellPackage(company.desk, sale);
    const { number } = await placePurchase(company.desk, { subscriberId: customer.id, planRevisionId });
    const page = await open('history');
    const text = textOf(page);
    expect(text).toContain('20GB - 20Mbps Selesai 1 Sep 2026 – 1 Okt 2026 09.00 WIB');
    expect(text).toContain('20GB - 20Mbps Dihentikan 1 Nov 2026 – 21 Nov 2026 09.00 WIB');
    expect(text).toContain('10GB - 10Mbps Berjalan 21 Nov 2026 – 21 Des 2026 09.00 WIB');
    expect(text).toContain('10GB - 10Mbps Akan mulai 21 Des 2026');
    expect(text.match(/Lunas/g)).toHaveLength(2);
    expect(text).toContain('Menunggu pembayaran');
    expect(page).toContain(`href="/prepaid/portal/orders/${number}"`);
    company.setClock(NOW + DAY);
    expect(textOf(await open('history'))).toContain('Lewat waktu');
  });

  test('of somebody new is empty in words', async () => {
    const text = textOf(await open('history'));
    expect(text).toContain('Belum ada paket.');
    expect(text).toContain('Belum ada pesanan.');
  });
});

test('every page needs the login', async () => {
  for (const path of ['home', 'history', 'packages', 'pin', 'orders/P-00000000', 'orders/P-00000000/state'])
    expect((await company.browser().open(`/prepaid/portal/${path}`)).path).toContain('/prepaid/portal/login?back=');
});

test('every page is complete in English', async () => {
  await grant('2026-11-06T09:00+07:00');
  await browser.open('/language/en?back=/prepaid/portal/home');
  const text = textOf(await open('home'));
  expect(text).toContain('Until 6 Dec 2026 09.00 WIB');
  expect(text).toContain('20 GB left of 20 GB');
  for (const path of ['home', 'history', 'packages', 'pin', 'splash'])
    expect(textOf((await browser.open(`/prepaid/portal/${path}`)).text)).not.toMatch(
      /\b(Paket|Anda|Pilih|Masuk|Sampai|Riwayat)\b/,
    );
});
