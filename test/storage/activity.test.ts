import { expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { activityOf, customerActivity, rankActivity } from '#storage/activity';
import { ensurePartitions } from '#storage/history';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';
import { Core } from '../../migrations/001-core.ts';
import { Prepaid } from '../../migrations/002-prepaid.ts';
import { Usage } from '../../migrations/003-usage.ts';

const NOW = Date.parse('2026-11-21T02:00:00Z');

test('activity is what was used, live sessions included, and what was paid, the heaviest first', async () => {
  const db = await testDatabase();
  await ensurePartitions(db, NOW - 62 * DAY, NOW + DAY);
  const shop = new Shop(db);
  const budi = await shop.subscriber('budi', { name: 'Budi' });
  const rina = await shop.subscriber('rina', { name: 'Rina' });
  const purchase = await shop.purchase(budi, await shop.plan('P20'), NOW - 5 * DAY);
  for (const [daysAgo, rupiah] of [
    [4, 100],
    [3, 11],
    [1, 12],
    [0, 1000],
  ] as const)
    await shop.payment(purchase, NOW - daysAgo * DAY, rupiah);
  const tower = await shop.nas('tower');
  const use = (subscriberId: number, day: string, up: number, down: number) =>
    db.execute('insert into usage_daily values ($1, $2::date, $3, $4)', [subscriberId, day, up, down]);
  await use(budi, '2026-11-19', 1, 10);
  await use(budi, '2026-11-20', 2, 20);
  await use(budi, '2026-11-17', 1000, 1000);
  await use(rina, '2026-11-20', 1, 1);
  const live = await shop.session(rina, tower, NOW - HOUR);
  await db.execute('update session set day_up = 100, day_down = 400 where id = $1', [live]);
  const period = { from: '2026-11-18', to: '2026-11-21', paidFrom: NOW - 3 * DAY, paidTo: NOW };
  const rows = await customerActivity(db, { ...period, limit: 10 });
  expect(rows).toEqual([
    {
      subscriberId: rina,
      username: 'rina',
      name: 'Rina',
      upBytes: 101,
      downBytes: 401,
      days: 2,
      rupiah: 0,
      lastDay: '2026-11-21',
    },
    {
      subscriberId: budi,
      username: 'budi',
      name: 'Budi',
      upBytes: 3,
      downBytes: 30,
      days: 2,
      rupiah: 23,
      lastDay: '2026-11-20',
    },
  ]);
  expect(await customerActivity(db, { ...period, limit: 1, offset: 1 })).toEqual([rows[1]]);
  expect(await rankActivity(db, { ...period, limit: 1 })).toEqual([rina]);
  expect(await activityOf(db, [budi, 999_999, rina], period), 'in the order asked for').toEqual([rows[1], rows[0]]);
  const before = { ...period, to: '2026-11-20' };
  expect(await rankActivity(db, before), 'what is live today is not of yesterday').toEqual([budi, rina]);
  await db.execute('update session set ended_at = heard_at where id = $1', [live]);
  expect(await rankActivity(db, period), 'what has ended is in its day already').toEqual([budi, rina]);
});

test('usage from before the roll-up is in it once the step is taken', async () => {
  const db = await testDatabase();
  await db.execute('drop schema public cascade');
  await db.execute('create schema public');
  const step = async (Step: typeof Core | typeof Prepaid | typeof Usage) => {
    const migration = new Step(undefined as never, undefined as never);
    migration.up();
    for (const sql of migration.getQueries()) await db.execute(String(sql));
  };
  await step(Core);
  await step(Prepaid);
  for (const [month, next] of [
    ['2025-12', '2026-01'],
    ['2026-01', '2026-02'],
  ] as const)
    await db.execute(
      `create table usage_daily_${month.replace('-', '_')} partition of usage_daily for values from ('${month}-01') to ('${next}-01')`,
    );
  await db.execute(`insert into usage_daily values (1, '2025-12-30', 1, 2), (1, '2025-12-31', 10, 20), (1, '2026-01-02', 100, 200),
    (2, '2026-01-31', 5, 5)`);
  await step(Usage);
  const months = await db.query(
    `select subscriber_id as id, month, running[1] as first, running[2] as second, running[30] as thirtieth, running[31] as last
       from usage_monthly order by 2, 1`,
  );
  expect(months).toEqual([
    { id: 1, month: '2025-12-01', first: 0, second: 0, thirtieth: 3, last: 33 },
    { id: 1, month: '2026-01-01', first: 0, second: 300, thirtieth: 300, last: 300 },
    { id: 2, month: '2026-01-01', first: 0, second: 0, thirtieth: 0, last: 10 },
  ]);
  expect(
    await db.query(
      'select subscriber_id as id, year, running[1] as first, running[12] as last from usage_yearly order by 2, 1',
    ),
  ).toEqual([
    { id: 1, year: 2025, first: 0, last: 33 },
    { id: 1, year: 2026, first: 300, last: 300 },
    { id: 2, year: 2026, first: 10, last: 10 },
  ]);
  await ensurePartitions(db, Date.parse('2025-12-01T00:00:00Z'), Date.parse('2026-02-01T00:00:00Z'));
  await db.execute(`insert into usage_daily values (2, '2026-02-01', 1, 1)`);
});
