import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
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
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
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

  const views = [360, 1280].flatMap((width) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ width, colorScheme })),
  );

  test.each(views)(
    'axe finds nothing serious at $width px, $colorScheme, and nothing stands out at the side',
    async ({ width, colorScheme }) => {
      const found: unknown[] = [];
      for (const path of paths) {
        const page = await open(path, { viewport: { width, height: 800 }, colorScheme });
        // What is folded away counts too.
        await page.evaluate("for (const one of document.querySelectorAll('details:not(.me)')) one.open = true");
        await page.evaluate(AXE);
        const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
        const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        found.push(...grave.map(({ id, nodes }) => [path, id, nodes[0]?.html]));
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        if (wide !== width) found.push([path, 'wide', wide]);
        await page.context().close();
      }
      expect(found).toEqual([]);
    },
    120_000,
  );

  test('no page reports an error or breaks its own policy', async () => {
    const said: string[] = [];
    for (const path of paths) {
      const page = await open('/account');
      page.on('console', (message) => said.push(`${path}: ${message.text()}`));
      page.on('pageerror', (error) => said.push(`${path}: ${error.message}`));
      await page.goto(pages.url + path, { waitUntil: 'networkidle' });
      await page.context().close();
    }
    expect(said).toEqual([]);
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
