import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { chooseAutoPay } from '#operations/auto-pay';
import { addPromo } from '#operations/promos';
import { runAutoPay } from '#operations/run-auto-pay';
import { keepMethod } from '#storage/saved-methods';
import { memoryGateways } from '#test/payments/memory-gateway';
import { addCustomer, type Company, type Customer, PLAN, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

describeWithChromium('auto-pay and top-up in a real browser', () => {
  let company: Company;
  let browser: Browser;
  const people: Record<string, Customer> = {};

  beforeAll(async () => {
    const gateways = memoryGateways();
    company = await startCompany({ gateways });
    const { desk, db } = company;
    for (const name of ['new', 'on', 'paused']) {
      const customer = await addCustomer(desk, { username: `orang-${name}`, name: 'Muhammad Rizky' });
      people[name] = customer;
      await addGrant(desk, { username: customer.username, plan: PLAN });
      if (name === 'new') continue;
      const labels = ['VISA •••• 1111', 'GoPay •••• 5432 atas nama Muhammad Rizky Ramadhan Wijayakusuma'];
      const [first] = await db.transaction(async (tx) => {
        const ids: number[] = [];
        for (const label of labels) {
          const method = { kind: label.startsWith('V') ? 'card' : 'e-wallet', label, token: label } as const;
          ids.push(await keepMethod(tx, desk.sealer, customer.id, 'midtrans', { ...method, expiresAt: null }, NOW));
        }
        return ids;
      });
      const self = { ...desk, actor: `subscriber:${customer.id}` };
      await chooseAutoPay(self, { subscriberId: customer.id, methodId: name === 'on' ? first : null });
    }
    await db.execute('update auto_pay set next_try_at = $1 where method_id is not null', [new Date(NOW + 90 * DAY)]);
    for (const hours of [48, 24, 18, 6]) {
      company.setClock(NOW + 30 * DAY - hours * 3_600_000);
      await runAutoPay({ ...desk, actor: 'system' }, gateways);
    }
    await addPromo(desk, { code: 'HEMAT20', percent: 20, until: '2027-12-31' });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await company.stop();
  });

  async function open(path: string, as: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    const { cookies } = await company.loginPortal(people[as]!.id);
    await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: company.url })));
    const page = await context.newPage();
    await page.goto(`${company.url}${path}`);
    if (options.javaScriptEnabled !== false) await drawn(page);
    return page;
  }
  const PHONE = { viewport: { width: 360, height: 740 } };

  test.each([
    ['/customer/autopay', 'new'],
    ['/customer/autopay', 'on'],
    ['/customer/autopay', 'paused'],
    ['/customer/topup?save=1', 'on'],
    ['/prepaid/portal/packages?promo=hemat20', 'new'],
    ['/prepaid/portal/packages?promo=nothing', 'new'],
  ])('%s of somebody %s stands well on a phone, in both themes, for thumbs and screen readers', async (path, as) => {
    const page = await open(path, as, PHONE);
    expect(await looksFaults(page, { targets: true })).toEqual([]);
    await page.context().close();
  });

  test('without scripts auto-pay is chosen, and stopped with one tap', async () => {
    const page = await open('/customer/autopay', 'on', { ...PHONE, javaScriptEnabled: false });
    await page.getByText('Hentikan bayar otomatis').click();
    expect(await page.getByText('Bayar otomatis berhenti.').count()).toBe(1);
    await page.getByRole('radio', { name: 'VISA •••• 1111' }).check();
    await page.getByText('Aktifkan bayar otomatis').click();
    expect(await page.getByText('Bayar otomatis aktif.').count()).toBe(1);
    await page.context().close();
  });

  test('a top-up leads from the form to the gateway’s own page', async () => {
    const page = await open('/customer/topup', 'new', PHONE);
    const asked = page.waitForRequest((request) => request.url().startsWith('https://midtrans.test/pay/'));
    await page.getByLabel('Rp 100.000').check();
    await page.getByText('Lanjut bayar').click();
    expect((await asked).method()).toBe('GET');
    await page.context().close();
  });
});
