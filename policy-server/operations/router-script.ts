import { isIP, isIPv4 } from 'node:net';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';

export type RouterScriptInput = {
  readonly nas: { readonly name: string; readonly secret: string; readonly coaPort: number };
  /** Where the router reaches this server, and other nodes that it asks, in this order, where this one is silent. */
  readonly server: {
    readonly address: string;
    readonly others?: readonly string[];
    readonly authPort: number;
    readonly acctPort: number;
  };
  /** Where subscribers without a package are led: the address the router sends them to, and the page's URL. */
  readonly portal: { readonly address: string; readonly url: string };
  readonly version: 6 | 7;
  /** Host names, addresses and blocks that stay open without a package; `*.example.com` needs RouterOS 7. */
  readonly walledGarden: readonly string[];
};

/**
 * The address-lists of the default policy. A line in `prepaid-active` meets no rule of ours, and neither does one that is
 * open to pay, so that a router whose script is older lets it through just as well.
 */
const ACTIVE = 'prepaid-active';
const PAYING = 'prepaid-paying';
const NO_PACKAGE = 'prepaid-no-package';
const GARDEN = 'walled-garden';
/** Marks what is ours on the router, so that a second run replaces it and nothing else is touched. */
const OURS = 'gerbang';

/**
 * Seconds to wait for a reply. The router's own default is 300 ms, or 1.1 s in the newest versions. It remembers no server
 * that is down: where there is another to ask, the wait for the first is short.
 */
const TIMEOUT_SECONDS = 3;
const TIMEOUT_SECONDS_OF_SEVERAL = 1;
const INTERIM_MINUTES = 5;

/**
 * The commands that make a MikroTik ask this server: paste them into its terminal or `/import` them as a file. A second
 * run replaces the first. It changes only what is marked as ours and the two global settings it needs (RADIUS
 * incoming, PPP AAA); of the rest (left-over secrets, FastTrack, DNS, clock) it tells what is in the way.
 * docs/PREPAID_MIKROTIK_SETUP.md explains each step. Not tried on a router: composed from the vendor's documentation.
 *
 * @throws InvalidInput for an address, port or host name that is none
 */
export function routerScript(input: RouterScriptInput): string {
  const faults = faultsOf(input);
  if (faults.length > 0) throw new InvalidInput(faults);
  return [
    ...heading(input),
    ...radius(input),
    ...lists(input),
    ...filter(input),
    ...nat(input),
    ...(input.version === 7 ? ipv6() : ipv6ByHand()),
    ...readiness(),
  ]
    .join('\n')
    .concat('\n');
}

/**
 * A value as a RouterOS string. Everything but letters, digits and a few harmless signs goes in as `\XX`, two capital
 * hexadecimal digits an octet: no quote, `$`, `[`, `?` or line end of a name can be read as a command.
 */
export function routerString(value: string): string {
  const octets = Array.from(Buffer.from(value, 'utf8'), (octet) => {
    const sign = String.fromCharCode(octet);
    return /[A-Za-z0-9 ._:/@+,-]/.test(sign) ? sign : `\\${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return `"${octets.join('')}"`;
}

const HOST = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i;

/** The addresses that are asked and may send CoA, in their order. */
export const addressesOf = ({ address, others = [] }: RouterScriptInput['server']): readonly string[] => [
  address,
  ...others,
];

function faultsOf({ nas, server, portal, walledGarden }: RouterScriptInput): string[] {
  const ports = { 'CoA port': nas.coaPort, 'RADIUS port': server.authPort, 'accounting port': server.acctPort };
  return [
    ...serverFaults(server),
    ...(isIPv4(portal.address)
      ? []
      : [say`portal address "${portal.address}" is not an IPv4 address, for example 10.0.0.2`]),
    ...(URL.canParse(portal.url)
      ? []
      : [say`portal URL "${portal.url}" is not a web address, for example http://10.0.0.2:3000`]),
    ...Object.entries(ports)
      .filter(([, port]) => !Number.isInteger(port) || port < 1 || port > 65535)
      .map(([name, port]) => say`${name} ${port} is not a port from 1 to 65535`),
    ...walledGarden
      .filter((entry) => !isNetwork(entry) && !HOST.test(entry))
      .map(
        (entry) =>
          say`walled garden "${entry}" is neither a host name nor an IPv4 address, for example app.midtrans.com`,
      ),
  ];
}

/** In words: each address that is none. */
export function serverFaults(server: RouterScriptInput['server']): string[] {
  return addressesOf(server)
    .filter((address) => isIP(address) === 0)
    .map((address) => say`server address "${address}" is not an IP address, for example 10.0.0.2`);
}

function isNetwork(entry: string): boolean {
  const [address, bits, ...rest] = entry.split('/') as [string, string | undefined];
  return isIPv4(address) && rest.length === 0 && (bits === undefined || (/^\d\d?$/.test(bits) && Number(bits) <= 32));
}

/** Comments of a script end with their line, and a backslash at the end would join the next: only plain signs here. */
function heading({ nas, version }: RouterScriptInput): string[] {
  const name = nas.name.replace(/[^A-Za-z0-9 ._-]/g, '_').slice(0, 60);
  return [
    `# Gerbang: RouterOS ${version}, router ${name}`,
    '# This file holds the RADIUS secret: delete it after use.',
  ];
}

function radius({ nas, server }: RouterScriptInput): string[] {
  const addresses = addressesOf(server);
  const seconds = addresses.length === 1 ? TIMEOUT_SECONDS : TIMEOUT_SECONDS_OF_SEVERAL;
  return [
    '',
    '# 1. Who is asked, and who may send CoA and Disconnect',
    `/radius remove [find comment=${routerString(OURS)}]`,
    ...addresses.map(
      (address) =>
        `/radius add service=ppp address=${address} secret=${routerString(nas.secret)} authentication-port=${server.authPort} accounting-port=${server.acctPort} timeout=${seconds}s comment=${routerString(OURS)}`,
    ),
    `/radius incoming set accept=yes port=${nas.coaPort}`,
    `/ppp aaa set use-radius=yes accounting=yes interim-update=${INTERIM_MINUTES}m`,
  ];
}

function lists({ portal, walledGarden, version }: RouterScriptInput): string[] {
  const add = (address: string) =>
    `/ip firewall address-list add list=${GARDEN} address=${address} comment=${routerString(OURS)}`;
  const wild = walledGarden.filter((entry) => entry.startsWith('*.')).map((entry) => entry.slice(2));
  const forward = (name: string) =>
    `/ip dns static add type=FWD name=${name} match-subdomain=yes address-list=${GARDEN} comment=${routerString(OURS)}`;
  return [
    '',
    '# 2. What stays open without a package: the portal and the walled garden',
    `/ip firewall address-list remove [find list=${GARDEN} dynamic=no comment=${routerString(OURS)}]`,
    add(portal.address),
    ...walledGarden.filter((entry) => !entry.startsWith('*.')).map(add),
    ...(version === 7
      ? [`/ip dns static remove [find comment=${routerString(OURS)}]`, ...wild.map(forward)]
      : wild.map((name) => `# RouterOS 6 has no wildcards: name the hosts of ${name} one by one`)),
  ];
}

/** Rules as `chain, matcher and action`; they are added, then moved above every rule that is not ours. */
function rules(menu: string, bodies: readonly string[]): string[] {
  return [
    `${menu} remove [find comment=${routerString(OURS)}]`,
    `:local first [${menu} find dynamic=no]`,
    ...bodies.map((body) => `${menu} add ${body} comment=${routerString(OURS)}`),
    `:if ([:len $first] > 0) do={ ${menu} move [find comment=${routerString(OURS)}] destination=[:pick $first 0] }`,
  ];
}

/** Each table in braces: `:local` lives inside them, also when the script is pasted. */
const block = (lines: readonly string[]) => ['{', ...lines, '}'];

function filter({ nas, server }: RouterScriptInput): string[] {
  const coa = (address: string) =>
    `chain=input src-address=${address} protocol=udp dst-port=${nas.coaPort} action=accept`;
  return [
    '',
    '# 3. Filter, above "accept established": CoA and DNS in; without a package only the garden, both ways',
    `# (${ACTIVE}, and ${PAYING} while a payment window is open, are let through like everybody else)`,
    ...block(
      rules('/ip firewall filter', [
        ...addressesOf(server).filter(isIPv4).map(coa),
        `chain=input src-address-list=${NO_PACKAGE} protocol=udp dst-port=53 action=accept`,
        `chain=input src-address-list=${NO_PACKAGE} protocol=tcp dst-port=53 action=accept`,
        `chain=forward src-address-list=${NO_PACKAGE} dst-address-list=${GARDEN} action=accept`,
        `chain=forward src-address-list=${GARDEN} dst-address-list=${NO_PACKAGE} action=accept`,
        `chain=forward src-address-list=${NO_PACKAGE} protocol=tcp action=reject reject-with=tcp-reset`,
        // QUIC and all the rest fail at once, so that a device falls back to its plain HTTP probe.
        `chain=forward src-address-list=${NO_PACKAGE} action=reject reject-with=icmp-admin-prohibited`,
        `chain=forward dst-address-list=${NO_PACKAGE} action=drop`,
      ]),
    ),
  ];
}

function nat({ portal }: RouterScriptInput): string[] {
  const { protocol, port } = new URL(portal.url);
  const toPort = protocol === 'http:' && port !== '' ? port : '80';
  return [
    '',
    '# 4. Redirect: DNS to this router, plain HTTP to the portal (HTTPS cannot be redirected)',
    ...block(
      rules('/ip firewall nat', [
        `chain=dstnat src-address-list=${NO_PACKAGE} protocol=udp dst-port=53 action=redirect`,
        `chain=dstnat src-address-list=${NO_PACKAGE} protocol=tcp dst-port=53 action=redirect`,
        `chain=dstnat src-address-list=${NO_PACKAGE} dst-address-list=!${GARDEN} protocol=tcp dst-port=80 action=dst-nat to-addresses=${portal.address} to-ports=${toPort}`,
        // The portal must see the subscriber's own address: it recognises the line by it.
        ...[NO_PACKAGE, PAYING].map(
          (list) => `chain=srcnat src-address-list=${list} dst-address=${portal.address} action=accept`,
        ),
      ]),
    ),
  ];
}

function ipv6(): string[] {
  return [
    '',
    '# 5. IPv6: the rules above are IPv4 only, so subscribers without a package get no IPv6 forwarding',
    ...block(
      rules('/ipv6 firewall filter', [
        `chain=forward src-address-list=${NO_PACKAGE} action=reject reject-with=icmp-admin-prohibited`,
        `chain=forward dst-address-list=${NO_PACKAGE} action=drop`,
      ]),
    ),
    `:put "IPv6: whether the router fills the IPv6 list ${NO_PACKAGE} by itself is not documented; if in doubt set use-ipv6=no in the PPP profile"`,
  ];
}

function ipv6ByHand(): string[] {
  return [
    '',
    '# 5. IPv6: where the ipv6 package is on, set use-ipv6=no in the PPP profile (the rules above are IPv4 only)',
  ];
}

const FIREWALL = ['filter', 'nat', 'mangle', 'raw'];

function readiness(): string[] {
  const tell = (condition: string, text: string) => `:if (${condition}) do={ :put "CHECK: ${text}" }`;
  return [
    '',
    '# 6. What may be in the way (nothing is changed)',
    tell('[:len [/ppp secret find disabled=no]] > 0', 'users in /ppp secret never reach RADIUS: disable them'),
    tell(
      `(${FIREWALL.map((menu) => `[:len [/ip firewall ${menu} find src-address-list="${ACTIVE}"]]`).join(' + ')}) > 0`,
      `rules of yours name the list ${ACTIVE}: let them name ${PAYING} too, where lines are while a payment window is open`,
    ),
    tell(
      '[:len [/ip firewall filter find action=fasttrack-connection disabled=no]] > 0',
      'FastTrack passes queues and filters by: disable it for subscribers',
    ),
    tell(
      '[/ip dns get allow-remote-requests] = no',
      'set /ip dns allow-remote-requests=yes and close port 53 towards the internet',
    ),
    ':put "Gerbang: done. Clock of this router:"',
    ':put [/system clock get time]',
  ];
}
