import type { Context } from '#portal/shared/context';

/** The address of a list with what is asked of it; what is null, empty, or page 1 is left out. */
export function listAddress(path: string, asked: Readonly<Record<string, string | number | null | undefined>>): string {
  const said = Object.entries(asked).filter(
    ([name, value]) => value !== null && value !== undefined && value !== '' && !(name === 'page' && value === 1),
  );
  const query = new URLSearchParams(said.map(([name, value]): [string, string] => [name, String(value)])).toString();
  return query === '' ? path : `${path}?${query}`;
}

export type Pages = {
  readonly page: number;
  /** Null when nobody counted that far. */
  readonly last: number | null;
  readonly previous: string | null;
  readonly next: string | null;
};

/** The way to the pages before and after; null when there is only this one. */
export function pagesOf(
  found: { readonly total: number; readonly more: boolean; readonly rows: readonly unknown[] },
  page: number,
  pageSize: number,
  to: (page: number) => string,
): Pages | null {
  const last = found.more ? null : Math.max(1, Math.ceil(found.total / pageSize));
  const hasNext = found.rows.length === pageSize && (last === null || page < last);
  if (page === 1 && !hasNext) return null;
  return { page, last, previous: page === 1 ? null : to(page - 1), next: hasNext ? to(page + 1) : null };
}

/** `1.234`, or `lebih dari 10.000`. */
export function totalWords(
  context: Context,
  { total, more }: { readonly total: number; readonly more: boolean },
): string {
  const text = context.format.number(total);
  return more ? context.t('customers.more-than', { total: text }) : text;
}
