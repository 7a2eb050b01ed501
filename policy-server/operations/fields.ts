import { isIP, isIPv4 } from 'node:net';
import { z } from 'zod';
import { LANGUAGES } from '#domain/print-local';
import { say } from '#domain/say';
import { type Instant, nextLocalMidnight, parseInstant } from '#domain/time';

/** The fields that people fill in, each with what is allowed there: one meaning wherever it is asked for. */

/** No control characters, and no blank at either end: both are typing accidents that nobody sees afterwards. */
const TIDY = /^(?! )[^\p{Cc}]+(?<! )$/u;

const octets = (text: string): number => Buffer.byteLength(text);

export const username = z
  .string()
  .regex(TIDY)
  .refine((text) => octets(text) <= 253)
  .describe(say`the PPPoE user name as the router sends it, at most 253 octets, for example budi.santoso`);

/** RFC 2865 5.2: a User-Password carries at most 128 octets. */
export const pppPassword = z
  .string()
  .regex(/^[^\p{Cc}]+$/u)
  .refine((text) => octets(text) <= 128)
  .describe(say`the PPPoE password, 1 to 128 octets, for example Rumah-77-hijau`);

export const entityName = (example: string) =>
  z.string().regex(TIDY).max(100).describe(say`a name of 1 to 100 characters, for example ${example}`);

export const personName = z
  .string()
  .regex(/^[^\p{Cc}]*$/u)
  .max(200)
  .describe(say`a name of at most 200 characters, for example Budi Santoso`);

export const phone = z
  .string()
  .transform((text) => text.replace(/[\s().-]/g, ''))
  .refine((text) => /^\+?\d{6,15}$/.test(text))
  .describe(say`a telephone number of 6 to 15 digits, for example +6281234567890`);

export const billing = z.enum(['prepaid', 'postpaid']).describe(say`prepaid or postpaid`);

/** Upper case with colons, the way RouterOS writes Calling-Station-Id. */
export const mac = z
  .string()
  .transform((text) => text.replace(/[:.-]/g, '').toUpperCase())
  .refine((digits) => /^[0-9A-F]{12}$/.test(digits))
  .transform((digits) => digits.match(/../g)!.join(':'))
  .describe(say`a MAC address, for example AA:BB:CC:DD:EE:FF`);

/** Addresses that a PPP peer can be given: RouterOS takes one in 127/8 or 224/3 as "use the pool". */
export const subscriberAddress = z
  .string()
  .refine(isSubscribers)
  .describe(say`one IPv4 address that a subscriber can have, for example 100.64.10.7`);

export const access = z
  .enum(['pppoe', 'static'])
  .describe(say`pppoe (the line dials) or static (its addresses are always there)`);

/** `10.0.0.8` (also written `10.0.0.8/32`) or a block up to a /24 without bits set behind its mask. */
const lineAddress = z
  .string()
  .transform((text) => text.replace(/\/32$/, ''))
  .refine((text) => /^[^/]+(\/(2[4-9]|3[01]))?$/.test(text) && isNetwork(text) && isSubscribers(text.split('/')[0]!));

/** The addresses of a static line. */
export const lineAddresses = z
  .array(lineAddress)
  .min(1)
  .max(64)
  .describe(say`the IPv4 addresses of the line, or blocks of at most a /24, for example 10.20.30.40 or 10.20.30.40/30`);

export const nasName = entityName('tower-north').describe(say`the name of a NAS, see: nas list`);

/** Text of several lines is good too. */
const freeText = (longest: number, example: string) =>
  z
    .string()
    .regex(/^(\r?\n|\t|[^\p{Cc}])*$/u)
    .max(longest)
    .transform((text) => text.replaceAll('\r\n', '\n'))
    .describe(say`a text of at most ${longest} characters, for example ${example}`);
export const postalAddress = freeText(500, 'Jl. Melati 7, RT 02/05');
export const notes = freeText(2_000, 'the router is on the roof');

export const tags = z
  .array(z.string().regex(/^[^\s,\p{Cc}]{1,50}$/u))
  .max(20)
  .transform((given) => [...new Set(given)])
  .describe(say`at most 20 words of up to 50 characters, for example village-a,fiber`);

export const language = z.enum(LANGUAGES).describe(say`id (Indonesian) or en (English): what messages are written in`);

export const sessionLimit = z.coerce
  .number()
  .int()
  .min(1)
  .max(100)
  .describe(say`how many sessions may be live at once, 1 to 100, for example 1`);

/** The number of a row, as pages and other programs name it. */
export const rowNumber = (of: string) => z.coerce.number().int().positive().describe(say`the number of ${of}`);

/** One address or a CIDR without bits set behind its mask. */
export const nasAddress = z
  .string()
  .refine(isNetwork)
  .describe(say`the IP address the router sends from, or a CIDR, for example 10.20.0.1 or 10.20.0.0/24`);

export const portNumber = z.coerce
  .number()
  .int()
  .min(1)
  .max(65535)
  .describe(say`a port from 1 to 65535, for example 3799`);

function isSubscribers(text: string): boolean {
  return isIPv4(text) && !/^(0|127|22[4-9]|2[3-5]\d)\./.test(text);
}

function isNetwork(text: string): boolean {
  const [address, mask, ...more] = text.split('/');
  const family = isIP(address!);
  if (family === 0 || more.length > 0 || address!.includes('%')) return false;
  if (mask === undefined) return true;
  const bits = family === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(mask) || Number(mask) > bits) return false;
  const behind = addressBits(address!, family) & ((1n << BigInt(bits - Number(mask))) - 1n);
  return behind === 0n;
}

function addressBits(address: string, family: number): bigint {
  if (family === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = '', tail] = withoutDottedTail(address).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n);
}

/** `::ffff:10.0.0.1` → `::ffff:a00:1`. */
function withoutDottedTail(address: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dotted === null) return address;
  const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
  return `${address.slice(0, dotted.index)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** A text that one of the domain's readers takes; they answer null for what they cannot. */
export const parsedBy = <Value>(read: (text: string) => Value | null, allowed: string) =>
  z
    .string()
    .transform((text, context) => {
      const value = read(text);
      if (value !== null) return value;
      context.addIssue({ code: 'custom', message: 'not readable' });
      return z.NEVER;
    })
    .describe(allowed);

/** An instant in which something begins: a bare date is the first instant of that day in the company's zone. */
export const beginning = (zone: string) =>
  parsedBy(
    (text) => parseInstant(text, zone),
    say`an ISO time with its offset, or a date (from the beginning of that day in ${zone}), for example 2026-12-01T18:00+07:00`,
  );

/** An instant up to which something lasts: a bare date is all of that day, as people mean it. */
export const ending = (zone: string) =>
  parsedBy(
    (text) => parseUntil(text, zone),
    say`an ISO time with its offset, or a date (to the end of that day in ${zone}), for example 2026-12-31T18:00+07:00`,
  );

function parseUntil(text: string, zone: string): Instant | null {
  const at = parseInstant(text, zone);
  return at !== null && /^\d{4}-\d\d-\d\d$/.test(text.trim()) ? nextLocalMidnight(at, zone) : at;
}
