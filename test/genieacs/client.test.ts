import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AcsRefusal } from '#domain/acs';
import { Unavailable } from '#domain/errors';
import { SETTINGS } from '#domain/settings';
import { HOUR, MINUTE } from '#domain/time';
import { GenieAcs, type GenieAcsOptions } from '#integrations/genieacs/client';
import { type GenieAcsWorld, startGenieAcs } from '#test/world/genieacs';
import { parameter, putParameter } from '#test/world/genieacs-device';

const NOW = Date.parse('2026-11-21T02:00:00Z');
const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const PASSPHRASE = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase';

let world: GenieAcsWorld;
beforeEach(async () => {
  world = await startGenieAcs({ clock: () => NOW });
});
afterEach(() => world.stop());

const client = (options: Partial<GenieAcsOptions> = {}, username = ''): GenieAcs =>
  new GenieAcs({
    settings: { ...SETTINGS.genieacs.parse({}), url: `${world.url}/`, username },
    password: null,
    clock: () => NOW,
    ...options,
  });
const asked = (path: RegExp) => world.requests.filter((request) => path.test(request.path));

describe('the ONT of a PPPoE user name', () => {
  test('is found by a virtual parameter, with its reading', async () => {
    const ont = world.add({ username: 'budi' });
    world.add({ username: 'siti' });
    const found = await client().find('budi', null);
    expect(found).toMatchObject({ deviceId: ont.id, others: 0, othersOnline: 0 });
    expect(found?.reading).toMatchObject({
      manufacturer: 'ZTE',
      model: 'F670L',
      lastInform: NOW,
      rxPowerDbm: -21.3,
      temperatureC: 48,
      uptimeSeconds: 3 * 86_400 + 4 * 3_600 + 5 * 60 + 6,
      connectedDevices: 7,
      ssid: 'RUMAH-BUDI',
      ssidEnabled: true,
      pppUsername: 'budi',
      pppIp: '10.64.3.7',
      ssidPaths: [SSID],
      passwordPaths: [PASSPHRASE],
    });
  });

  test.each(['tr098', 'tr181'] as const)('is found by the native parameter of %s, enumerated', async (model) => {
    const ont = world.add({ username: 'budi', model, bare: true });
    expect(await client().find('budi', null)).toMatchObject({ deviceId: ont.id });
    const [question] = asked(/^\/devices\/$/);
    expect(question!.query.get('query')).not.toContain('*');
  });

  test('in the last instance of WAN connections too', async () => {
    const ont = world.add({ username: 'lain', bare: true });
    const path = 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.8.WANPPPConnection.2.Username';
    putParameter(ont, path, 'budi', true);
    expect(await client().find('budi', null)).toMatchObject({ deviceId: ont.id });
  });

  test('is not there when nobody dials by it', async () => {
    world.add({ username: 'siti' });
    expect(await client().find('budi', null)).toBeNull();
  });

  test('is asked for at the configured paths alone at first, which may have an index', async () => {
    world.add({ username: 'budi' });
    await client().find('budi', null);
    const questions = asked(/^\/devices\/$/).map((one) => one.query.get('query')!);
    expect(questions).toHaveLength(2); // who it is, and how it is
    expect(questions[0]).toContain('VirtualParameters.pppUsername');
    expect(questions[0]).not.toContain('InternetGatewayDevice');
  });

  test('that is new and has no virtual parameters yet is found beside the silent one it takes the place of', async () => {
    world.add({ username: 'budi', lastInform: NOW - HOUR });
    const fresh = world.add({ username: 'budi', bare: true });
    expect(await client().find('budi', null)).toMatchObject({ deviceId: fresh.id, others: 1 });
  });

  test('of several is the one heard of last; the others are a conflict', async () => {
    world.add({ username: 'budi', lastInform: NOW - MINUTE });
    const newest = world.add({ username: 'budi', lastInform: NOW - 1_000 });
    world.add({ username: 'budi', lastInform: NOW - 3 * HOUR });
    expect(await client().find('budi', null)).toMatchObject({ deviceId: newest.id, others: 2, othersOnline: 1 });
  });

  test('is asked for by its id once it is known, and not looked for again', async () => {
    const ont = world.add({ username: 'budi' });
    world.add({ username: 'siti' });
    expect(await client().find('budi', ont.id)).toMatchObject({ deviceId: ont.id, others: null });
    expect(asked(/^\/devices\/$/)).toHaveLength(1);
    expect(JSON.parse(world.requests[0]!.query.get('query')!)).toEqual({ _id: ont.id });
  });

  test('is looked for again when the known device dials as somebody else by now', async () => {
    const known = world.add({ username: 'siti' });
    const ont = world.add({ username: 'budi' });
    expect(await client().find('budi', known.id)).toMatchObject({ deviceId: ont.id, others: 0 });
  });

  test('is looked for again when the known device is silent: it may have been exchanged', async () => {
    const old = world.add({ username: 'budi', lastInform: NOW - 13 * MINUTE });
    const ont = world.add({ username: 'budi' });
    expect(await client().find('budi', old.id)).toMatchObject({ deviceId: ont.id, others: 1, othersOnline: 0 });
  });

  test('is online until 2.5 informs failed to come', async () => {
    const old = world.add({ username: 'budi', lastInform: NOW - 12.4 * MINUTE });
    world.add({ username: 'budi' });
    expect(await client().find('budi', old.id)).toMatchObject({ deviceId: old.id });
  });
});

describe('hostile user names', () => {
  test.each(['*', 'b*', '*udi', 'b*d*i', '/.*/', '/b/', '/BUDI/i', '/./g'])(
    '%s finds nobody else',
    async (username) => {
      world.add({ username: 'budi' });
      expect(await client().find(username, null)).toBeNull();
      expect(world.crashes).toBe(0);
    },
  );

  test.each([
    '*',
    'a*b',
    '/x/',
    '/[/',
    '/(/g',
    '***',
    '/a/b/',
    '2024-01-01',
    '20261121',
    '007',
    '1e3',
    'a"b\\c',
    'bu di',
  ])('%s finds its own device and no other', async (username) => {
    for (const other of ['x', 'ab', 'axb', 'budi', '7', '1000', '[']) world.add({ username: other });
    const ont = world.add({ username });
    expect(await client().find(username, null)).toMatchObject({ deviceId: ont.id, others: 0 });
    expect(world.crashes).toBe(0);
  });

  test('a name of digits is not the number it looks like', async () => {
    const ont = world.add({ username: 'lain', bare: true });
    putParameter(ont, 'VirtualParameters.pppUsername', 812345, false);
    expect(await client().find('0812345', null)).toBeNull();
    expect(await client().find('812345', null)).toMatchObject({ deviceId: ont.id });
  });

  test('the stand-in would have found others, and would have ended: the tests above can fail', async () => {
    world.add({ username: 'budi' });
    const ask = async (value: string) => {
      const query = encodeURIComponent(JSON.stringify({ 'VirtualParameters.pppUsername': value }));
      const answer = await fetch(`${world.url}/devices/?query=${query}&projection=_id`);
      return ((await answer.json()) as unknown[]).length;
    };
    expect([await ask('b*'), await ask('/B/i'), await ask('siti')]).toEqual([1, 1, 0]);
    await expect(ask('/[/')).rejects.toThrow();
    expect(world.crashes).toBe(1);
  });
});

describe('what is asked', () => {
  test('is only what is shown, and never a password', async () => {
    world.add({ username: 'budi' });
    await client().find('budi', null);
    const projections = world.requests.map((request) => request.query.get('projection')!.split(','));
    expect(projections.flat().every((path) => /^_id$|^_lastInform$|^_deviceId\.|\._(value|writable)$/.test(path))).toBe(
      true,
    );
    expect(projections.flat()).toContain(`${PASSPHRASE}._writable`);
    expect(projections.flat()).not.toContain(`${PASSPHRASE}._value`);
  });

  test('fits into the line of a request that proxies take (8 KB)', async () => {
    world.add({ username: 'budi' });
    await client().find('x'.repeat(64), null);
    await client().find('budi', null);
    expect(Math.max(...world.requests.map(({ url }) => url.length))).toBeLessThan(8_000);
  });

  test('carries the user name and password of the proxy, and not to where it is sent on', async () => {
    world.behave({ login: 'acs:S3cret!' });
    world.add({ username: 'budi' });
    expect(await client({ password: 'S3cret!' }, 'acs').find('budi', null)).not.toBeNull();
    await expect(client({ password: 'wrong' }, 'acs').find('budi', null)).rejects.toThrow(AcsRefusal);
    const elsewhere = await startGenieAcs();
    world.behave({ redirect: `${elsewhere.url}/devices/` });
    await expect(client({ password: 'S3cret!' }, 'acs').find('budi', null)).rejects.toThrow(Unavailable);
    expect(elsewhere.requests).toHaveLength(0);
    await elsewhere.stop();
  });
});

describe('an order', () => {
  const wifi = {
    is: 'set',
    values: [
      [SSID, 'Kopi Pagi'],
      [PASSPHRASE, 'rahasia-baru'],
    ],
  } as const;

  test('that is carried out at once is done (200); the id in its address is encoded twice', async () => {
    const ont = world.add({ username: 'budi', id: '202BC1-BM632w%2DX-1' });
    expect(await client().give(ont.id, wifi, 'gerbang-1', 3600)).toEqual({ is: 'done' });
    expect(parameter(ont, SSID)?._value).toBe('Kopi Pagi');
    expect(parameter(ont, PASSPHRASE)?._value).toBe('rahasia-baru');
    const [sent] = asked(/\/tasks$/);
    expect(sent!.path).toBe('/devices/202BC1-BM632w%252DX-1/tasks');
    expect(JSON.parse(sent!.body)).toEqual({
      name: 'setParameterValues',
      parameterValues: [
        [SSID, 'Kopi Pagi', 'xsd:string'],
        [PASSPHRASE, 'rahasia-baru', 'xsd:string'],
      ],
      uniqueKey: 'gerbang-1',
      expiry: 3600,
    });
  });

  test.each([false, true])(
    'for a silent device waits (202), whatever the reason phrase (stripped: %s)',
    async (noReasons) => {
      world.behave({ noReasons });
      const ont = world.add({ username: 'budi', reachable: false });
      const acs = client();
      const outcome = await acs.give(ont.id, wifi, 'gerbang-1', 3600);
      expect(outcome).toEqual({ is: 'waiting', acsId: world.tasks[0]!._id });
      world.inform(ont.id);
      expect(await acs.outcomeOf(ont.id, (outcome as { acsId: string }).acsId)).toEqual({ is: 'done' });
    },
  );

  test('for a device that is in a session waits (202)', async () => {
    const ont = world.add({ username: 'budi' });
    ont.inSession = true;
    const acs = client();
    const outcome = await acs.give(ont.id, { is: 'reboot' }, 'gerbang-1', 60);
    expect(outcome).toMatchObject({ is: 'waiting' });
    expect(await acs.takeBack((outcome as { acsId: string }).acsId)).toBe(false);
  });

  test.each([false, true])('that the device refuses has faulted (202 too; reason stripped: %s)', async (noReasons) => {
    world.behave({ noReasons });
    const ont = world.add({ username: 'budi' });
    ont.refuses = { code: 'cwmp.9007', message: 'Invalid parameter value' };
    const acs = client();
    const outcome = await acs.give(ont.id, wifi, 'gerbang-1', 3600);
    expect(outcome).toMatchObject({ is: 'faulted', code: 'cwmp.9007', message: 'Invalid parameter value' });
    expect(await acs.takeBack((outcome as { acsId: string }).acsId)).toBe(true);
    expect([world.tasks, world.faults]).toEqual([[], []]);
  });

  test('given again under its key takes the place of the one that waits', async () => {
    const ont = world.add({ username: 'budi', reachable: false });
    const acs = client();
    await acs.give(ont.id, wifi, 'gerbang-1', 3600);
    await acs.give(ont.id, wifi, 'gerbang-1', 3600);
    await acs.give(ont.id, wifi, 'gerbang-2', 3600);
    expect(world.tasks.map((task) => task.uniqueKey)).toEqual(['gerbang-1', 'gerbang-2']);
    expect(await acs.waitingOrder(ont.id, 'gerbang-1')).toBe(world.tasks[0]!._id);
    expect(await acs.waitingOrder(ont.id, 'gerbang-3')).toBeNull();
  });

  test('for a device that the ACS does not know is gone (404)', async () => {
    expect(await client().give('000000-none-1', { is: 'reboot' }, 'gerbang-1', 60)).toEqual({ is: 'gone' });
  });

  test('that is none is refused (500), and not given again for nothing', async () => {
    const ont = world.add({ username: 'budi' });
    await expect(client().give(ont.id, { is: 'set', values: [] }, 'gerbang-1', 60)).rejects.toThrow(AcsRefusal);
  });

  test('to read anew asks for what the device has, or for all virtual parameters where nothing is known', async () => {
    const ont = world.add({ username: 'budi' });
    ont.real.set('VirtualParameters.RXPower', '-28.9 dBm');
    const acs = client();
    await acs.give(ont.id, { is: 'refresh', paths: ['VirtualParameters.RXPower'] }, 'gerbang-1', 60);
    expect((await acs.find('budi', ont.id))?.reading.rxPowerDbm).toBe(-28.9);
    await acs.give(ont.id, { is: 'refresh', paths: [] }, 'gerbang-2', 60);
    expect(asked(/tasks$/).map(({ body }) => (JSON.parse(body) as { name: string }).name)).toEqual([
      'getParameterValues',
      'refreshObject',
    ]);
  });
});

describe('an ACS that is not well', () => {
  test('that never answers is unavailable at the deadline', async () => {
    world.behave({ hang: 'all' });
    await expect(client({ searchMs: 50 }).find('budi', null)).rejects.toThrow('GenieACS does not answer');
    await expect(client({ readMs: 50 }).find('budi', 'x')).rejects.toThrow('GenieACS does not answer');
    await expect(client({ giveMs: 50 }).give('x', { is: 'reboot' }, 'k', 60)).rejects.toThrow(Unavailable);
  });

  test('that is not there is unavailable', async () => {
    const gone = await startGenieAcs();
    await gone.stop();
    const acs = new GenieAcs({
      settings: { ...SETTINGS.genieacs.parse({}), url: gone.url },
      password: null,
      clock: () => NOW,
    });
    await expect(acs.find('budi', null)).rejects.toThrow(Unavailable);
  });

  test.each([502, 503, 504])('that answers %d is unavailable', async (status) => {
    world.behave({ status });
    await expect(client().find('budi', null)).rejects.toThrow(Unavailable);
    await expect(client().give('x', { is: 'reboot' }, 'k', 60)).rejects.toThrow(Unavailable);
  });

  test.each([400, 401, 403, 404, 500])('that answers %d refuses', async (status) => {
    world.behave({ status });
    await expect(client().find('budi', null)).rejects.toThrow(AcsRefusal);
  });

  test.each(['<html>GenieACS</html>', '{}', 'null'])(
    'whose page answers %s instead of NBI refuses, and says which port',
    async (body) => {
      world.behave({ body });
      await expect(client().find('budi', null)).rejects.toThrow('7557');
      expect(await client().test()).toContain('7557');
    },
  );

  test('says of a test whether it answers', async () => {
    expect(await client().test()).toBeNull();
    world.behave({ status: 401 });
    expect(await client({ password: 'S3cret!' }, 'acs').test()).toBe('GenieACS refuses the user name or the password');
  });

  test('never tells a password in an error', async () => {
    world.behave({ hang: 'all' });
    const acs = client({ password: 'S3cret!', readMs: 50, giveMs: 50 }, 'acs');
    const order = { is: 'set', values: [[PASSPHRASE, 'rahasia-baru']] } as const;
    const error = (await acs.give('x', order, 'k', 60).catch((caught: unknown) => caught)) as Error;
    const { inspect } = await import('node:util');
    expect(inspect(error, { depth: 9 })).not.toMatch(/S3cret|rahasia|Basic/);
  });
});
