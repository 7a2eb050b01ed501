import { afterAll, beforeAll, expect, test } from 'vitest';
import { HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { placePurchase } from '#operations/place-purchase';
import { saveSettings } from '#operations/settings';
import { timestamp } from '#storage/values';
import { addPackage, addPerson, HOSTILE_WORD, type Person } from '#test/portal/admin-first/people';
import { type Browserlike, type Page, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;
let plan: number;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('owner', 'siti');
  plan = await addPackage(pages.desk);
  await addNas(pages.desk, { name: 'pop-a', address: '10.20.0.1', secret: 'generate' });
  await saveSettings(pages.desk, 'company', { name: 'Maju Net', phone: '081200001111' });
});
afterAll(() => pages.stop());

const said = async (path: string): Promise<string> => textOf((await browser.open(path)).text);

/** What the page says of acts a moment ago: the audit's own clock is the database's. */
async function edits(id: number, show = '?show=edits'): Promise<string> {
  pages.setClock(Math.max(NOW, Date.now() + MINUTE));
  const { text } = await (await pages.loginStaff('owner')).open(`/customers/${id}${show}`);
  pages.setClock(NOW);
  return textOf(text);
}

/** A live session, or one that ended. */
async function session(
  { id, username }: Person,
  given: { since: number; ended?: number; told?: string },
): Promise<void> {
  await pages.db.execute(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at, heard_at, day, seconds, told_live, ended_at, cause)
     values ($1, 1, '10.20.0.1', $1, $2, $3, '4C:5E:0C:11:22:33', '100.64.0.9', $4::timestamptz, $4::timestamptz, ($4::timestamptz)::date, 600, $5, $6::timestamptz, $7)`,
    [
      `s${id}-${given.since}`,
      username,
      id,
      timestamp(given.since),
      given.told ?? null,
      timestamp(given.ended ?? null),
      given.ended === undefined ? null : 'Lost-Carrier',
    ],
  );
}

test('the state says in one sentence how the line is, and why', async () => {
  const never = await addPerson(pages.desk);
  expect(await said(`/customers/${never.id}`)).toContain('Belum pernah tersambung');

  const online = await addPerson(pages.desk);
  await addGrant(pages.desk, { username: online.username, plan: '20GB - 20Mbps', from: '2026-10-25T09:00+07:00' });
  await session(online, { since: NOW - 108 * MINUTE, told: '20000000/20000000 list=prepaid-active' });
  expect(await said(`/customers/${online.id}`)).toContain('Online 20 Mbps sejak 07.12; berakhir 3 hari lagi');

  const walled = await addPerson(pages.desk);
  await addGrant(pages.desk, {
    username: walled.username,
    plan: '20GB - 20Mbps',
    from: '2026-10-01',
    until: '2026-11-20T18:00+07:00',
  });
  await session(walled, { since: NOW - HOUR });
  expect(await said(`/customers/${walled.id}`)).toContain(
    'diarahkan ke portal: paket 20GB - 20Mbps berakhir 20 Nov 2026 18.00 WIB',
  );

  const rejected = await addPerson(pages.desk);
  await pages.db.execute(
    `insert into rejected_dial (username, subscriber_id, nas_id, mac, reason, times, first_at, last_at) values ($1, $2, 1, null, 'wrong-password', 3, $3::timestamptz, $4::timestamptz)`,
    [rejected.username, rejected.id, timestamp(NOW - 140 * MINUTE), timestamp(NOW - MINUTE)],
  );
  expect(await said(`/customers/${rejected.id}`)).toContain('Offline: router menolak 3× (sandi salah) sejak 06.40');

  const gone = await addPerson(pages.desk);
  await session(gone, { since: NOW - 3 * HOUR, ended: NOW - 2 * HOUR });
  expect(await said(`/customers/${gone.id}`)).toContain(
    'Offline sejak 07.00: kabel atau sinyal putus; belum ada paket',
  );

  const still = await addPerson(pages.desk, {
    access: 'static',
    password: undefined,
    nas: 'pop-a',
    addresses: ['103.20.1.9'],
  });
  expect(await said(`/customers/${still.id}`)).toContain('Alamat belum sampai ke router pop-a');
});

test('a migration shows Portal ID and PIN once: not in the address, not in a cookie, never again', async () => {
  const { id, username } = await addPerson(pages.desk, {
    billing: 'postpaid',
    name: 'Budi Santoso',
    phone: '081277778888',
  });
  await addGrant(pages.desk, { username, plan: '20GB - 20Mbps' });
  const preview = textOf((await browser.open(`/customers/${id}/migrate`)).text);
  expect(preview).toContain('1 paket yang berjalan diakhiri sekarang');
  expect(preview).toContain('Portal ID dan PIN dikirim ke WhatsApp 081277778888');

  const answer = await browser.post(`/customers/${id}/migrate`);
  expect([answer.status, answer.location]).toEqual([200, null]);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  const [portalId, pin] = [...answer.text.matchAll(/class="secret">(\d+)</g)].map(([, digits]) => digits!) as [
    string,
    string,
  ];
  expect([portalId, pin]).toEqual([expect.stringMatching(/^\d{8}$/), expect.stringMatching(/^\d{6}$/)]);
  const slip = textOf(answer.text);
  for (const part of ['Maju Net', 'Budi Santoso', '/prepaid/portal/login', 'Chat kami dulu di WhatsApp'])
    expect(slip).toContain(part);
  expect(answer.text.match(/<svg role="img"/g)).toHaveLength(2);
  expect(answer.text).toContain('https://wa.me/6281200001111?text');
  expect(slip).toContain('Pesan ke 081277778888 ada di antrean');

  expect([...browser.cookies.values()].join()).not.toContain(pin);
  for (const path of [
    `/customers/${id}`,
    `/customers/${id}/pin`,
    `/customers/${id}/slip`,
    `/customers?q=${portalId}`,
    '/prepaid/dashboard',
  ])
    expect((await browser.open(path)).text, path).not.toContain(pin);
  const again = await browser.submit(`/customers/${id}/migrate`);
  expect(again.text).not.toContain(pin);
  expect(textOf(again.text)).toContain('sudah prepaid');
  const kept = await pages.db.query('select detail::text, why from audit');
  expect(JSON.stringify(kept)).not.toContain(pin);

  const page = await said(`/customers/${id}`);
  expect(page).toContain(portalId);
  expect(page).toContain('menunggu dikirim');
  expect(await edits(id)).toContain('Dipindahkan ke prepaid');

  const undo = await said(`/customers/${id}/undo`);
  expect(undo).toContain('Paket ini kembali: 20GB - 20Mbps');
  expect(textOf((await browser.submit(`/customers/${id}/undo`)).text)).toContain(
    'Kembali ke postpaid; 1 paket dikembalikan',
  );
});

test('without a telephone number the page says that the PIN has to be handed over', async () => {
  const { id } = await addPerson(pages.desk, { billing: 'postpaid', phone: null });
  expect(await said(`/customers/${id}/migrate`)).toContain('serahkan PIN-nya sendiri');
  expect(textOf((await browser.submit(`/customers/${id}/migrate`)).text)).toContain('Tidak ada pesan yang dikirim');
});

test('a PIN issued anew is another, shown once, and sent only when asked for', async () => {
  const { id } = await addPerson(pages.desk);
  await browser.open(`/customers/${id}/pin`);
  const pinOf = (page: Page) => [...page.text.matchAll(/class="secret">(\d+)</g)].map(([, digits]) => digits!);
  const first = await browser.submit(`/customers/${id}/pin`);
  expect(textOf(first.text)).toContain('Serahkan sendiri');
  const second = await browser.submit(`/customers/${id}/pin`, { send: 'yes' });
  expect(textOf(second.text)).toContain('ada di antrean');
  expect(pinOf(second)[0]).toBe(pinOf(first)[0]);
  expect(pinOf(second)[1]).not.toBe(pinOf(first)[1]);
  expect((await browser.open(`/customers/${id}`)).text).not.toContain(pinOf(second)[1]);
});

test('a package sold over the counter is a payment and a grant, and sent twice it is one', async () => {
  const { id } = await addPerson(pages.desk);
  const form = await browser.open(`/customers/${id}/sell`);
  expect(textOf(form.text)).toContain('20GB - 20Mbps 30 hari · 20 GB · 20 Mbps Rp 75.000');
  const number = /name="number" value="(P-\w+)"/.exec(form.text)![1]!;
  const missing = await browser.submit(`/customers/${id}/sell`, { number, method: 'cash' });
  expect([missing.status, textOf(missing.text)]).toEqual([422, expect.stringContaining('Pilih paketnya dulu')]);
  const sale = { number, plan: String(plan), method: 'transfer', note: 'BCA', begins: 'after' };
  const sold = await browser.submit(`/customers/${id}/sell`, sale);
  expect(sold.path).toBe(`/customers/${id}`);
  expect(textOf(sold.text)).toContain('Aktif sampai 21 Des 2026 09.00 WIB');
  await browser.submit(`/customers/${id}/sell`, sale);
  const [counts] = await pages.db.query<{ grants: number; paid: number; by: string }>(
    `select (select count(*) from grants where subscriber_id = $1) as grants, (select sum(amount_rupiah)::int from payment where subscriber_id = $1) as paid,
            (select received_by from payment where subscriber_id = $1) as by`,
    [id],
  );
  expect(counts).toEqual({ grants: 1, paid: 75_000, by: 'staff:siti' });
  const page = textOf(sold.text);
  for (const told of [
    'Membayar Rp 75.000, Transfer',
    'Paket 20GB - 20Mbps mulai',
    'sisa 20 GB dari 20 GB',
    'Memesan 20GB - 20Mbps',
  ])
    expect(page).toContain(told);
  // One sale is told once, though the audit has it too.
  expect(await edits(id, '')).not.toContain('Paket dijual');
  expect(await edits(id)).toContain('Paket dijual');
  const next = await browser.open(`/customers/${id}/sell`);
  expect(textOf(next.text)).toContain('Setelah paket sekarang berakhir 21 Des 2026 09.00 WIB');
});

test('an order that waits is settled with one button', async () => {
  const { id } = await addPerson(pages.desk);
  const { number } = await placePurchase(
    { ...pages.desk, actor: `subscriber:${id}` },
    { subscriberId: id, planRevisionId: plan },
  );
  const page = await browser.open(`/customers/${id}`);
  expect(textOf(page.text)).toContain('20GB - 20Mbps menunggu pembayaran Rp 75.000');
  const settled = await browser.submit(`/prepaid/purchases/${number}/settle`, {
    method: 'cash',
    back: `/customers/${id}`,
  });
  expect(settled.path).toBe(`/customers/${id}`);
  expect(textOf(settled.text)).toContain(`${number} lunas`);
  const twice = await browser.submit(`/prepaid/purchases/${number}/settle`, { method: 'cash', back: '//evil.example' });
  expect(twice.path).toBe('/prepaid/purchases');
  expect(textOf(twice.text)).toContain('sudah lunas sebelumnya');
});

test('suspend and resume are one press each and stand in the timeline', async () => {
  const { id } = await addPerson(pages.desk, { name: 'Wati' });
  await browser.open(`/customers/${id}`);
  const suspended = textOf((await browser.submit(`/customers/${id}/suspend`)).text);
  expect(suspended).toContain('Wati ditangguhkan');
  expect(suspended).toContain('Ditangguhkan sejak 09.00: sambungan ditolak');
  const resumed = textOf((await browser.submit(`/customers/${id}/resume`)).text);
  expect(resumed).toContain('Wati bisa tersambung lagi');
  expect(await edits(id)).toMatch(/Diaktifkan lagi \d\d\.\d\d · oleh siti.*Ditangguhkan \d\d\.\d\d · oleh siti/);
});

test('an edit changes what was changed, says it before and after, and never shows the password', async () => {
  const { id, username } = await addPerson(pages.desk, { name: 'Lama', phone: '081211110000' });
  const form = await browser.open(`/customers/${id}/edit`);
  expect(form.text).toContain('value="Lama"');
  expect(form.text).not.toContain('rahasia-77');
  const same = {
    username,
    name: 'Lama',
    phone: '081211110000',
    address: '',
    notes: '',
    tags: '',
    language: 'id',
    mac: '',
    staticIp: '',
    sessionLimit: '1',
    password: '',
  };
  expect(textOf((await browser.submit(`/customers/${id}/edit`, same)).text)).toContain('Tidak ada yang berubah');
  const wrong = await browser.submit(`/customers/${id}/edit`, { ...same, mac: 'x', staticIp: '224.0.0.1' });
  expect([wrong.status, textOf(wrong.text)]).toEqual([422, expect.stringContaining('Bukan alamat IPv4')]);
  const saved = textOf(
    (await browser.submit(`/customers/${id}/edit`, { ...same, name: 'Baru', password: 'sandi-baru-9' })).text,
  );
  expect(saved).toContain('Perubahan disimpan');
  const told = await edits(id);
  expect(told).toContain('nama: Lama → Baru');
  expect(told).toContain('kata sandi');
  expect(told).not.toContain('sandi-baru-9');
});

test('the timeline is filtered by kind, goes back page by page, and shows hostile router texts as text', async () => {
  const person = await addPerson(pages.desk, { username: `${HOSTILE_WORD}2` });
  for (let at = 0; at < 60; at += 1)
    await pages.db.execute(
      `insert into rejected_dial (username, subscriber_id, nas_id, mac, reason, first_at, last_at) values ($1, $2, 1, $3, $4, $5::timestamptz, $5::timestamptz)`,
      [person.username, person.id, HOSTILE_WORD, at === 0 ? HOSTILE_WORD : 'mac-mismatch', timestamp(NOW - at * HOUR)],
    );
  await pages.db.execute(
    `insert into enforcement_act (at, subscriber_id, session_key, nas_id, act, outcome, reason, took_ms) values ($1::timestamptz, $2, 'k', 1, 'coa', $3, $3, 12)`,
    [timestamp(NOW - MINUTE), person.id, HOSTILE_WORD],
  );
  const first = await browser.open(`/customers/${person.id}`);
  expect(first.text).not.toContain('<script>alert');
  expect(first.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(textOf(first.text)).toContain('perangkat lain (MAC)');
  const older = /href="([^"]+)">Lebih lama</
    .exec(first.text)![1]!
    .replaceAll('&#x3D;', '=')
    .replaceAll('&amp;', '&')
    .split('#')[0]!;
  const second = await browser.open(older);
  expect(textOf(second.text)).toContain('Ke yang terbaru');
  const count = (page: Page) => page.text.match(/Ditolak 1×/g)?.length ?? 0;
  expect(count(first) + count(second)).toBe(60);
  const network = await browser.open(`/customers/${person.id}?show=network`);
  expect([count(network), textOf(network.text)]).toEqual([0, expect.stringContaining('Layanan diubah langsung (CoA)')]);
  expect(textOf((await browser.open(`/customers/${person.id}?show=money`)).text)).toContain(
    'Belum ada apa-apa di sini',
  );
});

test('what enforcement did and why is told in the reader’s language', async () => {
  const { id } = await addPerson(pages.desk);
  await pages.db.execute(
    `insert into enforcement_act (at, subscriber_id, session_key, nas_id, act, outcome, reason, took_ms) values ($1::timestamptz, $2, 'k', 1, 'coa', $3, $4, 12)`,
    [
      timestamp(NOW - MINUTE),
      id,
      'nak 503 session context not found',
      'change 20000000/10000000 list=prepaid-active to 128000/128000 list=prepaid-no-package',
    ],
  );
  expect(await said(`/customers/${id}`)).toMatch(
    /Layanan diubah langsung \(CoA\): ditolak router: sesinya sudah tidak ada \(503\) 08\.59 · dari 20 Mbps \/ 10 Mbps, prepaid-active menjadi 128 kbps \/ 128 kbps, prepaid-no-package · pop-a/,
  );
  await browser.open(`/language/en?back=/customers/${id}`);
  expect(await said(`/customers/${id}`)).toContain('refused by the router: the session is gone (503)');
  await browser.open(`/language/id?back=/customers/${id}`);
});

test('nobody of a number is a page that says so', async () => {
  for (const path of ['/customers/999999', '/customers/abc', '/customers/999999/sell', '/customers/999999/migrate']) {
    const { status, text } = await browser.open(path);
    expect([status, textOf(text)], path).toEqual([
      404,
      expect.stringContaining('Tidak ada pelanggan dengan nomor ini'),
    ]);
  }
  expect((await browser.open('/prepaid/customers/1')).path).toBe('/customers/1');
  expect(pages.logged).toEqual([]);
});
