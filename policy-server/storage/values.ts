import { assert } from '#domain/assert';
import type { Instant } from '#domain/time';
import { NEVER } from '#domain/time';

/**
 * How values cross between PostgreSQL and us. Results: int8 → number (asserted safe), timestamptz → Instant
 * ('infinity' → NEVER, '-infinity' → -NEVER; microseconds are cut off downwards), date → 'YYYY-MM-DD', numeric, inet,
 * cidr, xid8 → text, bytea → Buffer, jsonb → parsed. Parameters: numbers, strings, booleans, Buffers, null and arrays of
 * them as they are; an Instant through `timestamp`, a JSON document through `json`.
 */

/** An Instant as a bound parameter: `$1::timestamptz` or, mapped over an array, `$1::timestamptz[]`. */
export function timestamp(instant: Instant): string;
export function timestamp(instant: Instant | null): string | null;
export function timestamp(instant: Instant | null): string | null {
  if (instant === null) return null;
  if (instant === NEVER) return 'infinity';
  if (instant === -NEVER) return '-infinity';
  return new Date(instant).toISOString();
}

/** A JSON document as a bound parameter: `$1::jsonb`. (A bare array would become a PostgreSQL array, hence this.) */
export const json = (value: unknown): string => JSON.stringify(value);

/** What `pg` asks for parsers: by type oid and wire format. */
export type TypeParsers = { getTypeParser(oid: number, format?: string): (value: string) => unknown };

/** Our parsers in front of the driver's own (oids from pg_type.dat of PostgreSQL, which never change). */
export function valueParsers(driverParsers: TypeParsers): TypeParsers {
  const textArray = driverParsers.getTypeParser(1009) as (value: string) => (string | null)[];
  const arrayOf =
    <T>(parse: (text: string) => T) =>
    (value: string): (T | null)[] =>
      textArray(value).map((text) => (text === null ? null : parse(text)));
  const own = new Map<number, (value: string) => unknown>([
    [20, int8],
    [1016, arrayOf(int8)],
    [1184, instant],
    [1185, arrayOf(instant)],
    [1082, String],
    [1182, textArray],
    [1041, textArray],
    [651, textArray],
  ]);
  return {
    getTypeParser: (oid, format = 'text') =>
      (format === 'text' ? own.get(oid) : undefined) ?? driverParsers.getTypeParser(oid, format),
  };
}

function int8(text: string): number {
  const value = Number(text);
  assert(Number.isSafeInteger(value), `int8 beyond 2^53: ${text}`);
  return value;
}

/** `2026-11-21 01:02:03.456789+00` (ISO date style, UTC session) → Instant. By hand: 1,000,000 facts hold millions. */
function instant(text: string): Instant {
  if (text === 'infinity') return NEVER;
  if (text === '-infinity') return -NEVER;
  assert(
    text.charCodeAt(4) === 45 && text.charCodeAt(10) === 32 && text.endsWith('+00'),
    `not a timestamp of a UTC session between the years 1 and 9999: ${text}`,
  );
  const year = digits(text, 0, 4);
  if (year < 100) return Math.floor(Date.parse(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`)); // Date.UTC adds 1900
  const whole = Date.UTC(
    year,
    digits(text, 5, 7) - 1,
    digits(text, 8, 10),
    digits(text, 11, 13),
    digits(text, 14, 16),
    digits(text, 17, 19),
  );
  if (text.charCodeAt(19) !== 46) return whole;
  let milliseconds = 0;
  for (let at = 20, scale = 100; scale >= 1; at += 1, scale /= 10) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) break;
    milliseconds += digit * scale;
  }
  return whole + milliseconds;
}

function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at += 1) value = value * 10 + text.charCodeAt(at) - 48;
  return value;
}
