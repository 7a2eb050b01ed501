import { expect, test } from 'vitest';
import { testDatabase } from '#test/support/database';

const db = await testDatabase();

test('a test has a migrated database of its own', async () => {
  expect(await db.query('select name from migration')).toEqual([{ name: '001-core' }]);
});
