import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WhatsAppStatus } from '#domain/whatsapp';
import { confirmPin } from '#operations/confirm-pin';
import { sendByHand, sendTest } from '#operations/messages';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { listMessages } from '#storage/log-lists';
import { STAFF_ROLES } from '#storage/staff';
import { addPerson, HOSTILE } from '#test/portal/admin-first/people';
import { changes, unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { quietLive, startPortal, type TestPortal } from '#test/portal/harness';

const SAID = 'Kabel di rumah Anda sudah diganti';

let pages: TestPortal;
let browser: Browserlike;
let status: WhatsAppStatus;
let pin: string;
/** Messages by whom they are to. */
const ids: Record<string, number> = {};

beforeAll(async () => {
  const { whatsapp } = quietLive();
  status = whatsapp.status();
  pages = await startPortal({ live: { whatsapp: { ...whatsapp, status: () => status } } });
  browser = await pages.loginStaff('customer-service');
  expect(await said('')).toContain('Belum ada pesan');
  expect((await browser.open('/messages')).text).not.toContain('export.csv');

  const { desk, db } = pages;
  const moved = await addPerson(desk, { name: 'Pindah Prepaid', phone: '081200000001', billing: 'postpaid' });
  pin = (await migrateToPrepaid(desk, [moved.id])).moved[0]!.pin;
  const write = async (name: string, phone: string) => {
    const { id } = await addPerson(desk, { name, phone });
    return (await sendByHand(desk, { subscriberId: id, text: SAID })).id;
  };
  const [first] = (await listMessages(db, { page: 1, pageSize: 1 })).rows;
  ids.pin = first!.id;
  ids.sent = await write('Sudah Terkirim', '081200000002');
  ids.read = await write('Sudah Dibaca', '081200000003');
  ids.failed = await write('Tidak Sampai', '081200000004');
  ids.odd = await write(HOSTILE, '081200000005');
  ids.formula = await write('=HYPERLINK("http://evil")', '081200000006');
  ids.test = (await sendTest(desk, '081299999999')).id;
  await db.execute(`update message set sent_at = queued_at where id = any($1)`, [[ids.sent, ids.read]]);
  await db.execute('update message set delivered_at = queued_at, read_at = queued_at where id = $1', [ids.read]);
  await db.execute(`update message set failed_at = queued_at, failure = 'not-on-whatsapp' where id = $1`, [ids.failed]);
  await db.execute(`update message set failed_at = queued_at, failure = $2 where id = $1`, [
    ids.odd,
    'rejected: <script>alert(1)</script>',
  ]);
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const said = async (query: string): Promise<string> => textOf((await browser.open(`/messages${query}`)).text);
const NAMES = ['Pindah Prepaid', 'Sudah Terkirim', 'Sudah Dibaca', 'Tidak Sampai', '+6281299999999'];
const shown = async (query: string): Promise<string[]> => {
  const text = await said(query);
  return NAMES.filter((name) => text.includes(name));
};

test('every role sees the list; only who may write to customers sends again or takes back', async () => {
  expect(await whoOpens(pages, ['/messages', '/messages/export.csv'])).toEqual({
    '/messages': STAFF_ROLES,
    '/messages/export.csv': STAFF_ROLES,
  });
  const before = await changes(pages);
  const forms = { [`/messages/${ids.failed}/resend`]: {}, [`/messages/${ids.test}/cancel`]: {} };
  expect(await unrefused(pages, forms, ['technician', 'network-engineer'])).toEqual([]);
  expect(await changes(pages)).toBe(before);
  const { text } = await (await pages.loginStaff('technician')).open('/messages');
  expect(text).not.toMatch(/resend|\/cancel/);
});

test('a message is found by its state, its kind and whom it is to', async () => {
  expect(await shown('')).toEqual(NAMES);
  expect(await shown('?state=queued')).toEqual(['Pindah Prepaid', '+6281299999999']);
  expect(await shown('?state=sent')).toEqual(['Sudah Terkirim']);
  expect(await shown('?state=read')).toEqual(['Sudah Dibaca']);
  expect(await shown('?state=failed')).toEqual(['Tidak Sampai']);
  expect(await shown('?notice=portal-pin')).toEqual(['Pindah Prepaid']);
  expect(await shown('?notice=test')).toEqual(['+6281299999999']);
  expect(await shown('?q=sampai')).toEqual(['Tidak Sampai']);
  expect(await shown('?q=081200000003')).toEqual(['Sudah Dibaca']);
  expect(await said('?q=nobody')).toContain('Tidak ada pesan yang cocok');
  expect(await shown('?state=nonsense&notice=nonsense&page=0')).toEqual(NAMES);
});

test('what messages say, and so a PIN, is on no page and in no file', async () => {
  const owner = await pages.loginStaff('owner');
  for (const path of [
    '/messages',
    '/messages?notice=portal-pin',
    '/messages?notice=by-hand',
    '/messages/export.csv',
    '/messages/templates',
  ]) {
    const { text, status: code } = await owner.fetch(path);
    expect(code).toBe(200);
    expect(text).not.toContain(pin);
    expect(text).not.toContain(SAID);
  }
});

test('why a message failed is said in words, and names and reasons are never markup', async () => {
  const { text } = await browser.open('/messages?state=failed');
  expect(textOf(text)).toContain('Nomor ini tidak memakai WhatsApp. Periksa nomornya');
  expect(textOf(text)).toContain('WhatsApp menolak pesan ini. <script>alert(1)</script>');
  expect(text).not.toContain('<script>alert');
  expect(text).not.toContain('<img src=x');
});

test('the list as CSV holds the filter’s messages, and no formula', async () => {
  const { text, headers } = await browser.fetch('/messages/export.csv?notice=by-hand');
  expect(headers.get('content-disposition')).toBe('attachment; filename="messages-2026-11-21.csv"');
  const lines = text.trim().split('\r\n');
  expect(lines[0]).toMatch(/id,queued_at,username,name,phone,notice,state,transport,sent_at/);
  expect(lines).toHaveLength(6);
  expect(text).toContain(`"'=HYPERLINK(""http://evil"")"`);
  expect(text).toMatch(/Tidak Sampai,'?6281200000004,by-hand,failed,.*not-on-whatsapp/);
});

const stateOf = async (id: number): Promise<string> =>
  (await listMessages(pages.db, { page: 1, pageSize: 50 })).rows.find((row) => row.id === id)!.state;

test('what failed is queued again and taken back; what arrived is not offered to be sent twice', async () => {
  const { text } = await browser.open('/messages');
  expect(text).toContain(`/messages/${ids.failed}/resend`);
  expect(text).not.toContain(`/messages/${ids.read}/resend`);
  expect(text).not.toContain(`/messages/${ids.test}/resend`);
  const sent = await browser.submit(`/messages/${ids.failed}/resend`, { back: '/messages?state=queued' });
  expect(textOf(sent.text)).toContain('Pesan masuk antrean lagi');
  expect(textOf(sent.text)).toContain('Tidak Sampai');
  expect(await stateOf(ids.failed!)).toBe('queued');
  const back = await browser.post(`/messages/${ids.failed}/cancel`, { back: '//evil.example' });
  expect(back.location).toBe('/messages');
  expect(await stateOf(ids.failed!)).toBe('cancelled');
  const late = await browser.submit(`/messages/${ids.sent}/cancel`);
  expect(textOf(late.text)).toContain('tidak bisa dibatalkan');
  expect(textOf((await browser.submit('/messages/999999999999/resend')).text)).toContain('tidak bisa dikirim lagi');
});

test('a PIN that was used since is not sent again, and the page says what to do instead', async () => {
  const [row] = await pages.db.query<{ id: number }>(`select id from subscriber where name = 'Pindah Prepaid'`);
  await pages.db.execute('update message set sent_at = queued_at where id = $1', [ids.pin]);
  await confirmPin(pages.desk, row!.id);
  const answer = await browser.submit(`/messages/${ids.pin}/resend`);
  expect(textOf(answer.text)).toContain('Bila memuat PIN lama, buat PIN baru di halaman pelanggan');
});

test('how WhatsApp is doing stands above the list, with the way to put it right for who may', async () => {
  expect(await said('')).toContain('WhatsApp: Mati Pesan menunggu sampai cara mengirim dipilih.');
  const linked = async (role: 'owner' | 'customer-service') =>
    (await (await pages.loginStaff(role)).open('/messages')).text.includes('href="/settings/whatsapp"');
  expect([await linked('owner'), await linked('customer-service')]).toEqual([true, false]);
  status = { ...status, transport: 'cloud', state: 'unpaired', reason: 'not-configured' };
  expect(await said('')).toContain('WhatsApp: Belum lengkap');
  status = { ...status, transport: 'baileys', state: 'connected', reason: null };
  expect(await said('')).toContain('WhatsApp: Terhubung');
  expect((await browser.open('/messages')).text).not.toContain('card warn');
  status = { ...status, breakerUntil: pages.clock() + 3_600_000 };
  expect(await said('')).toMatch(/WhatsApp membatasi kita: .* menunggu sampai 21 Nov 2026 \d\d\.00 WIB/);
});

test('many messages come in pages', async () => {
  for (let at = 0; at < 60; at += 1) await sendTest(pages.desk, `0813000000${10 + at}`);
  expect((await said('?notice=test')).match(/\+62813/g)).toHaveLength(50);
  const second = await said('?notice=test&page=2');
  expect(second).toContain('Halaman 2 dari 2');
  expect(second.match(/\+62813/g)).toHaveLength(10);
});
