import { expect, test } from 'vitest';
import { readCsv } from '#operations/csv';
import { preparePartitions } from '#storage/history';
import { textOf } from '#test/portal/browserlike';
import { NOW, startPortal } from '#test/portal/harness';

/** More than the file fetches at once. */
const CUSTOMERS = 4_100;

test('the file of customers’ activity holds everybody once, in pieces, as the page ranks them', async () => {
  const pages = await startPortal();
  const browser = await pages.loginStaff('customer-service');
  await preparePartitions(pages.db, NOW);
  await pages.db.execute(
    `insert into subscriber (username, password_sealed, name) select 'u' || i, '', 'Orang ' || i from generate_series(1, $1::int) i`,
    [CUSTOMERS],
  );
  await pages.db.execute(
    `insert into usage_daily select id, date '2026-11-21' - n, substr(username, 2)::int, 9 * substr(username, 2)::int
       from subscriber, generate_series(0, 40, 10) n where username ~ '^u[0-9]+$'`,
  );
  const { text } = await browser.open('/prepaid/reports/export.csv?view=activity');
  const rows = [...readCsv(text)].map(({ fields }) => fields).slice(1);
  // Of the last thirty days: today, ten and twenty days ago.
  const row = (n: number) => [`u${n}`, `Orang ${n}`, `${27 * n}`, `${3 * n}`, '3', '2026-11-21', '0'];
  expect(rows).toEqual(Array.from({ length: CUSTOMERS }, (_, at) => row(CUSTOMERS - at)));
  const shown = textOf((await browser.open('/prepaid/reports?view=activity&page=82')).text);
  expect([shown.includes('Orang 50 '), shown.includes('Orang 1 '), shown.includes('Orang 51 ')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(pages.logged).toEqual([]);
  await pages.stop();
});
