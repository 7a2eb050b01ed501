import { InvalidInput } from '#domain/errors';
import { internationalDigits } from '#domain/phone';
import { say } from '#domain/say';
import { readCsv } from '#operations/csv';
import type { Desk } from '#operations/desk';
import { onLine } from '#operations/import-file';
import { type BulkOptions, type Migrated, migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { type MigrationPreview, previewMigration } from '#operations/preview-migration';
import type { Queryable } from '#storage/database';
import { type Identity, subscribersByIdentity } from '#storage/subscribers';

/** The columns that say who is meant: in each row the first of them that is filled. All others are passed over. */
const COLUMNS = ['username', 'portal_id', 'phone'] as const;
type Named = { readonly line: number; readonly column: (typeof COLUMNS)[number]; readonly value: string };

/**
 * Moves the subscribers that a CSV text names (column username, portal_id or phone) to prepaid. Without `apply` it only
 * says what would be done: `result` is null.
 *
 * @throws InvalidInput with a line for every row that names nobody, or more than one; nothing is changed then
 */
export async function migrateFromCsv(
  desk: Desk,
  csv: string,
  { apply, ...options }: BulkOptions & { readonly apply: boolean },
): Promise<{ readonly preview: MigrationPreview; readonly result: Migrated | null }> {
  const ids = await meant(desk.db, namesIn(csv));
  const preview = await previewMigration(desk, ids);
  return { preview, result: apply ? await migrateToPrepaid(desk, ids, options) : null };
}

function namesIn(csv: string): Named[] {
  const records = readCsv(csv);
  const head = records.next();
  const columns = head.done ? [] : head.value.fields.map((field) => field.trim().toLowerCase());
  const known = COLUMNS.filter((column) => columns.includes(column));
  if (known.length === 0) {
    const names = COLUMNS.join(' or ');
    const wrong =
      columns.length === 1 && columns[0]!.includes(';')
        ? say`there is no column ${names}; save the file with commas`
        : say`there is no column ${names}`;
    throw new InvalidInput([onLine(1, wrong)]);
  }
  const named: Named[] = [];
  const faults: string[] = [];
  for (const { line, fields, fault } of records) {
    const values = known.map((column) => ({ line, column, value: (fields[columns.indexOf(column)] ?? '').trim() }));
    const first = values.find(({ value }) => value !== '');
    if (fault !== null) faults.push(onLine(line, fault));
    else if (first === undefined) faults.push(onLine(line, say`${known.join(' and ')} empty; say who is meant`));
    else named.push(first);
  }
  if (faults.length > 0) throw new InvalidInput(faults);
  if (named.length === 0) throw new InvalidInput([say`the file has a header but no subscriber; add one line for each`]);
  return named;
}

/** The number of whom each row means. */
async function meant(q: Queryable, named: readonly Named[]): Promise<number[]> {
  const valuesOf = (column: Named['column']) =>
    named.filter((one) => one.column === column).map(({ value }) => (column === 'phone' ? digitsOf(value) : value));
  const found = await subscribersByIdentity(q, {
    usernames: valuesOf('username'),
    portalIds: valuesOf('portal_id'),
    phones: valuesOf('phone'),
  });
  const results = named.map((one) => ({ ...one, owners: found[one.column].get(keyOf(one)) ?? [] }));
  const faults = results.flatMap(({ line, column, value, owners }) => wrong(line, column, value, owners));
  if (faults.length > 0) throw new InvalidInput(faults);
  return results.map(({ owners }) => owners[0]!.id);
}

const digitsOf = (phone: string): string => internationalDigits(phone) ?? phone;
const keyOf = ({ column, value }: Named): string => (column === 'phone' ? digitsOf(value) : value);

function wrong(line: number, column: Named['column'], value: string, owners: readonly Identity[]): string[] {
  if (owners.length === 1) return [];
  if (owners.length === 0) return [onLine(line, say`there is no subscriber of ${column} "${value}"`)];
  const names = owners.map(({ username }) => username).join(', ');
  return [onLine(line, say`${column} "${value}" is that of ${names}; name one by username`)];
}
