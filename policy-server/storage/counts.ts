import type { Queryable } from '#storage/database';

/** Throws `Unavailable` when the database does not answer. */
export async function ping(q: Queryable): Promise<void> {
  await q.query('select 1');
}

/** How many routers there are. */
export async function countNases(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from nas');
  return row!.count;
}

/** How many plans there are. */
export async function countPlans(q: Queryable): Promise<number> {
  const [row] = await q.query<{ count: number }>('select count(*) as count from plan');
  return row!.count;
}
