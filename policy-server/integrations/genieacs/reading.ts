import type { OntReading } from '#domain/acs';
import type { Settings } from '#domain/settings';
import type { Instant } from '#domain/time';

export type MetricPaths = Settings['genieacs']['paths'];

/** A device as NBI has it: parameters nested by the parts of their names, the value under `_value`. */
export type DeviceDocument = Readonly<Record<string, unknown>> & { readonly _id: string };

/** TR-098 and TR-181 have the user name of the PPPoE dial in one of many places; NBI takes no wildcards in paths. */
export const NATIVE_USERNAMES: readonly string[] = [
  ...[1, 2, 3, 4, 5, 6, 7, 8].flatMap((device) =>
    [1, 2].map(
      (connection) =>
        `InternetGatewayDevice.WANDevice.1.WANConnectionDevice.${device}.WANPPPConnection.${connection}.Username`,
    ),
  ),
  ...[1, 2, 3, 4].map((one) => `Device.PPP.Interface.${one}.Username`),
];

const MODELS = ['InternetGatewayDevice.DeviceInfo.ModelName', 'Device.DeviceInfo.ModelName'] as const;

/** Where a device may say by which PPPoE user name it dials. */
export const usernamePaths = (paths: MetricPaths): string[] => [
  ...new Set([...paths.pppUsername, ...NATIVE_USERNAMES]),
];

/** What is asked of a device and nothing else; of a password only whether it may be written, never what it is. */
export function projectionOf(paths: MetricPaths): string[] {
  const { wifiPassword, pppUsername: _ours, ...metrics } = paths;
  const values = [...Object.values(metrics).flat(), ...usernamePaths(paths), ...MODELS];
  const writable = [...paths.ssid, ...wifiPassword];
  return [
    '_id',
    '_lastInform',
    '_deviceId._Manufacturer',
    '_deviceId._ProductClass',
    ...new Set(values.map((path) => `${path}._value`)),
    ...new Set(writable.map((path) => `${path}._writable`)),
  ];
}

/** Whether the device dials by exactly this name, whatever NBI made of the question. */
export const dialsAs = (device: DeviceDocument, username: string, names: readonly string[]): boolean =>
  names.some((path) => textOf(valueAt(device, path)) === username);

export const lastInformOf = (device: DeviceDocument): Instant | null => {
  const at = typeof device._lastInform === 'string' ? Date.parse(device._lastInform) : Number.NaN;
  return Number.isNaN(at) ? null : at;
};

/** What the device told, in our units. */
export function readingOf(device: DeviceDocument, paths: MetricPaths): OntReading {
  const first = <Value>(candidates: readonly string[], read: (value: unknown) => Value | null): Value | null => {
    for (const path of candidates) {
      const value = read(valueAt(device, path));
      if (value !== null) return value;
    }
    return null;
  };
  const about = (name: string) => textOf(child(child(device, '_deviceId'), name));
  return {
    manufacturer: about('_Manufacturer'),
    model: first(MODELS, textOf) ?? about('_ProductClass'),
    lastInform: lastInformOf(device),
    rxPowerDbm: first(paths.rxPower, dbmOf),
    temperatureC: first(paths.temperature, celsiusOf),
    uptimeSeconds: first(paths.uptime, secondsOf),
    connectedDevices: first(paths.connectedDevices, countOf),
    ssid: first(paths.ssid, textOf),
    ssidEnabled: first(paths.ssidEnabled, booleanOf),
    pppUsername: first(usernamePaths(paths), textOf),
    pppIp: first(paths.pppIp, addressOf),
    ssidPaths: writablePaths(device, paths.ssid),
    passwordPaths: writablePaths(device, paths.wifiPassword),
    readPaths: [...new Set(Object.values(paths).flat())].filter((path) => valueAt(device, path) !== undefined),
  };
}

/** The radio a path is of: several paths may name the same thing of one, and only the first that is there is written. */
const radioOf = (path: string): string => /^.*?\.(?:WLANConfiguration|SSID|AccessPoint)\.\d+/.exec(path)?.[0] ?? path;

function writablePaths(device: DeviceDocument, candidates: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const path of candidates) {
    const radio = radioOf(path);
    if (!found.has(radio) && child(nodeAt(device, path), '_writable') === true) found.set(radio, path);
  }
  return [...found.values()];
}

const child = (node: unknown, name: string): unknown =>
  typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[name] : undefined;

const nodeAt = (device: DeviceDocument, path: string): unknown => path.split('.').reduce<unknown>(child, device);
const valueAt = (device: DeviceDocument, path: string): unknown => child(nodeAt(device, path), '_value');

const LONGEST_TEXT = 100;

function textOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return null;
  const text = value.trim();
  return text === '' ? null : text.slice(0, LONGEST_TEXT);
}

/** The number a value begins with: virtual parameters put units behind it (`-21.5 dBm`). */
function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'string') return null;
  const found = /^\s*([+-]?\d+(?:[.,]\d+)?)/.exec(value)?.[1];
  return found === undefined ? null : Number(found.replace(',', '.'));
}

const within = (value: number, least: number, most: number): number | null =>
  value >= least && value <= most ? Math.round(value * 100) / 100 : null;

/**
 * Received light in dBm. Some ONTs tell it scaled: above 100 it is hundredths above −40 dBm (as virtual parameters of
 * Indonesian panels have it), below −100 thousandths (TR-181, Device.Optical.Interface). What no ONT can receive, 0 of a
 * dark fibre included, is none.
 */
function dbmOf(value: unknown): number | null {
  const raw = numberOf(value);
  if (raw === null) return null;
  const dbm = raw > 100 ? raw / 100 - 40 : raw < -100 ? raw / 1000 : raw;
  return dbm === 0 ? null : within(dbm, -50, 10);
}

/** Some tell 256ths of a degree (SFF-8472). */
function celsiusOf(value: unknown): number | null {
  const raw = numberOf(value);
  return raw === null ? null : within(Math.abs(raw) > 200 ? raw / 256 : raw, -40, 150);
}

/** Seconds as a number, or written out: `3d 04:05:06`, `3 days, 4:05:06`, `04:05:06`. */
function secondsOf(value: unknown): number | null {
  if (typeof value === 'string') {
    const written = /^\s*(?:(\d+)\s*(?:d|days?|hari)[\s,]*)?(?:(\d+):(\d\d):(\d\d))\s*$/i.exec(value);
    if (written !== null) {
      const [days, hours, minutes, seconds] = written.slice(1).map((part) => Number(part ?? 0));
      return ((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!;
    }
  }
  const seconds = numberOf(value);
  return seconds === null ? null : within(Math.floor(seconds), 0, 2 ** 32);
}

function countOf(value: unknown): number | null {
  const count = numberOf(value);
  return count === null ? null : within(Math.floor(count), 0, 1_000);
}

function booleanOf(value: unknown): boolean | null {
  if (typeof value === 'boolean') return value;
  const text = String(value).trim().toLowerCase();
  if (text === 'true' || text === '1' || text === 'up' || text === 'enabled') return true;
  return text === 'false' || text === '0' || text === 'down' || text === 'disabled' ? false : null;
}

/** 0.0.0.0 is what an ONT has that is not connected. */
function addressOf(value: unknown): string | null {
  const text = textOf(value);
  return text !== null && /^[\d.]{7,15}$|^[\da-f:]{3,39}$/i.test(text) && text !== '0.0.0.0' && text !== '::'
    ? text
    : null;
}
