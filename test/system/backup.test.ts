import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testDatabase } from '#test/support/database';
import { environment, gerbang, newDataDir } from '#test/system/node';

test('gerbang backup and restore: from any database into the embedded one, with nothing done to either but that', async () => {
  const from = await testDatabase();
  await from.query(`insert into setting (key, value, changed_by) values ('kept', '{"is": true}', 'test')`);
  const dataDir = newDataDir();
  const file = join(newDataDir(), 'backup.gz');
  const made = await gerbang(environment(dataDir, { DATABASE_URL: from.url }), ['backup', file]);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toMatch(/is written: \d+ tables, 2 rows, as of .* WIB, schema \d{3}-[a-z-]+, \d.*B\.\n/);
  expect(made.stdout).toContain(
    `The master key is not in it: keep a copy of ${join(dataDir, 'master.key')} in another`,
  );
  // No first policy, no key, as any other command would make.
  expect(await from.query('select from policy_revision')).toEqual([]);

  const env = environment(dataDir);
  expect(await gerbang(env, ['restore', '--check', file])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/is whole: \d+ tables, 2 rows/),
  });
  const restored = await gerbang(env, ['restore', file]);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  expect(restored.stdout).toMatch(/is restored: .*\nThe master key is not in a backup: put it at .*master\.key before/);
  const again = await gerbang(env, ['setting', 'show', '--json']);
  expect(again.code).toBe(0);
  expect(await gerbang(env, ['restore', file])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^the database is not empty; .*stop Gerbang and set DATA_DIR to a new folder/),
  });
  expect(await gerbang(env, ['backup', file])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cannot be written \(it exists already; name a new one\)\n$/),
  });
});
