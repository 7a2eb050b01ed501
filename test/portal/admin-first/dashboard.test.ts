import { afterAll, expect, test } from 'vitest';
import { DAY, MINUTE } from '#domain/time';
import { addNas } from '#operations/add-nas';
import { saveSettings } from '#operations/settings';
import { timestamp } from '#storage/values';
import { addPackage, addPerson } from '#test/portal/admin-first/people';
import { seedProvider } from '#test/portal/admin-first/provider';
import { textOf } from '#test/portal/browserlike';
import { NOW, quietLive, startPortal, type TestPortal } from '#test/portal/harness';

let started: TestPortal[] = [];
const start = async (options: Parameters<typeof startPortal>[0] = {}): Promise<TestPortal> => {
  const pages = await startPortal(options);
  started.push(pages);
  return pages;
};
afterAll(async () => {
  for (const pages of started) await pages.stop();
  started = [];
});

test('a dashboard for no data explains the first steps, and ticks off what is done', async () => {
  const pages = await start();
  const browser = await pages.loginStaff('owner');
  const steps = async () => {
    const { text } = await browser.open('/prepaid/dashboard');
    return { done: text.match(/<li class="done">/g)?.length ?? 0, text };
  };
  const first = await steps();
  expect(first.done).toBe(0);
  for (const link of [
    '/settings',
    '/settings/routers',
    '/prepaid/packages',
    '/customers/import-mikrotik',
    '/customers/new',
    '/settings/whatsapp',
  ])
    expect(first.text).toContain(`href="${link}"`);
  expect(first.text).not.toContain('kpi');
  await addNas(pages.desk, { name: 'pop-a', address: '10.20.0.1', secret: 'generate' });
  await saveSettings(pages.desk, 'company', { name: 'Maju Net', phone: '081200001111' });
  expect((await steps()).done).toBe(2);
  await addPackage(pages.desk);
  await saveSettings(pages.desk, 'whatsapp', { transport: 'baileys' });
  expect((await steps()).done).toBe(4);
  const technician = await (await pages.loginStaff('technician')).open('/prepaid/dashboard');
  expect(technician.text).not.toContain('href="/customers/new"');
  await addPerson(pages.desk);
  const served = textOf((await steps()).text);
  expect(served).toContain('Total Prepaid 1');
  expect(served).toContain('Semua berjalan baik.');
  expect(served).not.toContain('Yang masih kurang');
  expect(pages.logged).toEqual([]);
});

test('the cards count, compare with last week, and lead to whom they count', async () => {
  const pages = await start();
  await seedProvider(pages.desk, NOW, 60);
  const browser = await pages.loginStaff('owner');
  const { text } = await browser.open('/prepaid/dashboard');
  const said = textOf(text);
  const shown = Number(/Aktif (\d+) /.exec(said)![1]);
  const listed = textOf((await browser.open('/prepaid/customers?standing=served')).text);
  expect(listed).toContain(`${shown} pelanggan`);
  const lapsed = Number(/Berakhir &? ?Kuota Habis (\d+) /.exec(said)![1]);
  expect(textOf((await browser.open('/prepaid/customers?standing=lapsed')).text)).toContain(`${lapsed} pelanggan`);
  const [before] = await pages.db.query<{ prepaid: number }>(
    'select prepaid from figure where at <= $1::timestamptz order by at desc limit 1',
    [timestamp(NOW - 7 * DAY)],
  );
  const total = Number(/Total Prepaid (\d+) /.exec(said)![1]);
  const difference = total - before!.prepaid;
  expect(said).toContain(
    difference === 0
      ? 'sama seperti minggu lalu'
      : `${difference > 0 ? '+' : '−'}${Math.abs(difference)} dari minggu lalu`,
  );
  expect(text.match(/class="spark"/g)!.length).toBeGreaterThanOrEqual(12);
  expect(text.match(/data-chart="/g)).toHaveLength(5);
  expect(text).toMatch(/<h1>Dashboard Prepaid<\/h1>/);
  const [today, month] = [...text.matchAll(/aria-label="(Pendapatan[^"]*)"><polyline points="([^"]+)"/g)];
  expect([today![1], month![1]]).toEqual([
    'Pendapatan hari ini, 7 hari terakhir',
    'Pendapatan bulan ini, bertambah dari hari ke hari',
  ]);
  // Seven days as they were; each day of the month with all before it, so that it never falls.
  expect(today![2]!.split(' ')).toHaveLength(7);
  const heights = month![2]!.split(' ').map((point) => Number(point.split(',')[1]));
  expect(heights).toHaveLength(21);
  expect(heights).toEqual(heights.toSorted((one, other) => other - one));
  expect(heights[0]).toBeGreaterThan(heights.at(-1)!);
  expect(text).toContain('/assets/uplot.js');
  expect((await browser.open('/customers')).text).not.toContain('uplot');
  expect(said).toMatch(/Hari ini( \(\d+\))?/);
  expect(said).toContain('Pembelian terbaru');
  const week = (await browser.open('/prepaid/dashboard?days=7')).text;
  expect(week).toContain('days&#x3D;7#charts" aria-current="true"');
  expect(week, 'the month is whole though the charts show a week').toContain(month![2]!);
  expect(/data-chart="\{&quot;x&quot;:\[([^\]]+)\]/.exec(week)![1]!.split(',')).toHaveLength(7);
  expect(pages.logged).toEqual([]);
});

test('what needs somebody stands first, each with its one link; who may not open it sees no link', async () => {
  const pages = await start({
    live: {
      readiness: async () => ({
        database: { ok: true, says: 'reachable' },
        journal: { ok: false, says: 'the disk is full' },
      }),
      whatsapp: {
        ...quietLive().whatsapp,
        status: () => ({ ...quietLive().whatsapp.status(), transport: 'baileys', state: 'logged-out' }),
      },
    },
  });
  await seedProvider(pages.desk, NOW, 45);
  const { db } = pages;
  await db.execute(`update nas set api_error = '<b>refused</b>' where id = 1`);
  await db.execute('update session set heard_at = $1::timestamptz where nas_id = 2', [timestamp(NOW - 40 * MINUTE)]);
  await db.execute(
    `insert into due (subscriber_id, due_at, attempts) values (1, now(), 3) on conflict (subscriber_id) do update set attempts = 3`,
  );
  await db.execute(
    `insert into message (phone, notice, body_sealed, queued_at, due_at, expires_at, failed_at, failure) values ('6281', 'x', '', now(), now(), now(), $1::timestamptz, 'y')`.replace(
      "'6281'",
      "'62812345678'",
    ),
    [timestamp(NOW - DAY)],
  );
  const { text } = await (await pages.loginStaff('owner')).open('/prepaid/dashboard');
  const said = textOf(text);
  for (const line of [
    'Jurnal pemakaian: the disk is full',
    'Router pop-sukun diam: kabar terakhir 40 menit lalu',
    'API router pop-dinoyo gagal: <b>refused</b>',
    '1 pelanggan belum sesuai keputusan',
    '1 pesan gagal terkirim',
    'pembelian menunggu pembayaran',
    'WhatsApp keluar dari telepon',
  ])
    expect(said).toContain(line);
  expect(text).not.toContain('<b>refused');
  expect(said).not.toContain('Semua berjalan baik');
  const links = [
    '/messages?state&#x3D;failed',
    '/prepaid/purchases?state&#x3D;waiting',
    '/settings/whatsapp',
    '/prepaid/redirect',
  ];
  for (const link of links) expect(text).toContain(`href="${link}"`);
  const service = await (await pages.loginStaff('customer-service')).open('/prepaid/dashboard');
  expect(textOf(service.text)).toContain('WhatsApp keluar dari telepon');
  expect(service.text).not.toContain('href="/settings/whatsapp"');
  expect(pages.logged).toEqual([]);
});

test('a hostile name of a subscriber or a package is text on the dashboard too', async () => {
  const pages = await start();
  await seedProvider(pages.desk, NOW, 30);
  await pages.db.execute(`update subscriber set name = '<img src=x onerror=alert(1)>'`);
  await pages.db.execute(`update plan set name = '<script>alert(' || id || ')</script>'`);
  const browser = await pages.loginStaff('owner');
  for (const path of [
    '/prepaid/dashboard',
    '/prepaid/purchases',
    '/prepaid/subscriptions',
    '/customers/1',
    '/customers/1/sell',
    '/customers',
  ]) {
    const { text } = await browser.open(path);
    expect(text, path).not.toContain('<img src=x');
    expect(text, path).not.toContain('<script>alert');
    expect(text, path).toContain('&lt;');
  }
});
