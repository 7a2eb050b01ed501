import { Readable } from 'node:stream';
import { localDate } from '#domain/time';
import { type CsvValue, csvLines } from '#operations/csv';
import { filterOf, readQuery } from '#portal/admin/customers/query';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { type ListedSubscriber, streamSubscribers } from '#storage/lists';

const COLUMNS = [
  'username',
  'name',
  'phone',
  'billing',
  'access',
  'portal_id',
  'standing',
  'plan',
  'ends_at',
  'left_bytes',
  'quota_bytes',
  'online_since',
  'address',
  'router',
  'tags',
  'created_at',
] as const;

/** The list as a file, as it is narrowed, chunk after chunk: it may be of any length. */
export function exportRoute(doors: Doors, path: '/customers' | '/prepaid/customers'): void {
  doors.staff('GET', `${path}/export.csv`, 'see', async (context) => {
    const query = readQuery(path, context.request.query);
    const name = `customers-${localDate(context.now, context.parts.zone)}.csv`;
    return context.reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvLines(COLUMNS, rowsOf(context, filterOf(query))), { objectMode: false }));
  });
}

async function* rowsOf(context: Context, filter: ReturnType<typeof filterOf>): AsyncGenerator<readonly CsvValue[]> {
  for await (const chunk of streamSubscribers(context.db, filter, context.now)) yield* chunk.map(valuesOf);
}

const instant = (at: number | null): string | null =>
  at === null || !Number.isFinite(at) ? null : new Date(at).toISOString();

/** In the order of `COLUMNS`. Instants in UTC, bytes as they are: a file is read by programs too. */
const valuesOf = (row: ListedSubscriber): readonly CsvValue[] => [
  row.username,
  row.name,
  row.phone,
  row.billing,
  row.access,
  row.portalId,
  row.standing,
  row.plan,
  instant(row.endsAt),
  row.leftBytes,
  row.allowanceBytes,
  instant(row.online?.since ?? null),
  row.online?.address ?? null,
  row.online?.nasName ?? null,
  row.tags.join(' '),
  instant(row.createdAt),
];
