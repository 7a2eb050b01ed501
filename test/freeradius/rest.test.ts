import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { defaultPolicy } from '#domain/policy';
import { DAY } from '#domain/time';
import { Counters } from '#radius/counters';
import { Directory } from '#radius/directory';
import { Feed } from '#radius/feed';
import { readJournal } from '#radius/journal';
import { NasTable } from '#radius/nas-table';
import { RestDoor } from '#radius/rest';
import { RestDesk } from '#radius/rest-desk';
import { Client, entry, HOME_20, NAS, sureDial } from '#test/radius-server/harness';
import { RunningWorker } from '#test/radius-server/running-worker';

/** The HTTP door for rlm_rest, asked by everybody but FreeRADIUS. */

const TOKEN = 'a-token-of-the-test-0123456789';
const BASIC = `Basic ${Buffer.from(`gerbang:${TOKEN}`).toString('base64')}`;
const JSON_TYPE = { authorization: BASIC, 'content-type': 'application/json' };
const DIAL = { 'User-Name': 'demo', 'NAS-IP-Address': '127.0.0.1', 'Calling-Station-Id': 'AA:BB:CC:00:00:01' };
const INTERIM = {
  'User-Name': { type: 'string', value: ['demo'] },
  'NAS-IP-Address': { type: 'ipaddr', value: ['127.0.0.1'] },
  'Acct-Status-Type': { type: 'integer', value: [3] },
  'Acct-Session-Id': { type: 'string', value: ['s1'] },
};

const { 'Acct-Status-Type': _status, ...WITHOUT_STATUS } = INTERIM;

let folder: string;
let worker: RunningWorker;
let port: number;
let authPort: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gerbang-rest-'));
  worker = new RunningWorker({
    worker: 0,
    hosts: ['127.0.0.1'],
    authPort: 0,
    acctPort: 0,
    reusePort: false,
    journalFolder: join(folder, 'journal'),
    rest: { host: '127.0.0.1', port: 0, token: TOKEN },
  });
  const ready = await worker.hear('ready');
  port = ready.restPort!;
  authPort = ready.authPort;
  worker.tell({ kind: 'nases', nases: [NAS] });
  worker.tell({ kind: 'policy', policies: { current: defaultPolicy(), rollout: null } });
  const now = systemClock();
  const grants = [{ id: 1, plan: HOME_20, from: now - DAY, until: now + DAY, usedBytes: 0, metered: null }];
  worker.tell({ kind: 'subscribers', subscribers: [entry('demo', 'arctangent', { grants }), entry('empty', '')] });
  await worker.settled();
});
afterAll(async () => {
  await worker.stop();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  worker.heard.splice(0);
});

type Reply = { readonly status: number; readonly text: string; readonly headers: IncomingHttpHeaders };

function post(
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = JSON_TYPE,
  more: { method?: string; agent?: Agent } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', headers, ...more }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => {
        text += part.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode!, text, headers: response.headers }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const authorize = (attributes: object): Promise<Reply> => post('/aaa/authorize', JSON.stringify(attributes));
const account = (attributes: object): Promise<Reply> => post('/aaa/accounting', JSON.stringify(attributes));
const records = (): Buffer[] => [...readJournal(join(folder, 'journal'))].map(({ packet }) => packet);

/** The worker answers a router just as before. */
async function stillAnswers(): Promise<void> {
  const router = await Client.open('127.0.0.1');
  expect((await router.ask(sureDial(), authPort))[0]).toBe(2);
  router.close();
  expect((await authorize(DIAL)).status).toBe(200);
}

describe('who has no token', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['a wrong one', basic('gerbang:another-token-of-the-test-1')],
    ['one octet less', basic(`gerbang:${TOKEN.slice(0, -1)}`)],
    ['one octet more', basic(`gerbang:${TOKEN}9`)],
    ['the right one of somebody else', basic(`admin:${TOKEN}`)],
    ['the right one as a Bearer', `Bearer ${TOKEN}`],
    ['four thousand octets', basic('gerbang:'.padEnd(4000, 'x'))],
    ['the right one with more behind it', `${BASIC}AAAA`],
  ])('%s: hears nothing of anybody', async (_, authorization) => {
    const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) };
    for (const path of ['/aaa/authorize', '/aaa/accounting', '/aaa/post-auth', '/', '/aaa/nothing']) {
      const reply = await post(path, JSON.stringify(DIAL), headers);
      expect([reply.status, reply.headers.connection]).toEqual([401, 'close']);
      expect(reply.text).not.toContain('arctangent');
      // rlm_rest reads attributes out of a 401 that has a type it knows.
      expect(reply.headers['content-type']).toMatch(/^text\/plain/);
    }
  });
});

describe('a request that is none', () => {
  test.each([
    ['nothing', ''],
    ['half of one', '{"User-Name":'],
    ['a list', '[]'],
    ['a text', '"demo"'],
    ['null', 'null'],
    ['an attribute that is an object', '{"User-Name":{"value":{"a":1}}}'],
    ['an attribute that is true', '{"User-Name":true}'],
    ['a value that is null', '{"User-Name":{"type":"string","value":[null]}}'],
    ['fifty thousand brackets', '['.repeat(50_000)],
    [
      'a thousand attributes',
      JSON.stringify(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`A${i}`, 'x']))),
    ],
    ['octets', Buffer.from([0xff, 0xfe, 0, 1, 2])],
  ])('%s is refused as such', async (_, body) => {
    for (const path of ['/aaa/authorize', '/aaa/accounting', '/aaa/post-auth'])
      expect((await post(path, body)).status).toBe(400);
  });

  test.each([
    ['no user', '/aaa/authorize', { 'NAS-IP-Address': '127.0.0.1' }, 422],
    ['an empty user', '/aaa/authorize', { ...DIAL, 'User-Name': '' }, 422],
    ['no router', '/aaa/authorize', { 'User-Name': 'demo' }, 422],
    ['a router that is no address', '/aaa/authorize', { ...DIAL, 'NAS-IP-Address': 'localhost; drop' }, 404],
    ['a router we do not know', '/aaa/authorize', { ...DIAL, 'NAS-IP-Address': '192.0.2.1' }, 404],
    ['a router we do not know', '/aaa/accounting', { ...INTERIM, 'NAS-IP-Address': '192.0.2.1' }, 404],
    ['no status', '/aaa/accounting', WITHOUT_STATUS, 422],
  ])('%s (%s)', async (_, path, attributes, status) => {
    const before = records().length;
    expect((await post(path, JSON.stringify(attributes))).status).toBe(status);
    expect(records().length).toBe(before);
  });

  test('another type, method or path', async () => {
    const body = JSON.stringify(DIAL);
    expect((await post('/aaa/authorize', body, { ...JSON_TYPE, 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post('/aaa/authorize', body, { authorization: BASIC })).status).toBe(415);
    expect((await post('/aaa/authorize', '', JSON_TYPE, { method: 'GET' })).status).toBe(405);
    expect((await post('/aaa/authorize?x=1', body)).status).toBe(404);
    expect((await post('/aaa/../metrics', body)).status).toBe(404);
  });

  test('more than 64 KiB, announced or not, and more than a packet holds', async () => {
    const large = JSON.stringify({ ...DIAL, 'Reply-Message': 'x'.repeat(70_000) });
    expect((await post('/aaa/authorize', large)).status).toBe(413);
    const chunked = await post('/aaa/authorize', large, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }).catch(
      () => null,
    );
    if (chunked !== null) expect(chunked.status).toBe(413); // or cut off while it still writes
    const many = { ...INTERIM, 'Reply-Message': Array.from({ length: 40 }, () => 'x'.repeat(200)) };
    expect((await account(many)).status).toBe(413);
    await stillAnswers();
  });

  test('whatever is in the JSON, the answer is a refusal or an answer, and the worker lives', async () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.nat(), fc.constant('0x00ff'), fc.constant('127.0.0.1'));
    const name = fc.constantFrom(
      'User-Name',
      'NAS-IP-Address',
      'Calling-Station-Id',
      'Class',
      'Acct-Status-Type',
      'Acct-Session-Id',
      'Event-Timestamp',
      'Tmp-Integer-0',
      'Service-Type',
      '__proto__',
      'Framed-IP-Address',
      'Vendor-Specific',
      'User-Password',
    );
    const of = fc.oneof(
      value,
      fc.array(value, { maxLength: 3 }),
      fc.record({ type: fc.constantFrom('string', 'octets'), value: fc.array(value) }),
    );
    const path = fc.constantFrom('/aaa/authorize', '/aaa/accounting', '/aaa/post-auth');
    await fc.assert(
      fc.asyncProperty(path, fc.dictionary(name, of), async (where, attributes) => {
        const { status } = await post(where, JSON.stringify({ 'NAS-IP-Address': '127.0.0.1', ...attributes }));
        expect([200, 204, 400, 404, 413, 422, 503]).toContain(status);
      }),
      { numRuns: 300 },
    );
    expect(worker.heard.filter(({ kind }) => kind === 'log')).toEqual([]);
    await stillAnswers();
  });
});

describe('a client that does not come to the point', () => {
  const head = (length: number) =>
    `POST /aaa/authorize HTTP/1.1\r\nHost: x\r\nAuthorization: ${BASIC}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  async function closedAfter(first: string, drip: string): Promise<number> {
    const socket: Socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => undefined); // it is about being cut off
    socket.resume();
    const began = performance.now();
    if (first !== '') socket.write(first);
    const timer = setInterval(() => socket.write(drip), 300);
    await once(socket, 'close');
    clearInterval(timer);
    return performance.now() - began;
  }

  test('an octet now and then, of the head or of the body, or none at all: cut off within ten seconds', async () => {
    const waiting = [
      closedAfter('POST /aaa/authorize HTTP/1.1\r\n', 'X'),
      closedAfter(head(5000), '{'),
      closedAfter('', ''),
    ];
    const crowd = Array.from({ length: 200 }, () => closedAfter('POST ', 'X'));
    await stillAnswers();
    for (const ms of await Promise.all([...waiting, ...crowd])) expect(ms).toBeLessThan(10_000);
    await stillAnswers();
  });

  test('what is not HTTP is cut off at once', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined); // it is about being cut off
    socket.resume();
    socket.write(Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n', 'latin1'));
    await once(socket, 'close');
    await stillAnswers();
  });
});

describe('what is said', () => {
  test('a dial has the password, and a Class of its own each time it is asked', async () => {
    const first = JSON.parse((await authorize(DIAL)).text);
    const second = JSON.parse((await authorize(DIAL)).text);
    expect(first['control:Cleartext-Password']).toBe('arctangent');
    expect(first['Mikrotik-Rate-Limit']).toBe('5000k/20000k');
    expect(first.Class).toMatch(/^0x6762317c/);
    expect(first.Class).not.toBe(second.Class);
    expect({ ...first, Class: null }).toEqual({ ...second, Class: null });
  });

  test('nobody comes in with an empty password, and who exists does not show', async () => {
    const keys = (reply: Reply) => JSON.parse(reply.text);
    const empty = keys(await authorize({ ...DIAL, 'User-Name': 'empty' }));
    expect(empty['control:Cleartext-Password']).toHaveLength(44);
    // Not every subscriber is known yet: nothing can be said of a stranger.
    expect((await authorize({ ...DIAL, 'User-Name': 'nobody' })).status).toBe(503);
    worker.tell({ kind: 'snapshotDone' });
    await worker.settled();
    const nobody = keys(await authorize({ ...DIAL, 'User-Name': 'nobody' }));
    expect(Object.keys(nobody)).toEqual(['control:Cleartext-Password']);
    expect(nobody['control:Cleartext-Password']).toBe(empty['control:Cleartext-Password']);
  });

  test('accounting is on disk when it is answered, and said twice it is there twice, the same', async () => {
    const before = records().length;
    expect((await account(INTERIM)).status).toBe(204);
    expect(records().length).toBe(before + 1);
    expect((await account(INTERIM)).status).toBe(204);
    const [one, other] = records().slice(-2);
    expect(other).toEqual(one);
  });

  test('accounting is answered by the disk, not before', async () => {
    let recorded: () => void = () => undefined;
    const counters = new Counters();
    const door = await RestDoor.open({
      host: '127.0.0.1',
      port: 0,
      reusePort: false,
      token: TOKEN,
      desk: new RestDesk(new Directory(), counters, new Feed(() => undefined)),
      nases: () => new NasTable([NAS]),
      record: (_packet, _router, then) => {
        recorded = then;
        return true;
      },
      counters,
      clock: systemClock,
      onError: (error) => {
        throw error;
      },
    });
    let answered = false;
    const answer = fetch(`http://127.0.0.1:${door.port}/aaa/accounting`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify(INTERIM),
    }).then(({ status }) => {
      answered = true;
      return status;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(answered).toBe(false);
    recorded();
    expect(await answer).toBe(204);
    door.close();
    door.closeAll();
  });

  test('authorization without authentication is rejected whatever the password', async () => {
    const answer = JSON.parse((await authorize({ ...DIAL, 'Service-Type': '17' })).text);
    expect(answer).toMatchObject({ 'control:Auth-Type': 'Reject' });
    expect(answer).not.toHaveProperty('control:Cleartext-Password');
  });

  test('a refused dial is passed on with its reason; one we did not give is what it was found to be', async () => {
    const told = (attributes: object) => post('/aaa/post-auth', JSON.stringify({ ...DIAL, ...attributes }));
    expect((await told({ 'Tmp-String-0': 'session-limit' })).status).toBe(204);
    expect((await told({ 'Tmp-String-0': 'something of his own' })).status).toBe(204);
    expect((await told({ 'User-Name': 'nobody' })).status).toBe(204);
    await worker.hear('limitReached');
    const { dials } = await worker.hear('rejected', (one) => one.dials.length === 3);
    expect(dials.map(({ reason }) => reason)).toEqual(['session-limit', 'wrong-password', 'unknown-user']);
  });
});
