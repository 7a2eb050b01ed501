import type { Page } from 'playwright-core';
import { MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { firstPolicy } from '#operations/first-policy';
import { savePolicy, startRollout } from '#operations/publish-policy';
import { policyDictionary } from '#radius/policy-dictionary';
import { edited, writeDocument } from '#test/portal/admin-policy/house';

const FAIR_USE = `  - name: batas wajar 300 GB
    when: {all: [covered, {used: 300GB, per: month from renewal}]}
    give: {access: reduced, rate: 50% of plan, list: prepaid-active, profile: plan}
`;
const boost = (factor: number) => `  - name: malam lebih cepat
    when: {all: [covered, allowance left, {window: {from: "00:00", to: "06:00"}}]}
    give: {access: full, rate: plan x ${factor}, list: prepaid-active, profile: plan}
`;
const CASES = `cases:
  - name: malam dua kali lipat
    given: {plan: 20M/10M, allowance: 200GB, used: 10GB}
    at: 2026-11-22 01:00
    expect: {access: full, rate: 40M/20M, because: rule "malam lebih cepat"}
`;

/** The default policy, and another that takes its place just now: two fifths of the lines have it. */
export async function seedPolicy(desk: Desk, now: number): Promise<void> {
  await firstPolicy(desk);
  const draft = { text: edited(FAIR_USE + boost(2), CASES), note: 'malam lebih cepat, batas wajar', base: 1 };
  const saved = await savePolicy({ ...desk, actor: 'staff:rina' }, draft, policyDictionary);
  if (saved.is !== 'saved') throw new Error(`the policy of the pictures is ${JSON.stringify(saved)}`);
  const pace = { canary: 0.01, perSecond: 50, watchSeconds: 60 };
  await startRollout({ ...desk, actor: 'staff:rina' }, { revision: saved.revision, ...pace });
  await desk.db.execute(
    `update policy_rollout set stage = 'spreading', share = 0.42, salt = 7, wanted = 1312, told = 1297, naks = 2,
       started_at = to_timestamp($1), expected_end = to_timestamp($2)`,
    [(now - 2 * MINUTE) / 1000, (now + MINUTE) / 1000],
  );
}

/** Somebody tries thrice the speed in the editor … */
export async function editPolicy(page: Page): Promise<void> {
  await page.locator('.cm-content').waitFor();
  const cases = CASES.replace('dua kali', 'tiga kali').replace('40M/20M', '60M/30M');
  await writeDocument(page, edited(boost(3) + FAIR_USE, cases, 2));
  await page.locator('[data-checked]').getByText('malam tiga kali lipat').waitFor();
}

/** … and asks what it would do. */
export async function planPolicy(page: Page): Promise<void> {
  await editPolicy(page);
  await page.locator('[data-part=plan]').click();
  await page.locator('#plan table').first().waitFor();
}
