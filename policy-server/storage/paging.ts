import { isIP } from 'node:net';
import type { Queryable } from '#storage/database';

/** One page of a list. `total` is exact up to `MOST_COUNTED`; beyond that `more` is true and counting was not worth it. */
export type Listed<Row> = { readonly rows: readonly Row[]; readonly total: number; readonly more: boolean };

/** `page` counts from 1. */
export type Page = { readonly page: number; readonly pageSize: number };

export const MOST_COUNTED = 10_000;

/** Rows of a chunk when a whole list is streamed. */
export const STREAM_CHUNK = 2_000;

/** The bound parameters of a statement that is put together: `add` returns the placeholder. */
export class Bound {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

export const conditions = (all: readonly string[]): string => (all.length === 0 ? '' : `where ${all.join(' and ')}`);

/** `limit … offset …` of a page. */
export const slice = ({ page, pageSize }: Page): string =>
  `limit ${Math.trunc(pageSize)} offset ${Math.trunc(Math.max(0, page - 1) * pageSize)}`;

/**
 * How many rows `from` (a table with its conditions) has, counted up to `MOST_COUNTED`. Unnamed statements on purpose:
 * PostgreSQL then plans with the values it is given, and "siti" needs another plan than "zz-9".
 */
export async function countUpTo(
  q: Queryable,
  from: string,
  values: readonly unknown[],
): Promise<{ total: number; more: boolean }> {
  const [row] = await q.query<{ count: number }>(
    `select count(*) as count from (select from ${from} limit ${MOST_COUNTED + 1}) counted`,
    values,
  );
  const { count } = row!;
  return { total: Math.min(count, MOST_COUNTED), more: count > MOST_COUNTED };
}

/**
 * The condition that a subscriber `s` is found by what somebody typed into a search field: a part of the name, user name,
 * phone (0812…, +62812…, with separators), Portal ID, MAC (any usual notation) or fixed address, or exactly the address that
 * a live session or a static line has. Null when nothing was typed.
 */
export function searchCondition(bound: Bound, typed: string): string | null {
  const text = typed.trim().toLowerCase();
  if (text === '') return null;
  const patterns = [...notations(text)].map((one) => `%${one.replace(/[\\%_]/g, '\\$&')}%`);
  const found = `s.search like any(${bound.add(patterns)}::text[])`;
  if (isIP(text) === 0) return found;
  const address = `${bound.add(text)}::inet`;
  return `(${found} or s.id = any(array(
    select subscriber_id from session where framed_ip = ${address} and ended_at is null and subscriber_id is not null
    union select subscriber_id from static_address where address >>= ${address} and removed_at is null)))`;
}

/** The text itself, and what else the same phone number or MAC may be written as. */
function notations(text: string): Set<string> {
  const all = new Set([text]);
  if (/^\+?[\d\s().-]{5,}$/.test(text)) {
    const digits = text.replace(/\D/g, '');
    all.add(digits);
    if (digits.startsWith('0')) all.add(`62${digits.slice(1)}`);
    if (digits.startsWith('62')) all.add(`0${digits.slice(2)}`);
  }
  const octets = text.replace(/[:.-]/g, '');
  if (/^[0-9a-f]{6,12}$/.test(octets) && octets.length % 2 === 0) all.add(octets.match(/../g)!.join(':'));
  return all;
}
