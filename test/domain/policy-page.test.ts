import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultPolicy } from '#domain/policy';
import { type Fault, isPublishable, printPolicy } from '#domain/policy-document';
import { check, line } from '#test/domain/policy-documents';
import { policyReference } from '#test/domain/policy-reference';

/** `docs/POLICY.md` teaches by documents: they must be what it says of them. */
const FILE = new URL('../../docs/POLICY.md', import.meta.url);
const REFERENCE = /(<!-- reference: begin .*-->\n)[\s\S]*(<!-- reference: end -->)/;
const page = readFileSync(FILE, 'utf8');
const [shown = '', night = '', ladder = '', cases = '', recipes = ''] = [
  ...page.matchAll(/```yaml\n([\s\S]*?)```/g),
].map(([, text]) => text!);

const above = (rule: string, more: string, document: string) => document.replace(`  - name: ${rule}\n`, `${more}$&`);
const whole = above('active', night + ladder, shown) + cases;

describe('the page on policies', () => {
  test('shows the policy of a new installation as it is', () => {
    expect(shown).toBe(printPolicy(defaultPolicy(), 1));
  });

  test('leads to a document that can be published, without a warning', () => {
    const checked = check(whole);
    expect(checked.faults.map(line)).toEqual([]);
    expect(checked.warnings.map(line)).toEqual([]);
    expect(checked.cases.map(({ name, differences }) => [name, differences])).toEqual(
      checked.cases.map(({ name }) => [name, []]),
    );
    expect(checked.cases).toHaveLength(4);
    expect(isPublishable(checked)).toBe(true);
    expect(checked.policy?.rules.map(({ name }) => name)).toEqual([
      'suspended',
      'overdue, paying',
      'overdue',
      'night boost',
      'fair use, 150 GB',
      'fair use, 100 GB',
      'active',
      'paying',
      'no package',
    ]);
  });

  test('is right that its cases fail with another rule, and that the order of the steps matters', () => {
    const [first] = check(whole.replace('plan x 2', 'plan x 3')).cases;
    expect(first?.differences).toEqual(['rate: expected 40M/20M, got 60M/30M']);
    const [larger, smaller] = ladder.split(/(?=^ {2}- name)/m) as [string, string];
    const { warnings } = check(above('active', night + smaller + larger, shown));
    expect(warnings.map(({ what }) => what)).toEqual([
      'this is never reached: whenever it holds, rule "fair use, 100 GB" decides first',
    ]);
  });

  test('shows a fault as it is said', () => {
    const [{ line, column, what, fix }] = check(shown.replace('all: [covered,', 'all: [coverd,')).faults as [Fault];
    expect(page).toContain(`policy.yaml:${line}:${column}  ${what}; ${fix}\n`);
  });

  test('has recipes that can be put where it says', () => {
    const rules = recipes.split(/(?=^ {2}# )/m).filter((rule) => rule.trim() !== '');
    expect(rules.length).toBeGreaterThanOrEqual(7);
    for (const rule of rules) {
      const [, place = ''] = /Above (?:the )?"?([\w -]+)"?\.$/m.exec(rule) ?? [];
      const before = { 'fair-use rules': 'fair use, 150 GB' }[place] ?? place;
      const text = above(before, rule, whole);
      expect(text, rule).not.toBe(whole);
      const { faults, warnings } = check(text);
      expect([...faults, ...warnings].map(line), rule).toEqual([]);
    }
  });

  test('has a reference made from the schema (UPDATE=1 makes it anew)', () => {
    const wanted = page.replace(
      REFERENCE,
      (_all, begin: string, end: string) => `${begin}\n${policyReference()}${end}`,
    );
    if (process.env.UPDATE === '1') writeFileSync(FILE, wanted);
    expect(readFileSync(FILE, 'utf8')).toBe(wanted);
    expect(page).toMatch(REFERENCE);
  });
});
