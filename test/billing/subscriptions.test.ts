import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import { defaultPolicy } from '#domain/policy';
import { DAY, type Instant } from '#domain/time';
import { addPlan } from '#operations/add-plan';
import { previewChange } from '#operations/change-package';
import { deletePlan } from '#operations/delete-plan';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { previewMigration } from '#operations/preview-migration';
import { runInvoices } from '#operations/run-invoices';
import { endSubscription, subscribe } from '#operations/subscriptions';
import { undoPrepaid } from '#operations/undo-prepaid';
import { balances, verifyLedger } from '#storage/ledger';
import { findPlan } from '#storage/plans';
import { findSubscriberAccount } from '#storage/subscribers';
import { asNew, begin, type Company, MONTHLY, noon, openCompany, ZONE } from '#test/billing/company';
import { faults } from '#test/operations/desk';

let company: Company;
beforeAll(async () => {
  company = await openCompany('2026-11-21');
});
beforeEach(async () => {
  company = await asNew(company, '2026-11-21');
});
const at = (date: string) => company.desk.setClock(noon(date));
const listOf = async (id: number, when: Instant) => {
  const decision = decide(await company.facts(id), defaultPolicy(ZONE), when);
  return decision.access === 'denied' ? 'denied' : decision.addressList;
};

describe('a subscription', () => {
  test('that starts today covers the line and asks for the days up to the first billing day', async () => {
    const subscriberId = await company.person();
    const started = await subscribe(company.desk, { subscriberId, planId: company.plans.home20, billingDay: 1 });
    expect(started).toMatchObject({ plan: 'home20', billingDay: 1, startsOn: '2026-11-21', nextOn: '2026-12-01' });
    const [invoice] = await company.invoices(subscriberId);
    expect(invoice).toMatchObject({ totalRupiah: 100_000, dueOn: '2026-11-28', serviceFrom: begin('2026-11-21') });
    expect(await company.lines(invoice!)).toEqual([
      ['proration', 'home20 (21 Nov 2026 – 30 Nov 2026, 10 dari 30 hari)', 100_000],
    ]);
    expect(await listOf(subscriberId, noon('2026-11-21'))).toBe('prepaid-active');
  });

  test('without a billing day has the day on which it starts, and asks for a whole month', async () => {
    const id = await company.subscriber();
    expect(await company.subscription(id)).toMatchObject({ billingDay: 21, nextOn: '2026-12-21' });
    expect((await company.invoices(id)).map((one) => one.totalRupiah)).toEqual([MONTHLY.home20]);
  });

  test('that starts on a day to come costs and covers nothing before', async () => {
    const id = await company.subscriber('home20', { startsOn: '2026-12-05', billingDay: 10 });
    expect(await company.invoices(id)).toEqual([]);
    expect(await company.grants(id)).toEqual([]);
    at('2026-12-05');
    await runInvoices(company.desk);
    expect(await company.invoices(id)).toMatchObject([{ totalRupiah: 50_000, serviceUntil: begin('2026-12-10') }]);
    expect(await company.grants(id)).toMatchObject([{ from: begin('2026-12-05') }]);
  });

  test('is to a plan that is sold by the month: the price of a day is not asked for once a month', async () => {
    const daily = { name: 'harian', down: '20M', up: '5M', period: '1d', price: '5000' };
    await addPlan(company.desk, daily);
    const planId = (await findPlan(company.desk.db, { name: 'harian' }))!.planId;
    const subscriberId = await company.person();
    const refused = ['"harian" is not sold by the month, and a subscription is billed by the month'];
    expect(await faults(subscribe(company.desk, { subscriberId, planId }))).toEqual(refused);
    const subscribed = await company.subscriber();
    expect(await faults(previewChange(company.desk, { subscriberId: subscribed, planId }))).toEqual(refused);
    // Thirty days are a month too.
    expect(await company.subscription(await company.subscriber('limited'))).not.toBeNull();
  });

  test('in English says its line in English', async () => {
    const subscriberId = await company.person({ language: 'en' });
    await subscribe(company.desk, { subscriberId, planId: company.plans.home20, billingDay: 1 });
    const [invoice] = await company.invoices(subscriberId);
    expect((await company.lines(invoice!))[0]![1]).toBe('home20 (21 Nov 2026 – 30 Nov 2026, 10 of 30 days)');
  });

  test('makes a prepaid line postpaid', async () => {
    const subscriberId = await company.person({ billing: 'prepaid' });
    await subscribe(company.desk, { subscriberId, planId: company.plans.home20 });
    expect((await findSubscriberAccount(company.desk.db, subscriberId))!.billing).toBe('postpaid');
  });

  test('is refused twice, for a day that is over, for a plan that is not sold, and for nobody', async () => {
    const id = await company.subscriber();
    const wrong = (input: object) =>
      faults(subscribe(company.desk, { subscriberId: id, planId: company.plans.home20, ...input }));
    expect(await wrong({})).toEqual(['line1 has a subscription to "home20"; change it, or end it first']);
    const other = await company.person();
    expect(await wrong({ subscriberId: other, startsOn: '2026-11-20' })).toEqual([
      'startsOn: 2026-11-20 is over; give today or a day to come',
    ]);
    expect(await wrong({ subscriberId: other, startsOn: '2028-11-20' })).toEqual([
      'startsOn: 2028-11-20 is more than a year ahead',
    ]);
    expect(await wrong({ subscriberId: other, startsOn: '2026-02-30' })).toHaveLength(1);
    expect(await wrong({ subscriberId: other, billingDay: 32 })).toHaveLength(1);
    expect(await wrong({ subscriberId: other, planId: 999 })).toEqual(['there is no plan of number 999 on sale']);
    expect(await wrong({ subscriberId: 999 })).toEqual(['there is no subscriber of number 999']);
    expect(await company.invoices(other)).toEqual([]);
  });

  test('asked for by two at once starts once', async () => {
    const subscriberId = await company.person();
    const input = { subscriberId, planId: company.plans.home20 };
    const both = await Promise.allSettled([subscribe(company.desk, input), subscribe(company.desk, input)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await company.invoices(subscriberId)).toHaveLength(1);
  });

  test('keeps its plan from being deleted', async () => {
    await company.subscriber('home20', { startsOn: '2026-12-05' });
    expect(await faults(deletePlan(company.desk, company.plans.home20))).toEqual([
      'plan "home20" cannot be deleted: 1 subscriptions are billed for it; instead, take it off the portal: nobody new buys it there',
    ]);
  });
});

describe('the end of a subscription', () => {
  test('at the end of its period leaves the line covered until then, to the instant', async () => {
    const id = await company.subscriber('home20', { billingDay: 1 });
    const ended = await endSubscription(company.desk, { subscriberId: id });
    expect(ended).toMatchObject({ plan: 'home20', until: begin('2026-12-01'), creditRupiah: 0 });
    expect(await listOf(id, begin('2026-12-01') - 1)).toBe('prepaid-active');
    expect(await listOf(id, begin('2026-12-01'))).toBe('prepaid-no-package');
    expect(await company.subscription(id)).toBeNull();
  });

  test('now ends the line at once; the rest of what was paid is credit', async () => {
    const id = await company.subscriber('home20', { billingDay: 1 });
    await company.pay(id, 100_000, (await company.invoices(id))[0]!.publicId);
    company.desk.setClock(begin('2026-11-26'));
    const ended = await endSubscription(company.desk, { subscriberId: id, when: 'now' });
    expect(ended).toMatchObject({ until: begin('2026-11-26'), creditRupiah: 50_000 });
    expect(await company.credit(id)).toBe(50_000);
    expect(await listOf(id, begin('2026-11-26'))).toBe('prepaid-no-package');
    expect(await verifyLedger(company.desk.db)).toEqual([]);
    // Of what was earned and will be, the part that was given back is gone.
    const books = await balances(company.desk.db);
    expect(books.get('deferred-revenue')! + books.get('revenue')!).toBe(-50_000);
  });

  test('now, of what was not paid yet, leaves only the part that was used to pay', async () => {
    const id = await company.subscriber('home20', { billingDay: 1 });
    company.desk.setClock(begin('2026-11-26'));
    await endSubscription(company.desk, { subscriberId: id, when: 'now' });
    const [invoice] = await company.invoices(id);
    expect(await company.pay(id, 50_000, invoice!.publicId)).toBe(true);
    expect(await company.credit(id)).toBe(0);
  });

  test('before it began leaves nothing; afterwards another one can start', async () => {
    const id = await company.subscriber('home20', { startsOn: '2026-12-05' });
    expect(await endSubscription(company.desk, { subscriberId: id, when: 'now' })).toMatchObject({ until: null });
    await subscribe(company.desk, { subscriberId: id, planId: company.plans.home50 });
    expect(await company.subscription(id)).toMatchObject({ plan: 'home50' });
  });

  test('is refused where there is none', async () => {
    const subscriberId = await company.person();
    expect(await faults(endSubscription(company.desk, { subscriberId }))).toEqual(['line1 has no subscription']);
  });

  test('comes with the move to prepaid: the rest is credit, and undoing the move starts none', async () => {
    const id = await company.subscriber('home20', { billingDay: 1 });
    await company.pay(id, 100_000, (await company.invoices(id))[0]!.publicId);
    company.desk.setClock(begin('2026-11-26'));
    expect(await previewMigration(company.desk, [id])).toMatchObject({ willMove: 1, subscriptions: 1 });
    expect((await migrateToPrepaid(company.desk, [id])).moved).toHaveLength(1);
    expect(await company.subscription(id)).toBeNull();
    expect(await company.credit(id)).toBe(50_000);
    expect((await undoPrepaid(company.desk, id)).givenBack).toEqual([]);
    at('2026-12-02');
    expect((await runInvoices(company.desk)).subscribers).toBe(0);
  });
});

describe('a postpaid line that does not pay', () => {
  test('is walled three days after the invoice was due, and opens at the instant it is paid', async () => {
    const id = await company.subscriber();
    const [invoice] = await company.invoices(id);
    expect(invoice!.dueOn).toBe('2026-11-28');
    const walled = begin('2026-11-29') + 3 * DAY;
    expect((await company.facts(id)).owesSince).toBe(begin('2026-11-29'));
    expect(await listOf(id, walled - 1)).toBe('prepaid-active');
    expect(await listOf(id, walled)).toBe('prepaid-no-package');

    company.desk.setClock(walled + DAY);
    const due = async () =>
      (
        await company.desk.db.query<{ due: boolean }>(
          'select due_at <= now() as due from due where subscriber_id = $1',
          [id],
        )
      )[0];
    await company.desk.db.execute('delete from due where subscriber_id = $1', [id]);
    expect(await company.pay(id, MONTHLY.home20, invoice!.publicId)).toBe(true);
    expect(await due()).toEqual({ due: true });
    expect((await company.facts(id)).owesSince).toBeNull();
    expect(await listOf(id, walled + DAY)).toBe('prepaid-active');
  });

  test('stays walled while an older invoice is open, and opens with the last of them', async () => {
    const id = await company.subscriber();
    at('2026-12-21');
    await runInvoices(company.desk);
    const [first, second] = await company.invoices(id);
    const late = noon('2027-01-10');
    company.desk.setClock(late);
    await company.pay(id, MONTHLY.home20, second!.publicId);
    expect(await listOf(id, late)).toBe('prepaid-no-package');
    await company.pay(id, MONTHLY.home20, first!.publicId);
    expect(await listOf(id, late)).toBe('prepaid-active');
  });
});
