import { describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import type { Gateway } from '#domain/gateway';
import { failureOf, IMPATIENT, midtransPair, receiver, request } from '#test/gateways/harness';
import type { Midtrans } from '#test/world/midtrans';

const at = (orderId: string) => ({ orderId, gatewayId: null });

describe('money that goes back', () => {
  const ask = (gateway: Gateway, midtrans: Midtrans, key: string, amountRupiah: number) =>
    gateway.refund({
      orderId: 'INV-1',
      gatewayRef: midtrans.order('INV-1').transactionId!,
      key,
      amountRupiah,
      reason: 'Salah bayar',
    });

  async function paid(method: string, patience = {}) {
    const pair = await midtransPair(patience);
    await pair.gateway.createPayment(request('INV-1'));
    pair.midtrans.pay('INV-1', method);
    return pair;
  }

  test.each([
    ['qris', '/refund/online/direct'],
    ['gopay', '/refund/online/direct'],
    ['dana', '/refund'],
  ])('of %s by %s, part by part', async (method, path) => {
    const { midtrans, gateway } = await paid(method);
    await ask(gateway, midtrans, 'refund-1', 50_000);
    expect(midtrans.requests.at(-1)?.path).toBe(`/v2/INV-1${path}`);
    expect(await gateway.truthOf(at('INV-1'))).toMatchObject({ state: 'partly-refunded', refundedRupiah: 50_000 });
    await ask(gateway, midtrans, 'refund-2', 100_000);
    expect(await gateway.truthOf(at('INV-1'))).toMatchObject({ state: 'refunded', refundedRupiah: 150_000 });
  });

  test('once for each key, however often it is asked', async () => {
    const { midtrans, gateway } = await paid('gopay');
    await ask(gateway, midtrans, 'refund-1', 50_000);
    await ask(gateway, midtrans, 'refund-1', 50_000);
    expect(midtrans.order('INV-1').refunds).toHaveLength(1);
    expect(midtrans.requests.filter(({ path }) => path.includes('/refund'))).toHaveLength(1);
  });

  test('once, when the first answer was lost', async () => {
    const { midtrans, gateway } = await paid('gopay', IMPATIENT);
    midtrans.fault((asked) => (asked.method === 'POST' ? 'silent-after' : null));
    expect(await failureOf(ask(gateway, midtrans, 'refund-1', 50_000))).toBeInstanceOf(Unavailable);
    midtrans.fault(null);
    await ask(gateway, midtrans, 'refund-1', 50_000);
    expect(midtrans.order('INV-1').refunds).toHaveLength(1);
  });

  test('two at the same moment with one key are one', async () => {
    const { midtrans, gateway } = await paid('gopay');
    await Promise.all([ask(gateway, midtrans, 'refund-1', 50_000), ask(gateway, midtrans, 'refund-1', 50_000)]);
    expect(midtrans.order('INV-1').refunds).toHaveLength(1);
  });

  test('not of a bank transfer, and not more than there is', async () => {
    const transfer = await paid('bank_transfer');
    expect(await failureOf(ask(transfer.gateway, transfer.midtrans, 'r', 1))).toMatchObject({ code: 'refused' });
    const { midtrans, gateway } = await paid('gopay');
    expect(await failureOf(ask(gateway, midtrans, 'r', 150_001))).toMatchObject({ code: 'refused' });
  });

  test('a card that is only captured is cancelled instead, as a whole', async () => {
    const { midtrans, gateway } = await paid('credit_card');
    await ask(gateway, midtrans, 'refund-1', 150_000);
    expect(midtrans.requests.at(-1)?.path).toBe('/v2/INV-1/cancel');
    expect((await gateway.truthOf(at('INV-1'))).state).toBe('cancelled');
  });

  test('what Midtrans gives back itself is seen', async () => {
    const { midtrans, gateway } = await paid('shopeepay');
    midtrans.giveBack('INV-1', 20_000);
    expect(await gateway.truthOf(at('INV-1'))).toMatchObject({ state: 'partly-refunded', refundedRupiah: 20_000 });
  });

  test('of an order that is not known', async () => {
    const { gateway } = await midtransPair();
    const order = { orderId: 'INV-0', gatewayRef: 'x', key: 'k', amountRupiah: 1, reason: '' };
    expect(await failureOf(gateway.refund(order))).toMatchObject({ code: 'refused' });
  });
});

describe('a link that is no longer wanted', () => {
  test('can no longer be paid, also when no way to pay was chosen', async () => {
    const { gateway } = await midtransPair();
    const link = await gateway.createPayment(request('INV-2'));
    expect(await gateway.close(at('INV-2'))).toBe(true);
    expect((await fetch(link.url)).status).toBe(410);
  });

  test('is cancelled when it waits for the money', async () => {
    const { midtrans, gateway } = await midtransPair();
    await gateway.createPayment(request('INV-2'));
    midtrans.choose('INV-2');
    expect(await gateway.close(at('INV-2'))).toBe(true);
    expect((await gateway.truthOf(at('INV-2'))).state).toBe('cancelled');
    expect(await gateway.close(at('INV-2'))).toBe(true);
  });

  test.each([
    ['settlement', false],
    ['deny', false],
    ['expire', true],
    ['failure', true],
  ] as const)('after %s: %s', async (status, closed) => {
    const { midtrans, gateway } = await midtransPair();
    await gateway.createPayment(request('INV-2'));
    midtrans.choose('INV-2', 'qris');
    midtrans.become('INV-2', status);
    expect(await gateway.close(at('INV-2'))).toBe(closed);
  });

  test('chosen at the very moment it is closed, it is cancelled', async () => {
    const { midtrans, gateway } = await midtransPair();
    await gateway.createPayment(request('INV-2'));
    midtrans.fault(({ path }) => {
      if (path === '/snap/v1/transactions') midtrans.choose('INV-2');
      return null;
    });
    expect(await gateway.close(at('INV-2'))).toBe(true);
    expect((await gateway.truthOf(at('INV-2'))).state).toBe('cancelled');
  });
});

describe('a card that the customer wants kept', () => {
  const save = { customerRef: 'cust-77' };

  async function kept(patience = {}) {
    const pair = await midtransPair(patience);
    const told = await receiver();
    pair.midtrans.notificationUrl = told.url;
    await pair.gateway.createPayment(request('INV-3', { save }));
    pair.midtrans.pay('INV-3', 'credit_card');
    await expect.poll(() => told.events.length).toBe(2);
    const events = told.events.map(({ headers, raw }) => pair.gateway.readEvent(headers, raw));
    return { ...pair, saved: events.find(({ status }) => status === 'capture')!.saved! };
  }

  test('is told by the event, with a name to know it by', async () => {
    const { saved } = await kept();
    expect(saved).toMatchObject({ kind: 'card', label: 'VISA •••• 1114' });
    expect(saved.expiresAt).toBe(Date.parse('2031-12-31T07:00:00+07:00'));
  });

  test('is not kept without the customer wanting it', async () => {
    const { midtrans, gateway } = await midtransPair();
    const told = await receiver();
    midtrans.notificationUrl = told.url;
    await gateway.createPayment(request('INV-3'));
    midtrans.pay('INV-3', 'credit_card');
    await expect.poll(() => told.events.length).toBe(2);
    expect(told.events.map(({ headers, raw }) => gateway.readEvent(headers, raw).saved)).toEqual([null, null]);
  });

  test('is told by the status where that has it', async () => {
    const { midtrans, gateway } = await midtransPair();
    await gateway.createPayment(request('INV-3', { save }));
    midtrans.pay('INV-3', 'credit_card');
    const fields = { saved_token_id: '521111abc1117', saved_token_id_expired_at: '2031-12-31 07:00:00' };
    midtrans.answerWith('INV-3', { ...fields, masked_card: '52111111-1117' });
    expect((await gateway.truthOf(at('INV-3'))).saved).toMatchObject({
      label: 'Mastercard •••• 1117',
      token: '521111abc1117',
    });
  });

  test('is charged later, once for each order', async () => {
    const { midtrans, gateway, saved } = await kept();
    const charge = () => gateway.charge({ ...request('INV-4'), token: saved.token });
    await charge();
    await charge();
    expect(await gateway.truthOf(at('INV-4'))).toMatchObject({ state: 'paid', amountRupiah: 150_000 });
    const keys = midtrans.requests
      .filter(({ path }) => path === '/v2/charge')
      .map((one) => one.headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[0-9a-f]{36}$/);
    expect(new Set(keys).size).toBe(1);
  });

  test('is charged once, when the first answer was lost and its key forgotten', async () => {
    const { midtrans, gateway, saved } = await kept(IMPATIENT);
    const charge = () => gateway.charge({ ...request('INV-4'), token: saved.token });
    midtrans.fault('silent-after');
    expect(await failureOf(charge())).toBeInstanceOf(Unavailable);
    midtrans.fault(null);
    midtrans.forgetKeys();
    await charge();
    expect(midtrans.orders().filter(({ orderId }) => orderId === 'INV-4')).toHaveLength(1);
    expect((await gateway.truthOf(at('INV-4'))).state).toBe('paid');
  });

  test('refused by the bank: the truth says so', async () => {
    const { midtrans, gateway, saved } = await kept();
    midtrans.refusesCards = true;
    await gateway.charge({ ...request('INV-4'), token: saved.token });
    expect((await gateway.truthOf(at('INV-4'))).state).toBe('denied');
  });

  test('no longer good: refused, and nothing is charged', async () => {
    const { gateway } = await kept();
    const error = await failureOf(gateway.charge({ ...request('INV-4'), token: '481111gone1114' }));
    expect(error).toMatchObject({ code: 'refused' });
    expect((await gateway.truthOf(at('INV-4'))).state).toBe('unknown');
  });
});
