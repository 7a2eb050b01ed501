import { open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { InvalidInput, Unavailable } from '#domain/errors';
import type { Instant } from '#domain/time';
import type { BackupEnd, BackupHeader, BackupTable } from '#storage/backup-file';
import { BackupFault, BackupFrames, readBackup } from '#storage/backup-file';
import { isContention } from '#storage/connection';
import type { CopyTransaction, Database, Queryable } from '#storage/database';
import { openDatabase } from '#storage/database';
import { knownMigrations, MIGRATION_LOCK, migrate } from '#storage/migrate';
import { nasSecretAad, type Sealer, SecretsFault, subscriberPasswordAad } from '#storage/secrets';

/**
 * The whole database in one file, and back. It goes through the same connection as everything else, so it works on the
 * embedded PostgreSQL and on any other, without its programs. Left out are the migrator's own table, which a restore
 * writes itself, and the feed of changes: it lives for three days, and its transaction numbers mean nothing elsewhere.
 */
const LEFT_OUT = ['migration', 'change'];

export type BackupSummary = {
  readonly tables: number;
  readonly rows: number;
  /** Of the snapshot, by the database's clock. */
  readonly takenAt: Instant;
  /** The last migration of its schema. */
  readonly schema: string;
};

/**
 * Writes a new file, readable by its owner alone: everything as of one instant, while all goes on as usual. A file that
 * could not be finished is removed. Throws `InvalidInput` when the file cannot be written, `Unavailable`.
 */
export async function backUp(url: string, file: string): Promise<BackupSummary & { readonly octets: number }> {
  const handle = await open(file, 'wx', 0o600).catch((error: unknown) => refuse(file, 'written', error));
  const db = openDatabase({ url, poolSize: 1, statementTimeoutMs: 0 });
  let finished = false;
  try {
    const summary = await db.transaction(
      async (tx) => {
        const made: { summary?: BackupSummary } = {};
        await pipeline(framesOf(tx, made), createGzip(), async (zipped: AsyncIterable<Buffer>) => {
          for await (const chunk of zipped) await handle.writeFile(chunk);
        });
        await handle.sync();
        return made.summary!;
      },
      { isolation: 'repeatable read', readOnly: true, statementTimeoutMs: 0 },
    );
    const { size } = await handle.stat();
    finished = true;
    return { ...summary, octets: size };
  } catch (error) {
    if (isContention(error)) throw new Unavailable('the database took the snapshot away; try again', { cause: error });
    return refuse(file, 'written', error);
  } finally {
    await db.close();
    await handle.close();
    if (!finished) await rm(file, { force: true });
  }
}

async function* framesOf(tx: CopyTransaction, made: { summary?: BackupSummary }): AsyncGenerator<Buffer> {
  const names = await tablesOf(tx);
  if (!names.includes('installation')) throw new InvalidInput(['the database holds no Gerbang']);
  // Before the snapshot, which the first query takes: whoever wants to drop one of them now (retention) waits for us.
  await tx.query(`lock table ${names.map(quoted).join(', ')} in access share mode`);
  const header = await headerOf(tx);
  const frames = new BackupFrames();
  yield frames.header(header);
  let rows = 0;
  for (const name of names) {
    const table = { table: name, columns: await columnsOf(tx, name), partitions: await partitionsOf(tx, name) };
    yield frames.table(table);
    let ended = 0;
    const copied = tx.copyOut(`copy (select ${table.columns.map(quoted)} from ${quoted(name)}) to stdout`);
    for await (const chunk of copied) {
      ended += newlines(chunk as Buffer);
      yield frames.data(chunk as Buffer);
    }
    rows += ended;
    yield frames.tableEnd(ended);
  }
  // Sequences know no snapshot: read last, they are never behind the rows.
  const sequences = await sequencesOf(tx);
  made.summary = { tables: names.length, rows, takenAt: header.takenAt, schema: header.migrations.at(-1) ?? '' };
  yield frames.end({ sequences, tables: names.length, rows });
}

/** Rows in COPY's text form: a newline within a value is written as `\n`. */
function newlines(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count += 1;
  return count;
}

async function headerOf(tx: Queryable): Promise<BackupHeader> {
  const migrations = await tx.query<{ name: string }>('select name from migration order by id');
  const [row] = await tx.query<{ installation: string; takenAt: Instant }>(
    'select id::text as installation, now() as "takenAt" from installation',
  );
  return { format: 1, migrations: migrations.map(({ name }) => name), ...row! };
}

async function tablesOf(q: Queryable): Promise<string[]> {
  const rows = await q.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and not relispartition and relname <> all ($1::text[]) order by relname`,
    [LEFT_OUT],
  );
  return rows.map(({ name }) => name);
}

/** Without those that PostgreSQL works out itself. */
async function columnsOf(q: Queryable, table: string): Promise<string[]> {
  const rows = await q.query<{ name: string }>(
    `select attname as name from pg_attribute
      where attrelid = quote_ident($1)::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`,
    [table],
  );
  return rows.map(({ name }) => name);
}

function partitionsOf(q: Queryable, table: string): Promise<{ name: string; bound: string; options: string }[]> {
  return q.query(
    `select relname as name, pg_get_expr(relpartbound, oid) as bound, coalesce(array_to_string(reloptions, ', '), '') as options
       from pg_inherits join pg_class on oid = inhrelid where inhparent = quote_ident($1)::regclass order by relname`,
    [table],
  );
}

async function sequencesOf(q: Queryable): Promise<Record<string, number | null>> {
  const rows = await q.query<{ name: string; last: number | null }>(
    `select sequencename as name, last_value as last from pg_sequences where schemaname = 'public' order by 1`,
  );
  return Object.fromEntries(rows.map(({ name, last }) => [name, last]));
}

/**
 * Reads a backup to its end and checks it whole, without a database. Throws `InvalidInput` when it cannot be read, is
 * damaged or cut short, or was made by a newer program.
 */
export async function checkBackup(file: string): Promise<BackupSummary> {
  try {
    let header: BackupHeader | null = null;
    let end: BackupEnd | null = null;
    for await (const part of readBackup(file)) {
      if (part.is === 'header') header = part.header;
      if (part.is === 'end') end = part.end;
    }
    const known = await knownMigrations();
    const newer = header!.migrations.filter((name, at) => known[at] !== name);
    if (newer.length > 0) {
      throw new InvalidInput([
        `the backup was made by a newer Gerbang (it has ${newer.join(', ')}): restore it with that version, or a later one`,
      ]);
    }
    const { tables, rows } = end!;
    return { tables, rows, takenAt: header!.takenAt, schema: header!.migrations.at(-1) ?? '' };
  } catch (error) {
    return refuse(file, 'read', error);
  }
}

/**
 * Restores a backup into an empty database: the schema it was made with, its rows as they were (no trigger runs: what
 * they keep is in the backup), then the migrations since. The rows come in one transaction, so an interrupted restore
 * can simply be started again. Throws `InvalidInput` when the file cannot be used or the database is not empty,
 * `Unavailable`.
 */
export async function restore(url: string, file: string): Promise<BackupSummary> {
  const summary = await checkBackup(file);
  const db = openDatabase({ url, poolSize: 2, statementTimeoutMs: 0 });
  try {
    await refuseUsed(db, summary.schema);
    await migrate(url, summary.schema);
    await db.transaction(
      async (tx) => {
        // Under the lock of migrations a node that starts just now waits until everything is there.
        await tx.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
        await refuseUsed(tx, summary.schema);
        await load(tx, file);
      },
      { statementTimeoutMs: 0 },
    );
    await migrate(url);
    await db.query('analyze');
    return summary;
  } catch (error) {
    return refuse(file, 'read', error);
  } finally {
    await db.close();
  }
}

/** Empty is also what an interrupted restore leaves: the schema alone. Whatever is done in a database leaves an audit row. */
async function refuseUsed(q: Queryable, schema: string): Promise<void> {
  const tables = await tablesOf(q);
  if (tables.length === 0) return;
  const [found] = tables.includes('audit')
    ? await q.query<{ used: boolean; last: string | null }>(
        `select exists (select from audit) or exists (select from policy_revision) as used,
                (select name from migration order by id desc limit 1) as last`,
      )
    : [];
  if (found?.used === false && found.last === schema) return;
  throw new InvalidInput([
    'the database is not empty; a backup is restored into a new one, so that nothing is ever written over: create one ' +
      'and set DATABASE_URL to it, or, for the embedded one, stop Gerbang and set DATA_DIR to a new folder with the master key in it',
  ]);
}

async function load(tx: CopyTransaction, file: string): Promise<void> {
  const tables = await tablesOf(tx);
  const foreignKeys = await dropForeignKeys(tx);
  for (const name of tables) await tx.query(`alter table ${quoted(name)} disable trigger user`);
  await tx.query(`truncate ${tables.map(quoted).join(', ')}`);
  const parts = readBackup(file);
  const seen: string[] = [];
  for await (const part of parts) {
    if (part.is === 'end') await setSequences(tx, part.end);
    if (part.is !== 'table') continue;
    seen.push(part.table.table);
    if (!tables.includes(part.table.table)) break;
    await prepareTable(tx, part.table);
    await loadRows(tx, part.table, parts);
  }
  if (seen.join() !== tables.join()) throw new BackupFault('its tables are not those of its schema');
  for (const name of tables) await tx.query(`alter table ${quoted(name)} enable trigger user`);
  // Each is checked against every row as it is made again.
  for (const { table, name, text } of foreignKeys)
    await tx.query(`alter table ${quoted(table)} add constraint ${quoted(name)} ${text}`);
}

/** Tables refer to each other in circles, so no order of them would do. */
async function dropForeignKeys(tx: Queryable): Promise<{ table: string; name: string; text: string }[]> {
  const keys = await tx.query<{ table: string; name: string; text: string }>(
    `select relname as "table", conname as name, pg_get_constraintdef(pg_constraint.oid) as text
       from pg_constraint join pg_class on pg_class.oid = conrelid
      where contype = 'f' and conparentid = 0 and connamespace = 'public'::regnamespace order by relname, conname`,
  );
  for (const { table, name } of keys) await tx.query(`alter table ${quoted(table)} drop constraint ${quoted(name)}`);
  return keys;
}

const PARTITION_NAME = /^[a-z_]+_\d{4}_\d{2}$/;
const PARTITION_BOUND = /^FOR VALUES FROM \('[\d :+-]+'\) TO \('[\d :+-]+'\)$/;
const PARTITION_OPTIONS = /^([a-z_]+=\w+(, )?)*$/;

async function prepareTable(tx: Queryable, { table, columns, partitions }: BackupTable): Promise<void> {
  const own = await columnsOf(tx, table);
  if (own.join() !== columns.join()) throw new BackupFault(`its table ${table} is not that of its schema`);
  for (const { name, bound, options } of partitions) {
    if (!PARTITION_NAME.test(name) || !PARTITION_BOUND.test(bound) || !PARTITION_OPTIONS.test(options))
      throw new BackupFault(`its table ${table} has a part that is none of ours`);
    const stored = options === '' ? '' : ` with (${options})`;
    await tx.query(
      `create table if not exists ${quoted(name)} partition of ${quoted(table)} ${bound.toLowerCase()}${stored}`,
    );
  }
}

async function loadRows(
  tx: CopyTransaction,
  { table, columns }: BackupTable,
  parts: AsyncGenerator<{ is: string; rows?: Buffer | number }>,
): Promise<void> {
  let expected = 0;
  async function* rows(): AsyncGenerator<Buffer> {
    for (;;) {
      const { value, done } = await parts.next();
      if (done === true) throw new BackupFault('it is cut short');
      if (value.is === 'rows') yield value.rows as Buffer;
      else {
        expected = value.rows as number;
        return;
      }
    }
  }
  const loaded = await tx.copyIn(`copy ${quoted(table)} (${columns.map(quoted)}) from stdin`, rows());
  if (loaded !== expected) throw new BackupFault(`its table ${table} has ${loaded} rows in place of ${expected}`);
}

async function setSequences(tx: Queryable, { sequences }: BackupEnd): Promise<void> {
  for (const [name, last] of Object.entries(sequences)) {
    if (last !== null) await tx.query('select setval(quote_ident($1)::regclass, $2)', [name, last]);
  }
}

/** Whether what is sealed in this database opens under this key; null when nothing is sealed yet. */
export async function opensSecrets(db: Database, sealer: Sealer): Promise<boolean | null> {
  const rows = await db.query<{ sealed: Buffer; id: number; of: string }>(
    `(select secret_sealed as sealed, id, 'nas' as of from nas where secret_sealed <> '' limit 1)
     union all (select password_sealed, id, 'subscriber' from subscriber where password_sealed <> '' limit 1)`,
  );
  const [row] = rows;
  if (row === undefined) return null;
  try {
    sealer.open(row.sealed, row.of === 'nas' ? nasSecretAad(row.id) : subscriberPasswordAad(row.id));
    return true;
  } catch (error) {
    if (error instanceof SecretsFault) return false;
    throw error;
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Rethrows in words what is about the file; everything else as it is. */
function refuse(file: string, done: 'read' | 'written', error: unknown): never {
  if (error instanceof BackupFault) throw new InvalidInput([`${file} cannot be restored: ${error.message}`]);
  const isOfFile = error instanceof Error && 'syscall' in error && 'code' in error && !('address' in error);
  if (!isOfFile || error instanceof Unavailable) throw error;
  const why = error.code === 'EEXIST' ? 'it exists already; name a new one' : String(error.code);
  throw new InvalidInput([`the file ${file} cannot be ${done} (${why})`]);
}
