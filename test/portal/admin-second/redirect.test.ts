import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import type { DriftLine, RouterState } from '#portal/shared/parts';
import { addPackage, addPerson, HOSTILE, HOSTILE_WORD, type Person } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;
let comparisons = 0;
let drift: () => Promise<readonly DriftLine[]> = async () => [];
let states: readonly RouterState[] = [];
let budi: Person;
let siti: Person;
let tetap: Person;

const ACTIVE = '20000000/20000000 list=prepaid-active';
const WALLED = '128000/128000 list=prepaid-no-package';

beforeAll(async () => {
  const live = {
    drift: () => {
      comparisons += 1;
      return drift();
    },
    routers: { states: () => states, test: async () => ({ ok: true, says: '' }) },
  };
  pages = await startPortal({ live });
  browser = await pages.loginStaff('technician');
  expect(textOf((await browser.open('/prepaid/redirect')).text)).toContain('Belum ada router');
  const { desk, db } = pages;
  await addNas(desk, { name: 'utara', address: '10.20.0.1', secret: 'Rahasia-utara-77' });
  await addNas(desk, { name: 'selatan', address: '10.20.0.2', secret: 'Rahasia-selatan-77' });
  await addPackage(desk, 'Paket A');
  budi = await addPerson(desk, { name: 'Budi' });
  siti = await addPerson(desk, { name: HOSTILE });
  await addGrant(desk, { username: budi.username, plan: 'Paket A' });
  const session = (who: Person | null, nas: number, ip: string, told: string | null, username = who?.username) =>
    db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day, told_live, told_at)
       values ($1, $2, '10.20.0.1', $1, $3, $4, $5::inet, now(), now(), '2026-11-21', $6, now())`,
      [`s-${ip}`, nas, username, who?.id ?? null, ip, told],
    );
  await session(budi, 1, '10.7.0.1', ACTIVE);
  await session(siti, 2, '10.7.0.2', WALLED);
  await session(null, 2, '10.7.0.3', null, HOSTILE_WORD);
  tetap = await addPerson(desk, {
    name: 'Tetap',
    access: 'static',
    nas: 'utara',
    addresses: ['10.30.0.4', '10.30.0.5'],
  });
  await db.execute(
    `update static_address set wanted_list = 'prepaid-no-package', told_list = case when host(address) = '10.30.0.4' then 'prepaid-no-package' else 'prepaid-active' end, told_at = now(),
            last_error = case when host(address) = '10.30.0.5' then 'timeout' end`,
  );
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const open = async (query = '') => (await browser.open(`/prepaid/redirect${query}`)).text;
/** What the list of lines says, without what stands above it. */
const lines = async (query = '') => textOf((await open(query)).split('class="tally"')[1]!);

describe('live sessions', () => {
  test('stand with their list, their router and why; the unknown ones too', async () => {
    const said = await lines();
    expect(said).toMatch(/3 sesi/);
    expect(said).toMatch(/Budi.*10\.7\.0\.1 utara prepaid-active 20 Mbps Aktif Paket A/);
    expect(said).toMatch(/10\.7\.0\.2 selatan prepaid-no-package 128 kbps Belum ada paket/);
    expect(said).toMatch(/10\.7\.0\.3 selatan belum diketahui bukan pelanggan/);
    expect(await open()).toContain(`href="/customers/${budi.id}"`);
  });

  test('are narrowed by list, router and search', async () => {
    expect(await lines('?list=prepaid-active')).toMatch(/1 sesi.*Budi/);
    expect(await lines('?list=-')).toMatch(/1 sesi.*10\.7\.0\.3/);
    expect(await lines('?router=2')).toMatch(/2 sesi/);
    expect(await lines('?q=10.7.0.1')).toMatch(/1 sesi.*Budi/);
    expect(await lines(`?q=${budi.username}&router=2`)).toContain('Tidak ada yang cocok');
    for (const odd of ['?router=x', '?list=%00x', '?q=%00', '?page=-1', '?tab=x', '?router=99999999999999'])
      expect((await browser.open(`/prepaid/redirect${odd}`)).status, odd).toBe(200);
  });

  test('are counted per router and list, and each router says how its API is', async () => {
    const state = { error: null, lastSeenAt: NOW - 5 * MINUTE, wanted: 2, differing: 1 };
    states = [
      { ...state, nasId: 2, name: 'selatan', state: 'connected' },
      { ...state, nasId: 1, name: 'utara', state: 'failing', error: 'wrong password <b>' },
    ];
    const said = textOf((await open()).split('id="by-router"')[1]!.split('</section>')[0]!);
    // The one with trouble stands first.
    expect(said).toMatch(
      /utara Bermasalah wrong password <b> terakhir menjawab 5 menit lalu 1 \+ 1 IP statis 0 \+ 1 IP statis – 1 selatan Tersambung – 1 1 0$/,
    );
  });
});

test('static addresses stand with what is wanted beside what is there, those that differ first', async () => {
  const said = await lines('?tab=static');
  expect(said).toMatch(/2 alamat 1 alamat belum sesuai/);
  expect(said).toMatch(
    /10\.30\.0\.5 utara prepaid-no-package prepaid-active .*Ditolak router timeout.*Yang lain.*10\.30\.0\.4 utara prepaid-no-package prepaid-no-package .*Sesuai/,
  );
  expect(said.match(/10\.30\.0\.5/g)).toHaveLength(1);
  expect(await open('?tab=static')).toContain(`href="/customers/${tetap.id}"`);
  expect(await lines('?tab=static&router=2')).toContain('Tidak ada yang cocok');
});

test('names that are markup stay text', async () => {
  for (const query of [
    '',
    '?tab=static',
    `?q=${encodeURIComponent(HOSTILE)}`,
    `?list=${encodeURIComponent(HOSTILE)}`,
  ]) {
    const text = await open(query);
    expect(text).not.toContain('<img src=x');
    expect(text).not.toContain('<script>alert');
  }
});

describe('the comparison of all sessions', () => {
  const line: DriftLine = {
    subscriberId: 1,
    username: HOSTILE_WORD,
    nasId: 1,
    is: 'differs',
    told: ACTIVE,
    decided: WALLED,
    reason: 'coa',
  };
  const differing = async () => textOf((await browser.open('/prepaid/redirect/differing')).text);
  let now = NOW;
  beforeEach(() => {
    now += 60 * MINUTE;
    pages.setClock(now);
    comparisons = 0;
  });
  afterAll(() => pages.setClock(NOW));

  test('tells what a line has and what it should have', async () => {
    drift = async () => [line, { ...line, told: null, decided: 'denied', is: 'ending' }];
    const said = await differing();
    expect(said).toMatch(/2 sesi belum sesuai.*20 Mbps · prepaid-active 128 kbps · prepaid-no-package Berbeda/);
    expect(said).toMatch(/belum diketahui ditolak Belum terputus/);
    expect((await browser.open('/prepaid/redirect/differing')).text).not.toContain('<script>');
  });

  test('is made once for all who ask within half a minute, and again when asked for or later', async () => {
    drift = async () => [];
    await Promise.all([open(), open(), differing()]);
    expect([comparisons, (await differing()).includes('Semua sesi sesuai keputusan')]).toEqual([1, true]);
    await open('?check=now');
    expect(comparisons).toBe(2);
    pages.setClock(now + MINUTE);
    await open();
    expect(comparisons).toBe(3);
  });

  test('never holds the page: it is there at once, with the result later', async () => {
    let finish = (_: readonly DriftLine[]) => {};
    drift = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const page = await browser.open('/prepaid/redirect');
    expect(page.text).not.toContain('data-done');
    expect(textOf(page.text)).toContain('Sedang membandingkan');
    finish([line]);
    const after = await browser.open('/prepaid/redirect/differing');
    expect([after.text.includes('data-done'), textOf(after.text).includes('1 sesi belum sesuai')]).toEqual([
      true,
      true,
    ]);
  });

  test('that fails does not spoil the next one', async () => {
    drift = () => Promise.reject(new Error('the database went away'));
    expect((await browser.open('/prepaid/redirect/differing')).status).toBe(500);
    // Nobody waits for this one any more when it fails.
    let fail = (_: Error) => {};
    drift = () =>
      new Promise((_resolve, reject) => {
        fail = reject;
      });
    expect(await differing()).toContain('Sedang membandingkan');
    fail(new Error('the database went away'));
    drift = async () => [];
    expect(await differing()).toContain('Semua sesi sesuai keputusan');
    pages.logged.length = 0; // that failure was meant
  });
});
