import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { placePurchase } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import { listPlans } from '#storage/plans';
import { listSpeedProfiles } from '#storage/speed-profiles';
import { addPackage, addPerson, HOSTILE } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;
beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('admin');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const FORM = {
  name: '20GB - 20Mbps',
  type: 'month',
  quota: '20480',
  unit: 'MB',
  speed: 'own',
  down: '20',
  up: '20',
  price: '75.000',
  profile: 'prepaid-20mbps',
  onPortal: 'yes',
  position: '1',
};
const planNamed = async (name: string) => (await listPlans(pages.db)).find((plan) => plan.name === name);

describe('a package', () => {
  test('is explained when there is none, and made as the guide says: name, type, quota, speed, price, profile', async () => {
    expect(textOf((await browser.open('/prepaid/packages')).text)).toContain('Belum ada paket');
    await browser.open('/prepaid/packages/new');
    const made = await browser.submit('/prepaid/packages/new', FORM);
    expect(made.path).toBe('/prepaid/packages');
    expect(textOf(made.text)).toContain('Bulanan 20 GB 20 Mbps Rp 75.000');
    expect(await planNamed(FORM.name)).toMatchObject({
      period: { months: 1 },
      allowanceBytes: 20 * 2 ** 30,
      priceRupiah: 75_000,
      profile: 'prepaid-20mbps',
      rate: { downloadBps: 20e6, uploadBps: 20e6, burst: null },
      onPortal: true,
      position: 1,
    });
  });

  test.each([
    ['week', '', { days: 7 }],
    ['day', '', { days: 1 }],
    ['days', '45', { days: 45 }],
  ])('of type %s %s lasts so long; an empty quota is no limit, and burst is taken', async (type, days, period) => {
    const name = `Paket ${type}`;
    const burst = { burstDown: '40', burstUp: '30', overDown: '15', overUp: '512k', burstSeconds: '16' };
    await browser.open('/prepaid/packages/new');
    await browser.submit('/prepaid/packages/new', { ...FORM, ...burst, name, type, days, quota: '' });
    expect(await planNamed(name)).toMatchObject({
      period,
      allowanceBytes: null,
      rate: {
        burst: {
          downloadBps: 40e6,
          uploadBps: 30e6,
          thresholdDownloadBps: 15e6,
          thresholdUploadBps: 512_000,
          seconds: 16,
        },
      },
    });
  });

  test('says beside each field what is wrong, in Indonesian, and keeps what was typed', async () => {
    await browser.open('/prepaid/packages/new');
    const { status, text } = await browser.submit('/prepaid/packages/new', {
      ...FORM,
      name: '',
      type: 'days',
      days: '0',
      quota: 'banyak',
      down: 'cepat',
      burstDown: '40',
      price: '75.00',
      position: 'x',
      description: 'Tetap di sini',
    });
    expect(status).toBe(422);
    for (const name of ['name', 'days', 'quota', 'down', 'burstUp', 'burstSeconds', 'price', 'position'])
      expect(text, name).toMatch(new RegExp(`id="${name}"[^>]*aria-invalid="true"`));
    expect(textOf(text)).toContain('Isi harga dalam rupiah bulat');
    expect(text).toContain('value="Tetap di sini"');
    expect(textOf(text)).not.toMatch(/is not usable|missing; give/);
    const taken = await browser.submit('/prepaid/packages/new', FORM);
    expect(textOf(taken.text)).toContain('Nama ini sudah dipakai paket lain');
  });

  test('edited makes a new revision, says who keeps the old one, and leaves what was sold as it is', async () => {
    await addPackage(pages.desk, 'Keluarga', '100000');
    const { planId, revisionId } = (await planNamed('Keluarga'))!;
    const buyer = await addPerson(pages.desk);
    await sellPackage(pages.desk, {
      subscriberId: buyer.id,
      planRevisionId: revisionId,
      method: 'cash',
      begins: 'after',
    });
    // One who only ordered has not bought.
    const orders = await addPerson(pages.desk);
    await placePurchase(pages.desk, { subscriberId: orders.id, planRevisionId: revisionId, begins: 'after' });
    const form = await browser.open(`/prepaid/packages/${planId}/edit`);
    expect(textOf(form.text)).toContain('1 pelanggan tetap memakai paket yang sudah mereka beli');
    expect(textOf(form.text)).toContain('menjadi revisi 2');
    const typed = { ...FORM, name: 'Keluarga', type: 'days', days: '30', quota: '20', unit: 'GB', price: '125000' };
    const edited = await browser.submit(`/prepaid/packages/${planId}/edit`, typed);
    expect(textOf(edited.text)).toContain('disimpan sebagai revisi 2. Yang sudah dibeli tidak berubah');
    expect(textOf(edited.text)).toMatch(/Revisi 2 Dijual sekarang.*Rp 125\.000 0 0.*Revisi 1.*Rp 100\.000 1 1/);
    const [sold] = await pages.db.query(
      `select plan_revision_id as revision, price_rupiah as price from purchase where subscriber_id = $1`,
      [buyer.id],
    );
    expect(sold).toEqual({ revision: revisionId, price: 100_000 });
    const again = await browser.submit(`/prepaid/packages/${planId}/edit`, { ...typed, description: 'Untuk berempat' });
    expect(textOf(again.text)).toContain('tetap revisi 2');
  });

  test('takes its speed from a profile, and the form says when that has changed since', async () => {
    await browser.open('/prepaid/speed-profiles/new');
    const profile = { name: '30 Mbps', down: '30', up: '15', profile: 'prepaid-30mbps' };
    expect((await browser.submit('/prepaid/speed-profiles/new', profile)).path).toBe('/prepaid/speed-profiles');
    const { id } = (await listSpeedProfiles(pages.db))[0]!;
    const typed = { ...FORM, name: 'Dari profil', speed: String(id), down: '', up: '', profile: '' };
    await browser.open('/prepaid/packages/new');
    await browser.submit('/prepaid/packages/new', typed);
    const plan = (await planNamed('Dari profil'))!;
    expect(plan).toMatchObject({ rate: { downloadBps: 30e6, uploadBps: 15e6 }, profile: 'prepaid-30mbps' });
    const edit = `/prepaid/packages/${plan.planId}/edit`;
    expect((await browser.open(edit)).text).not.toContain('profile ini berubah');
    await browser.open(`/prepaid/speed-profiles/${id}`);
    await browser.submit(`/prepaid/speed-profiles/${id}`, { ...profile, down: '35' });
    expect((await browser.open(edit)).text).toContain('profile ini berubah');
    expect((await planNamed('Dari profil'))!.rate.downloadBps).toBe(30e6);
    const unknown = await browser.submit(edit, { ...typed, speed: '99999' });
    expect([unknown.status, unknown.text.includes('Pilih speed profile')]).toEqual([422, true]);
  });

  test('cannot be deleted while somebody has it or may still pay for it, and the page says who', async () => {
    const revision = await addPackage(pages.desk, 'Dipakai');
    const { planId } = (await planNamed('Dipakai'))!;
    const [has, orders] = [await addPerson(pages.desk), await addPerson(pages.desk)];
    await addGrant(pages.desk, { username: has.username, plan: 'Dipakai' });
    await placePurchase(pages.desk, { subscriberId: orders.id, planRevisionId: revision, begins: 'after' });
    const { text } = await browser.open(`/prepaid/packages/${planId}/delete`);
    expect(textOf(text)).toContain('1 langganan masih berjalan atau akan mulai 1 pembelian menunggu pembayaran');
    expect(text).not.toContain('Hapus paket</button>');
    const refused = await browser.submit(`/prepaid/packages/${planId}/delete`);
    expect([refused.status, (await planNamed('Dipakai'))!.retired]).toEqual([422, false]);
  });

  test('nobody uses is deleted, leaves the list and stays in the books', async () => {
    await addPackage(pages.desk, 'Lama');
    const { planId } = (await planNamed('Lama'))!;
    await browser.open(`/prepaid/packages/${planId}/delete`);
    const deleted = await browser.submit(`/prepaid/packages/${planId}/delete`);
    expect(textOf(deleted.text)).toContain('Paket Lama dihapus');
    expect(deleted.text).not.toContain(`href="/prepaid/packages/${planId}"`);
    expect(textOf((await browser.open(`/prepaid/packages/${planId}`)).text)).toContain('Dihapus');
    expect((await browser.open(`/prepaid/packages/${planId}/edit`)).path).toBe('/prepaid/packages');
  });

  test('that does not exist is told, and no address makes a mistake of ours', async () => {
    for (const id of ['99999', '0', 'x', '99999999999']) {
      for (const path of [`/prepaid/packages/${id}`, `/prepaid/packages/${id}/edit`, `/prepaid/packages/${id}/delete`])
        expect((await browser.open(path)).path).toBe('/prepaid/packages');
      expect((await browser.open(`/prepaid/speed-profiles/${id}`)).path).toBe('/prepaid/speed-profiles');
    }
  });

  test('whose name is markup stays text on every page that shows it', async () => {
    await browser.open('/prepaid/packages/new');
    await browser.submit('/prepaid/packages/new', { ...FORM, name: HOSTILE, description: HOSTILE, profile: HOSTILE });
    const { planId } = (await planNamed(HOSTILE))!;
    await browser.submit('/prepaid/speed-profiles/new', { name: HOSTILE, down: '1', up: '1', profile: HOSTILE });
    const own = `/prepaid/packages/${planId}`;
    for (const path of [
      '/prepaid/packages',
      own,
      `${own}/edit`,
      `${own}/delete`,
      '/prepaid/speed-profiles',
      '/audit',
    ]) {
      const { text, status } = await browser.open(path);
      expect([path, status]).toEqual([path, 200]);
      expect(text, path).not.toContain('<img src=x');
      expect(textOf(text).includes(HOSTILE) || text.includes('value="&lt;img'), path).toBe(true);
    }
  });
});

describe('a speed profile', () => {
  test('is deleted without touching the packages made with it; wrong speeds are told', async () => {
    await browser.open('/prepaid/speed-profiles/new');
    const wrong = await browser.submit('/prepaid/speed-profiles/new', { name: 'Aneh', down: '0', up: 'x' });
    expect([wrong.status, textOf(wrong.text).match(/Isi speed dalam Mbps/g)?.length]).toEqual([422, 4]);
    const taken = await browser.submit('/prepaid/speed-profiles/new', { name: '30 Mbps', down: '1', up: '1' });
    expect(textOf(taken.text)).toContain('sudah dipakai speed profile lain');
    const { id } = (await listSpeedProfiles(pages.db)).find(({ name }) => name === '30 Mbps')!;
    const before = (await planNamed('Dari profil'))!.rate;
    expect(textOf((await browser.open(`/prepaid/speed-profiles/${id}`)).text)).toContain('1 paket mengambil speed');
    const deleted = await browser.submit(`/prepaid/speed-profiles/${id}/delete`);
    expect(textOf(deleted.text)).toContain('Speed profile 30 Mbps dihapus');
    expect((await planNamed('Dari profil'))!.rate).toEqual(before);
  });

  test('whose burst would brake is saved with a warning', async () => {
    await browser.open('/prepaid/speed-profiles/new');
    const burst = { burstDown: '5', burstUp: '5', overDown: '4', overUp: '4', burstSeconds: '8' };
    const saved = await browser.submit('/prepaid/speed-profiles/new', { name: 'Rem', down: '10', up: '10', ...burst });
    expect(textOf(saved.text)).toContain('burst-nya lebih lambat');
  });
});
