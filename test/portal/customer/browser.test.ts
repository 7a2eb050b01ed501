import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { placePurchase } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import { saveSettings } from '#operations/settings';
import { settlePurchase } from '#operations/settle-purchase';
import {
  addCustomer,
  addSession,
  type Company,
  type Customer,
  PLAN,
  setSettled,
  startCompany,
} from '#test/portal/customer/company';
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

describeWithChromium('the customers’ pages in a real browser', () => {
  let company: Company;
  let browser: Browser;
  let customer: Customer;
  const paths: Record<string, string> = {};

  beforeAll(async () => {
    company = await startCompany();
    const { desk, db } = company;
    customer = await addCustomer(desk, { username: 'a'.repeat(200), name: `Muhammad ${'Wijayakusuma'.repeat(10)}` });
    await addGrant(desk, { username: customer.username, plan: PLAN, from: '2026-11-03T10:00+07:00' });
    await addSession(company, { subscriberId: customer.id, framedIp: '10.7.0.1' });
    for (let day = 0; day < 30; day += 3)
      await db.execute(`insert into usage_daily values ($1, date '2026-11-21' - $2::int, $3, $4)`, [
        customer.id,
        day,
        1e7,
        1e9 * day,
      ]);
    const planRevisionId = await company.planId(PLAN);
    const done = await sellPackage(desk, { subscriberId: customer.id, planRevisionId, method: 'cash', begins: 'now' });
    const { number } = await placePurchase(desk, { subscriberId: customer.id, planRevisionId, begins: 'after' });
    await setSettled(company);
    for (const page of ['splash', 'login', 'packages', 'home', 'history', 'pin'])
      paths[page] = `/prepaid/portal/${page}`;
    paths.order = `/prepaid/portal/orders/${number}`;
    paths['order that is done'] = `/prepaid/portal/orders/${done.number}`;
    paths['not found'] = '/prepaid/portal/nowhere';
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await company.stop();
  });

  async function open(path: string, options: BrowserContextOptions & { readonly as?: Customer } = {}): Promise<Page> {
    const { as, ...rest } = options;
    const context = await browser.newContext(rest);
    if (as !== undefined) {
      const { cookies } = await company.loginPortal(as.id);
      await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: company.url })));
    }
    context.setDefaultTimeout(8_000);
    const page = await context.newPage();
    await page.goto(company.url + path);
    return page;
  }

  test.each([320, 360])(
    'axe finds nothing serious at %i px, light and dark, and nothing stands out at the side',
    async (width) => {
      const viewport = { width, height: 640 };
      const known = await open('/prepaid/portal/home', { viewport, as: customer });
      const stranger = await open('/', { viewport });
      const faults: Record<string, string[]> = {};
      for (const [name, path] of Object.entries(paths)) {
        const page = name === 'login' || name === 'splash' ? stranger : known;
        await page.goto(company.url + path);
        faults[name] = await looksFaults(page, { targets: true });
      }
      expect(faults).toEqual(Object.fromEntries(Object.keys(paths).map((name) => [name, []])));
      await known.context().close();
      await stranger.context().close();
    },
  );

  test('no page reports an error or breaks its own policy', async () => {
    const said: string[] = [];
    const page = await open('/language/id?back=/prepaid/portal/login', { as: customer });
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    page.on('response', (response) => response.status() >= 400 && said.push(`${response.status()} ${response.url()}`));
    for (const path of Object.values(paths).filter((one) => one !== paths['not found'])) {
      await page.goto(company.url + path);
      await drawn(page);
      expect([path, said]).toEqual([path, []]);
    }
    await page.context().close();
  });

  test('without scripts the whole way works: splash, login, PIN, package, order, done', async () => {
    const buyer = await addCustomer(company.desk, { username: 'tanpa-skrip', name: 'Dewi Lestari' }, { fresh: true });
    const page = await open('/', { javaScriptEnabled: false, viewport: { width: 320, height: 568 } });
    await page.click('text=Masuk dan pilih paket');
    await page.fill('#portalId', buyer.portalId);
    await page.fill('#pin', buyer.pin);
    await page.click('button:has-text("Masuk ke Portal")');
    await page.click('text=Tetap pakai PIN ini');
    await page.click('a:has-text("Beli Paket")');
    await page.click(`button[aria-label="Beli Paket ${PLAN}"]`);
    expect(await page.textContent('[role=status]')).toContain('Menunggu pembayaran');
    const number = new URL(page.url()).pathname.split('/').at(-1)!;
    await settlePurchase(company.desk, { number, method: 'cash' });
    await addSession(company, { subscriberId: buyer.id, framedIp: '10.7.0.2' });
    await setSettled(company);
    await page.reload();
    expect(await page.textContent('[role=status]')).toContain('Internet aktif. Selamat berselancar!');
    await page.click('text=Ke Paket saya');
    expect(await page.textContent('h1')).toBe('Halo, Dewi');
    await page.click('button:has-text("Keluar")');
    expect(new URL(page.url()).pathname).toBe('/prepaid/portal/login');
    await page.context().close();
  });

  test('without scripts the order looks again by itself', async () => {
    const page = await open('/prepaid/portal/home', { as: customer, javaScriptEnabled: false });
    // Time cannot be pushed on for a browser that runs no scripts: the seconds are made few on the way.
    await page.route(`**${paths.order}`, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace('content="15"', 'content="1"') });
    });
    await page.goto(company.url + paths.order);
    const again = await page.waitForRequest((request) => request.isNavigationRequest());
    expect(new URL(again.url()).pathname).toBe(paths.order);
    await page.context().close();
  });

  test('with scripts the order changes in its place, and stops asking when it is done', async () => {
    const buyer = await addCustomer(company.desk, { username: 'dengan-skrip' });
    const planRevisionId = await company.planId(PLAN);
    const { number } = await placePurchase(company.desk, { subscriberId: buyer.id, planRevisionId, begins: 'after' });
    const page = await open('/prepaid/portal/home', { as: buyer });
    await page.clock.install();
    await page.goto(`${company.url}/prepaid/portal/orders/${number}`);
    let loads = 0;
    const asked: string[] = [];
    page.on('request', (request) => {
      if (request.isNavigationRequest()) loads += 1;
      asked.push(new URL(request.url()).search);
    });
    await page.clock.runFor(5_000);
    await page.waitForResponse((response) => response.status() === 204);
    await settlePurchase(company.desk, { number, method: 'cash' });
    await addSession(company, { subscriberId: buyer.id, framedIp: '10.7.0.3' });
    await setSettled(company);
    await page.clock.runFor(5_000);
    await page.waitForSelector('text=Internet aktif. Selamat berselancar!');
    const before = asked.length;
    await page.clock.runFor(600_000);
    expect([loads, asked.length - before]).toEqual([0, 0]);
    await page.context().close();
  });

  test('the keyboard gets through the login, and what is wrong is told to who cannot see it', async () => {
    const page = await open('/prepaid/portal/login');
    expect(await page.evaluate('document.activeElement.id')).toBe('portalId');
    await page.keyboard.type('1234');
    await page.keyboard.press('Tab');
    await page.keyboard.type('12');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    const described = await page.getAttribute('#portalId', 'aria-describedby');
    expect(await page.textContent(`#${described}`)).toContain('8 angka');
    await page.context().close();
  });

  test('a name that is a script runs nowhere', async () => {
    const name = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>';
    const evil = await addCustomer(company.desk, { username: name, name });
    await saveSettings(company.desk, 'company', { address: name.slice(0, 99) });
    for (const path of ['home', 'history', 'packages', 'splash']) {
      const page = await open(`/prepaid/portal/${path}`, { as: evil });
      expect(await page.evaluate('window.ran')).toBeUndefined();
      await page.context().close();
    }
  });
});
