import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addPlan } from '#operations/add-plan';
import { COOKIES } from '#portal/shared/context';
import { invoicesOf } from '#storage/invoices';
import { findPlan } from '#storage/plans';
import { subscriptionOf } from '#storage/subscriptions';
import { addPerson, HOSTILE } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';
import { looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

let pages: TestPortal;
let staff: Browserlike;
let plans: Record<'small' | 'big', number>;
const CHEAP = 'Rumah 10';
const DEAR = 'Rumah 50';

beforeAll(async () => {
  pages = await startPortal();
  staff = await pages.loginStaff('customer-service', 'cs');
  // For the token of its form.
  await staff.open('/account');
  for (const [name, price] of [
    [CHEAP, '200000'],
    [DEAR, '450000'],
  ] as const)
    await addPlan(pages.desk, { name, down: '20M', up: '5M', period: 'month', price });
  const idOf = async (name: string) => (await findPlan(pages.db, { name }))!.planId;
  plans = { small: await idOf(CHEAP), big: await idOf(DEAR) };
});
afterAll(async () => {
  await pages.stop();
  expect(pages.logged).toEqual([]);
});

const person = (more: object = {}) => addPerson(pages.desk, { billing: 'postpaid', ...more });
const said = async (path: string): Promise<string> => textOf((await staff.open(path)).text);
const subscribed = async (more: object = {}) => {
  const { id } = await person(more);
  await staff.submit(`/customers/${id}/subscription`, { plan: String(plans.small), billingDay: '1' });
  return id;
};
/** What the button of the preview sends. */
const accepted = (text: string) => ({ plan: String(plans.big), total: /name="total" value="(\d+)"/.exec(text)![1]! });

describe('the subscription on the page of a postpaid customer', () => {
  test('is started there, with its first invoice over the days to the billing day', async () => {
    const { id } = await person();
    expect(await said(`/customers/${id}`)).toContain('Belum ada langganan');
    const wrong = await staff.submit(`/customers/${id}/subscription`, { plan: String(plans.small), billingDay: '40' });
    expect(wrong.status).toBe(422);
    expect(textOf(wrong.text)).toContain('1 sampai 31');
    const done = await staff.submit(`/customers/${id}/subscription`, { plan: String(plans.small), billingDay: '1' });
    expect(textOf(done.text)).toContain('Langganan Rumah 10 dimulai. Tagihan berikutnya 1 Des 2026');
    // Ten of thirty days.
    expect(await said(`/customers/${id}`)).toMatch(/sampai 1 Des 2026.*tiap tanggal 1 .*Belum dibayar Rp 66\.666/);
  });

  test('shows what a change costs before it is accepted, and orders just that', async () => {
    const id = await subscribed();
    const { text } = await staff.open(`/customers/${id}/subscription/change?plan=${plans.big}`);
    expect(textOf(text)).toContain('Sisa Rumah 10 sampai 30 Nov 2026');
    expect(textOf(text)).toContain('Lalu Rp 450.000 mulai 1 Des 2026');
    const fields = accepted(text);
    const moved = await staff.submit(`/customers/${id}/subscription/change`, { ...fields, total: '1' });
    expect(moved.status).toBe(422);
    expect(textOf(moved.text)).toContain('biaya penggantian ini sekarang Rp');
    expect(await invoicesOf(pages.db, id, 9)).toHaveLength(1);

    const ordered = textOf((await staff.submit(`/customers/${id}/subscription/change`, fields)).text);
    expect(ordered).toContain('Penggantian paket dipesan');
    const [invoice] = await invoicesOf(pages.db, id, 9);
    expect(invoice!.totalRupiah).toBe(Number(fields.total));
    // What is to be received at the counter is what the invoice asks, not the price of the package.
    const amount = `Rp ${invoice!.totalRupiah.toLocaleString('de-DE')}`;
    expect(ordered).toMatch(new RegExp(`Rumah 50[^.]*${amount}`));
    expect(await said('/prepaid/purchases')).toContain(amount);
    const number = /\/prepaid\/purchases\/(P-\w+)\/settle/.exec((await staff.open(`/customers/${id}`)).text)![1]!;
    await staff.submit(`/prepaid/purchases/${number}/settle`, { method: 'cash' });
    expect(await subscriptionOf(pages.db, id)).toMatchObject({ plan: DEAR });
    expect((await invoicesOf(pages.db, id, 9))[0]!.settledAt).not.toBeNull();
  });

  test('is ended there, at the end of the period or now', async () => {
    const id = await subscribed();
    expect(await said(`/customers/${id}/subscription/ending`)).toContain(
      'Internet tetap aktif sampai 1 Des 2026 00.00 WIB',
    );
    const done = await staff.submit(`/customers/${id}/subscription/ending`, { when: 'period-end' });
    expect(textOf(done.text)).toContain('diakhiri. Internet tetap aktif sampai 1 Des 2026 00.00 WIB');
    expect(await said(`/customers/${id}`)).toContain('Tidak ada langganan yang berjalan');
    const other = await subscribed();
    const now = await staff.submit(`/customers/${other}/subscription/ending`, { when: 'now' });
    expect(textOf(now.text)).toMatch(/diakhiri\. Rp 6\d\.\d{3} menjadi saldo pelanggan/);
    expect(textOf((await staff.submit(`/customers/${other}/subscription/ending`, { when: 'now' })).text)).toContain(
      'tidak punya langganan',
    );
  });

  test('is for who may do money, and not on the page of a prepaid line', async () => {
    const id = await subscribed();
    const technician = await pages.loginStaff('technician', 'teknisi');
    for (const path of ['', '/ending', '/change']) {
      expect((await technician.open(`/customers/${id}/subscription${path}`)).status).toBe(403);
      const posted = await technician.submit(`/customers/${id}/subscription${path}`, { plan: String(plans.big) });
      expect(posted.status).toBe(403);
    }
    expect(textOf((await technician.open(`/customers/${id}`)).text)).not.toContain('Akhiri langganan');
    const { id: prepaid } = await addPerson(pages.desk);
    const shown = await staff.open(`/customers/${prepaid}`);
    expect(shown.status).toBe(200);
    expect(textOf(shown.text)).not.toContain('Langganan');
    expect((await staff.open('/customers/999999/subscription')).status).toBe(404);
  });
});

describeWithChromium('the subscription in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test.each([360, 1280])(
    'at %i px, light and dark, nothing is wrong with its pages',
    async (width) => {
      const name = `${HOSTILE}${'Wijayakusuma'.repeat(8)}`;
      const [running, { id: none }] = [await subscribed({ name }), await person({ name })];
      const context = await browser.newContext({ viewport: { width, height: 800 }, bypassCSP: true });
      const cookie = (await pages.loginStaff('owner')).cookies.get(COOKIES.staff)!;
      await context.addCookies([{ name: COOKIES.staff, value: cookie, url: pages.url }]);
      const page = await context.newPage();
      const faults: string[] = [];
      for (const path of [
        `/customers/${running}`,
        `/customers/${none}`,
        `/customers/${none}/subscription`,
        `/customers/${running}/subscription/ending`,
        `/customers/${running}/subscription/change`,
        `/customers/${running}/subscription/change?plan=${plans.big}`,
      ]) {
        expect((await page.goto(pages.url + path))!.status()).toBe(200);
        faults.push(...(await looksFaults(page)).map((fault) => `${path}: ${fault}`));
        const folder = process.env.SCREENSHOTS;
        if (folder)
          await page.screenshot({ path: `${folder}/${width}${path.replace(/\W/g, '-')}.png`, fullPage: true });
      }
      await context.close();
      expect(faults).toEqual([]);
    },
    240_000,
  );
});
