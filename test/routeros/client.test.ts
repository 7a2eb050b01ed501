import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { type ApiAddress, type Connection, connectRouterOs, type Patience } from '#integrations/routeros/client';
import { SecretText } from '#storage/secrets';
import { type RouterOsApi, type RouterOsApiSettings, startRouterOsApi } from '#test/world/routeros-api';
import { CERTIFICATES } from '#test/world/routeros-certificates';

const USER = { user: 'gerbang', password: 'rahasia é' };
const PATIENCE: Patience = { connectMs: 400, silenceMs: 400 };
const routers: RouterOsApi[] = [];
const connections: Connection[] = [];
let plainServer: Server | null = null;

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await Promise.all(routers.splice(0).map((router) => router.stop()));
  plainServer?.close();
  plainServer = null;
});

async function startRouter(settings: Partial<RouterOsApiSettings> = {}): Promise<RouterOsApi> {
  const router = await startRouterOsApi({ ...USER, ...settings });
  routers.push(router);
  return router;
}

async function connect(port: number, changes: Partial<ApiAddress> = {}, patience = PATIENCE): Promise<Connection> {
  const address = { host: '127.0.0.1', port, user: USER.user, password: new SecretText(USER.password) };
  const connection = await connectRouterOs({ ...address, tls: 'off', fingerprint: null, ...changes }, patience);
  connections.push(connection);
  return connection;
}

const PRINT = '/ip/firewall/address-list/print';
const add = (address: string) => ['/ip/firewall/address-list/add', '=list=a', `=address=${address}`];

/** The words of the `Unavailable` it ends with. */
async function whyNot(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'it went well';
  } catch (error) {
    expect(error).toBeInstanceOf(Unavailable);
    return (error as Error).message;
  }
}

describe.each(['6.42', '6.49', '7.15', '7.20'])('RouterOS %s', (version) => {
  test('logs in, adds, prints, and prints nothing', async () => {
    const router = await startRouter({ version });
    const connection = await connect(router.port);
    const added = await connection.talk([...add('10.0.0.1'), '=comment=gerbang:1 warung é']);
    expect(added).toEqual({ is: 'done', rows: [], ret: '*1' });
    const reply = await connection.talk([PRINT, '=.proplist=address,comment']);
    expect(reply).toMatchObject({ rows: [{ address: '10.0.0.1', comment: 'gerbang:1 warung é' }] });
    expect(await connection.talk([PRINT, '?list=nowhere'])).toEqual({ is: 'done', rows: [], ret: null });
    expect(await connection.talk(['/system/identity/print'])).toMatchObject({ rows: [{ name: 'mikrotik' }] });
  });

  test('a wrong password is said in the words of the router', async () => {
    const router = await startRouter({ version });
    const why = await whyNot(connect(router.port, { password: new SecretText('salah') }));
    expect(why).toMatch(/refuses the user "gerbang": invalid user name or password/);
    await expect.poll(() => router.connections).toBe(0);
  });
});

test('many commands are on their way at once, and each gets its own answer', async () => {
  const router = await startRouter();
  const connection = await connect(router.port);
  await router.fault({ is: 'slow', ms: 60 });
  const began = performance.now();
  const asked = Array.from({ length: 200 }, (_, index) => connection.talk(add(`10.0.0.${index}`)));
  await expect.poll(() => router.commands.length).toBe(65);
  const replies = await Promise.all(asked);
  // Four windows of 64, not 200 answers one after another.
  expect(performance.now() - began).toBeLessThan(200 * 60 * 0.2);
  const rets = replies.map((reply) => (reply.is === 'done' ? reply.ret : null));
  expect(new Set(rets).size).toBe(200);
  const rows = await connection.talk([PRINT]);
  for (const row of rows.is === 'done' ? rows.rows : []) {
    expect(rets[Number(row.address!.split('.')[3])]).toBe(row['.id']);
  }
});

describe('a router that', () => {
  test('is not there is said to be so', async () => {
    const router = await startRouter();
    await router.fault({ is: 'refuse' });
    expect(await whyNot(connect(router.port))).toMatch(/nothing listens there/);
  });

  test('hangs before the login is given up', async () => {
    plainServer = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => plainServer!.once('listening', resolve));
    const { port } = plainServer.address() as { port: number };
    expect(await whyNot(connect(port))).toMatch(/no answer to the login within 0.4 s/);
    expect(await whyNot(connect(port, { tls: 'pinned' }))).toMatch(/no answer within 0.4 s/);
  });

  test('closes during the login is not waited for', async () => {
    const router = await startRouter();
    await router.fault({ is: 'close', on: '/login' });
    expect(await whyNot(connect(router.port))).toMatch(/closed the connection/);
  });

  test('has no session left for us is not waited for', async () => {
    const router = await startRouter({ maxSessions: 1 });
    await connect(router.port);
    expect(await whyNot(connect(router.port))).toMatch(/closed the connection/);
  });

  test('hangs in the middle: every command ends, and the connection with them', async () => {
    const router = await startRouter();
    const connection = await connect(router.port);
    await router.fault({ is: 'hang' });
    const asked = Array.from({ length: 100 }, () => whyNot(connection.talk([PRINT])));
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['no answer within 0.4 s']));
    expect((await connection.over).message).toMatch(/no answer/);
    expect(await whyNot(connection.talk([PRINT]))).toMatch(/no answer/);
  });

  test('forgets one command while it answers others is found out as well', async () => {
    const router = await startRouter();
    const connection = await connect(router.port, {}, { connectMs: 400, silenceMs: 100 });
    await router.fault({ is: 'hang', on: '/ip', times: 1 });
    const lost = whyNot(connection.talk([PRINT]));
    let isOver = false;
    void connection.over.then(() => {
      isOver = true;
    });
    while (!isOver) {
      await connection.talk(['/system/identity/print']).catch(() => undefined); // it ends at the same time
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await lost).toBe(`answers others, but not ${PRINT}`);
  });

  test('is slow but at work is waited for', async () => {
    const router = await startRouter();
    const connection = await connect(router.port);
    for (let index = 0; index < 8; index += 1) void connection.talk(add(`10.0.1.${index}`));
    await router.fault({ is: 'slow', ms: 250 });
    expect(await connection.talk([PRINT])).toMatchObject({ is: 'done' });
  });

  test('resets in the middle of a sentence: what was asked ends, and nothing half read is taken for an answer', async () => {
    const router = await startRouter();
    for (let index = 0; index < 50; index += 1) router.put({ list: 'a', address: `10.0.0.${index}` });
    const connection = await connect(router.port);
    await router.fault({ is: 'reset' });
    expect(await whyNot(connection.talk([PRINT]))).toMatch(/broke|closed/);
    expect(await whyNot(connection.talk([PRINT]))).toMatch(/broke|closed/);
  });

  test('sends every octet for itself is understood', async () => {
    const router = await startRouter();
    router.put({ list: 'a', address: '10.0.0.1', comment: 'é'.repeat(200) });
    await router.fault({ is: 'bytes' });
    const connection = await connect(router.port, {}, { connectMs: 5_000, silenceMs: 5_000 });
    const [one, other] = await Promise.all([connection.talk([PRINT]), connection.talk([PRINT, '?list=b'])]);
    expect(one).toMatchObject({ rows: [{ comment: 'é'.repeat(200) }] });
    expect(other).toMatchObject({ is: 'done', rows: [] });
  });

  test('says !trap has answered: its words and category come back, and the connection goes on', async () => {
    const router = await startRouter();
    const connection = await connect(router.port);
    await router.fault({ is: 'trap', times: 1, message: 'not enough permissions (9)', category: 4 });
    expect(await connection.talk([PRINT])).toEqual({ is: 'trap', category: 4, message: 'not enough permissions (9)' });
    await connection.talk(add('10.0.0.1'));
    expect(await connection.talk(add('10.0.0.1'))).toEqual({
      is: 'trap',
      category: null,
      message: 'failure: already have such entry',
    });
    expect(await connection.talk(['/no/such/thing'])).toMatchObject({ is: 'trap', category: 0 });
  });

  test('says !fatal has ended it: everything that waits is told why', async () => {
    const router = await startRouter();
    const connection = await connect(router.port);
    await router.fault({ is: 'fatal', message: 'session terminated' });
    const asked = [connection.talk([PRINT]), connection.talk([PRINT])].map(whyNot);
    for (const why of await Promise.all(asked)) expect(why).toBe('ended the connection: session terminated');
  });

  test('reboots ends what waits', async () => {
    const router = await startRouter();
    const connection = await connect(router.port);
    await router.fault({ is: 'hang' });
    const asked = whyNot(connection.talk([PRINT]));
    await router.until('it has the command', () => router.commands.includes(PRINT));
    await router.reboot();
    expect(await asked).toMatch(/closed the connection|broke/);
  });

  test('is no RouterOS at all is said to be none', async () => {
    plainServer = createServer((socket) => {
      socket.on('error', () => undefined); // we hang up on it
      socket.write(Buffer.of(0xff, 0xfb, 0x01));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => plainServer!.once('listening', resolve));
    const { port } = plainServer.address() as { port: number };
    expect(await whyNot(connect(port))).toMatch(/is not the RouterOS API/);
  });
});

describe('TLS', () => {
  test('the first certificate is taken and told, and from then on no other', async () => {
    const router = await startRouter({ tls: true });
    const first = await connect(router.port, { tls: 'pinned' });
    expect(first.fingerprint).toBe(router.fingerprint);
    const pinned = { tls: 'pinned', fingerprint: first.fingerprint } as const;
    expect((await connect(router.port, pinned)).fingerprint).toBe(router.fingerprint);
    router.certificate = 1;
    await router.reboot();
    const logins = router.logins;
    expect(await whyNot(connect(router.port, pinned))).toMatch(/shows another certificate \(SHA-256 [0-9a-f]{64}\)/);
    expect(router.commands.filter((command) => command === '/login')).toHaveLength(logins);
  });

  test('verified: only a certificate that an authority vouches for', async () => {
    const router = await startRouter({ tls: true });
    expect(await whyNot(connect(router.port, { tls: 'verified' }))).toMatch(
      /its certificate is not trusted: self-signed/,
    );
    expect(router.commands).toEqual([]);
    const vouched = await connect(router.port, { tls: 'verified', ca: CERTIFICATES[0]!.cert });
    expect(await vouched.talk([PRINT])).toMatchObject({ is: 'done' });
  });

  test('a port without TLS, and TLS on the plain port, are said to be so', async () => {
    const plain = await startRouter();
    const tls = await startRouter({ tls: true });
    expect(await whyNot(connect(plain.port, { tls: 'pinned' }))).toMatch(/no answer|does not speak TLS|closed/);
    expect(await whyNot(connect(tls.port))).toMatch(/closed|broke|not the RouterOS API|no answer/);
  });
});

test('a connection that is being made can be called off', async () => {
  const router = await startRouter();
  await router.fault({ is: 'hang' });
  const calling = new AbortController();
  const connecting = whyNot(connect(router.port, {}, { connectMs: 20_000, signal: calling.signal }));
  await router.until('it has the login', () => router.commands.includes('/login'));
  calling.abort();
  expect(await connecting).toMatch(/we closed the connection/);
});

test('the password is in no error', async () => {
  const router = await startRouter();
  const errors: string[] = [];
  await router.fault({ is: 'trap', on: '/login' });
  errors.push(await whyNot(connect(router.port)));
  await router.fault({ is: 'hang' });
  errors.push(await whyNot(connect(router.port)));
  for (const error of errors) expect(error).not.toContain('rahasia');
});
