import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, mostly waiting: begun last, one of them would be all that still runs at the end. */
const LONGEST = [
  'story/story',
  'story/policy',
  'system/commands',
  'freeradius/outage',
  'portal/admin-first/browser',
  'recurring/year',
  'enforcement/rollout-nodes',
  'accounting/kill',
  'system/canary',
  'portal/admin-policy/browser',
  'world/demo',
  'portal/admin-second/settings-browser',
  'portal/admin-policy/editor-browser',
  'system/two-nodes',
  'system/life',
  'story/money',
  'whatsapp/faults',
  'system/nas-check',
  'freeradius/whole',
  'system/outage',
  'payments/outage',
  'system/live',
  'portal/admin-first/bulk',
  'storage/embedded',
  'portal/admin-second/staff-browser',
  'billing/commands',
  'portal/admin-money/browser',
  'redirect/redirect',
  'system/rollout',
  'payments/kill',
  'recurring/kill',
  'payments/chaos',
  'operations/check-nas-sessions',
  'system/static-lines',
  'portal/customer/self-service-browser',
  'enforcement/rollout-back',
].map((name) => fileURLToPath(new URL(`../${name}.test.ts`, import.meta.url)));

/** Begins with the longest test files; the others follow as vitest has it, those that failed first. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = LONGEST.filter((file) => !existsSync(file));
    if (gone.length > 0) throw new Error(`no longer there: ${gone.join(', ')}`);
    const others = (await super.sort(files)).filter(({ moduleId }) => !LONGEST.includes(moduleId));
    const longest = LONGEST.flatMap((file) => files.filter(({ moduleId }) => moduleId === file));
    return [...longest, ...others];
  }
}
