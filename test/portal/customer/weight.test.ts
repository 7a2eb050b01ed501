import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { placePurchase } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import type { Browserlike } from '#test/portal/browserlike';
import { addCustomer, addSession, type Company, PLAN, startCompany } from '#test/portal/customer/company';

/** So much fits into the first ten packets of a connection: one round trip on a slow line. */
const MOST_OCTETS = 14 * 1024;

let company: Company;
let browser: Browserlike;
let cookie: string;
const paths: Record<string, string> = {};
beforeAll(async () => {
  company = await startCompany();
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
  cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ');
  for (const page of ['splash', 'packages', 'home', 'history', 'pin']) paths[page] = `/prepaid/portal/${page}`;
  paths.order = `/prepaid/portal/orders/${number}`;
});
afterAll(() => company.stop());

/** Octets that come over the wire for one address, head and body, as a phone without TLS asks: Chrome offers no brotli then. */
function octets(path: string, loggedIn: boolean): Promise<{ size: number; text: string }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const head = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1`,
      'Accept-Encoding: gzip, deflate',
      'Connection: close',
      ...(loggedIn ? [`Cookie: ${cookie}`] : []),
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
async function loads(path: string, loggedIn: boolean): Promise<string[]> {
  const page = await (loggedIn ? browser : company.browser()).open(path);
  expect([page.status, page.path]).toEqual([200, path]);
  const named = [...page.text.matchAll(/<(?:link|script|img|iframe)[^>]*\s(?:href|src)="([^"]+)"/g)].map(
    ([, url]) => url!,
  );
  return named.filter((url) => !url.startsWith('data:')).map((url) => url.replaceAll('&#x3D;', '='));
}

async function weight(path: string, loggedIn: boolean): Promise<number> {
  const urls = await loads(path, loggedIn);
  expect(urls).toHaveLength(2);
  const sizes = await Promise.all([path, ...urls].map(async (url) => (await octets(url, loggedIn)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

test.each(['splash', 'packages', 'order', 'home', 'history', 'pin'])(
  '%s weighs at most 14 KB on the wire, with all it loads',
  async (page) => {
    const heavy = await weight(paths[page]!, true);
    expect(heavy).toBeGreaterThan(3_000);
    expect(heavy).toBeLessThanOrEqual(MOST_OCTETS);
  },
);

test.each(['splash', 'login'])('%s for a stranger too', async (page) => {
  expect(await weight(`/prepaid/portal/${page}`, false)).toBeLessThanOrEqual(MOST_OCTETS);
});

test('the page and its stylesheet come compressed; files keep for a year', async () => {
  expect((await octets('/prepaid/portal/splash', false)).text).toMatch(/^content-encoding: gzip/im);
  const [css] = await loads('/prepaid/portal/splash', false);
  const asset = (await octets(css!, false)).text;
  expect(asset).toMatch(/^content-encoding: gzip/im);
  expect(asset).toMatch(/^cache-control: public, max-age=31536000, immutable/im);
});

test('the stylesheet is at most 6 KB compressed', async () => {
  const [css] = await loads('/prepaid/portal/splash', false);
  expect((await octets(css!, false)).size).toBeLessThanOrEqual(6 * 1024);
});
