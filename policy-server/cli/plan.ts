import { printBps, printBytes, printPeriod, printRupiah } from '#domain/print';
import { addPlan, addPlanSchema } from '#operations/add-plan';
import { faultsOf } from '#operations/input';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { table } from '#policy-server/cli/table';
import { listPlans } from '#storage/plans';

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
