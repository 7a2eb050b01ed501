/** A packet as text for people: log lines, transcripts, `radclient`'s look. Credentials and keys are never in it. */
import { type Attribute, attributeByNumber, printIpv6, valueName } from '#radius/dictionary';
import { type Packet, vendorValueIsWellFormed } from '#radius/packet';
import { codeNames } from '#radius/values';

const VENDOR_SPECIFIC = 26;

/**
 * One line for the packet, then one for each attribute, indented. Text is quoted and everything invisible in it escaped,
 * so nobody can forge a line; a value of a wrong size is shown as octets.
 */
export function dump(packet: Packet): string {
  const code = codeNames[packet.code] ?? `Code-${packet.code}`;
  const lines = [`${code} id ${packet.identifier} length ${packet.length}`];
  packet.forEach((type, start, length) => {
    const vendorLines = type === VENDOR_SPECIFIC ? dumpVendor(packet.buffer, start, start + length) : null;
    lines.push(...(vendorLines ?? [line(attributeByNumber(type), `Attribute-${type}`, packet.buffer, start, length)]));
  });
  return lines.join('\n');
}

/** Null where the inside does not add up: nobody can say what is in it, so it is not shown. */
function dumpVendor(bytes: Buffer, start: number, end: number): string[] | null {
  if (end - start < 6) return null;
  const vendor = bytes.readUInt32BE(start);
  if (!vendorValueIsWellFormed(bytes, start + 4, end)) return null;
  const lines: string[] = [];
  for (let at = start + 4; at < end; at += bytes[at + 1]!) {
    const type = bytes[at]!;
    const known = attributeByNumber(type, vendor);
    lines.push(line(known, `Vendor-${vendor}-Attribute-${type}`, bytes, at + 2, bytes[at + 1]! - 2));
  }
  return lines;
}

function line(known: Attribute | undefined, number: string, bytes: Buffer, start: number, length: number): string {
  const value = known === undefined ? octets(bytes, start, length) : printValue(known, bytes, start, length);
  return `  ${known?.name ?? number} = ${value}`;
}

function printValue(attribute: Attribute, bytes: Buffer, start: number, length: number): string {
  switch (attribute.type) {
    case 'secret':
      return '[redacted]';
    case 'text':
      return quoted(bytes, start, length);
    case 'tagged-text':
      return length > 0 && bytes[start]! <= 0x1f ? quoted(bytes, start + 1, length - 1) : quoted(bytes, start, length);
    case 'vsa':
      return '[malformed]';
    case 'octets':
      return printable(bytes, start, length) ? quoted(bytes, start, length) : octets(bytes, start, length);
    case 'ipv6prefix':
      return printPrefix(bytes, start, length) ?? octets(bytes, start, length);
    case 'ipv6addr':
      return length === 16 ? printIpv6(bytes, start) : octets(bytes, start, length);
    default:
      return length === 4 ? printWord(attribute, bytes, start) : octets(bytes, start, length);
  }
}

function printWord(attribute: Attribute, bytes: Buffer, start: number): string {
  const value = bytes.readUInt32BE(start);
  switch (attribute.type) {
    case 'ipaddr':
      return `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}`;
    case 'date':
      return new Date(value * 1000).toISOString();
    case 'tagged-integer':
      return valueName(attribute.name, value & 0xffffff) ?? String(value & 0xffffff);
    default:
      return valueName(attribute.name, value) ?? String(value);
  }
}

/** Null unless it is a prefix as RFC 3162 section 2.3 has it. */
function printPrefix(bytes: Buffer, start: number, length: number): string | null {
  const bits = bytes[start + 1] ?? 0;
  if (length < 2 || length > 18 || bits > 8 * (length - 2)) return null;
  const address = Buffer.alloc(16);
  bytes.copy(address, 0, start + 2, start + length);
  return `${printIpv6(address)}/${bits}`;
}

function octets(bytes: Buffer, start: number, length: number): string {
  return `0x${bytes.toString('hex', start, start + length)}`;
}

function printable(bytes: Buffer, start: number, length: number): boolean {
  for (let i = start; i < start + length; i++) if (bytes[i]! < 0x20 || bytes[i]! > 0x7e) return false;
  return length > 0;
}

/** Control, format, unassigned and line-separating characters become \u{…}; quotes and backslashes are escaped. */
function quoted(bytes: Buffer, start: number, length: number): string {
  const text = bytes.toString('utf8', start, start + length);
  const safe = text.replace(/["\\]|[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '"' || character === '\\' ? `\\${character}` : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
  return `"${safe}"`;
}
