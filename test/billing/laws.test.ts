import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { restOf, startOf } from '#domain/billing';
import { billingPeriod, minuteOf } from '#domain/proration';
import { HOUR, localDate } from '#domain/time';
import { placeChange, previewChange } from '#operations/change-package';
import { runInvoices } from '#operations/run-invoices';
import { verifyLedger } from '#storage/ledger';
import { asNew, type Company, MONTHLY, noon, openCompany, ZONE } from '#test/billing/company';

let company: Company;
beforeAll(async () => {
  company = await openCompany('2027-01-20');
});

type Plan = 'home10' | 'home20' | 'home50' | 'free';
type Act = { readonly hours: number; readonly plan: Plan; readonly pays: boolean };
const acts = fc.array(
  fc.record({
    hours: fc.double({ min: 0, max: 400, noNaN: true }),
    plan: fc.constantFrom<Plan[]>('home10', 'home20', 'home50', 'free'),
    pays: fc.boolean(),
  }),
  { minLength: 1, maxLength: 7 },
);

const count = async (text: string): Promise<number> =>
  (await company.desk.db.query<{ sum: number }>(`select coalesce(sum(${text}), 0)::bigint as sum from invoice`))[0]!
    .sum;
const given = async (): Promise<number> => {
  const [row] = await company.desk.db.query<{ sum: number }>(
    `select coalesce(-sum(amount_rupiah), 0)::bigint as sum from ledger_entry join ledger_transaction t on t.id = transaction_id
      where t.kind = 'given-back' and account = 'customer-credit'`,
  );
  return row!.sum;
};

/** What the model knows of a subscription: its plan, and what was asked for it so far. */
type Model = { plan: Plan; askedRupiah: number; nextOn: string };

/** The model's own arithmetic: the rest of the period that runs, at the begin of the minute. */
function rest(plan: Plan, billingDay: number): number {
  const now = company.desk.clock();
  const { from, until } = billingPeriod(localDate(now, ZONE), billingDay);
  return restOf(MONTHLY[plan], startOf(from, ZONE), startOf(until, ZONE), minuteOf(now));
}

async function does(id: number, model: Model, billingDay: number, { hours, plan, pays }: Act): Promise<void> {
  company.desk.setClock(company.desk.clock() + Math.round(hours * HOUR));
  await runInvoices(company.desk);
  const { nextOn } = (await company.subscription(id))!;
  for (let on = model.nextOn; on < nextOn; on = billingPeriod(on, billingDay).until)
    model.askedRupiah += MONTHLY[model.plan];
  model.nextOn = nextOn;
  if (plan === model.plan) return;
  const ask = { subscriberId: id, planId: company.plans[plan] };
  const shown = await previewChange(company.desk, ask);
  expect(Number.isInteger(shown.totalRupiah) && shown.totalRupiah >= 0 && shown.creditRupiah >= 0).toBe(true);
  expect(shown.totalRupiah - shown.creditRupiah).toBe(rest(plan, billingDay) - rest(model.plan, billingDay));
  const placed = await placeChange(company.desk, { ...ask, expectedTotalRupiah: shown.totalRupiah });
  if (shown.totalRupiah > 0 && !pays) return;
  if (shown.totalRupiah > 0) expect(await company.pay(id, shown.totalRupiah, placed.invoicePublicId!)).toBe(true);
  model.askedRupiah += shown.totalRupiah - shown.creditRupiah;
  model.plan = plan;
}

test('whatever plans a subscription goes through, and however late: no rupiah comes or goes, and one cover follows the other', async () => {
  await fc.assert(
    fc.asyncProperty(acts, fc.integer({ min: 1, max: 31 }), async (acting, billingDay) => {
      company = await asNew(company, '2027-01-20');
      const id = await company.subscriber('home20', { billingDay });
      const { nextOn } = (await company.subscription(id))!;
      const model: Model = { plan: 'home20', askedRupiah: await count('total_rupiah'), nextOn };
      for (const act of acting) await does(id, model, billingDay, act);

      const subscription = (await company.subscription(id))!;
      expect(subscription.plan).toBe(model.plan);
      const now = company.desk.clock();
      const running = (await company.grants(id)).filter(
        ({ from, until, revokedAt }) => from <= now && Math.min(until, revokedAt ?? until) > now,
      );
      expect(running.map((grant) => [grant.id, grant.plan])).toEqual([[subscription.grantId, model.plan]]);
      // What stands unpaid and void of changes that never came is not asked for.
      const dropped = await count(`case when kind = 'package' and settled_at is null then total_rupiah else 0 end`);
      expect((await count('total_rupiah')) - dropped - (await given())).toBe(model.askedRupiah);
      expect(await company.credit(id)).toBeGreaterThanOrEqual(0);
      expect(await verifyLedger(company.desk.db)).toEqual([]);
    }),
    { numRuns: 12 },
  );
}, 120_000);

test('an anchor day is kept for a leap year and more, and a year costs twelve months', async () => {
  for (const billingDay of [28, 29, 30, 31]) {
    company = await asNew(company, '2027-12-15');
    const id = await company.subscriber('home20', { billingDay, startsOn: `2027-12-${billingDay}` });
    company.desk.setClock(noon('2029-01-15'));
    await runInvoices(company.desk);
    const began = (await company.invoices(id)).map(({ serviceFrom }) => localDate(serviceFrom!, ZONE));
    expect(began).toHaveLength(13);
    for (const on of began) {
      const last = new Date(Date.UTC(Number(on.slice(0, 4)), Number(on.slice(5, 7)), 0)).getUTCDate();
      expect(on.slice(8)).toBe(String(Math.min(billingDay, last)).padStart(2, '0'));
    }
    expect(began).toContain(billingDay === 28 ? '2028-02-28' : '2028-02-29');
    expect((await company.invoices(id)).every(({ totalRupiah }) => totalRupiah === MONTHLY.home20)).toBe(true);
  }
}, 60_000);
