import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MINUTE } from '#domain/time';
import { COOKIES } from '#portal/shared/context';
import { askEnd } from '#storage/sessions';
import { addPerson, HOSTILE } from '#test/portal/admin-first/people';
import { seedProvider } from '#test/portal/admin-first/provider';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import { looksFaults, wideColourFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const PAGES = [
  '/prepaid/dashboard',
  '/customers',
  '/prepaid/customers?standing=lapsed&tag=fiber',
  '/customers?q=nobody-of-that-name',
  '/customers/new',
  '/customers/import',
  '/customers/import-mikrotik',
  '/migrate',
  '/customers/21',
  '/customers/24',
  '/customers/35',
  '/customers/43',
  '/customers/21/sell',
  '/customers/21/edit',
  '/customers/24/edit',
  '/customers/21/pin',
  '/customers/27/migrate',
  '/customers/22/undo',
  '/prepaid/subscriptions',
  '/prepaid/subscriptions/30/revoke',
  '/prepaid/purchases',
  '/account',
  '/account/password',
  '/nowhere',
] as const;

const SLOW = 240_000;

describeWithChromium('the first half of the staff’s pages in a real browser', () => {
  let pages: TestPortal;
  let empty: TestPortal;
  let browser: Browser;
  let long: string;
  /** Where a session is ended, and of those whose end was asked for: one waits for its router, one was asked in vain. */
  let endings: string[];

  beforeAll(async () => {
    [pages, empty] = [await startPortal(), await startPortal()];
    await seedProvider(pages.desk, NOW, 80);
    const { id } = await addPerson(pages.desk, {
      username: 'a'.repeat(200),
      name: `${HOSTILE}${'Wijayakusuma'.repeat(12)}`,
      tags: ['t'.repeat(50)],
      notes: 'n'.repeat(400),
    });
    long = `/customers/${id}`;
    const sessions = await pages.db.query<{ id: number; subscriberId: number }>(
      'select id, subscriber_id as "subscriberId" from session where ended_at is null order by id limit 3',
    );
    const [free, waiting, inVain] = sessions as [(typeof sessions)[0], (typeof sessions)[0], (typeof sessions)[0]];
    for (const [one, ago] of [
      [waiting, MINUTE],
      [inVain, 10 * MINUTE],
    ] as const)
      await askEnd(pages.db, one.subscriberId, one.id, { at: NOW - ago, reason: 'x'.repeat(200) });
    endings = [`/customers/${free.subscriberId}/disconnect/${free.id}`];
    endings.push(...[free, waiting, inVain].map(({ subscriberId }) => `/customers/${subscriberId}`));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await pages.stop();
    await empty.stop();
  });

  async function open(of: TestPortal, width: number, loggedIn = true): Promise<BrowserContext> {
    const context = await browser.newContext({ viewport: { width, height: 800 }, bypassCSP: true });
    if (loggedIn) {
      const staff = await of.loginStaff('owner');
      await context.addCookies([{ name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: of.url }]);
    }
    return context;
  }

  async function faultsOf(page: Page, of: TestPortal, path: string): Promise<string[]> {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(of.url + path);
    problems.push(...(await looksFaults(page)));
    page.removeAllListeners('pageerror');
    return problems.map((fault) => `${path}: ${fault}`);
  }

  test.each([360, 1280])(
    'at %i px nothing is wrong for anybody, and nothing stands out at the side',
    async (width) => {
      const faults: string[] = [];
      const context = await open(pages, width);
      const page = await context.newPage();
      for (const path of [...PAGES, ...endings, long, `${long}/edit`, '/customers?sort=created'])
        faults.push(...(await faultsOf(page, pages, path)));
      await context.close();
      const beginning = await open(empty, width);
      const first = await beginning.newPage();
      for (const path of [
        '/prepaid/dashboard',
        '/customers',
        '/prepaid/customers',
        '/prepaid/purchases',
        '/prepaid/subscriptions',
      ])
        faults.push(...(await faultsOf(first, empty, path)));
      await beginning.close();
      const stranger = await open(pages, width, false);
      faults.push(...(await faultsOf(await stranger.newPage(), pages, '/login')));
      await stranger.close();
      expect(faults).toEqual([]);
    },
    SLOW,
  );

  test('the colours of what only a wide page shows can be read, in both themes', async () => {
    const context = await open(pages, 1280);
    const page = await context.newPage();
    for (const path of ['/prepaid/dashboard', '/customers', '/customers/21']) {
      expect(await faultsOf(page, pages, path)).toEqual([]);
      expect(await wideColourFaults(page)).toEqual([]);
    }
    await context.close();
  });

  test(
    'a PIN that was just made, its slip and the sheet of many look right, and print without the menu',
    async () => {
      for (const width of [360, 1280]) {
        const context = await open(pages, width);
        const page = await context.newPage();
        await page.goto(`${pages.url}/customers/21/pin`);
        await page.click('form[action$="/pin"] button:not(.plain)');
        await page.waitForSelector('.slip');
        expect(await looksFaults(page)).toEqual([]);
        await page.emulateMedia({ media: 'print' });
        expect(await page.isVisible('.slip')).toBe(true);
        expect(await page.isVisible('nav')).toBe(false);
        expect(await page.isVisible('main h1')).toBe(false);
        await context.close();
      }
    },
    SLOW,
  );

  test(
    'charts are drawn where there are scripts, and a line stands there where there are none',
    async () => {
      const context = await open(pages, 1280);
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      await page.goto(`${pages.url}/prepaid/dashboard`);
      await page.waitForSelector('.chart canvas');
      expect(await page.locator('.chart canvas').count()).toBe(5);
      expect(await page.locator('.chart .u-legend').first().textContent()).toMatch(/Pendapatan.*Rp/);
      expect(problems).toEqual([]);
      await context.close();
      const plain = await browser.newContext({ javaScriptEnabled: false });
      await plain.addCookies([
        { name: COOKIES.staff, value: (await pages.loginStaff('owner')).cookies.get(COOKIES.staff)!, url: pages.url },
      ]);
      const without = await plain.newPage();
      await without.goto(`${pages.url}/prepaid/dashboard`);
      expect(await without.locator('.chart svg.spark').count()).toBe(5);
      await plain.close();
    },
    SLOW,
  );

  test(
    'the bar of bulk actions comes with the first selected line, also without scripts',
    async () => {
      for (const javaScriptEnabled of [true, false]) {
        const context = await browser.newContext({ javaScriptEnabled });
        await context.addCookies([
          { name: COOKIES.staff, value: (await pages.loginStaff('owner')).cookies.get(COOKIES.staff)!, url: pages.url },
        ]);
        const page = await context.newPage();
        await page.goto(`${pages.url}/customers?billing=postpaid`);
        expect(await page.isVisible('.bulk')).toBe(false);
        await page.check('input[name=id] >> nth=0');
        expect(await page.isVisible('.bulk')).toBe(true);
        await page.check('input[name=id] >> nth=1');
        await page.selectOption('#do', 'tag');
        await page.click('.bulk button');
        expect(await page.textContent('h1')).toBe('Beri tag pada 2 pelanggan');
        await context.close();
      }
    },
    SLOW,
  );

  test(
    'work over many lines moves its bar by itself and ends in what came of it',
    async () => {
      const context = await open(pages, 360);
      const page = await context.newPage();
      await page.goto(`${pages.url}/customers?billing=postpaid`);
      await page.check('input[name=id] >> nth=0');
      await page.check('input[name=all]');
      await page.click('.bulk button');
      await page.click('main form button');
      await page.waitForURL('**/jobs/**');
      await page.waitForSelector('[data-done]');
      expect(await looksFaults(page)).toEqual([]);
      await page.click('form[action$="/pins"] button');
      await page.waitForSelector('.slips .slip');
      expect(await looksFaults(page)).toEqual([]);
      await context.close();
    },
    SLOW,
  );

  test(
    'the fields of a static line come when it is chosen, without scripts',
    async () => {
      const context = await browser.newContext({ javaScriptEnabled: false });
      await context.addCookies([
        { name: COOKIES.staff, value: (await pages.loginStaff('owner')).cookies.get(COOKIES.staff)!, url: pages.url },
      ]);
      const page = await context.newPage();
      await page.goto(`${pages.url}/customers/new`);
      expect([await page.isVisible('#password'), await page.isVisible('#addresses')]).toEqual([true, false]);
      await page.check('input[name=access][value=static]');
      expect([await page.isVisible('#password'), await page.isVisible('#addresses')]).toEqual([false, true]);
      await context.close();
      expect(pages.logged).toEqual([]);
    },
    SLOW,
  );
});
