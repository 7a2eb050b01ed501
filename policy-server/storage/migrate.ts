import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Migration } from '@mikro-orm/migrations';
import { Migrator } from '@mikro-orm/migrations';
import type { MikroORM } from '@mikro-orm/postgresql';
import { assert } from '#domain/assert';
import type { Database } from '#storage/database';
import { openDatabase } from '#storage/database';

/** The database was migrated by a newer Gerbang than this one: this one must not touch it. */
export class DatabaseTooNew extends Error {
  override name = 'DatabaseTooNew';
}

const FOLDER = new URL('../../migrations/', import.meta.url);
/** "gerbang" on a telephone: the key of the advisory lock under which one process at a time migrates. */
export const MIGRATION_LOCK = 4372264;

/**
 * Brings the database to this code's schema: `migrations/NNN-name.ts`, in order, all in one transaction, forward only.
 * Any number of nodes may call it at once. With `upTo` it ends after the migration of that name. Returns the names it
 * applied. Throws `DatabaseTooNew`, `Unavailable`.
 */
export async function migrate(url: string, upTo?: string): Promise<string[]> {
  const migrations = await known();
  const database = openDatabase({ url, poolSize: 3, statementTimeoutMs: 0 });
  try {
    return await database.transaction(async (lock) => {
      await lock.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
      await refuseNewer(database, new Set(migrations.map((migration) => migration.name)));
      return namesOf(await migrator(database.orm, migrations).up(upTo === undefined ? {} : { to: upTo }));
    });
  } finally {
    await database.close();
  }
}

/** The names of all migrations of this program, in their order. */
export async function knownMigrations(): Promise<string[]> {
  return namesOf(await known());
}

type Known = { readonly name: string; readonly class: new (...args: never[]) => Migration };

async function known(): Promise<Known[]> {
  const files = readdirSync(FOLDER).filter((file) => /^\d{3}-[a-z0-9-]+\.ts$/.test(file));
  return Promise.all(files.sort().map(load));
}

async function load(file: string): Promise<Known> {
  const exported = Object.values((await import(fileURLToPath(new URL(file, FOLDER)))) as Record<string, unknown>);
  const [migration] = exported;
  assert(exported.length === 1 && typeof migration === 'function', `${file} exports one migration`);
  return { name: file.slice(0, -'.ts'.length), class: migration as Known['class'] };
}

function migrator(orm: MikroORM, migrations: readonly Known[]): Migrator {
  orm.config.set('migrations', {
    ...orm.config.get('migrations'),
    migrationsList: migrations.map((migration) => ({ name: migration.name, class: migration.class as never })),
    tableName: 'migration',
    transactional: true,
    allOrNothing: true,
    snapshot: false,
    disableForeignKeys: false, // it would need a superuser (session_replication_role)
  });
  return new Migrator(orm.em);
}

const namesOf = (applied: readonly { readonly name: string }[]): string[] => applied.map(({ name }) => name);

async function refuseNewer(database: Database, names: ReadonlySet<string>): Promise<void> {
  const [table] = await database.query<{ found: string | null }>("select to_regclass('migration')::text as found");
  if (table?.found == null) return;
  const applied = await database.query<{ name: string }>('select name from migration order by id');
  const unknown = applied.map(({ name }) => name).filter((name) => !names.has(name));
  if (unknown.length === 0) return;
  throw new DatabaseTooNew(
    `the database is newer than this program (it has ${unknown.join(', ')}): install the version that made it, or a later one`,
  );
}
