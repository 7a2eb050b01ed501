import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { sendByHand } from '#operations/messages';
import { saveSettings } from '#operations/settings';
import { saveTemplate } from '#operations/templates';
import { COOKIES } from '#portal/shared/context';
import { addPerson, HOSTILE } from '#test/portal/admin-first/people';
import { seedProvider } from '#test/portal/admin-first/provider';
import { FakeWhatsApp } from '#test/portal/admin-second/fake-whatsapp';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import { looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const WHATSAPP = '/settings/whatsapp';
const LONG = `${HOSTILE}${'Wijayakusuma'.repeat(5)}`.slice(0, 100);

describeWithChromium('messages, settings and routers in a real browser', () => {
  const line = new FakeWhatsApp();
  let pages: TestPortal;
  let empty: TestPortal;
  let browser: Browser;
  let router: string;

  beforeAll(async () => {
    const error = `connect ETIMEDOUT ${'10.20.0.2:8729 '.repeat(6)}`;
    const states = () => [
      { nasId: 1, name: '', state: 'silent' as const, error, lastSeenAt: NOW, wanted: 9, differing: 3 },
    ];
    const tested = { ok: false, says: error };
    pages = await startPortal({ live: { whatsapp: line, routers: { states, test: async () => tested } } });
    empty = await startPortal();
    const { desk, db } = pages;
    await seedProvider(desk, NOW, 30);
    await saveSettings(desk, 'company', { name: LONG });
    await saveSettings(desk, 'walledGarden', { hosts: `${'a'.repeat(60)}.${'b'.repeat(60)}.example` });
    await db.execute(`update nas set api_user = $1, api_fingerprint = repeat('a1', 32) where id = 1`, [
      'u'.repeat(100),
    ]);
    router = `/settings/routers/${(await addNas(desk, { name: LONG, address: '2001:db8:aaaa:bbbb:cccc:dddd:eeee:1', secret: 'generate', tags: ['t'.repeat(50)] })).id}`;
    await saveTemplate(desk, { notice: 'ended', language: 'id', text: 'x'.repeat(300) });
    const { id } = await addPerson(desk, { name: `${LONG}${LONG}` });
    const message = await sendByHand(desk, { subscriberId: id, text: 'Halo' });
    await db.execute(`update message set failed_at = queued_at, failure = $2 where id = $1`, [
      message.id,
      `rejected: ${'x'.repeat(200)}`,
    ]);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    expect(pages.logged).toEqual([]);
    await pages.stop();
    await empty.stop();
  });

  async function open(of: TestPortal, options: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
    const context = await browser.newContext({ bypassCSP: true, ...options });
    const staff = await of.loginStaff('owner');
    await context.addCookies([{ name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: of.url }]);
    return context;
  }

  /** Opens a page, does something there, and looks. */
  async function faultsOf(page: Page, address: string, act?: () => Promise<void>): Promise<string[]> {
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(address);
    await act?.();
    problems.push(...(await looksFaults(page)));
    page.removeAllListeners('pageerror');
    return problems.map((fault) => `${address} ${act ?? ''}: ${fault}`);
  }

  test.each([360, 1280])(
    'at %i px nothing is wrong for anybody, and nothing stands out at the side',
    async (width) => {
      const options = { viewport: { width, height: 800 } };
      const context = await open(pages, options);
      const page = await context.newPage();
      const faults: string[] = [];
      const look = async (path: string, act?: () => Promise<void>) =>
        void faults.push(...(await faultsOf(page, pages.url + path, act)));
      const press = (name: string) => async () => {
        await page.click(name);
        await page.waitForLoadState();
      };

      line.is({ state: 'connected', me: '6281234567890', since: NOW, breakerUntil: NOW + 3_600_000 });
      for (const path of ['/messages', '/messages?q=nobody', '/messages/templates', '/messages/templates/ended/id'])
        await look(path);
      await look('/messages/templates/ended/id', press('button[value=preview]'));
      for (const path of ['/settings', '/settings/reminders', '/settings/walled-garden', WHATSAPP]) await look(path);
      await look('/settings', async () => {
        await page.fill('#phone', 'abc');
        await press('main form button')();
      });
      await look(WHATSAPP, async () => {
        await page.check('input[value=cloud]');
        await page.fill('#phoneNumberId', 'abc');
        await press('.line-settings button')();
      });
      line.is({ state: 'logged-out' });
      await look(WHATSAPP);
      line.is({ state: 'pairing', qr: '2@a-code-that-is-scanned' });
      await look(WHATSAPP);
      line.is({ state: 'pairing', pairingCode: 'ABCD1234' });
      await look(WHATSAPP);
      for (const path of [
        '/settings/routers',
        '/settings/routers/1',
        '/settings/routers/1/edit',
        '/settings/routers/new',
      ])
        await look(path);
      for (const path of [router, `${router}/edit`, `${router}/script`]) await look(path);
      await look('/settings/routers/1', press('form[action$="/test"] button'));
      await look('/settings/routers/1/edit', async () => {
        await page.fill('#address', 'abc');
        await press('main form button')();
      });
      await look(`${router}/script`, async () => {
        await page.fill('#server', '10.0.0.2');
        await press('button[value=show]')();
      });
      await context.close();

      const beginning = await open(empty, options);
      const first = await beginning.newPage();
      for (const path of ['/messages', '/settings/routers', WHATSAPP])
        faults.push(...(await faultsOf(first, empty.url + path)));
      await beginning.close();
      expect(faults).toEqual([]);
    },
    240_000,
  );

  test('linking by a code goes on by itself: the code comes, then the line is connected', async () => {
    line.is({ state: 'unpaired' });
    const context = await open(pages);
    const page = await context.newPage();
    await page.goto(pages.url + WHATSAPP);
    await page.fill('#phone', '081234567890');
    line.asked.length = 0;
    await page.click('form:has(#phone) button');
    await page.waitForSelector('[data-pairing-code]');
    expect(await page.textContent('[data-pairing-code]')).toBe('ABCD1234');
    expect(line.asked).toEqual(['code for 6281234567890']);
    line.is({ state: 'connected', me: '6281234567890' });
    await page.waitForSelector('form[action$="/unpair"]', { timeout: 30_000 });
    expect(await page.locator('#phone').count()).toBe(0);
    await context.close();
  });

  test('what is being typed is not lost when the state of the line changes meanwhile', async () => {
    line.is({ state: 'connecting' });
    const context = await open(pages);
    const page = await context.newPage();
    await page.goto(pages.url + WHATSAPP);
    await page.check('input[value=cloud]');
    await page.fill('#token', 'EAAG-half-typed');
    line.is({ state: 'connected', me: '6281234567890' });
    await page.waitForSelector('text=+6281234567890', { timeout: 30_000 });
    expect(await page.inputValue('#token')).toBe('EAAG-half-typed');
    await context.close();
  });

  test('what belongs to one way of sending comes with it, without scripts; a page in motion loads again by itself', async () => {
    line.is({ state: 'unpaired' });
    const context = await open(pages, { javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(pages.url + WHATSAPP);
    const seen = async () => [await page.isVisible('#perMinute'), await page.isVisible('#phoneNumberId')];
    expect(await seen()).toEqual([false, false]);
    await page.check('input[value=baileys]');
    expect(await seen()).toEqual([true, false]);
    await page.check('input[value=cloud]');
    expect(await seen()).toEqual([true, true]);
    await page.click('form[action$="/pair"] button');
    await page.waitForSelector('.qr svg');
    line.is({ state: 'connected', me: '6281234567890' });
    await page.waitForSelector('form[action$="/unpair"]', { timeout: 30_000 });
    await context.close();
  });
});
