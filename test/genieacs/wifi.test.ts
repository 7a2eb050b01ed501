import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '#domain/time';
import { saveSettings } from '#operations/settings';
import { changeWifi, orderOnt } from '#operations/wifi';
import type { AcsSide } from '#policy-server/acs-side';
import { addLine, lastTask, readOnt, startSide, startWorld } from '#test/genieacs/harness';
import { faults, type TestDesk, testDesk } from '#test/operations/desk';
import type { GenieAcsWorld } from '#test/world/genieacs';

let desk: TestDesk;
let world: GenieAcsWorld;
let side: AcsSide;
beforeAll(async () => {
  desk = await testDesk();
  world = await startWorld(desk);
  side = startSide(desk);
});
afterAll(async () => {
  await side.stop();
  await world.stop();
});

const later = (ms: number) => desk.setClock(desk.clock() + ms);

/** A line whose modem is known; it is silent, so that tasks stay. */
async function known(): Promise<{ id: number; username: string }> {
  const line = await addLine(desk);
  world.add({ username: line.username, reachable: false });
  await readOnt(side, line.id);
  return line;
}

describe('what is refused before it is queued', () => {
  const SSIDS: [string, boolean][] = [
    ['A', true],
    ['x'.repeat(32), true],
    ['x'.repeat(33), false],
    ['☕'.repeat(10), true],
    ['☕'.repeat(11), false], // 33 octets
    ['   ', false],
    ['a\u0007b', false],
  ];
  test.each(SSIDS)('a WiFi name %j: %j', async (ssid, ok) => {
    const { id } = await known();
    expect((await faults(changeWifi(desk, { subscriberId: id, ssid }))).length === 0).toBe(ok);
  });

  const PASSWORDS: [string, boolean][] = [
    ['12345678', true],
    ['1234567', false],
    ['x'.repeat(63), true],
    ['x'.repeat(64), false],
    ['sandi rumah', true],
    [' sandi123', false],
    ['sandi123 ', false],
    ['kafé12345', false],
    ['a\tb456789', false],
  ];
  test.each(PASSWORDS)('a WiFi password %j: %j', async (password, ok) => {
    const { id } = await known();
    const refused = await faults(changeWifi(desk, { subscriberId: id, password }));
    expect(refused.length === 0).toBe(ok);
    expect(refused.join()).not.toContain(password);
  });

  test('nothing at all, a stranger, and a line without a known modem', async () => {
    const { id } = await known();
    const bare = await addLine(desk);
    expect(await faults(changeWifi(desk, { subscriberId: id }))).toHaveLength(1);
    expect(await faults(changeWifi(desk, { subscriberId: 999_999, ssid: 'A' }))).toEqual([
      expect.stringContaining('no subscriber'),
    ]);
    expect(await faults(changeWifi(desk, { subscriberId: bare.id, ssid: 'A' }))).toEqual([
      expect.stringContaining('no modem'),
    ]);
    const self = { ...desk, actor: `subscriber:${bare.id}` };
    expect(await faults(changeWifi(self, { subscriberId: id, ssid: 'A' }))).toEqual([
      expect.stringContaining('no subscriber'),
    ]);
    expect(await lastTask(desk, id)).toBeNull();
  });

  test('the seventh change of a subscriber within an hour; staff may', async () => {
    const { id } = await known();
    const self = { ...desk, actor: `subscriber:${id}` };
    for (let nth = 1; nth <= 6; nth += 1) {
      later(MINUTE);
      await changeWifi(self, { subscriberId: id, ssid: `Nama ${nth}` });
    }
    const ask = () => faults(changeWifi(self, { subscriberId: id, ssid: 'Nama 7' }));
    expect(await ask()).toEqual(['the WiFi was changed 6 times in an hour; again in 55 minutes']);
    expect(await faults(changeWifi(desk, { subscriberId: id, ssid: 'Staf' }))).toEqual([]);
    later(HOUR);
    expect(await ask()).toEqual([]);
  });

  test('many at the same moment are counted one after another', async () => {
    const { id } = await known();
    const self = { ...desk, actor: `subscriber:${id}` };
    const asked = Array.from({ length: 15 }, () => faults(changeWifi(self, { subscriberId: id, ssid: 'Sama' })));
    expect((await Promise.all(asked)).filter((one) => one.length === 0)).toHaveLength(6);
  });

  test('everything while no ACS is set', async () => {
    const { id } = await known();
    await saveSettings(desk, 'genieacs', { url: '' });
    expect(await faults(changeWifi(desk, { subscriberId: id, ssid: 'A' }))).toEqual([
      'the address of GenieACS is not set',
    ]);
    expect(await faults(orderOnt(desk, id, 'reboot'))).toEqual(['the address of GenieACS is not set']);
    await saveSettings(desk, 'genieacs', { url: world.url });
  });

  test('a second reboot while one is on its way', async () => {
    const { id } = await known();
    await orderOnt(desk, id, 'reboot');
    expect(await faults(orderOnt(desk, id, 'reboot'))).toEqual(['this is on its way to the modem already']);
    expect(await faults(orderOnt(desk, id, 'refresh'))).toEqual([]);
  });
});
