import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, mostly waiting: begun last, one of them would be all that still runs at the end. */
const LONGEST = [
  'story/story',
  'story/policy',
  'story/money',
  'system/two-nodes',
  'system/failover',
  'accounting/kill',
  'system/commands',
  'system/life',
  'storage/embedded',
  'world/demo',
  'system/canary',
  'portal/admin-first/browser',
  'portal/admin-second/settings-browser',
  'system/outage',
  'portal/admin-second/staff-browser',
  'whatsapp/cloud',
  'whatsapp/kill',
  'whatsapp/faults',
  'whatsapp/sending',
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
