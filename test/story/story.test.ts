import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';
import { type Provider, startProvider } from '#test/world/provider';

/**
 * The whole story of prepaid in one: postpaid customers are moved to prepaid, get their Portal ID by WhatsApp, are led to
 * the splash page, buy a package, are online, are told a day before it ends, and are on the splash page again after.
 * One line is PPPoE, one has a static address. Real server, real browser, simulated router and WhatsApp.
 */

const PHONES = { budi: '6281234567801', sari: '6281234567802', company: '6281199990000' };
const STATIC = '10.77.0.9';
const FAST = 20_000_000;
const SLOW = 128_000;
const HOUR = 3_600_000;

const dataDir = mkdtempSync(join(tmpdir(), 'gerbang-story-'));
let provider: Provider;
let browser: Browser;
let office: Page;

const phone = { viewport: { width: 360, height: 720 }, isMobile: true, hasTouch: true, locale: 'id-ID' } as const;

beforeAll(async () => {
  provider = await startProvider(dataDir);
  const { system } = provider;
  // Whatever host a phone asks for, the router leads plain HTTP to us.
  const port = new URL(provider.url).port;
  browser = await launchChromium({ args: [`--host-resolver-rules=MAP example.com:80 127.0.0.1:${port}`] });
  await system.gerbang(
    ...['plan', 'add', '--name', '20GB - 20Mbps', '--down', '20M', '--up', '20M', '--quota', '20GB'],
    ...['--period', 'month', '--price', '75000'],
  );
  await system.gerbang('setting', 'set', 'company.name', 'Maju Net');
  await system.gerbang('setting', 'set', 'company.phone', '+6281199990000');
  await system.gerbang('setting', 'set', 'whatsapp.perMinute', '60');
  await system.gerbang(
    ...['subscriber', 'add', '--username', 'budi', '--password', 'rahasia-budi', '--name', 'Budi Santoso'],
    ...['--phone', `+${PHONES.budi}`, '--billing', 'postpaid'],
  );
  await system.gerbang(
    ...['subscriber', 'add', '--username', 'sari', '--access', 'static', '--nas', 'menara-utara'],
    ...['--addresses', STATIC, '--name', 'Sari Dewi', '--phone', `+${PHONES.sari}`, '--billing', 'postpaid'],
  );
  for (const username of ['budi', 'sari'])
    await system.gerbang('grant', 'add', '--username', username, '--plan', '20GB - 20Mbps', '--until', '2099-12-31');
}, 120_000);

/** What the server said belongs to a failure. */
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(provider.system.output().slice(-6000));
});

afterAll(async () => {
  await browser?.close();
  await provider?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

describeWithChromium('from postpaid to prepaid and through a package', () => {
  test('a new admin logs in, must choose a password, and sees what to do first', async () => {
    office = await (await browser.newContext({ locale: 'id-ID' })).newPage();
    await office.goto(`${provider.url}/login`);
    await office.locator('#username').fill('admin');
    await office.locator('#password').fill(provider.oneTimePassword);
    await office.locator('main button').click();
    await office.locator('#old').fill(provider.oneTimePassword);
    await office.locator('#new').fill('kantor-baru-2026');
    await office.locator('#again').fill('kantor-baru-2026');
    await office.locator('main form button').first().click();
    await office.waitForURL('**/prepaid/dashboard');
    // The story may be told at night.
    await office.goto(`${provider.url}/settings/reminders`);
    await office.locator('#quietFrom').fill('');
    await office.locator('#quietTo').fill('');
    await office.locator('main form button').click();
    await office.locator('.flash.good').waitFor();
  }, 60_000);

  test('the company’s WhatsApp is paired by a code on its phone', async () => {
    await provider.system.gerbang('setting', 'set', 'whatsapp.transport', 'baileys');
    await office.goto(`${provider.url}/settings/whatsapp`);
    await expect
      .poll(
        async () => {
          await office.reload();
          return office.locator('#phone').count();
        },
        { timeout: 30_000 },
      )
      .toBe(1);
    await office.locator('#phone').evaluate((input) => input.closest('details')?.setAttribute('open', ''));
    await office.locator('#phone').fill(PHONES.company);
    await office.locator('form:has(#phone) button').click();
    const code = await shown(office, '[data-pairing-code]');
    await provider.whatsapp.typeCode(code.replace(/[^A-Z0-9]/g, ''));
    await provider.whatsapp.until(
      'the number is linked',
      () => provider.whatsapp.connected && provider.whatsapp.logins > 0,
      20_000,
    );
  }, 60_000);

  test('while postpaid, both lines are online at 20M', async () => {
    await provider.router.dial('budi', 'rahasia-budi', { method: 'mschap2', load: 0.01 });
    await line('budi', FAST, 'prepaid-active');
    await provider.api.until('sari is active', () => listOf(STATIC) === 'prepaid-active', 15_000);
    const [entry] = provider.api.lists().filter(({ address }) => address === STATIC);
    expect(entry?.comment).toMatch(/^gerbang:[0-9a-f]{8}:[1-9]\d*$/);
  }, 30_000);

  test.each(['budi', 'sari'] as const)(
    '%s is moved to prepaid: PIN by WhatsApp, line to the portal',
    async (who) => {
      await findCustomer(who);
      await office.getByRole('link', { name: 'Pindahkan ke prepaid' }).click();
      await office.locator('form.card button').click();
      const shownPin = (await office.locator('.slip .secret').allTextContents()).map((text) => text.trim());
      const message = await told(who, /Portal ID: (\d{8})\s+PIN: (\d{6})/);
      expect([message[1], message[2]]).toEqual(shownPin);
      accounts[who] = { portalId: message[1]!, pin: message[2]! };
      if (who === 'budi') await line('budi', SLOW, 'prepaid-no-package');
      else await provider.api.until('sari is walled', () => listOf(STATIC) === 'prepaid-no-package', 15_000);
      await office.goto(office.url().replace(/\/migrate$/, ''));
      expect(await office.content()).not.toContain(message[2]);
    },
    60_000,
  );

  test.each(['budi', 'sari'] as const)(
    '%s is led to the splash page, logs in, buys, pays and is online',
    async (who) => {
      const context = await browser.newContext(phone);
      const page = await context.newPage();
      await page.goto('http://example.com/');
      expect(new URL(page.url()).pathname).toBe('/prepaid/portal/splash');
      expect(await page.locator('h1').textContent()).toBe('Internet Anda belum aktif');
      await page.locator('a.button').first().click();
      await page.locator('#portalId').fill(accounts[who]!.portalId);
      await page.locator('#pin').fill(accounts[who]!.pin);
      await page.locator('form.card button').click();
      await page.getByRole('button', { name: 'Tetap pakai PIN ini' }).click();
      await page.goto(`${provider.url}/prepaid/portal/packages`);
      await page.getByRole('button', { name: 'Beli Paket 20GB - 20Mbps' }).click();
      await page.waitForURL('**/prepaid/portal/orders/*');

      await findCustomer(who);
      await office.getByRole('button', { name: 'Tunai diterima' }).click();
      await office.waitForLoadState();
      if (who === 'budi') await line('budi', FAST, 'prepaid-active');
      else await provider.api.until('sari is active', () => listOf(STATIC) === 'prepaid-active', 15_000);
      // The customer's page finds out by itself.
      await page.getByText('Internet aktif. Selamat berselancar!').waitFor({ timeout: 30_000 });
      await told(who, /20GB - 20Mbps/);
      contexts[who] = context;
    },
    90_000,
  );

  test('a day before the end both are told, once; at the end the lines go back to the portal and both are told', async () => {
    for (const who of ['budi', 'sari']) await provider.endAt(who, Date.now() + 23 * HOUR);
    const soon = { budi: await told('budi', /berakhir/), sari: await told('sari', /berakhir/) };
    const end = Date.now() + 4_000;
    for (const who of ['budi', 'sari']) await provider.endAt(who, end);
    await line('budi', SLOW, 'prepaid-no-package', 30_000);
    await provider.api.until('sari is walled again', () => listOf(STATIC) === 'prepaid-no-package', 30_000);
    expect(Date.now() - end).toBeGreaterThanOrEqual(0);
    for (const who of ['budi', 'sari'] as const) await told(who, /sudah berakhir|telah berakhir/);
    for (const who of ['budi', 'sari'] as const)
      expect(
        provider.whatsapp.messages().filter((one) => one.to === PHONES[who] && one.text === soon[who][0]),
      ).toHaveLength(1);

    const page = await contexts.budi!.newPage();
    await page.goto('http://example.com/');
    expect(await page.locator('h1').textContent()).toBe('Internet Anda belum aktif');
    expect(await page.locator('.reason').textContent()).toContain('berakhir');
  }, 240_000);

  test('staff read the whole story on one page', async () => {
    await findCustomer('budi');
    const text = await office.locator('#timeline').textContent();
    for (const said of ['Dipindahkan ke prepaid', 'Pesan Portal ID & PIN: dibaca', 'Membayar Rp 75.000', 'CoA'])
      expect(text).toContain(said);
    expect(provider.system.output()).not.toMatch(/mistake of ours|fatal/i);
  }, 30_000);
});

const accounts: Partial<Record<'budi' | 'sari', { portalId: string; pin: string }>> = {};
const contexts: Partial<Record<'budi' | 'sari', BrowserContext>> = {};
const heard = new Map<string, number>();

const listOf = (address: string) => provider.api.lists().find((entry) => entry.address === address)?.list;

async function line(username: string, bps: number, list: string, timeoutMs = 15_000): Promise<void> {
  await provider.router.until(
    `${username} has ${bps} bit/s in ${list}`,
    () => {
      const session = provider.router.session(username);
      return session?.limits.downloadBps === bps && session.addressLists.join() === list;
    },
    timeoutMs,
  );
}

/** The next message to somebody's phone that says this. */
function told(who: 'budi' | 'sari', says: RegExp): Promise<RegExpExecArray> {
  return provider.whatsapp.until(
    `${who} is told ${says}`,
    () => {
      const mine = provider.whatsapp.messages().filter((one) => one.to === PHONES[who]);
      const found = mine.findIndex((one, index) => index >= (heard.get(who) ?? 0) && says.test(one.text));
      if (found < 0) return null;
      heard.set(who, found + 1);
      const match = says.exec(mine[found]!.text)!;
      match[0] = mine[found]!.text;
      return match;
    },
    150_000,
  );
}

async function findCustomer(who: string): Promise<void> {
  await office.goto(`${provider.url}/customers?q=${who}`);
  await office.locator('table a[href^="/customers/"]').first().click();
  await office.waitForURL(/\/customers\/\d+$/);
}

/** The text of what a page that refreshes itself shows sooner or later. */
async function shown(page: Page, selector: string): Promise<string> {
  await expect
    .poll(
      async () => {
        if ((await page.locator(selector).count()) === 0) await page.reload();
        return page.locator(selector).count();
      },
      { timeout: 30_000, interval: 500 },
    )
    .toBeGreaterThan(0);
  return (await page.locator(selector).first().textContent()) ?? '';
}
