import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { testDatabase } from '#test/support/database';
import { papDial } from '#test/system/dial';
import { environment, gerbang, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';

const SECRET = 'a-secret-of-thirty-two-octets-00';
const soon = { timeout: 30_000, interval: 20 };
let env: Record<string, string>;
const nodes: { node: Node; ports: Ports }[] = [];

const start = async (environment: Record<string, string>) => {
  const node = launchNode(environment);
  nodes.push({ node, ports: await portsOf(node) });
};

beforeAll(async () => {
  const { url } = await testDatabase();
  env = environment(newDataDir(), { DATABASE_URL: url, RADIUS_WORKERS: '1' });
  await start(env);
  const run = (...args: string[]) => gerbang(env, args);
  await run('nas', 'add', '--name', 'tower', '--address', '127.0.0.1', '--secret', SECRET);
  await run('plan', 'add', '--name', 'p20', '--down', '20M', '--up', '10M', '--period', '30d', '--price', '75000');
  await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
  const second = environment(newDataDir(), { DATABASE_URL: url, RADIUS_WORKERS: '1' });
  writeFileSync(join(second.DATA_DIR!, 'master.key'), readFileSync(join(env.DATA_DIR!, 'master.key')), { mode: 0o600 });
  await start(second);
});
afterAll(async () => {
  await Promise.all(nodes.map(({ node }) => node.stop()));
});

test('two nodes on one database give the same answer, and both see a change at once', async () => {
  expect(nodes[1]!.node.output()).not.toContain('one-time password');
  const dials = () => Promise.all(nodes.map(({ ports }) => papDial(ports.authPort, SECRET, 'budi', 'rahasia-77')));
  const both = (expected: object) =>
    vi.waitFor(async () => expect(await dials()).toMatchObject([expected, expected]), soon);
  await both({ rateLimit: '128k/128k' });
  await gerbang(env, ['grant', 'add', '--username', 'budi', '--plan', 'p20']);
  await both({ rateLimit: '10000k/20000k' });
  await gerbang(env, ['suspend', 'budi']);
  await both({ code: 'Access-Reject' });
  await gerbang(env, ['resume', 'budi']);
  await both({ rateLimit: '10000k/20000k' });
});
