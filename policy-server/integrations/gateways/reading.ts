import { createHash, timingSafeEqual } from 'node:crypto';
import type { Rupiah } from '#domain/billing';
import type { GatewayTruth } from '#domain/gateway';

/** What both gateways' answers and events have in common: JSON from outside, of which nothing is believed. */
export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object in JSON; null for anything else, such as a proxy's page. */
export function fieldsOf(json: string): Fields | null {
  try {
    const value: unknown = JSON.parse(json);
    return isFields(value) ? value : null;
  } catch {
    return null; // no JSON: whoever asked says what that means
  }
}

export const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

export const isWebAddress = (value: unknown): value is string =>
  typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '');

/**
 * Whole rupiah, digit for digit as they were written (`10000`, `"10000"`, `"10000.00"`); null for anything else: a number
 * that is not exactly one of rupiah is nothing that could be booked.
 */
export function wholeRupiah(given: unknown): Rupiah | null {
  const [, whole] =
    /^(\d{1,15})(?:\.0+)?$/.exec(typeof given === 'number' ? String(given) : (textOf(given) ?? '')) ?? [];
  return whole === undefined ? null : Number(whole);
}

/** In a time that depends on neither text, other than on the length of what was given. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

const LONGEST = 200;

/** A gateway's own words in one short line, without any of the keys, should it repeat them to us. */
export function wordsWithout(keys: readonly string[], text: string): string {
  const forms = keys.flatMap((key) => [`${key}:`, key].flatMap((one) => [one, base64(one), encodeURIComponent(one)]));
  const bare = forms
    .toSorted((one, other) => other.length - one.length)
    .reduce((line, form) => line.replaceAll(form, '[key]'), text);
  const line = bare.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

/** Without the padding: it is what stands in `Authorization`, whatever follows. */
const base64 = (text: string): string => Buffer.from(text).toString('base64').replace(/=+$/, '');

/** No such order, or of Snap: no method was chosen yet. */
export const UNKNOWN: GatewayTruth = {
  state: 'unknown',
  gatewayRef: null,
  amountRupiah: null,
  refundedRupiah: 0,
  currency: null,
  paidAt: null,
  method: null,
  feeRupiah: null,
  saved: null,
};
