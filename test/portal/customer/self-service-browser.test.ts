import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { placePurchase } from '#operations/place-purchase';
import type { Invoice } from '#storage/invoices';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
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
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const GENERATE = 'button:has-text("Generate Link Pembayaran")';
const PAY_NOW = 'a:has-text("Bayar Sekarang")';

describeWithChromium('paying in a real browser', () => {
  let company: Company;
  let gateways: MemoryGateways;
  let browser: Browser;
  let customer: Customer;
  let invoice: Invoice;
  let count = 0;

  beforeAll(async () => {
    gateways = memoryGateways(['midtrans']);
    company = await startCompany({ gateways });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await company.stop();
  });
  beforeEach(async () => {
    gateways.on = ['midtrans'];
    Object.assign(gateways.midtrans.trouble, { down: false, delayMs: 0 });
    count += 1;
    customer = await addCustomer(company.desk, { username: `tap-${count}`, name: 'Budi Santoso', billing: 'postpaid' });
    invoice = await addBill(company, customer.id);
  });

  /** A phone on which the customer is logged in, and on whose line the gateway's pages are. */
  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 360, height: 640 }, ...options });
    const { cookies } = await company.loginPortal(customer.id);
    await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: company.url })));
    context.setDefaultTimeout(8_000);
    await context.route('https://*.test/**', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<title>gateway</title><h1>Pilih cara bayar</h1>' }),
    );
    const page = await context.newPage();
    await page.goto(company.url + path);
    return page;
  }

  test('Generate button shows loading state', async () => {
    gateways.midtrans.trouble.delayMs = 800;
    const page = await open('/customer');
    await page.click(GENERATE);
    const button = page.locator('.bill button');
    expect(await button.textContent()).toContain('Membuat link…');
    expect(await button.isDisabled()).toBe(true);
    await page.waitForSelector(PAY_NOW);
    await page.context().close();
  });

  test('Payment link opens in new tab', async () => {
    gateways.midtrans.trouble.delayMs = 800;
    const page = await open('/customer');
    await page.evaluate('{ const open = window.open; window.open = (...of) => (window.tab = open(...of)); }');
    const opened = page.context().waitForEvent('page');
    await page.click(GENERATE);
    const tab = await opened;
    // While it is still ours, for later it is the gateway's, which must not reach back.
    expect(await page.evaluate('window.tab.opener')).toBeNull();
    await tab.waitForURL(/^https:\/\/midtrans\.test\/pay\//);
    expect(await tab.textContent('h1')).toBe('Pilih cara bayar');
    expect(new URL(page.url()).pathname).toBe('/customer');
    await page.context().close();
  });

  test('"Bayar Sekarang" button appears after link generated', async () => {
    const page = await open('/customer');
    await page.click(GENERATE);
    const link = page.locator(PAY_NOW);
    await link.waitFor();
    expect(await page.locator(GENERATE).count()).toBe(0);
    const href = (await link.getAttribute('href'))!;
    expect(href).toMatch(/^https:\/\/midtrans\.test\/pay\//);
    expect([await link.getAttribute('target'), await link.getAttribute('rel')]).toEqual([
      '_blank',
      'noopener noreferrer',
    ]);
    await page.reload();
    expect(await page.locator(PAY_NOW).getAttribute('href')).toBe(href);
    await page.context().close();
  });

  test('Error messages shown for failed generation', async () => {
    const page = await open('/customer');
    const says = page.locator('.bill [role=alert]');
    const fails = async (text: string) => {
      await page.click(GENERATE);
      await expect.poll(() => says.textContent()).toBe(text);
      // It can be tried again, and no empty tab is left behind.
      expect(await page.locator(GENERATE).isEnabled()).toBe(true);
      await expect.poll(() => page.context().pages().length).toBe(1);
    };
    gateways.midtrans.trouble.down = true;
    await fails('Gagal generate payment link, coba lagi');
    gateways.midtrans.trouble.down = false;
    gateways.on = [];
    await fails('Payment gateway belum dikonfigurasi');
    gateways.on = ['midtrans'];
    await page.context().setOffline(true);
    await fails('Koneksi gagal, periksa internet Anda');
    await page.context().setOffline(false);
    await company.db.execute('update invoice set voided_at = now() where id = $1', [invoice.id]);
    await fails('Invoice tidak ditemukan atau sudah dibayar');
    await page.context().close();
  });

  test('another gateway is one tap away, and its link takes the place of the first', async () => {
    gateways.on = ['midtrans', 'xendit'];
    const api = await company.loginPortal(customer.id);
    await api.fetch(`/api/customer/invoices/payment?invoiceId=${invoice.publicId}`);
    const page = await open(`/customer/invoices/${invoice.publicId}`);
    const opened = page.context().waitForEvent('page');
    await page.click('button:has-text("Bayar lewat Xendit saja")');
    await (await opened).waitForURL(/^https:\/\/xendit\.test\/pay\//);
    await page.waitForSelector('a[href^="https://xendit.test"]:has-text("Bayar Sekarang")');
    expect(await page.locator('a[href^="https://midtrans.test"]').count()).toBe(0);
    await page.context().close();
  });

  test('a session that is over leads to the login', async () => {
    const page = await open('/customer');
    await company.db.execute('delete from web_session where subscriber_id = $1', [customer.id]);
    await page.click(GENERATE);
    await page.waitForURL(/\/customer\/login\?back=%2Fcustomer$/);
    expect(await page.textContent('main')).toContain('Sesi Anda sudah berakhir');
    await page.context().close();
  });

  test('where tabs are not to be opened the link is there all the same', async () => {
    const page = await open('/customer');
    await page.evaluate('window.open = () => null');
    await page.click(GENERATE);
    await page.waitForSelector(PAY_NOW);
    expect(page.context().pages()).toHaveLength(1);
    await page.context().close();
  });

  test('the customer who comes back from the other tab sees that it is paid', async () => {
    const page = await open('/customer');
    const opened = page.context().waitForEvent('page');
    await page.click(GENERATE);
    await (await opened).waitForURL(/midtrans/);
    const orderId = await openOrder(company, invoice.id);
    gateways.midtrans.pay(orderId, NOW);
    await applyEvents(company, gateways, orderId);
    await page.evaluate(`document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`);
    await page.waitForSelector('.chip.good:has-text("Lunas")');
    await page.context().close();
  });

  test('without scripts the button leads to the gateway in a tab of its own, past the policy on forms', async () => {
    const page = await open('/customer', { javaScriptEnabled: false });
    const opened = page.context().waitForEvent('page');
    await page.click(GENERATE);
    const tab = await opened;
    await tab.waitForURL(/^https:\/\/midtrans\.test\/pay\//);
    await page.reload();
    expect(await page.locator(PAY_NOW).count()).toBe(1);
    await page.context().close();
  });

  test('a bill that is paid meanwhile changes in its place', async () => {
    const page = await open(`/customer/invoices/${invoice.publicId}`);
    await page.click(GENERATE);
    await page.waitForSelector(PAY_NOW);
    await page.clock.install();
    await page.reload();
    const orderId = await openOrder(company, invoice.id);
    gateways.midtrans.pay(orderId, NOW);
    await applyEvents(company, gateways, orderId);
    await page.clock.runFor(10_000);
    await page.waitForSelector('.chip.good:has-text("Lunas")');
    await page.context().close();
  });

  test('the days left are counted down, by how much time goes by and not by the clock of the phone', async () => {
    await addGrant(company.desk, { username: customer.username, plan: PLAN, from: '2026-10-22T10:01:05+07:00' });
    const page = await open('/customer');
    await page.clock.install({ time: new Date('2011-01-01T00:00:00Z') });
    await page.reload();
    const left = () => page.textContent('[data-left]');
    expect(await left()).toBe('1 jam 1 menit');
    await page.clock.runFor(5_000);
    expect(await left()).toBe('1 jam 1 menit');
    await page.clock.fastForward(HOUR - 65_000);
    await page.clock.runFor(1_000);
    expect(await left()).toMatch(/^2 menit 4 detik$/);
    await page.clock.fastForward(5 * MINUTE);
    await page.clock.runFor(1_000);
    expect(await left()).toBe('0 detik');
    await page.context().close();
  });

  test.each([320, 360])(
    'axe finds nothing serious on the pages of the account at %i px, light and dark',
    async (width) => {
      gateways.on = ['midtrans', 'xendit'];
      const name = `Muhammad ${'Wijayakusuma'.repeat(8)}`;
      customer = await addCustomer(company.desk, { username: `${'b'.repeat(60)}${width}`, name, billing: 'postpaid' });
      const paid = await addBill(company, customer.id);
      await addBill(company, customer.id, { dueOn: '2026-11-01' });
      const waiting = await addBill(company, customer.id);
      await addGrant(company.desk, { username: customer.username, plan: PLAN, from: '2026-11-03T10:00+07:00' });
      await addSession(company, { subscriberId: customer.id, framedIp: `10.7.1.${width - 300}` });
      const api = await company.loginPortal(customer.id);
      for (const { publicId } of [paid, waiting])
        await api.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
      const orderId = await openOrder(company, paid.id);
      gateways.midtrans.pay(orderId, NOW);
      await applyEvents(company, gateways, orderId);
      const planRevisionId = await company.planId(PLAN);
      const { number } = await placePurchase(company.desk, { subscriberId: customer.id, planRevisionId });
      const page = await open('/customer', { viewport: { width, height: 640 } });
      const said: string[] = [];
      page.on('console', (message) => said.push(message.text()));
      page.on('pageerror', (error) => said.push(error.message));
      const faults: Record<string, string[]> = {};
      const paths = [
        '/customer',
        '/customer/invoices',
        `/customer/invoices/${paid.publicId}`,
        `/customer/invoices/${waiting.publicId}`,
        '/customer/payments',
        `/prepaid/portal/orders/${number}`,
      ];
      for (const path of paths) {
        await page.goto(company.url + path);
        await drawn(page);
        faults[path] = await looksFaults(page, { targets: true });
      }
      expect(faults).toEqual(Object.fromEntries(paths.map((path) => [path, []])));
      expect(said).toEqual([]);
      await page.context().close();
      const stranger = await browser.newPage({ viewport: { width, height: 640 } });
      await stranger.goto(`${company.url}/customer/login`);
      expect(await looksFaults(stranger, { targets: true })).toEqual([]);
      await stranger.close();
    },
  );
});
