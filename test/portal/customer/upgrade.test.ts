import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { addPromo } from '#operations/promos';
import { sellPackage } from '#operations/sell-package';
import { saveSettings } from '#operations/settings';
import { subscribe } from '#operations/subscriptions';
import { suspend } from '#operations/suspend';
import { invoicesOf } from '#storage/invoices';
import { findPlan } from '#storage/plans';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { applyEvents, openOrder } from '#test/portal/customer/bills';
import { addCustomer, type Company, type Customer, PLAN, PLANS, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

const BIGGER = '50GB - 50Mbps';
const UPGRADE = '/customer/wifi?tab=upgrade';

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
  customer = await addCustomer(company.desk, { username: `naik-${count}`, name: 'Sri Wahyuni', billing: 'prepaid' });
  browser = await company.loginPortal(customer.id);
});
afterEach(() => expect(company.logged.splice(0)).toEqual([]));

const said = async (path: string) => textOf((await browser.open(path)).text);
const planIdOf = async (name: string) => (await findPlan(company.db, { name }))!.planId;
const preview = async (name = BIGGER, more = '') => `${UPGRADE}&plan=${await planIdOf(name)}${more}`;
const invoices = () => invoicesOf(company.db, customer.id, 10);

/** Half of the 30 days of the small package is over. */
async function has(plan: string = PLAN) {
  company.setClock(NOW - 15 * DAY);
  const planRevisionId = await company.planId(plan);
  await sellPackage(company.desk, { subscriberId: customer.id, planRevisionId, method: 'cash' });
  company.setClock(NOW);
}

/** Opens the preview and sends its form as it stands. */
async function accept(name = BIGGER, more = '') {
  const { text } = await browser.open(await preview(name, more));
  const value = (field: string) => new RegExp(`name="${field}" value="([^"]*)"`).exec(text)![1]!;
  return browser.submit('/customer/wifi/upgrade', {
    plan: value('plan'),
    promo: value('promo'),
    expected: value('expected'),
  });
}

/** The line as it is sold now. */
const running = async () => {
  const rows = await company.db.query<{ name: string }>(
    `select plan.name from grants join plan_revision on plan_revision.id = grants.plan_revision_id
       join plan on plan.id = plan_revision.plan_id
      where subscriber_id = $1 and starts_at <= $2::timestamptz and ends_at > $2::timestamptz and revoked_at is null`,
    [customer.id, new Date(company.clock()).toISOString()],
  );
  return rows.map(({ name }) => name);
};

describe('Package Upgrade', () => {
  test('Redirect to WiFi page with upgrade tab', async () => {
    const home = await browser.open('/customer');
    const href = /href="(\/customer\/wifi\?tab[^"]*upgrade)"/.exec(home.text)?.[1]?.replace('&#x3D;', '=');
    expect(href).toBe(UPGRADE);
    const page = await browser.open(href!);
    expect([page.status, page.path]).toEqual([200, UPGRADE]);
    expect(page.text).toMatch(/<a href="\/customer\/wifi\?tab=upgrade" aria-current="page">/);
  });

  test('Available packages displayed correctly', async () => {
    await has();
    const { text } = await browser.open(UPGRADE);
    const cards = text.split('<li class="card"').slice(1).map(textOf);
    expect(cards).toHaveLength(PLANS.length);
    expect(cards.find((card) => card.includes(BIGGER))).toMatch(/Rp 150\.000 30 hari 50 GB 50 Mbps, unggah 25 Mbps/);
    expect(cards.filter((card) => card.includes('Pilih paket ini'))).toHaveLength(PLANS.length - 1);
    expect(cards.find((card) => card.includes('Paket Anda'))).toContain(PLAN);
    expect(textOf(text)).toMatch(/Paket Anda sekarang: 20GB - 20Mbps ?, sampai 6 Des 2026 09.00 WIB/);
  });

  test('Invoice created after package selection', async () => {
    await has();
    const shown = await said(await preview());
    expect(shown).toMatch(/Dari 20GB - 20Mbps Menjadi 50GB - 50Mbps Mulai begitu dibayar/);
    expect(shown).toMatch(
      /50GB - 50Mbps Rp 150\.000 Sisa 20GB - 20Mbps sampai 6 Des 2026 -Rp 37\.500 Yang dibayar Rp 112\.500/,
    );
    expect(await invoices()).toHaveLength(1);
    await accept();
    const [invoice] = await invoices();
    expect(invoice).toMatchObject({ kind: 'package', totalRupiah: 112_500, settledAt: null });
    expect(await said(`/customer/invoices/${invoice!.publicId}`)).toContain('Rp 112.500');
    expect(await running()).toEqual([PLAN]);
  });

  test('Payment link generated automatically', async () => {
    await has();
    const page = await accept();
    const [invoice] = await invoices();
    expect(page.path).toBe(`/customer/invoices/${invoice!.publicId}/pay`);
    const order = gateways.midtrans.orders.get(await openOrder(company, invoice!.id))!;
    expect(order.request).toMatchObject({ amountRupiah: 112_500 });
    expect(page.text.replaceAll('&#x3D;', '=')).toContain(`href="${order.link.url}"`);
    expect(order.request.returnUrl).toMatch(/\/prepaid\/portal\/orders\/P-[0-9A-Z]{8}\?back=1$/);
  });

  test('Package upgraded after payment confirmed', async () => {
    await has();
    await accept();
    const [invoice] = await invoices();
    const orderId = await openOrder(company, invoice!.id);
    const { returnUrl } = gateways.midtrans.orders.get(orderId)!.request;
    expect(await running()).toEqual([PLAN]);
    gateways.midtrans.pay(orderId, company.clock());
    await applyEvents(company, gateways, orderId);
    expect(await running()).toEqual([BIGGER]);
    const { pathname, search } = new URL(returnUrl);
    expect(await said(pathname + search)).toMatch(/Pembayaran diterima|Internet aktif/);
    const account = await said('/customer');
    expect(account).toContain(`${BIGGER} Aktif`);
  });
});

test('a smaller package that the rest of the old one pays for is changed at once; what is over is balance', async () => {
  await has('Unlimited - 100Mbps');
  const links = () => gateways.midtrans.calls.create + gateways.xendit.calls.create;
  const before = links();
  const shown = await said(await preview(PLAN));
  expect(shown).toMatch(/Mulai sekarang juga/);
  expect(shown).toMatch(/Selisihnya menjadi saldo Anda: Rp [\d.]+/);
  const page = await accept(PLAN);
  expect(page.path).toMatch(/^\/prepaid\/portal\/orders\/P-/);
  expect(await running()).toEqual([PLAN]);
  expect(links()).toBe(before);
});

test('without a gateway the order says how else it is paid', async () => {
  gateways.on = [];
  await has();
  const page = await accept();
  expect(page.path).toMatch(/^\/prepaid\/portal\/orders\/P-/);
  expect(textOf(page.text)).toMatch(/Bayar tunai ke Maju Net/);
  expect(textOf(page.text)).not.toContain('Gagal');
});

test('when the gateway does not answer the order stands, and that it can be tried again is said', async () => {
  gateways.midtrans.trouble.down = true;
  gateways.on = ['midtrans'];
  await has();
  const page = await accept();
  expect(page.path).toMatch(/^\/prepaid\/portal\/orders\/P-/);
  expect(textOf(page.text)).toContain('Gagal generate payment link, coba lagi');
  expect(company.logged.splice(0).join()).toContain('a payment link could not be made');
});

test('a price that is another one by now is not taken: the new one is shown', async () => {
  await has();
  await browser.open(await preview());
  const page = await browser.submit('/customer/wifi/upgrade', {
    plan: String(await planIdOf(BIGGER)),
    promo: '',
    expected: '100',
  });
  expect(page.status).toBe(422);
  expect(textOf(page.text)).toContain('Yang dibayar Rp 112.500');
  expect(page.text).toMatch(/role="alert"/);
  expect(await invoices()).toHaveLength(1);
});

test('a promo code is taken off; one that does not count says so beside the price without it', async () => {
  await addPromo(company.desk, {
    code: `NAIK${count}`,
    percent: 10,
    from: '2026-11-01',
    until: '2026-12-31',
  });
  await has();
  expect(await said(await preview(BIGGER, `&promo=naik${count}`))).toMatch(
    /Promo NAIK\d+ -Rp 15\.000.*Yang dibayar Rp 97\.500/,
  );
  const page = await browser.open(await preview(BIGGER, '&promo=PALSU'));
  expect(page.status).toBe(422);
  expect(textOf(page.text)).toContain('Yang dibayar Rp 112.500');
  expect(page.text).toMatch(/name="promo" value=""/);
  await accept(BIGGER, `&promo=naik${count}`);
  expect((await invoices())[0]).toMatchObject({ totalRupiah: 97_500 });
});

test('of a subscription the rest of the period is shown, and the next invoice', async () => {
  await subscribe(company.desk, { subscriberId: customer.id, planId: await planIdOf(PLAN), billingDay: 1 });
  const shown = await said(await preview());
  expect(shown).toMatch(/Menjadi 50GB - 50Mbps/);
  expect(shown).toMatch(/Tagihan berikutnya 1 Des 2026: Rp 150\.000/);
  expect(shown).not.toMatch(/null|undefined|NaN/);
});

test('tax that is added is a line of its own, tax that is contained is said', async () => {
  await has();
  try {
    await saveSettings(company.desk, 'billing', { tax: 'added', taxPercent: '11' });
    expect(await said(await preview())).toMatch(/PPN Rp 12\.375 Yang dibayar Rp 124\.875/);
    await saveSettings(company.desk, 'billing', { tax: 'included' });
    expect(await said(await preview())).toMatch(/Yang dibayar Rp 112\.500 Termasuk PPN Rp 11\.149/);
  } finally {
    await saveSettings(company.desk, 'billing', { tax: 'off' });
  }
});

test('the package that one has, none, and one that is not sold are not to be changed to', async () => {
  await has();
  for (const plan of [await planIdOf(PLAN), 999_999]) {
    const page = await browser.open(`${UPGRADE}&plan=${plan}`);
    expect([page.status, textOf(page.text).includes('Pilih paket ini')]).toEqual([422, true]);
  }
  expect((await browser.open(`${UPGRADE}&plan=x`)).status).toBe(200);
  await browser.open(await preview());
  expect((await browser.submit('/customer/wifi/upgrade', {})).path).toBe(UPGRADE);
});

test('a suspended line cannot change, and the page says why', async () => {
  await has();
  await browser.open(await preview());
  await suspend(company.desk, customer.username);
  for (const path of [UPGRADE, await preview()]) expect(await said(path)).toContain('Layanan Anda');
  const page = await browser.submit('/customer/wifi/upgrade', {
    plan: String(await planIdOf(BIGGER)),
    expected: '112500',
  });
  expect(page.status).toBe(422);
  expect(await invoices()).toHaveLength(1);
});
