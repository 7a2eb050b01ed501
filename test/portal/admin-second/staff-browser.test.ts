import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { savePlan } from '#operations/save-plan';
import { saveSpeedProfile } from '#operations/speed-profiles';
import { addStaff } from '#operations/staff';
import type { DriftLine } from '#portal/shared/parts';
import { listPlans } from '#storage/plans';
import { seedProvider } from '#test/portal/admin-first/provider';
import type { Browserlike } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const LONG = 'Wijayakusuma'.repeat(8);

describeWithChromium('packages, redirect, reports, staff and audit in a real browser', () => {
  let pages: TestPortal;
  let browser: Browser;
  let owner: Browserlike;
  let paths: readonly string[];
  let plan: number;

  beforeAll(async () => {
    const differs: DriftLine = {
      subscriberId: 1,
      username: LONG,
      nasId: 1,
      is: 'differs',
      told: null,
      decided: `128000/128000 list=${LONG}`,
      reason: 'coa',
    };
    const state = {
      nasId: 1,
      name: 'pop-dinoyo',
      error: `ETIMEDOUT ${LONG}`,
      lastSeenAt: NOW,
      wanted: 1,
      differing: 1,
    };
    pages = await startPortal({
      live: {
        drift: async () => [differs],
        routers: { states: () => [{ ...state, state: 'silent' }], test: async () => ({ ok: true, says: '' }) },
      },
    });
    const { desk, db } = pages;
    await seedProvider(desk, NOW, 60);
    await db.execute(
      `update static_address set wanted_list = 'prepaid-active', last_error = case when id = 1 then $1 end`,
      [LONG],
    );
    const { id: profile } = await saveSpeedProfile(desk, {
      id: null,
      name: LONG,
      down: '20M',
      up: '10M',
      profile: LONG,
    });
    plan = (await listPlans(desk.db))[0]!.planId;
    await savePlan(desk, { id: plan, name: LONG, speedProfileId: profile, period: '30d', price: '80000' });
    const { id: person } = await addStaff(desk, { username: LONG, name: LONG, role: 'technician' });
    owner = await pages.loginStaff('owner', 'rina');
    browser = await launchChromium();
    const own = `/prepaid/packages/${plan}`;
    paths = [
      ...['/prepaid/packages', own, `${own}/edit`, `${own}/delete`, '/prepaid/packages/new'],
      ...['/prepaid/speed-profiles', '/prepaid/speed-profiles/new', `/prepaid/speed-profiles/${profile}`],
      ...['/prepaid/redirect', '/prepaid/redirect?tab=static', '/audit', '/staff', '/staff/new', `/staff/${person}`],
      ...['revenue', 'packages', 'activity', 'ending', 'expired'].map((view) => `/prepaid/reports?view=${view}`),
    ];
  });
  afterAll(async () => {
    await browser?.close();
    await pages.stop();
  });

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    await context.addCookies([...owner.cookies].map(([name, value]) => ({ name, value, url: pages.url })));
    const page = await context.newPage();
    const answer = await page.goto(pages.url + path);
    expect([path, answer!.status()]).toEqual([path, 200]);
    return page;
  }

  test.each([360, 1280])(
    'axe finds nothing serious at %i px and nothing stands out at the side',
    async (width) => {
      const faults: string[] = [];
      const page = await open('/account', { viewport: { width, height: 800 } });
      for (const path of paths) {
        const answer = await page.goto(pages.url + path);
        expect([path, answer!.status()]).toEqual([path, 200]);
        faults.push(...(await looksFaults(page)).map((fault) => `${path}: ${fault}`));
      }
      await page.context().close();
      expect(faults).toEqual([]);
    },
    120_000,
  );

  test('no page reports an error or breaks its own policy', async () => {
    const said: string[] = [];
    const page = await open('/account');
    page.on('console', (message) => said.push(`${page.url()}: ${message.text()}`));
    page.on('pageerror', (error) => said.push(`${page.url()}: ${error.message}`));
    for (const path of paths) {
      await page.goto(pages.url + path);
      await drawn(page);
    }
    expect(said).toEqual([]);
    await page.context().close();
  });

  test('the report of revenue is drawn as bars', async () => {
    const page = await open('/prepaid/reports');
    await page.waitForSelector('.chart canvas');
    expect(await page.locator('.chart .u-legend .u-value').last().textContent()).toMatch(/^Rp /);
    await page.context().close();
  });

  test('a package is made without scripts: every field is there to be filled', async () => {
    const page = await open('/prepaid/packages/new', { javaScriptEnabled: false });
    await page.fill('#name', '5GB - 5Mbps');
    await page.selectOption('#type', 'days');
    await page.fill('#days', '3');
    await page.fill('#quota', '5');
    await page.fill('#price', '10.000');
    expect(await page.isVisible('#down')).toBe(false);
    await page.selectOption('#speed', 'own');
    await page.fill('#down', '5');
    await page.fill('#up', '5');
    await page.click('main form button');
    expect(new URL(page.url()).pathname).toBe('/prepaid/packages');
    expect(await page.textContent('main')).toContain('5GB - 5Mbps');
    await page.context().close();
  });
});
