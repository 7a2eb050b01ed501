/** An ONT as its document in GenieACS has it, by TR-098 or TR-181, with the virtual parameters of Indonesian panels. */
export type OntOptions = {
  readonly id?: string;
  /** By which it dials. */
  readonly username: string;
  readonly model?: 'tr098' | 'tr181';
  readonly lastInform?: number;
  /** It answers a connection request. */
  readonly reachable?: boolean;
  readonly ssid?: string;
  /** Virtual parameters besides, or instead of, those that are there by itself. */
  readonly virtual?: Readonly<Record<string, unknown>>;
  /** Only what stands in `virtual` is there of those. */
  readonly bare?: boolean;
  readonly manufacturer?: string;
  readonly product?: string;
};

type Leaf = { _value?: unknown; _type?: string; _writable?: boolean; _timestamp?: string };
type Tree = { [name: string]: unknown };

export type StandInDevice = {
  readonly id: string;
  readonly document: Tree;
  reachable: boolean;
  /** A session is going on that does not end. */
  inSession: boolean;
  /** With this fault it refuses everything. */
  refuses: { code: string; message: string } | null;
  /** What it has by now, until it is read. */
  readonly real: Map<string, unknown>;
  /** The tasks it did or refused, by name. */
  readonly done: string[];
};

let serial = 0;

export function newDevice(options: OntOptions, now: number): StandInDevice {
  serial += 1;
  const {
    id = `202BC1-BM632w%2D${String(serial).padStart(6, '0')}`,
    username,
    model = 'tr098',
    manufacturer = 'ZTE',
    product = 'F670L',
  } = options;
  const at = new Date(options.lastInform ?? now).toISOString();
  const device: StandInDevice = {
    id,
    document: {
      _id: id,
      _lastInform: at,
      _registered: at,
      _tags: [],
      _deviceId: { _Manufacturer: manufacturer, _OUI: '202BC1', _ProductClass: product, _SerialNumber: String(serial) },
    },
    reachable: options.reachable ?? true,
    inSession: false,
    refuses: null,
    real: new Map(),
    done: [],
  };
  for (const [path, value, writable] of model === 'tr098' ? tr098(options) : tr181(options))
    putParameter(device, path, value, writable, at);
  const virtual = options.bare
    ? options.virtual
    : {
        pppUsername: username,
        pppoeIP: '10.64.3.7',
        RXPower: '-21.3 dBm',
        gettemp: '48',
        getdeviceuptime: '3d 04:05:06',
        activedevices: '7',
        ...options.virtual,
      };
  for (const [name, value] of Object.entries(virtual ?? {}))
    putParameter(device, `VirtualParameters.${name}`, value, false, at);
  return device;
}

function tr098({ username, ssid = 'RUMAH-BUDI' }: OntOptions): [string, unknown, boolean][] {
  const root = 'InternetGatewayDevice';
  const wlan = `${root}.LANDevice.1.WLANConfiguration.1`;
  return [
    [`${root}.WANDevice.1.WANConnectionDevice.2.WANPPPConnection.1.Username`, username, true],
    [`${root}.DeviceInfo.UpTime`, 273_906, false],
    [`${wlan}.SSID`, ssid, true],
    [`${wlan}.Enable`, true, true],
    [`${wlan}.TotalAssociations`, 7, false],
    [`${wlan}.PreSharedKey.1.KeyPassphrase`, 'Sandi-lama-99', true],
  ];
}

function tr181({ username, ssid = 'RUMAH-BUDI' }: OntOptions): [string, unknown, boolean][] {
  return [
    ['Device.PPP.Interface.1.Username', username, true],
    ['Device.DeviceInfo.ModelName', 'HG8145V5', false],
    ['Device.WiFi.SSID.1.SSID', ssid, true],
    ['Device.WiFi.SSID.1.Enable', true, true],
    ['Device.WiFi.AccessPoint.1.Security.KeyPassphrase', '', true],
  ];
}

/** A parameter of the ONT that its document did not have. */
export function putParameter(
  device: StandInDevice,
  path: string,
  value: unknown,
  writable: boolean,
  at?: string,
): void {
  const node = path.split('.').reduce<Tree>((tree, name) => {
    tree[name] ??= { _object: true };
    return tree[name] as Tree;
  }, device.document) as Leaf & Tree;
  delete node._object;
  Object.assign(node, {
    _value: value,
    _type: typeof value === 'number' ? 'xsd:unsignedInt' : typeof value === 'boolean' ? 'xsd:boolean' : 'xsd:string',
    _writable: writable,
    _timestamp: at ?? device.document._lastInform,
  });
}

export function parameter(device: StandInDevice, path: string): Leaf | null {
  const node = path.split('.').reduce<unknown>((tree, name) => (tree as Tree | undefined)?.[name], device.document);
  return (node as Leaf | undefined) ?? null;
}

export function setParameter(device: StandInDevice, path: string, value: unknown): void {
  const node = parameter(device, path);
  if (node !== null) node._value = value;
}
