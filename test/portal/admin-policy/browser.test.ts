import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { wallClock } from '#domain/time';
import { writeDocument } from '#test/portal/admin-policy/house';
import { type LiveNetwork, startLiveNetwork } from '#test/portal/admin-policy/live-network';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

/**
 * An engineer adds a night boost and a fair-use step in the browser, sees what that would do, publishes it to a share of
 * 2,000 live sessions, watches it spread and takes it back. Real server and browser, simulated router.
 */

const LINES = 2000;
const HEAVY = 200;
const BEFORE = { '20': LINES };
const AFTER = { '10': HEAVY, '40': LINES - HEAVY };

const dataDir = mkdtempSync(join(tmpdir(), 'gerbang-policy-'));
let network: LiveNetwork;
let browser: Browser;
let page: Page;
const problems: string[] = [];

beforeAll(async () => {
  network = await startLiveNetwork(dataDir, LINES, HEAVY);
  browser = await launchChromium();
}, 180_000);
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(network.system.output().slice(-6000));
});
afterAll(async () => {
  await browser?.close();
  await network?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

/** The hours around now on the company's clock: a night that is not waited for. */
function aroundNow(): { from: string; to: string } {
  const hour = (shift: number) =>
    String((wallClock(Date.now(), 'Asia/Jakarta').hour + shift + 24) % 24).padStart(2, '0');
  return { from: `${hour(-2)}:00`, to: `${hour(3)}:30` };
}

/** The document in the editor with a fair-use step and a boost before its rule "active", and a case for each. */
function withRules(text: string): string {
  const { from, to } = aroundNow();
  const rules = `  - name: fair use
    when: {all: [covered, allowance left, {used: 10GB, per: month from renewal}]}
    give: {access: reduced, rate: 50% of plan, list: prepaid-active, profile: plan}
  - name: night boost
    when: {all: [covered, allowance left, {window: {from: "${from}", to: "${to}"}}]}
    give: {access: full, rate: plan x 2, list: prepaid-active, profile: plan}
`;
  const at = text.indexOf('  - name: active');
  return text.slice(0, at) + rules + text.slice(at);
}

const textOf = (selector: string) => page.locator(selector).innerText();

describeWithChromium('a night boost and a fair-use step, in the browser', () => {
  test('an engineer logs in and opens the editor', async () => {
    page = await (await browser.newContext({ locale: 'id-ID', viewport: { width: 1280, height: 900 } })).newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(`${network.url}/login`);
    await page.locator('#username').fill('admin');
    await page.locator('#password').fill(network.oneTimePassword);
    await page.locator('main button').click();
    await page.locator('#old').fill(network.oneTimePassword);
    await page.locator('#new').fill('kantor-baru-2026');
    await page.locator('#again').fill('kantor-baru-2026');
    await page.locator('main form button').first().click();
    await page.waitForURL('**/prepaid/dashboard');
    await page.locator('nav a[href="/policy"]').click();
    await page.locator('a[href="/policy/edit"]').click();
    await page.locator('.cm-content').waitFor();
    expect(network.speeds()).toEqual(BEFORE);
  }, 60_000);

  test('a slip is marked where it is, while it is written', async () => {
    const right = withRules(await page.locator('#text').inputValue());
    await writeDocument(page, right.replace('rate: plan x 2', 'rat: plan x 2'));
    await page.locator('.cm-lintRange-error').first().waitFor();
    expect(await textOf('[data-checked]')).toMatch(/Baris \d+/);
    await writeDocument(page, right);
    await expect.poll(() => textOf('[data-checked]'), { timeout: 15_000 }).toContain('Bisa diterbitkan');
    expect(await page.locator('.cm-lintRange-error').count()).toBe(0);
  }, 60_000);

  test('the simulator says what a subscriber would get, and why', async () => {
    await page.locator('#subscriber').fill('line-1500');
    await page.locator('[formaction="/policy/simulate"]').click();
    await page.locator('#simulated .answer').first().waitFor();
    const answer = await textOf('#simulated');
    expect(answer).toContain('40 Mbps');
    expect(answer).toContain('night boost');
    expect(answer).toContain('20 Mbps');
  }, 30_000);

  test('the plan says what it would do to every live session, before it does', async () => {
    await page.locator('[formaction="/policy/plan"]').click();
    await page.locator('#plan .groups').first().waitFor();
    const plan = await textOf('#plan');
    expect(plan).toMatch(/Sesi yang hidup\s+2\.000\s+2\.000 CoA, 0 putus/);
    expect(plan).toMatch(/night boost[\s\S]*1800/);
    expect(plan).toMatch(/fair use[\s\S]*200/);
    expect(await page.locator('#plan svg.flow path').count()).toBe(2);
    expect(network.speeds()).toEqual(BEFORE);
  }, 30_000);

  test('saved, it is in force for nobody; published, for a share that is watched', async () => {
    await page.locator('#note').fill('malam dua kali, dan batas wajar');
    await page.locator('[formaction="/policy/save"]').click();
    await page.waitForURL('**/policy/publish?revision=*');
    await page.locator('section[data-load] .groups').first().waitFor();
    expect(network.speeds()).toEqual(BEFORE);
    await page.locator('#canary').fill('5');
    await page.locator('#watch').fill('10');
    await page.locator('#perSecond').fill('400');
    await page.locator('form[action="/policy/publish"] button').click();
    await page.waitForURL('**/policy');
    await page.getByText('Bagian pertama diawasi').waitFor();
    // About a twentieth of the lines, and no other.
    await expect.poll(changed, { timeout: 20_000 }).toBeGreaterThan(50);
    expect(changed()).toBeLessThan(200);
  }, 60_000);

  test('it spreads before one’s eyes, and is done', async () => {
    await page.getByText('Sedang menyebar').waitFor({ timeout: 60_000 });
    const shares: number[] = [];
    await expect
      .poll(
        async () => {
          const value = await page.locator('progress').getAttribute('value');
          if (value !== null && Number(value) !== shares.at(-1)) shares.push(Number(value));
          return page.getByText('berlaku untuk semua, menggantikan').count();
        },
        { timeout: 120_000, interval: 100 },
      )
      .toBe(1);
    expect(shares.length).toBeGreaterThan(2);
    expect(shares).toEqual([...shares].sort((one, other) => one - other));
    await expect.poll(() => network.speeds(), { timeout: 20_000 }).toEqual(AFTER);
  }, 240_000);

  test('it is taken back, and every line is as before', async () => {
    await page.locator('summary:has-text("Kembali ke revisi")').click();
    await page.locator('#reason').fill('hanya uji coba');
    await page.locator('form[action="/policy/rollback"] button').click();
    await page.getByText('hanya uji coba').first().waitFor();
    await page.getByText('Sudah ditarik').waitFor({ timeout: 120_000 });
    await expect.poll(() => network.speeds(), { timeout: 30_000 }).toEqual(BEFORE);
    expect(await textOf('h2#in-force')).toContain('revisi 1');
    expect(problems).toEqual([]);
  }, 240_000);
});

/** Lines that have another speed than before. */
const changed = (): number => LINES - (network.speeds()['20'] ?? 0);
