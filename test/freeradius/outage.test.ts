import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { defaultPolicy } from '#domain/policy';
import { DAY, SECOND } from '#domain/time';
import type { AccountingRecord, SessionRecord } from '#domain/usage';
import { accountingRecord } from '#radius/accounting';
import { readJournal } from '#radius/journal';
import type { NasEntry } from '#radius/nas-table';
import { Packet } from '#radius/packet';
import type { RadiusWorkerSettings } from '#radius/worker-messages';
import { type Raddb, type RaddbPlan, startRaddb } from '#test/freeradius/raddb';
import { entry, HOME_20, NAS, SECRET } from '#test/radius-server/harness';
import { RunningWorker } from '#test/radius-server/running-worker';
import { radclient } from '#test/support/freeradius';
import { describeWithRaddb } from '#test/support/tools';

/** What routers hear, and what becomes of their accounting, while we are not there. Never a Reject, and nothing is lost. */

const TOKEN = 'a-token-of-the-test-0123456789';
const ROUTER = '127.0.1.1';
/** A client of FreeRADIUS that is no NAS of ours. */
const STRANGER = '127.0.1.99';
const PROXY_SECRET = 'the secret of FreeRADIUS itself';

let folder: string;
let running: { stop(): Promise<void> }[];
let raddb: Raddb;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gerbang-outage-'));
  running = [];
});
afterEach(async () => {
  for (const one of running.reverse()) await one.stop();
  await rm(folder, { recursive: true, force: true });
});

async function startNode(name: string, more: Partial<RadiusWorkerSettings> = {}): Promise<Node> {
  const worker = new RunningWorker({
    worker: 0,
    hosts: ['127.0.0.1'],
    authPort: 0,
    acctPort: 0,
    reusePort: false,
    journalFolder: join(folder, name),
    rejectDelayMs: { least: 0, most: 0 },
    rest: { host: '127.0.0.1', port: 0, token: TOKEN },
    ...more,
  });
  const { authPort, acctPort, restPort } = await worker.hear('ready');
  const itself: NasEntry = {
    ...NAS,
    id: 9,
    name: 'freeradius',
    address: '127.0.0.1',
    secret: PROXY_SECRET,
    proxy: true,
  };
  worker.tell({ kind: 'nases', nases: [{ ...NAS, id: 1, address: ROUTER }, itself] });
  worker.tell({ kind: 'policy', policies: { current: defaultPolicy(), rollout: null } });
  const now = systemClock();
  const grants = [{ id: 1, plan: HOME_20, from: now - DAY, until: now + DAY, usedBytes: 0, metered: null }];
  worker.tell({ kind: 'subscribers', subscribers: [entry('demo', 'arctangent', { grants })] });
  worker.tell({ kind: 'snapshotDone' });
  await worker.settled();
  let stopped = false;
  const stop = async () => {
    if (!stopped) await worker.stop();
    stopped = true;
  };
  running.push({ stop });
  return { worker, authPort, acctPort, restPort: restPort!, stop };
}

type Node = {
  readonly worker: RunningWorker;
  readonly authPort: number;
  readonly acctPort: number;
  readonly restPort: number;
  stop(): Promise<void>;
};

async function startFreeRadius(plan: Pick<RaddbPlan, 'way' | 'settings'>): Promise<void> {
  // A Reject, were there one, would be here long before the router gives up.
  const changes = { 'radiusd.conf': [[/^\treject_delay = .*$/m, '\treject_delay = 0']] } as const;
  raddb = await startRaddb({ ...plan, clients: { '127.0.1.0/24': SECRET }, changes });
  running.push(raddb);
}

/** What a router at `from` hears to a dial, asking `tries` times at RouterOS' pace. */
async function dial(password = 'arctangent', from = ROUTER, tries = 1): Promise<string> {
  const { text } = await radclient(
    { host: '127.0.0.1', port: raddb.authPort, secret: SECRET },
    'auth',
    [
      `Packet-Src-IP-Address = ${from}`,
      'User-Name = demo',
      `User-Password = ${password}`,
      'NAS-Identifier = pop',
      'Message-Authenticator = 0x00',
    ],
    { timeoutSeconds: 1.1, tries },
  );
  return /^Received (\S+)/m.exec(text)?.[1] ?? 'silence';
}

async function account(
  sessionId: string,
  more: readonly string[] = [],
  from = ROUTER,
  username = 'demo',
): Promise<string> {
  const { text } = await radclient(
    { host: '127.0.0.1', port: raddb.acctPort, secret: SECRET },
    'acct',
    [
      `Packet-Src-IP-Address = ${from}`,
      `User-Name = '${username}'`,
      ...(more.some((line) => line.startsWith('Acct-Status-Type')) ? [] : ['Acct-Status-Type = Interim-Update']),
      `Acct-Session-Id = ${sessionId}`,
      ...more,
    ],
    { timeoutSeconds: 3 },
  );
  return /^Received (\S+)/m.exec(text)?.[1] ?? 'silence';
}

/** What is in a node's journal, as the intake reads it. */
function journalled(name: string): { nas: string; record: AccountingRecord; receivedAt: number }[] {
  const path = join(folder, name);
  if (!existsSync(path)) return [];
  return [...readJournal(path)].map(({ packet, nasId, nasAddress, receivedAt }) => {
    const parsed = new Packet();
    expect(parsed.parse(packet)).toBe(true);
    const record = accountingRecord(parsed, { id: nasId, swapOctets: false }, nasAddress, receivedAt);
    if (record.status === 'unusable') throw new Error(record.reason);
    return { nas: `${nasId} ${nasAddress}`, record, receivedAt };
  });
}

const sessionsIn = (name: string): string[] =>
  journalled(name).map(({ record }) => (record as SessionRecord).acctSessionId);

const kept = (): number => (existsSync(raddb.kept) ? readdirSync(raddb.kept).length : 0);

describeWithRaddb('while Gerbang is away, behind rlm_rest', () => {
  test('a router hears nothing, its accounting is kept, and told when Gerbang is back', async () => {
    const node = await startNode('a');
    await startFreeRadius({ way: 'rest', settings: { url: `http://127.0.0.1:${node.restPort}`, token: TOKEN } });
    expect(await dial()).toBe('Access-Accept');
    expect(await account('s1')).toBe('Accounting-Response');
    await node.stop();
    expect(await dial()).toBe('silence');
    expect(await dial('wrong')).toBe('silence');
    const before = systemClock();
    const class1 = 'Class = 0x6762317c4142434445464748494a4b4c4d4e4f505152534141417c787c79';
    const counters = [
      'Acct-Input-Octets = 7',
      'Acct-Output-Octets = 9',
      'Acct-Output-Gigawords = 2',
      'Acct-Session-Time = 60',
    ];
    // The router's clock is in 1970, as after a boot without a network.
    const awkward = ['Calling-Station-Id = "AA:BB:CC:00:00:01"', 'Event-Timestamp = 1000', `NAS-Port-Id = 'é" x'`];
    expect(await account('s2', [class1, ...counters, ...awkward], ROUTER, 'de%{x}mo 100%')).toBe('Accounting-Response');
    expect(await account('s3')).toBe('Accounting-Response');
    expect(kept()).toBeGreaterThan(0);
    // What is kept outlives FreeRADIUS itself.
    await raddb.startAgain();
    await startNode('b', { rest: { host: '127.0.0.1', port: node.restPort, token: TOKEN } });
    await expect.poll(() => sessionsIn('b'), { timeout: 20_000 }).toEqual(['s2', 's3']);
    const { nas, record } = journalled('b')[0]!;
    expect(nas).toBe(`1 ${ROUTER}`);
    expect(record).toMatchObject({
      status: 'interim',
      username: 'de%{x}mo 100%',
      token: Buffer.from('ABCDEFGHIJKLMNOPQRS'.padEnd(22, 'A'), 'base64url').toString('hex'),
      told: { live: 'x', fixed: 'y' },
      mac: 'AA:BB:CC:00:00:01',
      sessionSeconds: 60,
      octets: { up: 7, down: 2 * 2 ** 32 + 9 },
      nasPortId: 'é" x',
    });
    // When it was, not when it came: the delay is told.
    expect(Math.abs(record.at - before)).toBeLessThan(3 * SECOND);
    await expect.poll(kept, { timeout: 10_000 }).toBe(0);
    expect(await dial()).toBe('Access-Accept');
  });

  test('a Gerbang that takes the connection and says nothing is as good as none', async () => {
    const hung: Server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(hung, 'listening');
    running.push({ stop: async () => void hung.close() });
    const { port } = hung.address() as AddressInfo;
    await startFreeRadius({ way: 'rest', settings: { url: `http://127.0.0.1:${port}`, token: TOKEN } });
    expect(await dial('arctangent', ROUTER, 2)).toBe('silence');
    expect(await account('s1')).toBe('Accounting-Response');
    expect(kept()).toBeGreaterThan(0);
  });

  test('with a wrong token nobody is rejected and no accounting is thrown away', async () => {
    const node = await startNode('a');
    await startFreeRadius({
      way: 'rest',
      settings: { url: `http://127.0.0.1:${node.restPort}`, token: 'another-token-of-20-chars' },
    });
    expect(await dial()).toBe('silence');
    expect(await account('s1')).toBe('Accounting-Response');
    expect(kept()).toBeGreaterThan(0);
    expect(journalled('a')).toEqual([]);
  });

  test('a router that Gerbang does not know hears nothing, and its accounting does not pile up', async () => {
    const node = await startNode('a');
    await startFreeRadius({ way: 'rest', settings: { url: `http://127.0.0.1:${node.restPort}`, token: TOKEN } });
    expect(await dial('arctangent', STRANGER)).toBe('silence');
    expect(await account('s1', [], STRANGER)).toBe('silence');
    // It may claim what it likes.
    expect(await account('s1', [`NAS-IP-Address = ${ROUTER}`], STRANGER)).toBe('silence');
    expect(kept()).toBe(0);
    expect(journalled('a')).toEqual([]);
    expect(await account('s1', [`NAS-IP-Address = ${STRANGER}`])).toBe('Accounting-Response');
    expect(journalled('a').map(({ nas }) => nas)).toEqual([`1 ${ROUTER}`]);
  });

  test('a record says the same whether a router tells it us or FreeRADIUS', async () => {
    const node = await startNode('a');
    await startFreeRadius({ way: 'rest', settings: { url: `http://127.0.0.1:${node.restPort}`, token: TOKEN } });
    const said = [
      'Acct-Delay-Time = 7',
      'Acct-Session-Time = 4000',
      'Acct-Input-Octets = 4294967295',
      'Acct-Input-Gigawords = 3',
      'Acct-Output-Octets = 12',
      'Framed-IP-Address = 10.1.2.3',
      'Framed-IPv6-Prefix = 2001:db8::/64',
      'NAS-Port-Id = "vlan 7/é"',
      'Calling-Station-Id = "aabb.cc00.0001"',
      'Class = 0x00ff',
      'Class = 0x6762317c4142434445464748494a4b4c4d4e4f505152534141417c787c79',
      'Acct-Terminate-Cause = Idle-Timeout',
      `Event-Timestamp = ${Math.floor(systemClock() / 1000) - 5}`,
    ];
    for (const status of ['Start', 'Interim-Update', 'Stop']) {
      expect(await account('s1', [`Acct-Status-Type = ${status}`, ...said])).toBe('Accounting-Response');
      const direct = { host: '127.0.0.1', port: node.acctPort, secret: SECRET };
      const lines = ["User-Name = 'demo'", `Acct-Status-Type = ${status}`, 'Acct-Session-Id = s1', ...said];
      const { answered } = await radclient(direct, 'acct', [`Packet-Src-IP-Address = ${ROUTER}`, ...lines]);
      expect(answered).toBe(true);
      const [through, straight] = journalled('a').slice(-2);
      expect(through!.record).toMatchObject({ status: status === 'Interim-Update' ? 'interim' : status.toLowerCase() });
      expect({ ...through!.record, receivedAt: 0 }).toEqual({ ...straight!.record, receivedAt: 0 });
    }
  });

  test('a refused dial is known to Gerbang with its reason', async () => {
    const node = await startNode('a');
    await startFreeRadius({ way: 'rest', settings: { url: `http://127.0.0.1:${node.restPort}`, token: TOKEN } });
    expect(await dial('wrong')).toBe('Access-Reject');
    const { dials } = await node.worker.hear('rejected');
    expect(dials).toMatchObject([{ username: 'demo', nasId: 1, reason: 'wrong-password' }]);
  });
});

describeWithRaddb('while Gerbang is away, behind the proxy', () => {
  const settingsOf = ({ authPort, acctPort }: Node) => ({
    node1: '127.0.0.1',
    node2: '127.0.0.2',
    auth_port: authPort,
    acct_port: acctPort,
    secret: PROXY_SECRET,
  });

  test('when one node dies the other answers what is asked again, and nobody is rejected', async () => {
    const one = await startNode('one');
    const ports = { authPort: one.authPort, acctPort: one.acctPort, rest: null };
    await startNode('two', { ...ports, hosts: ['127.0.0.2'] });
    await startFreeRadius({ way: 'proxy', settings: settingsOf(one) });
    expect(await dial()).toBe('Access-Accept');
    expect(await account('s1')).toBe('Accounting-Response');
    expect(sessionsIn('one')).toEqual(['s1']);
    await one.stop();
    // What was on its way in that second is lost, as FreeRADIUS gives up on it and passes over its repetitions.
    const heard = [await dial(), await dial(), await dial()];
    expect(heard).not.toContain('Access-Reject');
    expect(heard.at(-1)).toBe('Access-Accept');
    expect(await account('s2')).toBe('Accounting-Response');
    await expect.poll(() => sessionsIn('two'), { timeout: 20_000 }).toContain('s2');
    const { nas } = journalled('two')[0]!;
    expect(nas).toBe(`1 ${ROUTER}`);
  });

  test('when both are gone a router hears nothing, its accounting is kept, and told when one is back', async () => {
    const node = await startNode('a');
    await startFreeRadius({ way: 'proxy', settings: settingsOf(node) });
    expect(await dial()).toBe('Access-Accept');
    await node.stop();
    for (let i = 0; i < 3; i += 1) expect(await dial()).toBe('silence');
    expect(await account('s1')).toBe('Accounting-Response');
    expect(await account('s2')).toBe('Accounting-Response');
    expect(kept()).toBeGreaterThan(0);
    await startNode('b', { authPort: node.authPort, acctPort: node.acctPort });
    // Status-Server every six seconds, and three answers.
    await expect.poll(() => sessionsIn('b'), { timeout: 60_000, interval: 500 }).toEqual(['s1', 's2']);
    expect(journalled('b').map(({ nas }) => nas)).toEqual([`1 ${ROUTER}`, `1 ${ROUTER}`]);
    await expect.poll(() => dial(), { timeout: 30_000 }).toBe('Access-Accept');
  });

  test('a router that Gerbang does not know hears nothing, whatever it claims', async () => {
    const node = await startNode('a');
    await startFreeRadius({ way: 'proxy', settings: settingsOf(node) });
    expect(await dial('arctangent', STRANGER)).toBe('silence');
    const { metrics } = await node.worker.hear('metrics', (one) => one.metrics.drops['unknown-router'] > 0);
    expect(metrics.accepts).toBe(0);
  });
});
