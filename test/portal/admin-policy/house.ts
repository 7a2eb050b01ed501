import type { Page } from 'playwright-core';
import { defaultPolicy } from '#domain/policy';
import { printPolicy } from '#domain/policy-document';
import { firstPolicy } from '#operations/first-policy';
import { seedProvider } from '#test/portal/admin-first/provider';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, type PortalOptions, startPortal, type TestPortal } from '#test/portal/harness';

/** A company with subscribers, and the default policy in force as revision 1. */
export async function startPolicyHouse(options: PortalOptions = {}, subscribers = 60): Promise<TestPortal> {
  const pages = await startPortal(options);
  await seedProvider(pages.desk, NOW, subscribers);
  await firstPolicy(pages.desk);
  return pages;
}

export const BOOST = `  - name: night boost
    when: {all: [covered, allowance left, {window: {from: "00:00", to: "06:00"}}]}
    give: {access: full, rate: plan x 2, list: prepaid-active, profile: plan}
`;

/** The default policy with rules put before its rule "active", and cases behind. */
export function edited(rules: string, cases = '', revision = 1): string {
  const text = printPolicy(defaultPolicy(), revision);
  const at = text.indexOf('  - name: active');
  if (at < 0) throw new Error(`the default policy has no rule "active":\n${text}`);
  return `${text.slice(0, at)}${rules}${text.slice(at)}${cases}`;
}

/** What stands in the field of this name on a page. */
export function fieldOf(html: string, name: string): string {
  const area = new RegExp(`<textarea[^>]* name="${name}"[^>]*>([\\s\\S]*?)</textarea>`).exec(html)?.[1];
  const input = new RegExp(`<input[^>]* name="${name}"[^>]* value="([^"]*)"`).exec(html)?.[1];
  return (area ?? input ?? '').replace(/&(#x27|#x3D|quot|lt|gt|amp);/g, (_, sign: string) => SIGNS[sign]!);
}

const SIGNS: Readonly<Record<string, string>> = {
  '#x27': "'",
  '#x3D': '=',
  quot: '"',
  lt: '<',
  gt: '>',
  amp: '&',
};

export const said = async (browser: Browserlike, path: string): Promise<string> =>
  textOf((await browser.open(path)).text);

/** Saves a document through the editor and returns its revision. */
export async function saveRevision(browser: Browserlike, text: string, note = ''): Promise<number> {
  const editor = await browser.open('/policy/edit');
  const saved = await browser.post('/policy/save', { text, note, base: fieldOf(editor.text, 'base') });
  const revision = /^\/policy\/publish\?revision=(\d+)$/.exec(saved.location ?? '')?.[1];
  if (revision === undefined) throw new Error(`not saved (${saved.status}): ${textOf(saved.text)}`);
  return Number(revision);
}

/** Pastes a document over the one in the editor, as somebody does who wrote it elsewhere. */
export async function writeDocument(page: Page, text: string): Promise<void> {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  // A string, so that it needs no DOM here.
  await page.evaluate(`{
    const data = new DataTransfer();
    data.setData('text/plain', ${JSON.stringify(text)});
    document.querySelector('.cm-content').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  }`);
  if ((await page.locator('#text').inputValue()) !== text) throw new Error('the editor holds something else');
}
