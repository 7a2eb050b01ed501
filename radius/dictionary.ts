/** Names, numbers and printed values of attributes: the dictionary is `attributes.ts`, here are the questions to it. */
import { isIPv6 } from 'node:net';
import { type AttributeType, standardAttributes, vendors } from '#radius/attributes';
import { MAX_VALUE_OCTETS, MAX_VENDOR_VALUE_OCTETS, parseIpv4 } from '#radius/octets';
import { valueNames } from '#radius/values';

/** An attribute we can name; `vendor` 0 for the standard ones. */
export type Attribute = {
  readonly name: string;
  readonly vendor: number;
  readonly number: number;
  readonly type: AttributeType;
};

type VendorAttributes = (typeof vendors)[keyof typeof vendors]['attributes'];
type KeyOfEach<T> = T extends unknown ? keyof T : never;
export type AttributeName = keyof typeof standardAttributes | KeyOfEach<VendorAttributes>;

/** A name or a value that makes no attribute: `message` is one clear line for the person who wrote it. */
export class InvalidAttribute extends Error {
  override name = 'InvalidAttribute';
}

const byName = new Map<string, Attribute>();
const byNumber = new Map<string, Attribute>();
const namesOfValues = new Map<string, ReadonlyMap<number, string>>();
readTable(0, standardAttributes);
for (const { number, attributes } of Object.values(vendors)) readTable(number, attributes);
for (const [name, values] of Object.entries(valueNames)) {
  namesOfValues.set(name, new Map(Object.entries(values).map(([word, number]) => [number, word])));
}

function readTable(vendor: number, table: Readonly<Record<string, readonly [number, AttributeType]>>): void {
  for (const [name, [number, type]] of Object.entries(table)) {
    const attribute: Attribute = { name, vendor, number, type };
    byName.set(name.toLowerCase(), attribute);
    byNumber.set(`${vendor}/${number}`, attribute);
  }
}

/** The type number of an attribute we name in our own code (the compiler knows the names), among its vendor's. */
export function attributeNumber(name: AttributeName): number {
  return byName.get(name.toLowerCase())!.number;
}

/** The names of all attributes, standard ones first. */
export const attributeNames = (): string[] => [...byName.values()].map(({ name }) => name);

/** By name as a person writes it, in any case. */
export function attributeByName(name: string): Attribute | undefined {
  return byName.get(name.toLowerCase());
}

export function attributeByNumber(number: number, vendor = 0): Attribute | undefined {
  return byNumber.get(`${vendor}/${number}`);
}

/** The word for a value (`Interim-Update` for 3 of `Acct-Status-Type`), where it has one. */
export function valueName(attribute: string, value: number): string | undefined {
  return namesOfValues.get(attribute)?.get(value);
}

/** What a packet carries because of how it is made, not because somebody wishes it. */
const MADE_BY_THE_PACKET = new Set(['Message-Authenticator', 'Proxy-State', 'Vendor-Specific']);

/**
 * One whole attribute as on the wire, from a name and a value as `dump` prints it: text as it is, numbers decimal, `0x…`
 * or by name, addresses and `prefix/length` in the usual forms, dates as ISO 8601 or seconds, octets as `0x…` or text.
 * Throws InvalidAttribute for a name we do not know, a credential or a value that does not fit.
 */
export function encodeAttribute(name: string, printed: string): Buffer {
  const attribute = attributeByName(name);
  if (attribute === undefined) throw new InvalidAttribute(`${JSON.stringify(name)}: no RADIUS attribute we know`);
  if (attribute.type === 'secret' || MADE_BY_THE_PACKET.has(attribute.name)) {
    throw new InvalidAttribute(`${attribute.name}: cannot be given as a value`);
  }
  const value = encodeValue(attribute, printed);
  const limit = attribute.vendor === 0 ? MAX_VALUE_OCTETS : MAX_VENDOR_VALUE_OCTETS;
  if (value.length > limit) {
    throw new InvalidAttribute(`${attribute.name}: ${value.length} octets, at most ${limit} fit`);
  }
  const inner = Buffer.concat([Buffer.of(attribute.number, value.length + 2), value]);
  if (attribute.vendor === 0) return inner;
  const header = Buffer.of(standardAttributes['Vendor-Specific'][0], inner.length + 6, 0, 0, 0, 0);
  header.writeUInt32BE(attribute.vendor, 2);
  return Buffer.concat([header, inner]);
}

function encodeValue(attribute: Attribute, printed: string): Buffer {
  switch (attribute.type) {
    case 'integer':
      return word(integerOf(attribute, printed));
    case 'tagged-integer': {
      const value = integerOf(attribute, printed);
      if (value > 0xffffff) throw wrong(attribute, printed, 'a number below 2^24');
      return word(value);
    }
    case 'date':
      return word(dateOf(attribute, printed));
    case 'ipaddr':
      return word(ipv4Of(attribute, printed));
    case 'ipv6addr':
      return ipv6Of(attribute, printed);
    case 'ipv6prefix':
      return ipv6PrefixOf(attribute, printed);
    case 'tagged-text':
      return Buffer.concat([Buffer.of(0), Buffer.from(printed, 'utf8')]);
    case 'octets':
    case 'secret':
    case 'vsa':
      return /^0x([0-9a-f]{2})*$/i.test(printed) ? Buffer.from(printed.slice(2), 'hex') : Buffer.from(printed, 'utf8');
    case 'text':
      return Buffer.from(printed, 'utf8');
  }
}

function wrong(attribute: Attribute, printed: string, wanted: string): InvalidAttribute {
  return new InvalidAttribute(`${attribute.name}: ${JSON.stringify(printed)} is not ${wanted}`);
}

function word(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

function integerOf(attribute: Attribute, printed: string): number {
  const named = valueNames[attribute.name];
  if (named !== undefined && Object.hasOwn(named, printed)) return named[printed]!;
  const value = /^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(printed) ? Number(printed) : Number.NaN;
  if (!(value <= 0xffffffff)) throw wrong(attribute, printed, 'a number from 0 to 4294967295 or a known name');
  return value;
}

function dateOf(attribute: Attribute, printed: string): number {
  const seconds = /^\d{1,10}$/.test(printed) ? Number(printed) : Math.floor(Date.parse(printed) / 1000);
  if (!(seconds >= 0 && seconds <= 0xffffffff)) throw wrong(attribute, printed, 'a date from 1970 to 2106');
  return seconds;
}

function ipv4Of(attribute: Attribute, printed: string): number {
  try {
    return parseIpv4(printed);
  } catch {
    throw wrong(attribute, printed, 'an IPv4 address');
  }
}

function ipv6Of(attribute: Attribute, printed: string): Buffer {
  if (!isIPv6(printed) || printed.includes('%')) throw wrong(attribute, printed, 'an IPv6 address');
  return ipv6Octets(printed);
}

/** Reserved octet, length, then all 16 octets with those behind the prefix zeroed (RFC 3162 section 2.3). */
function ipv6PrefixOf(attribute: Attribute, printed: string): Buffer {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(printed) ?? [];
  const length = Number(bits);
  if (bits === '' || length > 128) throw wrong(attribute, printed, 'an IPv6 prefix like 2001:db8::/56');
  const octets = ipv6Of(attribute, address);
  for (let i = 0; i < 16; i++) octets[i] = octets[i]! & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i)));
  return Buffer.concat([Buffer.of(0, length), octets]);
}

/** `address` must be one `isIPv6` accepts. */
function ipv6Octets(address: string): Buffer {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const ipv4 = dotted === null ? 0 : parseIpv4(dotted[2]!);
  const plain = dotted === null ? address : `${dotted[1]}${(ipv4 >>> 16).toString(16)}:${(ipv4 & 0xffff).toString(16)}`;
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** Octets as an IPv6 address in the form of RFC 5952: lower case, the longest run of zero groups shortened. */
export function printIpv6(octets: Uint8Array, at = 0): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((octets[at + 2 * i]! << 8) | octets[at + 2 * i + 1]!).toString(16),
  );
  const runs = [
    ...groups
      .map((group) => (group === '0' ? '0' : '1'))
      .join('')
      .matchAll(/0{2,}/g),
  ];
  const longest = runs.reduce(
    (best, run) => (run[0].length > best.length ? { at: run.index, length: run[0].length } : best),
    {
      at: 0,
      length: 0,
    },
  );
  if (longest.length === 0) return groups.join(':');
  return `${groups.slice(0, longest.at).join(':')}::${groups.slice(longest.at + longest.length).join(':')}`;
}
