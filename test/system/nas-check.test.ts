import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CheckedNas } from '#operations/check-nas';
import { dialIn } from '#test/system/dial';
import { environment, gerbang, gerbangSays, launchNode, type Node, newDataDir, portsOf } from '#test/system/node';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';

/** The NAS doctor as an engineer meets it: a running node, routers that ask it, and the command line. */

const SECRET = 'a-secret-of-thirty-two-octets-00';
const env = environment(newDataDir());
const run = (...args: string[]) => gerbangSays(env, ...args);
const soon = { timeout: 60_000, interval: 500 };

let node: Node;
let good: Mikrotik;
let bad: Mikrotik;
beforeAll(async () => {
  node = launchNode(env);
  const ports = await portsOf(node);
  const server = { host: '127.0.0.1', authPort: ports.authPort, acctPort: ports.acctPort };
  good = await startMikrotik({
    server,
    secret: SECRET,
    coaPort: 0,
    options: { address: '127.0.4.1', identity: 'good' },
  });
  const options = { address: '127.0.4.2', identity: 'bad', incoming: { accept: false }, tries: 2 };
  bad = await startMikrotik({ server, secret: 'not the secret that is entered here', coaPort: 0, options });
  for (const [name, router] of Object.entries({ good, bad })) {
    const entered = ['--name', name, '--address', router.address, '--coa-port', String(router.coaPort)];
    await run('nas', 'add', ...entered, '--secret', SECRET);
  }
  await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
  await dialIn(good, 'budi', 'rahasia-77');
  await good.advance(300);
  await bad.dial('budi', 'rahasia-77', { redials: false });
});
afterAll(async () => {
  await good?.stop();
  await bad?.stop();
  await node?.stop();
});

const check = async (...args: string[]): Promise<CheckedNas[]> =>
  JSON.parse(await run('nas', 'check', ...args, '--json')) as CheckedNas[];
const findings = (of: readonly CheckedNas[], name: string) =>
  new Map(of.find((nas) => nas.name === name)!.routers[0]!.findings.map((one) => [one.code, one]));

test('what the node has seen stands in the database within seconds, and says who is sick and who is not', async () => {
  const checked = await vi.waitFor(async () => {
    const now = await check();
    expect(findings(now, 'good').get('address')?.level).toBe('ok');
    expect(findings(now, 'good').get('accounting')?.level).toBe('ok');
    expect(findings(now, 'bad').get('secret')?.level).toBe('bad');
    return now;
  }, soon);
  expect(checked.map(({ name, level }) => [name, level])).toEqual([
    ['bad', 'bad'],
    ['good', 'ok'],
  ]);
  const overview = await run('nas', 'check');
  expect(overview).toMatch(
    /^NAME +ROUTER +IS +FINDINGS\nbad +127\.0\.4\.2 +BAD +secret, \d+ unknown\ngood +127\.0\.4\.1 +good +\d+ unknown\n$/,
  );
  const text = await run('nas', 'check', 'bad');
  expect(text).toMatch(/^bad {2}127\.0\.4\.2\n/);
  expect(text).toMatch(
    /\n {2}secret +BAD +not the same on both sides: .*\n +\/radius set \[find comment="gerbang"\] secret="SECRET"\n/,
  );
  expect(text).not.toContain(SECRET);
});

test('the router itself is asked only when that is wanted', async () => {
  expect(findings(await check('good'), 'good').get('coa')?.level).toBe('unknown');
  const asked = await check('--probe');
  expect(findings(asked, 'good').get('coa')).toMatchObject({
    level: 'ok',
    says: `answered just now on port ${good.coaPort}: ack`,
  });
  expect(findings(asked, 'bad').get('coa')).toMatchObject({ level: 'bad' });
  expect(good.sessions()).toHaveLength(1);
});

test('all of it outlives the node; mistakes of the command are told', async () => {
  const before = await check();
  await node.stop();
  const after = await check();
  for (const name of ['good', 'bad'])
    for (const code of ['heard', 'secret', 'signed', 'accounting', 'address'] as const)
      expect(findings(after, name).get(code)?.level).toBe(findings(before, name).get(code)?.level);
  expect((await gerbang(env, ['nas', 'check', 'nowhere'])).stderr).toBe(
    'there is no NAS "nowhere"; there are: bad, good\n',
  );
  expect((await gerbang(env, ['nas', 'check', 'good', 'bad'])).stderr).toBe('one NAME at most can be given\n');
});
