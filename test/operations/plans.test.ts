import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { deletePlan } from '#operations/delete-plan';
import { revokeGrant } from '#operations/revoke-grant';
import { savePlan } from '#operations/save-plan';
import { deleteSpeedProfile, saveSpeedProfile } from '#operations/speed-profiles';
import { timestamp } from '#storage/database';
import { grantsOf } from '#storage/grants';
import { findPlan, listPlans, plansForPortal, plansOnSale } from '#storage/plans';
import { listSpeedProfiles } from '#storage/speed-profiles';
import { emptied, faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let budi: number;
beforeAll(async () => {
  desk = await testDesk();
});

beforeEach(async () => {
  await emptied(desk);
  budi = (await addSubscriber(desk, { username: 'budi', password: 'rahasia' })).id;
});

/** As a form of the page sends it. */
const FORM = {
  name: '20GB - 20Mbps',
  down: '20M',
  up: '20M',
  burst: '',
  quota: '20GB',
  period: 'month',
  price: '75.000',
  profile: 'prepaid-20mbps',
  description: 'Paling pas untuk keluarga',
  onPortal: 'on',
  position: '10',
};

describe('a plan', () => {
  test('is made from the form, with everything that is sold and how it is offered', async () => {
    const saved = await savePlan(desk, { id: null, ...FORM });
    expect(saved).toMatchObject({ name: FORM.name, revision: 1, newRevision: true, warnings: [] });
    expect(await findPlan(desk.db, { id: saved.id })).toEqual({
      revisionId: expect.any(Number),
      planId: saved.id,
      name: '20GB - 20Mbps',
      revision: 1,
      rate: { downloadBps: 20_000_000, uploadBps: 20_000_000, burst: null },
      allowanceBytes: 20_480 * 2 ** 20,
      period: { months: 1 },
      priceRupiah: 75_000,
      profile: 'prepaid-20mbps',
      description: 'Paling pas untuk keluarga',
      onPortal: true,
      position: 10,
      speedProfileId: null,
      retired: false,
    });
  });

  test('other terms make a revision; what was sold keeps its own', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    await addGrant(desk, { username: 'budi', plan: FORM.name });
    const dearer = await savePlan(desk, { id, ...FORM, price: '80000', quota: '' });
    expect(dearer).toMatchObject({ revision: 2, newRevision: true });
    expect(await findPlan(desk.db, { id })).toMatchObject({ priceRupiah: 80_000, allowanceBytes: null });
    expect((await grantsOf(desk.db, budi))[0]).toMatchObject({ allowanceBytes: 20_480 * 2 ** 20 });
  });

  test('another name, description or place makes none, also for those who have it', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    await addGrant(desk, { username: 'budi', plan: FORM.name });
    const renamed = { ...FORM, name: 'Keluarga', description: '', onPortal: 'false', position: '' };
    expect(await savePlan(desk, { id, ...renamed })).toMatchObject({
      id,
      name: 'Keluarga',
      revision: 1,
      newRevision: false,
    });
    expect((await grantsOf(desk.db, budi))[0]!.plan).toBe('Keluarga');
    expect(await findPlan(desk.db, { id })).toMatchObject({ description: '', onPortal: false, position: 0 });
  });

  test.each([
    ['down', '25M'],
    ['up', '25M'],
    ['burst', '40M/40M 15M/15M 16'],
    ['quota', '21GB'],
    ['period', '30d'],
    ['price', '1'],
    ['profile', 'other'],
  ])('a change of %s is one of the terms', async (field, value) => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    expect(await savePlan(desk, { id, ...FORM })).toMatchObject({ revision: 1, newRevision: false });
    expect(await savePlan(desk, { id, ...FORM, [field]: value })).toMatchObject({ revision: 2, newRevision: true });
  });

  test('every wrong field is said, and a name belongs to one plan', async () => {
    const wrong = { ...FORM, name: '', down: 'fast', quota: '0', period: 'year', price: '75.00', position: '1.5' };
    const lines = await faults(savePlan(desk, { id: null, ...wrong }));
    expect(lines.map((line) => line.split(/ is not usable|: missing/)[0])).toEqual([
      'name',
      'position "1.5"',
      'down "fast"',
      'quota "0"',
      'period "year"',
      'price "75.00"',
    ]);
    const { id } = await savePlan(desk, { id: null, ...FORM });
    await savePlan(desk, { id: null, ...FORM, name: 'Other' });
    const taken = ['name "Other" belongs to another plan; give another name, or edit that plan'];
    expect(await faults(savePlan(desk, { id: null, ...FORM, name: 'Other' }))).toEqual(taken);
    expect(await faults(savePlan(desk, { id, ...FORM, name: 'Other' }))).toEqual(taken);
    expect(await faults(savePlan(desk, { id: 999, ...FORM }))).toEqual(['this plan is no more; go back to the list']);
    expect(await listPlans(desk.db)).toHaveLength(2);
  });

  test('two edits at once make two revisions, not one', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    const saved = await Promise.all(['1', '2', '3'].map((price) => savePlan(desk, { id, ...FORM, price })));
    expect(saved.map((one) => one.revision).sort()).toEqual([2, 3, 4]);
  });

  test('the audit says what it was and what it is', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    await savePlan(desk, { id, ...FORM, price: '80000' });
    const [row] = await desk.db.query<{ detail: object }>('select detail from audit order by id desc limit 1');
    expect(row!.detail).toMatchObject({
      name: FORM.name,
      revision: 2,
      before: { priceRupiah: 75_000 },
      after: { priceRupiah: 80_000 },
    });
  });
});

describe('a plan is deleted', () => {
  test('only when no grant of it, of any revision, is in force or to come', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    const first = await addGrant(desk, { username: 'budi', plan: FORM.name });
    await addGrant(desk, { username: 'budi', plan: FORM.name });
    await savePlan(desk, { id, ...FORM, price: '80000' });
    expect(await faults(deletePlan(desk, id))).toEqual([
      'plan "20GB - 20Mbps" cannot be deleted: 2 grants of it are in force or to come; instead, take it off the portal: nobody new buys it there',
    ]);
    await revokeGrant(desk, { username: 'budi', grant: String(first.id) });
    expect(await faults(deletePlan(desk, id)), 'one is still to come').toHaveLength(1);
    desk.setClock(NOW + 100 * DAY);
    expect(await deletePlan(desk, id)).toEqual({ name: FORM.name });
    expect((await plansOnSale(desk.db, [FORM.name])).size).toBe(0);
    expect(await plansForPortal(desk.db, NOW)).toEqual([]);
    expect((await grantsOf(desk.db, budi))[0]!.plan, 'the books keep it').toBe(FORM.name);
    expect(await faults(deletePlan(desk, id))).toEqual(['this plan is no more; go back to the list']);
  });

  test('only when nobody is about to pay for it', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    await purchase('P-1', { orderedAt: NOW, expiresAt: NOW + DAY });
    expect(await faults(deletePlan(desk, id))).toEqual([
      expect.stringContaining('1 purchases of it wait for their payment'),
    ]);
    desk.setClock(NOW + DAY);
    expect(await faults(deletePlan(desk, id))).toEqual([]);
  });

  test('its name saved again is its next revision', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    await deletePlan(desk, id);
    expect(await savePlan(desk, { id: null, ...FORM, price: '5000' })).toMatchObject({ id, revision: 2 });
    expect((await plansForPortal(desk.db, NOW)).map((plan) => plan.priceRupiah)).toEqual([5_000]);
  });
});

async function purchase(number: string, of: { orderedAt: number; expiresAt: number; grantId?: number }): Promise<void> {
  await desk.db.query(
    `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, ordered_by, ordered_at, expires_at, granted_at, grant_id)
     select $1, $2, max(id), 1, 'test', $3::timestamptz, $4::timestamptz,
            case when $5::bigint is null then null else $3::timestamptz end, $5 from plan_revision`,
    [number, budi, timestamp(of.orderedAt), timestamp(of.expiresAt), of.grantId ?? null],
  );
}

describe('the offer on the portal', () => {
  test('has what is on sale there, in its order, the cheaper first, in the newest revision', async () => {
    await savePlan(desk, { id: null, ...FORM, name: 'C', position: '1', price: '300000' });
    await savePlan(desk, { id: null, ...FORM, name: 'B', position: '1', price: '50000' });
    const { id } = await savePlan(desk, { id: null, ...FORM, name: 'A', position: '2', price: '1' });
    await savePlan(desk, { id: null, ...FORM, name: 'staff only', onPortal: 'false' });
    await addPlan(desk, { name: 'by command', down: '1M', up: '1M', period: 'day', price: '3000' });
    await savePlan(desk, { id, ...FORM, name: 'A', position: '2', price: '2' });
    const offered = await plansForPortal(desk.db, NOW);
    expect(offered.map(({ name, priceRupiah }) => [name, priceRupiah])).toEqual([
      ['by command', 3_000],
      ['B', 50_000],
      ['C', 300_000],
      ['A', 2],
    ]);
    expect(offered[1]).toMatchObject({
      description: FORM.description,
      rate: { downloadBps: 20_000_000 },
      soldLast90Days: 0,
    });
  });

  test('counts what was really sold in 90 days, over all revisions', async () => {
    const { id } = await savePlan(desk, { id: null, ...FORM });
    const sell = async (number: string, orderedAt: number) => {
      const grant = await addGrant(desk, { username: 'budi', plan: FORM.name });
      await purchase(number, { orderedAt, expiresAt: orderedAt + DAY, grantId: grant.id });
    };
    await sell('P-1', NOW - 91 * DAY);
    await sell('P-2', NOW - 89 * DAY);
    await savePlan(desk, { id, ...FORM, price: '80000' });
    await sell('P-3', NOW - DAY);
    await purchase('P-4', { orderedAt: NOW, expiresAt: NOW + DAY });
    expect((await plansForPortal(desk.db, NOW)).map((plan) => plan.soldLast90Days)).toEqual([2]);
  });
});

describe('speed profiles', () => {
  const FAST = { name: '50 Mbps', down: '50M', up: '25M', burst: '80M/40M 30M/15M 16', profile: 'prepaid-50mbps' };
  const { down: _down, up: _up, burst: _burst, profile: _profile, ...REST } = FORM;

  test('lend a plan their speeds, burst and PPP profile; the plan keeps its copy', async () => {
    const fast = await saveSpeedProfile(desk, { id: null, ...FAST });
    const { id } = await savePlan(desk, { id: null, ...REST, speedProfileId: String(fast.id) });
    const rate = {
      downloadBps: 50_000_000,
      uploadBps: 25_000_000,
      burst: {
        downloadBps: 80_000_000,
        uploadBps: 40_000_000,
        thresholdDownloadBps: 30_000_000,
        thresholdUploadBps: 15_000_000,
        seconds: 16,
      },
    };
    expect(await findPlan(desk.db, { id })).toMatchObject({ rate, profile: 'prepaid-50mbps', speedProfileId: fast.id });
    expect(await listSpeedProfiles(desk.db)).toEqual([
      { id: fast.id, name: '50 Mbps', rate, profile: 'prepaid-50mbps', plans: 1 },
    ]);

    await saveSpeedProfile(desk, { id: fast.id, ...FAST, down: '60M' });
    expect(await findPlan(desk.db, { id })).toMatchObject({ rate, revision: 1 });
    expect(await savePlan(desk, { id, ...REST, speedProfileId: fast.id })).toMatchObject({ revision: 2 });
    expect(await findPlan(desk.db, { id })).toMatchObject({ rate: { downloadBps: 60_000_000 } });
    await deleteSpeedProfile(desk, fast.id);
    expect(await findPlan(desk.db, { id })).toMatchObject({ rate: { downloadBps: 60_000_000 }, speedProfileId: null });
    expect(await listSpeedProfiles(desk.db)).toEqual([]);
  });

  test('a plan may name another PPP profile than its speed profile does', async () => {
    const fast = await saveSpeedProfile(desk, { id: null, ...FAST });
    const { id } = await savePlan(desk, { id: null, ...REST, speedProfileId: fast.id, profile: 'vip' });
    expect(await findPlan(desk.db, { id })).toMatchObject({ profile: 'vip' });
  });

  test('have names of their own, and warn of a burst that brakes', async () => {
    const fast = await saveSpeedProfile(desk, { id: null, ...FAST });
    expect(await faults(saveSpeedProfile(desk, { id: null, ...FAST }))).toEqual([
      'name "50 Mbps" belongs to another speed profile; give another name',
    ]);
    const slow = await saveSpeedProfile(desk, { id: fast.id, ...FAST, burst: '10M/10M 5M/5M 8' });
    expect(slow.warnings).toEqual(['the burst rate is below the plan rate: RouterOS would slow the line down with it']);
    expect(await faults(saveSpeedProfile(desk, { id: null, name: '', down: 'x', up: '1M' }))).toHaveLength(2);
    const gone = ['this speed profile is no more; go back to the list'];
    expect(await faults(saveSpeedProfile(desk, { id: 999, ...FAST, name: 'new' }))).toEqual(gone);
    expect(await faults(deleteSpeedProfile(desk, 999))).toEqual(gone);
    expect(await faults(savePlan(desk, { id: null, ...REST, speedProfileId: 999 }))).toEqual([
      'speedProfileId: this speed profile is no more; choose another',
    ]);
  });
});
