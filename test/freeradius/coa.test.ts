import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Decision } from '#domain/decision';
import { NEVER } from '#domain/time';
import type { DrivenSession, NasDriver } from '#enforcement/driver';
import { coaTargets, radiusDriver } from '#enforcement/radius-driver';
import { CoaClient } from '#radius/coa-client';
import { Code, Secret } from '#radius/packet';
import type { LoadedNas } from '#storage/facts';
import { SecretText } from '#storage/secrets';
import { attributesOf, FakeNas, signedReply } from '#test/enforcement/fake-nas';
import { type Raddb, startRaddb } from '#test/freeradius/raddb';
import { describeWithRaddb } from '#test/support/tools';

/** CoA and Disconnect of the loop's own driver through FreeRADIUS: what the router hears, and what we hear of it. */

const ROUTER_SECRET = 'the secret of the router';
const PROXY_SECRET = 'the secret of FreeRADIUS itself';

const nas = (id: number, address: string, more: Partial<LoadedNas> = {}): LoadedNas => ({
  id,
  name: `nas-${id}`,
  address,
  secret: new SecretText(ROUTER_SECRET),
  coaPort: 3799,
  coaPerSecond: 50,
  messageAuthenticator: 'auto',
  messageAuthenticatorSeen: false,
  swapOctets: false,
  tags: [],
  vendor: 'mikrotik',
  proxy: false,
  coaViaId: null,
  ...more,
});

const session = (username: string, nasId: number, nasAddress = '127.0.0.1'): DrivenSession => ({
  nasId,
  nasAddress,
  username,
  acctSessionId: '81A0000f',
  framedIp: '10.1.2.3',
  mac: 'AA:BB:CC:DD:EE:FF',
});

const DECISION: Decision = {
  access: 'full',
  rate: { downloadBps: 20_000_000, uploadBps: 10_000_000, burst: null },
  addressList: 'prepaid-active',
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [],
  validUntil: NEVER,
  validBelow: Number.POSITIVE_INFINITY,
  because: [{ is: 'fallback' }],
};

describeWithRaddb('CoA through FreeRADIUS', () => {
  let router: FakeNas;
  let raddb: Raddb;
  let client: CoaClient;
  let driver: NasDriver;

  beforeAll(async () => {
    router = await FakeNas.open((request) => {
      const username = request.text(1);
      if (username === 'silent') return null;
      return username === 'gone'
        ? signedReply(request, request.code + 2, new Secret(ROUTER_SECRET), { errorCause: 503 })
        : signedReply(request, request.code + 1, new Secret(ROUTER_SECRET), {});
    });
    raddb = await startRaddb({
      way: 'proxy',
      settings: { node1: '127.0.0.1', node2: '127.0.0.2', auth_port: 1, acct_port: 2, secret: PROXY_SECRET },
      clients: { '127.0.0.1': PROXY_SECRET },
      coaRouters: [{ address: '127.0.0.1', port: router.port, secret: ROUTER_SECRET }],
    });
    client = new CoaClient({ host: '127.0.0.1', now: () => 0, retransmission: { firstMs: 500, transmissions: 2 } });
    const nases = [
      nas(1, '127.0.0.1/32', { coaViaId: 9 }),
      nas(2, '10.99.0.0/24', { coaViaId: 9 }),
      nas(3, '2001:db8::1/128', { coaViaId: 9 }),
      nas(9, '127.0.0.1/32', { coaPort: raddb.coaPort, secret: new SecretText(PROXY_SECRET), proxy: true }),
    ];
    driver = radiusDriver(client, coaTargets(nases));
  });
  afterAll(async () => {
    client.close();
    router.close();
    await raddb.stop();
  });
  beforeEach(() => {
    router.heard.splice(0);
  });

  test('a router hears what it would hear from us, and its answer is ours', async () => {
    expect(await driver.coa(session('budi', 1), DECISION, 'mikrotik')).toEqual({ is: 'done', said: 'ack' });
    expect(await driver.disconnect(session('budi', 1))).toEqual({ is: 'done', said: 'ack' });
    const [coa, disconnect] = router.heard.map(({ bytes }) => bytes);
    expect([coa![0], disconnect![0]]).toEqual([Code.coaRequest, Code.disconnectRequest]);
    const sent = [...attributesOf(coa!).keys()].sort((a, b) => a - b);
    // Beside what we sent: its own note on which request it passed on (RFC 2865 section 5.33).
    expect(sent).toEqual([1, 26, 33, 44, 80]);
    expect(attributesOf(coa!).get(44)!.toString()).toBe('81A0000f');
  });

  test('a refusal comes back with its reason', async () => {
    expect(await driver.disconnect(session('gone', 1))).toMatchObject({ is: 'gone' });
  });

  test('a router that says nothing is silent, not done', async () => {
    expect(await driver.coa(session('silent', 1), DECISION, 'mikrotik')).toMatchObject({ is: 'silent' });
  });

  test('what FreeRADIUS cannot pass on it does not acknowledge: later, with the reason', async () => {
    for (const [nasId, address] of [
      [2, '10.99.0.7'],
      [3, '2001:db8::1'],
    ] as const) {
      const answer = await driver.disconnect(session('budi', nasId, address));
      expect(answer.is).toBe('later');
      expect(answer.said).toMatch(/502|routable/i);
      expect((await driver.coa(session('budi', nasId, address), DECISION, 'mikrotik')).is).toBe('later');
    }
    expect(router.heard).toEqual([]);
  });
});
