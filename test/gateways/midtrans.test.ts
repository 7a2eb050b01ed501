import { expect, test, vi } from 'vitest';
import { Unavailable } from '#domain/errors';
import { GatewayRefusal, type GatewayTruth } from '#domain/gateway';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { openMidtrans } from '#integrations/gateways/midtrans';
import { failureOf, IMPATIENT, midtransPair, NOW, request, SERVER_KEY } from '#test/gateways/harness';
import { json } from '#test/world/gateway-web';
import type { MidtransStatus } from '#test/world/midtrans';

const at = (orderId: string) => ({ orderId, gatewayId: null });
const bodyOf = (asked: { body: string } | undefined): Record<string, Record<string, unknown>> =>
  JSON.parse(asked!.body);

test('a customer pays by the link: unknown until a way is chosen, then pending, then paid', async () => {
  const { midtrans, gateway } = await midtransPair();
  const link = await gateway.createPayment(request('INV-1'));
  expect(link.url).toBe(midtrans.linkOf('INV-1'));
  expect(link.expiresAt).toBe(NOW + 24 * HOUR);
  expect((await gateway.truthOf(at('INV-1'))).state).toBe('unknown');

  const choose = (act: string) =>
    fetch(link.url, { method: 'POST', body: `method=qris&act=${act}`, redirect: 'manual' });
  await choose('wait');
  expect((await gateway.truthOf(at('INV-1'))).state).toBe('pending');
  const back = await choose('pay');
  expect(back.headers.get('location')).toMatch(
    /^https:\/\/portal\.example\.net\/customer\/invoices\/inv_1\?order_id=INV-1/,
  );
  expect(await gateway.truthOf(at('INV-1'))).toEqual({
    state: 'paid',
    gatewayRef: midtrans.order('INV-1').transactionId,
    amountRupiah: 150_000,
    refundedRupiah: 0,
    currency: 'IDR',
    paidAt: NOW,
    method: 'qris',
    feeRupiah: null,
    saved: null,
  } satisfies GatewayTruth);
});

test('what Snap is asked for: the whole amount as one item, an end that runs from now, the ways to pay', async () => {
  const { midtrans, gateway } = await midtransPair({ methods: ['qris', 'bca_va'] });
  await gateway.createPayment(request('INV-2', { description: 'Tagihan '.repeat(20), expiresAt: NOW + 90 * MINUTE }));
  const asked = midtrans.requests.at(-1);
  const body = bodyOf(asked);
  expect(asked?.path).toBe('/snap/v1/transactions');
  expect(body.transaction_details).toEqual({ order_id: 'INV-2', gross_amount: 150_000 });
  expect(body.item_details).toEqual([
    { id: 'total', price: 150_000, quantity: 1, name: 'Tagihan '.repeat(20).slice(0, 50) },
  ]);
  expect(body.expiry).toEqual({ start_time: '2026-11-21 09:00:00 +0700', unit: 'minute', duration: 90 });
  expect(body.page_expiry).toEqual({ unit: 'minute', duration: 90 });
  expect(body.enabled_payments).toEqual(['qris', 'bca_va']);
  expect(body.credit_card).toEqual({ secure: true });
  expect(body.user_id).toBeUndefined();
});

test("the page's end is within what Snap takes: five minutes to seven days", async () => {
  const { gateway } = await midtransPair();
  expect((await gateway.createPayment(request('SOON', { expiresAt: NOW + 1 }))).expiresAt).toBe(NOW + 5 * MINUTE);
  expect((await gateway.createPayment(request('LATE', { expiresAt: NOW + 30 * DAY }))).expiresAt).toBe(NOW + 7 * DAY);
});

test('asked again before a way was chosen, only the newest link can be paid', async () => {
  const { gateway } = await midtransPair();
  const first = await gateway.createPayment(request('INV-3'));
  const second = await gateway.createPayment(request('INV-3'));
  expect((await fetch(first.url)).status).toBe(410);
  expect((await fetch(second.url)).status).toBe(200);
});

test('asked again after a time-out there is still one link that can be paid', async () => {
  const { midtrans, gateway } = await midtransPair(IMPATIENT);
  midtrans.fault('silent-after');
  expect(await failureOf(gateway.createPayment(request('INV-4')))).toBeInstanceOf(Unavailable);
  const lost = midtrans.linkOf('INV-4');
  midtrans.fault(null);
  const link = await gateway.createPayment(request('INV-4'));
  expect((await fetch(lost)).status).toBe(410);
  expect((await fetch(link.url)).status).toBe(200);
});

test.each(['pending', 'settlement', 'deny', 'expire'] as const)('an order that is %s is taken', async (status) => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-5'));
  midtrans.choose('INV-5');
  midtrans.become('INV-5', status);
  const error = await failureOf(gateway.createPayment(request('INV-5')));
  expect(error).toBeInstanceOf(GatewayRefusal);
  expect(error).toMatchObject({ code: 'order-taken' });
});

const STATES: readonly [MidtransStatus, string, 'accept' | 'challenge' | 'deny' | null, GatewayTruth['state']][] = [
  ['pending', 'bank_transfer', null, 'pending'],
  ['settlement', 'bank_transfer', null, 'paid'],
  ['capture', 'credit_card', 'accept', 'paid'],
  ['capture', 'credit_card', 'challenge', 'review'],
  ['capture', 'credit_card', 'deny', 'denied'],
  ['authorize', 'credit_card', null, 'pending'],
  ['settlement', 'bca_klikbca', null, 'paid'],
  ['settlement', 'cstore', null, 'paid'],
  ['deny', 'permata', null, 'denied'],
  ['cancel', 'qris', null, 'cancelled'],
  ['expire', 'bank_transfer', null, 'expired'],
  ['failure', 'gopay', null, 'failed'],
  ['refund', 'gopay', null, 'refunded'],
  ['chargeback', 'credit_card', null, 'charged-back'],
  ['partial_chargeback', 'credit_card', null, 'review'],
  ['something_new' as MidtransStatus, 'qris', null, 'review'],
];

test.each(STATES)('%s of %s (fraud: %s) is %s', async (status, method, fraud, state) => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-6'));
  midtrans.choose('INV-6', method);
  midtrans.become('INV-6', status, { fraud });
  expect((await gateway.truthOf(at('INV-6'))).state).toBe(state);
});

test('a settlement that does not say 200 is not paid', async () => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-7'));
  midtrans.choose('INV-7', 'credit_card');
  midtrans.become('INV-7', 'capture', { fraud: 'challenge' });
  // The bank's fraud detection still looks, and the status code alone says so.
  midtrans.order('INV-7').fraud = null;
  midtrans.answerWith('INV-7', { status_code: '201' });
  expect((await gateway.truthOf(at('INV-7'))).state).toBe('review');
});

test('what was settled can be denied minutes later, and denied can become settled on the same link', async () => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-8'));
  midtrans.pay('INV-8', 'permata');
  midtrans.become('INV-8', 'deny');
  expect((await gateway.truthOf(at('INV-8'))).state).toBe('denied');
  midtrans.pay('INV-8');
  expect((await gateway.truthOf(at('INV-8'))).state).toBe('paid');
});

test('a transfer that comes after the end of the page is seen', async () => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-9'));
  midtrans.choose('INV-9', 'bank_transfer');
  midtrans.become('INV-9', 'expire');
  midtrans.pay('INV-9');
  expect((await gateway.truthOf(at('INV-9'))).state).toBe('paid');
});

test.each(['dana', 'bsi', 'danamon', 'seabank', 'saqu'])(
  '%s: the status has another number for the order',
  async (method) => {
    const { midtrans, gateway } = await midtransPair();
    await gateway.createPayment(request('INV-10'));
    midtrans.pay('INV-10', method);
    const { transactionId } = midtrans.order('INV-10');
    expect(await gateway.truthOf(at('INV-10'))).toMatchObject({ state: 'paid', gatewayRef: transactionId, method });
    // Asked by that other number it is nobody's, or the money would be booked twice.
    expect((await gateway.truthOf(at(transactionId!))).state).toBe('unknown');
  },
);

test('an answer about another order is no answer', async () => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-11'));
  midtrans.pay('INV-11', 'qris');
  midtrans.answerWith('INV-11', { order_id: 'INV-999' });
  expect(await failureOf(gateway.truthOf(at('INV-11')))).toBeInstanceOf(Unavailable);
});

test.each([
  ['150000.00', 150_000],
  ['150000', 150_000],
  ['0.00', 0],
  ['150000.50', null],
  ['1.5e5', null],
  ['150,000.00', null],
  ['-150000.00', null],
  ['', null],
  [150_000, 150_000],
  [150_000.5, null],
  ['99999999999999999999.00', null],
])('an amount of %j is %j rupiah', async (gross_amount, rupiah) => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-12'));
  midtrans.pay('INV-12', 'qris');
  midtrans.answerWith('INV-12', { gross_amount });
  expect((await gateway.truthOf(at('INV-12'))).amountRupiah).toBe(rupiah);
});

test('money of another country is told as what it is', async () => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-13'));
  midtrans.pay('INV-13', 'credit_card');
  midtrans.answerWith('INV-13', { currency: 'SGD' });
  expect((await gateway.truthOf(at('INV-13'))).currency).toBe('SGD');
});

test.each(['a/../../b', '../../v2/x', 'INV#1', 'INV?x=1', 'a b'])(
  'the id %j stays one part of the path',
  async (id) => {
    const { midtrans, gateway } = await midtransPair();
    expect((await gateway.truthOf(at(id))).state).toBe('unknown');
    expect(midtrans.requests.at(-1)?.path).toBe(`/v2/${encodeURIComponent(id)}/status`);
  },
);

test.each(['', '.', '..', 'x'.repeat(101)])('the id %j is not asked for at all', async (id) => {
  const { midtrans, gateway } = await midtransPair();
  expect((await gateway.truthOf(at(id))).state).toBe('unknown');
  await expect(gateway.close(at(id))).rejects.toThrow(GatewayRefusal);
  expect(midtrans.requests).toHaveLength(0);
});

test.each([
  ['404', 'unknown'],
  ['407', 'expired'],
])('a status of %s that comes with HTTP 200 is %s', async (status_code, state) => {
  const { midtrans, gateway } = await midtransPair();
  const order = { transaction_id: 't-1', order_id: 'INV-14', gross_amount: '150000.00', transaction_status: 'expire' };
  const body = status_code === '404' ? { status_message: "Transaction doesn't exist." } : order;
  midtrans.answerAll(json(200, { status_code, ...body }));
  expect((await gateway.truthOf(at('INV-14'))).state).toBe(state);
});

test.each(['500', '503', '429'])('a status of %s that comes with HTTP 200 is Unavailable', async (status_code) => {
  const { midtrans, gateway } = await midtransPair();
  midtrans.answerAll(json(200, { status_code, status_message: 'Sorry, we encountered internal server error.' }));
  expect(await failureOf(gateway.truthOf(at('INV-14')))).toBeInstanceOf(Unavailable);
});

test("a proxy's 404 does not make an order unknown", async () => {
  const { midtrans, gateway } = await midtransPair();
  midtrans.answerAll({
    status: 404,
    body: '{"message":"no Route matched"}',
    headers: { 'content-type': 'application/json' },
  });
  expect(await failureOf(gateway.truthOf(at('INV-14')))).toBeInstanceOf(Unavailable);
  midtrans.answerAll({ status: 404, body: '<h1>Not Found</h1>', headers: { 'content-type': 'text/html' } });
  expect(await failureOf(gateway.truthOf(at('INV-14')))).toBeInstanceOf(Unavailable);
});

test('JSON is what is JSON, whatever its content type says', async () => {
  const { midtrans, gateway } = await midtransPair();
  await gateway.createPayment(request('INV-15'));
  midtrans.pay('INV-15', 'qris');
  midtrans.answerWith('INV-15', {}, 'text/html');
  expect((await gateway.truthOf(at('INV-15'))).state).toBe('paid');
});

test('the keys are tried with something harmless', async () => {
  const { midtrans, gateway } = await midtransPair();
  expect(await gateway.test()).toBeNull();
  expect(midtrans.orders()).toHaveLength(0);
  const wrong = openMidtrans({
    serverKey: 'wrong',
    production: true,
    methods: [],
    clock: () => NOW,
    baseUrl: midtrans.url,
  });
  expect(await wrong.test()).toMatch(/does not accept the server key; production is on/);
  expect(await failureOf(wrong.createPayment(request('X')))).toMatchObject({ code: 'keys' });
  midtrans.fault('down');
  expect(await gateway.test()).toMatch(/cannot be reached/);
});

test('without another address it speaks to the sandbox, or to production', async () => {
  const { midtrans } = await midtransPair();
  // Through a proxy one sees whom it wants to speak to.
  vi.stubEnv('HTTPS_PROXY', midtrans.url);
  const options = { serverKey: SERVER_KEY, methods: [], clock: () => NOW, baseUrl: null, timeoutMs: 300 };
  const hosts = async (production: boolean) => {
    midtrans.tunnels.length = 0;
    const gateway = openMidtrans({ ...options, production });
    await gateway.test();
    await gateway.createPayment(request('INV-16')).catch(() => undefined); // nobody is behind the proxy
    return [...midtrans.tunnels];
  };
  expect(await hosts(false)).toEqual(['api.sandbox.midtrans.com:443', 'app.sandbox.midtrans.com:443']);
  expect(await hosts(true)).toEqual(['api.midtrans.com:443', 'app.midtrans.com:443']);
  // What is said goes through the tunnel alone: the proxy learns no key.
  expect(midtrans.requests).toEqual([]);
  vi.unstubAllEnvs();
});
