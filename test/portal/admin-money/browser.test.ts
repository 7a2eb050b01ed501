import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { issueCreditNote } from '#operations/credit-note';
import { recordPayment } from '#operations/record-payment';
import { refundPayment } from '#operations/refund-payment';
import { COOKIES } from '#portal/shared/context';
import { HOSTILE } from '#test/portal/admin-first/people';
import { type House, openHouse, seedHouse } from '#test/portal/admin-money/money-house';
import { looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const SLOW = 240_000;

describeWithChromium('the pages of money in a real browser', () => {
  let house: House;
  let empty: House;
  let browser: Browser;
  let paths: string[];

  beforeAll(async () => {
    [house, empty] = [await openHouse(), await openHouse()];
    await seedHouse(house);
    const { desk } = house.pages;
    const { person, invoice } = await house.order(`${HOSTILE}${'Wijayakusuma'.repeat(8)}`);
    await recordPayment(desk, {
      invoice: invoice.number,
      method: 'transfer',
      amountRupiah: 30_000,
      note: 'n'.repeat(200),
    });
    await issueCreditNote(desk, { invoice: invoice.number, amountRupiah: 5_000, reason: 'r'.repeat(200) });
    await house.payOnline(invoice, 'open');
    const { invoice: paid } = await house.order('Sudah Bayar');
    await house.payOnline(paid);
    const payment = await house.lastPayment();
    const order = { payment, how: 'gateway', reason: 'lambat' };
    await refundPayment(desk, house.gateways, { ...order, amountRupiah: 10_000, key: 'browser-refund-1' });
    house.gateways.midtrans.trouble.down = true;
    await refundPayment(desk, house.gateways, { ...order, amountRupiah: 5_000, key: 'browser-refund-2' });
    const [stray] = await house.pages.db.query<{ id: number }>('select id from unmatched_money order by id limit 1');
    paths = [
      '/invoices',
      '/invoices?state=overdue',
      '/invoices?q=nobody-at-all',
      `/invoices/${invoice.publicId}`,
      `/invoices/${paid.publicId}`,
      '/payments',
      `/payments/${payment}`,
      `/payments/${payment - 1}`,
      '/payments/unmatched',
      `/payments/unmatched/${stray!.id}`,
      '/ledger',
      `/customers/${person.id}`,
      `/customers/${person.id}/credit`,
      '/prepaid/dashboard',
    ];
    browser = await launchChromium();
  }, SLOW);
  afterAll(async () => {
    await browser?.close();
    await house.pages.stop();
    await empty.pages.stop();
  });

  async function open(of: House, width: number): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 800 }, bypassCSP: true });
    const staff = await of.pages.loginStaff('owner');
    await context.addCookies([{ name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: of.pages.url }]);
    return context.newPage();
  }

  test.each([360, 1280])(
    'at %i px nothing is wrong for anybody, and nothing stands out at the side',
    async (width) => {
      const faults: string[] = [];
      const page = await open(house, width);
      page.on('pageerror', (error) => faults.push(error.message));
      for (const path of paths) {
        await page.goto(house.pages.url + path);
        faults.push(...(await looksFaults(page)).map((fault) => `${path}: ${fault}`));
      }
      await page.context().close();
      const beginning = await open(empty, width);
      for (const path of ['/invoices', '/payments', '/payments/unmatched', '/ledger']) {
        await beginning.goto(empty.pages.url + path);
        faults.push(...(await looksFaults(beginning)).map((fault) => `${path}, empty: ${fault}`));
      }
      await beginning.context().close();
      expect(faults).toEqual([]);
      expect(house.pages.logged).toEqual([]);
    },
    SLOW,
  );

  test(
    'the chart of each way is drawn, and a line stands there without scripts',
    async () => {
      const page = await open(house, 1280);
      await page.goto(`${house.pages.url}/ledger`);
      await page.waitForSelector('.chart canvas');
      expect(await page.locator('.chart canvas').count()).toBe(3);
      await page.context().close();
      const context = await browser.newContext({ javaScriptEnabled: false });
      const staff = await house.pages.loginStaff('owner');
      await context.addCookies([
        { name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: house.pages.url },
      ]);
      const plain = await context.newPage();
      await plain.goto(`${house.pages.url}/ledger`);
      expect(await plain.locator('.chart svg.spark').count()).toBe(3);
      await context.close();
    },
    SLOW,
  );
});
