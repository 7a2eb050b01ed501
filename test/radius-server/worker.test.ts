import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { defaultPolicy } from '#domain/policy';
import { onlyPolicy } from '#domain/rollout';
import { DAY } from '#domain/time';
import { parseClass } from '#radius/class';
import type { DirectoryEntry } from '#radius/directory';
import { readJournal } from '#radius/journal';
import type { NasEntry } from '#radius/nas-table';
import { Client, entry, HOME_20, NAS, SECRET } from '#test/radius-server/harness';
import { accountingRequest, attributesOf, avp, number, papDial } from '#test/radius-server/requests';
import { type Message, RunningWorker } from '#test/radius-server/running-worker';
import { describeWithFreeRadius } from '#test/support/tools';

const ACCEPT = 2;
const REJECT = 3;
const ACCOUNTING_RESPONSE = 5;

let folder: string;
let worker: RunningWorker;
let client: Client;

const covered = (username: string, password: string, line: Partial<DirectoryEntry['line']> = {}): DirectoryEntry => {
  const now = systemClock();
  const grants = [{ id: 1, plan: HOME_20, from: now - DAY, until: now + DAY, usedBytes: 0, metered: null }];
  return entry(username, password, { grants }, line);
};

async function start(nas: Partial<NasEntry> = {}): Promise<Message<'ready'>> {
  worker = new RunningWorker({
    worker: 0,
    hosts: ['127.0.0.1'],
    authPort: 0,
    acctPort: 0,
    reusePort: false,
    journalFolder: join(folder, 'journal', '0'),
    rejectDelayMs: { least: 10, most: 20 },
  });
  const ready = await worker.hear('ready');
  worker.tell({ kind: 'nases', nases: [{ ...NAS, ...nas }] });
  worker.tell({ kind: 'policy', policies: onlyPolicy(defaultPolicy('Asia/Jakarta')) });
  await worker.settled();
  return ready;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'radius-worker-'));
  client = await Client.open('127.0.0.1');
});
afterEach(async () => {
  client.close();
  await worker.stop();
  await rm(folder, { recursive: true });
});

describe('a RADIUS worker', () => {
  test('answers a dial, journals its accounting, and the token of the Class comes back', async () => {
    const { authPort, acctPort } = await start();
    worker.tell({ kind: 'subscribers', subscribers: [covered('demo', 'arctangent')] });
    await worker.settled();
    const accept = await client.ask(papDial('demo', 'arctangent', SECRET), authPort);
    expect(accept[0]).toBe(ACCEPT);
    const classValue = attributesOf(accept).find(({ type }) => type === 25)!.value;
    const startRequest = accountingRequest(2, [number(40, 1), avp(44, '81000001'), avp(25, classValue)], SECRET);
    expect((await client.ask(startRequest, acctPort))[0]).toBe(ACCOUNTING_RESPONSE);
    const { journal, segment, offset } = await worker.hear('journalled');
    expect([journal.length, segment, offset > 0]).toEqual([32, 1, true]);
    const records = [...readJournal(join(folder, 'journal', '0'))].map(({ packet }) => Buffer.from(packet));
    expect(records).toEqual([startRequest]);
    expect(parseClass(classValue)?.token).toMatch(/^[0-9a-f]{32}$/);
  });

  test('is silent about strangers until the snapshot is done, then rejects them and says so', async () => {
    const { authPort } = await start();
    worker.tell({ kind: 'subscribers', subscribers: [covered('demo', 'arctangent')] });
    await worker.settled();
    const sure = papDial('demo', 'arctangent', SECRET, { identifier: 255 });
    expect(await client.askOrSilence(papDial('nobody', 'x', SECRET), authPort, sure)).toBeNull();
    worker.tell({ kind: 'snapshotDone' });
    await worker.settled();
    expect((await client.ask(papDial('nobody', 'x', SECRET, { identifier: 1 }), authPort))[0]).toBe(REJECT);
    const { dials, more } = await worker.hear('rejected');
    expect(dials).toMatchObject([{ username: 'nobody', nasId: 1, mac: 'AA:BB:CC:00:00:01', reason: 'unknown-user' }]);
    expect(more).toBe(0);
    const { metrics } = await worker.hear('metrics', (one) => one.metrics.rejects['unknown-user'] === 1);
    expect(metrics).toMatchObject({ accepts: 1, subscribers: 1, nases: 1, journalHealthy: true });
    expect(metrics.drops['directory-not-loaded']).toBe(1);
  });

  test('tells of a reached limit and a learned Message-Authenticator', async () => {
    const { authPort } = await start({ messageAuthenticator: 'auto' });
    const demo = covered('demo', 'arctangent');
    worker.tell({ kind: 'subscribers', subscribers: [demo] });
    const { subscriberId } = demo.facts;
    const sessions = [{ mac: 'AA:BB:CC:00:00:02', heardAt: systemClock(), interimSeconds: 300 }];
    worker.tell({ kind: 'sessions', subscribers: [{ subscriberId, sessions }] });
    await worker.settled();
    expect((await client.ask(papDial('demo', 'arctangent', SECRET), authPort))[0]).toBe(REJECT);
    expect(await worker.hear('limitReached')).toEqual({ kind: 'limitReached', subscriberId });
    expect(await worker.hear('learnedMessageAuthenticator')).toMatchObject({ nasId: 1 });
    worker.tell({ kind: 'forget', subscriberIds: [subscriberId] });
    worker.tell({ kind: 'snapshotDone' });
    await worker.settled();
    await client.ask(papDial('demo', 'arctangent', SECRET, { identifier: 1 }), authPort);
    await worker.hear('rejected', ({ dials }) => dials.some(({ reason }) => reason === 'unknown-user'));
  });

  test('hands out its directory and takes it in again after a restart, before any database has spoken', async () => {
    await start();
    const many = Array.from({ length: 2500 }, (_, i) => covered(`u${i}`, `p${i}`));
    worker.tell({ kind: 'subscribers', subscribers: many });
    await worker.settled();
    const chunks = worker.heard.filter((one) => one.kind === 'exported').slice(-3);
    expect(chunks.map(({ last }) => last)).toEqual([false, false, true]);
    await worker.stop();
    const { authPort } = await start();
    for (const { chunk } of chunks) worker.tell({ kind: 'import', chunk });
    await worker.settled();
    expect((await client.ask(papDial('u2499', 'p2499', SECRET), authPort))[0]).toBe(ACCEPT);
  });

  test('a copy on disk of another format is told of and does no harm', async () => {
    const { authPort } = await start();
    worker.tell({ kind: 'import', chunk: Buffer.from('[99,[]]') });
    expect((await worker.hear('log')).line).toMatch(/has format 99/);
    worker.tell({ kind: 'subscribers', subscribers: [covered('demo', 'arctangent')] });
    await worker.settled();
    expect((await client.ask(papDial('demo', 'arctangent', SECRET), authPort))[0]).toBe(ACCEPT);
  });

  test('what was answered before it stopped is on disk', async () => {
    const { acctPort } = await start();
    const barrier = accountingRequest(0, [avp(44, 'barrier')], SECRET);
    await client.ask(barrier, acctPort);
    for (let i = 1; i <= 50; i += 1) client.send(accountingRequest(i, [avp(44, `s${i}`)], SECRET), acctPort);
    await client.until(2);
    worker.tell({ kind: 'stop' });
    await worker.hear('stopped');
    const records = new Set([...readJournal(join(folder, 'journal', '0'))].map(({ packet }) => packet[1]));
    for (const { bytes } of client.heard) expect(records).toContain(bytes[1]);
    await start();
  });
});

describe('a wildcard address', () => {
  test('stands for every address of the machine: each answers for itself', async () => {
    worker = new RunningWorker({
      worker: 0,
      hosts: ['0.0.0.0'],
      authPort: 0,
      acctPort: 0,
      reusePort: false,
      journalFolder: join(folder, 'journal', '0'),
    });
    const { addresses } = await worker.hear('ready');
    const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    expect(new Set(addresses)).toEqual(
      new Set(own.filter(({ family }) => family === 'IPv4').map(({ address }) => address)),
    );
  });

  test('two workers share the ports', async () => {
    const settings = { hosts: ['127.0.0.1'], reusePort: true, rejectDelayMs: { least: 0, most: 0 } };
    worker = new RunningWorker({ ...settings, worker: 0, authPort: 0, acctPort: 0, journalFolder: join(folder, '0') });
    const { authPort, acctPort } = await worker.hear('ready');
    const second = new RunningWorker({ ...settings, worker: 1, authPort, acctPort, journalFolder: join(folder, '1') });
    expect(await second.hear('ready')).toMatchObject({ authPort, acctPort });
    const both = [worker, second];
    for (const one of both) {
      one.tell({ kind: 'nases', nases: [NAS] });
      one.tell({ kind: 'policy', policies: onlyPolicy(defaultPolicy('Asia/Jakarta')) });
      one.tell({ kind: 'subscribers', subscribers: [covered('demo', 'arctangent')] });
      one.tell({ kind: 'snapshotDone' });
      await one.hear('metrics', ({ metrics }) => metrics.subscribers === 1);
    }
    const clients = await Promise.all(Array.from({ length: 32 }, () => Client.open('127.0.0.1')));
    const replies = await Promise.all(clients.map((one) => one.ask(papDial('demo', 'arctangent', SECRET), authPort)));
    expect(replies.map(([code]) => code)).toEqual(replies.map(() => ACCEPT));
    const accepted = both.map((one) => one.hear('metrics', ({ metrics }) => metrics.accepts > 0));
    expect((await Promise.all(accepted)).length).toBe(2);
    for (const one of clients) one.close();
    await second.stop();
  });
});

const run = promisify(execFile);

describeWithFreeRadius('radclient', () => {
  /** radclient's own view: it checks Response and Message-Authenticator before it prints a reply. */
  async function radclient(port: number, command: 'auth' | 'acct' | 'status', attributes: string): Promise<string> {
    const asked = run('radclient', ['-x', '-r', '1', '-t', '3', `127.0.0.1:${port}`, command, SECRET]);
    asked.child.stdin?.end(attributes);
    const { stdout } = await asked.catch((error: { stdout: string }) => error);
    return stdout;
  }

  const identity = 'NAS-Identifier = "pop-1", Message-Authenticator = 0x00';

  test.each([
    ['PAP', 'User-Name = "demo", User-Password = "arctangent"', 'Access-Accept'],
    ['PAP, wrong', 'User-Name = "demo", User-Password = "wrong"', 'Access-Reject'],
    ['CHAP', 'User-Name = "demo", CHAP-Password = "arctangent"', 'Access-Accept'],
    ['MS-CHAP', 'User-Name = "demo", MS-CHAP-Password = "arctangent"', 'Access-Accept'],
    ['MS-CHAP, wrong', 'User-Name = "demo", MS-CHAP-Password = "wrong"', 'Access-Reject'],
  ])('%s', async (_, attributes, outcome) => {
    const { authPort } = await start();
    worker.tell({ kind: 'subscribers', subscribers: [covered('demo', 'arctangent', { staticIp: '10.1.2.3' })] });
    worker.tell({ kind: 'snapshotDone' });
    await worker.settled();
    const printed = await radclient(authPort, 'auth', `${attributes}, ${identity}`);
    expect(printed).toMatch(new RegExp(`Received ${outcome}`));
    const told = ['Mikrotik-Rate-Limit = "5000k/20000k"', 'Framed-IP-Address = 10.1.2.3', 'Session-Timeout = 86'];
    for (const line of told) expect(printed.includes(line)).toBe(outcome === 'Access-Accept');
  });

  test('accounting and Status-Server', async () => {
    const { authPort, acctPort } = await start();
    const request = 'User-Name = "demo", Acct-Status-Type = Start, Acct-Session-Id = "81000001"';
    expect(await radclient(acctPort, 'acct', request)).toMatch(/Received Accounting-Response/);
    expect(await radclient(authPort, 'status', 'Message-Authenticator = 0x00')).toMatch(/Received Access-Accept/);
    expect(await radclient(acctPort, 'status', 'Message-Authenticator = 0x00')).toMatch(/Received Accounting-Response/);
  });
});
