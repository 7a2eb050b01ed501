import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildHttp } from '#http/server';
import { queueNotice } from '#operations/queue-notice';
import { saveSettings, setSecretSetting } from '#operations/settings';
import type { MessagesSide } from '#policy-server/messages-side';
import {
  desk,
  eventually,
  logged,
  message,
  start,
  stateOf,
  states,
  subscribers,
  useWhatsApp,
  writeTo,
} from '#test/whatsapp/harness';

useWhatsApp();

const TOKEN = 'EAAG-the-token';
const APP_SECRET = 'app-secret-1';

type Sent = {
  readonly to: string;
  readonly type: string;
  readonly template?: { readonly name: string; readonly language: { code: string }; readonly components: unknown };
  readonly text?: { readonly body: string };
  readonly biz_opaque_callback_data: string;
};

let graph: Server;
let graphUrl: string;
let requests: { path: string; authorization: string; body: Sent }[];
let answer: (sent: Sent, response: ServerResponse) => void;

beforeEach(async () => {
  requests = [];
  answer = accept;
  graph = createServer((request, response) => void take(request, response));
  graph.listen(0, '127.0.0.1');
  await once(graph, 'listening');
  graphUrl = `http://127.0.0.1:${(graph.address() as AddressInfo).port}`;
  await setSecretSetting(desk, 'whatsapp.cloud.token', TOKEN);
  await setSecretSetting(desk, 'whatsapp.cloud.app-secret', APP_SECRET);
  await setSecretSetting(desk, 'whatsapp.cloud.verify-token', 'verify-me');
  const templates = { ended: 'paket_berakhir', test: 'uji_coba' };
  const cloud = { phoneNumberId: '106540352242922', apiVersion: 'v23.0', templates };
  await saveSettings(desk, 'whatsapp', { transport: 'cloud', cloud });
});

afterEach(async () => {
  graph.closeAllConnections();
  await new Promise((resolve) => graph.close(resolve));
});

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = JSON.parse(Buffer.concat(parts).toString()) as Sent;
  requests.push({ path: request.url!, authorization: request.headers.authorization!, body });
  answer(body, response);
}

const wamid = (sent: Sent) => `wamid.${Buffer.from(`${sent.to}${requests.length}`).toString('base64')}`;
const accept = (sent: Sent, response: ServerResponse) =>
  reply(response, 200, { messaging_product: 'whatsapp', messages: [{ id: wamid(sent), message_status: 'accepted' }] });
const refuse =
  (status: number, code: number, details = 'because') =>
  (_sent: Sent, response: ServerResponse) =>
    reply(response, status, { error: { message: `(#${code}) title`, code, error_data: { details } } });

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const ENDED = {
  name: 'Budi\nSantoso',
  plan: '20GB - 20Mbps',
  until: '20 Nov 2026 18.00 WIB',
  portalUrl: 'http://portal.test',
};
const now = () => ({ ...desk, clock: Date.now });

async function queueEnded(count = 1): Promise<number[]> {
  for (const { id } of await subscribers(count)) {
    await desk.db.transaction((tx) =>
      queueNotice(tx, now(), { subscriberId: id, notice: 'ended', values: ENDED, onceKey: `ended:${id}` }),
    );
  }
  const rows = await desk.db.query<{ id: number }>('select id from message order by id desc limit $1', [count]);
  return rows.map(({ id }) => id).reverse();
}

/** A call of the webhook as Meta makes it. */
async function hook(side: MessagesSide, value: object, secret = APP_SECRET) {
  const app = await buildHttp({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => ({}),
    metrics: () => [],
    webhook: () => side.webhook,
    log: { warn: () => undefined, error: () => undefined },
  });
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
  });
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
  const response = await app.inject({
    method: 'POST',
    url: '/webhooks/whatsapp',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature },
    body,
  });
  await app.close();
  return response.statusCode;
}

const status = (is: string, id: string, more: object = {}) => ({
  statuses: [{ id, status: is, timestamp: String(Math.floor(Date.now() / 1000)), recipient_id: '1', ...more }],
});

test('a notice goes as its approved template, with its fields in order, and the webhook tells delivered and read', async () => {
  const side = await start({ graphUrl });
  expect(side.control.status()).toMatchObject({ transport: 'cloud', state: 'connected' });
  const [id] = await queueEnded();
  await eventually(() => stateOf(id!)).toBe('sent');
  const { path, authorization, body } = requests[0]!;
  expect([path, authorization]).toEqual(['/v23.0/106540352242922/messages', `Bearer ${TOKEN}`]);
  const text = (of: string) => ({ type: 'text', text: of });
  expect(body.template).toEqual({
    name: 'paket_berakhir',
    language: { code: 'id' },
    components: [
      { type: 'body', parameters: [text('Budi Santoso'), text(ENDED.plan), text(ENDED.until), text(ENDED.portalUrl)] },
    ],
  });
  expect(await hook(side, status('delivered', wamid(body)))).toBe(200);
  expect(await stateOf(id!)).toBe('delivered');
  expect(await hook(side, status('read', wamid(body)))).toBe(200);
  expect(await stateOf(id!)).toBe('read');
  expect(logged.join('')).not.toContain(TOKEN);
});

test('a call that is not signed by Meta changes nothing', async () => {
  const side = await start({ graphUrl });
  const [id] = await queueEnded();
  await eventually(() => stateOf(id!)).toBe('sent');
  expect(await hook(side, status('read', wamid(requests[0]!.body)), 'another secret')).toBe(401);
  expect(await stateOf(id!)).toBe('sent');
});

test('Meta asks whether the address is ours: answered only to the right token', async () => {
  const { webhook } = await start({ graphUrl });
  const asked = { 'hub.mode': 'subscribe', 'hub.verify_token': 'verify-me', 'hub.challenge': '1158201444' };
  expect(await webhook.verify(asked)).toBe('1158201444');
  expect(await webhook.verify({ ...asked, 'hub.verify_token': 'guess' })).toBeNull();
  expect(await webhook.verify({ ...asked, 'hub.challenge': '<script>' })).toBeNull();
  await setSecretSetting(desk, 'whatsapp.cloud.verify-token', null);
  expect(await webhook.verify({ ...asked, 'hub.verify_token': 'null' })).toBeNull();
});

test('without a template a notice fails and says so; free text goes only within 24 hours of what the subscriber wrote', async () => {
  const side = await start({ graphUrl });
  const [budi] = await subscribers(1);
  const [cold] = await writeTo([budi!], 'Halo');
  await eventually(() => stateOf(cold!)).toBe('failed');
  expect((await message(cold!)).failure).toBe('outside-24-hours');
  const timestamp = String(Math.floor(Date.now() / 1000) - 3600);
  await hook(side, {
    messages: [{ from: budi!.phone, id: 'wamid.in', timestamp, type: 'text', text: { body: 'Halo' } }],
  });
  const [warm] = await writeTo([budi!], 'Halo lagi');
  await eventually(() => stateOf(warm!)).toBe('sent');
  expect(requests.map(({ body }) => body.text?.body)).toEqual([`Halo lagi ${budi!.id}`]);
  const values = { name: 'Budi', plan: '20GB', until: '20 Nov 2026 18.00 WIB', quota: '20 GB' };
  const [other] = await subscribers(1);
  const notice = { subscriberId: other!.id, notice: 'activated' as const, values, onceKey: null };
  await desk.db.transaction((tx) => queueNotice(tx, now(), notice));
  const failures = () => desk.db.query<{ failure: string }>(`select failure from message where notice = 'activated'`);
  await eventually(failures).toEqual([{ failure: 'no-template: activated' }]);
});

test.each([
  [400, 131026, 'rejected: 131026 because'],
  [400, 131047, 'outside-24-hours'],
  [404, 132001, 'rejected: 132001 because'],
])('HTTP %i with code %i fails the message', async (http, code, failure) => {
  answer = refuse(http, code);
  await start({ graphUrl });
  const [id] = await queueEnded();
  await eventually(async () => (await message(id!)).failure).toBe(failure);
  expect(requests).toHaveLength(1);
});

test.each([
  [429, 130429],
  [400, 131048],
  [400, 80007],
])('HTTP %i with code %i opens the breaker', async (http, code) => {
  answer = refuse(http, code);
  const side = await start({ graphUrl });
  await queueEnded(3);
  await eventually(() => side.control.status().breakerUntil).not.toBeNull();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(requests).toHaveLength(1);
  expect(await states()).toEqual({ queued: 3 });
  expect(side.control.status().reason).toBe(`rate-limited: ${code}`);
});

test('trouble of theirs is waited out', async () => {
  let times = 0;
  answer = (sent, response) => {
    times += 1;
    if (times < 3) refuse(500, 131000)(sent, response);
    else accept(sent, response);
  };
  await start({ graphUrl });
  const [id] = await queueEnded();
  await eventually(() => stateOf(id!)).toBe('sent');
  expect(new Set(requests.map(({ body }) => body.biz_opaque_callback_data)).size).toBe(1);
});

test('a refused token stops sending until somebody gives another; the queue waits', async () => {
  answer = refuse(401, 190);
  const side = await start({ graphUrl });
  const ids = await queueEnded(2);
  await eventually(() => side.control.status().state).toBe('logged-out');
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(requests).toHaveLength(1);
  expect(await states()).toEqual({ queued: 2 });
  answer = accept;
  await setSecretSetting(desk, 'whatsapp.cloud.token', 'another-token');
  await eventually(states).toEqual({ sent: 2 });
  expect(requests.at(-1)!.authorization).toBe('Bearer another-token');
  expect(ids).toHaveLength(2);
});

test('no answer: the message is not sent again, because that could make two; the webhook tells that it was sent', async () => {
  answer = (_sent, response) => response.destroy();
  const side = await start({ graphUrl, outbox: { confirmMs: 60_000 } });
  const [id] = await queueEnded();
  await eventually(async () => (await message(id!)).waitingFor).toBe('no-answer');
  await hook(side, status('sent', 'wamid.X', { biz_opaque_callback_data: requests[0]!.body.biz_opaque_callback_data }));
  expect(await stateOf(id!)).toBe('sent');
  expect(requests).toHaveLength(1);
});

test('no answer and nothing by the webhook: it fails as unconfirmed, for a person to decide', async () => {
  answer = (_sent, response) => response.destroy();
  await start({ graphUrl, outbox: { confirmMs: 50 } });
  const [id] = await queueEnded();
  await eventually(async () => (await message(id!)).failure).toBe('unconfirmed');
  expect(requests).toHaveLength(1);
});

test('Meta cannot be reached: that is certain, so it is tried again', async () => {
  const { port } = graph.address() as AddressInfo;
  await new Promise((resolve) => graph.close(resolve));
  await start({ graphUrl });
  const [id] = await queueEnded();
  await eventually(async () => (await message(id!)).waitingFor).toBe('not-connected');
  graph.listen(port, '127.0.0.1');
  await eventually(() => stateOf(id!)).toBe('sent');
});

test('a message that fails after Meta took it says why', async () => {
  const side = await start({ graphUrl });
  const [id] = await queueEnded();
  await eventually(() => stateOf(id!)).toBe('sent');
  const errors = [{ code: 131026, title: 'Undeliverable', error_data: { details: 'Message Undeliverable.' } }];
  await hook(side, status('failed', wamid(requests[0]!.body), { errors }));
  expect(await message(id!)).toMatchObject({ failure: 'rejected: 131026 Message Undeliverable.' });
  expect(await stateOf(id!)).toBe('failed');
});

test('hostile calls: not JSON, other shapes, numbers that are none', async () => {
  const side = await start({ graphUrl });
  expect(
    await hook(side, {
      messages: [{ from: "1'; drop table message", timestamp: 'x' }],
      statuses: [null, 7, { id: '' }],
    }),
  ).toBe(200);
  expect(await hook(side, { statuses: 'many' })).toBe(200);
  expect(await desk.db.query('select 1 from whatsapp_contact')).toEqual([]);
});
