import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { testDatabase } from '#test/support/database';
import { account, MAC, papDial } from '#test/system/dial';
import {
  environment,
  gerbang,
  gerbangSays,
  launchNode,
  type Node,
  newDataDir,
  type Ports,
  portsOf,
  readyz,
} from '#test/system/node';
import { type CuttablePath, cuttablePath } from '#test/system/proxy';

const SECRET = 'a-secret-of-thirty-two-octets-00';
const soon = { timeout: 30_000, interval: 100 };
const full = { code: 'Access-Accept', rateLimit: '10000k/20000k', list: 'prepaid-active' };

let path: CuttablePath;
let env: Record<string, string>;
let node: Node;
let ports: Ports;
const run = (...args: string[]) => gerbangSays(env, ...args);
const dial = (username: string) => papDial(ports.authPort, SECRET, username, 'rahasia-77');
const accounting = (status: 'Start' | 'Interim-Update', session: string) =>
  account(ports.acctPort, SECRET, [
    ['Acct-Status-Type', status],
    ['Acct-Session-Id', session],
    ['User-Name', 'budi'],
    ['NAS-IP-Address', '127.0.0.1'],
    ['Calling-Station-Id', MAC],
    ['Framed-IP-Address', '100.64.0.7'],
    ['Acct-Session-Time', 60],
    ['Acct-Input-Octets', 1000],
    ['Acct-Output-Octets', 2000],
  ]);

beforeAll(async () => {
  const url = new URL((await testDatabase()).url);
  path = await cuttablePath(Number(url.port));
  url.port = String(path.port);
  env = environment(newDataDir(), { DATABASE_URL: url.href });
  node = launchNode(env);
  ports = await portsOf(node);
  await run('nas', 'add', '--name', 'tower', '--address', '127.0.0.1', '--secret', SECRET);
  await run('plan', 'add', '--name', 'p20', '--down', '20M', '--up', '10M', '--period', '30d', '--price', '75000');
  await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
  await run('grant', 'add', '--username', 'budi', '--plan', 'p20');
  await vi.waitFor(async () => expect(await dial('budi')).toEqual(full), soon);
});
afterAll(async () => {
  await node.stop();
  await path.close();
});

describe('while the database is away', () => {
  test('who is known is answered, accounting is kept, and readiness says what is wrong', async () => {
    path.cut();
    expect(await dial('budi')).toEqual(full);
    expect(await accounting('Start', '81000001')).toBe(true);
    const { ready, checks } = await readyz(ports.httpPort);
    expect(ready).toBe(false);
    expect(checks).toMatchObject({ database: { ok: false }, radius: { ok: true }, journal: { ok: true } });
  });

  test('a command says so and may be tried again', async () => {
    const ran = await gerbang(env, ['plan', 'list']);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/^database: /);
    expect(ran.stderr).not.toContain('postgres://');
  });

  test('it heals when the database is back: accounting is applied, changes are seen', async () => {
    path.mend();
    await vi.waitFor(async () => expect(await readyz(ports.httpPort)).toMatchObject({ ready: true }), soon);
    await vi.waitFor(async () => {
      const { stdout } = await gerbang(env, ['session', 'list', '--json']);
      expect(JSON.parse(stdout)).toMatchObject([{ username: 'budi', framedIp: '100.64.0.7' }]);
    }, soon);
    await run('suspend', 'budi');
    await vi.waitFor(async () => expect(await dial('budi')).toMatchObject({ code: 'Access-Reject' }), soon);
    await run('resume', 'budi');
    await vi.waitFor(async () => expect(await dial('budi')).toEqual(full), soon);
  });
});

describe('a start while the database is away', () => {
  test('answers who was known from the copy on disk, and no word to strangers', async () => {
    await node.stop();
    path.cut();
    // The banner waits for the database, so these ports have to be known beforehand.
    env = {
      ...env,
      HTTP_PORT: String(ports.httpPort),
      RADIUS_AUTH_PORT: String(ports.authPort),
      RADIUS_ACCT_PORT: String(ports.acctPort),
    };
    node = launchNode(env);
    await node.says(/meanwhile known subscribers are answered from the copy on disk and accounting is kept/);
    await vi.waitFor(async () => expect(await dial('budi')).toEqual(full), soon);
    expect(await dial('stranger')).toBe('silence');
    expect(await accounting('Interim-Update', '81000001')).toBe(true);
    const { checks } = await readyz(ports.httpPort);
    expect(checks).toMatchObject({
      database: { ok: false },
      radius: { ok: true },
      directory: { ok: false },
      journal: { ok: true },
    });
  });

  test('and becomes whole by itself when the database is back', async () => {
    path.mend();
    await portsOf(node);
    expect(await readyz(ports.httpPort)).toMatchObject({ ready: true });
    expect(await dial('stranger')).toMatchObject({ code: 'Access-Reject' });
    expect(await dial('budi')).toEqual(full);
  });

  test('a master key that is missing is never replaced while the database holds secrets', async () => {
    const lost = launchNode({ ...env, ...environment(newDataDir()) });
    expect((await lost.ended).code).toBe(1);
    expect(lost.output()).toMatch(
      /^the master key file .* is missing, and the database holds secrets sealed under it; put it back, or set MASTER_KEY_FILE to where it is\n$/,
    );
  });
});
