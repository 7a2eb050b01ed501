import { z } from 'zod';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import { readCsv } from '#operations/csv';
import {
  access,
  billing,
  ending,
  entityName,
  language,
  lineAddresses,
  mac,
  nasName,
  notes,
  personName,
  phone,
  postalAddress,
  pppPassword,
  subscriberAddress,
  tags,
  username,
} from '#operations/fields';
import { faultsOf, missing } from '#operations/input';
import { overlaps } from '#operations/ipv4-blocks';
import type { NewSubscriber } from '#storage/subscribers';

/**
 * The columns of an import file. Their order is free; all but the first two may be left out or empty. Of a static line
 * the password may be empty too.
 */
export const IMPORT_COLUMNS = [
  'username',
  'password',
  'name',
  'phone',
  'billing',
  'plan',
  'covered_until',
  'static_ip',
  'mac',
  'access',
  'nas',
  'addresses',
  'address',
  'notes',
  'tags',
  'language',
] as const;
type ImportColumn = (typeof IMPORT_COLUMNS)[number];
const REQUIRED: readonly ImportColumn[] = ['username', 'password'];

/** One subscriber of an import file, with the line it came from. */
export type ImportRow = Omit<NewSubscriber, 'id' | 'passwordSealed' | 'nasId'> & {
  readonly line: number;
  /** Null: a static line, whose password nobody needs. */
  readonly password: string | null;
  readonly plan: string | null;
  readonly coveredUntil: Instant | null;
  readonly nas: string | null;
  readonly addresses: readonly string[];
};

/** Something wrong on a line of the file. */
export type LineFault = { readonly line: number; readonly reason: string };

export const onLine = (line: number, reason: string): string => say`line ${line}: ${reason}`;

/** Reads an import file; every wrong line is in `faults`, also what is there twice. */
export function readImportFile(text: string, zone: string): { rows: ImportRow[]; faults: LineFault[] } {
  const records = readCsv(text);
  const head = records.next();
  if (head.done)
    return { rows: [], faults: [{ line: 1, reason: say`the file is empty; its first line has to be ${HEADER}` }] };
  const columns = head.value.fields.map((field) => field.trim());
  const headFaults = wrongHeader(columns);
  if (headFaults.length > 0) return { rows: [], faults: headFaults.map((reason) => ({ line: 1, reason })) };

  const rowSchema = schemaOf(zone);
  const rows: ImportRow[] = [];
  const faults: LineFault[] = [];
  const seen = new Duplicates();
  for (const record of records) {
    if (record.fault !== null) faults.push({ line: record.line, reason: record.fault });
    else if (record.fields.length !== columns.length) {
      const reason = say`${record.fields.length} fields where the header has ${columns.length}; a comma inside a field needs quotes around the field`;
      faults.push({ line: record.line, reason });
    } else {
      const given = Object.fromEntries(
        columns.map((column, at) => [column, record.fields[at]]).filter(([, value]) => value),
      );
      const parsed = rowSchema.safeParse(given);
      const reasons = parsed.success
        ? contradictions(parsed.data)
        : [...faultsOf(rowSchema, given), ...noPassword(given)];
      if (parsed.success) reasons.push(...seen.add(record.line, parsed.data.username, parsed.data.static_ip));
      faults.push(...reasons.map((reason) => ({ line: record.line, reason })));
      if (parsed.success) rows.push(rowOf(record.line, parsed.data));
    }
  }
  return { rows, faults: [...faults, ...overlapping(rows)] };
}

const HEADER = IMPORT_COLUMNS.join(',');

/** Several values in one field. */
const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

const schemaOf = (zone: string) =>
  z.object({
    username,
    password: pppPassword.nullable().default(null).describe(pppPassword.description!),
    name: personName.default(''),
    phone: phone.nullable().default(null).describe(phone.description!),
    billing: billing.default('prepaid').describe(billing.description!),
    plan: entityName('prepaid-20mbps')
      .nullable()
      .default(null)
      .describe(say`the name of a plan, see: plan list; or leave it empty`),
    covered_until: ending(zone).nullable().default(null).describe(ending(zone).description!),
    static_ip: subscriberAddress.nullable().default(null).describe(subscriberAddress.description!),
    mac: mac.nullable().default(null).describe(mac.description!),
    access: access.default('pppoe').describe(access.description!),
    nas: nasName.nullable().default(null).describe(nasName.description!),
    addresses: z.string().transform(words).pipe(lineAddresses).default([]).describe(lineAddresses.description!),
    address: postalAddress.default('').describe(postalAddress.description!),
    notes: notes.default('').describe(notes.description!),
    tags: z.string().transform(words).pipe(tags).default([]).describe(tags.description!),
    language: language.default('id').describe(language.description!),
  });
type ParsedRow = z.output<ReturnType<typeof schemaOf>>;

function rowOf(line: number, parsed: ParsedRow): ImportRow {
  const { covered_until: coveredUntil, static_ip: staticIp, ...same } = parsed;
  return { line, coveredUntil, staticIp, ...same };
}

function contradictions(row: ParsedRow): string[] {
  const reasons =
    row.covered_until === null || row.plan !== null
      ? []
      : [say`covered_until without a plan: say in the column plan what the subscriber is covered by`];
  return [...reasons, ...(row.access === 'static' ? lacksOfStatic(row) : unfitForPppoe(row))];
}

function lacksOfStatic(row: ParsedRow): string[] {
  return [
    ...(row.nas === null ? [missing('nas', say`the router of a static line, ${nasName.description}`)] : []),
    ...(row.addresses.length === 0 ? [missing('addresses', lineAddresses.description!)] : []),
    ...(row.static_ip === null ? [] : [say`static_ip: only a PPPoE line has one; a static line has addresses`]),
  ];
}

function unfitForPppoe(row: ParsedRow): string[] {
  return [
    ...noPassword(row),
    ...(row.nas === null ? [] : [say`nas: only a static line has one; say in the column access that it is static`]),
    ...(row.addresses.length === 0
      ? []
      : [say`addresses: only a static line has them; of a PPPoE line it is static_ip`]),
  ];
}

function noPassword({ access: line, password }: { access?: unknown; password?: unknown }): string[] {
  return line === 'static' || (password ?? null) !== null ? [] : [missing('password', pppPassword.description!)];
}

/**
 * Every address that stands in the file twice, also inside of a block, is a fault of the later line. PPPoE lines with the
 * same one are told by `Duplicates`.
 */
function overlapping(rows: readonly ImportRow[]): LineFault[] {
  const lines = rows.flatMap(({ addresses, line }) =>
    addresses.map((address) => ({ address, by: { line, dials: false } })),
  );
  const dialers = rows.flatMap(({ staticIp, line }) =>
    staticIp === null ? [] : [{ address: staticIp, by: { line, dials: true } }],
  );
  return overlaps([...lines, ...dialers]).flatMap(({ address, by, with: other, withBy }) => {
    if (by.dials && withBy.dials) return [];
    const [earlier, later] = by.line < withBy.line ? [by, withBy] : [withBy, by];
    const column = later.dials ? 'static_ip' : 'addresses';
    return [{ line: later.line, reason: say`${column}: ${address} overlaps with ${other} of line ${earlier.line}` }];
  });
}

function wrongHeader(columns: readonly string[]): string[] {
  if (columns.length === 1 && columns[0]!.includes(';')) {
    return [say`the columns are separated by ";": save the file with commas; the header is ${HEADER}`];
  }
  const known: readonly string[] = IMPORT_COLUMNS;
  const unknown = columns.filter((column) => !known.includes(column));
  const wanting = REQUIRED.filter((column) => !columns.includes(column));
  const twice = columns.filter((column, at) => columns.indexOf(column) !== at);
  return [
    ...unknown.map((column) => say`there is no column "${column}"; the header is ${HEADER}`),
    ...wanting.map((column) => say`the column ${column} is missing; the header is ${HEADER}`),
    ...twice.map((column) => say`the column ${column} is there twice`),
  ];
}

/** What may be in a file once only, and where it was first. */
class Duplicates {
  readonly #usernames = new Map<string, number>();
  readonly #addresses = new Map<string, number>();

  add(line: number, name: string, address: string | null): string[] {
    return [
      ...again(this.#usernames, name, line, 'username'),
      ...(address === null ? [] : again(this.#addresses, address, line, 'static_ip')),
    ];
  }
}

function again(seen: Map<string, number>, value: string, line: number, column: string): string[] {
  const first = seen.get(value);
  if (first !== undefined) return [say`${column} "${value}" is on line ${first} already`];
  seen.set(value, line);
  return [];
}
