import { expect, test } from 'vitest';
import { isOntOnline, signalOf } from '#domain/acs';
import { SETTINGS } from '#domain/settings';
import { MINUTE } from '#domain/time';
import { readingOf } from '#integrations/genieacs/reading';
import { newDevice, type OntOptions, putParameter } from '#test/world/genieacs-device';

const NOW = Date.parse('2026-11-21T02:00:00Z');
const { paths } = SETTINGS.genieacs.parse({});

const read = (virtual: OntOptions['virtual'], more: Partial<OntOptions> = {}) => {
  const { document } = newDevice({ username: 'budi', bare: true, virtual: virtual ?? {}, ...more }, NOW);
  return readingOf(document as Parameters<typeof readingOf>[0], paths);
};

test.each([
  ['-21.5 dBm', -21.5],
  ['-21,5', -21.5],
  [-19, -19],
  ['1870', -21.3], // hundredths above −40, as virtual parameters of panels have it
  [2200, -18],
  [-23456, -23.46], // thousandths, TR-181
  ['0', null], // a dark fibre, or an ONT that does not tell
  ['N/A', null],
  ['', null],
  ['-infinity', null],
  [-99, null],
  [true, null],
])('light told as %j is %j dBm', (told, dbm) => {
  expect(read({ RXPower: told }).rxPowerDbm).toBe(dbm);
});

test.each([
  ['48', 48],
  ['48.5 C', 48.5],
  [12_800, 50],
  ['N/A', null],
  [90_000, null],
])('a temperature told as %j is %j °C', (told, celsius) => {
  expect(read({ gettemp: told }).temperatureC).toBe(celsius);
});

test.each([
  ['273906', 273_906],
  ['3d 04:05:06', 273_906],
  ['3 days, 4:05:06', 273_906],
  ['04:05:06', 14_706],
  ['3 hari 04:05:06', 273_906],
])('an uptime told as %j is %j s', (told, seconds) => {
  expect(read({ getdeviceuptime: told }).uptimeSeconds).toBe(seconds);
});

test('the first path that has a usable value counts, virtual before native', () => {
  expect(read({ RXPower: 'N/A', redaman: '-24.1' }).rxPowerDbm).toBe(-24.1);
  expect(read({}).uptimeSeconds).toBe(273_906);
  expect(read({ getdeviceuptime: '60' }).uptimeSeconds).toBe(60);
});

test('what a device does not tell is null, and nothing fails', () => {
  expect(read({}, { model: 'tr181' })).toMatchObject({
    rxPowerDbm: null,
    temperatureC: null,
    uptimeSeconds: null,
    connectedDevices: null,
    pppIp: null,
    model: 'HG8145V5',
  });
  expect(readingOf({ _id: 'x' }, paths)).toMatchObject({
    manufacturer: null,
    lastInform: null,
    ssid: null,
    ssidPaths: [],
  });
  const odd = { _id: 'x', _lastInform: 7, VirtualParameters: 'none', InternetGatewayDevice: null };
  expect(readingOf(odd, paths)).toMatchObject({ lastInform: null, rxPowerDbm: null });
});

test.each(['0.0.0.0', '', 'none'])('the address %j of a line that is down is none', (address) => {
  expect(read({ pppoeIP: address }).pppIp).toBeNull();
});

test.each([
  [true, true],
  ['1', true],
  ['false', false],
  [0, false],
  ['maybe', null],
])('WiFi told as %j is on: %j', (told, on) => {
  const device = newDevice({ username: 'budi' }, NOW);
  putParameter(device, paths.ssidEnabled[0]!, told, true);
  expect(readingOf(device.document as Parameters<typeof readingOf>[0], paths).ssidEnabled).toBe(on);
});

test('WiFi is changed at the paths that the device has and lets be written, one for each radio', () => {
  const wlan = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration';
  const more = {
    ...paths,
    ssid: [...paths.ssid, `${wlan}.5.SSID`],
    wifiPassword: [
      `${wlan}.1.KeyPassphrase`,
      ...paths.wifiPassword,
      `${wlan}.5.KeyPassphrase`,
      `${wlan}.5.PreSharedKey.1.KeyPassphrase`,
    ],
  };
  const device = newDevice({ username: 'budi' }, NOW);
  const of = () => readingOf(device.document as Parameters<typeof readingOf>[0], more);
  expect(of()).toMatchObject({
    ssidPaths: [`${wlan}.1.SSID`],
    passwordPaths: [`${wlan}.1.PreSharedKey.1.KeyPassphrase`],
  });
  putParameter(device, `${wlan}.5.SSID`, 'RUMAH-5G', true);
  putParameter(device, `${wlan}.1.KeyPassphrase`, '', true);
  putParameter(device, `${wlan}.5.KeyPassphrase`, '', false);
  expect(of()).toMatchObject({
    ssidPaths: [`${wlan}.1.SSID`, `${wlan}.5.SSID`],
    passwordPaths: [`${wlan}.1.KeyPassphrase`],
  });
});

test('the password that stands in GenieACS is not part of a reading', () => {
  const { document } = newDevice({ username: 'budi' }, NOW);
  expect(JSON.stringify(document)).toContain('Sandi-lama-99');
  expect(JSON.stringify(readingOf(document as Parameters<typeof readingOf>[0], paths))).not.toContain('Sandi-lama-99');
});

test('light is good to −25 dBm, weak to −27, bad below; and bad where it dazzles (ITU-T G.984.2 B+)', () => {
  expect([-8, -21.3, -25].map(signalOf)).toEqual(['good', 'good', 'good']);
  expect([-25.1, -27].map(signalOf)).toEqual(['weak', 'weak']);
  expect([-27.1, -40, -7.9].map(signalOf)).toEqual(['bad', 'bad', 'bad']);
});

test('an ONT is online while it was heard of within 2.5 informs', () => {
  expect(isOntOnline(NOW - 12.4 * MINUTE, NOW, 5)).toBe(true);
  expect(isOntOnline(NOW - 12.5 * MINUTE, NOW, 5)).toBe(false);
  expect(isOntOnline(NOW - 12.5 * MINUTE, NOW, 10)).toBe(true);
  expect(isOntOnline(null, NOW, 5)).toBe(false);
});
