import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { HOSTILE } from '#test/portal/admin-first/people';
import { type House, openHouse, otherInvoice, PRICE } from '#test/portal/admin-money/money-house';
import { unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { textOf } from '#test/portal/browserlike';
import { NOW } from '#test/portal/harness';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.pages.stop());

const said = async (path: string): Promise<string> => textOf((await house.cashier.open(path)).text);
const submit = (path: string, fields: Record<string, string>) => house.cashier.submit(path, fields);

describe('the list of invoices', () => {
  test('without any it teaches where they come from', async () => {
    expect(await said('/invoices')).toContain('Belum ada tagihan Tagihan terbit saat pelanggan memesan paket');
  });

  test('shows whose, how much, how it stands and until when; chips and the search narrow it', async () => {
    const [{ invoice: open }, { invoice: paid }, { invoice: gone }] = [
      await house.order('Budi Belum'),
      await house.order('Sari Sudah'),
      await house.order('Tono Tidak'),
    ];
    await house.payOnline(paid);
    await submit(`/invoices/${gone.publicId}/void`, { reason: 'salah pesan' });
    const all = await said('/invoices');
    expect(all).toMatch(/Budi Belum.*Rp 75\.000.*Belum dibayar.*28 Nov 2026/);
    expect(all).toMatch(/Belum dibayar, belum jatuh tempo Rp 75\.000 1 tagihan/);
    expect(await said('/invoices?state=paid')).toMatch(/Sari Sudah/);
    expect(await said('/invoices?state=paid')).not.toMatch(/Budi Belum|Tono Tidak/);
    expect(await said('/invoices?state=void')).toContain('Tono Tidak');
    expect(await said('/invoices?state=overdue')).toContain('Tidak ada tagihan yang cocok');
    house.setClock(NOW - 9 * DAY);
    await house.order('Lama Lewat');
    house.setClock(NOW);
    expect(await said('/invoices?state=overdue')).toMatch(/Lewat jatuh tempo Rp 75\.000 1 tagihan.*Lama Lewat/);
    expect(await said('/invoices?state=unpaid')).not.toContain('Lama Lewat');
    expect(await said(`/invoices?q=${open.number.toLowerCase()}`)).toContain('Budi Belum');
    expect(await said('/invoices?q=sari')).toContain('Sari Sudah');
    expect(await said('/invoices?q=nobody&state=nonsense&page=-3')).toContain('Tidak ada tagihan yang cocok');
  });
});

describe('one invoice', () => {
  test('is paid in cash over the counter; the form sent twice counts once', async () => {
    const { invoice } = await house.order('Tunai');
    const path = `/invoices/${invoice.publicId}`;
    const { text } = await house.cashier.open(path);
    const key = /name="key" value="([^"]+)"/.exec(text)![1]!;
    const pay = { method: 'cash', amountRupiah: '80.000', note: 'loket', key };
    const done = await submit(`${path}/pay`, pay);
    expect([done.path, textOf(done.text)]).toEqual([
      path,
      expect.stringContaining('Saldo pelanggan sekarang Rp 5.000'),
    ]);
    expect(textOf(done.text)).toMatch(/Lunas.*Tunai.*loket.*Rp 80\.000/);
    expect(textOf((await submit(`${path}/pay`, pay)).text)).toContain('Tidak dicatat dua kali');
    expect((await house.shown(invoice.number)).settledAt).toBe(NOW);
  });

  test('with a wrong amount stands there again with what was typed', async () => {
    const { invoice } = await house.order('Salah Ketik');
    const again = await submit(`/invoices/${invoice.publicId}/pay`, {
      method: 'transfer',
      amountRupiah: 'banyak',
      note: 'BCA 7',
      key: 'abcdefgh',
    });
    expect(again.status).toBe(422);
    expect(textOf(again.text)).toContain('Jumlah "banyak" tidak bisa dipakai; seharusnya rupiah bulat di atas nol');
    expect(again.text).toMatch(/value="banyak"/);
    expect(again.text).toMatch(/value="transfer" checked/);
  });

  test('part of it is paid, and a credit note makes up for the rest', async () => {
    const { invoice } = await house.order('Sebagian');
    const path = `/invoices/${invoice.publicId}`;
    const part = await submit(`${path}/pay`, {
      method: 'transfer',
      amountRupiah: '60000',
      note: '',
      key: 'part-payment',
    });
    expect(textOf(part.text)).toContain('belum lunas');
    expect(part.text).toMatch(/name="amountRupiah"[^>]*value="15000"/);
    const note = await submit(`${path}/credit-note`, { amountRupiah: '15.000', reason: 'tiga hari mati' });
    expect(textOf(note.text)).toMatch(/Nota kredit CN-2026-\d{3} sebesar Rp 15\.000 diterbitkan/);
    expect(textOf(note.text)).toMatch(/Harus dibayar Rp 60\.000/);
    expect((await house.shown(invoice.number)).settledAt).toBe(NOW);
    const much = await submit(`${path}/credit-note`, { amountRupiah: '60.001', reason: 'x' });
    expect([much.status, textOf(much.text)]).toEqual([
      422,
      expect.stringContaining('paling banyak Rp 60.000 yang bisa dikreditkan'),
    ]);
  });

  test('is made void with a reason, and no longer offers to be paid', async () => {
    const { invoice } = await house.order('Batal');
    const path = `/invoices/${invoice.publicId}`;
    expect((await submit(`${path}/void`, { reason: '' })).status).toBe(422);
    const done = await submit(`${path}/void`, { reason: 'pelanggan pindah' });
    expect(textOf(done.text)).toMatch(/dibatalkan/);
    expect(done.text).not.toContain(`${path}/pay`);
  });

  test('shows its attempts at gateways, and asks how one stands now', async () => {
    const { invoice } = await house.order('Lewat Link');
    const orderId = await house.payOnline(invoice, 'open');
    const path = `/invoices/${invoice.publicId}`;
    expect(await said(path)).toContain('Link dibuat');
    expect(textOf((await submit(`${path}/ask`, { order: orderId })).text)).toContain('Tidak ada kabar baru');
    house.gateways.midtrans.trouble.down = true;
    expect(textOf((await submit(`${path}/ask`, { order: orderId })).text)).toContain('Gateway belum menjawab');
    house.gateways.midtrans.trouble.down = false;
    house.gateways.midtrans.pay(orderId, NOW);
    const paid = textOf((await submit(`${path}/ask`, { order: orderId })).text);
    expect(paid).toMatch(/Gateway menyatakan sudah dibayar.*QRIS \(Midtrans\)/);
    expect((await submit(`${path}/ask`, { order: 'somebody-elses-1' })).status).toBe(404);
  });

  test('says what is in it of the tax, and is a file to print', async () => {
    const { person } = await house.order('Pajak');
    const invoice = await otherInvoice(house, person, 111_000);
    expect(await said(`/invoices/${invoice.publicId}`)).toMatch(/Pasang baru Rp 111\.000.*Termasuk PPN Rp 11\.000/);
    const form = { method: 'cash', amountRupiah: '111.000', note: '', key: 'to-print-it' };
    await submit(`/invoices/${invoice.publicId}/pay`, form);
    const cookie = [...house.cashier.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    for (const path of [`/invoices/${invoice.publicId}/pdf`, `/payments/${await house.lastPayment()}/receipt`]) {
      const pdf = await fetch(house.pages.url + path, { headers: { cookie } });
      expect([pdf.status, pdf.headers.get('content-type')]).toEqual([200, 'application/pdf']);
      const begin = Buffer.from(await pdf.arrayBuffer()).subarray(0, 5);
      expect(begin.toString()).toBe('%PDF-');
    }
  });

  test('stands on the page of its customer with what they have as credit', async () => {
    const { person, invoice } = await house.order('Di Halaman');
    await submit(`/invoices/${invoice.publicId}/pay`, {
      method: 'cash',
      amountRupiah: String(PRICE + 2_500),
      note: '',
      key: 'over-the-top',
    });
    const page = await house.cashier.open(`/customers/${person.id}`);
    expect(textOf(page.text)).toMatch(new RegExp(`Saldo Rp 2\\.500.*${invoice.number}.*Lunas`));
    expect(page.text).toContain(`href="/invoices/${invoice.publicId}"`);
    const technician = await house.pages.loginStaff('technician');
    expect((await technician.open(`/customers/${person.id}`)).text).not.toContain('href="/invoices/');
  });
});

test('money for nothing in particular is credit of the customer, once', async () => {
  const { person } = await house.order('Titip Uang');
  const path = `/customers/${person.id}/credit`;
  const form = { method: 'transfer', amountRupiah: '50.000', note: 'titip', key: 'deposit-form-1' };
  expect(textOf((await submit(path, form)).text)).toContain('Saldo pelanggan sekarang Rp 50.000');
  expect(textOf((await submit(path, form)).text)).toContain('Tidak dicatat dua kali');
  expect(await said(`/payments?q=Titip`)).toMatch(/1 pembayaran, Rp 50\.000 diterima.*Saldo Rp 50\.000/);
  expect((await submit(path, { ...form, key: 'deposit-form-2', amountRupiah: '' })).status).toBe(422);
  expect(await said(`/customers/${person.id}?show=money`)).toMatch(/Membayar Rp 50\.000, Transfer .*titip/);
});

test('what people typed never becomes HTML', async () => {
  const { invoice } = await house.order(HOSTILE);
  const path = `/invoices/${invoice.publicId}`;
  await submit(`${path}/pay`, { method: 'cash', amountRupiah: '1000', note: HOSTILE, key: 'hostile-1' });
  await submit(`${path}/credit-note`, { amountRupiah: '1000', reason: HOSTILE });
  for (const page of [path, '/invoices', '/payments', `/payments/${await house.lastPayment()}`])
    expect((await house.cashier.open(page)).text, page).not.toContain('<img src=x');
});

test('whoever may handle money comes in, by their own pages only', async () => {
  const { invoice } = await house.order('Pintu');
  await house.payOnline(invoice);
  const payment = await house.lastPayment();
  const paths = [
    '/invoices',
    `/invoices/${invoice.publicId}`,
    '/payments',
    `/payments/${payment}`,
    '/payments/unmatched',
    '/ledger',
  ];
  const may = ['owner', 'admin', 'customer-service'];
  for (const [path, roles] of Object.entries(await whoOpens(house.pages, paths)))
    expect([path, roles.sort()]).toEqual([path, may.toSorted()]);
  const reason = 'x';
  expect(
    await unrefused(
      house.pages,
      {
        [`/invoices/${invoice.publicId}/pay`]: { method: 'cash', amountRupiah: '5' },
        [`/invoices/${invoice.publicId}/credit-note`]: { amountRupiah: '5', reason },
        [`/invoices/${invoice.publicId}/void`]: { reason },
        [`/invoices/${invoice.publicId}/ask`]: { order: 'x' },
        [`/payments/${payment}/refund`]: { how: 'cash', amountRupiah: '5', reason, key: 'abcdefgh' },
        [`/customers/${invoice.subscriberId}/credit`]: { method: 'cash', amountRupiah: '5' },
        '/payments/unmatched/1': { how: 'refund', reason },
        '/ledger/verify': {},
        '/ledger/payouts': { gateway: 'midtrans', amountRupiah: '5', reference: 'x' },
      },
      ['technician', 'network-engineer'],
    ),
  ).toEqual([]);
});

test('what is not there is said to be so', async () => {
  for (const path of [
    '/invoices/inv_00000000000000000000',
    '/invoices/INV-2026-001',
    '/payments/999999',
    '/payments/999999/receipt',
    '/payments/x',
  ])
    expect((await house.cashier.open(path)).status, path).toBe(404);
  expect(house.pages.logged).toEqual([]);
});
