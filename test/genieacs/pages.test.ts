import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '#domain/time';
import { changeWifi } from '#operations/wifi';
import type { AcsSide } from '#policy-server/acs-side';
import { readSecretSetting, readSettings } from '#storage/settings';
import { addLine, lastTask, ontsOf, readOnt, startSide, startWorld } from '#test/genieacs/harness';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import type { GenieAcsWorld } from '#test/world/genieacs';
import type { OntOptions, StandInDevice } from '#test/world/genieacs-device';

let portal: TestPortal;
let world: GenieAcsWorld;
let side: AcsSide;
let owner: Browserlike;
beforeAll(async () => {
  portal = await startPortal({ live: { onts: ontsOf(() => side) } });
  owner = await portal.loginStaff('owner');
});
afterAll(() => portal.stop());
beforeEach(async () => {
  portal.setClock(NOW);
  await portal.db.execute(`delete from setting where key = 'genieacs'`);
  world = await startWorld(portal.desk);
  side = startSide(portal.desk);
});
afterEach(async () => {
  await side.stop();
  await world.stop();
  expect(portal.logged).toEqual([]);
});

const until = (id: number, state: string) =>
  expect.poll(async () => (await lastTask(portal.desk, id))?.state, { interval: 10, timeout: 20_000 }).toBe(state);

describe('the settings of GenieACS', () => {
  const PATH = '/settings/genieacs';
  /** What the form has, as a browser would send it back. */
  const shown = (html: string): Record<string, string> => ({
    ...Object.fromEntries(
      [...html.matchAll(/<input id="(\w+)" name="\w+"[^>]*value="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
    ),
    ...Object.fromEntries(
      [...html.matchAll(/<textarea[^>]*name="([\w-]+)"[^>]*>([^<]*)</g)].map(([, name, value]) => [name!, value!]),
    ),
    informMinutes: /name="informMinutes" value="(\d+)"/.exec(html)![1]!,
  });

  test('are a tab that only those see who may change settings', async () => {
    expect((await owner.open('/settings')).text).toContain('href="/settings/genieacs"');
    const technician = await portal.loginStaff('technician');
    expect((await technician.open(PATH)).status).toBe(403);
    expect((await technician.open('/settings/routers')).text).not.toContain('/settings/genieacs');
  });

  test('are saved as a whole: address, login, inform interval, and the paths of each metric', async () => {
    const page = await owner.open(PATH);
    const form = shown(page.text);
    expect(form['path-rxPower']).toContain('VirtualParameters.redaman');
    const sent = await owner.submit(PATH, {
      ...form,
      url: 'http://10.0.0.5:7557',
      username: 'acs',
      password: 'S3cret!',
      informMinutes: '10',
      'path-rxPower': 'VirtualParameters.Redaman_Baru\n  Device.Optical.Interface.1.OpticalSignalLevel\n',
    });
    expect([sent.status, textOf(sent.text).includes('disimpan')]).toEqual([200, true]);
    const { genieacs } = await readSettings(portal.db);
    expect(genieacs).toMatchObject({ url: 'http://10.0.0.5:7557', username: 'acs', informMinutes: 10 });
    expect(genieacs.paths.rxPower).toEqual([
      'VirtualParameters.Redaman_Baru',
      'Device.Optical.Interface.1.OpticalSignalLevel',
    ]);
    expect(genieacs.paths.wifiPassword).toHaveLength(2);
    expect(await readSecretSetting(portal.db, portal.desk.sealer, 'genieacs.password')).toBe('S3cret!');
  });

  test('keep the password where it is left empty, never show it, and take it out when told', async () => {
    const page = await owner.open(PATH);
    expect(page.text).not.toContain('S3cret');
    expect(textOf(page.text)).toContain('sudah diisi');
    const kept = await owner.submit(PATH, { ...shown(page.text), password: '' });
    expect(kept.status).toBe(200);
    expect(await readSecretSetting(portal.db, portal.desk.sealer, 'genieacs.password')).toBe('S3cret!');
    await owner.submit(PATH, { ...shown(page.text), password: '', 'forget-password': 'yes' });
    expect(await readSecretSetting(portal.db, portal.desk.sealer, 'genieacs.password')).toBeNull();
  });

  test.each([
    ['url', 'ftp://10.0.0.5', 'Tulis alamat lengkap'],
    ['url', '10.0.0.5', 'Tulis alamat lengkap'],
    ['informMinutes', '0', 'Tulis menit bulat'],
    ['path-ssid', 'InternetGatewayDevice.LANDevice.*.SSID', 'tanpa tanda *'],
    ['password', 'dua kata', 'spasi'],
  ])('refuse %s = %s, and keep what was typed', async (name, value, says) => {
    const page = await owner.open(PATH);
    const sent = await owner.submit(PATH, { ...shown(page.text), username: 'diketik', [name]: value });
    expect(sent.status).toBe(422);
    expect(textOf(sent.text)).toContain(says);
    expect(sent.text).toContain('value="diketik"');
    if (name === 'password') expect(sent.text).not.toContain(value);
    else expect(sent.text).toContain(value);
    expect((await readSettings(portal.db)).genieacs.username).not.toBe('diketik');
  });

  test('can be tested, with the remedy when it fails', async () => {
    await owner.open(PATH);
    expect(textOf((await owner.submit(`${PATH}/test`)).text)).toContain('Uji koneksi: GenieACS menjawab');
    world.behave({ body: '<html>' });
    expect(textOf((await owner.submit(`${PATH}/test`)).text)).toContain('portnya 7557');
    world.behave({ status: 401 });
    expect(textOf((await owner.submit(`${PATH}/test`)).text)).toContain('menolak username atau sandinya');
  });
});

describe('the modem on the page of a subscriber', () => {
  type Known = { id: number; username: string; device: StandInDevice; path: string };
  async function known(more: Partial<OntOptions> = {}): Promise<Known> {
    const line = await addLine(portal.desk);
    const device = world.add({ username: line.username, ...more });
    await readOnt(side, line.id);
    return { ...line, device, path: `/customers/${line.id}` };
  }
  /** The card alone. */
  const card = async (browser: Browserlike, path: string) =>
    /<section class="card" id="ont">[\s\S]*?<\/section>/.exec((await browser.open(path)).text)?.[0] ?? '';

  test('shows how it is', async () => {
    const { path, device } = await known();
    const text = textOf(await card(owner, path));
    for (const part of [
      'ZTE F670L',
      'Modem online',
      '−21,3 dBm baik',
      '48 °C',
      '3 hari 4 jam',
      device.id,
      '10.64.3.7',
      'RUMAH-BUDI',
    ])
      expect(text).toContain(part);
  });

  test('is not there where no ACS is set', async () => {
    const { path } = await known();
    await portal.db.execute(`delete from setting where key = 'genieacs'`);
    expect(await card(owner, path)).toBe('');
  });

  test('says that GenieACS knows none, and what to look at', async () => {
    const line = await addLine(portal.desk);
    expect(textOf(await card(owner, `/customers/${line.id}`))).toContain('Periksa username di modem');
  });

  test('shows a conflict', async () => {
    const { path, username, id } = await known();
    world.add({ username, lastInform: portal.clock() - HOUR });
    await readOnt(side, id);
    expect(textOf(await card(owner, path))).toContain('1 modem lain memakai username PPPoE yang sama');
  });

  test('is restarted once it was asked twice, and how far that is stands there', async () => {
    const { path, device, id } = await known();
    await owner.open(path);
    const sent = await owner.submit(`${path}/ont/reboot`);
    expect(textOf(sent.text)).toContain('diminta menyala ulang');
    await until(id, 'done');
    expect(device.done).toEqual(['reboot']);
    expect(textOf(await card(owner, path))).toMatch(/Nyalakan ulang selesai/);
    device.reachable = false;
    await owner.submit(`${path}/ont/reboot`);
    expect(textOf((await owner.submit(`${path}/ont/reboot`)).text)).toContain('sudah dalam perjalanan');
  });

  test('is read anew on request: the modem itself is asked', async () => {
    const { path, device, id } = await known();
    device.real.set('VirtualParameters.RXPower', '-27.6 dBm');
    await owner.open(path);
    await owner.submit(`${path}/ont/refresh`);
    await until(id, 'done');
    await expect.poll(async () => textOf(await card(owner, path))).toContain('−27,6 dBm buruk');
  });

  test('that cannot be read says why', async () => {
    const { path } = await known();
    world.behave({ status: 503 });
    await owner.open(path);
    const sent = await owner.submit(`${path}/ont/refresh`);
    expect(textOf(sent.text)).toContain('Tidak dapat dibaca sekarang: GenieACS tidak dapat dihubungi (HTTP 503)');
    expect(textOf(await card(owner, path))).toContain('RUMAH-BUDI');
  });

  test('tells of a WiFi change that the modem refused what the modem said, and no password', async () => {
    const { path, device, id } = await known();
    device.refuses = { code: 'cwmp.9007', message: 'Invalid value rahasia-1!' };
    await changeWifi(portal.desk, { subscriberId: id, password: 'rahasia-1!' });
    side.control.wake();
    await until(id, 'failed');
    const text = (await owner.open(path)).text;
    expect(textOf(text)).toContain('ditolak modem: cwmp.9007 Invalid value (not shown)');
    expect(text).not.toContain('rahasia');
    // The audit has the database's time.
    portal.setClock(Date.now() + MINUTE);
    owner = await portal.loginStaff('owner');
    expect(textOf((await owner.open(path)).text)).toContain('Nama atau sandi WiFi diganti');
  });

  test.each([
    ['technician', true],
    ['customer-service', true],
    ['network-engineer', true],
  ] as const)('%s may restart it: %s', async (role, may) => {
    const { path } = await known();
    const browser = await portal.loginStaff(role);
    expect((await card(browser, path)).includes('/ont/reboot')).toBe(may);
    expect((await browser.submit(`${path}/ont/reboot`)).status).toBe(200);
  });

  test('of nobody is not found, and strangers are not let in', async () => {
    await owner.open('/customers');
    for (const act of ['reboot', 'refresh'])
      expect((await owner.submit(`/customers/999999/ont/${act}`)).status).toBe(404);
    expect((await portal.browser().open('/customers/1/ont')).path).toMatch(/^\/login/);
  });

  test('holds the page up for 300 ms at most when GenieACS hangs', async () => {
    const line = await addLine(portal.desk);
    await owner.open('/customers');
    world.behave({ hang: 'all' });
    portal.setClock(portal.clock() + MINUTE);
    const began = performance.now();
    expect(await card(owner, `/customers/${line.id}`)).toContain('Sedang ditanyakan');
    expect(performance.now() - began).toBeLessThan(1_500);
  });
});
