import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { papDial } from '#test/system/dial';
import {
  environment,
  gerbang,
  launchNode,
  type Node,
  newDataDir,
  type Ports,
  portsOf,
  readyz,
} from '#test/system/node';

const SECRET = 'a-secret-of-thirty-two-octets-00';
const soon = { timeout: 30_000, interval: 20 };
const dataDir = newDataDir();
const env = environment(dataDir, { RADIUS_WORKERS: '2' });
const run = (...args: string[]) => gerbang(env, args);

let node: Node;
let ports: Ports;
beforeAll(async () => {
  node = launchNode(env);
  ports = await portsOf(node);
});
afterAll(async () => {
  await node.stop();
});

describe('a first start in an empty folder', () => {
  test('says what runs where, the first password, and what to type next', async () => {
    const { output } = node;
    expect(output()).toMatch(/one-time password [A-Za-z2-9]{16} {2}\(shown this once\)/);
    expect(output()).toContain('gerbang -- nas add');
    expect(output()).toContain('docs/PREPAID_MIKROTIK_SETUP.md');
    expect(await readyz(ports.httpPort)).toMatchObject({ ready: true });
  });

  test('the master key it made is for nobody else to read', () => {
    expect(statSync(join(dataDir, 'master.key')).mode & 0o777).toBe(0o600);
  });

  test('a second start on the same folder is refused in one line, and the first goes on', async () => {
    const second = launchNode(env);
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.output()).toMatch(
      /is in use by another Gerbang \(process \d+\): stop that one, or choose another DATA_DIR\n/,
    );
    expect(await readyz(ports.httpPort)).toMatchObject({ ready: true });
  });

  test('a port in use is one line that says which variable to set', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const refused = launchNode(environment(newDataDir(), { RADIUS_ACCT_PORT: String(port), HTTP_PORT: '0' }));
    expect((await refused.ended).code).toBe(1);
    socket.close();
    expect(refused.output()).toContain(
      `port ${port} on 127.0.0.1 is in use by another program; stop that one, or set RADIUS_ACCT_PORT to a free port\n`,
    );
    const { authPort } = ports; // shared by the workers of the first, so the system alone would let the second in
    const sharing = launchNode(environment(newDataDir(), { RADIUS_AUTH_PORT: String(authPort), RADIUS_WORKERS: '2' }));
    expect((await sharing.ended).code).toBe(1);
    expect(sharing.output()).toContain('or set RADIUS_AUTH_PORT to a free port\n');
    const http = launchNode(environment(newDataDir(), { HTTP_PORT: String(ports.httpPort) }));
    expect((await http.ended).code).toBe(1);
    expect(http.output()).toContain('or set HTTP_PORT to a free port\n');
  });

  test('a wrong environment is refused with all that is wrong, before anything is touched', async () => {
    const wrong = launchNode(environment('/nowhere', { RADIUS_WORKERS: 'x', LOG_LEVEL: 'y' }));
    expect((await wrong.ended).code).toBe(1);
    expect(wrong.output().split('\n').slice(0, 2)).toEqual([
      expect.stringMatching(/^RADIUS_WORKERS="x" is not usable/),
      expect.stringMatching(/^LOG_LEVEL="y" is not usable/),
    ]);
  });
});

describe('the command line beside a running server', () => {
  test('what it adds is in force at once: walled, then the plan, then rejected, then the plan', async () => {
    expect(await run('nas', 'add', '--name', 'tower', '--address', '127.0.0.1', '--secret', SECRET)).toMatchObject({
      code: 0,
    });
    await run('plan', 'add', '--name', 'p20', '--down', '20M', '--up', '10M', '--period', '30d', '--price', '75000');
    await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
    const dial = () => papDial(ports.authPort, SECRET, 'budi', 'rahasia-77');
    const answers = (expected: object) => vi.waitFor(async () => expect(await dial()).toMatchObject(expected), soon);
    await answers({ code: 'Access-Accept', rateLimit: '128k/128k', list: 'prepaid-no-package' });
    expect(await papDial(ports.authPort, SECRET, 'budi', 'wrong')).toMatchObject({ code: 'Access-Reject' });
    const full = { code: 'Access-Accept', rateLimit: '10000k/20000k', list: 'prepaid-active' };
    await run('grant', 'add', '--username', 'budi', '--plan', 'p20');
    await answers(full);
    await run('suspend', 'budi');
    await answers({ code: 'Access-Reject' });
    await run('resume', 'budi');
    await answers(full);
  });

  test('explain says why, and what a router is told, and changes nothing', async () => {
    const { stdout } = await run('explain', 'budi');
    expect(stdout).toMatch(/Because +covered by "p20" until /);
    expect(stdout).toMatch(/Mikrotik-Rate-Limit +10000k\/20000k/);
    expect(stdout).toContain('No live session: nothing would be sent.');
    const { stdout: later } = await run('explain', 'budi', '--at', '2030-01-01', '--json');
    expect(JSON.parse(later)).toMatchObject({ decision: { access: 'walled' }, facts: { username: 'budi' } });
    expect(later).not.toContain('rahasia');
  });

  test.each([
    [
      ['nas'],
      2,
      /^there is no command "nas"; there are: nas add, nas list, nas edit, nas remove, nas script, nas check\n$/,
    ],
    [
      ['nas', 'add', '--nam', 'x'],
      2,
      /^unknown option --nam; nas add takes [^\n]*\n"x" is one word too many for nas add\n--name: missing[^\n]*\n--address: missing[^\n]*\n--secret: missing[^\n]*\n$/,
    ],
    [
      ['nas', 'add', '--name', 'x', '--address', 'x', '--secret', 'longer-than-8', '--coa-port', '0'],
      1,
      /^--address "x" is not usable[^\n]*\n--coa-port "0" is not usable[^\n]*\n$/,
    ],
    [['grant', 'add', '--username', 'budi', '--plan', 'p30'], 1, /^there is no plan "p30"; there are: p20\n$/],
    [['suspend', 'nobody'], 1, /^there is no subscriber "nobody"/],
    [['explain', 'budi', '--at', 'noon'], 1, /^--at is no instant/],
    [['subscriber', 'import', '/nowhere.csv'], 1, /^the file \/nowhere\.csv cannot be read \(ENOENT\)\n$/],
    [
      ['nas', 'script', 'tower'],
      2,
      /^--server is missing: the address of this server as the router reaches it; of several nodes each, in the order of asking\n$/,
    ],
  ])('gerbang %j ends with %i and says it', async (args, code, stderr) => {
    const ran = await run(...args);
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).toMatch(stderr);
  });

  test('faults are JSON for a program', async () => {
    const ran = await run('suspend', 'nobody', '--json');
    expect([ran.code, ran.stderr]).toEqual([1, '']);
    expect(JSON.parse(ran.stdout).faults).toHaveLength(1);
  });
});

describe('after a kill -9', () => {
  test('nothing has to be cleaned by hand: the command line works alone, and a start finds everything as it was', async () => {
    await node.stop('SIGKILL');
    const alone = await run('plan', 'list', '--json');
    expect(alone.code).toBe(0);
    expect(JSON.parse(alone.stdout)).toMatchObject([{ name: 'p20', grantsInForce: 1 }]);
    node = launchNode(env);
    ports = await portsOf(node);
    expect(node.output()).not.toContain('one-time password');
    expect(await papDial(ports.authPort, SECRET, 'budi', 'rahasia-77')).toMatchObject({ rateLimit: '10000k/20000k' });
  });
});

describe('stopping', () => {
  test('is in order, says so, and leaves no database behind', async () => {
    node.child.kill('SIGINT');
    await node.says(/stopping \(SIGINT\)/); // Ctrl-C under npm comes twice: from the terminal, and from npm
    expect(await node.stop('SIGINT')).toEqual({ code: 0, signal: null });
    expect(node.output()).toMatch(/stopping \(SIGINT\)\n.*stopped\n$/s);
    expect(() => statSync(join(dataDir, 'postgres', 'postmaster.pid'))).toThrow(/ENOENT/);
  });
});
