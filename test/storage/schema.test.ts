import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { installationId } from '#storage/installation';
import { DatabaseTooNew, migrate } from '#storage/migrate';
import { testDatabase } from '#test/support/database';
import { dumpSchema } from '#test/support/schema';

const GOLDEN = new URL('../../migrations/schema.sql', import.meta.url);

test('migrations/schema.sql shows what the migrations make', async () => {
  const schema = await dumpSchema(await testDatabase());
  if (process.env.UPDATE === '1') writeFileSync(GOLDEN, schema);
  const told = 'stale: UPDATE=1 npx vitest run test/storage/schema.test.ts';
  expect(readFileSync(GOLDEN, 'utf8'), told).toBe(schema);
});

test('migrating twice, also at once from several nodes, changes nothing', async () => {
  const db = await testDatabase();
  const before = await dumpSchema(db);
  expect(await Promise.all([migrate(db.url), migrate(db.url), migrate(db.url)])).toEqual([[], [], []]);
  expect(await dumpSchema(db)).toBe(before);
});

test('several nodes may find an empty database at once: one migrates, the others wait for it', async () => {
  const db = await testDatabase();
  await db.query('drop schema public cascade');
  await db.query('create schema public');
  const applied = await Promise.all([migrate(db.url), migrate(db.url), migrate(db.url)]);
  expect(applied.flat()).toEqual(await migrationNames(db));
});

test('a database that a newer program migrated is refused with a clear message', async () => {
  const db = await testDatabase();
  await db.query("insert into migration (name, executed_at) values ('999-from-the-future', now())");
  const refusal = migrate(db.url);
  await expect(refusal).rejects.toThrow(DatabaseTooNew);
  await expect(refusal).rejects.toThrow(/newer than this program .*999-from-the-future.*install the version/);
});

test('an installation gets its id once: every migrated database one of its own, and only one', async () => {
  const db = await testDatabase();
  const before = await installationId(db);
  expect(before).toMatch(/^[0-9a-f]{8}$/);
  await migrate(db.url);
  expect(await installationId(db)).toBe(before);
  await expect(db.query('insert into installation default values')).rejects.toThrow(/installation_pkey/);
  await db.query('drop schema public cascade');
  await db.query('create schema public');
  await migrate(db.url);
  expect(await installationId(db)).not.toBe(before);
});

async function migrationNames(db: Awaited<ReturnType<typeof testDatabase>>): Promise<string[]> {
  return (await db.query<{ name: string }>('select name from migration order by id')).map(({ name }) => name);
}
