import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, SECOND } from '#domain/time';
import { placePurchase } from '#operations/place-purchase';
import { creditOf } from '#storage/ledger';
import { type MemoryGateways, memoryGateways } from '#test/payments/memory-gateway';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addBill, applyEvents, openOrder } from '#test/portal/customer/bills';
import {
  addCustomer,
  addSession,
  type Company,
  type Customer,
  PLAN,
  setSettled,
  startCompany,
} from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

let company: Company;
let gateways: MemoryGateways;
let customer: Customer;
let browser: Browserlike;
let count = 0;
beforeAll(async () => {
  gateways = memoryGateways();
  company = await startCompany({ gateways });
});
afterAll(() => company.stop());
beforeEach(async () => {
  company.setClock(NOW + count * 60 * SECOND);
  gateways.on = ['midtrans', 'xendit'];
  Object.assign(gateways.midtrans.trouble, { down: false, delayMs: 0 });
  count += 1;
  customer = await addCustomer(company.desk, { username: `payer-${count}`, billing: 'postpaid' });
  browser = await company.loginPortal(customer.id);
  await browser.open('/customer');
  company.logged.length = 0;
});
let mayLog = false;
afterEach(() => {
  if (!mayLog) expect(company.logged).toEqual([]);
  mayLog = false;
});

const bill = (more = {}) => addBill(company, customer.id, more);
const ask = async (invoiceId: string, more = '') => {
  const answer = await browser.fetch(`/api/customer/invoices/payment?invoiceId=${invoiceId}${more}`);
  return [answer.status, JSON.parse(answer.text) as Record<string, unknown>] as const;
};
const refused = (status: number, error: string) => [status, { success: false, error }];

describe('GET /api/customer/invoices/payment', () => {
  test('answers with the link and the invoice, as JSON that nobody keeps', async () => {
    const { publicId, number } = await bill({ dueOn: '2026-11-28' });
    const answer = await browser.fetch(`/api/customer/invoices/payment?invoiceId=${publicId}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(JSON.parse(answer.text)).toEqual({
      success: true,
      paymentLink: expect.stringMatching(/^https:\/\/midtrans\.test\/pay\/[0-9a-f]{16}$/),
      invoice: { id: publicId, invoiceNumber: number, amount: 300_000, dueDate: '2026-11-28' },
    });
  });

  test('401 to nobody, to a session that is over, and to one whose PIN is still to be changed', async () => {
    const { publicId } = await bill();
    const over = refused(401, 'Sesi Anda sudah berakhir. Masuk lagi untuk melanjutkan.');
    const known = browser;
    browser = company.browser();
    expect(await ask(publicId)).toEqual(over);
    browser = company.browser({ gerbang_portal: 'A'.repeat(43) });
    expect(await ask(publicId)).toEqual(over);
    await company.db.execute('update portal_account set must_change_pin = true where subscriber_id = $1', [
      customer.id,
    ]);
    browser = known;
    expect(await ask(publicId)).toEqual(over);
    expect(browser.cookies.has('gerbang_portal')).toBe(true);
  });

  test('400 without an invoice', async () => {
    expect(await ask('')).toEqual(refused(400, 'Invoice ID tidak diberikan'));
    expect(JSON.parse((await browser.fetch('/api/customer/invoices/payment')).text).success).toBe(false);
  });

  test('404 for one that never was, is somebody else’s, or is paid; nothing tells them apart', async () => {
    const not = refused(404, 'Invoice tidak ditemukan atau sudah dibayar');
    for (const id of ['inv_00000000000000000000', '1', "'; drop table invoice", '%00', 'x'.repeat(500)])
      expect(await ask(encodeURIComponent(id))).toEqual(not);
    const { publicId, id } = await bill();
    await ask(publicId);
    const orderId = await openOrder(company, id);
    const thief = await addCustomer(company.desk, { username: `thief-${count}` });
    const owner = browser;
    browser = await company.loginPortal(thief.id);
    expect(await ask(publicId)).toEqual(not);
    for (const path of ['', '/pay', '/pdf', '/state'])
      expect((await browser.open(`/customer/invoices/${publicId}${path}`)).status).toBe(404);
    await browser.open('/customer');
    expect((await browser.submit(`/customer/invoices/${publicId}/pay`)).status).toBe(404);
    browser = owner;
    gateways.midtrans.pay(orderId, company.clock());
    await applyEvents(company, gateways, orderId);
    expect(await ask(publicId)).toEqual(not);
  });

  test('503 where no gateway is switched on', async () => {
    const { publicId } = await bill();
    gateways.on = [];
    expect(await ask(publicId)).toEqual(refused(503, 'Payment gateway belum dikonfigurasi'));
  });

  test('500 where the gateway does not answer; asked again it is the same order', async () => {
    mayLog = true;
    const { publicId } = await bill();
    gateways.midtrans.trouble.down = true;
    expect(await ask(publicId)).toEqual(refused(500, 'Gagal generate payment link, coba lagi'));
    expect(company.logged.join()).toContain('a payment link could not be made');
    gateways.midtrans.trouble.down = false;
    expect((await ask(publicId))[0]).toBe(200);
    const [row] = await company.db.query<{ count: number }>(
      'select count(*)::int as count from payment_intent where subscriber_id = $1',
      [customer.id],
    );
    expect(row!.count).toBe(1);
  });

  test('503 as JSON while the database is not there yet', async () => {
    company.setOpened(false);
    const [status, { success, error }] = await ask('inv_00000000000000000000');
    company.setOpened(true);
    expect([status, success, String(error)]).toEqual([503, false, expect.stringContaining('sedang dimulai')]);
  });

  test('many at the same moment get the same link, and the gateway is asked once', async () => {
    const { publicId } = await bill();
    const before = gateways.midtrans.calls.create;
    gateways.midtrans.trouble.delayMs = 50;
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(publicId)));
    expect(new Set(answers.map(([, { paymentLink }]) => paymentLink)).size).toBe(1);
    expect(gateways.midtrans.calls.create - before).toBe(1);
  });

  test('the customer chooses the gateway; no other is taken for one', async () => {
    const { publicId } = await bill();
    expect((await ask(publicId, '&gateway=xendit'))[1].paymentLink).toMatch(/^https:\/\/xendit\.test/);
    expect((await ask((await bill()).publicId, '&gateway=paypal'))[1].paymentLink).toMatch(/^https:\/\/midtrans\.test/);
  });

  test('says its errors in English to who reads English', async () => {
    gateways.on = [];
    const { publicId } = await bill();
    await browser.open('/language/en?back=/customer');
    expect(await ask(publicId)).toEqual(refused(503, 'No payment gateway is set up'));
  });

  test('a link that is no web address comes into no page', async () => {
    mayLog = true;
    const { publicId } = await bill();
    const { createPayment } = gateways.midtrans;
    gateways.midtrans.createPayment = async (request) => ({
      ...(await createPayment.call(gateways.midtrans, request)),
      url: 'javascript:alert(1)',
    });
    expect((await ask(publicId))[0]).toBe(500);
    gateways.midtrans.createPayment = createPayment;
    expect((await browser.open('/customer')).text).not.toContain('javascript:');
    expect((await browser.open(`/customer/invoices/${publicId}/pay`)).path).toBe(`/customer/invoices/${publicId}`);
  });
});

describe('a bill without scripts', () => {
  test('its button leads over a page of ours to the gateway, for a form may not end at another site', async () => {
    const { publicId } = await bill();
    const form = (await browser.open('/customer')).text;
    expect(form).toMatch(
      /<form method="post" action="\/customer\/invoices\/inv_\w{20}\/pay" target="_blank" rel="noopener"/,
    );
    const page = await browser.submit(`/customer/invoices/${publicId}/pay`, { gateway: 'xendit' });
    expect([page.status, page.path]).toEqual([200, `/customer/invoices/${publicId}/pay`]);
    const { text, headers } = page;
    expect(text).toMatch(/<meta http-equiv="refresh" content="0;url=https:\/\/xendit\.test\/pay\/\w+">/);
    expect(text).toMatch(/<a class="button" href="https:\/\/xendit\.test\/pay\/\w+" rel="noopener noreferrer">/);
    expect(headers.get('content-security-policy')).toContain("form-action 'self'");
  });

  test('Invoice updates with payment link after generation', async () => {
    const { publicId, number } = await bill();
    await browser.submit(`/customer/invoices/${publicId}/pay`);
    for (const path of ['/customer', `/customer/invoices/${publicId}`]) {
      const { text } = await browser.open(path);
      expect(text).toMatch(/<a class="button" data-paying href="https:\/\/midtrans\.test\/pay\/\w+" target="_blank"/);
      expect([textOf(text).includes(number), textOf(text).includes('Bayar Sekarang')]).toEqual([true, true]);
      expect(textOf(text)).not.toContain('Generate Link');
    }
  });

  test('a link that has run out is not offered any more', async () => {
    const { publicId } = await bill({ dueOn: '2026-12-20' });
    await browser.submit(`/customer/invoices/${publicId}/pay`);
    company.setClock(company.clock() + DAY);
    expect(textOf((await browser.open('/customer')).text)).toContain('Generate Link Pembayaran');
    expect((await browser.open(`/customer/invoices/${publicId}/pay`)).path).toBe(`/customer/invoices/${publicId}`);
  });

  test('another gateway takes the place of the first, whose link is closed', async () => {
    const { publicId, id } = await bill();
    await browser.submit(`/customer/invoices/${publicId}/pay`);
    const first = await openOrder(company, id);
    expect(textOf((await browser.open(`/customer/invoices/${publicId}`)).text)).toContain('Bayar lewat Xendit saja');
    await browser.submit(`/customer/invoices/${publicId}/pay`, { gateway: 'xendit' });
    expect(gateways.midtrans.orders.get(first)!.closed).toBe(true);
    expect((await browser.open('/customer')).text).toMatch(/href="https:\/\/xendit\.test/);
  });

  test('what goes wrong is said on the bill', async () => {
    mayLog = true;
    const { publicId } = await bill();
    gateways.midtrans.trouble.down = true;
    const page = await browser.submit(`/customer/invoices/${publicId}/pay`, { gateway: 'midtrans' });
    expect([page.path, textOf(page.text).includes('Gagal generate payment link, coba lagi')]).toEqual([
      `/customer/invoices/${publicId}`,
      true,
    ]);
  });

  test('where no gateway is switched on says how to pay else', async () => {
    gateways.on = [];
    await bill();
    const text = textOf((await browser.open('/customer')).text);
    expect(text).toContain('Payment gateway belum dikonfigurasi. Bayar tunai atau transfer: hubungi kami');
    expect(text).not.toContain('Generate Link');
  });

  test('the balance that is enough pays it at once', async () => {
    const { publicId } = await bill();
    const [row] = await company.db.query<{ id: number }>(
      `insert into ledger_transaction (day, at, kind, reference, subscriber_id)
       values ('2026-11-21', now(), 'payment', $1, $2) returning id`,
      [`test:${customer.id}`, customer.id],
    );
    await company.db.execute(
      `insert into ledger_entry values ($1, 1, 'cash', null, 400000), ($1, 2, 'customer-credit', $2, -400000)`,
      [row!.id, customer.id],
    );
    await browser.open('/customer');
    const page = textOf((await browser.submit(`/customer/invoices/${publicId}/pay`)).text);
    expect(page).toContain('Tagihan ini sudah lunas dari saldo Anda.');
    expect(page).toContain('Lunas 21 Nov 2026');
    expect(await creditOf(company.db, customer.id)).toBe(100_000);
  });
});

describe('coming back from the gateway', () => {
  test('the bill asks it, and shows paid before any event came', async () => {
    const { publicId, id } = await bill();
    await browser.submit(`/customer/invoices/${publicId}/pay`);
    const orderId = await openOrder(company, id);
    const { returnUrl } = gateways.midtrans.orders.get(orderId)!.request;
    expect(returnUrl).toBe(`${company.url}/customer/invoices/${publicId}?back=1`);
    gateways.midtrans.pay(orderId, company.clock());
    const { pathname, search } = new URL(returnUrl);
    // Midtrans adds what it likes to it.
    const page = await browser.open(`${pathname}${search}&order_id=${orderId}&transaction_status=settlement`);
    expect(textOf(page.text)).toContain('Lunas');
  });

  test('is never an error: a gateway that is away, or takes longer than three seconds, is not waited for', async () => {
    mayLog = true;
    const { publicId } = await bill();
    await browser.submit(`/customer/invoices/${publicId}/pay`);
    gateways.midtrans.trouble.down = true;
    const away = await browser.open(`/customer/invoices/${publicId}?back=1`);
    expect([away.status, textOf(away.text).includes('Belum Bayar')]).toEqual([200, true]);
    Object.assign(gateways.midtrans.trouble, { down: false, delayMs: 7_000 });
    company.setClock(company.clock() + 10 * SECOND);
    const began = performance.now();
    const slow = await browser.open(`/customer/invoices/${publicId}?back=1`);
    expect([slow.status, textOf(slow.text).includes('Menunggu pembayaran.')]).toEqual([200, true]);
    expect(performance.now() - began).toBeLessThan(6_500);
    gateways.midtrans.trouble.delayMs = 0;
  });

  test('a page that is loaded over and over asks it once in three seconds', async () => {
    const { publicId } = await bill();
    await browser.submit(`/customer/invoices/${publicId}/pay`);
    const before = gateways.midtrans.calls.truth;
    for (let times = 0; times < 5; times += 1) await browser.open(`/customer/invoices/${publicId}?back=1`);
    expect(gateways.midtrans.calls.truth - before).toBe(1);
  });
});

describe('an order', () => {
  let path: string;
  beforeEach(async () => {
    customer = await addCustomer(company.desk, { username: `buyer-${count}` });
    browser = await company.loginPortal(customer.id);
    const order = { subscriberId: customer.id, planRevisionId: await company.planId(PLAN) };
    path = `/prepaid/portal/orders/${(await placePurchase(company.desk, order)).number}`;
  });
  const publicId = async () =>
    (
      await company.db.query<{ publicId: string; id: number }>(
        'select public_id as "publicId", id from invoice where subscriber_id = $1 order by id desc',
        [customer.id],
      )
    )[0]!;

  test('can be paid online besides cash and transfer, by each gateway that is switched on', async () => {
    const { text } = await browser.open(path);
    expect(textOf(text)).toContain('Bayar online: Midtrans / Xendit');
    expect(textOf(text)).toContain('Bayar lewat Midtrans Xendit Generate Link Pembayaran');
    expect(textOf(text)).toContain('Bayar tunai ke Maju Net');
    gateways.on = [];
    const { text: none } = await browser.open(path);
    expect(textOf(none)).not.toContain('Bayar online');
    expect(textOf(none)).toContain('Bayar tunai ke Maju Net');
  });

  test('that comes back from the gateway is paid, connects, and is online by itself', async () => {
    await browser.open(path);
    const invoice = await publicId();
    await browser.submit(`/customer/invoices/${invoice.publicId}/pay`);
    const orderId = await openOrder(company, invoice.id);
    const { returnUrl } = gateways.midtrans.orders.get(orderId)!.request;
    expect(returnUrl).toBe(`${company.url}${path}?back=1`);
    expect(textOf((await browser.open(path)).text)).toContain('Bayar Sekarang');
    gateways.midtrans.pay(orderId, company.clock());
    expect(textOf((await browser.open(`${path}?back=1`)).text)).toContain('Pembayaran diterima. Menyambungkan');
    await addSession(company, { subscriberId: customer.id, framedIp: '10.9.1.2' });
    await setSettled(company);
    const { text } = await browser.open(`${path}/state`);
    expect(textOf(text)).toContain('Internet aktif.');
    expect(text).toContain(`href="/customer/invoices/${invoice.publicId}"`);
  });
});
