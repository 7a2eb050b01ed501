import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { saveSettings, setSecretSetting } from '#operations/settings';
import { openGateways } from '#policy-server/gateways-side';
import { COOKIES } from '#portal/shared/context';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import { looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';
import { type Midtrans, startMidtrans } from '#test/world/midtrans';

const PATH = '/settings/gateways';
const SERVER_KEY = 'SB-Mid-server-browser';

describeWithChromium('the page of gateways in a real browser', () => {
  let midtrans: Midtrans;
  let pages: TestPortal;
  let browser: Browser;

  beforeAll(async () => {
    midtrans = await startMidtrans({ serverKey: SERVER_KEY });
    const bases = { midtransBaseUrl: midtrans.url, xenditBaseUrl: null };
    const log = { info: () => undefined, warn: () => undefined };
    pages = await startPortal({ gateways: (opened) => openGateways({ ...opened, ...bases, clock: () => NOW, log }) });
    await setSecretSetting(pages.desk, 'gateway.midtrans.server-key', SERVER_KEY);
    const methods = Array.from({ length: 40 }, (_, at) => `${'w'.repeat(38)}${at}`);
    await saveSettings(pages.desk, 'gateways', { midtrans: { active: true, methods }, xendit: { active: true } });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    expect(pages.logged).toEqual([]);
    await pages.stop();
    await midtrans.stop();
  });

  async function openPage(width: number, javaScriptEnabled = true) {
    const viewport = { width, height: 800 };
    const context = await browser.newContext({ bypassCSP: javaScriptEnabled, viewport, javaScriptEnabled });
    const staff = await pages.loginStaff('owner');
    await context.addCookies([{ name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: pages.url }]);
    const page = await context.newPage();
    await page.goto(pages.url + PATH);
    return page;
  }

  test.each([360, 1280])('at %i px nothing is wrong for anybody', async (width) => {
    const page = await openPage(width);
    expect(await looksFaults(page)).toEqual([]);
    await page.fill('#linkHours', '999');
    await page.fill('#xendit-methods', 'kartu-kredit');
    await page.click('button:has-text("Simpan")');
    expect(await looksFaults(page)).toEqual([]);
    await page.context().close();
  });

  test('without scripts: a key is pasted, the connection tried', async () => {
    const page = await openPage(360, false);
    await page.fill('#midtrans-server-key', 'SB-Mid-server-wrong');
    await page.click('button:has-text("Simpan")');
    await page.click('button[form="test-midtrans"]');
    expect(await page.textContent('body')).toContain('Midtrans menolak Server Key ini');
    await page.fill('#midtrans-server-key', SERVER_KEY);
    await page.click('button:has-text("Simpan")');
    await page.click('button[form="test-midtrans"]');
    expect(await page.textContent('body')).toContain('Midtrans menjawab dan menerima kuncinya.');
    await page.context().close();
  });
});
