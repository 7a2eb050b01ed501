import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Gateways } from '#domain/gateway';
import { openMidtrans } from '#integrations/gateways/midtrans';
import { methodsOf } from '#storage/saved-methods';
import { addCustomer, type Company, type Customer, startCompany } from '#test/portal/customer/company';
import { looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';
import { type Midtrans, startMidtrans } from '#test/world/midtrans';

const SERVER_KEY = 'SB-Mid-server-of-a-test';

describeWithChromium('linking GoPay in a real browser, by Midtrans’ own client', () => {
  let company: Company;
  let browser: Browser;
  let midtrans: Midtrans;
  let customer: Customer;

  beforeAll(async () => {
    midtrans = await startMidtrans({ serverKey: SERVER_KEY });
    const keys = { serverKey: SERVER_KEY, production: false, methods: [], baseUrl: midtrans.url };
    const gateway = openMidtrans({ ...keys, clock: Date.now });
    const gateways: Gateways = { active: async () => [gateway], named: async () => gateway };
    company = await startCompany({ gateways });
    customer = await addCustomer(company.desk, { username: 'rizky', phone: '+6281234565678' });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await company.stop();
    await midtrans.stop();
  });

  test('leads to GoPay and back without scripts on a phone of 360 px, and stands well while it waits', async () => {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, javaScriptEnabled: false });
    const { cookies } = await company.loginPortal(customer.id);
    await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: company.url })));
    const page = await context.newPage();
    await page.goto(`${company.url}/customer/autopay`);
    expect(await page.getByLabel('Nomor HP di GoPay').inputValue()).toBe('081234565678');
    await page.getByRole('button', { name: 'Hubungkan GoPay' }).click();
    await page.waitForURL(midtrans.gopay.pageOf());
    const waits = await context.browser()!.newContext({ viewport: { width: 360, height: 740 } });
    await waits.addCookies(await context.cookies());
    const other = await waits.newPage();
    await other.goto(`${company.url}/customer/autopay`);
    expect(await other.getByText('Menunggu persetujuan Anda di GoPay').count()).toBe(1);
    expect(await looksFaults(other, { targets: true })).toEqual([]);
    await page.getByRole('button', { name: 'Ya' }).click();
    await page.waitForURL(`${company.url}/customer/autopay`);
    // Where the gateway takes longer to say so than a page waits, the customer presses "Periksa".
    const linked = page.getByText('GoPay terhubung.');
    const check = async () => {
      if ((await linked.count()) === 0) await page.goto(`${company.url}/customer/autopay/wallet`);
      return linked.count();
    };
    await expect.poll(check, { timeout: 20_000 }).toBe(1);
    expect(await methodsOf(company.db, customer.id)).toMatchObject([{ kind: 'e-wallet', label: 'GoPay •••• 5678' }]);
  });
});
