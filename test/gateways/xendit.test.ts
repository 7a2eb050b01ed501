import { describe, expect, test, vi } from 'vitest';
import { Unavailable } from '#domain/errors';
import { GatewayRefusal, type GatewayTruth } from '#domain/gateway';
import { DAY, HOUR } from '#domain/time';
import { failureOf, IMPATIENT, NOW, request, xenditPair } from '#test/gateways/harness';

const at = (orderId: string, gatewayId: string | null = null) => ({ orderId, gatewayId });

test('a customer pays by the link', async () => {
  const { xendit, gateway } = await xenditPair();
  expect((await gateway.truthOf(at('INV-1'))).state).toBe('unknown');
  const link = await gateway.createPayment(request('INV-1'));
  expect(link).toEqual({
    url: xendit.linkOf('INV-1'),
    gatewayId: xendit.invoice('INV-1').id,
    expiresAt: NOW + 24 * HOUR,
  });
  expect((await gateway.truthOf(at('INV-1', link.gatewayId))).state).toBe('pending');

  const back = await fetch(link.url, { method: 'POST', body: 'method=QRIS&act=pay', redirect: 'manual' });
  expect(back.headers.get('location')).toBe('https://portal.example.net/customer/invoices/inv_1');
  const truth: GatewayTruth = {
    state: 'paid',
    gatewayRef: link.gatewayId,
    amountRupiah: 150_000,
    refundedRupiah: 0,
    currency: 'IDR',
    paidAt: NOW,
    method: 'QRIS',
    feeRupiah: null,
    saved: null,
  };
  expect(await gateway.truthOf(at('INV-1', link.gatewayId))).toEqual(truth);
  expect(await gateway.truthOf(at('INV-1'))).toEqual(truth);
});

test('what Xendit is asked for; nobody is written to', async () => {
  const { xendit, gateway } = await xenditPair({ methods: ['QRIS', 'BCA'] });
  await gateway.createPayment(request('INV-2', { expiresAt: NOW + 90_000 }));
  expect(xendit.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /v2/invoices',
    'POST /v2/invoices/',
  ]);
  const { asked } = xendit.invoice('INV-2');
  expect(asked).toMatchObject({
    external_id: 'INV-2',
    amount: 150_000,
    currency: 'IDR',
    invoice_duration: 90,
    payment_methods: ['QRIS', 'BCA'],
    should_send_email: false,
  });
  expect(JSON.stringify(asked)).not.toContain('81234567890');
});

test('the link is good for at least a minute and at most a year', async () => {
  const { gateway } = await xenditPair();
  expect((await gateway.createPayment(request('SOON', { expiresAt: NOW }))).expiresAt).toBe(NOW + 60_000);
  expect((await gateway.createPayment(request('LATE', { expiresAt: NOW + 900 * DAY }))).expiresAt).toBe(
    NOW + 365 * DAY,
  );
});

test('asked again, and after a time-out, the first link is found', async () => {
  const { xendit, gateway } = await xenditPair(IMPATIENT);
  xendit.fault(({ method }) => (method === 'POST' ? 'silent-after' : null));
  expect(await failureOf(gateway.createPayment(request('INV-3')))).toBeInstanceOf(Unavailable);
  xendit.fault(null);
  const link = await gateway.createPayment(request('INV-3'));
  expect(await gateway.createPayment(request('INV-3'))).toEqual(link);
  expect(xendit.invoicesOf('INV-3')).toHaveLength(1);
});

test('two at the same moment get one link', async () => {
  const { xendit, gateway } = await xenditPair();
  const links = await Promise.all([1, 2, 3].map(() => gateway.createPayment(request('INV-4'))));
  expect(new Set(links.map(({ url }) => url)).size).toBe(1);
  expect(xendit.invoicesOf('INV-4')).toHaveLength(1);
});

test('one that fails does not keep the next one from trying', async () => {
  const { xendit, gateway } = await xenditPair();
  xendit.fault('down');
  const first = gateway.createPayment(request('INV-5'));
  const second = failureOf(first).then(() => {
    xendit.fault(null);
    return gateway.createPayment(request('INV-5'));
  });
  expect((await second).url).toBe(xendit.linkOf('INV-5'));
});

test.each(['PAID', 'SETTLED', 'EXPIRED'] as const)('an order whose invoice is %s is taken', async (status) => {
  const { xendit, gateway } = await xenditPair();
  await gateway.createPayment(request('INV-6'));
  xendit.become('INV-6', status);
  expect(await failureOf(gateway.createPayment(request('INV-6')))).toMatchObject({ code: 'order-taken' });
});

test('an order with another amount, or whose link has run out, is taken', async () => {
  const { xendit, gateway } = await xenditPair();
  await gateway.createPayment(request('INV-7'));
  const other = gateway.createPayment(request('INV-7', { amountRupiah: 1 }));
  expect(await failureOf(other)).toMatchObject({ code: 'order-taken' });
  xendit.invoice('INV-7').expiresAt = NOW;
  expect(await failureOf(gateway.createPayment(request('INV-7')))).toMatchObject({ code: 'order-taken' });
  expect(xendit.invoicesOf('INV-7')).toHaveLength(1);
});

test.each([
  ['PAID', 'paid'],
  ['SETTLED', 'paid'],
  ['PENDING', 'pending'],
  ['EXPIRED', 'expired'],
  ['SOMETHING_NEW', 'review'],
] as const)('%s is %s', async (status, state) => {
  const { xendit, gateway } = await xenditPair();
  await gateway.createPayment(request('INV-8'));
  xendit.become('INV-8', status as 'PAID');
  expect((await gateway.truthOf(at('INV-8'))).state).toBe(state);
});

test('what was paid counts, not what was asked; also when it was paid after the end', async () => {
  const { xendit, gateway } = await xenditPair();
  await gateway.createPayment(request('INV-9'));
  xendit.become('INV-9', 'EXPIRED');
  xendit.pay('INV-9', 'BCA', { amount: 149_000 });
  expect(await gateway.truthOf(at('INV-9'))).toMatchObject({ state: 'paid', amountRupiah: 149_000, paidAt: NOW });
  xendit.invoice('INV-9').paidAmount = 149_000.5;
  expect((await gateway.truthOf(at('INV-9'))).amountRupiah).toBeNull();
});

test('of two invoices for one order, the one that was paid counts', async () => {
  const { xendit, gateway } = await xenditPair();
  const first = await gateway.createPayment(request('INV-10'));
  xendit.pay('INV-10');
  xendit.duplicate('INV-10');
  expect(await gateway.truthOf(at('INV-10'))).toMatchObject({ state: 'paid', gatewayRef: first.gatewayId });
});

test('an invoice of another order is no answer', async () => {
  const { gateway } = await xenditPair();
  const other = await gateway.createPayment(request('INV-11'));
  expect(await failureOf(gateway.truthOf(at('INV-12', other.gatewayId)))).toBeInstanceOf(Unavailable);
});

test('an id that is not known any more is looked for by the order', async () => {
  const { xendit, gateway } = await xenditPair();
  await gateway.createPayment(request('INV-13'));
  xendit.pay('INV-13');
  expect((await gateway.truthOf(at('INV-13', 'forgotten'))).state).toBe('paid');
});

test.each(['../v2/balance', 'a/b', 'a?b=c', 'a#b'])('the id %j stays one part of the path', async (id) => {
  const { xendit, gateway } = await xenditPair();
  await gateway.truthOf(at('INV-14', id));
  expect(xendit.requests[0]?.path).toBe(`/v2/invoices/${encodeURIComponent(id)}`);
  await gateway.truthOf(at(id));
  expect(xendit.requests.at(-1)?.query.get('external_id')).toBe(id);
});

test('an invoice that lacks the lists of the library is read all the same', async () => {
  const { xendit, gateway } = await xenditPair();
  const link = await gateway.createPayment(request('INV-15'));
  xendit.pay('INV-15');
  const short = { id: link.gatewayId, external_id: 'INV-15', status: 'PAID', amount: 150_000, paid_amount: 150_000 };
  xendit.fault(null);
  xendit.answerFor((asked) => (asked.path.startsWith('/v2/') ? short : null));
  expect((await gateway.truthOf(at('INV-15', link.gatewayId))).state).toBe('paid');
});

describe('a link that is no longer wanted', () => {
  test('can no longer be paid', async () => {
    const { gateway } = await xenditPair();
    const link = await gateway.createPayment(request('INV-16'));
    expect(await gateway.close(at('INV-16', link.gatewayId))).toBe(true);
    expect((await fetch(link.url)).status).toBe(410);
    expect(await gateway.close(at('INV-16', link.gatewayId))).toBe(true);
  });

  test('stays when it is paid, also at this very moment', async () => {
    const { xendit, gateway } = await xenditPair();
    await gateway.createPayment(request('INV-17'));
    xendit.fault(({ path }) => {
      if (path.endsWith('/expire!')) xendit.pay('INV-17');
      return null;
    });
    expect(await gateway.close(at('INV-17'))).toBe(false);
    xendit.fault(null);
    expect(await gateway.close(at('INV-17'))).toBe(false);
  });

  test('that never was is closed', async () => {
    const { gateway } = await xenditPair();
    expect(await gateway.close(at('INV-18'))).toBe(true);
  });
});

describe('money that goes back', () => {
  async function paid(channel = 'OVO', patience = {}) {
    const pair = await xenditPair(patience);
    const { gatewayId } = await pair.gateway.createPayment(request('INV-20'));
    pair.xendit.pay('INV-20', channel);
    const ask = (key: string, amountRupiah: number) =>
      pair.gateway.refund({ orderId: 'INV-20', gatewayRef: gatewayId, key, amountRupiah, reason: 'Salah bayar' });
    return { ...pair, ask, truth: () => pair.gateway.truthOf(at('INV-20', gatewayId)) };
  }

  test('part by part, seen in the truth', async () => {
    const { ask, truth } = await paid();
    await ask('r1', 50_000);
    expect(await truth()).toMatchObject({ state: 'partly-refunded', refundedRupiah: 50_000, amountRupiah: 150_000 });
    await ask('r2', 100_000);
    expect(await truth()).toMatchObject({ state: 'refunded', refundedRupiah: 150_000 });
  });

  test('once for each key: asked again, after a lost answer, and when Xendit forgot the key', async () => {
    const { xendit, ask } = await paid('OVO', IMPATIENT);
    xendit.fault(({ method }) => (method === 'POST' ? 'silent-after' : null));
    expect(await failureOf(ask('r1', 50_000))).toBeInstanceOf(Unavailable);
    xendit.fault(null);
    await ask('r1', 50_000);
    xendit.forgetKeys();
    await ask('r1', 50_000);
    expect(xendit.refunds).toHaveLength(1);
    const [posted] = xendit.requests.filter(({ method, path }) => method === 'POST' && path === '/refunds');
    expect(posted?.headers['idempotency-key']).toBe('r1');
  });

  test('that is only promised does not count as given back', async () => {
    const { xendit, ask, truth } = await paid();
    xendit.slowRefunds = true;
    await ask('r1', 50_000);
    expect(await truth()).toMatchObject({ state: 'paid', refundedRupiah: 0 });
    await ask('r1', 50_000);
    expect(xendit.refunds).toHaveLength(1);
  });

  test('that failed can be asked for again', async () => {
    const { xendit, ask, truth } = await paid();
    await ask('r1', 50_000);
    Object.assign(xendit.refunds[0]!, { status: 'FAILED' });
    xendit.forgetKeys();
    await ask('r1', 50_000);
    expect(await truth()).toMatchObject({ refundedRupiah: 50_000 });
  });

  test('not of a bank transfer, and not more than there is', async () => {
    expect(await failureOf((await paid('BCA')).ask('r1', 1))).toMatchObject({ code: 'refused' });
    expect(await failureOf((await paid()).ask('r1', 150_001))).toMatchObject({ code: 'refused' });
  });

  test('a key that may not read refunds sees payments all the same', async () => {
    const { xendit, truth } = await paid();
    xendit.forbidden = ['refunds'];
    expect((await truth()).state).toBe('paid');
  });
});

test('a card cannot be kept here, and none is charged', async () => {
  const { xendit, gateway } = await xenditPair();
  const error = await failureOf(gateway.charge({ ...request('INV-21'), token: 'x' }));
  expect(error).toBeInstanceOf(GatewayRefusal);
  expect(xendit.requests).toHaveLength(0);
});

test('the keys are tried with something harmless', async () => {
  const { xendit, gateway } = await xenditPair();
  expect(await gateway.test()).toBeNull();
  expect(xendit.requests.every(({ method }) => method === 'GET')).toBe(true);
  xendit.forbidden = ['invoices'];
  expect(await gateway.test()).toMatch(/lacks the permission/);
  xendit.fault('html');
  expect(await gateway.test()).toMatch(/cannot be reached/);
});

test('a wrong key is said to be one', async () => {
  const { gateway } = await xenditPair({ apiKey: 'xnd_development_wrong' });
  expect(await gateway.test()).toMatch(/does not accept the API key/);
});

test('without another address it speaks to Xendit', async () => {
  const { openXendit } = await import('#integrations/gateways/xendit');
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url);
    return new Response('[]', { headers: { 'content-type': 'application/json' } });
  });
  const keys = { apiKey: 'k', callbackToken: 't' };
  await openXendit({ ...keys, methods: [], clock: () => NOW, baseUrl: null }).truthOf(at('INV-22'));
  vi.unstubAllGlobals();
  expect(asked).toEqual(['https://api.xendit.co/v2/invoices?external_id=INV-22&limit=100']);
});
