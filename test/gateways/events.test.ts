import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '#domain/gateway';
import {
  API_KEY,
  CALLBACK_TOKEN,
  midtransPair,
  type Received,
  receiver,
  request,
  SERVER_KEY,
  xenditPair,
} from '#test/gateways/harness';

/** Which events are the gateway's own, and which are forged. */

type Fields = Record<string, unknown>;
const raw = (fields: unknown): Buffer => Buffer.from(JSON.stringify(fields));
const sign = (of: Fields, key = SERVER_KEY): string =>
  createHash('sha512').update(`${of.order_id}${of.status_code}${of.gross_amount}${key}`).digest('hex');

async function real(method = 'bank_transfer'): Promise<{ gateway: Gateway; event: Received; fields: Fields }> {
  const { midtrans, gateway } = await midtransPair();
  const told = await receiver();
  await gateway.createPayment(request('INV-1'));
  midtrans.pay('INV-1', method);
  midtrans.notificationUrl = told.url;
  await midtrans.notify('INV-1')!.done;
  const event = told.events[0]!;
  return { gateway, event, fields: JSON.parse(event.raw.toString()) };
}

describe('midtrans', () => {
  test('its own notification is taken, with the number of the order', async () => {
    const { gateway, event } = await real();
    expect(gateway.readEvent(event.headers, event.raw)).toEqual({
      verified: true,
      orderId: 'INV-1',
      status: 'settlement',
      saved: null,
    });
  });

  test.each(['bca_klikbca', 'qris', 'credit_card', 'dana', 'cstore'])('also of %s', async (method) => {
    const { gateway, event } = await real(method);
    expect(gateway.readEvent(event.headers, event.raw)).toMatchObject({ verified: true, orderId: 'INV-1' });
  });

  const FORGED: readonly [string, (fields: Fields) => unknown][] = [
    ['another order', (of) => ({ ...of, order_id: 'INV-2' })],
    ['another amount', (of) => ({ ...of, gross_amount: '1.00' })],
    ['another status code', (of) => ({ ...of, status_code: '201' })],
    ['the amount in another spelling', (of) => ({ ...of, gross_amount: '150000' })],
    ['the amount as a number', (of) => ({ ...of, gross_amount: 150000 })],
    ['the amount as a list', (of) => ({ ...of, gross_amount: ['150000.00'] })],
    ['no signature', ({ signature_key: _, ...of }) => of],
    ['an empty signature', (of) => ({ ...of, signature_key: '' })],
    ['a signature that is not text', (of) => ({ ...of, signature_key: true })],
    ['half a signature', (of) => ({ ...of, signature_key: String(of.signature_key).slice(0, 64) })],
    ['a longer signature', (of) => ({ ...of, signature_key: `${of.signature_key}00` })],
    ['a signature of other signs', (of) => ({ ...of, signature_key: 'z'.repeat(128) })],
    ['a signature with another key', (of) => ({ ...of, signature_key: sign(of, 'SB-Mid-server-another') })],
    ['a signature without a key', (of) => ({ ...of, signature_key: sign(of, '') })],
    ['a signature by another hash', (of) => ({ ...of, signature_key: createHash('sha512').update('x').digest('hex') })],
    ['fields that are not there', () => ({ signature_key: sign({}) })],
    ['a recurring notification, which has none', () => ({ transaction: { transaction_id: 'x' }, subscription: {} })],
    ['a list', (of) => [of]],
    ['nothing', () => null],
    ['a text', () => 'settlement'],
  ];

  test.each(FORGED)('forged: %s', async (_name, forge) => {
    const { gateway, event, fields } = await real();
    expect(gateway.readEvent(event.headers, raw(forge(fields))).verified).toBe(false);
  });

  test.each(['', '{', '<html>', '{"order_id":', '\uFEFF{}', 'null'])('no JSON: %j', async (text) => {
    const { gateway, event } = await real();
    expect(gateway.readEvent(event.headers, Buffer.from(text))).toEqual({
      verified: false,
      orderId: null,
      status: null,
    });
  });

  test('the signature in capitals is the same signature', async () => {
    const { gateway, event, fields } = await real();
    const capitals = { ...fields, signature_key: String(fields.signature_key).toUpperCase() };
    expect(gateway.readEvent(event.headers, raw(capitals)).verified).toBe(true);
  });

  test("with the gateway's own number where the order's should be, ours is found in what we sent along", async () => {
    const { gateway, fields } = await real('bsi');
    const swapped: Fields = { ...fields, order_id: fields.transaction_id };
    const event = raw({ ...swapped, signature_key: sign(swapped) });
    expect(gateway.readEvent({}, event)).toMatchObject({ verified: true, orderId: 'INV-1' });
    const { custom_field1: _, ...without } = swapped;
    expect(gateway.readEvent({}, raw({ ...without, signature_key: sign(swapped) })).orderId).toBeNull();
  });

  test('old, again and out of order: each is still its own, and says what it says', async () => {
    const { midtrans, gateway } = await midtransPair();
    const told = await receiver();
    await gateway.createPayment(request('INV-1'));
    midtrans.pay('INV-1', 'qris');
    midtrans.notificationUrl = told.url;
    for (const status of ['settlement', 'settlement', 'pending'] as const) await midtrans.notify('INV-1', status)!.done;
    const read = told.events.map(({ headers, raw: body }) => gateway.readEvent(headers, body));
    expect(read.map(({ status }) => status)).toEqual(['settlement', 'settlement', 'pending']);
    expect(read.every(({ verified }) => verified)).toBe(true);
  });
});

describe('xendit', () => {
  async function event() {
    const { xendit, gateway } = await xenditPair();
    const told = await receiver();
    xendit.webhookUrl = told.url;
    await gateway.createPayment(request('INV-1'));
    xendit.pay('INV-1');
    await expect.poll(() => told.events.length).toBe(1);
    return { gateway, event: told.events[0]! };
  }

  test('its own event is taken', async () => {
    const { gateway, event: own } = await event();
    expect(gateway.readEvent(own.headers, own.raw)).toEqual({ verified: true, orderId: 'INV-1', status: 'PAID' });
  });

  test.each([
    ['no token', undefined],
    ['an empty token', ''],
    ['another token', 'x'.repeat(CALLBACK_TOKEN.length)],
    ['the beginning of it', CALLBACK_TOKEN.slice(0, -1)],
    ['more than it', `${CALLBACK_TOKEN}x`],
    ['in capitals', CALLBACK_TOKEN.toUpperCase()],
    ['twice', `${CALLBACK_TOKEN}, ${CALLBACK_TOKEN}`],
    ['the API key', API_KEY],
  ])('forged: %s', async (_name, token) => {
    const { gateway, event: own } = await event();
    expect(gateway.readEvent({ ...own.headers, 'x-callback-token': token }, own.raw).verified).toBe(false);
  });

  test.each(['', '{', '[]', 'null', '<html>'])('a body that is no event names no order: %j', async (text) => {
    const { gateway, event: own } = await event();
    expect(gateway.readEvent(own.headers, Buffer.from(text))).toMatchObject({ orderId: null, status: null });
  });

  test('of another kind it names no order', async () => {
    const { gateway, event: own } = await event();
    const refund = raw({ event: 'refund.succeeded', data: { id: 'rfd-1', invoice_id: 'abc', reference_id: 'k' } });
    expect(gateway.readEvent(own.headers, refund)).toEqual({
      verified: true,
      orderId: null,
      status: 'refund.succeeded',
    });
  });
});
