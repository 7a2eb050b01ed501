import type { Instant } from '#domain/time';
import { type CsvValue, csvLines } from '#operations/csv';
import type { Desk } from '#operations/desk';
import { type ExportedSubscriber, streamForExport } from '#storage/subscriber-export';

const instant = (at: Instant | null): string | null => (at === null ? null : new Date(at).toISOString());

/** Named as the columns of an import are, then what only this company knows. There are no passwords and no PINs in it. */
const COLUMNS: Readonly<Record<string, (subscriber: ExportedSubscriber) => CsvValue>> = {
  username: (one) => one.username,
  name: (one) => one.name,
  phone: (one) => one.phone,
  billing: (one) => one.billing,
  plan: (one) => one.plan,
  covered_until: (one) => instant(one.coveredUntil),
  static_ip: (one) => one.staticIp,
  mac: (one) => one.mac,
  access: (one) => one.access,
  nas: (one) => one.nas,
  addresses: (one) => one.addresses.join(' '),
  address: (one) => one.address,
  notes: (one) => one.notes,
  tags: (one) => one.tags.join(' '),
  language: (one) => one.language,
  portal_id: (one) => one.portalId,
  suspended_since: (one) => instant(one.suspendedAt),
  added_at: (one) => instant(one.createdAt),
};

/** Every subscriber as a CSV file in pieces, safe to open in a spreadsheet. Times are ISO in UTC. */
export function exportSubscribers(desk: Pick<Desk, 'db'>): AsyncGenerator<string, void, void> {
  return csvLines(Object.keys(COLUMNS), rowsOf(streamForExport(desk.db)));
}

async function* rowsOf(subscribers: AsyncIterable<ExportedSubscriber>): AsyncGenerator<CsvValue[], void, void> {
  for await (const one of subscribers) yield Object.values(COLUMNS).map((cell) => cell(one));
}
