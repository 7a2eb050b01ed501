import { assert } from '#domain/assert';
import type { Queryable } from '#storage/database';

/**
 * Eight hexadecimal digits, made once by the migration: what tells this installation from others that work on the same
 * routers. All nodes have the same; so has a copy of the database.
 */
export async function installationId(q: Queryable): Promise<string> {
  const [row] = await q.query<{ id: string }>('select id from installation');
  assert(row !== undefined, 'the table installation has lost its row');
  return row.id;
}
