import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRollout } from '#operations/publish-policy';
import { COOKIES } from '#portal/shared/context';
import { HOSTILE } from '#test/portal/admin-first/people';
import { BOOST, edited, saveRevision, startPolicyHouse, writeDocument } from '#test/portal/admin-policy/house';
import type { Browserlike } from '#test/portal/browserlike';
import type { TestPortal } from '#test/portal/harness';
import { drawn, looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

const CASES = `cases:
  - name: at night twice the speed
    given: {plan: 20M/10M}
    at: 2026-11-21 01:00
    expect: {access: full, rate: 40M/20M}
`;
const LONG = `  - name: ${'wijayakusuma'.repeat(8)}
    when: {all: [covered, {tag: ${'x'.repeat(90)}}]}
    give: {access: full, rate: 50% of plan, list: prepaid-active}
`;

describeWithChromium('policies in a real browser', () => {
  let pages: TestPortal;
  let browser: Browser;
  let staff: Browserlike;
  let revision: number;

  beforeAll(async () => {
    pages = await startPolicyHouse();
    staff = await pages.loginStaff('network-engineer', 'andi');
    revision = await saveRevision(staff, edited(LONG + BOOST, CASES), `${HOSTILE} ${'panjang'.repeat(15)}`);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    expect(pages.logged).toEqual([]);
    await pages.stop();
  });

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
    const context = await browser.newContext(options);
    await context.addCookies([{ name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: pages.url }]);
    return context;
  }

  /** A page that says nothing in its console but what a test means it to. */
  async function quietPage(context: BrowserContext): Promise<{ page: Page; problems: string[] }> {
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => void (message.type() === 'error' && problems.push(message.text())));
    return { page, problems };
  }

  async function openEditor(page: Page): Promise<void> {
    await page.goto(`${pages.url}/policy/edit`);
    await page.locator('.cm-content').waitFor();
    await drawn(page);
  }

  test('a document is highlighted, under the same strict policy as every page, and the console stays empty', async () => {
    const context = await open();
    const { page, problems } = await quietPage(context);
    await openEditor(page);
    for (const kind of ['propertyName', 'string', 'punctuation'])
      expect(await page.locator(`.cm-content .tok-${kind}`).count()).toBeGreaterThan(0);
    expect(await page.locator('#text').isVisible()).toBe(false);
    await page.goto(`${pages.url}/policy/revisions/${revision}`);
    await page.locator('.cm-content[contenteditable=false] .tok-propertyName').first().waitFor();
    expect(problems).toEqual([]);
    await context.close();
  });

  test('what is wrong is marked at its line, a press leads there, and it is saved as it stands in the editor', async () => {
    const context = await open();
    const { page } = await quietPage(context);
    await openEditor(page);
    const wrong = edited(BOOST.replace('access: full', 'access: ful'));
    await writeDocument(page, wrong);
    await page.locator('.cm-lint-marker-error').waitFor();
    expect(await page.locator('.cm-lintRange-error').innerText()).toBe('ful');
    await page.keyboard.press('Control+Home');
    await page.locator('[data-checked] [data-line]').first().click();
    await page.keyboard.press('Delete');
    await page.keyboard.press('Delete');
    await page.keyboard.press('Delete');
    await page.keyboard.type('full');
    expect(await page.locator('#text').inputValue()).toBe(edited(BOOST));
    await expect.poll(() => page.locator('[data-checked]').innerText()).toContain('Bisa diterbitkan');
    await expect.poll(() => page.locator('.cm-lintRange-error').count()).toBe(0);
    await context.close();
  });

  test('what may stand at a place is offered: keys of a rule, and the words of a value', async () => {
    const context = await open();
    const { page } = await quietPage(context);
    await openEditor(page);
    await writeDocument(page, 'rules:\n  - name: a\n    ');
    const offers = async (...words: string[]) => {
      await page.keyboard.press('Control+Space');
      const labels = page.locator('.cm-completionLabel');
      await expect.poll(() => labels.allInnerTexts()).toEqual(expect.arrayContaining(words));
    };
    await offers('give', 'when');
    await page.keyboard.type('gi');
    await page.keyboard.press('Enter');
    await page.keyboard.type('{access: ');
    await offers('full', 'reduced', 'walled');
    await page.keyboard.press('Escape');
    await page.keyboard.type('full}');
    expect(await page.locator('#text').inputValue()).toBe('rules:\n  - name: a\n    give: {access: full}');
    await page.keyboard.press('Enter');
    await page.keyboard.type('when: ');
    await offers('covered', 'suspended');
    await context.close();
  });

  test('an edit is not lost by leaving, and the keyboard leads out of the editor', async () => {
    const context = await open();
    const { page } = await quietPage(context);
    await openEditor(page);
    await writeDocument(page, edited(BOOST));
    await page.keyboard.press('Escape');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('note');
    const asked = new Promise<string>((resolve) => {
      page.once('dialog', (dialog) => {
        resolve(dialog.type());
        void dialog.dismiss();
      });
    });
    await page.locator('.head a[href="/policy"]').click({ noWaitAfter: true });
    expect(await asked).toBe('beforeunload');
    expect(await page.locator('#text').inputValue()).toBe(edited(BOOST));
    page.once('dialog', (dialog) => void dialog.accept());
    await context.close();
  });

  test('a login that ended is said while one writes, not when it is too late; after another one goes on', async () => {
    const context = await open();
    const { page } = await quietPage(context);
    await openEditor(page);
    const cookies = await context.cookies();
    await context.clearCookies({ name: COOKIES.staff });
    await writeDocument(page, edited(BOOST));
    await page.getByText('Login Anda sudah berakhir').waitFor();
    expect(await page.locator('[data-checked] a').getAttribute('target')).toBe('_blank');
    await context.addCookies(cookies);
    await page.keyboard.press('Control+End');
    await page.keyboard.type('# ');
    await expect.poll(() => page.locator('[data-checked]').innerText()).toContain('Bisa diterbitkan');
    await context.setOffline(true);
    await page.keyboard.type('#');
    await page.getByText('Server tidak menjawab').waitFor();
    expect(await page.locator('#text').inputValue()).toBe(`${edited(BOOST)}# #`);
    await context.close();
  });

  test('two who edit at once: the second joins both texts beside each other, and only what it took over changes', async () => {
    const context = await open({ viewport: { width: 1280, height: 900 } });
    const { page } = await quietPage(context);
    await openEditor(page);
    const mine = edited(BOOST.replaceAll('night boost', 'slow night').replace('plan x 2', '50% of plan'));
    await writeDocument(page, mine);
    const theirs = edited(LONG + BOOST, '', 7);
    await saveRevision(staff, theirs);
    await page.locator('[formaction="/policy/save"]').click();
    await page.locator('.cm-mergeView').waitFor();
    expect(await page.locator('.cm-merge-a .cm-content').innerText()).toContain('night boost');
    expect(await page.locator('#text').inputValue()).toBe(mine);
    await page.locator('.cm-merge-revert button').first().click();
    const joined = await page.locator('#text').inputValue();
    expect(joined).not.toBe(mine);
    await page.locator('form[action="/policy/save"] button:has-text("Simpan")').click();
    await page.waitForURL('**/policy/publish?revision=*');
    await context.close();
  });

  test.each([360, 1280])(
    'at %i px, light and dark, nothing is wrong for anybody, and nothing stands out at the side',
    async (width) => {
      const context = await open({ viewport: { width, height: 800 }, bypassCSP: true });
      const { page, problems } = await quietPage(context);
      const faults: string[] = [];
      const look = async (path: string, act?: () => Promise<void>) => {
        await page.goto(pages.url + path);
        await page.waitForLoadState('networkidle');
        await act?.();
        faults.push(...(await looksFaults(page)).map((fault) => `${path} ${act ?? ''}: ${fault}`));
      };
      await look('/policy');
      await look('/policy/edit', async () => {
        await page.locator('#subscriber').fill('nobody');
        await page.locator('[formaction="/policy/simulate"]').click();
        await page.locator('#simulated .faults').waitFor();
        await page.locator('[formaction="/policy/plan"]').click();
        await page.locator('#plan h2').waitFor();
      });
      await look('/policy/edit', async () => {
        await writeDocument(page, edited(BOOST.replace('give', 'gives')));
        await page.locator('.cm-lint-marker-error').first().waitFor();
      });
      const [row] = await pages.db.query<{ username: string }>('select username from subscriber order by id limit 1');
      await look(`/policy/simulate?subscriber=${row!.username}&at=2026-11-22T01:00&revision=${revision}`);
      await look(`/policy/diff?from=1&to=${revision}`);
      await look(`/policy/revisions/${revision}`);
      await look(`/policy/plan?revision=${revision}`);
      await look(`/policy/publish?revision=${revision}`, () => page.locator('section[data-load] h2').waitFor());
      await look('/policy/edit', async () => {
        await page.evaluate("document.querySelector('[name=base]').value = '1'");
        await writeDocument(page, edited(BOOST.replace('plan x 2', 'plan x 3')));
        await page.locator('[formaction="/policy/save"]').click();
        await page.locator('.merged .cm-content').first().waitFor();
      });
      expect(problems.filter((line) => !line.includes('409'))).toEqual([]);
      expect(faults).toEqual([]);
      await context.close();
    },
    240_000,
  );

  test('a roll-out looks right at every width, and the page without a script loads itself again', async () => {
    await startRollout(pages.desk, { revision, canary: 0.05, perSecond: 50, watchSeconds: 60 });
    const context = await open({ viewport: { width: 360, height: 800 }, bypassCSP: true });
    const { page, problems } = await quietPage(context);
    await page.goto(`${pages.url}/policy`);
    expect(await looksFaults(page)).toEqual([]);
    expect(await page.locator('progress').getAttribute('aria-label')).toMatch(/pelanggan memakai yang baru/);
    await pages.db.execute(`update policy_rollout set share = 0.42, stage = 'spreading' where ended_at is null`);
    await page.getByText('42% pelanggan').waitFor();
    await page.goto(`${pages.url}/policy/publish?revision=${revision}`);
    expect(await page.locator('form[action="/policy/publish"] button').isDisabled()).toBe(true);
    expect(problems).toEqual([]);
    await context.close();
    const plain = await open({ javaScriptEnabled: false });
    const still = await plain.newPage();
    await still.goto(`${pages.url}/policy`);
    await pages.db.execute(`update policy_rollout set share = 0.77 where ended_at is null`);
    await still.getByText('77% pelanggan').waitFor();
    await plain.close();
  }, 60_000);
});
