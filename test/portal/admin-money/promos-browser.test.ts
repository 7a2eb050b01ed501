import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addPromo, disablePromo } from '#operations/promos';
import { addPackage } from '#test/portal/admin-first/people';
import { startPortal, type TestPortal } from '#test/portal/harness';
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

describeWithChromium('promo codes and the settings of billing in a real browser', () => {
  let pages: TestPortal;
  let browser: Browser;

  beforeAll(async () => {
    pages = await startPortal();
    const plan = await addPackage(pages.desk, `Paket ${'keluarga besar '.repeat(5)}`.trim());
    const [row] = await pages.db.query<{ id: number }>('select plan_id as id from plan_revision where id = $1', [plan]);
    await addPromo(pages.desk, { code: 'HEMAT20', percent: 20, until: '2026-12-31', mostUses: 100 });
    const long = { code: 'A'.repeat(31), fixed: '1000000', until: '2026-12-31', planIds: [row!.id] };
    const { id } = await addPromo(pages.desk, long);
    await disablePromo(pages.desk, id, true);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await pages.stop();
  });

  test.each([
    ['/promos', 360],
    ['/promos', 1280],
    ['/promos/new', 360],
    ['/promos/new', 1280],
    ['/settings/billing', 360],
    ['/settings/billing', 1280],
  ])('%s stands well at %i px, in both themes', async (path, width) => {
    const context = await browser.newContext({ viewport: { width, height: 800 } });
    const { cookies } = await pages.loginStaff('owner');
    await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: pages.url })));
    const page = await context.newPage();
    await page.goto(`${pages.url}${path}`);
    await drawn(page);
    expect(await looksFaults(page)).toEqual([]);
    await context.close();
  });
});
