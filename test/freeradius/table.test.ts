import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { type AcceptedOutcome, NAS_VENDORS, type NasVendor, type Policy, type PolicyAttribute } from '#domain/policy';
import { DAY, HOUR, MINUTE } from '#domain/time';
import type { DirectoryEntry, Line } from '#radius/directory';
import { type Answer, CREDENTIALS, type Dial, dialAll } from '#test/freeradius/dials';
import { type Raddb, startRaddb } from '#test/freeradius/raddb';
import { entry, HOME_20, NAS, SECRET } from '#test/radius-server/harness';
import { RunningWorker } from '#test/radius-server/running-worker';
import { describeWithRaddb } from '#test/support/tools';

/**
 * The same dial is answered the same way whether a router asks us, or a FreeRADIUS in front of us in either mode: for every
 * combination of what an answer depends on. The same subscribers, the same worker, radclient as the router.
 */

const TOKEN = 'a-token-of-the-test-0123456789';
const PROXY_SECRET = 'the secret of FreeRADIUS itself';
const ROUTERS: Readonly<Record<NasVendor, string>> = {
  mikrotik: '127.0.1.1',
  generic: '127.0.1.2',
  'accel-ppp': '127.0.1.3',
};
const MAC = 'AA:BB:CC:00:00:01';
const OTHER_MAC = 'AA:BB:CC:00:00:02';
/** Nothing in it is anything but itself, to nobody on the way. */
const AWKWARD = 'p%{User-Name}"\\101\\n\\\\ \'$é%s`x`';

const attribute = (name: string, value: string, vendor: NasVendor | null = null): PolicyAttribute => ({
  name,
  value,
  vendor,
});

const outcome = (access: AcceptedOutcome['access'], more: Partial<AcceptedOutcome> = {}): AcceptedOutcome => ({
  access,
  rate: { is: 'plan' },
  addressList: `list-${access}`,
  profile: { is: 'named', name: 'ppp-profile' },
  pool: null,
  idleSeconds: 600,
  interimSeconds: 300,
  attributes: [],
  ...more,
});

const EXTRAS = [
  attribute('Reply-Message', 'a "quoted" \\ %{User-Name} $x \\n'),
  attribute('Framed-Route', '10.9.0.0/24 0.0.0.0 1'),
  attribute('Framed-Route', '10.9.1.0/24 0.0.0.0 1'),
  attribute('Framed-MTU', '1492'),
  attribute('MS-Primary-DNS-Server', '10.0.0.53'),
  attribute('Framed-IPv6-Pool', 'pool6'),
  attribute('Mikrotik-Delegated-IPv6-Pool', 'pd6', 'mikrotik'),
  attribute('WISPr-Redirection-URL', 'https://portal.example.net/?u={username}', 'generic'),
  attribute('Termination-Action', '1', 'accel-ppp'),
];

const POLICY: Policy = {
  zone: 'Asia/Jakarta',
  rules: [
    { name: 'suspended', when: { is: 'suspended' }, give: { access: 'denied' } },
    {
      name: 'reduced',
      when: { is: 'tag', tag: 'reduced' },
      give: outcome('reduced', { rate: { is: 'share', share: 0.25 } }),
    },
    { name: 'pool', when: { is: 'tag', tag: 'pool' }, give: outcome('full', { pool: 'pool-4', attributes: EXTRAS }) },
    { name: 'full', when: { is: 'covered' }, give: outcome('full', { attributes: EXTRAS }) },
    { name: 'walled', when: { is: 'all', of: [] }, give: outcome('walled', { profile: null, idleSeconds: null }) },
  ],
};

const ACCESSES = ['full', 'pool', 'reduced', 'walled', 'denied'] as const;
const ADDRESSES = ['static', 'dynamic'] as const;
const MACS = ['any', 'locked'] as const;
const LIMITS = ['free', 'reached'] as const;

const REASONS = {
  denied: 'this line has no service',
  mac: 'this device is not the one registered for the line',
  limit: 'this line is online on another device',
  password: 'wrong user name or password',
};

type Kind = {
  readonly access: (typeof ACCESSES)[number];
  readonly address: (typeof ADDRESSES)[number];
  readonly mac: (typeof MACS)[number];
  readonly limit: (typeof LIMITS)[number];
};

const KINDS: readonly Kind[] = ACCESSES.flatMap((access) =>
  ADDRESSES.flatMap((address) => MACS.flatMap((mac) => LIMITS.map((limit) => ({ access, address, mac, limit })))),
);
const usernameOf = ({ access, address, mac, limit }: Kind): string => `${access}-${address}-${mac}-${limit}@isp`;
const passwordOf = (kind: Kind): string => (kind.address === 'static' ? AWKWARD : `secret of ${usernameOf(kind)}`);

/** Every dial there is: each kind of subscriber and one whom nobody knows, each credential right and wrong, each device. */
const DIALS: readonly Dial[] = [...KINDS, null].flatMap((kind) =>
  CREDENTIALS.flatMap((credential) =>
    [true, false].flatMap((right) =>
      [MAC, OTHER_MAC, null].map((mac): Dial => {
        const username = kind === null ? 'nobody@isp' : usernameOf(kind);
        const password = kind !== null && right ? passwordOf(kind) : 'not the password';
        return { username, password, credential, mac };
      }),
    ),
  ),
);

function subscriberOf(kind: Kind, id: number): DirectoryEntry {
  const now = systemClock();
  const until = now + 10 * DAY + HOUR / 2;
  const covered = kind.access !== 'walled';
  const line: Partial<Line> = {
    mac: kind.mac === 'locked' ? MAC : null,
    ...(kind.address === 'static'
      ? { staticIp: '10.1.2.3', framedIpv6Prefix: '2001:db8:1::/64', delegatedIpv6Prefix: '2001:db8:100::/56' }
      : {}),
  };
  const facts = {
    subscriberId: id,
    tags: [kind.access],
    suspendedSince: kind.access === 'denied' ? now - DAY : null,
    grants: covered ? [{ id, plan: HOME_20, from: now - DAY, until, usedBytes: 0, metered: null }] : [],
  };
  return entry(usernameOf(kind), passwordOf(kind), facts, line);
}

describeWithRaddb('the decision table', () => {
  let folder: string;
  let worker: RunningWorker;
  let ways: { readonly direct: number; readonly rest: Raddb; readonly proxy: Raddb };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gerbang-table-'));
    worker = new RunningWorker({
      worker: 0,
      hosts: ['127.0.0.1', '127.0.0.2'],
      authPort: 0,
      acctPort: 0,
      reusePort: false,
      journalFolder: join(folder, 'journal'),
      rejectDelayMs: { least: 0, most: 0 },
      rest: { host: '127.0.0.1', port: 0, token: TOKEN },
    });
    const { authPort, acctPort, restPort } = await worker.hear('ready');
    const routers = NAS_VENDORS.map((vendor, i) => ({
      ...NAS,
      id: i + 1,
      name: vendor,
      vendor,
      address: ROUTERS[vendor],
    }));
    const itself = { ...NAS, id: 9, name: 'freeradius', address: '127.0.0.1', secret: PROXY_SECRET, proxy: true };
    worker.tell({ kind: 'nases', nases: [...routers, { ...itself, messageAuthenticator: 'required' }] });
    worker.tell({ kind: 'policy', policies: { current: POLICY, rollout: null } });
    worker.tell({ kind: 'subscribers', subscribers: KINDS.map((kind, i) => subscriberOf(kind, i + 1)) });
    const reached = KINDS.flatMap((kind, i) => (kind.limit === 'reached' ? [i + 1] : []));
    const sessions = [{ mac: OTHER_MAC, heardAt: systemClock() + MINUTE, interimSeconds: 300 }];
    worker.tell({ kind: 'sessions', subscribers: reached.map((subscriberId) => ({ subscriberId, sessions })) });
    worker.tell({ kind: 'snapshotDone' });
    await worker.settled();
    const clients = { '127.0.1.0/24': SECRET };
    // FreeRADIUS' own delay of a Reject is the operator's; here it would be the length of the test.
    const changes = { 'radiusd.conf': [[/^\treject_delay = .*$/m, '\treject_delay = 0']] } as const;
    const settings = { url: `http://127.0.0.1:${restPort}`, token: TOKEN };
    const nodes = { node1: '127.0.0.1', node2: '127.0.0.2', auth_port: authPort, acct_port: acctPort };
    ways = {
      direct: authPort,
      rest: await startRaddb({ way: 'rest', settings, clients, changes }),
      proxy: await startRaddb({ way: 'proxy', settings: { ...nodes, secret: PROXY_SECRET }, clients, changes }),
    };
  });

  afterAll(async () => {
    await ways.rest.stop();
    await ways.proxy.stop();
    await worker.stop();
    await rm(folder, { recursive: true });
  });

  const ask = (port: number, vendor: NasVendor) =>
    dialAll({ host: '127.0.0.1', port, secret: SECRET }, ROUTERS[vendor], DIALS);

  /** A line for each dial, so that a difference says which. */
  const table = (answers: readonly Answer[]): string[] =>
    DIALS.map(({ username, credential, password, mac }, i) => {
      const { code, attributes } = answers[i]!;
      const dialled = `${username} ${credential} ${password === 'not the password' ? 'wrong' : 'right'} ${mac ?? 'no MAC'}`;
      return [`${dialled}: ${code}`, ...attributes].join('\n  ');
    });

  test.each(NAS_VENDORS)('of a %s router: through rlm_rest and through the proxy as from us', async (vendor) => {
    const direct = table(await ask(ways.direct, vendor));
    const rest = table(await ask(ways.rest.authPort, vendor));
    const proxy = table(await ask(ways.proxy.authPort, vendor));
    expect(direct.filter((line) => line.includes(': silence'))).toEqual([]);
    // All that can come of a dial comes: accepted in every access, and rejected for every reason.
    const accepted = direct.filter((line) => line.includes(': Access-Accept')).join('\n');
    for (const access of ['full', 'reduced', 'walled'])
      expect(accepted).toContain(vendor === 'accel-ppp' ? `list=list-${access}` : `"list-${access}"`);
    const rejected = direct.filter((line) => line.includes(': Access-Reject')).join('\n');
    for (const words of Object.values(REASONS)) expect(rejected).toContain(words);
    expect(proxy).toEqual(direct);
    expect(rest).toEqual(direct);
  });
});
