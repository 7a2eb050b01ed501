import { ACTIVE, NEEDS_PACKAGE, type Standing } from '#domain/standing';
import { field, formOf, rowNumber, wholeNumber } from '#portal/shared/forms';
import { SUBSCRIBER_SORTS, type SubscriberFilter, type SubscriberSort } from '#storage/lists';

/** What the chips of standing mean. */
export const STANDING_CHIPS = {
  served: ACTIVE,
  'ends-soon': ['ends-soon'],
  'needs-package': NEEDS_PACKAGE,
  depleted: ['depleted'],
  expired: ['expired'],
  'no-package': ['no-package'],
  suspended: ['suspended'],
  // The dashboard's card counts these two together.
  lapsed: ['expired', 'depleted'],
} as const satisfies Readonly<Record<string, readonly Standing[]>>;
export type StandingChip = keyof typeof STANDING_CHIPS;

/** The list as its address asks for it. */
export type CustomerQuery = {
  readonly path: '/customers' | '/prepaid/customers';
  readonly q: string;
  readonly billing: 'prepaid' | 'postpaid' | null;
  readonly access: 'pppoe' | 'static' | null;
  readonly standing: StandingChip | null;
  readonly online: 'yes' | 'no' | null;
  readonly tag: string | null;
  readonly router: number | null;
  readonly sort: NonNullable<SubscriberSort['sort']>;
  readonly direction: 'asc' | 'desc';
  readonly page: number;
};

const oneOf = <Value extends string>(given: string, values: readonly Value[]): Value | null =>
  values.find((value) => value === given) ?? null;

const LONGEST_SEARCH = 100;
/** Past it nobody pages by hand, and skipping rows costs. */
const FARTHEST_PAGE = 2_000;

/** Reads the query of an address, or the hidden fields of a form that carries it on. What is not understood counts as not asked. */
export function readQuery(path: CustomerQuery['path'], given: unknown): CustomerQuery {
  const form = formOf(given);
  const text = (name: string) => field(form, name);
  const sort = oneOf(text('sort'), SUBSCRIBER_SORTS) ?? 'name';
  return {
    path,
    q: text('q').slice(0, LONGEST_SEARCH),
    billing: path === '/prepaid/customers' ? 'prepaid' : oneOf(text('billing'), ['prepaid', 'postpaid']),
    access: oneOf(text('access'), ['pppoe', 'static']),
    standing: oneOf(text('standing'), Object.keys(STANDING_CHIPS) as StandingChip[]),
    online: oneOf(text('online'), ['yes', 'no']),
    tag: text('tag') === '' ? null : text('tag').slice(0, 50),
    router: rowNumber(text('router')),
    sort,
    direction: oneOf(text('direction'), ['asc', 'desc']) ?? (sort === 'created' ? 'desc' : 'asc'),
    page: Math.min(FARTHEST_PAGE, Math.max(1, wholeNumber(text('page')) ?? 1)),
  };
}

/** The fields of the address, without those that say nothing. */
export function fieldsOf(query: CustomerQuery): readonly { readonly name: string; readonly value: string }[] {
  const { path, ...asked } = query;
  const silent: Partial<Record<string, unknown>> = {
    q: '',
    billing: path === '/prepaid/customers' ? 'prepaid' : null,
    sort: 'name',
    direction: query.sort === 'created' ? 'desc' : 'asc',
    page: 1,
  };
  return Object.entries(asked)
    .filter(([name, value]) => value !== null && value !== silent[name])
    .map(([name, value]) => ({ name, value: String(value) }));
}

/** The address of the list with some of it asked otherwise; it begins again at the first page. */
export function addressOf(query: CustomerQuery, other: Partial<CustomerQuery> = {}, path: string = query.path): string {
  const asked = new URLSearchParams(
    fieldsOf({ ...query, page: 1, ...other }).map(({ name, value }): [string, string] => [name, value]),
  ).toString();
  return asked === '' ? path : `${path}?${asked}`;
}

export function filterOf({ q, billing, access, standing, online, tag, router }: CustomerQuery): SubscriberFilter {
  return {
    ...(q === '' ? {} : { search: q }),
    ...(billing === null ? {} : { billing }),
    ...(access === null ? {} : { access }),
    ...(standing === null ? {} : { standing: STANDING_CHIPS[standing] }),
    ...(online === null ? {} : { online: online === 'yes' }),
    ...(tag === null ? {} : { tag }),
    ...(router === null ? {} : { nasId: router }),
  };
}

/** Whether anything narrows the list. */
export const isNarrowed = (query: CustomerQuery): boolean =>
  fieldsOf({ ...query, sort: 'name', direction: 'asc', page: 1 }).length > 0;
