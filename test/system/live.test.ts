import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dialIn } from '#test/system/dial';
import { environment, gerbangSays, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';

const SECRET = 'a-secret-of-thirty-two-octets-00';
const env = environment(newDataDir());
const run = (...args: string[]) => gerbangSays(env, ...args);
const soon = { timeout: 30_000, interval: 20 };

let node: Node;
let ports: Ports;
let router: Mikrotik;
beforeAll(async () => {
  node = launchNode(env);
  ports = await portsOf(node);
  const server = { host: '127.0.0.1', authPort: ports.authPort, acctPort: ports.acctPort };
  router = await startMikrotik({ server, secret: SECRET, coaPort: 0 });
  await run(
    'nas',
    'add',
    '--name',
    'tower',
    '--address',
    '127.0.0.1',
    '--secret',
    SECRET,
    '--coa-port',
    String(router.coaPort),
  );
  await run(
    'plan',
    'add',
    '--name',
    'p20',
    '--down',
    '20M',
    '--up',
    '10M',
    '--quota',
    '20GB',
    '--period',
    '30d',
    '--price',
    '75000',
  );
  await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
  await dialIn(router, 'budi', 'rahasia-77');
});
afterAll(async () => {
  await router.stop();
  await node.stop();
});

/** The session is known once its Start has been applied. */
const listed = () =>
  vi.waitFor(async () => {
    const sessions = JSON.parse(await run('session', 'list', '--json')) as { username: string; framedIp: string }[];
    expect(sessions).toMatchObject([{ username: 'budi' }]);
    return sessions[0]!;
  }, soon);

describe('a line that is up', () => {
  test('is in the list of sessions, is as decided, and its address is found again', async () => {
    const { framedIp } = await listed();
    expect(await run('session', 'list', '--drift')).toBe('No session is otherwise than it should be.\n');
    expect(await run('session', 'who', framedIp)).toMatch(/^USERNAME +ADDRESS .*\nbudi +/);
    expect(await run('session', 'history', 'budi')).toContain('still on');
    expect(await run('explain', 'budi')).toMatch(/Live on tower since .*: nothing would be sent: is as decided/);
  });

  test('is made faster by a grant without a new dial', async () => {
    await listed();
    expect(router.queues()).toMatchObject([{ maxLimit: '128000/128000' }]);
    await run('grant', 'add', '--username', 'budi', '--plan', 'p20');
    await vi.waitFor(() => expect(router.queues()).toMatchObject([{ maxLimit: '10000000/20000000' }]), soon);
  });

  test('is ended by a suspension', async () => {
    await run('suspend', 'budi');
    await vi.waitFor(() => expect(router.sessions()).toEqual([]), soon);
    await vi.waitFor(async () => expect(await run('session', 'list')).toMatch(/^No live session/), soon);
    expect(await run('session', 'history', 'budi')).not.toContain('still on');
  });

  test('all of it is counted', async () => {
    await pause(1_100); // workers report once a second
    const metrics = await (await fetch(`http://127.0.0.1:${ports.httpPort}/metrics`)).text();
    expect(metrics).toMatch(/gerbang_radius_answers_total\{answer="access-accept"\} [1-9]/);
    expect(metrics).toMatch(/gerbang_intake_records_total [1-9]/);
    expect(metrics).toContain('gerbang_nas_silent{nas="tower"} 0');
    expect(metrics).toContain('gerbang_coa_answers_total{nas="tower",request="coa",answer="done"} 1');
    expect(metrics).toContain('gerbang_coa_seconds_count{nas="tower",request="disconnect"} 1');
    for (const line of metrics.trimEnd().split('\n'))
      expect(line).toMatch(/^(#|[a-z_]+(\{.*\})? [\d.e+-]+$|.* \+Inf$)/);
  });
});
