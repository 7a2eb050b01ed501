import { expect, test } from 'vitest';
import { retentionJob } from '#jobs/retention';
import { timestamp } from '#storage/database';
import { ensurePartitions } from '#storage/history';
import { testDatabase } from '#test/support/database';

const db = await testDatabase();
const NOW = Date.parse('2026-11-21T03:00:00Z');

const partitions = async (of: string): Promise<string[]> =>
  (
    await db.query<{ name: string }>(
      'select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::regclass order by 1',
      [of],
    )
  ).map((row) => row.name);

test('after 13 months history goes, the day it may; the running month and those to come are there', async () => {
  await ensurePartitions(db, Date.parse('2025-08-15T00:00:00Z'), NOW);
  for (const at of ['2025-09-30T23:59:59Z', '2025-10-01T00:00:00Z']) {
    await db.query(
      `insert into enforcement_act (at, subscriber_id, session_key, nas_id, act, outcome, reason, took_ms)
       values ($1, 1, 'k', 1, 'coa', 'done', $2, 1)`,
      [timestamp(Date.parse(at)), at],
    );
  }
  await db.execute(`insert into usage_daily values (1, '2025-09-30', 1, 2), (1, '2025-10-01', 10, 20)`);
  const said = await retentionJob(db, () => NOW, 13).run(new AbortController().signal);
  expect(said).toBe(
    'dropped session_history_2025_08, session_history_2025_09, usage_daily_2025_08, usage_daily_2025_09',
  );
  for (const table of ['session_history', 'usage_daily', 'usage_monthly']) {
    const kept = await partitions(table);
    expect([kept[0], kept.at(-1)]).toEqual([`${table}_2025_10`, `${table}_2027_01`]);
  }
  expect(await db.query('select reason from enforcement_act')).toEqual([{ reason: '2025-10-01T00:00:00Z' }]);
  const year = () => db.query('select year, running[9] as september, running[12] as december from usage_yearly');
  expect(await year()).toEqual([{ year: 2025, september: 0, december: 30 }]);
  expect(await retentionJob(db, () => NOW, 13).run(new AbortController().signal)).toBeNull();
  await retentionJob(db, () => NOW, 10).run(new AbortController().signal);
  expect(await year(), 'a year of which nothing is left').toEqual([]);
});
