import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import { defaultPolicy } from '#domain/policy';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { placeChange, previewChange } from '#operations/change-package';
import { runInvoices } from '#operations/run-invoices';
import { saveSettings } from '#operations/settings';
import { endSubscription } from '#operations/subscriptions';
import { change } from '#storage/change';
import { setVoided } from '#storage/invoices';
import { verifyLedger } from '#storage/ledger';
import { lockPurchase, takeGrantBack } from '#storage/purchases';
import { asNew, begin, type Company, MONTHLY, noon, openCompany, ZONE } from '#test/billing/company';
import { faults } from '#test/operations/desk';

let company: Company;
let id = 0;
beforeAll(async () => {
  company = await openCompany('2026-11-01');
});
beforeEach(async () => {
  company = await asNew(company, '2026-11-01');
  id = await company.subscriber('home20');
  // Twenty of thirty days are over: a third is left.
  company.desk.setClock(begin('2026-11-21'));
});

type Plan = keyof typeof MONTHLY;
const preview = (plan: Plan, more: object = {}) =>
  previewChange(company.desk, { subscriberId: id, planId: company.plans[plan], ...more });
const place = (plan: Plan, expectedTotalRupiah: number, more: object = {}) =>
  placeChange(company.desk, { subscriberId: id, planId: company.plans[plan], expectedTotalRupiah, ...more });
const planNow = async () => (await company.subscription(id))!.plan;
/** Of the plan, whether it is paid for or not. */
const rateNow = async () => {
  const facts = { ...(await company.facts(id)), owesSince: null };
  const decision = decide(facts, defaultPolicy(ZONE), company.desk.clock());
  return decision.rate?.downloadBps;
};

describe('a subscription that is changed to a dearer plan', () => {
  test('is asked for the rest of the period: the new plan less the old one', async () => {
    expect(await preview('home50')).toEqual({
      billing: 'postpaid',
      from: { plan: 'home20', until: begin('2026-12-01') },
      to: { planId: company.plans.home50, plan: 'home50' },
      lines: [
        {
          kind: 'proration',
          description: 'home50 (21 Nov 2026 – 30 Nov 2026)',
          planRevisionId: expect.any(Number),
          amountRupiah: 150_000,
        },
        {
          kind: 'proration',
          description: 'Sisa home20 sampai 30 Nov 2026',
          planRevisionId: null,
          amountRupiah: -100_000,
        },
      ],
      taxRupiah: 0,
      totalRupiah: 50_000,
      creditRupiah: 0,
      begins: begin('2026-11-21'),
      until: begin('2026-12-01'),
      next: { on: '2026-12-01', rupiah: MONTHLY.home50 },
    });
  });

  test('changes when that is paid and not before, and is billed for the new plan from then on', async () => {
    const { purchaseNumber, invoicePublicId, totalRupiah } = await place('home50', 50_000);
    expect(purchaseNumber).toMatch(/^P-/);
    expect([await planNow(), await rateNow()]).toEqual(['home20', 20_000_000]);
    expect(await company.pay(id, totalRupiah, invoicePublicId!)).toBe(true);
    expect([await planNow(), await rateNow()]).toEqual(['home50', 50_000_000]);

    company.desk.setClock(noon('2026-12-01'));
    await runInvoices(company.desk);
    expect((await company.invoices(id)).map((one) => one.totalRupiah)).toEqual([300_000, 50_000, 450_000]);
    const spans = (await company.grants(id)).map(({ from, until, revokedAt }) => [from, revokedAt ?? until]);
    expect(spans.slice(0, 2)).toEqual([
      [begin('2026-11-01'), begin('2026-11-21')],
      [begin('2026-11-21'), begin('2026-12-01')],
    ]);
    expect(await company.credit(id)).toBe(0);
    expect(await verifyLedger(company.desk.db)).toEqual([]);
  });

  test('whose money is taken back has its old plan back, and is billed for that again', async () => {
    const { purchaseNumber, totalRupiah, invoicePublicId } = await place('home50', 50_000);
    await company.pay(id, totalRupiah, invoicePublicId!);
    await change(company.desk.db, { actor: 'test', why: 'reversal', subscriberId: id }, async (tx) => {
      await takeGrantBack(tx, (await lockPurchase(tx, purchaseNumber!))!.id, company.desk.clock() + DAY);
    });
    company.desk.setClock(begin('2026-11-22'));
    expect([await planNow(), await rateNow()]).toEqual(['home20', 20_000_000]);
    company.desk.setClock(noon('2026-12-01'));
    await runInvoices(company.desk);
    expect((await company.invoices(id)).at(-1)!.totalRupiah).toBe(MONTHLY.home20);
    expect([await planNow(), await rateNow()]).toEqual(['home20', 20_000_000]);
  });

  test('that is not paid does not count as owed: the line is not walled for it', async () => {
    await company.pay(id, MONTHLY.home20, (await company.invoices(id))[0]!.publicId);
    await place('home50', 50_000);
    expect((await company.facts(id)).owesSince).toBeNull();
  });

  test('has its tax on the difference', async () => {
    await saveSettings(company.desk, 'billing', { tax: 'added', taxPercent: 11 });
    expect(await preview('home50')).toMatchObject({ taxRupiah: 5_500, totalRupiah: 55_500 });
  });
});

describe('a subscription that is changed to a cheaper plan', () => {
  test('changes at once, and the difference is credit, which pays what is open', async () => {
    const shown = await preview('home10');
    expect(shown).toMatchObject({ totalRupiah: 0, creditRupiah: 33_334 });
    expect(shown.lines.map((line) => line.amountRupiah)).toEqual([66_666, -66_666]);
    expect(await place('home10', 0)).toMatchObject({ totalRupiah: 0 });
    expect([await planNow(), await rateNow()]).toEqual(['home10', 10_000_000]);
    expect(await company.credit(id)).toBe(33_334);
    const [period] = await company.invoices(id);
    expect(await company.pay(id, MONTHLY.home20 - 33_334, period!.publicId)).toBe(true);
    expect(await verifyLedger(company.desk.db)).toEqual([]);
  });

  test('to one that costs nothing gives back all of the rest', async () => {
    expect(await preview('free')).toMatchObject({ totalRupiah: 0, creditRupiah: 100_000 });
    expect(await place('free', 0)).toMatchObject({ invoicePublicId: null });
    expect([await planNow(), await company.credit(id)]).toEqual(['free', 100_000]);
  });
});

describe('a period whose invoice was taken back', () => {
  test('is worth nothing: the new plan is asked for the rest, and ending it gives no credit', async () => {
    const [invoice] = await company.invoices(id);
    await setVoided(company.desk.db, invoice!.id, company.desk.clock(), 'test');
    expect(await preview('home50')).toMatchObject({ lines: [{ amountRupiah: 150_000 }], totalRupiah: 150_000 });
    expect(await endSubscription(company.desk, { subscriberId: id, when: 'now' })).toMatchObject({ creditRupiah: 0 });
  });
});

describe('a change there and back at the same instant', () => {
  test('costs nothing, up and down or down and up, also in a first period that was shorter', async () => {
    for (const other of ['home50', 'home10', 'limited'] as const) {
      company = await asNew(company, '2026-11-08');
      id = await company.subscriber('home20', { billingDay: 31 });
      company.desk.setClock(noon('2026-11-21') + 17 * MINUTE + 23_456);
      let paid = 0;
      for (const plan of [other, 'home20'] as const) {
        const { totalRupiah, creditRupiah } = await preview(plan);
        const placed = await place(plan, totalRupiah);
        if (totalRupiah > 0) expect(await company.pay(id, totalRupiah, placed.invoicePublicId!)).toBe(true);
        paid += totalRupiah - creditRupiah;
      }
      expect(paid).toBe(0);
      expect(await planNow()).toBe('home20');
      expect(await verifyLedger(company.desk.db)).toEqual([]);
    }
  });
});

describe('the price that was shown', () => {
  test('is kept for ten minutes, and refused when it is another one', async () => {
    const shownAt = begin('2026-11-21') + 59_000;
    company.desk.setClock(shownAt);
    const { totalRupiah } = await preview('home50');
    company.desk.setClock(shownAt + 11 * MINUTE);
    const { totalRupiah: now } = await preview('home50');
    expect(now).toBeLessThan(totalRupiah);
    expect(await faults(place('home50', totalRupiah))).toEqual([
      `the price of this change is Rp ${now.toLocaleString('de-DE')} by now; look at it again`,
    ]);
    company.desk.setClock(shownAt + 10 * MINUTE);
    expect((await place('home50', totalRupiah)).totalRupiah).toBe(totalRupiah);
  });
});

describe('an offer that is over', () => {
  const late = async (when: number) => {
    const { invoicePublicId } = await place('home50', 50_000);
    company.desk.setClock(when);
    return invoicePublicId!;
  };

  test.each([
    ['when its period is over', () => late(begin('2026-12-01'))],
    ['when so much of it was used up meanwhile', () => late(begin('2026-11-27'))],
    [
      'when the subscription ended',
      async () => {
        const publicId = await late(begin('2026-11-21') + HOUR);
        await endSubscription(company.desk, { subscriberId: id });
        return publicId;
      },
    ],
  ])('%s: what is paid for it is credit, and nothing is given', async (_, offer) => {
    const publicId = await offer();
    expect(await company.pay(id, 50_000, publicId)).toBe(false);
    expect(await company.credit(id)).toBe(50_000);
    expect(await company.grants(id)).toHaveLength(1);
  });

  test('when another change was made first: the rest of the plan is not given back twice', async () => {
    const first = await place('home50', 50_000);
    const second = await place('limited', 0);
    expect(second.totalRupiah).toBe(0);
    expect(await company.pay(id, 50_000, first.invoicePublicId!)).toBe(false);
    expect(await planNow()).toBe('limited');
  });

  test('paid some days late it is given all the same', async () => {
    expect(await company.pay(id, 50_000, await late(begin('2026-11-21') + 3 * DAY))).toBe(true);
    expect(await planNow()).toBe('home50');
  });
});

describe('a subscription that has not begun', () => {
  test('is changed without money, and is billed for the new plan from its first day', async () => {
    id = await company.subscriber('home20', { startsOn: '2026-12-01' });
    expect(await preview('home50')).toMatchObject({
      lines: [{ amountRupiah: 0 }],
      totalRupiah: 0,
      begins: begin('2026-12-01'),
    });
    expect(await place('home50', 0)).toEqual({ purchaseNumber: null, invoicePublicId: null, totalRupiah: 0 });
    company.desk.setClock(noon('2026-12-01'));
    await runInvoices(company.desk);
    expect((await company.invoices(id)).map((one) => one.totalRupiah)).toEqual([MONTHLY.home50]);
  });
});

describe('a change is refused', () => {
  test('to the plan one has, to one that is not sold, without a subscription, and while the next invoice is being made', async () => {
    expect(await faults(preview('home20'))).toEqual(['line1 has "home20" already']);
    expect(await faults(previewChange(company.desk, { subscriberId: id, planId: 999 }))).toEqual([
      'there is no plan of number 999 on sale',
    ]);
    company.desk.setClock(begin('2026-12-01'));
    expect(await faults(preview('home50'))).toEqual([
      'the invoice of the new period is being made just now; try again in a few minutes',
    ]);
    id = await company.person();
    expect(await faults(preview('home50'))).toEqual(['line2 is postpaid and has no subscription to change']);
  });
});
