import { afterAll, beforeAll, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { readCsv } from '#operations/csv';
import { suspend } from '#operations/suspend';
import { addPackage, addPerson, HOSTILE, HOSTILE_WORD } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('owner');
});
afterAll(() => pages.stop());

/** Names of the rows in their order. */
async function names(path: string): Promise<string[]> {
  const { text } = await browser.open(path);
  return [...text.matchAll(/<a href="\/customers\/\d+"><strong class="break">([^<]+)</g)].map(([, name]) => name!);
}

test('an empty list teaches how to fill it', async () => {
  const { text } = await browser.open('/customers');
  expect(textOf(text)).toContain('Belum ada pelanggan');
  for (const way of ['/customers/new', '/customers/import', '/customers/import-mikrotik'])
    expect(text).toContain(`href="${way}"`);
  expect(textOf((await browser.open('/prepaid/customers')).text)).toContain('Belum ada pelanggan prepaid');
});

test('filters, search and sorting say who is shown, and stand in the address', async () => {
  const { desk } = pages;
  await addPackage(desk);
  await addNas(desk, { name: 'pop-a', address: '10.20.0.1', secret: 'generate' });
  await addPerson(desk, { username: 'ayu', name: 'Ayu Lestari', phone: '081211112222', tags: ['vip'] });
  await addPerson(desk, { username: 'budi', name: 'Budi Santoso', billing: 'postpaid' });
  await addPerson(desk, {
    username: 'citra',
    name: 'Citra Dewi',
    access: 'static',
    password: undefined,
    nas: 'pop-a',
    addresses: ['103.20.1.5'],
  });
  await addPerson(desk, { username: 'dodi', name: 'Dodi Hartono' });
  await addGrant(desk, { username: 'ayu', plan: '20GB - 20Mbps' });
  await addGrant(desk, { username: 'budi', plan: '20GB - 20Mbps', from: '2026-09-01', until: '2026-10-01' });
  await suspend(desk, 'dodi');
  await addPerson(desk, { username: 'eko', name: 'Eko Purnomo' });
  await addGrant(desk, { username: 'eko', plan: '20GB - 20Mbps', from: '2026-11-01', until: '2026-11-21T20:00+07:00' });

  const all = ['Ayu Lestari', 'Budi Santoso', 'Citra Dewi', 'Dodi Hartono', 'Eko Purnomo'];
  expect(await names('/customers')).toEqual(all);
  expect(await names('/customers?sort=name&direction=desc')).toEqual([...all].reverse());
  expect(await names('/customers?sort=created')).toEqual([...all].reverse());
  expect((await names('/customers?sort=ends')).slice(0, 2)).toEqual(['Budi Santoso', 'Eko Purnomo']);
  expect(await names('/prepaid/customers')).toEqual(all.filter((name) => name !== 'Budi Santoso'));
  expect(await names('/customers?billing=postpaid')).toEqual(['Budi Santoso']);
  expect(await names('/customers?access=static')).toEqual(['Citra Dewi']);
  expect(await names('/customers?standing=served')).toEqual(['Ayu Lestari', 'Eko Purnomo']);
  expect(await names('/customers?standing=ends-soon')).toEqual(['Eko Purnomo']);
  expect(await names('/customers?standing=expired')).toEqual(['Budi Santoso']);
  expect(await names('/customers?standing=lapsed')).toEqual(['Budi Santoso']);
  expect(await names('/customers?standing=no-package')).toEqual(['Citra Dewi']);
  expect(await names('/customers?standing=suspended')).toEqual(['Dodi Hartono']);
  expect(await names('/customers?tag=vip')).toEqual(['Ayu Lestari']);
  expect(await names('/customers?online=yes')).toEqual([]);
  expect(await names('/customers?router=1')).toEqual(['Citra Dewi']);
  for (const found of ['lestari', '0812 1111', '103.20.1.5'].slice(0, 2))
    expect(await names(`/customers?q=${encodeURIComponent(found)}`)).toEqual(['Ayu Lestari']);
  expect(await names('/customers?q=103.20.1.5')).toEqual(['Citra Dewi']);
  expect(await names('/customers?standing=nonsense&sort=nonsense&page=-3')).toEqual(all);

  const { text } = await browser.open('/customers?standing=served&q=ayu');
  // Chosen chips lead to the list without them, all others keep what is asked.
  expect(text).toContain('href="/customers?q&#x3D;ayu" aria-current="true"');
  expect(text).toContain('href="/customers?q&#x3D;ayu&amp;access&#x3D;pppoe&amp;standing&#x3D;served"');
  expect(textOf((await browser.open('/customers?q=siapa')).text)).toContain('Tidak ada pelanggan dengan “siapa”');
});

test('a row says the state, the package and what is left of it', async () => {
  const said = textOf((await browser.open('/customers?q=ayu')).text);
  expect(said).toContain('Aktif');
  expect(said).toContain('20GB - 20Mbps');
  expect(said).toContain('sisa 20 GB');
  expect(said).toContain('21 Des 2026');
});

test('hostile names, user names and tags are shown as text', async () => {
  const { id } = await addPerson(pages.desk, {
    username: HOSTILE_WORD,
    name: HOSTILE,
    tags: [HOSTILE_WORD.slice(0, 29)],
    notes: HOSTILE,
    address: HOSTILE,
  });
  for (const path of [
    '/customers?q=onerror',
    `/customers?q=${encodeURIComponent(HOSTILE)}`,
    `/customers/${id}`,
    `/customers/${id}/edit`,
    `/customers/${id}/sell`,
    `/customers/${id}/pin`,
  ]) {
    const { text, status } = await browser.open(path);
    expect(status, path).toBe(200);
    expect(text, path).not.toContain('<img');
    expect(text, path).not.toContain('<script>alert');
    expect(text, path).toContain('&lt;');
  }
  await browser.open('/customers');
  const preview = await browser.submit('/customers/bulk', { do: 'suspend', id: String(id), path: '/customers' });
  expect(preview.text).not.toContain('<img');
  expect(preview.text).toContain('&lt;img');
});

test('long lists come in pages', async () => {
  for (let at = 0; at < 60; at += 1)
    await addPerson(pages.desk, { tags: ['banyak'], name: `Zz ${String(at).padStart(2, '0')}` });
  expect(await names('/customers?tag=banyak')).toHaveLength(50);
  const first = await browser.open('/customers?tag=banyak');
  expect(first.text).toContain('href="/customers?tag&#x3D;banyak&amp;page&#x3D;2" rel="next"');
  expect(textOf(first.text)).toContain('60 pelanggan');
  expect(await names('/customers?tag=banyak&page=2')).toHaveLength(10);
});

test('the CSV holds what the list shows, and no cell is a formula', async () => {
  await addPerson(pages.desk, {
    username: 'rumus',
    name: '=HYPERLINK("http://evil.example")',
    phone: '+6281299998888',
    tags: ['rumus'],
  });
  const file = await browser.fetch('/customers/export.csv?tag=rumus');
  expect(file.headers.get('content-type')).toContain('text/csv');
  expect(file.headers.get('content-disposition')).toContain('customers-2026-11-21.csv');
  expect(file.text).not.toMatch(/(^|,)"?=HYPERLINK/m);
  const [head, ...rows] = [...readCsv(file.text)].map(({ fields }) => fields);
  expect(head![0]).toBe('username');
  expect(rows).toHaveLength(1);
  expect(rows[0]![0]).toBe('rumus');
  const all = [...readCsv((await browser.fetch('/customers/export.csv')).text)];
  const [counted] = await pages.db.query<{ count: number }>('select count(*) as count from subscriber');
  expect(all).toHaveLength(counted!.count + 1);
  expect(
    [...readCsv((await browser.fetch('/prepaid/customers/export.csv?billing=postpaid')).text)].some(
      ({ fields }) => fields[3] === 'postpaid',
    ),
  ).toBe(false);
});

test('a customer is added by form, PPPoE or static, and what is wrong is said beside its field', async () => {
  const form = await browser.open('/customers/new');
  const suggested = /name="password" value="([^"]+)"/.exec(form.text)![1]!;
  expect(suggested).toHaveLength(10);
  const wrong = await browser.submit('/customers/new', {
    access: 'pppoe',
    billing: 'prepaid',
    username: '',
    password: '',
    phone: 'bukan',
    mac: 'zz',
    sessionLimit: '1',
    language: 'id',
  });
  expect(wrong.status).toBe(422);
  for (const said of ['Isi username', 'Isi kata sandi', 'Bukan nomor telepon', 'Bukan alamat MAC'])
    expect(textOf(wrong.text)).toContain(said);
  expect(wrong.text).toContain('value="bukan"');
  const taken = await browser.submit('/customers/new', {
    access: 'pppoe',
    billing: 'prepaid',
    username: 'ayu',
    password: suggested,
    sessionLimit: '1',
    language: 'id',
  });
  expect(textOf(taken.text)).toContain('Username ini sudah dipakai');
  const added = await browser.submit('/customers/new', {
    access: 'pppoe',
    billing: 'prepaid',
    username: 'baru',
    password: suggested,
    name: 'Baru Saja',
    tags: 'a b',
    sessionLimit: '1',
    language: 'id',
    nas: 'pop-a',
    addresses: '1.2.3.4',
  });
  expect(added.path).toMatch(/^\/customers\/\d+$/);
  expect(textOf(added.text)).toContain('Baru Saja sudah ditambahkan');
  const unfit = await browser.submit('/customers/new', {
    access: 'static',
    billing: 'postpaid',
    username: 'tetap',
    nas: '',
    addresses: '',
    language: 'id',
  });
  expect(textOf(unfit.text)).toContain('Pilih router yang memegang alamatnya');
  const still = await browser.submit('/customers/new', {
    access: 'static',
    billing: 'postpaid',
    username: 'tetap',
    nas: 'pop-a',
    addresses: '103.20.9.1\n103.20.9.8/30',
    language: 'id',
  });
  expect(textOf(still.text)).toContain('103.20.9.8/30');
  const [audit] = await pages.db.query<{ actor: string }>(
    `select actor from audit where why = 'add subscriber' order by id desc limit 1`,
  );
  expect(audit!.actor).toMatch(/^staff:owner/);
});

test('the list of somebody who may not edit offers nothing to do', async () => {
  const { text } = await (await pages.loginStaff('technician')).open('/customers');
  for (const act of ['type="checkbox"', '/customers/new', '/customers/bulk']) expect(text).not.toContain(act);
  expect(pages.logged).toEqual([]);
});
