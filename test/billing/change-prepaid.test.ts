import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, type Instant, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { placeChange, previewChange } from '#operations/change-package';
import { placePurchase } from '#operations/place-purchase';
import { addPromo } from '#operations/promos';
import { settlePurchase } from '#operations/settle-purchase';
import { change } from '#storage/change';
import { verifyLedger } from '#storage/ledger';
import { findPlan } from '#storage/plans';
import { lockPurchase, takeGrantBack } from '#storage/purchases';
import { asNew, type Company, MONTHLY, noon, openCompany } from '#test/billing/company';
import { faults, type TestDesk } from '#test/operations/desk';

const GB = 2 ** 30;
const START: Instant = noon('2026-11-01');
let company: Company;
let id = 0;
beforeAll(async () => {
  company = await openCompany('2026-11-01');
});
beforeEach(async () => {
  company = await asNew(company, '2026-11-01');
  id = await company.person({ billing: 'prepaid' });
});

type Plan = keyof typeof MONTHLY;
const daysLater = (days: number) => company.desk.setClock(START + days * DAY);
const self = (): TestDesk => ({ ...company.desk, actor: `subscriber:${id}` });
const buy = async (plan: Plan) => {
  const { revisionId } = (await findPlan(company.desk.db, { name: plan }))!;
  const { number } = await placePurchase(company.desk, { subscriberId: id, planRevisionId: revisionId });
  return settlePurchase(company.desk, { number, method: 'cash' });
};
const preview = (plan: Plan, more: object = {}) =>
  previewChange(self(), { subscriberId: id, planId: company.plans[plan], ...more });
const place = (plan: Plan, expectedTotalRupiah: number, more: object = {}) =>
  placeChange(self(), { subscriberId: id, planId: company.plans[plan], expectedTotalRupiah, ...more });
const used = (bytes: number) => company.desk.db.execute('update grants set used_bytes = $1', [bytes]);
/** Plans in force at the desk's instant. */
const inForce = async () => {
  const now = company.desk.clock();
  return (await company.grants(id))
    .filter((grant) => grant.from <= now && Math.min(grant.until, grant.revokedAt ?? grant.until) > now)
    .map((grant) => grant.plan);
};

describe('a package that is changed to a dearer one', () => {
  test('is asked for the new one less the rest of the old one, begins when it is paid, and lasts its whole period', async () => {
    await buy('home20');
    daysLater(15);
    const shown = await preview('home50');
    expect(shown).toMatchObject({
      billing: 'prepaid',
      from: { plan: 'home20', until: noon('2026-12-01') },
      lines: [
        { kind: 'plan', description: 'home50', amountRupiah: 450_000 },
        { kind: 'proration', description: 'Sisa home20 sampai 1 Des 2026', amountRupiah: -150_000 },
      ],
      totalRupiah: 300_000,
      creditRupiah: 0,
      begins: START + 15 * DAY,
      next: null,
    });
    const { invoicePublicId } = await place('home50', 300_000);
    expect(await inForce()).toEqual(['home20']);
    expect(await company.pay(id, 300_000, invoicePublicId!)).toBe(true);
    expect(await inForce()).toEqual(['home50']);
    expect((await company.grants(id)).at(-1)!.until).toBe(noon('2026-12-16'));
    expect(await verifyLedger(company.desk.db)).toEqual([]);
  });

  test('of a limited one gives back by data, where less of that is left than of the time', async () => {
    await buy('limited');
    daysLater(15);
    await used(80 * GB);
    expect(await preview('home20')).toMatchObject({ totalRupiah: 300_000 - 18_000 });
    await used(10 * GB);
    expect(await preview('home20')).toMatchObject({ totalRupiah: 300_000 - 45_000 });
    await used(100 * GB);
    expect(await preview('home20')).toMatchObject({ totalRupiah: 300_000, lines: [{ kind: 'plan' }] });
  });

  test('gives back what is queued behind it too', async () => {
    await buy('home10');
    await buy('home10');
    daysLater(15);
    const shown = await preview('home50');
    expect(shown.lines.map((line) => line.amountRupiah)).toEqual([450_000, -100_000, -200_000]);
    const { invoicePublicId } = await place('home50', 150_000);
    await company.pay(id, 150_000, invoicePublicId!);
    daysLater(40);
    expect(await inForce()).toEqual(['home50']);
  });

  test('gives back nothing for what staff gave, and no promo twice', async () => {
    await addGrant(company.desk, { username: 'line1', plan: 'home20' });
    expect(await preview('home50')).toMatchObject({ totalRupiah: 450_000 });
    await addPromo(company.desk, { code: 'HEMAT50', percent: '50', until: '2026-12-31', mostUsesEach: 2 });
    const { totalRupiah } = await preview('home50', { promoCode: 'hemat50' });
    expect(totalRupiah).toBe(225_000);
    const { invoicePublicId } = await place('home50', totalRupiah, { promoCode: 'hemat50' });
    expect((await company.lines((await company.invoices(id))[0]!)).map(([kind]) => kind)).toEqual(['plan', 'discount']);
    await company.pay(id, totalRupiah, invoicePublicId!);
    daysLater(15);
    expect(await preview('home10')).toMatchObject({ totalRupiah: 200_000 - 112_500 });
  });
});

describe('a package that is changed to a cheaper one', () => {
  test('begins at once; what the rest was worth beyond it is credit', async () => {
    await buy('home50');
    daysLater(6);
    expect(await preview('home20')).toMatchObject({ totalRupiah: 0, creditRupiah: 60_000 });
    const placed = await place('home20', 0);
    expect(placed.totalRupiah).toBe(0);
    expect(await inForce()).toEqual(['home20']);
    expect(await company.credit(id)).toBe(60_000);
    const invoices = await company.invoices(id);
    expect(invoices.at(-1)).toMatchObject({ totalRupiah: 0, settledAt: START + 6 * DAY });
    expect(await verifyLedger(company.desk.db)).toEqual([]);
  });

  test('never gives more credit than was paid, however often it goes up and down', async () => {
    await buy('home20');
    let paid: number = MONTHLY.home20;
    for (const plan of ['home50', 'home10', 'limited', 'home50', 'free'] as const) {
      const { totalRupiah } = await preview(plan);
      const { invoicePublicId } = await place(plan, totalRupiah);
      if (totalRupiah > 0) await company.pay(id, totalRupiah, invoicePublicId!);
      paid += totalRupiah;
      expect(await inForce()).toEqual([plan]);
    }
    expect(await company.credit(id)).toBe(paid);
    expect(await verifyLedger(company.desk.db)).toEqual([]);
  });
});

describe('whoever changes to and fro all the time', () => {
  test('pays for each begun hour of what was used, also at a price that was shown before', async () => {
    await buy('home20');
    const minutes = async (count: number, plan: Plan) => {
      company.desk.setClock(company.desk.clock() + count * MINUTE);
      const { totalRupiah, creditRupiah } = await preview(plan);
      const earlier = [totalRupiah - 1, totalRupiah - 416, totalRupiah - 417];
      for (const wish of earlier) if (wish > 0) expect(await faults(place(plan, wish))).toHaveLength(1);
      const { invoicePublicId } = await place(plan, totalRupiah);
      if (totalRupiah > 0) await company.pay(id, totalRupiah, invoicePublicId!);
      return totalRupiah - creditRupiah;
    };
    // An hour of home20 is worth 416,67, one of home50 625 rupiah.
    expect(await minutes(9, 'home50')).toBe(150_000 + 417);
    expect(await minutes(9, 'home20')).toBe(-150_000 + 625);
    expect(await minutes(75, 'home50')).toBe(150_000 + 834);
  });
});

describe('without a package', () => {
  test('a change is a purchase at the full price', async () => {
    expect(await preview('home20')).toMatchObject({ from: null, totalRupiah: 300_000 });
  });
});

describe('an order for a change', () => {
  test('cancels what was ordered before and not paid', async () => {
    await buy('home20');
    const first = await place('home50', 150_000);
    await place('limited', 0);
    const [row] = await company.desk.db.query<{ cancelled: boolean }>(
      'select cancelled_at is not null as cancelled from purchase where number = $1',
      [first.purchaseNumber],
    );
    expect(row).toEqual({ cancelled: true });
  });

  test('paid at the counter after its rest is used up is refused, so that the money is not taken', async () => {
    await buy('home20');
    const { purchaseNumber } = await place('home50', 150_000);
    daysLater(20);
    expect(await faults(settlePurchase(company.desk, { number: purchaseNumber, method: 'cash' }))).toEqual([
      `what the change ${purchaseNumber} gives back is used up by now; cancel it and change again`,
    ]);
    expect(await inForce()).toEqual(['home20']);
  });

  test('whose money is taken back gives the old package back', async () => {
    await buy('home20');
    const { purchaseNumber, invoicePublicId } = await place('home50', 150_000);
    await company.pay(id, 150_000, invoicePublicId!);
    daysLater(2);
    await change(company.desk.db, { actor: 'test', why: 'reversal', subscriberId: id }, async (tx) => {
      await takeGrantBack(tx, (await lockPurchase(tx, purchaseNumber!))!.id, company.desk.clock());
      await tx.mark([id]);
    });
    expect(await inForce()).toEqual(['home20']);
    expect((await company.facts(id)).grants.map((grant) => grant.plan.name).sort()).toEqual(['home20', 'home50']);
  });

  test('ends with the package it gave back, when that was not paid for after all', async () => {
    await buy('home20');
    const { invoicePublicId } = await place('home50', 150_000);
    await company.pay(id, 150_000, invoicePublicId!);
    await change(company.desk.db, { actor: 'test', why: 'chargeback', subscriberId: id }, async (tx) => {
      const [first] = await tx.query<{ id: number }>('select min(id) as id from purchase where subscriber_id = $1', [
        id,
      ]);
      await takeGrantBack(tx, first!.id, company.desk.clock());
    });
    expect(await inForce()).toEqual([]);
  });

  test('is for nobody else, and only for what is on the portal', async () => {
    const other = await company.person({ billing: 'prepaid' });
    const input = { subscriberId: other, planId: company.plans.home20 };
    const nobody = [`there is no subscriber of number ${other}`];
    expect(await faults(previewChange(self(), input))).toEqual(nobody);
    expect(await faults(placeChange(self(), { ...input, expectedTotalRupiah: 300_000 }))).toEqual(nobody);
    await company.desk.db.execute(`update plan set on_portal = false where name = 'home20'`);
    expect(await faults(preview('home20'))).toEqual([`there is no plan of number ${company.plans.home20} on sale`]);
  });

  test('by two at once is one order', async () => {
    await buy('home20');
    await Promise.all([place('home50', 150_000), place('home50', 150_000)]);
    const open = (await company.invoices(id)).filter(
      ({ settledAt, voidedAt }) => settledAt === null && voidedAt === null,
    );
    expect(open).toHaveLength(1);
  });
});
