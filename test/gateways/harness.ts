import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { onTestFinished } from 'vitest';
import type { Gateway, PaymentRequest } from '#domain/gateway';
import { HOUR } from '#domain/time';
import { openMidtrans } from '#integrations/gateways/midtrans';
import { openXendit } from '#integrations/gateways/xendit';
import { type Midtrans, startMidtrans } from '#test/world/midtrans';
import { startXendit, type Xendit } from '#test/world/xendit';

/** Keys that are easily found wherever they come out. */
export const SERVER_KEY = 'SB-Mid-server-CANARY0midtrans1';
export const API_KEY = 'xnd_development_CANARY2xendit3';
export const CALLBACK_TOKEN = 'CANARY4callback5token';

export const NOW = Date.parse('2026-11-21T02:00:00Z');
/** Patience with an answer, so that a test of silence is short. */
export const IMPATIENT = { timeoutMs: 300 };
/** Where an answer comes: this machine may be busy with something else. */
const TIMEOUT_MS = 5_000;

type More = { readonly methods?: readonly string[]; readonly production?: boolean; readonly timeoutMs?: number };

export async function midtransPair(more: More = {}): Promise<{ midtrans: Midtrans; gateway: Gateway }> {
  const midtrans = await startMidtrans({ serverKey: SERVER_KEY, clock: () => NOW });
  onTestFinished(() => midtrans.stop());
  const options = { serverKey: SERVER_KEY, production: false, methods: [], clock: () => NOW, timeoutMs: TIMEOUT_MS };
  return { midtrans, gateway: openMidtrans({ ...options, baseUrl: midtrans.url, ...more }) };
}

type XenditMore = { readonly methods?: readonly string[]; readonly apiKey?: string; readonly timeoutMs?: number };

export async function xenditPair(more: XenditMore = {}): Promise<{ xendit: Xendit; gateway: Gateway }> {
  const xendit = await startXendit({ apiKey: API_KEY, callbackToken: CALLBACK_TOKEN, clock: () => NOW });
  onTestFinished(() => xendit.stop());
  const keys = { apiKey: API_KEY, callbackToken: CALLBACK_TOKEN };
  const options = { ...keys, methods: [], clock: () => NOW, timeoutMs: TIMEOUT_MS };
  return { xendit, gateway: openXendit({ ...options, baseUrl: xendit.url, ...more }) };
}

export const request = (orderId: string, more: Partial<PaymentRequest> = {}): PaymentRequest => ({
  orderId,
  amountRupiah: 150_000,
  description: 'Tagihan INV/2026/001 · Keluarga 20 Mbps',
  customer: { name: 'Siti Aminah', phone: '+6281234567890' },
  expiresAt: NOW + 24 * HOUR,
  returnUrl: 'https://portal.example.net/customer/invoices/inv_1',
  save: null,
  ...more,
});

/** Every way in which an error could show something: as a log prints it, its stack, its fields, what caused it. */
export const allOf = (error: unknown): string =>
  `${inspect(error, { depth: 20, showHidden: true, getters: true })}\n${error instanceof Error ? error.stack : ''}`;

/** The error of something that has to fail. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error(`this did not fail: ${inspect(outcome)}`);
}

export type Received = { readonly headers: Record<string, string | undefined>; readonly raw: Buffer };
export type Receiver = {
  readonly url: string;
  readonly events: Received[];
  answer: (event: Received) => number | null;
};

/** Where events go: it notes them and answers with what `answer` says; null = never. */
export async function receiver(): Promise<Receiver> {
  const events: Received[] = [];
  const here: { url: string; events: Received[]; answer: Receiver['answer'] } = { url: '', events, answer: () => 200 };
  const server = createServer(async (asked, response) => {
    const parts: Buffer[] = [];
    for await (const part of asked) parts.push(part as Buffer);
    const event = { headers: asked.headers as Received['headers'], raw: Buffer.concat(parts) };
    events.push(event);
    const status = here.answer(event);
    if (status !== null) response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  here.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/webhooks/it`;
  return here;
}
