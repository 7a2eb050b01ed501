import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import type { GatewayWebhooks } from '#http/gateway-webhooks';
import { buildHttp } from '#http/server';
import type { PaymentsSide } from '#policy-server/payments-side';
import { rawEventsOf } from '#storage/gateway-events';
import { NOW } from '#test/operations/desk';
import {
  debtor,
  desk,
  eventually,
  gateways,
  inbox,
  purchaseNow,
  start,
  startFor,
  usePayments,
} from '#test/payments/harness';

usePayments();

let app: FastifyInstance;
let side: PaymentsSide;
let webhooks: GatewayWebhooks | null;
let wrong: string[];

beforeEach(async () => {
  side = await start();
  webhooks = side.webhooks;
  wrong = [];
  const note = (_fields: object, message: string) => void wrong.push(message);
  app = await buildHttp({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => ({}),
    metrics: () => [],
    gatewayWebhooks: () => webhooks,
    log: { warn: note, error: note },
  });
});
afterEach(() => app.close());

const post = async (body: Buffer | string, gateway = 'midtrans', headers: Record<string, string> = {}) => {
  const answer = await app.inject({
    method: 'POST',
    url: `/api/webhooks/${gateway}`,
    headers: { 'content-type': 'application/json', ...headers },
    payload: body,
  });
  return answer.statusCode;
};
const stored = async () => (await inbox()).length;

describe('an event of a gateway', () => {
  test('is kept octet for octet, answered, and worked on after: the package is given', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    const event = gateways.midtrans.event(orderId);
    expect(await post(event)).toBe(200);
    await eventually(async () => (await purchaseNow(one)).state).toBe('done');
    const [row] = await desk.db.query<{ gateway: string; source: string; status: string; at: number }>(
      'select gateway, source, status, received_at as at from gateway_event',
    );
    expect(await rawEventsOf(desk.db, desk.sealer, 'midtrans', orderId)).toEqual([event]);
    expect(row).toEqual({ gateway: 'midtrans', source: '127.0.0.1', status: 'paid', at: NOW });
    await eventually(inbox).toEqual([{ orderId, outcome: 'settled', attempts: 1, error: null }]);
  });

  test('that comes again is one, and is answered as the first', async () => {
    const { orderId } = await startFor(await debtor());
    gateways.midtrans.pay(orderId, NOW);
    const event = gateways.midtrans.event(orderId);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(event)));
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(await post(event)).toBe(200);
    expect(await stored()).toBe(1);
    expect(side.counts().events).toMatchObject({ stored: 1, again: 20 });
  });

  test('is answered at once, also while the gateway takes its time to be asked', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    gateways.midtrans.trouble.delayMs = 1_500;
    const began = performance.now();
    expect(await post(gateways.midtrans.event(orderId))).toBe(200);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect((await purchaseNow(one)).state).toBe('waiting');
    await eventually(async () => (await purchaseNow(one)).state).toBe('done');
  });

  test('that is not the gateway’s is refused and leaves nothing behind', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    gateways.midtrans.pay(orderId, NOW);
    const real = gateways.midtrans.event(orderId).toString();
    const forged = [
      real.replace(orderId, `${orderId}0`),
      real.replace('"paid"', '"refunded"'),
      real.replace(/"signature":"."*/, '"signature":"x'),
      real.replace(/,"signature":"[^"]*"/, ''),
      '{}',
      'null',
      '[]',
      '',
      '<html>',
      '{"order_id":{"$ne":null}}',
    ];
    for (const body of forged) expect([body, await post(body)]).toEqual([body, 401]);
    // Signed by the other one's key.
    expect(await post(real, 'xendit')).toBe(401);
    expect(await stored()).toBe(0);
    expect(side.counts().events.refused).toBe(forged.length + 1);
    expect((await purchaseNow(one)).state).toBe('waiting');
    expect(gateways.midtrans.calls.truth).toBe(0);
  });

  test('says nothing by itself: what a captured one says that is not so changes nothing', async () => {
    const one = await debtor();
    const { orderId } = await startFor(one);
    expect(await post(gateways.midtrans.event(orderId, 'paid'))).toBe(200);
    await eventually(inbox).toMatchObject([{ outcome: 'known' }]);
    expect((await purchaseNow(one)).state).toBe('waiting');
  });

  test('cannot be told from anybody’s while no key is set: 503, and nothing is kept', async () => {
    const { orderId } = await startFor(await debtor());
    const event = gateways.midtrans.event(orderId, 'paid');
    gateways.keys = ['xendit'];
    expect(await post(event)).toBe(503);
    expect(await stored()).toBe(0);
    gateways.keys = ['midtrans', 'xendit'];
    expect(await post(event)).toBe(200);
  });

  test('about no order, or about one that cannot be one, is kept and left alone', async () => {
    expect(await post(gateways.midtrans.event('x\u0000y', 'paid'))).toBe(200);
    expect(await post(gateways.midtrans.event('x'.repeat(101), 'paid'))).toBe(200);
    expect(await post(gateways.midtrans.event("'; drop table payment; --", 'paid'))).toBe(200);
    expect(await inbox()).toMatchObject(Array.from({ length: 3 }, () => ({ orderId: null, outcome: 'ignored' })));
    expect(gateways.midtrans.calls.truth).toBe(0);
  });

  test('about an order that nobody here knows is asked about; its money waits for a person', async () => {
    gateways.midtrans.foreign('shop-4711', { state: 'paid', gatewayRef: 'r', amountRupiah: 9_000, currency: 'IDR' });
    expect(await post(gateways.midtrans.event('shop-4711'))).toBe(200);
    await eventually(inbox).toMatchObject([{ orderId: 'shop-4711', outcome: 'unmatched' }]);
  });
});

describe('the door', () => {
  test('takes POST alone, and no more than 256 KiB', async () => {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'] as const) {
      const answer = await app.inject({ method, url: '/api/webhooks/xendit' });
      expect([method, answer.statusCode, answer.headers.allow]).toEqual([method, 405, 'POST']);
    }
    expect(await post('x'.repeat(256 * 1024 + 1))).toBe(413);
    expect(await post('x'.repeat(256 * 1024))).toBe(401);
    expect((await app.inject({ method: 'POST', url: '/api/webhooks/doku' })).statusCode).toBe(404);
  });

  test('takes whatever the body is said to be, and needs and sets no cookie', async () => {
    const { orderId } = await startFor(await debtor());
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense/type; charset=foo']) {
      const answer = await app.inject({
        method: 'POST',
        url: '/api/webhooks/midtrans',
        headers: { 'content-type': type, cookie: 'a=b' },
        payload: gateways.midtrans.event(orderId, 'paid', type),
      });
      expect([type, answer.statusCode, answer.headers['set-cookie']]).toEqual([type, 200, undefined]);
    }
  });

  test('answers 503 while it cannot store, whatever the reason: after a 500 Midtrans would not call again', async () => {
    const event = gateways.midtrans.event('x-1', 'paid');
    const fails = (error: Error) => {
      webhooks = {
        receive: async () => {
          throw error;
        },
      };
    };
    fails(new Unavailable('database: gone'));
    expect(await post(event)).toBe(503);
    fails(new TypeError('a mistake'));
    expect(await post(event)).toBe(503);
    webhooks = null;
    expect(await post(event)).toBe(503);
    expect(wrong).toEqual([
      'a payment event cannot be stored now; the gateway will call again',
      'a payment event failed by a mistake of ours; the gateway will call again',
    ]);
  });
});
