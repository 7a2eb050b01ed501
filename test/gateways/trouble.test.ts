import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { type Gateway, GatewayRefusal } from '#domain/gateway';
import { openMidtrans } from '#integrations/gateways/midtrans';
import { openXendit } from '#integrations/gateways/xendit';
import {
  API_KEY,
  allOf,
  CALLBACK_TOKEN,
  failureOf,
  IMPATIENT,
  midtransPair,
  NOW,
  request,
  SERVER_KEY,
  xenditPair,
} from '#test/gateways/harness';
import type { Fault } from '#test/world/gateway-web';
import type { Midtrans } from '#test/world/midtrans';
import type { Xendit } from '#test/world/xendit';

/** Whatever happens on the way: every question ends in time, with one of two errors, and no error shows a key. */

const order = { orderId: 'INV-1', gatewayId: null };
const back = { orderId: 'INV-1', gatewayRef: 'x', key: 'k', amountRupiah: 1, reason: 'r' };

const QUESTIONS: readonly [string, (gateway: Gateway) => Promise<unknown>][] = [
  ['createPayment', (gateway) => gateway.createPayment(request('INV-1'))],
  ['truthOf', (gateway) => gateway.truthOf(order)],
  ['close', (gateway) => gateway.close(order)],
  ['refund', (gateway) => gateway.refund(back)],
  ['charge', (gateway) => gateway.charge({ ...request('INV-1'), token: 'CANARY6token' })],
];

const UNAVAILABLE: readonly Fault[] = [
  'silent-before',
  'silent-after',
  'drip',
  'down',
  'html',
  'html-ok',
  'busy',
  'limited',
  'redirect',
  'null',
  'empty',
];

/** The key itself, and as it stands in the header. */
const KEYS = [SERVER_KEY, API_KEY, CALLBACK_TOKEN, 'CANARY'].flatMap((key) => [
  key,
  Buffer.from(key).toString('base64').replace(/=+$/, ''),
  Buffer.from(`${key}:`).toString('base64').replace(/=+$/, ''),
]);

function expectNoKey(error: Error): void {
  const shown = allOf(error);
  for (const key of KEYS) expect(shown).not.toContain(key);
}

type Pair = { readonly world: Midtrans | Xendit; readonly gateway: Gateway };
const PAIRS: readonly [string, () => Promise<Pair>][] = [
  [
    'midtrans',
    async () => {
      const { midtrans, gateway } = await midtransPair(IMPATIENT);
      return { world: midtrans, gateway };
    },
  ],
  [
    'xendit',
    async () => {
      const { xendit, gateway } = await xenditPair(IMPATIENT);
      return { world: xendit, gateway };
    },
  ],
];

describe.each(PAIRS)('%s', (name, pair) => {
  // Xendit keeps no card: it refuses without asking anybody.
  const questions = QUESTIONS.filter(([question]) => name !== 'xendit' || question !== 'charge');

  test.each(UNAVAILABLE)('%s is Unavailable, in time and without a key', async (fault) => {
    const { world, gateway } = await pair();
    world.fault(fault);
    const began = performance.now();
    const errors = await Promise.all(questions.map(([, ask]) => failureOf(ask(gateway))));
    expect(performance.now() - began).toBeLessThan(8_000);
    for (const error of errors) {
      expect(error).toBeInstanceOf(Unavailable);
      expectNoKey(error);
    }
  });

  test.each(questions.map(([question]) => question))('%s: keys that come back to us do not go on', async (question) => {
    const { world, gateway } = await pair();
    world.fault('echo');
    const [, ask] = questions.find(([one]) => one === question)!;
    const error = await failureOf(ask(gateway));
    expect([Unavailable, GatewayRefusal].some((kind) => error instanceof kind)).toBe(true);
    expectNoKey(error);
    expect(error.message.length).toBeLessThan(300);
  });

  test('a key that is not accepted is a refusal of that kind, and is not shown', async () => {
    const { world } = await pair();
    const wrong = name === 'midtrans' ? openMidtrans(options(world.url)) : openXendit(options(world.url));
    for (const [, ask] of questions) {
      const error = await failureOf(ask(wrong));
      expect(error).toMatchObject({ code: 'keys' });
      expectNoKey(error);
    }
  });

  test('nobody there: Unavailable', async () => {
    const { world, gateway } = await pair();
    await world.stop();
    for (const [, ask] of questions) {
      const error = await failureOf(ask(gateway));
      expect(error).toBeInstanceOf(Unavailable);
      expectNoKey(error);
    }
  });

  test('a redirection is not followed: the key goes to nobody else', async () => {
    const { world, gateway } = await pair();
    const asked: IncomingMessage[] = [];
    const elsewhere = createServer((request, response) => {
      asked.push(request);
      response.end('{}');
    });
    elsewhere.listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    onTestFinished(async () => {
      elsewhere.closeAllConnections();
      await new Promise((resolve) => elsewhere.close(resolve));
    });
    world.elsewhere = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
    world.fault('redirect');
    for (const [, ask] of questions) expectNoKey(await failureOf(ask(gateway)));
    expect(asked).toHaveLength(0);
  });

  test('an answer that is longer than any can be is given up', async () => {
    const { world, gateway } = await pair();
    // But for its length it is right.
    const status = { status_code: '200', transaction_status: 'settlement', transaction_id: 't', order_id: 'INV-1' };
    const invoice = { id: 'i', status: 'PAID', external_id: 'INV-1', filler: 'x'.repeat(6_000_000) };
    const body = JSON.stringify(name === 'midtrans' ? { ...status, filler: invoice.filler } : [invoice]);
    world.answerAll({ status: 200, body, headers: { 'content-type': 'application/json' } });
    expect(await failureOf(gateway.truthOf(order))).toBeInstanceOf(Unavailable);
  });

  test('JSON that is nothing of what was asked for is no answer', async () => {
    const { world, gateway } = await pair();
    for (const body of ['[]', '{}', '"ok"', '{"status":"ok"}', '{"id":1}', '[{"status":"PAID"}]']) {
      world.answerAll({ status: 200, body, headers: { 'content-type': 'application/json' } });
      const error = await gateway.createPayment(request('INV-1')).catch((reason: unknown) => reason);
      // An empty list is Xendit's way of saying "no such invoice"; then it gives none either.
      expect(error).toBeInstanceOf(Error);
    }
  });
});

const options = (baseUrl: string) => ({
  serverKey: 'CANARY-wrong',
  apiKey: 'CANARY-wrong',
  callbackToken: CALLBACK_TOKEN,
  production: false,
  methods: [],
  clock: () => NOW,
  baseUrl,
});

test('a saved card is never shown by an error of its charge', async () => {
  const { midtrans, gateway } = await midtransPair();
  midtrans.fault('down');
  expectNoKey(await failureOf(gateway.charge({ ...request('INV-1'), token: 'CANARY6token' })));
});

test('the libraries print nothing', async () => {
  const printed: string[] = [];
  const { warn, error, log } = console;
  console.warn = console.error = console.log = (...words: unknown[]) => void printed.push(words.join(' '));
  try {
    openXendit({ ...options('http://127.0.0.1:9'), apiKey: API_KEY });
    openXendit(options('http://127.0.0.1:9'));
    openMidtrans(options('http://127.0.0.1:9'));
  } finally {
    Object.assign(console, { warn, error, log });
  }
  expect(printed).toEqual([]);
});
