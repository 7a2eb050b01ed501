import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** WCAG 2.2, 2.5.5: what a thumb hits. A radio is hit by its whole label. */
const TARGETS =
  'a, button, summary, input:not([type=hidden], [type=radio], [type=checkbox], .unseen), label:has(input)';
const SMALLEST_TARGET = 44;

/**
 * Passed rules are only counted by it: to list all they looked at takes two thirds of its time. Stylesheets are not fetched
 * again for the one rule that reads them (turned screens, which ours do not look at).
 */
const EVERY_RULE: RunOptions = { resultTypes: ['violations'], preload: false };
/** All that a theme changes is colours. */
const COLOURS: RunOptions = { ...EVERY_RULE, runOnly: ['color-contrast', 'link-in-text-block'] };
/** Colours take two thirds of the time. */
const NO_COLOURS: RunOptions = { ...EVERY_RULE, rules: { 'color-contrast': { enabled: false } } };

/** What is wider shows the same in the same colours: those are looked at on a phone. */
const PHONE_WIDTH = 500;

/**
 * What is wrong with the page that is open, as lines: serious and critical findings of axe-core, on a phone with the colours
 * of the light and the dark theme, with everything that is folded away opened, and what stands out at the side. `targets`:
 * also what is too small for a thumb.
 */
export async function looksFaults(page: Page, { targets = false } = {}): Promise<string[]> {
  // Strings, so that they need neither a DOM here nor leave from the page's policy.
  await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
  await page.evaluate(AXE);
  await page.emulateMedia({ colorScheme: 'light' });
  const isPhone = (page.viewportSize()?.width ?? 0) < PHONE_WIDTH;
  const faults = await graveFindings(page, isPhone ? EVERY_RULE : NO_COLOURS);
  if (isPhone) faults.push(...(await darkFaults(page)));
  await page.emulateMedia({ colorScheme: null });
  const [inside, all] = (await page.evaluate(
    '[document.documentElement.clientWidth, document.documentElement.scrollWidth]',
  )) as [number, number];
  if (all > inside) faults.push(`stands out at the side: ${all} px of ${inside}`);
  if (targets) faults.push(...(await smallTargets(page)));
  return faults;
}

/** Waits until a page that is loaded has been drawn, and what its scripts had to say until then has been heard. */
export async function drawn(page: Page): Promise<void> {
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done)))');
}

/** Colours of what only a wide page shows: the menu at the side, heads of tables. `looksFaults` comes first. */
export async function wideColourFaults(page: Page): Promise<string[]> {
  return [...(await graveFindings(page, COLOURS)), ...(await darkFaults(page))];
}

async function darkFaults(page: Page): Promise<string[]> {
  await page.emulateMedia({ colorScheme: 'dark' });
  return (await graveFindings(page, COLOURS)).map((fault) => `dark: ${fault}`);
}

async function graveFindings(page: Page, options: RunOptions): Promise<string[]> {
  const found = await page.evaluate(`axe.run(${JSON.stringify(options)}).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html.slice(0, 120))))`);
  return found as string[];
}

async function smallTargets(page: Page): Promise<string[]> {
  const found = await page.evaluate(`[...document.querySelectorAll(${JSON.stringify(TARGETS)})].flatMap((one) => {
    const { height } = one.getBoundingClientRect();
    return height > 0 && height < ${SMALLEST_TARGET} ? ['too small: ' + height + ' px: ' + one.outerHTML.slice(0, 120)] : [];
  })`);
  return found as string[];
}
