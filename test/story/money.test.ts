import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DAY, localDate } from '#domain/time';
import { confirmPin } from '#operations/confirm-pin';
import { issuePin } from '#operations/issue-pin';
import { findSubscriber } from '#storage/subscribers';
import { owe } from '#test/operations/owing';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';
import { type Provider, startProvider } from '#test/world/provider';
import { freeTcpPort } from '#test/world/system';

/**
 * Self-service, whole: from inside the redirect to the gateway's page and back, with the line that changes by itself. Real
 * server, real browser; the router and both gateways are simulated.
 */

const [SLOW, PAYING, MBIT] = [128_000, 1_000_000, 1_000_000];
const PLANS = [
  ['Rumah 10M', '10M', '150000'],
  ['20GB - 20Mbps', '20M', '75000'],
  ['50GB - 50Mbps', '50M', '200000'],
] as const;

const dataDir = mkdtempSync(join(tmpdir(), 'gerbang-money-'));
let provider: Provider;
let browser: Browser;

const phone = { viewport: { width: 360, height: 720 }, isMobile: true, hasTouch: true, locale: 'id-ID' } as const;

type Customer = { readonly id: number; readonly portalId: string; readonly pin: string };
const customers: { sari?: Customer; budi?: Customer } = {};

beforeAll(async () => {
  const port = String(await freeTcpPort());
  // Browsers here come from no line; as behind a proxy they say from whose.
  const proxied = { TRUSTED_PROXIES: '127.0.0.1', PUBLIC_URL: `http://127.0.0.1:${port}` };
  provider = await startProvider(dataDir, { HTTP_PORT: port, ...proxied });
  const { system } = provider;
  browser = await launchChromium({ args: [`--host-resolver-rules=MAP example.com:80 127.0.0.1:${port}`] });
  for (const [name, speed, price] of PLANS)
    await system.gerbang(
      ...['plan', 'add', '--name', name, '--down', speed, '--up', speed, '--period', 'month', '--price', price],
    );
  for (const [username, billing] of [
    ['sari', 'postpaid'],
    ['budi', 'prepaid'],
  ] as const) {
    await system.gerbang(
      ...['subscriber', 'add', '--username', username, '--password', `rahasia-${username}`, '--billing', billing],
    );
    customers[username] = await provider.atDesk(async (desk) => {
      const { id } = (await findSubscriber(desk.db, username))!;
      const { portalId, pin } = await issuePin(desk, id, { send: false });
      await confirmPin(desk, id);
      return { id, portalId, pin };
    });
  }
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

describeWithChromium('a postpaid customer', () => {
  let context: BrowserContext;
  let page: Page;

  test('is billed, forgets, and is led to the bills by the redirect', async () => {
    const { system, router } = provider;
    await system.gerbang('subscription', 'start', '--username', 'sari', '--plan', 'Rumah 10M');
    await router.dial('sari', 'rahasia-sari', { method: 'mschap2' });
    await line('sari', 10 * MBIT, 'prepaid-active');
    await provider.atDesk((desk) =>
      owe(desk, customers.sari!.id, { dueOn: localDate(Date.now() - 5 * DAY, desk.zone), plan: 'Rumah 10M' }),
    );
    await line('sari', SLOW, 'prepaid-no-package');

    context = await at('sari');
    page = await context.newPage();
    await page.goto('http://example.com/');
    expect(new URL(page.url()).pathname).toBe('/prepaid/portal/splash');
    expect(await page.locator('.reason').textContent()).toContain('Tagihan lewat jatuh tempo');
    await page.getByRole('link', { name: 'Lihat dan bayar tagihan' }).click();
    await logIn(page, customers.sari!);
    await page.waitForURL('**/customer');
    expect(await bill(page, 'Terlambat').count()).toBe(1);
    expect(await bill(page, 'Belum Bayar').count()).toBe(1);
  }, 60_000);

  test('opens the line for her banking app, pays at Midtrans, and is online again by itself', async () => {
    const gateway = await pay(page, bill(page, 'Terlambat'), 'midtrans');
    await page.goto(`${provider.url}/customer`);
    await page.getByRole('button', { name: 'Buka internet untuk membayar' }).click();
    await page.getByText('Silakan buka aplikasi Anda dan bayar').waitFor();
    await line('sari', PAYING, 'prepaid-paying');
    await gateway.getByRole('button', { name: 'Bayar', exact: true }).click();
    await gateway.waitForURL('**/customer/invoices/inv_*');
    await gateway.getByText('Lunas').first().waitFor();
    await line('sari', 10 * MBIT, 'prepaid-active');
    await gateway.close();
  }, 60_000);

  test('pays the other invoice at Xendit, and has both receipts', async () => {
    await page.goto(`${provider.url}/customer`);
    const gateway = await pay(page, bill(page, 'Belum Bayar'), 'xendit');
    await gateway.getByRole('button', { name: 'Bayar', exact: true }).click();
    await gateway.waitForURL('**/customer/invoices/inv_*');
    await gateway.getByText('Lunas').first().waitFor();
    await gateway.close();
    await page.goto(`${provider.url}/customer/payments`);
    const receipts = page.getByRole('link', { name: /Kwitansi/ });
    expect(await receipts.count()).toBe(2);
    const names = new Set<string>();
    for (const one of await receipts.all()) {
      const answer = await context.request.get(`${provider.url}${await one.getAttribute('href')}`);
      expect([answer.status(), (await answer.body()).subarray(0, 5).toString()]).toEqual([200, '%PDF-']);
      names.add(/KW-\d{4}-\d{6}/.exec(answer.headers()['content-disposition'] ?? '')?.[0] ?? '');
    }
    expect([...names].sort()).toEqual([expect.stringMatching(/000001$/), expect.stringMatching(/000002$/)]);
  }, 60_000);
});

describeWithChromium('a prepaid customer', () => {
  let page: Page;

  test('buys at the splash inside of the redirect, pays, and her session changes to 20M by itself', async () => {
    await provider.router.dial('budi', 'rahasia-budi', { method: 'chap' });
    await line('budi', SLOW, 'prepaid-no-package');
    page = await (await at('budi')).newPage();
    await page.goto('http://example.com/');
    expect(await page.locator('h1').textContent()).toBe('Internet Anda belum aktif');
    await page.locator('a.button').first().click();
    await logIn(page, customers.budi!);
    await page.goto(`${provider.url}/prepaid/portal/packages`);
    await page.getByRole('button', { name: 'Beli Paket 20GB - 20Mbps' }).click();
    await page.waitForURL('**/prepaid/portal/orders/*');
    const session = provider.router.session('budi')!.id;
    const gateway = await pay(page, page.locator('.bill'), 'midtrans');
    await gateway.getByRole('button', { name: 'Bayar', exact: true }).click();
    await line('budi', 20 * MBIT, 'prepaid-active');
    expect(provider.router.session('budi')!.id).toBe(session);
    await page.getByText('Internet aktif. Selamat berselancar!').waitFor({ timeout: 30_000 });
    await gateway.close();
  }, 60_000);

  test('upgrades for the difference, pays it, and has it at once', async () => {
    await page.goto(`${provider.url}/customer`);
    await page.getByRole('link', { name: 'Ganti Paket' }).click();
    await page.getByRole('link', { name: 'Pilih paket ini 50GB - 50Mbps' }).click();
    const text = await page.locator('main').textContent();
    const asked = /Yang dibayar\s*Rp ([\d.]+)/.exec(text ?? '')?.[1]?.replaceAll('.', '');
    // What is left of the package before is taken off.
    expect(Number(asked)).toBeGreaterThan(100_000);
    expect(Number(asked)).toBeLessThan(200_000);
    await page.getByRole('button', { name: 'Setuju dan bayar' }).click();
    await page.getByRole('button', { name: 'Bayar', exact: true }).click();
    await line('budi', 50 * MBIT, 'prepaid-active');
    await page.getByText('Internet aktif. Selamat berselancar!').waitFor({ timeout: 30_000 });
  }, 60_000);
});

describeWithChromium('the company', () => {
  test('has every rupiah in its books, each payment once', async () => {
    expect(await provider.system.gerbang('ledger', 'verify')).toMatch(/\S/);
    const { clearing, payments } = await provider.atDesk(async ({ db }) => ({
      clearing: await db.query<{ account: string; rupiah: number }>(
        `select account, sum(amount_rupiah)::bigint as rupiah from ledger_entry where account like 'clearing:%' group by account order by account`,
      ),
      payments: await db.query<{ gateway: string; rupiah: number }>(
        'select gateway, sum(amount_rupiah)::bigint as rupiah from payment group by gateway order by gateway',
      ),
    }));
    expect(clearing).toEqual(payments.map(({ gateway, rupiah }) => ({ account: `clearing:${gateway}`, rupiah })));
    expect(payments.map(({ gateway }) => gateway)).toEqual(['midtrans', 'xendit']);
    expect(provider.system.output()).not.toMatch(/mistake of ours|fatal/i);
  }, 30_000);
});

/** A browser behind a line that is up. */
const at = (username: string): Promise<BrowserContext> =>
  browser.newContext({
    ...phone,
    extraHTTPHeaders: { 'x-forwarded-for': provider.router.session(username)!.address! },
  });

const bill = (page: Page, state: string): Locator => page.locator('li.bill').filter({ hasText: state });

async function logIn(page: Page, { portalId, pin }: Customer): Promise<void> {
  await page.locator('#portalId').fill(portalId);
  await page.locator('#pin').fill(pin);
  await page.locator('form.card button').click();
  await page.waitForURL((url) => !url.pathname.endsWith('/login'));
}

/** Has the page make the link of a bill; resolves with the gateway's page, which opens in a tab of its own. */
async function pay(page: Page, of: Locator, gateway: 'midtrans' | 'xendit'): Promise<Page> {
  await of.locator('select').selectOption(gateway);
  const opened = page.context().waitForEvent('page');
  await of.getByRole('button', { name: 'Generate Link Pembayaran' }).click();
  const tab = await opened;
  await tab.waitForURL(`${provider.money[gateway].url}/**`);
  return tab;
}

async function line(username: string, bps: number, list: string): Promise<void> {
  await provider.router.until(
    `${username} has ${bps} bit/s in ${list}`,
    () => {
      const session = provider.router.session(username);
      return session?.limits.downloadBps === bps && session.addressLists.join() === list;
    },
    15_000,
  );
}
