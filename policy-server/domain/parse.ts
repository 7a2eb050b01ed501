/** Reads what people write about plans; each answers null for what it cannot take, so that a door can name the fault. */
import type { Period } from '#domain/plan';

/** The slowest rate a RouterOS queue can be told in whole kilobits. */
const SLOWEST_BPS = 1000;

/** `20M`, `1.5M`, `128k`, `1G`, `20 Mbps` or plain bits: decimal units, bits per second. Null for anything else. */
export function parseRate(text: string): number | null {
  const match = /^(\S*?\d)\s*([kmg]?)(?:bps)?$/i.exec(text.trim());
  if (match === null) return null;
  const unit = { '': 1, k: 1e3, m: 1e6, g: 1e9 }[match[2]!.toLowerCase()];
  const bps = unit === undefined ? null : wholeProduct(match[1]!, unit);
  return bps === null || bps < SLOWEST_BPS ? null : bps;
}

/** `20GB` = 20480 MB of 2^20 bytes, also `1.5 GB`, `500MB`, `2TB`, `1048576`. Null for anything else and for nothing. */
export function parseBytes(text: string): number | null {
  const match = /^(\S*?\d)\s*([kmgt]?)b?$/i.exec(text.trim());
  if (match === null) return null;
  const unit = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }[match[2]!.toLowerCase()];
  const bytes = unit === undefined ? null : wholeProduct(match[1]!, unit);
  return bytes === null || bytes < 1 ? null : bytes;
}

/** `day`, `week`, `month` or `<n>d` with n from 1 to 3650. Null for anything else. */
export function parsePeriod(text: string): Period | null {
  const word = text.trim().toLowerCase();
  if (word === 'day') return { days: 1 };
  if (word === 'week') return { days: 7 };
  if (word === 'month') return { months: 1 };
  const match = /^([1-9]\d{0,3})d$/.exec(word);
  if (match === null || Number(match[1]) > 3650) return null;
  return { days: Number(match[1]) };
}

/** A decimal number times a unit, rounded to a whole one; a comma counts as the decimal sign unless it could group thousands. */
function wholeProduct(text: string, unit: number): number | null {
  if (!/^\d{1,16}([.,]\d{1,9})?$/.test(text) || /,\d{3}$/.test(text)) return null;
  const product = Math.round(Number(text.replace(',', '.')) * unit);
  return Number.isSafeInteger(product) ? product : null;
}
