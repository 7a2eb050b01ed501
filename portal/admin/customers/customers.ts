import type { FastifyReply } from 'fastify';
import { bulkRoutes } from '#portal/admin/customers/bulk';
import { exportRoute } from '#portal/admin/customers/export';
import { pagesOf, totalWords } from '#portal/admin/customers/listing';
import {
  addressOf,
  type CustomerQuery,
  fieldsOf,
  filterOf,
  isNarrowed,
  readQuery,
  STANDING_CHIPS,
  type StandingChip,
} from '#portal/admin/customers/query';
import type { Tasks } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { type ListedSubscriber, listSubscribers, SUBSCRIBER_SORTS } from '#storage/lists';
import { nasIdsByName } from '#storage/nas';

const PAGE_SIZE = 50;

/** The lists of customers: all, and the prepaid ones. */
export function customersPage(doors: Doors, tasks: Tasks): void {
  for (const path of ['/customers', '/prepaid/customers'] as const) {
    doors.staff('GET', path, 'see', (context) => list(context, readQuery(path, context.request.query)));
    exportRoute(doors, path);
  }
  bulkRoutes(doors, tasks);
}

async function list(context: Context, query: CustomerQuery): Promise<FastifyReply> {
  const { db, now } = context;
  const { sort, direction, page } = query;
  const [found, routers] = await Promise.all([
    listSubscribers(db, { ...filterOf(query), sort, direction, page, pageSize: PAGE_SIZE, now }),
    nasIdsByName(db),
  ]);
  const prepaidOnly = query.path === '/prepaid/customers';
  const title = context.t(prepaidOnly ? 'customers.title-prepaid' : 'customers.title');
  return context.page(
    'admin/customers/customers',
    {
      title,
      query,
      prepaidOnly,
      groups: chipGroups(context, query),
      narrowed: isNarrowed(query),
      filterCount: filterCount(query),
      routers: [...routers].map(([name, id]) => ({ id, name, chosen: id === query.router })),
      sorts: SUBSCRIBER_SORTS.map((key) => ({ key, text: context.t(`customers.sort-${key}`), chosen: key === sort })),
      sortLinks: sortLinks(query),
      carried: fieldsOf({ ...query, page: 1 }),
      exceptSort: fieldsOf({ ...query, page: 1, sort: 'name', direction: 'asc' }),
      exceptSearch: fieldsOf({ ...query, page: 1, q: '' }),
      exceptRouter: fieldsOf({ ...query, page: 1, router: null }),
      rows: found.rows.map((row) => rowOf(context, query, row)),
      total: context.t('customers.total', { count: found.total, total: totalWords(context, found) }),
      nobodyYet: found.total === 0 && !isNarrowed(query),
      pages: pagesOf(found, page, PAGE_SIZE, (to) => addressOf(query, { page: to })),
      exportHref: addressOf(query, {}, `${query.path}/export.csv`),
      clearHref: query.path,
      mayEdit: context.allowed('subscribers'),
    },
    { title, active: prepaidOnly ? 'prepaid-customers' : 'customers' },
  );
}

type Chip = { readonly text: string; readonly href: string; readonly current: boolean };

/** Each chip is a link that asks for it, or, chosen already, no longer does. */
function chipGroups(context: Context, query: CustomerQuery): { label: string; chips: Chip[] }[] {
  const group = <Key extends 'billing' | 'access' | 'online' | 'standing'>(
    key: Key,
    values: readonly NonNullable<CustomerQuery[Key]>[],
  ) => ({
    label: context.t(`customers.by-${key}`),
    chips: values.map((value) => ({
      text: context.t(`customers.${key}-${value}`),
      href: addressOf(query, { [key]: query[key] === value ? null : value }),
      current: query[key] === value,
    })),
  });
  const standings = (Object.keys(STANDING_CHIPS) as StandingChip[]).filter(
    (chip) => chip !== 'lapsed' || query.standing === 'lapsed',
  );
  return [
    group('standing', standings),
    group('online', ['yes', 'no']),
    group('access', ['pppoe', 'static']),
    ...(query.path === '/customers' ? [group('billing', ['prepaid', 'postpaid'])] : []),
    ...(query.tag === null
      ? []
      : [
          {
            label: context.t('customers.by-tag'),
            chips: [{ text: query.tag, href: addressOf(query, { tag: null }), current: true }],
          },
        ]),
  ];
}

/** For the heads of columns: sorted by it already, the other way round. */
function sortLinks(query: CustomerQuery): Record<string, { href: string; aria: string | null; mark: string }> {
  return Object.fromEntries(
    SUBSCRIBER_SORTS.map((sort) => {
      const current = query.sort === sort;
      const direction = current && query.direction === 'asc' ? 'desc' : 'asc';
      const aria = !current ? null : query.direction === 'asc' ? 'ascending' : 'descending';
      const mark = !current ? '' : query.direction === 'asc' ? '↑' : '↓';
      return [sort, { href: addressOf(query, { sort, direction }), aria, mark }];
    }),
  );
}

export const STANDING_TONES = {
  active: 'good',
  'ends-soon': 'warn',
  depleted: 'bad',
  expired: 'bad',
  'no-package': 'warn',
  suspended: 'bad',
} as const;

function rowOf(context: Context, query: CustomerQuery, row: ListedSubscriber) {
  return {
    ...row,
    shown: row.name === '' ? row.username : row.name,
    tone: STANDING_TONES[row.standing],
    standingText: context.t(`customers.standing-${row.standing}`),
    covered: row.standing === 'active' || row.standing === 'ends-soon' || row.standing === 'depleted',
    tags: row.tags.map((tag) => ({ tag, href: addressOf(query, { tag }) })),
  };
}

const filterCount = (query: CustomerQuery): number =>
  fieldsOf({ ...query, q: '', sort: 'name', direction: 'asc', page: 1 }).length;
