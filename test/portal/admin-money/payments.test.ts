import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { closeBooks } from '#operations/close-books';
import { askForDueRefunds } from '#operations/refund-payment';
import { type House, openHouse } from '#test/portal/admin-money/money-house';
import { textOf } from '#test/portal/browserlike';
import { NOW } from '#test/portal/harness';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.pages.stop());

const said = async (path: string): Promise<string> => textOf((await house.cashier.open(path)).text);
const submit = (path: string, fields: Record<string, string>) => house.cashier.submit(path, fields);

describe('the books', () => {
  test('with nothing in them say when they begin', async () => {
    expect(await said('/ledger')).toContain('Pembukuan mulai saat uang pertama masuk');
    expect(await said('/payments')).toContain('Belum ada pembayaran');
    expect(await said('/payments/unmatched')).toContain('Semua uang dikenal');
  });

  test('show every account as people read it, the days that are closed, and that all is right', async () => {
    house.setClock(NOW - 2 * DAY);
    await house.payOnline((await house.order('Pagi')).invoice);
    house.setClock(NOW);
    await closeBooks(house.pages.desk);
    const page = await said('/ledger');
    expect(page).toMatch(/Midtrans sudah dibayar, belum cair ke bank Rp 75\.000/);
    expect(page).toMatch(/Pendapatan layanan yang sudah diberikan Rp 4\.062/);
    expect(page).toMatch(/Uang masuk, 30 hari terakhir Midtrans Rp 75\.000/);
    expect(page).toMatch(/19 Nov 2026 [0-9a-f]{16}… 2 transaksi/);
    expect(textOf((await submit('/ledger/verify', {})).text)).toContain('Semua jumlah cocok');
    await house.pages.db.transaction(async (tx) => {
      await tx.query(`set local session_replication_role = 'replica'`);
      await tx.execute(`update ledger_transaction set detail = '{"x": 1}' where id = 1`);
    });
    expect(textOf((await submit('/ledger/verify', {})).text)).toContain(
      '2026-11-19 tidak seperti saat ditutup: dulu 2 transaksi, sekarang 2',
    );
  });

  test('take a payout once, and not more than the gateway holds', async () => {
    const payout = { gateway: 'midtrans', amountRupiah: '70.000', feeRupiah: '1.000', reference: 'MID-20261121' };
    expect(textOf((await submit('/ledger/payouts', payout)).text)).toContain('Gateway masih memegang Rp 4.000');
    const again = await submit('/ledger/payouts', payout);
    expect([again.status, textOf(again.text)]).toEqual([422, expect.stringContaining('sudah dicatat')]);
    expect(again.text).toContain('value="MID-20261121"');
    expect(textOf((await submit('/ledger/payouts', { ...payout, reference: 'MID-2' })).text)).toContain(
      'memegang Rp 4.000 milik kita',
    );
  });
});

describe('payments', () => {
  test('are listed by way and day, with what of them went back, and found by any number of theirs', async () => {
    const { invoice } = await house.order('Dicari');
    const orderId = await house.payOnline(invoice);
    await submit(`/invoices/${(await house.order('Loket')).invoice.publicId}/pay`, {
      method: 'cash',
      amountRupiah: '75000',
      note: '',
      key: 'cash-at-desk',
    });
    for (const q of [orderId, `ref-${orderId}`, invoice.number.toLowerCase(), 'dicari'])
      expect(await said(`/payments?q=${q}`), q).toMatch(/Dicari/);
    expect(await said(`/payments?q=${orderId}`)).not.toContain('Loket');
    expect(await said('/payments?way=cash')).toMatch(/1 pembayaran, Rp 75\.000 diterima.*Loket/);
    expect(await said('/payments?way=midtrans')).not.toContain('Loket');
    expect(await said('/payments?from=2026-11-19&to=2026-11-19')).toMatch(/1 pembayaran.*Pagi/);
    expect(await said('/payments?from=2026-11-20&to=2026-11-20')).toContain('Tidak ada pembayaran yang cocok');
    expect(await said('/payments?from=zz&way=gold&page=0')).toContain('Dicari');
  });

  test('are refunded in part at the gateway and wholly by hand', async () => {
    const { person, invoice } = await house.order('Kembali');
    await house.payOnline(invoice);
    const path = `/payments/${await house.lastPayment()}`;
    const form = { how: 'gateway', amountRupiah: '25.000', reason: 'lambat', key: 'refund-key-1' };
    const part = await submit(`${path}/refund`, form);
    expect(textOf(part.text)).toMatch(/Rp 25\.000 dikembalikan\..*Masih pada kita Rp 50\.000.*lambat · oleh kasir/);
    expect(textOf((await submit(`${path}/refund`, form)).text)).toContain('sudah diminta tadi');
    const much = await submit(`${path}/refund`, { ...form, key: 'refund-key-2', amountRupiah: '50.001' });
    expect([much.status, textOf(much.text)]).toEqual([
      422,
      expect.stringContaining('masih Rp 50.000 yang bisa dikembalikan'),
    ]);
    const rest = await submit(`${path}/refund`, {
      ...form,
      key: 'refund-key-3',
      how: 'transfer',
      amountRupiah: '50000',
    });
    expect(rest.text).not.toContain(`${path}/refund`);
    expect(await said('/payments?back=yes')).toMatch(/1 pembayaran.*Kembali.*Rp 75\.000 dikembalikan/);
    expect(await said('/payments?back=yes')).not.toContain('Loket');
    expect(await said(`/customers/${person.id}?show=money`)).toMatch(/Dikembalikan Rp 25\.000 \(QRIS\)/);
  });

  test('whose gateway is silent say so, and what came of it later', async () => {
    const { invoice } = await house.order('Sunyi');
    await house.payOnline(invoice);
    const path = `/payments/${await house.lastPayment()}`;
    house.gateways.midtrans.trouble.down = true;
    const waits = await submit(`${path}/refund`, {
      how: 'gateway',
      amountRupiah: '75000',
      reason: 'lambat',
      key: 'silent-key',
    });
    expect(textOf(waits.text)).toMatch(/Gateway belum menjawab.*Menunggu gateway/);
    expect(waits.text).not.toContain(`${path}/refund"`);
    house.gateways.midtrans.trouble.down = false;
    expect(await said('/payments?back=waiting')).toMatch(/1 pembayaran.*Sunyi/);
    house.setClock(NOW + 25 * HOUR);
    const owner = await house.pages.loginStaff('owner');
    expect(textOf((await owner.open('/prepaid/dashboard')).text)).toContain(
      '1 pengembalian di gateway lebih dari sehari',
    );
    await askForDueRefunds(house.pages.desk, house.gateways);
    house.setClock(NOW);
    expect(await said('/payments?back=waiting')).toContain('Tidak ada pembayaran yang cocok');
    expect(await said(path)).toMatch(/Uang kembali Pengembalian lambat/);
  });
});

describe('money that fits nothing', () => {
  test('asks for attention, waits in its queue, and is resolved there', async () => {
    await house.stray('TOKO-LAIN-1', 40_000);
    await house.stray('TOKO-LAIN-2', 50_000);
    await house.stray('TOKO-LAIN-3', 60_000);
    house.setClock(NOW + 3 * HOUR);
    const owner = await house.pages.loginStaff('owner');
    expect(textOf((await owner.open('/prepaid/dashboard')).text)).toMatch(
      /3 pembayaran tak dikenal \(Rp 150\.000\), yang terlama sejak 3 jam lalu Selesaikan/,
    );
    const { text } = await house.cashier.open('/payments/unmatched');
    expect(textOf(text)).toMatch(/Rp 40\.000 Pesanan tak dikenal Xendit · TOKO-LAIN-1 menunggu 3 jam/);
    const [first, second, third] = [...text.matchAll(/href="(\/payments\/unmatched\/\d+)"/g)].map((match) => match[1]!);
    const { person, invoice } = await house.order('Pemilik');
    const wrong = await submit(first!, { how: 'credit', username: 'nobody', invoice: '', reason: 'telepon' });
    expect([wrong.status, wrong.text]).toEqual([422, expect.stringContaining('value="telepon"')]);
    expect(
      textOf((await submit(first!, { how: 'credit', username: person.username, invoice: '', reason: 'telepon' })).text),
    ).toContain('Rp 40.000 menjadi saldo pelanggan');
    const settled = await submit(second!, {
      how: 'invoice',
      username: '',
      invoice: invoice.number,
      reason: 'bukti transfer',
    });
    expect(textOf(settled.text)).toContain('Rp 50.000 melunasi tagihan');
    expect((await house.shown(invoice.number)).settledAt).not.toBeNull();
    expect(
      textOf((await submit(third!, { how: 'refund', username: '', invoice: '', reason: 'salah kirim' })).text),
    ).toMatch(/Rp 60\.000 dikembalikan di gateway.*Semua uang dikenal.*Terakhir diselesaikan/);
    expect(textOf((await submit(third!, { how: 'refund', reason: 'lagi' })).text)).toContain('sudah diselesaikan');
    expect(textOf((await owner.open('/prepaid/dashboard')).text)).not.toContain('tak dikenal (');
    house.setClock(NOW);
    expect(house.pages.logged).toEqual([]);
  });
});
