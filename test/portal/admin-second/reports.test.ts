import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { readCsv } from '#operations/csv';
import { sellPackage } from '#operations/sell-package';
import { preparePartitions } from '#storage/history';
import { addPackage, addPerson } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

const FORMULA = '=HYPERLINK("http://x","y")';
let pages: TestPortal;
let browser: Browserlike;
beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('customer-service');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const VIEWS = ['revenue', 'packages', 'activity', 'ending', 'expired'];
const csv = async (query: string) =>
  [...readCsv((await browser.open(`/prepaid/reports/export.csv?${query}`)).text)].map(({ fields }) => fields);

test('every report of an empty company says that there is nothing', async () => {
  for (const view of VIEWS)
    expect(textOf((await browser.open(`/prepaid/reports?view=${view}`)).text)).toContain('Belum ada data');
});

describe('with sales', () => {
  beforeAll(async () => {
    const { desk, db } = pages;
    const small = await addPackage(desk, FORMULA, '50000');
    const large = await addPackage(desk, 'Besar', '150000');
    const people = await Promise.all([FORMULA, 'Siti', 'Budi'].map((name) => addPerson(desk, { name })));
    const sell = async (who: number, planRevisionId: number, daysAgo: number, method: string) => {
      pages.setClock(NOW - daysAgo * DAY);
      await sellPackage(desk, { subscriberId: people[who]!.id, planRevisionId, method, begins: 'now' });
    };
    await sell(0, small, 0, 'cash');
    await sell(1, small, 1, 'transfer');
    await sell(1, large, 9, 'cash');
    await sell(2, small, 40, 'cash'); // out of the last thirty days, and over since ten
    pages.setClock(NOW);
    await preparePartitions(db, NOW);
    await addGrant(desk, {
      username: people[2]!.username,
      plan: 'Besar',
      from: new Date(NOW - HOUR).toISOString(),
      until: new Date(NOW + 30 * HOUR).toISOString(),
    });
    await db.execute(
      `insert into usage_daily (subscriber_id, day, up_bytes, down_bytes) values ($1, '2026-11-20', 10, 90), ($2, '2026-11-20', 100, 900)`,
      [people[0]!.id, people[1]!.id],
    );
  });

  test('revenue is summed by the company’s day, week and month, cut to the period, and by method', async () => {
    const { text } = await browser.open('/prepaid/reports?view=revenue');
    expect(textOf(text)).toContain('Pendapatan Rp 250.000 Pembayaran 3 rata-rata Rp 83.333 Tunai Rp 200.000 80%');
    const rows = await csv('view=revenue&step=day&from=2026-11-19&to=2026-11-21');
    expect(rows).toEqual([
      ['from', 'until', 'payments', 'rupiah', 'by_method'],
      ['2026-11-18T17:00:00.000Z', '2026-11-19T17:00:00.000Z', '0', '0', ''],
      ['2026-11-19T17:00:00.000Z', '2026-11-20T17:00:00.000Z', '1', '50000', 'transfer 50000'],
      ['2026-11-20T17:00:00.000Z', '2026-11-21T17:00:00.000Z', '1', '50000', 'cash 50000'],
    ]);
    // Weeks begin on Monday: the 9th and the 16th.
    expect((await csv('view=revenue&step=week&from=2026-11-11&to=2026-11-21')).slice(1)).toEqual([
      ['2026-11-10T17:00:00.000Z', '2026-11-15T17:00:00.000Z', '1', '150000', 'cash 150000'],
      ['2026-11-15T17:00:00.000Z', '2026-11-21T17:00:00.000Z', '2', '100000', 'cash 50000 transfer 50000'],
    ]);
    const months = await csv('view=revenue&step=month&from=2026-10-01&to=2026-11-21');
    expect(months.slice(1).map((row) => [row[0], row[3]])).toEqual([
      ['2026-09-30T17:00:00.000Z', '50000'],
      ['2026-10-31T17:00:00.000Z', '250000'],
    ]);
  });

  test('the chosen period stands beside its fields as the company writes dates, and four periods are one press away', async () => {
    const period = async (query: string) => textOf((await browser.open(`/prepaid/reports?${query}`)).text);
    expect(await period('')).toContain('Tampilkan 23 Okt 2026 – 21 Nov 2026');
    expect(await period('from=2026-11-20&to=2026-11-20')).toContain('Tampilkan 20 Nov 2026 Per');
    const { text } = await browser.open('/prepaid/reports?view=packages');
    const chips = [...text.matchAll(/from&#x3D;([\d-]+)&amp;to&#x3D;([\d-]+)"[^>]*>([^<]+)</g)];
    expect(chips.slice(-4).map(([, from, to, name]) => `${name}: ${from} ${to}`)).toEqual([
      '7 hari: 2026-11-15 2026-11-21',
      '30 hari: 2026-10-23 2026-11-21',
      'Bulan ini: 2026-11-01 2026-11-21',
      'Bulan lalu: 2026-10-01 2026-10-31',
    ]);
    const last = await browser.open('/prepaid/reports?view=packages&from=2026-10-01&to=2026-10-31');
    expect(last.text).toMatch(/aria-current="true">Bulan lalu</);
    expect(last.text.match(/aria-current="true"/g)).toHaveLength(1);
  });

  test('the picture has a bar for each span, zeros too', async () => {
    const { text } = await browser.open('/prepaid/reports?from=2026-11-12&to=2026-11-21');
    const data = JSON.parse(/data-chart="([^"]+)"/.exec(text)![1]!.replaceAll('&quot;', '"'));
    expect(data.series[0].values).toEqual([150_000, 0, 0, 0, 0, 0, 0, 0, 50_000, 50_000]);
    expect(data.x).toHaveLength(10);
  });

  test('packages are ranked by what was sold in the period', async () => {
    expect((await csv('view=packages')).slice(1)).toEqual([
      [FORMULA, '2', '100000', '2'],
      ['Besar', '1', '150000', '1'],
    ]);
    const { text } = await browser.open('/prepaid/reports?view=packages');
    expect(textOf(text)).toMatch(/2 kali.*1 kali.*Besar 1 Rp 150\.000 60% 1/);
    expect(text).toContain('style="width:50%"');
  });

  test('customers are ranked by what they used', async () => {
    const rows = (await csv('view=activity')).slice(1);
    expect(rows.map((row) => row.slice(1))).toEqual([
      ['Siti', '900', '100', '1', '2026-11-20', '200000'],
      [FORMULA, '90', '10', '1', '2026-11-20', '50000'],
    ]);
    expect(textOf((await browser.open('/prepaid/reports?view=activity')).text)).toContain('Siti');
  });

  test('who ends soon and who has ended are listed once each, and counted by day', async () => {
    const soon = await csv('view=ending&ahead=2');
    expect(soon.slice(1).map((row) => [row[1], row[4]])).toEqual([['Budi', new Date(NOW + 30 * HOUR).toISOString()]]);
    const { text } = await browser.open('/prepaid/reports?view=ending&ahead=7');
    const data = JSON.parse(/data-chart="([^"]+)"/.exec(text)![1]!.replaceAll('&quot;', '"'));
    expect(data.series[0].values).toEqual([0, 1, 0, 0, 0, 0, 0]);
    expect(textOf((await browser.open('/prepaid/reports?view=expired')).text)).toContain('Belum ada data');
    pages.setClock(NOW + 2 * DAY);
    browser = await pages.loginStaff('customer-service');
    expect((await csv('view=expired')).slice(1).map((row) => [row[1], row[3], row[5]])).toEqual([
      ['Budi', 'Besar', '50000'],
    ]);
    const expired = await browser.open('/prepaid/reports?view=expired');
    expect(textOf(expired.text)).toContain('Pelanggan yang berakhir 1');
    pages.setClock(NOW);
    browser = await pages.loginStaff('customer-service');
  });

  test('a file runs nothing in a spreadsheet', async () => {
    for (const view of VIEWS) {
      const { text, headers } = await browser.open(`/prepaid/reports/export.csv?view=${view}&ahead=30`);
      expect(headers.get('content-disposition')).toBe(`attachment; filename="${view}-2026-11-21.csv"`);
      expect(text, view).not.toMatch(/(^|[,;\r\n])"?=/);
      if (view === 'packages' || view === 'activity') expect(text).toContain(`'=HYPERLINK`);
    }
  });

  test('whatever the address says, the page opens; a period of centuries is cut', async () => {
    for (const query of [
      'from=2026-02-31',
      'from=x&to=y',
      'from=2027-01-01&to=2020-01-01',
      'page=-1',
      'page=999999',
      'step=second',
      'view=<b>',
    ])
      for (const view of VIEWS) {
        const { status, path } = await browser.open(`/prepaid/reports?view=${view}&${query}`);
        expect([status, path.startsWith('/prepaid/reports')]).toEqual([200, true]);
      }
    const { text } = await browser.open('/prepaid/reports?from=1900-01-01&to=2026-11-21&step=month');
    expect(text).toContain('value="2023-11-17"');
  });
});
