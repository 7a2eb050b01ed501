import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placePurchase } from '#operations/place-purchase';
import { settlePurchase } from '#operations/settle-purchase';
import { listPromos } from '#storage/promos';
import { addPackage, addPerson, HOSTILE } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;
let plan: number;
beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('customer-service');
  plan = await addPackage(pages.desk);
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const FORM = { code: 'hemat20', kind: 'percent', value: '20', until: '2026-12-31' };
const add = async (form: Record<string, string | readonly string[]>) => {
  await browser.open('/promos/new');
  return browser.submit('/promos/new', form);
};
const promo = async (code: string) => (await listPromos(pages.db, NOW)).find((one) => one.code === code);

describe('promo codes', () => {
  test('are explained when there is none, and made with a form', async () => {
    expect(textOf((await browser.open('/promos')).text)).toContain('Belum ada kode promo');
    const made = await add({ ...FORM, mostUses: '100' });
    expect(made.path).toBe('/promos');
    expect(textOf(made.text)).toContain('HEMAT20 Berlaku 20%');
    expect(textOf(made.text)).toContain('31 Des 2026');
    expect(textOf(made.text)).toContain('Semua paket 0 dari 100 1× per pelanggan');
    expect(await promo('HEMAT20')).toMatchObject({ percent: 20, fixedRupiah: null, mostUses: 100, mostUsesEach: 1 });
  });

  test('of an amount, to come, for one package, so often for each', async () => {
    const [{ id } = { id: 0 }] = await pages.db.query<{ id: number }>(
      'select plan_id as id from plan_revision where id = $1',
      [plan],
    );
    const form = {
      code: 'DES',
      kind: 'fixed',
      value: '25.000',
      from: '2026-12-01',
      until: '2026-12-01',
      mostUsesEach: '3',
    };
    const text = textOf((await add({ ...form, planIds: [String(id)] })).text);
    expect(text).toContain('DES Belum mulai Rp 25.000');
    expect(text).toContain('20GB - 20Mbps 0 3× per pelanggan');
    const { startsAt, endsAt } = (await promo('DES'))!;
    expect(endsAt - startsAt).toBe(86_400_000);
  });

  test('say how often they are used, what was paid and given', async () => {
    const { id: subscriberId } = await addPerson(pages.desk);
    const { number } = await placePurchase(pages.desk, { subscriberId, planRevisionId: plan, promoCode: 'HEMAT20' });
    await settlePurchase(pages.desk, { number, method: 'cash' });
    expect(textOf((await browser.open('/promos')).text)).toContain('1 dari 100 1× per pelanggan Rp 15.000 1× dibayar');
  });

  test('are stopped, and used again, with one tap', async () => {
    const { id } = (await promo('HEMAT20'))!;
    await browser.open('/promos');
    expect(textOf((await browser.submit(`/promos/${id}/disable`)).text)).toContain('HEMAT20 Dihentikan');
    expect((await promo('HEMAT20'))!.disabledAt).toBe(NOW);
    expect(textOf((await browser.submit(`/promos/${id}/enable`)).text)).toContain('HEMAT20 Berlaku');
    expect(textOf((await browser.submit('/promos/99999/disable')).text)).toContain('Kode promo itu tidak ada.');
  });

  test.each([
    [{ code: 'a b' }, 'Isi 2 sampai 31 huruf'],
    [{ code: 'HEMAT20' }, 'Kode ini sudah dipakai promo lain.'],
    [{ value: '101' }, 'Isi persen bulat 1 sampai 100'],
    [{ value: '' }, 'Isi persen bulat 1 sampai 100'],
    [{ kind: 'fixed', value: 'murah' }, 'Isi persen bulat 1 sampai 100'],
    [{ until: '' }, 'Isi tanggal yang belum lewat'],
    [{ until: '2026-11-01' }, 'Isi tanggal yang belum lewat'],
    [{ from: 'besok' }, 'Tanggal ini tidak bisa dibaca.'],
    [{ mostUses: '0' }, 'Isi angka bulat mulai dari 1'],
    [{ mostUsesEach: 'x' }, 'Isi angka bulat mulai dari 1'],
  ])('%j is refused beside its field, with what was typed still there', async (more, says) => {
    const before = (await listPromos(pages.db, NOW)).length;
    const refused = await add({ ...FORM, code: 'BARU', ...more });
    expect(refused.status).toBe(422);
    expect(textOf(refused.text)).toContain(says);
    expect(refused.text).toContain('aria-invalid="true"');
    expect(refused.text).toContain(`value="${(more as { code?: string }).code ?? 'BARU'}"`);
    expect(await listPromos(pages.db, NOW)).toHaveLength(before);
  });

  test('show hostile names as text', async () => {
    const hostile = await addPackage(pages.desk, HOSTILE, '1000');
    const [row] = await pages.db.query<{ id: number }>('select plan_id as id from plan_revision where id = $1', [
      hostile,
    ]);
    const page = await add({ ...FORM, code: 'JAHAT', planIds: [String(row!.id)] });
    expect(page.text).not.toContain('<script>alert');
    expect(textOf(page.text)).toContain('JAHAT');
  });

  test('are not for those whose role has no money', async () => {
    const technician = await pages.loginStaff('technician');
    for (const path of ['/promos', '/promos/new']) expect((await technician.open(path)).status).toBe(403);
    expect((await technician.post('/promos/new', FORM, { token: null })).status).toBe(403);
  });
});
