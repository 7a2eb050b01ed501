import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NO_ONTS, type Ont } from '#domain/acs';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { placePurchase } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import { findPlan } from '#storage/plans';
import { memoryGateways } from '#test/payments/memory-gateway';
import type { Browserlike } from '#test/portal/browserlike';
import { addBill, applyEvents, openOrder } from '#test/portal/customer/bills';
import { addCustomer, addSession, type Company, PLAN, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

/** So much fits into the first ten packets of a connection: one round trip on a slow line. */
const MOST_OCTETS = 14 * 1024;

const ONT: Ont = {
  deviceId: '00259E-F670L-ZTEG1234',
  others: 0,
  online: true,
  readAt: NOW,
  error: null,
  reading: {
    manufacturer: 'ZTE',
    model: 'F670L',
    lastInform: NOW,
    rxPowerDbm: -28.3,
    temperatureC: 48,
    uptimeSeconds: 273_600,
    connectedDevices: 7,
    ssid: 'RUMAH-RIZKY',
    ssidEnabled: true,
    pppUsername: 'rumah-berat',
    pppIp: '10.64.3.7',
    ssidPaths: ['ssid'],
    passwordPaths: ['password'],
    readPaths: [],
  },
};
const never = async () => ({ ok: false, says: '' });

let company: Company;
let browser: Browserlike;
let account: Browserlike;
const paths: Record<string, string> = {};
beforeAll(async () => {
  const gateways = memoryGateways();
  company = await startCompany({ gateways, live: { onts: { ...NO_ONTS, ontOf: async () => ONT, test: never } } });
  const { desk, db } = company;
  for (let more = 1; more <= 4; more += 1)
    await addPlan(desk, {
      name: `Paket keluarga ${more}`,
      down: '30M',
      up: '15M',
      quota: `${more * 30}GB`,
      period: '30d',
      price: String(more * 99_000),
    });
  await db.execute(`update plan set description = 'Cocok untuk belajar dan bekerja dari rumah, siang dan malam.'`);
  const customer = await addCustomer(desk, { username: 'berat', name: 'Muhammad Rizky Ramadhan' });
  await addGrant(desk, { username: 'berat', plan: PLAN, from: '2026-11-03T10:00+07:00' });
  await addSession(company, { subscriberId: customer.id, framedIp: '127.0.0.1' });
  for (let day = 0; day < 30; day += 1)
    await db.execute(`insert into usage_daily values ($1, date '2026-11-21' - $2::int, $3, $4)`, [
      customer.id,
      day,
      day * 7_654_321,
      ((day * 13) % 17) * 98_765_432,
    ]);
  const planRevisionId = await company.planId(PLAN);
  const buy = { subscriberId: customer.id, planRevisionId, begins: 'after' };
  for (let times = 0; times < 12; times += 1) await sellPackage(desk, { ...buy, method: 'cash' });
  const { number } = await placePurchase(desk, buy);
  browser = await company.loginPortal(customer.id);
  await browser.open('/prepaid/portal/home');
  const debtor = await addCustomer(desk, { username: 'rumah-berat', name: 'Muhammad Rizky', billing: 'postpaid' });
  await addSession(company, { subscriberId: debtor.id, framedIp: '10.7.7.7' });
  await addGrant(desk, { username: 'rumah-berat', plan: PLAN, from: '2026-11-03T10:00+07:00' });
  account = await company.loginPortal(debtor.id);
  for (let bills = 0; bills < 60; bills += 1) {
    const { publicId, id } = await addBill(company, debtor.id);
    paths.invoice = `/customer/invoices/${publicId}`;
    if (bills > 57) continue;
    await account.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
    const orderId = await openOrder(company, id);
    gateways.midtrans.pay(orderId, company.clock());
    await applyEvents(company, gateways, orderId);
  }
  for (const page of ['', '/invoices', '/payments', '/autopay', '/topup']) paths[`account${page}`] = `/customer${page}`;
  for (const page of ['splash', 'packages', 'home', 'history', 'pin']) paths[page] = `/prepaid/portal/${page}`;
  paths.order = `/prepaid/portal/orders/${number}`;
  paths.wifi = '/customer/wifi';
  paths.upgrade = '/customer/wifi?tab=upgrade';
  paths['change of package'] = `${paths.upgrade}&plan=${(await findPlan(db, { name: 'Paket keluarga 4' }))!.planId}`;
  for (let changes = 0; changes < 3; changes += 1)
    await db.execute(
      `insert into acs_task (subscriber_id, device_id, kind, body_sealed, created_at, created_by, due_at, ended_at, state, error)
       values ($1, 'x', 'wifi', '', $2::timestamptz, 'x', $2::timestamptz, $2::timestamptz, 'failed', 'fault: 9007')`,
      [customer.id, new Date(NOW).toISOString()],
    );
});
afterAll(() => company.stop());

/** Octets that come over the wire for one address, head and body, as a phone without TLS asks: Chrome offers no brotli then. */
function octets(path: string, as: Browserlike): Promise<{ size: number; text: string }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const head = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1`,
      'Accept-Encoding: gzip, deflate',
      'Connection: close',
      ...(as.cookies.size > 0 ? [`Cookie: ${[...as.cookies].map((pair) => pair.join('=')).join('; ')}`] : []),
    ];
    const socket = connect(company.port, '127.0.0.1', () => socket.write(`${head.join('\r\n')}\r\n\r\n`));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('end', () => {
      const all = Buffer.concat(chunks);
      resolve({ size: all.length, text: all.toString('latin1') });
    });
  });
}

/** What a page loads: everything it names that a browser fetches by itself. */
async function loads(path: string, as: Browserlike): Promise<string[]> {
  const page = await as.open(path);
  expect([page.status, page.path]).toEqual([200, path]);
  const named = [...page.text.matchAll(/<(?:link|script|img|iframe)[^>]*\s(?:href|src)="([^"]+)"/g)].map(
    ([, url]) => url!,
  );
  return named.filter((url) => !url.startsWith('data:')).map((url) => url.replaceAll('&#x3D;', '='));
}

async function weight(path: string, as: Browserlike): Promise<number> {
  const urls = await loads(path, as);
  expect(urls).toHaveLength(2);
  const sizes = await Promise.all([path, ...urls].map(async (url) => (await octets(url, as)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

test.each(['splash', 'packages', 'order', 'home', 'history', 'pin', 'wifi', 'upgrade', 'change of package'])(
  '%s weighs at most 14 KB on the wire, with all it loads',
  async (page) => {
    const heavy = await weight(paths[page]!, browser);
    expect(heavy).toBeGreaterThan(3_000);
    expect(heavy).toBeLessThanOrEqual(MOST_OCTETS);
  },
);

test.each(['account', 'account/invoices', 'account/payments', 'account/autopay', 'account/topup', 'invoice'])(
  '%s too, of a customer of five years who owes two bills',
  async (page) => {
    const heavy = await weight(paths[page]!, account);
    expect(heavy).toBeGreaterThan(3_000);
    expect(heavy).toBeLessThanOrEqual(MOST_OCTETS);
  },
);

test.each(['splash', 'login'])('%s for a stranger too', async (page) => {
  expect(await weight(`/prepaid/portal/${page}`, company.browser())).toBeLessThanOrEqual(MOST_OCTETS);
});

test('the page and its stylesheet come compressed; files keep for a year', async () => {
  expect((await octets('/prepaid/portal/splash', company.browser())).text).toMatch(/^content-encoding: gzip/im);
  const [css] = await loads('/prepaid/portal/splash', company.browser());
  const asset = (await octets(css!, company.browser())).text;
  expect(asset).toMatch(/^content-encoding: gzip/im);
  expect(asset).toMatch(/^cache-control: public, max-age=31536000, immutable/im);
});

test('the stylesheet is at most 6 KB compressed', async () => {
  const [css] = await loads('/prepaid/portal/splash', company.browser());
  expect((await octets(css!, company.browser())).size).toBeLessThanOrEqual(6 * 1024);
});
