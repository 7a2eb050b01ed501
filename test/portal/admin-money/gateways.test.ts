import { afterAll, beforeAll, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { readSettings, saveSettings, setSecretSetting } from '#operations/settings';
import { openGateways } from '#policy-server/gateways-side';
import { storeEvents } from '#storage/gateway-events';
import { readSecretSetting } from '#storage/settings';
import { changes, unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import { type Midtrans, startMidtrans } from '#test/world/midtrans';
import { startXendit, type Xendit } from '#test/world/xendit';

const PATH = '/settings/gateways';
const SERVER_KEY = 'SB-Mid-server-canary-1';
const API_KEY = 'xnd_development_canary-2';
const TOKEN = 'callback-canary-3';
const FORM = {
  first: 'midtrans',
  linkHours: '24',
  'midtrans-production': 'no',
  'midtrans-methods': '',
  'midtrans-server-key': '',
  'xendit-methods': '',
  'xendit-api-key': '',
  'xendit-callback-token': '',
} as const;

let midtrans: Midtrans;
let xendit: Xendit;
let pages: TestPortal;
let browser: Browserlike;
const log = { info: () => undefined, warn: () => undefined };

beforeAll(async () => {
  midtrans = await startMidtrans({ serverKey: SERVER_KEY });
  xendit = await startXendit({ apiKey: API_KEY, callbackToken: TOKEN });
  const bases = { midtransBaseUrl: midtrans.url, xenditBaseUrl: xendit.url };
  pages = await startPortal({
    publicUrl: 'https://portal.example.net',
    gateways: (opened) => openGateways({ ...opened, ...bases, clock: () => NOW, log }),
  });
  browser = await pages.loginStaff('admin', 'rina');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
  await midtrans.stop();
  await xendit.stop();
});

const send = async (fields: Record<string, string>, to = PATH) => {
  await browser.open(PATH);
  return browser.submit(to, fields);
};
const secret = (key: Parameters<typeof readSecretSetting>[2]) => readSecretSetting(pages.db, pages.desk.sealer, key);
const said = async (): Promise<string> => textOf((await browser.open(PATH)).text);

test('only owner and admin see, change and try the gateways', async () => {
  expect(await whoOpens(pages, [PATH])).toEqual({ [PATH]: ['owner', 'admin'] });
  const forms = { [PATH]: FORM, [`${PATH}/midtrans/test`]: {}, [`${PATH}/xendit/test`]: {} };
  const before = await changes(pages);
  expect(await unrefused(pages, forms, ['customer-service', 'technician', 'network-engineer'])).toEqual([]);
  expect(await changes(pages)).toBe(before);
  expect([...midtrans.requests, ...xendit.requests]).toEqual([]);
});

test('at first none is on, and the page says what that means and where gateways write to', async () => {
  const text = await said();
  expect(text).toContain('Belum ada gateway yang menyala: pelanggan hanya bisa membayar tunai atau transfer.');
  expect(text.match(/belum diisi/g)).toHaveLength(3);
  const { text: html } = await browser.open(PATH);
  expect(html).toContain('value="https://portal.example.net/api/webhooks/midtrans"');
  expect(html).toContain('value="https://portal.example.net/api/webhooks/xendit"');
  expect(html).not.toContain('form="test-');
});

test('on without a key is said to be of no use', async () => {
  await send({ ...FORM, 'midtrans-active': 'on' });
  const text = await said();
  expect(text).toContain('Belum bisa dipakai Kuncinya belum lengkap: gateway ini belum ditawarkan kepada pelanggan.');
  expect(text).not.toContain('Belum ada gateway yang menyala');
});

test('keys are stored sealed, never shown again, and said to be set, when and by whom', async () => {
  const form = { ...FORM, 'midtrans-active': 'on', 'midtrans-server-key': ` ${SERVER_KEY} ` };
  const done = await send({ ...form, 'xendit-api-key': API_KEY, 'xendit-callback-token': TOKEN });
  expect(done.path).toBe(PATH);
  expect(await secret('gateway.midtrans.server-key')).toBe(SERVER_KEY);
  expect(await secret('gateway.xendit.api-key')).toBe(API_KEY);
  expect(await secret('gateway.xendit.callback-token')).toBe(TOKEN);
  const { text } = await browser.open(PATH);
  for (const key of [SERVER_KEY, API_KEY, TOKEN]) expect(text).not.toContain(key);
  expect(textOf(text)).toContain('Diisi oleh rina');
  expect(textOf(text).match(/sudah diisi/g)).toHaveLength(3);
  const [row] = await pages.db.query<{ shown: string }>('select string_agg(detail::text, chr(10)) as shown from audit');
  for (const key of [SERVER_KEY, API_KEY, TOKEN]) expect(row!.shown).not.toContain(key);
});

test('a key left empty stays; a tick takes it out', async () => {
  await send({ ...FORM, 'midtrans-active': 'on' });
  expect(await secret('gateway.midtrans.server-key')).toBe(SERVER_KEY);
  await send({ ...FORM, 'forget-xendit-api-key': 'yes' });
  expect(await secret('gateway.xendit.api-key')).toBeNull();
  expect(await secret('gateway.xendit.callback-token')).toBe(TOKEN);
  await send({ ...FORM, 'xendit-api-key': API_KEY });
});

test('everything that can be chosen is stored, and stands there afterwards', async () => {
  const form = { ...FORM, first: 'xendit', linkHours: '48', 'midtrans-active': 'on', 'xendit-active': 'on' };
  await send({
    ...form,
    'midtrans-production': 'yes',
    'midtrans-methods': 'qris, bca_va',
    'xendit-methods': 'QRIS OVO',
  });
  expect((await readSettings(pages.db)).gateways).toEqual({
    first: 'xendit',
    linkHours: 48,
    midtrans: { active: true, production: true, methods: ['qris', 'bca_va'] },
    xendit: { active: true, methods: ['QRIS', 'OVO'] },
  });
  const { text } = await browser.open(PATH);
  expect(text).toContain('value="qris, bca_va"');
  expect(text).toContain('value="QRIS, OVO"');
  expect(text).toMatch(/<option value="xendit" selected>/);
  expect(text).toMatch(/name="midtrans-production" value="yes" checked/);
  expect(textOf(text).match(/Ditawarkan kepada pelanggan/g)).toHaveLength(2);
  await send(FORM);
  expect((await readSettings(pages.db)).gateways.midtrans).toEqual({ active: false, production: false, methods: [] });
});

test.each([
  ['linkHours', { linkHours: '0' }, 'Tulis jam bulat dari 1 sampai 168'],
  ['midtrans', { 'midtrans-methods': 'qris; <b>' }, 'Cara bayar Midtrans'],
  ['xendit', { 'xendit-methods': 'kartu-kredit' }, 'Cara bayar Xendit'],
  ['first', { first: 'paypal' }, 'Pilih gateway yang tampil lebih dulu.'],
  ['secret', { 'midtrans-server-key': 'two words' }, 'Nilai rahasia ini memuat spasi'],
])('wrong: %s is said beside its field, nothing is stored, and what was typed stays', async (field, wrong, says) => {
  const before = [await changes(pages), await readSettings(pages.db)];
  const { status, text } = await send({ ...FORM, 'midtrans-active': 'on', ...wrong });
  expect(status).toBe(422);
  expect(textOf(text)).toContain(says);
  expect(text).toContain(`href="#${field}"`);
  expect(text).toContain(`id="${field}"`);
  expect(text).toMatch(/name="midtrans-active" checked/);
  expect(text).not.toContain('two words');
  expect([await changes(pages), await readSettings(pages.db)]).toEqual(before);
});

test('the test says in words what came of it', async () => {
  await send({ ...FORM, 'midtrans-server-key': SERVER_KEY });
  const flash = async (name: string) => textOf((await send({}, `${PATH}/${name}/test`)).text);
  expect(await flash('midtrans')).toContain('Midtrans menjawab dan menerima kuncinya.');
  expect(await flash('xendit')).toContain('Xendit menjawab dan menerima kuncinya.');
  // What was saved this moment is what is tried.
  await send({ ...FORM, 'midtrans-server-key': 'SB-Mid-server-wrong', 'midtrans-production': 'yes' });
  expect(await flash('midtrans')).toContain('Midtrans menolak Server Key ini. Yang dipilih production');
  expect(await flash('xendit')).toContain('Xendit menjawab dan menerima kuncinya.');
  await send({ ...FORM, 'midtrans-server-key': SERVER_KEY });
  midtrans.fault('html');
  xendit.fault('down');
  expect(await flash('midtrans')).toContain('Midtrans tidak terjangkau atau jawabannya tidak bisa dipakai');
  expect(await flash('xendit')).toContain('Xendit tidak terjangkau');
  midtrans.fault(null);
  xendit.fault(null);
  xendit.forbidden = ['invoices'];
  expect(await flash('xendit')).toContain('izinnya kurang');
  xendit.forbidden = [];
  await send({ ...FORM, 'forget-midtrans-server-key': 'yes' });
  expect(await flash('midtrans')).toContain('Kunci Midtrans belum lengkap.');
});

test('a key that cannot be opened any more is said so, and the page stands', async () => {
  await setSecretSetting(pages.desk, 'gateway.midtrans.server-key', SERVER_KEY);
  await saveSettings(pages.desk, 'gateways', { midtrans: { active: true } });
  await pages.db.execute(`update sealed_setting set value_sealed = $1 where key = 'gateway.midtrans.server-key'`, [
    Buffer.alloc(60, 1),
  ]);
  await send({}, `${PATH}/midtrans/test`);
  expect(await said()).toContain('Kunci yang tersimpan tidak bisa dibuka. Tempel dan simpan lagi.');
  await setSecretSetting(pages.desk, 'gateway.midtrans.server-key', null);
});

test('without PUBLIC_URL, or with a plain one, the page warns', async () => {
  const warned = async (publicUrl: string | null) => {
    const other = await startPortal({ publicUrl, db: pages.db });
    const staff = await other.loginStaff('owner');
    const { text } = await staff.open(PATH);
    await other.stop();
    return textOf(text);
  };
  expect(await warned(null)).toContain('PUBLIC_URL di server belum diisi');
  expect(await warned('http://portal.example.net')).toContain('PUBLIC_URL tidak memakai https');
  expect(await warned('https://portal.example.net')).not.toContain('PUBLIC_URL');
});

test('the page shows when each gateway last told of a payment', async () => {
  expect(await said()).toContain('Dalam 30 hari terakhir belum ada kabar dari Midtrans.');
  const told = (gateway: 'midtrans' | 'xendit', ago: number, raw: string) => ({
    ...{ gateway, receivedAt: NOW - ago, source: '103.208.23.6', raw: Buffer.from(raw), orderId: 'A', status: 'x' },
  });
  await storeEvents(pages.db, pages.desk.sealer, [
    told('midtrans', 3 * HOUR, 'old'),
    told('midtrans', 2 * MINUTE, 'new'),
    told('xendit', 40 * DAY, 'long ago'),
  ]);
  const text = await said();
  expect(text).toContain('Kabar terakhir 2 menit lalu');
  expect(text).toContain('Dalam 30 hari terakhir belum ada kabar dari Xendit.');
});

test('in English it is as complete', async () => {
  browser.cookies.set('gerbang_lang', 'en');
  const text = await said();
  browser.cookies.delete('gerbang_lang');
  expect(text).toContain('Customers pay invoices and packages themselves');
  expect(text).toContain('Payment gateways');
});
