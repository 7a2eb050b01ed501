import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { isZone } from '#domain/time';
import { urlsOf } from '#storage/hosts';

/** What the environment decides about one node. Everything else is data in the database. */
export type Config = {
  /** Address of a PostgreSQL ≥ 15, maybe of several hosts; null = the embedded one in `dataDir`. */
  readonly databaseUrl: string | null;
  /** Absolute path of the folder that holds this node's journal, key and (embedded) database. */
  readonly dataDir: string;
  readonly http: { readonly host: string; readonly port: number };
  /** Where subscribers' browsers reach this node, without a slash at the end. */
  readonly publicUrl: string;
  /** PUBLIC_URL was given; if not, pages go by the address that a browser used. */
  readonly publicUrlIsSet: boolean;
  /** Proxies in front of the pages whose word on the browser's address is taken: addresses or blocks. */
  readonly trustedProxies: readonly string[];
  readonly radius: {
    readonly host: string;
    readonly authPort: number;
    readonly acctPort: number;
    readonly workers: number;
  };
  /** The HTTP door for FreeRADIUS' rlm_rest; null = closed. */
  readonly aaa: { readonly host: string; readonly port: number; readonly token: string } | null;
  readonly masterKeyFile: string;
  /** IANA name of the company's zone. */
  readonly zone: string;
  /** COMPANY_TIMEZONE said so; else the zone that was saved in the settings wins at the start. */
  readonly zoneIsSet: boolean;
  /** How many months of sessions, daily usage and enforcement acts are kept besides the running one. */
  readonly historyMonths: number;
  /** Another place than WhatsApp's own web socket, such as a proxy; null = WhatsApp. */
  readonly whatsAppUrl: string | null;
  /** Where the gateways' interfaces are; null = at the gateways. */
  readonly midtransBaseUrl: string | null;
  readonly xenditBaseUrl: string | null;
  readonly logLevel: LogLevel;
};

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const DEFAULT_ZONE = 'Asia/Jakarta';
const AAA_DEFAULT_PORT = 8120;

/** At most this many RADIUS workers are started unless more are asked for: two answer more than one NIC queue brings. */
const WORKERS_BY_DEFAULT_AT_MOST = 2;

/**
 * Reads the configuration out of an environment. An empty value counts as unset.
 *
 * @throws InvalidInput with one line for every wrong variable: what is wrong, what is allowed, an example
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const set = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environmentSchema.safeParse(set);
  if (!parsed.success) throw new InvalidInput(parsed.error.issues.map((issue) => faultOf(String(issue.path[0]), set)));
  const env = parsed.data;
  if (env.RADIUS_AUTH_PORT === env.RADIUS_ACCT_PORT && env.RADIUS_AUTH_PORT !== 0) {
    throw new InvalidInput([
      `RADIUS_ACCT_PORT=${env.RADIUS_ACCT_PORT} is also RADIUS_AUTH_PORT; give each a port of its own, for example RADIUS_ACCT_PORT=${env.RADIUS_AUTH_PORT + 1}`,
    ]);
  }
  // What a proxy says of the host is not taken: without the address that browsers know, all of them would be led astray.
  if (env.TRUSTED_PROXIES.length > 0 && env.PUBLIC_URL === undefined) {
    throw new InvalidInput([
      'TRUSTED_PROXIES needs PUBLIC_URL: say where browsers reach the proxy, for example PUBLIC_URL=https://portal.example.net',
    ]);
  }
  if (env.AAA_TOKEN === undefined && (env.AAA_HOST !== undefined || env.AAA_PORT !== undefined)) {
    throw new InvalidInput([
      `AAA_HOST and AAA_PORT need AAA_TOKEN, which FreeRADIUS has to show: ${ALLOWED.AAA_TOKEN}`,
    ]);
  }
  const dataDir = resolve(env.DATA_DIR);
  return {
    databaseUrl: env.DATABASE_URL ?? null,
    dataDir,
    http: { host: env.HTTP_HOST, port: env.HTTP_PORT },
    publicUrl: (env.PUBLIC_URL ?? `http://${visibleHost(env.HTTP_HOST)}:${env.HTTP_PORT}`).replace(/\/+$/, ''),
    publicUrlIsSet: env.PUBLIC_URL !== undefined,
    trustedProxies: env.TRUSTED_PROXIES,
    radius: {
      host: env.RADIUS_HOST,
      authPort: env.RADIUS_AUTH_PORT,
      acctPort: env.RADIUS_ACCT_PORT,
      workers: env.RADIUS_WORKERS ?? Math.min(WORKERS_BY_DEFAULT_AT_MOST, availableParallelism()),
    },
    aaa:
      env.AAA_TOKEN === undefined
        ? null
        : { host: env.AAA_HOST ?? '127.0.0.1', port: env.AAA_PORT ?? AAA_DEFAULT_PORT, token: env.AAA_TOKEN },
    masterKeyFile: resolve(env.MASTER_KEY_FILE ?? join(dataDir, 'master.key')),
    zone: env.COMPANY_TIMEZONE ?? DEFAULT_ZONE,
    zoneIsSet: env.COMPANY_TIMEZONE !== undefined,
    historyMonths: env.HISTORY_MONTHS,
    whatsAppUrl: env.WHATSAPP_URL ?? null,
    midtransBaseUrl: env.MIDTRANS_BASE_URL ?? null,
    xenditBaseUrl: env.XENDIT_BASE_URL ?? null,
    logLevel: env.LOG_LEVEL,
  };
}

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .refine((number) => number <= 65535);

const webAddress = z.string().refine((text) => ['http:', 'https:'].includes(urlOrNull(text)?.protocol ?? ''));

function isProxy(text: string): boolean {
  const [address, bits, ...more] = text.split('/');
  return (
    isIP(address!) > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= 128))
  );
}

const environmentSchema = z.object({
  DATABASE_URL: z
    .string()
    .refine((text) =>
      urlsOf(text).every((url) => ['postgres:', 'postgresql:'].includes(urlOrNull(url)?.protocol ?? '')),
    )
    .optional(),
  DATA_DIR: z
    .string()
    .refine((text) => !text.includes('\0'))
    .default('./data'),
  HTTP_HOST: z
    .string()
    .regex(/^[\w.:-]+$/)
    .default('0.0.0.0'),
  HTTP_PORT: port.default(3000),
  PUBLIC_URL: webAddress.optional(),
  TRUSTED_PROXIES: z
    .string()
    .transform((text) => text.split(',').map((one) => one.trim()))
    .refine((proxies) => proxies.every(isProxy))
    .default([]),
  RADIUS_HOST: z
    .string()
    .regex(/^[\w.:-]+$/)
    .default('0.0.0.0'),
  RADIUS_AUTH_PORT: port.default(1812),
  RADIUS_ACCT_PORT: port.default(1813),
  RADIUS_WORKERS: z
    .string()
    .regex(/^\d{1,2}$/)
    .transform(Number)
    .refine((count) => count >= 1 && count <= 64)
    .optional(),
  AAA_HOST: z
    .string()
    .regex(/^[\w.:-]+$/)
    .optional(),
  AAA_PORT: port.optional(),
  // No character that means something in a configuration file of FreeRADIUS.
  AAA_TOKEN: z
    .string()
    .regex(/^[\w.~-]{20,128}$/)
    .optional(),
  MASTER_KEY_FILE: z
    .string()
    .refine((text) => !text.includes('\0'))
    .optional(),
  COMPANY_TIMEZONE: z.string().refine(isZone).optional(),
  HISTORY_MONTHS: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .refine((months) => months >= 1 && months <= 120)
    // So that a dispute about the same month a year ago can be settled.
    .default(13),
  WHATSAPP_URL: z
    .string()
    .refine((text) => ['ws:', 'wss:'].includes(urlOrNull(text)?.protocol ?? ''))
    .optional(),
  MIDTRANS_BASE_URL: webAddress.optional(),
  XENDIT_BASE_URL: webAddress.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

/** What is allowed in each variable, with an example. */
const ALLOWED: Readonly<Record<string, string>> = {
  DATABASE_URL: 'the address of a PostgreSQL, for example postgres://gerbang:password@db.example.net:5432/gerbang',
  DATA_DIR: 'the path of a folder, for example /var/lib/gerbang',
  HTTP_HOST: 'an address or name of this machine, for example 0.0.0.0 or 127.0.0.1',
  HTTP_PORT: 'a port from 1 to 65535 (0 = any free one), for example 3000',
  PUBLIC_URL: 'a web address, for example https://portal.example.net',
  TRUSTED_PROXIES: 'addresses or blocks separated by commas, for example 127.0.0.1,10.0.0.0/24',
  RADIUS_HOST: 'an address of this machine, for example 0.0.0.0 or 10.0.0.2',
  RADIUS_AUTH_PORT: 'a port from 1 to 65535 (0 = any free one), for example 1812',
  RADIUS_ACCT_PORT: 'a port from 1 to 65535 (0 = any free one), for example 1813',
  RADIUS_WORKERS: 'a whole number from 1 to 64, for example 2',
  AAA_HOST: 'an address of this machine, for example 127.0.0.1 or 10.0.0.2',
  AAA_PORT: 'a port from 1 to 65535 (0 = any free one), for example 8120',
  AAA_TOKEN: '20 to 128 letters, digits, dots, dashes, tildes or underscores; make one with: openssl rand -hex 24',
  MASTER_KEY_FILE: 'the path of a file, for example /etc/gerbang/master.key',
  COMPANY_TIMEZONE: 'a zone of the tz database, for example Asia/Jakarta, Asia/Makassar or Asia/Jayapura',
  HISTORY_MONTHS: 'a whole number from 1 to 120, for example 13',
  WHATSAPP_URL: 'the address of a web socket, for example wss://web.whatsapp.com/ws/chat; leave it out to use that one',
  MIDTRANS_BASE_URL: 'a web address, for example http://127.0.0.1:4010; leave it out to use Midtrans itself',
  XENDIT_BASE_URL: 'a web address, for example http://127.0.0.1:4011; leave it out to use Xendit itself',
  LOG_LEVEL: `one of ${LOG_LEVELS.join(', ')}, for example info`,
};

/** Variables whose value may hold a password: a fault line shows only that they are set. */
const SECRET = new Set(['DATABASE_URL', 'AAA_TOKEN']);

function faultOf(name: string, set: Readonly<Record<string, unknown>>): string {
  const shown = SECRET.has(name) ? `${name} (its value is not shown)` : `${name}=${JSON.stringify(set[name])}`;
  return `${shown} is not usable; allowed is ${ALLOWED[name]}`;
}

function urlOrNull(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

/** The wildcard address is nothing a browser can open. */
function visibleHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
