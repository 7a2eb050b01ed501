import { afterAll, beforeAll, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { placePurchase } from '#operations/place-purchase';
import { addPackage, addPerson } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;
let plan: number;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('customer-service', 'cs');
});
afterAll(() => pages.stop());

const said = async (path: string): Promise<string> => textOf((await browser.open(path)).text);

test('without any purchase or package the pages teach where they come from', async () => {
  expect(await said('/prepaid/purchases')).toContain('Belum ada pembelian');
  expect(await said('/prepaid/subscriptions')).toContain('Belum ada paket yang berjalan');
});

test('what waits for its money stands first, is settled and cancelled there, and is found by its state', async () => {
  plan = await addPackage(pages.desk);
  const order = async (name: string) => {
    const { id } = await addPerson(pages.desk, { name });
    return (await placePurchase(pages.desk, { subscriberId: id, planRevisionId: plan })).number;
  };
  const [paid, dropped] = [await order('Bayar Tunai'), await order('Tidak Jadi')];
  await order('Masih Menunggu');
  expect(await said('/prepaid/purchases')).toContain('3 menunggu pembayaran');
  const { text } = await browser.open('/prepaid/purchases');
  // Not once more among all others.
  expect(text.match(/Bayar Tunai/g)).toHaveLength(1);
  const nonsense = await browser.submit(`/prepaid/purchases/${paid}/settle`, { method: 'emas' });
  expect(textOf(nonsense.text)).toContain('3 menunggu pembayaran');
  expect(textOf((await browser.submit(`/prepaid/purchases/${paid}/settle`, { method: 'cash' })).text)).toContain(
    'lunas. Paket aktif sampai 21 Des 2026',
  );
  expect(textOf((await browser.submit(`/prepaid/purchases/${dropped}/cancel`)).text)).toContain(
    `${dropped} dibatalkan`,
  );
  expect(textOf((await browser.submit(`/prepaid/purchases/${paid}/cancel`)).text)).toContain('Tidak bisa dibatalkan');
  expect(await said('/prepaid/purchases?state=done')).toMatch(/Bayar Tunai.*Tunai/);
  expect(await said('/prepaid/purchases?state=cancelled')).toContain('Tidak Jadi');
  expect(await said('/prepaid/purchases?state=waiting')).not.toContain('Tidak Jadi');
  expect(await said(`/prepaid/purchases?q=${paid}`)).toContain('Bayar Tunai');
  expect(await said('/prepaid/purchases?q=tidak+ada')).toContain('Tidak ada pembelian yang cocok');
});

test('packages in force, ending, to come and ended; one is taken back with a reason that stays', async () => {
  const { desk } = pages;
  const rows: [string, object][] = [
    ['Jalan Terus', { from: '2026-11-10' }],
    ['Besok Habis', { from: '2026-11-01', until: '2026-11-21T20:00+07:00' }],
    ['Minggu Ini', { from: '2026-11-01', until: '2026-11-25T20:00+07:00' }],
    ['Nanti', { from: '2026-12-10' }],
    ['Dulu', { from: '2026-09-01', until: '2026-10-01' }],
  ];
  const ids: Record<string, number> = {};
  for (const [name, span] of rows) {
    const { id, username } = await addPerson(desk, { name });
    ids[name] = id;
    await addGrant(desk, { username, plan: '20GB - 20Mbps', ...span });
  }
  const shown = async (query: string) => {
    const text = await said(`/prepaid/subscriptions${query}`);
    return rows.map(([name]) => name).filter((name) => text.includes(name));
  };
  expect(await shown('')).toEqual(['Jalan Terus', 'Besok Habis', 'Minggu Ini']);
  expect(await shown('?view=ending-1')).toEqual(['Besok Habis']);
  expect(await shown('?view=ending-7')).toEqual(['Besok Habis', 'Minggu Ini']);
  expect(await shown('?view=to-come')).toEqual(['Nanti']);
  expect(await shown('?view=ended')).toEqual(['Dulu']);
  expect(await shown('?q=minggu')).toEqual(['Minggu Ini']);
  expect(await shown('?plan=999')).toEqual([]);

  const { text } = await browser.open('/prepaid/subscriptions?q=Jalan+Terus');
  const path = /href="(\/prepaid\/subscriptions\/\d+\/revoke)"/.exec(text)![1]!;
  expect(await said(path)).toContain('Paket berakhir sekarang, bukan 10 Des 2026');
  const why = await browser.submit(path, { reason: ' ' });
  expect([why.status, textOf(why.text)]).toEqual([422, expect.stringContaining('Tulis alasannya')]);
  const revoked = await browser.submit(path, { reason: 'salah jual' });
  expect(revoked.path).toBe(`/customers/${ids['Jalan Terus']}`);
  expect(textOf(revoked.text)).toContain('sudah dicabut');
  // The audit's own clock is the database's.
  pages.setClock(Math.max(pages.clock(), Date.now() + 60_000));
  const later = await (await pages.loginStaff('owner')).open(`/customers/${ids['Jalan Terus']}?show=edits`);
  expect(textOf(later.text)).toMatch(/Paket dicabut .* oleh cs · salah jual/);
  pages.setClock(NOW);
  expect(await shown('')).toEqual(['Besok Habis', 'Minggu Ini']);
  expect(textOf((await browser.submit(path, { reason: 'lagi' })).text)).toContain('sudah berakhir atau dicabut');
  expect(pages.logged).toEqual([]);
});
