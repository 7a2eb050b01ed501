import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import { issueReceipt } from '#operations/issue-receipt';
import { saveSettings } from '#operations/settings';
import { rupiahInWords } from '#portal/shared/pdf/in-words';
import { printable } from '#portal/shared/pdf/paper';
import type { Invoice } from '#storage/invoices';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import type { Browserlike } from '#test/portal/browserlike';
import { addBill, applyEvents, openOrder } from '#test/portal/customer/bills';
import { addCustomer, type Company, type Customer, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

/** What a reader shows of a file: the text of each sheet, as its fonts decode it. */
function sheetsOf(file: Buffer): string[] {
  const raw = file.toString('latin1');
  expect(raw.startsWith('%PDF-1.')).toBe(true);
  expect(raw.trimEnd().endsWith('%%EOF')).toBe(true);
  const contents = [...raw.matchAll(/\/Length (\d+)\s*\/Filter \/FlateDecode\s*>>\s*stream\r?\n/g)].map((found) => {
    const from = found.index + found[0].length;
    return inflateSync(file.subarray(from, from + Number(found[1]))).toString('latin1');
  });
  const windows = new TextDecoder('windows-1252');
  return contents.map((content) =>
    [...content.matchAll(/\[((?:<[0-9a-f]*>|[\s\d.-])*)\] TJ/g)]
      .map(([, shown]) => [...shown!.matchAll(/<([0-9a-f]*)>/g)].map(([, hex]) => hex).join(''))
      .map((hex) => windows.decode(Buffer.from(hex, 'hex')))
      .join(' ')
      .replace(/\s+/g, ' '),
  );
}

let company: Company;
let gateways: MemoryGateways;
let customer: Customer;
let browser: Browserlike;
beforeAll(async () => {
  gateways = memoryGateways();
  company = await startCompany({ gateways });
  customer = await addCustomer(company.desk, {
    username: 'rumah-1',
    name: 'Siti “Ti” Nurhaliza–王',
    billing: 'postpaid',
  });
  browser = await company.loginPortal(customer.id);
});
afterAll(() => company.stop());

async function download(path: string): Promise<{ file: Buffer; headers: Headers; status: number }> {
  const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ');
  const answer = await fetch(company.url + path, { headers: { cookie } });
  return { file: Buffer.from(await answer.arrayBuffer()), headers: answer.headers, status: answer.status };
}

const sheet = async (path: string) => sheetsOf((await download(path)).file).join(' ');

/** Paid by the customer at Midtrans; the payment's id. */
async function pay({ id, publicId }: Invoice, method = 'qris'): Promise<number> {
  await browser.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
  const orderId = await openOrder(company, id);
  gateways.midtrans.pay(orderId, company.clock(), { method });
  await applyEvents(company, gateways, orderId);
  const [row] = await company.db.query<{ id: number }>('select max(id) as id from payment where invoice_id = $1', [id]);
  return row!.id;
}

describe('an invoice as a file', () => {
  test('is a sheet of a few KB with company, customer, lines and total', async () => {
    const { publicId, number } = await addBill(company, customer.id, { dueOn: '2026-11-28' });
    const { file, headers, status } = await download(`/customer/invoices/${publicId}/pdf`);
    expect([status, headers.get('content-type')]).toEqual([200, 'application/pdf']);
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${number}.pdf"`);
    expect(file.length).toBeLessThan(6_000);
    const sheets = sheetsOf(file);
    expect(sheets).toHaveLength(1);
    const [text] = sheets;
    for (const part of [
      `TAGIHAN ${number} Maju Net Jl. Melati 7, Malang +6281234567890`,
      'Ditagihkan kepada Siti “Ti” Nurhaliza–? Nama pengguna rumah-1',
      `Portal ID ${customer.portalId} Telepon 081298765432`,
      'Tanggal 21 Nov 2026 Jatuh tempo 28 Nov 2026',
      'Rp 300.000 Unlimited - 100Mbps',
      'Rp 300.000 Jumlah',
      'BELUM DIBAYAR',
    ])
      expect(text).toContain(part);
  });

  test('says how it stands: late, paid, cancelled', async () => {
    const late = await addBill(company, customer.id, { dueOn: '2026-11-01' });
    expect(await sheet(`/customer/invoices/${late.publicId}/pdf`)).toContain('TERLAMBAT');
    await pay(late);
    expect(await sheet(`/customer/invoices/${late.publicId}/pdf`)).toContain('LUNAS Dilunasi 21 Nov 2026 09.00 WIB');
    const gone = await addBill(company, customer.id);
    await company.db.execute('update invoice set voided_at = now() where id = $1', [gone.id]);
    expect(await sheet(`/customer/invoices/${gone.publicId}/pdf`)).toContain('DIBATALKAN');
  });

  test('says the tax that is in the prices, and what a credit note took off', async () => {
    await saveSettings(company.desk, 'billing', { tax: 'included', taxPercent: 11 });
    const { id, publicId } = await addBill(company, customer.id);
    await saveSettings(company.desk, 'billing', { tax: 'off' });
    await company.db.execute('update invoice set credited_rupiah = 50000 where id = $1', [id]);
    const text = await sheet(`/customer/invoices/${publicId}/pdf`);
    expect(text).toContain('-Rp 50.000 Nota kredit');
    expect(text).toContain('Rp 250.000 Jumlah');
    expect(text).toContain('Sudah termasuk PPN 11%: Rp 29.730');
  });

  test('with an added tax has it as a line', async () => {
    await saveSettings(company.desk, 'billing', { tax: 'added', taxPercent: 11 });
    const { publicId } = await addBill(company, customer.id);
    await saveSettings(company.desk, 'billing', { tax: 'off' });
    const text = await sheet(`/customer/invoices/${publicId}/pdf`);
    expect(text).toContain('Rp 33.000 PPN 11%');
    expect(text).toContain('Rp 333.000 Jumlah');
    expect(text).not.toContain('Sudah termasuk');
  });

  test('of a hundred lines goes on to further sheets, and stays small', async () => {
    const line = { kind: 'other', planRevisionId: null, amountRupiah: 1_000 } as const;
    const lines = Array.from({ length: 100 }, (_, at) => ({
      ...line,
      description: `Kabel ${at + 1} ${'x'.repeat(80)}`,
    }));
    const { publicId } = await addBill(company, customer.id, { lines });
    const { file } = await download(`/customer/invoices/${publicId}/pdf`);
    const sheets = sheetsOf(file);
    expect(sheets.length).toBeGreaterThan(2);
    expect(sheets.length).toBeLessThan(8);
    expect(file.length).toBeLessThan(20_000);
    expect(sheets.join(' ')).toContain('Kabel 100 ');
    expect(sheets.at(-1)).toContain('Rp 100.000 Jumlah');
  });

  test('is in English for who reads English', async () => {
    const { publicId } = await addBill(company, customer.id);
    browser.cookies.set('gerbang_lang', 'en');
    const text = await sheet(`/customer/invoices/${publicId}/pdf`);
    browser.cookies.delete('gerbang_lang');
    expect(text).toContain('INVOICE');
    expect(text).not.toMatch(/Tagihan|Jatuh|Jumlah|DIBAYAR|Dicetak/);
  });
});

describe('a receipt', () => {
  test('says who paid how much, in figures and words, how, when and for what', async () => {
    const invoice = await addBill(company, customer.id);
    const id = await pay(invoice);
    const { file, headers } = await download(`/customer/payments/${id}/receipt.pdf`);
    expect(headers.get('content-disposition')).toMatch(/^attachment; filename="KW-2026-\d{6}\.pdf"$/);
    expect(file.length).toBeLessThan(6_000);
    const text = sheetsOf(file).join(' ');
    for (const part of [
      /KWITANSI KW-2026-\d{6} Maju Net/,
      'Telah terima dari Siti “Ti” Nurhaliza–?',
      'Tanggal 21 Nov 2026 09.00 WIB Cara bayar QRIS (Midtrans)',
      `Untuk pembayaran ${invoice.number}: Unlimited - 100Mbps`,
      'Rp 300.000 Terbilang: tiga ratus ribu rupiah LUNAS',
    ])
      expect(text).toMatch(part instanceof RegExp ? part : new RegExp(part.replace(/[.?+()“”]/g, '\\$&')));
  });

  test('gets its number when it is first asked for, keeps it, and the numbers have no gap', async () => {
    const before = await lastNumber();
    const [one, two, three] = [
      await pay(await addBill(company, customer.id)),
      await pay(await addBill(company, customer.id)),
      await pay(await addBill(company, customer.id)),
    ];
    const numbers = await Promise.all([three, one, three, two, one, three].map((id) => issueReceipt(company.desk, id)));
    expect(new Set(numbers).size).toBe(3);
    expect([...new Set(numbers)].map((number) => Number(number.slice(-6))).sort((a, b) => a - b)).toEqual([
      before + 1,
      before + 2,
      before + 3,
    ]);
    expect(await issueReceipt(company.desk, two)).toBe(numbers[3]);
    company.setClock(NOW + 60 * DAY);
    browser = await company.loginPortal(customer.id);
    expect(await issueReceipt(company.desk, await pay(await addBill(company, customer.id)))).toBe('KW-2027-000001');
    company.setClock(NOW);
  });

  const lastNumber = async () =>
    (
      await company.db.query<{ last: number }>(
        `select last from number_counter where series = 'receipt' and year = 2026`,
      )
    )[0]?.last ?? 0;

  test('says what was given back of it', async () => {
    const id = await pay(await addBill(company, customer.id));
    const back = (rupiah: number) =>
      company.db.execute(
        `insert into refund (payment_id, kind, amount_rupiah, at, by) values ($1, 'refund', $2, now(), 'test')`,
        [id, rupiah],
      );
    await back(100_000);
    expect(await sheet(`/customer/payments/${id}/receipt.pdf`)).toContain(
      'DIKEMBALIKAN SEBAGIAN Dikembalikan Rp 100.000',
    );
    await back(200_000);
    const text = await sheet(`/customer/payments/${id}/receipt.pdf`);
    expect(text).toContain('DIKEMBALIKAN Dikembalikan Rp 300.000');
    expect(text).not.toContain('LUNAS');
  });

  test('of somebody else, or of no payment, is not found, and gets no number', async () => {
    const id = await pay(await addBill(company, customer.id));
    const before = await lastNumber();
    const thief = await addCustomer(company.desk, { username: 'pencuri' });
    const owner = browser;
    browser = await company.loginPortal(thief.id);
    for (const path of [String(id), '999999', '0', 'x', '1e3', '99999999999999999999'])
      expect([path, (await download(`/customer/payments/${path}/receipt.pdf`)).status]).toEqual([path, 404]);
    browser = owner;
    expect(await lastNumber()).toBe(before);
    expect(company.logged).toEqual([]);
  });

  test('stands in the history of payments, one tap away', async () => {
    const id = await pay(await addBill(company, customer.id), 'bank_transfer');
    const { text } = await browser.open('/customer/payments');
    expect(text).toContain(`href="/customer/payments/${id}/receipt.pdf"`);
    expect(text).toContain('Transfer bank (VA) (Midtrans)');
  });
});

test.each([
  [0, 'nol rupiah'],
  [1, 'satu rupiah'],
  [10, 'sepuluh rupiah'],
  [11, 'sebelas rupiah'],
  [19, 'sembilan belas rupiah'],
  [21, 'dua puluh satu rupiah'],
  [100, 'seratus rupiah'],
  [1_000, 'seribu rupiah'],
  [1_111, 'seribu seratus sebelas rupiah'],
  [75_000, 'tujuh puluh lima ribu rupiah'],
  [101_000, 'seratus satu ribu rupiah'],
  [1_000_000, 'satu juta rupiah'],
  [1_234_567, 'satu juta dua ratus tiga puluh empat ribu lima ratus enam puluh tujuh rupiah'],
  [2_000_000_001, 'dua miliar satu rupiah'],
])('%i in words is %s', (rupiah, words) => {
  expect(rupiahInWords(rupiah)).toBe(words);
});

test('text is printed in what every reader’s fonts have', () => {
  expect(printable('Café – Rp 5.000 “ya”')).toBe('Café – Rp 5.000 “ya”');
  expect(printable('Nguyễn Đ')).toBe('Nguyen ?');
  expect(printable('a\u0000b\nc\u0085d')).toBe('a b c d');
  expect(printable('王😀')).toBe('??');
});
