import { afterAll, beforeAll, expect, test } from 'vitest';
import { Code, Secret } from '#radius/packet';
import { attributesOf, FakeNas, signedReply } from '#test/enforcement/fake-nas';
import { type Raddb, startRaddb } from '#test/freeradius/raddb';
import { radclient } from '#test/support/freeradius';
import { describeWithRaddb } from '#test/support/tools';
import { environment, gerbang, launchNode, type Node, newDataDir, portsOf, readyz } from '#test/system/node';

/** A whole Gerbang behind a FreeRADIUS, by the command line, as the guide has it: from the dial to the Disconnect. */

const TOKEN = 'a-token-of-the-test-0123456789';
const ROUTER = '127.0.1.1';
const ROUTER_SECRET = 'the-secret-of-the-router-itself';
const PROXY_SECRET = 'the-secret-of-freeradius-itself';

describeWithRaddb('a whole Gerbang behind FreeRADIUS', () => {
  let env: Record<string, string>;
  let node: Node;
  let router: FakeNas;
  let httpPort: number;
  const started: Raddb[] = [];

  async function did(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await gerbang(env, args);
    expect([code, stderr]).toEqual([0, '']);
    return stdout;
  }

  beforeAll(async () => {
    router = await FakeNas.open((request) => signedReply(request, request.code + 1, new Secret(ROUTER_SECRET), {}), {
      address: ROUTER,
      port: 0,
    });
    env = environment(newDataDir(), { AAA_TOKEN: TOKEN, AAA_PORT: '0' });
    node = launchNode(env);
    const ports = await portsOf(node);
    httpPort = ports.httpPort;
    const [, restPort] = await node.says(/FreeRADIUS asks at http:\/\/127\.0\.0\.1:(\d+)/);
    const clients = { '127.0.1.0/24': ROUTER_SECRET, '127.0.0.1': PROXY_SECRET };
    const settings = { url: `http://127.0.0.1:${restPort}`, token: TOKEN };
    started.push(await startRaddb({ way: 'rest', settings, clients }));
    const nodes = { node1: '127.0.0.1', node2: '127.0.0.2', auth_port: ports.authPort, acct_port: ports.acctPort };
    const coaRouters = [{ address: ROUTER, port: router.port, secret: ROUTER_SECRET }];
    started.push(await startRaddb({ way: 'proxy', settings: { ...nodes, secret: PROXY_SECRET }, clients, coaRouters }));
    const coaPort = String(started[1]!.coaPort);
    await did(
      'nas',
      'add',
      '--name',
      'freeradius-1',
      '--address',
      '127.0.0.1',
      '--secret',
      PROXY_SECRET,
      '--proxy',
      '--coa-port',
      coaPort,
      '--message-authenticator',
      'required',
    );
    await did(
      'nas',
      'add',
      '--name',
      'tower',
      '--address',
      ROUTER,
      '--secret',
      ROUTER_SECRET,
      '--coa-via',
      'freeradius-1',
    );
    await did('plan', 'add', '--name', 'home', '--down', '20M', '--up', '5M', '--period', '30d', '--price', '75000');
    for (const name of ['budi', 'siti']) {
      await did('subscriber', 'add', '--username', name, '--password', `rahasia-${name}`);
      await did('grant', 'add', '--username', name, '--plan', 'home');
    }
  });
  afterAll(async () => {
    for (const raddb of started) await raddb.stop();
    router.close();
    await node.stop();
  });

  const ask = async (raddb: Raddb, kind: 'auth' | 'acct', lines: readonly string[]) => {
    const to = { host: '127.0.0.1', port: kind === 'auth' ? raddb.authPort : raddb.acctPort, secret: ROUTER_SECRET };
    return (await radclient(to, kind, [`Packet-Src-IP-Address = ${ROUTER}`, ...lines])).text;
  };

  test.each([
    ['rlm_rest', 0, 'budi', 'a1'],
    ['the proxy', 1, 'siti', 'b1'],
  ])('through %s: a dial, a session of the right router, and its Disconnect', async (_, which, username, session) => {
    const raddb = started[which]!;
    const dial = [
      `User-Name = ${username}`,
      `User-Password = rahasia-${username}`,
      'NAS-Identifier = x',
      'Message-Authenticator = 0x00',
    ];
    await expect.poll(() => ask(raddb, 'auth', dial), { timeout: 20_000 }).toContain('Received Access-Accept');
    const accepted = await ask(raddb, 'auth', dial);
    expect(accepted).toContain('Mikrotik-Rate-Limit = "5000k/20000k"');
    const [, token] = /Class = (0x\w+)/.exec(accepted)!;
    const begun = [
      `User-Name = ${username}`,
      `Class = ${token}`,
      'Acct-Status-Type = Start',
      `Acct-Session-Id = ${session}`,
      'Framed-IP-Address = 10.1.2.3',
    ];
    expect(await ask(raddb, 'acct', begun)).toContain('Received Accounting-Response');
    await expect.poll(() => did('session', 'list', '--json'), { timeout: 20_000 }).toContain(session);
    expect(await did('session', 'list', '--json')).toContain('tower');
    await did('suspend', username);
    const disconnects = () =>
      router.heard.filter(
        ({ bytes }) => bytes[0] === Code.disconnectRequest && attributesOf(bytes).get(1)!.toString() === username,
      );
    await expect.poll(() => disconnects().length, { timeout: 20_000 }).toBe(1);
    expect(attributesOf(disconnects()[0]!.bytes).get(44)!.toString()).toBe(session);
  });

  test('it says that it is ready with FreeRADIUS on its own address, and counts what it was asked over HTTP', async () => {
    expect(await readyz(httpPort)).toMatchObject({ ready: true });
    const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    expect(metrics).toMatch(/gerbang_radius_answers_total\{answer="rest-authorize"\} [1-9]/);
  });

  test('the log and the database commands never say the token', async () => {
    expect(node.output()).not.toContain(TOKEN);
    const refused = launchNode({ ...env, AAA_TOKEN: 'too short' });
    await refused.ended;
    expect(refused.output()).toMatch(/AAA_TOKEN \(its value is not shown\) is not usable/);
    expect(refused.output()).not.toContain('too short');
  });

  test('CoA goes through a proxy only, and a proxy that others need is not taken away', async () => {
    const edit = await gerbang(env, ['nas', 'edit', 'freeradius-1', '--coa-via', 'tower']);
    expect(edit.stderr).toContain('"tower" is no NAS that is a proxy');
    const removed = await gerbang(env, ['nas', 'remove', 'freeradius-1']);
    expect(removed.stderr).toContain('CoA of 1 routers goes through it');
    await did('nas', 'edit', 'tower', '--coa-via', '');
    await did('nas', 'remove', 'freeradius-1');
  });
});
