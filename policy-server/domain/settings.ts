import { z } from 'zod';
import { GATEWAYS } from '#domain/gateway';
import { internationalDigits } from '#domain/phone';
import { say } from '#domain/say';
import { isZone } from '#domain/time';

/**
 * What the company decides about itself, in sections that are stored, read and edited each as a whole. Every field has
 * a value to begin with, so that a database without any setting works.
 */
export type Settings = { readonly [Section in SettingsSection]: z.output<(typeof SETTINGS)[Section]> };
export type SettingsSection = keyof typeof SETTINGS;

const text = (longest: number, example: string) =>
  z
    .string()
    .trim()
    .regex(/^[^\p{Cc}]*$/u)
    .max(longest)
    .describe(say`a text of at most ${longest} characters, for example ${example}`);

/** An empty field of a form means "none". */
const emptyIsNull = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((given) => (typeof given === 'string' && given.trim() === '' ? null : given), schema.nullable());

/** Forms send a list as one text; commas, blanks and line ends part its entries. */
const listed = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(
    (given) => (typeof given === 'string' ? given.split(/[\s,;]+/).filter((one) => one !== '') : given),
    schema,
  );

const e164 = z
  .string()
  .transform((given) => internationalDigits(given))
  .refine((digits) => digits !== null)
  .transform((digits) => `+${digits}`);

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);

/** A box that is ticked: a form sends `on`, or nothing at all. */
const flag = z.preprocess(
  (given) => (typeof given === 'string' ? given === 'on' || given === 'true' : given),
  z.boolean(),
);

/** Of the ways to pay of a gateway, those offered; empty = all it has. */
const methods = listed(z.array(z.string().regex(/^[A-Za-z0-9_]{2,40}$/)).max(40)).default([]);

/** Where a metric of an ONT is found: virtual parameters or native paths, the first that has a value counts. */
const paths = (...shipped: string[]) =>
  listed(z.array(z.string().regex(/^[A-Za-z][\w.-]{0,199}$/)).max(20)).default(shipped);

/** `*.example.com` stands for every host below it (RouterOS 7). */
const hostName = z.string().regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i);

const QUIET = say`a time of the day as HH:MM, for example 21:00; empty = no quiet hours`;

export const SETTINGS = {
  company: z.object({
    name: text(100, 'Maju Net').default('Gerbang'),
    address: text(300, 'Jl. Melati 7, Malang').default(''),
    phone: emptyIsNull(e164)
      .default(null)
      .describe(say`the number of customer service, for example +6281234567890 or 081234567890; empty = none`),
    hours: text(100, 'Senin–Sabtu 08.00–20.00').default(''),
    zone: emptyIsNull(z.string().refine(isZone))
      .default(null)
      .describe(
        say`a zone of the tz database, for example Asia/Jakarta, Asia/Makassar or Asia/Jayapura; empty = as set up`,
      ),
  }),
  reminders: z.object({
    endingSoonHours: z.coerce
      .number()
      .int()
      .min(1)
      .max(168)
      .default(24)
      .describe(say`whole hours from 1 to 168, for example 24`),
    quotaShares: listed(
      z
        .array(z.coerce.number().int().min(1).max(100))
        .max(10)
        .transform((shares) => [...new Set(shares)].sort((one, other) => one - other)),
    )
      .default([80, 100])
      .describe(say`shares of the quota in percent, 1 to 100, at most ten, for example 80, 100`),
    quietFrom: emptyIsNull(timeOfDay).default('21:00').describe(QUIET),
    quietTo: emptyIsNull(timeOfDay).default('07:00').describe(QUIET),
  }),
  billing: z.object({
    prefix: z
      .string()
      .trim()
      .toUpperCase()
      .regex(/^[A-Z0-9]{1,10}$/)
      .default('INV')
      .describe(say`what invoice numbers begin with, 1 to 10 letters and digits, for example INV`),
    tax: z
      .enum(['off', 'included', 'added'])
      .default('off')
      .describe(say`off, included (in the prices) or added (to them)`),
    taxPercent: z.coerce
      .number()
      .min(0)
      .max(100)
      .multipleOf(0.1)
      .default(11)
      .describe(say`the rate of PPN in percent, for example 11`),
    dueDays: z.coerce
      .number()
      .int()
      .min(0)
      .max(60)
      .default(7)
      .describe(say`whole days from an invoice to its due date, 0 to 60, for example 7`),
    autoPayDays: z.coerce
      .number()
      .int()
      .min(1)
      .max(14)
      .default(1)
      .describe(say`whole days before the end or the due date, 1 to 14, for example 1`),
    autoPayTries: z.coerce.number().int().min(1).max(6).default(3).describe(say`how many tries, 1 to 6, for example 3`),
  }),
  gateways: z.object({
    first: z.enum(GATEWAYS).default('midtrans').describe(say`the gateway that customers see first: midtrans or xendit`),
    linkHours: z.coerce
      .number()
      .int()
      .min(1)
      .max(168)
      .default(24)
      .describe(say`whole hours for which a payment link is good, 1 to 168, for example 24`),
    midtrans: z
      .object({ active: flag.default(false), production: flag.default(false), methods })
      .prefault({})
      .describe(say`of Midtrans: active, production, and which methods (empty = all)`),
    xendit: z
      .object({ active: flag.default(false), methods })
      .prefault({})
      .describe(say`of Xendit: active, and which methods (empty = all)`),
  }),
  genieacs: z.object({
    url: emptyIsNull(z.url({ protocol: /^https?$/ }))
      .default(null)
      .describe(say`the address of GenieACS' NBI, for example http://10.0.0.5:7557; empty = none`),
    username: text(100, 'admin').default(''),
    informMinutes: z.coerce
      .number()
      .int()
      .min(1)
      .max(1440)
      .default(5)
      .describe(say`whole minutes between two informs of an ONT, 1 to 1440, for example 5`),
    paths: z
      .object({
        pppUsername: paths('VirtualParameters.pppUsername', 'VirtualParameters.pppoeUsername'),
        pppIp: paths(
          'VirtualParameters.pppoeIP',
          'VirtualParameters.pppIP',
          'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress',
          'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.2.WANPPPConnection.1.ExternalIPAddress',
          'Device.PPP.Interface.1.IPCP.LocalIPAddress',
        ),
        rxPower: paths(
          'VirtualParameters.RXPower',
          'VirtualParameters.redaman',
          'InternetGatewayDevice.WANDevice.1.WANPONInterfaceConfig.RXPower',
          'Device.Optical.Interface.1.OpticalSignalLevel',
        ),
        temperature: paths(
          'VirtualParameters.gettemp',
          'Device.DeviceInfo.TemperatureStatus.TemperatureSensor.1.Value',
        ),
        uptime: paths(
          'VirtualParameters.getdeviceuptime',
          'InternetGatewayDevice.DeviceInfo.UpTime',
          'Device.DeviceInfo.UpTime',
        ),
        connectedDevices: paths(
          'VirtualParameters.activedevices',
          'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.TotalAssociations',
          'Device.WiFi.AccessPoint.1.AssociatedDeviceNumberOfEntries',
        ),
        ssid: paths('InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID', 'Device.WiFi.SSID.1.SSID'),
        ssidEnabled: paths('InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Enable', 'Device.WiFi.SSID.1.Enable'),
        wifiPassword: paths(
          'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase',
          'Device.WiFi.AccessPoint.1.Security.KeyPassphrase',
        ),
      })
      .prefault({})
      .describe(say`for each metric the paths it is looked for at, for example VirtualParameters.RXPower`),
  }),
  /** Beside what the gateways need, which domain/walled-garden.ts knows. */
  walledGarden: z.object({
    hosts: listed(
      z
        .array(z.union([hostName.toLowerCase(), z.ipv4(), z.cidrv4()]))
        .max(200)
        .transform((hosts) => [...new Set(hosts)]),
    )
      .default([])
      .describe(say`host names, *.names, IPv4 addresses or blocks, at most 200, for example app.midtrans.com`),
  }),
  whatsapp: z.object({
    transport: z
      .enum(['off', 'baileys', 'cloud'])
      .default('off')
      .describe(say`off, baileys (a linked phone) or cloud (WhatsApp Cloud API)`),
    // Messages to people who never wrote get a number restricted, at 15 to 20 a day already when it is new.
    perMinute: z.coerce
      .number()
      .int()
      .min(1)
      .max(600)
      .default(6)
      .describe(say`messages a minute, 1 to 600, for example 6`),
    perDay: z.coerce
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(300)
      .describe(say`messages a day, 1 to 100000, for example 300`),
    cloud: z
      .object({
        phoneNumberId: emptyIsNull(z.string().regex(/^\d{5,25}$/)).default(null),
        apiVersion: z
          .string()
          .regex(/^v\d{1,3}\.\d$/)
          .default('v23.0'),
        templates: z.record(z.string().max(50), z.string().regex(/^[a-z0-9_]{1,512}$/)).default({}),
      })
      .prefault({})
      .describe(
        say`of the Cloud API: the phone number ID (digits), the API version (such as v23.0), and for each notice the name of its approved template (small letters, digits, _)`,
      ),
  }),
} as const;

export const SETTINGS_SECTIONS = Object.keys(SETTINGS) as SettingsSection[];

/**
 * One section out of what is stored of it. What is missing, or is nothing this program can use (stored by another
 * version of it), has the value it begins with: a page must not fail for a setting.
 */
export function readSection<Section extends SettingsSection>(section: Section, stored: unknown): Settings[Section] {
  const schema: z.ZodObject = SETTINGS[section];
  const given: Readonly<Record<string, unknown>> = typeof stored === 'object' && stored !== null ? { ...stored } : {};
  const usable = Object.entries(schema.shape).flatMap(([field, of]) => {
    const parsed = z.safeParse(of, given[field]);
    return parsed.success ? [[field, parsed.data]] : [];
  });
  return schema.parse(Object.fromEntries(usable)) as Settings[Section];
}

/** What may be kept sealed, by key; pages only learn whether it is set. */
export const SECRET_SETTINGS = [
  'whatsapp.cloud.token',
  'whatsapp.cloud.app-secret',
  'whatsapp.cloud.verify-token',
  'gateway.midtrans.server-key',
  'gateway.xendit.api-key',
  'gateway.xendit.callback-token',
  'genieacs.password',
] as const;
export type SecretSetting = (typeof SECRET_SETTINGS)[number];
