import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, MINUTE, SECOND } from '#domain/time';
import { GIVE_MS, READ_MS, SEARCH_MS } from '#integrations/genieacs/client';
import { CLAIM_MS } from '#integrations/genieacs/tasks';
import { changeWifi, orderOnt } from '#operations/wifi';
import type { AcsSide } from '#policy-server/acs-side';
import { addLine, lastTask, readOnt, startSide, startWorld } from '#test/genieacs/harness';
import { emptied, secondNode, type TestDesk, testDesk } from '#test/operations/desk';
import type { GenieAcsWorld } from '#test/world/genieacs';
import { type OntOptions, parameter, putParameter, type StandInDevice } from '#test/world/genieacs-device';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const PASSPHRASE = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase';

let desk: TestDesk;
let world: GenieAcsWorld;
let side: AcsSide;
let logged: string[];
beforeAll(async () => {
  desk = await testDesk();
});
beforeEach(async () => {
  await emptied(desk);
  logged = [];
  world = await startWorld(desk);
  side = startSide(desk, logged);
});
afterEach(async () => {
  await side.stop();
  await world.stop();
  expect(logged).toEqual([]);
});

const later = (ms: number) => desk.setClock(desk.clock() + ms);

/** A line whose modem is known. */
async function known(more: Partial<OntOptions> = {}): Promise<{ id: number; username: string; device: StandInDevice }> {
  const line = await addLine(desk);
  const device = world.add({ username: line.username, ...more });
  await readOnt(side, line.id);
  return { ...line, device };
}

const until = (id: number, state: string) =>
  expect.poll(async () => (await lastTask(desk, id))?.state, { interval: 10, timeout: 20_000 }).toBe(state);

/** Time goes on while it is waited for: a task that waits is looked at from time to time. */
async function untilAfter(ms: number, id: number, state: string): Promise<void> {
  later(ms);
  side.control.wake();
  await until(id, state);
}

const posts = () => world.requests.filter(({ method }) => method === 'POST');

describe('a WiFi change', () => {
  test.each(['tr098', 'tr181'] as const)('reaches a modem that is online (%s)', async (model) => {
    const { id, device } = await known({ model });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi ☕', password: 'rahasia baru 1!' });
    await until(id, 'done');
    const [ssid, passphrase] =
      model === 'tr098'
        ? [SSID, PASSPHRASE]
        : ['Device.WiFi.SSID.1.SSID', 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase'];
    expect(parameter(device, ssid!)?._value).toBe('Kopi Pagi ☕');
    expect(parameter(device, passphrase!)?._value).toBe('rahasia baru 1!');
    expect(world.tasks).toHaveLength(0);
  });

  test('of the name alone leaves the password, and the other way round', async () => {
    const { id, device } = await known();
    await changeWifi(desk, { subscriberId: id, ssid: 'Satu' });
    await until(id, 'done');
    expect(parameter(device, PASSPHRASE)?._value).toBe('Sandi-lama-99');
    await changeWifi(desk, { subscriberId: id, password: 'Sandi-baru-1' });
    await until(id, 'done');
    expect(parameter(device, SSID)?._value).toBe('Satu');
  });

  test('is seen on the page soon: the modem is read again', async () => {
    const { id } = await known();
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await expect.poll(async () => (await side.control.ontOf(id))?.reading?.ssid, { interval: 20 }).toBe('Kopi Pagi');
  });

  test('waits for a modem that is silent, and is done when it reports', async () => {
    const { id, device } = await known({ reachable: false });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'waiting');
    expect(world.tasks).toHaveLength(1);
    world.inform(device.id);
    await untilAfter(16 * SECOND, id, 'done');
    expect(parameter(device, SSID)?._value).toBe('Kopi Pagi');
  });

  test('that the modem refuses has failed with its fault, and is not tried again behind our back', async () => {
    const { id, device } = await known();
    device.refuses = { code: 'cwmp.9007', message: 'Invalid value rahasia-1!' };
    await changeWifi(desk, { subscriberId: id, password: 'rahasia-1!' });
    await until(id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'fault: cwmp.9007 Invalid value (not shown)' });
    expect([world.tasks, world.faults]).toEqual([[], []]);
  });

  test('that faults only when the modem comes back has failed then', async () => {
    const { id, device } = await known({ reachable: false });
    await changeWifi(desk, { subscriberId: id, password: 'rahasia-1!' });
    await until(id, 'waiting');
    device.refuses = { code: 'cwmp.9007', message: 'Invalid value rahasia-1!' };
    world.inform(device.id);
    await untilAfter(16 * SECOND, id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'fault: cwmp.9007 Invalid value (not shown)' });
  });

  test('is given up after a day in which the modem was not heard of, and taken back', async () => {
    const { id } = await known({ reachable: false });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'waiting');
    await untilAfter(DAY - MINUTE, id, 'waiting');
    expect(world.tasks).toHaveLength(1);
    await untilAfter(2 * MINUTE, id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'never-online' });
    expect(world.tasks).toHaveLength(0);
  });

  test('is not taken back while the modem is just being talked to', async () => {
    const { id, device } = await known();
    device.inSession = true;
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'waiting');
    later(DAY);
    side.control.wake();
    await expect.poll(() => world.requests.filter(({ method }) => method === 'DELETE').length).toBe(1);
    await until(id, 'waiting');
    device.inSession = false;
    world.inform(device.id);
    await untilAfter(2 * MINUTE, id, 'done');
  });

  test('goes to the modem that dials by the name now, not to the one that did', async () => {
    const { id, username, device } = await known();
    putParameter(device, 'VirtualParameters.pppUsername', 'orang-lain', false);
    putParameter(
      device,
      'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.2.WANPPPConnection.1.Username',
      'orang-lain',
      true,
    );
    const own = world.add({ username });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'done');
    expect(parameter(device, SSID)?._value).toBe('RUMAH-BUDI');
    expect(parameter(own, SSID)?._value).toBe('Kopi Pagi');
  });

  test('is not made where two modems that are online dial by the same name', async () => {
    const { id, username, device } = await known();
    world.add({ username });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'conflict' });
    expect(parameter(device, SSID)?._value).toBe('RUMAH-BUDI');
    expect(posts()).toHaveLength(0);
  });

  test('fails when GenieACS does not know the modem any more', async () => {
    const { id, device } = await known();
    world.remove(device.id);
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'no-device' });
  });

  test('two of one subscriber are made in the order they were asked for', async () => {
    const { id, device } = await known();
    for (const ssid of ['Satu', 'Dua', 'Tiga']) await changeWifi(desk, { subscriberId: id, ssid });
    await until(id, 'done');
    expect(parameter(device, SSID)?._value).toBe('Tiga');
    expect(posts().map(({ body }) => /Satu|Dua|Tiga/.exec(body)?.[0])).toEqual(['Satu', 'Dua', 'Tiga']);
  });

  test('a later one does not overtake one that could not be handed over yet', async () => {
    const { id, device } = await known();
    world.behave({ status: 503 });
    await changeWifi(desk, { subscriberId: id, ssid: 'Lama' });
    await expect.poll(async () => (await lastTask(desk, id))?.error).toBe('GenieACS cannot be reached (HTTP 503)');
    world.behave({});
    await changeWifi(desk, { subscriberId: id, ssid: 'Baru' });
    side.control.wake();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(posts()).toHaveLength(0);
    await untilAfter(MINUTE, id, 'done');
    expect(posts().map(({ body }) => /Lama|Baru/.exec(body)?.[0])).toEqual(['Lama', 'Baru']);
    expect(parameter(device, SSID)?._value).toBe('Baru');
  });
});

describe('when GenieACS is not well', () => {
  test('a task is tried again until it answers', async () => {
    const { id, device } = await known();
    world.behave({ status: 503 });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await expect.poll(async () => (await lastTask(desk, id))?.error).toBe('GenieACS cannot be reached (HTTP 503)');
    expect(await lastTask(desk, id)).toMatchObject({ state: 'queued' });
    world.behave({});
    await untilAfter(MINUTE, id, 'done');
    expect(parameter(device, SSID)?._value).toBe('Kopi Pagi');
  });

  test('one that it refuses fails after three tries, with its word', async () => {
    const { id } = await known();
    world.behave({ status: 401 });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    for (const tries of [1, 2, 3]) {
      await expect.poll(() => attempts()).toBe(tries);
      later(2 * MINUTE);
      side.control.wake();
    }
    await until(id, 'failed');
    expect((await lastTask(desk, id))?.error).toMatch(/^refused: GenieACS refuses the user name or the password$/);
  });

  test('an order that it took without answering is found again, not given twice', async () => {
    await side.stop();
    side = startSide(desk, logged, { giveMs: 60 });
    const { id, device } = await known({ reachable: false });
    world.behave({ hang: 'tasks' });
    await orderOnt(desk, id, 'reboot');
    await expect.poll(async () => (await lastTask(desk, id))?.error).toBe('GenieACS does not answer');
    world.behave({});
    await untilAfter(MINUTE, id, 'waiting');
    expect(posts()).toHaveLength(1);
    world.inform(device.id);
    await untilAfter(16 * SECOND, id, 'done');
    expect(device.done).toEqual(['reboot']);
  });

  test('a reboot that may have happened is not repeated, and that is said', async () => {
    await side.stop();
    side = startSide(desk, logged, { giveMs: 60 });
    const { id, device } = await known({ reachable: false });
    world.behave({ hang: 'tasks' });
    await orderOnt(desk, id, 'reboot');
    await expect.poll(async () => (await lastTask(desk, id))?.error).toBe('GenieACS does not answer');
    world.inform(device.id);
    world.behave({});
    await untilAfter(MINUTE, id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'unknown' });
    expect(device.done).toEqual(['reboot']);
  });

  test('a WiFi change in doubt is made again under its key', async () => {
    await side.stop();
    side = startSide(desk, logged, { giveMs: 60 });
    const { id, device } = await known({ reachable: false });
    world.behave({ hang: 'tasks' });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await expect.poll(async () => (await lastTask(desk, id))?.error).toBe('GenieACS does not answer');
    world.inform(device.id);
    world.behave({});
    await untilAfter(MINUTE, id, 'done');
    expect(posts().map(({ body }) => (JSON.parse(body) as { uniqueKey: string }).uniqueKey)).toEqual([
      expect.stringMatching(/^gerbang-\d+$/),
      (JSON.parse(posts()[0]!.body) as { uniqueKey: string }).uniqueKey,
    ]);
  });
});

test('GenieACS has as long as it may need for an order (130 s and more), and no claim ends before the work for it', () => {
  expect(GIVE_MS).toBeGreaterThan(130 * SECOND);
  // Looked for twice and read; the order; its key, task and fault asked for before and after; taken back.
  expect(CLAIM_MS).toBeGreaterThan(2 * SEARCH_MS + READ_MS + GIVE_MS + 2 * 3 * READ_MS + READ_MS);
});

test('what was asked for before GenieACS was switched off for long is not done when it is back', async () => {
  const { id, device } = await known();
  await side.stop();
  await orderOnt(desk, id, 'reboot');
  later(11 * MINUTE);
  side = startSide(desk, logged);
  await until(id, 'failed');
  expect([(await lastTask(desk, id))?.error, device.done]).toEqual(['unreachable', []]);
});

describe('several nodes', () => {
  test('do each task once', async () => {
    const other = await secondNode(desk);
    const otherSide = startSide(other, logged);
    const lines = await Promise.all(Array.from({ length: 12 }, () => known()));
    world.behave({ slowMs: 10 });
    await Promise.all(lines.map(({ id }) => orderOnt(desk, id, 'reboot')));
    for (const { id } of lines) await until(id, 'done');
    expect(lines.map(({ device }) => device.done)).toEqual(lines.map(() => ['reboot']));
    await otherSide.stop();
    await other.db.close();
  });

  test('one takes over from another that was killed with a task in hand', async () => {
    const { id, device } = await known();
    await side.stop();
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await desk.db.execute(`update acs_task set state = 'sent', attempts = 1, claimed_until = $1::timestamptz`, [
      new Date(desk.clock() + CLAIM_MS).toISOString(),
    ]);
    side = startSide(desk, logged);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(posts()).toHaveLength(0);
    await untilAfter(CLAIM_MS, id, 'done');
    expect(parameter(device, SSID)?._value).toBe('Kopi Pagi');
  });

  test('a node that stops cuts off what is on its way and leaves it to others at once', async () => {
    const { id } = await known({ reachable: false });
    world.behave({ hang: 'tasks' });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await until(id, 'sent');
    await expect.poll(() => posts().length).toBe(1);
    const began = performance.now();
    await side.stop();
    expect(performance.now() - began).toBeLessThan(2_000);
    world.behave({});
    side = startSide(desk, logged);
    await until(id, 'waiting');
    expect(posts()).toHaveLength(1);
  });
});

describe('secrets', () => {
  test('the password stands sealed in the row, nowhere once it is over, and in no audit', async () => {
    const { id } = await known({ reachable: false });
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi', password: 'Sangat-Rahasia-1' });
    await until(id, 'waiting');
    const everything = async () =>
      JSON.stringify([
        await desk.db.query(`select *, encode(body_sealed, 'escape') as raw from acs_task`),
        await desk.db.query('select * from audit'),
        await desk.db.query('select * from acs_device'),
      ]);
    expect(await everything()).not.toContain('Sangat-Rahasia');
    expect(await everything()).toContain('change wifi');
    world.inform(world.tasks[0]!.device);
    await untilAfter(16 * SECOND, id, 'done');
    expect(await desk.db.query('select octet_length(body_sealed) as size from acs_task')).toEqual([{ size: 0 }]);
  });

  test('a body that cannot be opened fails the task, and nothing is sent', async () => {
    const { id } = await known();
    await side.stop();
    await changeWifi(desk, { subscriberId: id, ssid: 'Kopi Pagi' });
    await desk.db.execute(`update acs_task set body_sealed = set_byte(body_sealed, 40, 7)`);
    side = startSide(desk, logged);
    await until(id, 'failed');
    expect(await lastTask(desk, id)).toMatchObject({ error: 'unreadable' });
    expect(posts()).toHaveLength(0);
  });
});

test('to read a modem anew asks it, and shows what it says', async () => {
  const { id, device } = await known();
  device.real.set('VirtualParameters.RXPower', '-28.9 dBm');
  await orderOnt(desk, id, 'refresh');
  await expect.poll(async () => (await side.control.ontOf(id))?.reading?.rxPowerDbm, { interval: 20 }).toBe(-28.9);
});

async function attempts(): Promise<number> {
  const [row] = await desk.db.query<{ attempts: number }>(
    'select attempts from acs_task where claimed_until is null order by id desc limit 1',
  );
  return row?.attempts ?? 0;
}
