import { InvalidInput } from '#domain/errors';
import { printBps, printBytes, printPeriod, printRupiah } from '#domain/print';
import { addPlan, addPlanSchema } from '#operations/add-plan';
import { deletePlan } from '#operations/delete-plan';
import { faultsOf } from '#operations/input';
import { editPlan, editPlanSchema } from '#operations/save-plan';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { table } from '#policy-server/cli/table';
import type { Queryable } from '#storage/database';
import { findPlan, listPlans, planNames } from '#storage/plans';

const OPTIONS = ['name', 'down', 'up', 'burst', 'quota', 'period', 'price', 'profile'] as const;
const addInput = (given: Given) => Object.fromEntries(OPTIONS.map((option) => [option, textOf(given, option)]));

export const planAdd: Command = {
  name: 'plan add',
  summary: 'Add a plan, or the next revision of the one of that name',
  options: {
    name: { value: 'NAME', help: 'for example prepaid-20mbps' },
    down: { value: 'RATE', help: "the subscriber's download, for example 20M, 1.5M or 512k (decimal)" },
    up: { value: 'RATE', help: "the subscriber's upload" },
    burst: { value: '"DOWN/UP DOWN/UP SECONDS"', help: 'burst rates, thresholds, seconds: "40M/40M 15M/15M 16"' },
    quota: { value: 'BYTES', help: 'allowance, up and down together: 20GB = 20480 MB of 2^20; none = unlimited' },
    period: { value: 'PERIOD', help: 'day, week, month or a number of days such as 30d' },
    price: { value: 'RUPIAH', help: 'whole rupiah, for example 75000' },
    profile: { value: 'NAME', help: 'PPP profile on the router (Mikrotik-Group)' },
  },
  notes: ['What was sold never changes: grants keep the revision they were given.'],
  check: (given) => faultsOf(addPlanSchema, addInput(given)),
  run: async (desk, given) => {
    const added = await addPlan(desk, addInput(given));
    const head =
      added.revision === 1 ? `Plan ${added.name} is added.` : `Plan ${added.name} has its revision ${added.revision}.`;
    const lines = [head, ...added.warnings.map((warning) => `Warning: ${warning}`)];
    lines.push(`Next: gerbang grant add --username USERNAME --plan ${added.name}`);
    return { text: lines.join('\n'), json: added };
  },
};

export const planList: Command = {
  name: 'plan list',
  summary: 'List the plans in their newest revision',
  run: async ({ db }) => {
    const plans = await listPlans(db);
    const text = table(
      plans,
      [
        { title: 'NAME', cell: (plan) => plan.name },
        { title: 'REV', cell: (plan) => String(plan.revision), align: 'right' },
        { title: 'DOWN/UP', cell: (plan) => `${printBps(plan.rate.downloadBps)}/${printBps(plan.rate.uploadBps)}` },
        {
          title: 'BURST',
          cell: ({ rate: { burst } }) =>
            burst === null ? '-' : `${printBps(burst.downloadBps)}/${printBps(burst.uploadBps)}`,
        },
        {
          title: 'QUOTA',
          cell: (plan) => (plan.allowanceBytes === null ? 'unlimited' : printBytes(plan.allowanceBytes)),
        },
        { title: 'PERIOD', cell: (plan) => printPeriod(plan.period) },
        { title: 'PRICE', cell: (plan) => printRupiah(plan.priceRupiah), align: 'right' },
        { title: 'PROFILE', cell: (plan) => plan.profile ?? '-' },
        { title: 'IN FORCE', cell: (plan) => String(plan.grantsInForce), align: 'right' },
      ],
      'There is no plan yet. Add one: gerbang plan add --name prepaid-20mbps --down 20M --up 20M --period 30d --price 75000',
    );
    return { text, json: plans };
  },
};

const EDITABLE = {
  ...Object.fromEntries(OPTIONS.map((option) => [option, option])),
  description: 'description',
  position: 'position',
};
const editInput = (given: Given) => {
  const values = Object.entries(EDITABLE).map(([option, field]) => [field, textOf(given, option)] as const);
  const all = [
    ...values,
    ['name', textOf(given, 'rename')] as const,
    ['onPortal', textOf(given, 'on-portal')] as const,
  ];
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
};

const { name: _, ...ADD_OPTIONS } = planAdd.options!;

export const planEdit: Command = {
  name: 'plan edit',
  summary: 'Change a plan: only what is given; other terms make its next revision',
  positionals: [{ name: 'NAME', help: 'the name of a plan' }],
  options: {
    rename: { value: 'NAME', help: 'another name' },
    ...ADD_OPTIONS,
    description: { value: 'TEXT', help: 'what subscribers read beside it' },
    'on-portal': { value: 'true|false', help: 'whether subscribers may buy it themselves' },
    position: { value: 'NUMBER', help: 'its place in the offer: smaller comes first' },
  },
  fields: { name: 'rename' },
  notes: [
    'What was sold never changes: grants keep the revision they were given. "" takes burst, quota or profile out.',
  ],
  check: (given) => faultsOf(editPlanSchema, editInput(given)),
  run: async (desk, given) => {
    const input = editInput(given);
    if (Object.keys(input).length === 0) throw new InvalidInput(['nothing to change is given; see: plan edit --help']);
    const saved = await editPlan(desk, { ...input, id: await planNamed(desk.db, given.words[0]!) });
    const what = saved.newRevision ? `has its revision ${saved.revision}` : 'is changed; its terms are as they were';
    const lines = [`Plan ${saved.name} ${what}.`, ...saved.warnings.map((warning) => `Warning: ${warning}`)];
    return { text: lines.join('\n'), json: saved };
  },
};

export const planDelete: Command = {
  name: 'plan delete',
  summary: 'Take a plan off sale that nobody has or is about to pay for',
  positionals: [{ name: 'NAME', help: 'the name of a plan' }],
  run: async (desk, given) => {
    const { name } = await deletePlan(desk, await planNamed(desk.db, given.words[0]!));
    return { text: `Plan ${name} is deleted; what was sold of it stays in the books.`, json: { name } };
  },
};

async function planNamed(q: Queryable, name: string): Promise<number> {
  const plan = await findPlan(q, { name });
  if (plan !== null && !plan.retired) return plan.planId;
  const names = (await planNames(q)).join(', ') || 'none yet; add one with: plan add';
  throw new InvalidInput([`there is no plan "${name}"; there are: ${names}`]);
}
