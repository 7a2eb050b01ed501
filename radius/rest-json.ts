/**
 * Attributes as FreeRADIUS' rlm_rest writes and reads them in JSON (mods-available/rest of FreeRADIUS 3.2): in a request
 * `{"User-Name": {"type": "string", "value": ["demo"]}}`, in an answer `{"Class": {"op": "+=", "value": [...]}}`.
 */
import {
  type Attribute,
  attributeByName,
  attributeByNumber,
  encodeAttribute,
  InvalidAttribute,
  printIpv6,
} from '#radius/dictionary';
import { MAX_PACKET_OCTETS } from '#radius/packet';

/** What a request says, by attribute name; every character of a value is one octet. */
export type Asked = ReadonlyMap<string, readonly string[]>;

/** FreeRADIUS takes 200 attributes in a packet by default, and rlm_rest 256 (REST_BODY_MAX_ATTRS). */
const MOST_ATTRIBUTES = 256;

/**
 * Reads a request's body; null where it is not JSON of that form. The body is read as octets, not as UTF-8: rlm_rest
 * writes an octet above 0x7f as `\u00XX` where `char` is signed (rest.c, vp_prints_value_json) and as it is elsewhere, so
 * both come to the same here. A short form `{"User-Name": "demo"}` is taken as well.
 */
export function readAsked(body: Buffer): Asked | null {
  const parsed = parseJson(body);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null;
  const asked = new Map<string, string[]>();
  const entries = Object.entries(parsed);
  if (entries.length > MOST_ATTRIBUTES) return null;
  for (const [name, of] of entries) {
    const values = valuesOf(of);
    if (values === null) return null;
    asked.set(name, values);
  }
  return asked;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('latin1'));
  } catch {
    return null; // not JSON: whoever asked is told so
  }
}

type Given = { readonly type?: unknown; readonly value?: unknown };

function valuesOf(of: unknown): string[] | null {
  const { type, value }: Given = isObject(of) ? of : { value: of };
  const all: unknown[] = Array.isArray(value) ? value : [value];
  const values: string[] = [];
  for (const one of all) {
    if (typeof one !== 'string' && typeof one !== 'number') return null;
    values.push(type === 'octets' ? octetsOf(String(one)) : String(one));
  }
  return values;
}

const isObject = (of: unknown): of is Given => typeof of === 'object' && of !== null && !Array.isArray(of);

const octetsOf = (printed: string): string =>
  /^0x([0-9a-f]{2})*$/i.test(printed) ? Buffer.from(printed.slice(2), 'hex').toString('latin1') : printed;

/** The first value as text (UTF-8); undefined where it is absent or empty, as an expansion of nothing leaves it. */
export function textIn(asked: Asked, name: string): string | undefined {
  const [value = ''] = asked.get(name) ?? [];
  return value === '' ? undefined : utf8(value);
}

export function numberIn(asked: Asked, name: string): number | undefined {
  const text = textIn(asked, name);
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

const utf8 = (octets: string): string =>
  /[\u0080-\uffff]/.test(octets) ? Buffer.from(octets, 'latin1').toString('utf8') : octets;

const ACCOUNTING_REQUEST = 4;
const HEADER_OCTETS = 20;
/** What rlm_rest cannot write in a form that can be read again (a date is printed in the server's zone). */
const EVENT_TIMESTAMP = 'Event-Timestamp';

/**
 * An Accounting-Request of what was asked, for the journal, whose records are packets. Its authenticator is zero: it proves
 * nothing, and nothing behind the journal looks at it. Attributes we do not know, and values that do not fit, are left out
 * as in a packet (RFC 6929 section 2.8). `at` is Event-Timestamp in seconds, where there is one. null when it is too long.
 */
export function accountingPacket(asked: Asked, at: number | undefined): Buffer | null {
  const parts: Buffer[] = [Buffer.alloc(HEADER_OCTETS)];
  for (const [name, values] of asked) {
    if (name !== EVENT_TIMESTAMP) for (const value of values) parts.push(encodedOrNothing(name, value));
  }
  if (at !== undefined) parts.push(encodedOrNothing(EVENT_TIMESTAMP, String(at)));
  const packet = Buffer.concat(parts);
  if (packet.length > MAX_PACKET_OCTETS) return null;
  packet[0] = ACCOUNTING_REQUEST;
  packet.writeUInt16BE(packet.length, 2);
  return packet;
}

function encodedOrNothing(name: string, value: string): Buffer {
  try {
    return encodeAttribute(name, attributeByName(name)?.type === 'octets' ? hex(value) : utf8(value));
  } catch (error) {
    if (error instanceof InvalidAttribute) return Buffer.alloc(0);
    throw error;
  }
}

const hex = (octets: string): string => `0x${Buffer.from(octets, 'latin1').toString('hex')}`;

const VENDOR_SPECIFIC = 26;

/** Attributes on the wire, from `from` on, as members of rlm_rest's JSON object, each with a comma before it. */
export function printReply(octets: Buffer, from = 0): string {
  const byName = new Map<string, string[]>();
  for (let at = from; at < octets.length; at += octets[at + 1]!) {
    const end = at + octets[at + 1]!;
    if (octets[at] !== VENDOR_SPECIFIC) note(byName, attributeByNumber(octets[at]!), octets.subarray(at + 2, end));
    else {
      const vendor = octets.readUInt32BE(at + 2);
      for (let sub = at + 6; sub < end; sub += octets[sub + 1]!)
        note(byName, attributeByNumber(octets[sub]!, vendor), octets.subarray(sub + 2, sub + octets[sub + 1]!));
    }
  }
  return [...byName].map(([name, values]) => `,${replyMember(name, values)}`).join('');
}

/**
 * One attribute of a reply, its values as JSON. `do_xlat` off: a value is a value, whatever it looks like to FreeRADIUS
 * (`%{…}`, and a backslash before it). A single value that looks like nothing is said in rlm_rest's short form, which
 * FreeRADIUS reads in a third of the time.
 */
export function replyMember(name: string, values: readonly string[]): string {
  const [value = '', ...more] = values;
  if (more.length === 0 && !/[%\\]/.test(value)) return `"${name}":${value}`;
  return `"${name}":{"op":"+=","do_xlat":false,"value":[${values.join(',')}]}`;
}

/**
 * A text so that FreeRADIUS takes it for itself: rlm_rest reads every string as if it stood between double quotes
 * (fr_pair_value_from_str), where a backslash begins an escape. A NUL would end it.
 */
export const restText = (text: string): string =>
  JSON.stringify(text.replaceAll('\\', '\\\\').replaceAll('\0', '\\000'));

function note(byName: Map<string, string[]>, attribute: Attribute | undefined, value: Buffer): void {
  if (attribute === undefined) return; // never: what is encoded was encoded by the same dictionary
  const [name, printed] = printValue(attribute, value);
  const values = byName.get(name);
  if (values === undefined) byName.set(name, [printed]);
  else values.push(printed);
}

/** Where FreeRADIUS has another name, or reads a value in a form of its own. */
const FREERADIUS: ReadonlyMap<string, (value: Buffer) => [name: string, json: string]> = new Map([
  ['Redback-Agent-Remote-Id', (value) => ['Agent-Remote-Id', `"0x${value.toString('hex')}"`]],
  ['Redback-Agent-Circuit-Id', (value) => ['Agent-Circuit-Id', `"0x${value.toString('hex')}"`]],
  // Its type is ifid: four groups of four hexadecimal digits.
  [
    'Framed-Interface-Id',
    (value) => [
      'Framed-Interface-Id',
      `"${value
        .toString('hex')
        .match(/.{1,4}/g)
        ?.join(':')}"`,
    ],
  ],
]);

function printValue({ name, type }: Attribute, value: Buffer): [name: string, json: string] {
  const own = FREERADIUS.get(name);
  if (own !== undefined) return own(value);
  switch (type) {
    case 'integer':
    case 'date':
      return [name, String(value.readUInt32BE(0))];
    case 'tagged-integer':
      return [tagged(name, value[0]!), String(value.readUIntBE(1, 3))];
    case 'tagged-text':
      return [tagged(name, value[0]!), restText(value.toString('utf8', 1))];
    case 'ipaddr':
      return [name, JSON.stringify(value.join('.'))];
    case 'ipv6addr':
      return [name, JSON.stringify(printIpv6(value))];
    case 'ipv6prefix':
      return [name, JSON.stringify(`${printIpv6(wholePrefix(value))}/${value[1]!}`)];
    case 'octets':
    case 'secret':
    case 'vsa':
      return [name, `"0x${value.toString('hex')}"`];
    case 'text':
      return [name, restText(value.toString('utf8'))];
  }
}

const tagged = (name: string, tag: number): string => (tag === 0 ? name : `${name}:${tag}`);

/** Trailing zeros may be left out on the wire (RFC 3162 section 2.3). */
function wholePrefix(value: Buffer): Buffer {
  const whole = Buffer.alloc(16);
  value.copy(whole, 0, 2);
  return whole;
}
