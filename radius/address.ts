/** IP addresses and blocks of them as the source of a datagram: read, compared, kept as octets and printed. */
import { isIPv4, isIPv6 } from 'node:net';

/** Eight groups of 16 bits; IPv4 as IPv4-mapped IPv6 (`::ffff:a.b.c.d`), so both spellings of one host are one. */
export type Groups = readonly number[];

/** Of 128 bits: an IPv4 /24 has 120. */
export type Prefix = { readonly groups: Groups; readonly bits: number };

export const ADDRESS_OCTETS = 16;
export const ADDRESS_BITS = 128;

/** null for what is no address. A zone (`fe80::1%eth0`) is left out. */
export function parseAddress(text: string): Groups | null {
  if (isIPv4(text)) return [0, 0, 0, 0, 0, 0xffff, ...ipv4Groups(text)];
  const zone = text.indexOf('%');
  const plain = zone < 0 ? text : text.slice(0, zone);
  if (!isIPv6(plain)) return null;
  const [head = '', tail] = plain.split('::');
  const before = ipv6Groups(head);
  if (tail === undefined) return before;
  const after = ipv6Groups(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** An address or a CIDR block. Throws RangeError for anything else. */
export function parsePrefix(cidr: string): Prefix {
  const [address = '', length] = cidr.split('/');
  const groups = parseAddress(address);
  const longest = isIPv4(address) ? 32 : ADDRESS_BITS;
  const bits = length === undefined ? longest : Number(length);
  if (groups === null || !Number.isInteger(bits) || bits < 0 || bits > longest)
    throw new RangeError(`not an address or a CIDR block: ${cidr}`);
  return { groups, bits: bits + ADDRESS_BITS - longest };
}

/** The first `bits` bits as text: the key of a network among those of its length. */
export function networkOf(groups: Groups, bits: number): string {
  let text = '';
  for (let i = 0; i < 8 && bits > i * 16; i += 1) {
    const kept = Math.min(16, bits - i * 16);
    text += String.fromCharCode((groups[i] ?? 0) & (0xffff << (16 - kept)) & 0xffff);
  }
  return text;
}

/** Whether the address lies in the block; one that is none lies in no block. */
export function liesIn(address: string, { groups, bits }: Prefix): boolean {
  const of = parseAddress(address);
  return of !== null && networkOf(of, bits) === networkOf(groups, bits);
}

/** The 16 octets of an address, in network order. */
export function octetsOf(groups: Groups): Buffer {
  const octets = Buffer.alloc(ADDRESS_OCTETS);
  for (const [i, group] of groups.entries()) octets.writeUInt16BE(group, i * 2);
  return octets;
}

/**
 * Prints the 16 octets at `at` as PostgreSQL prints an `inet` (and RFC 5952 wants it), so that an address read from
 * there is the same text: IPv4 where it is mapped, else the longest run of zero groups as `::`.
 */
export function printAddress(octets: Buffer, at: number): string {
  if (isMapped(octets, at)) {
    return `${octets[at + 12]}.${octets[at + 13]}.${octets[at + 14]}.${octets[at + 15]}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(at + i * 2));
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function isMapped(octets: Buffer, at: number): boolean {
  for (let i = 0; i < 10; i += 1) if (octets[at + i] !== 0) return false;
  return octets[at + 10] === 0xff && octets[at + 11] === 0xff;
}

/** The first of the longest runs. */
function longestZeros(groups: Groups): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start += 1) {
    let end = start;
    while (groups[end] === 0) end += 1;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}

function ipv6Groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => (group.includes('.') ? ipv4Groups(group) : [Number.parseInt(group, 16)]));
}

function ipv4Groups(text: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}
