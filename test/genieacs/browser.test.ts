import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { changeWifi, orderOnt } from '#operations/wifi';
import type { AcsSide } from '#policy-server/acs-side';
import { findPlan } from '#storage/plans';
import { ontsOf, readOnt, startSide, startWorld } from '#test/genieacs/harness';
import type { Browserlike } from '#test/portal/browserlike';
import { addCustomer, type Company, type Customer, PLAN, startCompany } from '#test/portal/customer/company';
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';
import type { GenieAcsWorld } from '#test/world/genieacs';
import { parameter, type StandInDevice } from '#test/world/genieacs-device';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';

describeWithChromium('modems in a real browser', () => {
  let company: Company;
  let world: GenieAcsWorld;
  let side: AcsSide;
  let browser: Browser;
  let customer: Customer;
  let device: StandInDevice;
  const paths: Record<string, string> = {};

  beforeAll(async () => {
    company = await startCompany({ live: { onts: ontsOf(() => side) } });
    const { desk, db } = company;
    world = await startWorld(desk);
    side = startSide(desk);
    customer = await addCustomer(desk, { username: 'rumah-budi', name: 'Budi Santoso' });
    await addGrant(desk, { username: customer.username, plan: PLAN, from: '2026-11-06T09:00+07:00' });
    device = world.add({ username: customer.username, virtual: { RXPower: '-28.4' }, manufacturer: 'W'.repeat(60) });
    world.add({ username: customer.username, lastInform: 0 });
    await readOnt(side, customer.id);
    device.refuses = { code: 'cwmp.9007', message: 'Invalid parameter value' };
    await changeWifi(desk, { subscriberId: customer.id, password: 'Sandi-baru-1' });
    await orderOnt(desk, customer.id, 'refresh');
    side.control.wake();
    await vi.waitFor(() => expect(device.done).toHaveLength(2), 20_000);
    const { planId } = (await findPlan(db, { name: '50GB - 50Mbps' }))!;
    Object.assign(paths, {
      wifi: '/customer/wifi',
      account: '/customer',
      upgrade: '/customer/wifi?tab=upgrade',
      change: `/customer/wifi?tab=upgrade&plan=${planId}`,
      'wrong promo': `/customer/wifi?tab=upgrade&plan=${planId}&promo=PALSU`,
      subscriber: `/customers/${customer.id}`,
      settings: '/settings/genieacs',
    });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await side.stop();
    await world.stop();
    await company.stop();
  });

  async function open(as: Browserlike, path: string, width: number, scripts = true): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width, height: 780 },
      locale: 'id-ID',
      javaScriptEnabled: scripts,
    });
    await context.addCookies([...as.cookies].map(([name, value]) => ({ name, value, url: company.url })));
    const page = await context.newPage();
    await page.goto(`${company.url}${path}`);
    return page;
  }

  test.each(['wifi', 'upgrade', 'change', 'wrong promo'])(
    '%s is without fault on a phone of 360 px, in both themes',
    async (name) => {
      const page = await open(await company.loginPortal(customer.id), paths[name]!, 360);
      await drawn(page);
      expect(await looksFaults(page, { targets: true })).toEqual([]);
      await page.context().close();
    },
  );

  test.each([
    ['subscriber', 360],
    ['subscriber', 1280],
    ['settings', 360],
    ['settings', 1280],
  ] as const)('the page of staff with the %s is without fault at %d px, in both themes', async (name, width) => {
    const page = await open(await company.loginStaff('owner'), paths[name]!, width);
    await drawn(page);
    expect(await looksFaults(page)).toEqual([]);
    await page.context().close();
  });

  test.each([true, false])('a customer changes the name of the WiFi (scripts: %s)', async (scripts) => {
    device.refuses = null;
    const ssid = `Kopi ${scripts}`;
    const page = await open(await company.loginPortal(customer.id), '/customer/wifi', 360, scripts);
    await page.fill('#ssid', ssid);
    await page.click('form:has(#ssid) button');
    await expect.poll(() => parameter(device, SSID)?._value, { timeout: 20_000 }).toBe(ssid);
    // With scripts the page tells by itself; without, the browser loads it again.
    if (!scripts) await page.reload();
    await page.waitForSelector('text=Selesai', { timeout: 20_000 });
    await page.context().close();
  });
});
