import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** WCAG 2.2, 2.5.5: what a thumb hits. A radio is hit by its whole label. */
const TARGETS =
  'a, button, summary, input:not([type=hidden], [type=radio], [type=checkbox], .unseen), label:has(input)';
const SMALLEST_TARGET = 44;

/**
 * What is wrong with the page that is open, as lines: serious and critical findings of axe-core, with everything that
 * is folded away opened, and what stands out at the side. `targets`: also what is too small for a thumb.
 */
export async function looksFaults(page: Page, { targets = false } = {}): Promise<string[]> {
  // Strings, so that they need neither a DOM here nor leave from the page's policy.
  await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const faults = grave.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`));
  const [inside, all] = (await page.evaluate(
    '[document.documentElement.clientWidth, document.documentElement.scrollWidth]',
  )) as [number, number];
  if (all > inside) faults.push(`stands out at the side: ${all} px of ${inside}`);
  if (targets) faults.push(...(await smallTargets(page)));
  return faults;
}

async function smallTargets(page: Page): Promise<string[]> {
  const found = await page.evaluate(`[...document.querySelectorAll(${JSON.stringify(TARGETS)})].flatMap((one) => {
    const { height } = one.getBoundingClientRect();
    return height > 0 && height < ${SMALLEST_TARGET} ? ['too small: ' + height + ' px: ' + one.outerHTML.slice(0, 120)] : [];
  })`);
  return found as string[];
}
