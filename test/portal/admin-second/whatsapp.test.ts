import { afterAll, beforeAll, expect, test } from 'vitest';
import { WHATSAPP_STATES } from '#domain/whatsapp';
import { readSettings } from '#operations/settings';
import { listMessages } from '#storage/log-lists';
import { readSecretSetting } from '#storage/settings';
import { FakeWhatsApp } from '#test/portal/admin-second/fake-whatsapp';
import { changes, unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

const PATH = '/settings/whatsapp';
const LINE = {
  transport: 'baileys',
  perMinute: '6',
  perDay: '300',
  phoneNumberId: '',
  apiVersion: 'v23.0',
} as const;
const CLOUD = { ...LINE, transport: 'cloud', phoneNumberId: '106540352242922', 'template-ended': 'paket_berakhir' };
const TOKEN = 'EAAG-canary-token';

const line = new FakeWhatsApp();
let pages: TestPortal;
let browser: Browserlike;

beforeAll(async () => {
  pages = await startPortal({ publicUrl: 'https://portal.example.net', live: { whatsapp: line } });
  browser = await pages.loginStaff('admin', 'rina');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const said = async (): Promise<string> => textOf((await browser.open(PATH)).text);
/** Forms are sent by their path, though browsers reach us by another address than PUBLIC_URL. */
const send = async (fields: Record<string, string>, to = PATH) => {
  await browser.open(PATH);
  return browser.submit(to, fields);
};
const secret = () => readSecretSetting(pages.db, pages.desk.sealer, 'whatsapp.cloud.token');

test('only owner and admin see the line, link it or send by it', async () => {
  line.is({ state: 'unpaired' });
  const paths = [PATH, `${PATH}/state`];
  expect(await whoOpens(pages, paths)).toEqual(Object.fromEntries(paths.map((path) => [path, ['owner', 'admin']])));
  const forms = {
    [PATH]: CLOUD,
    [`${PATH}/pair`]: {},
    [`${PATH}/pair-code`]: { phone: '081234567890' },
    [`${PATH}/unpair`]: {},
    [`${PATH}/reconnect`]: {},
    [`${PATH}/test`]: { to: '081234567890' },
  };
  const before = await changes(pages);
  expect(await unrefused(pages, forms, ['customer-service', 'technician', 'network-engineer'])).toEqual([]);
  expect([line.asked, await changes(pages)]).toEqual([[], before]);
});

test('every state has its words and what to do, in both languages', async () => {
  for (const language of ['id', 'en']) {
    browser.cookies.set('gerbang_lang', language);
    for (const state of WHATSAPP_STATES) {
      line.is({ state });
      const { text, status } = await browser.open(PATH);
      expect([status, state]).toEqual([200, state]);
      expect(text).toMatch(new RegExp(`data-key="baileys ${state}"`));
    }
  }
  browser.cookies.delete('gerbang_lang');
  line.is({ transport: 'cloud', state: 'unpaired', reason: 'not-configured' });
  expect(await said()).toContain('Belum lengkap Cloud API memerlukan Phone number ID dan access token.');
  expect((await browser.open(PATH)).text).not.toContain('/pair"');
});

test('the number is linked by a QR: asked for, shown, connected', async () => {
  line.asked.length = 0;
  line.is({ state: 'unpaired' });
  expect(await said()).toContain('Belum ditautkan');
  const asked = await send({}, `${PATH}/pair`);
  expect([line.asked, asked.path]).toEqual([['qr'], PATH]);
  expect(asked.text).toMatch(/<div class="qr"><svg role="img" aria-label="Kode QR untuk menautkan WhatsApp"/);
  expect(textOf(asked.text)).toContain('Ketuk Perangkat tertaut');
  const part = await browser.fetch(`${PATH}/state`);
  expect(part.text).toContain('<svg');
  expect(part.text).not.toMatch(/<html|<form/);
  line.is({ state: 'connected', me: '6281234567890', sentToday: 1, since: pages.clock() - 60_000 });
  const { text } = await browser.open(PATH);
  expect(textOf(text)).toContain('Terhubung +6281234567890');
  expect(textOf(text)).toContain('1 pesan terkirim hari ini · terhubung sejak 1 menit lalu');
  expect(text).not.toContain('id="phone"');
});

test('the number is linked by a code, for the number as people write it', async () => {
  line.asked.length = 0;
  line.is({ state: 'unpaired', reason: 'pairing-timed-out' });
  expect(await said()).toContain('Sebab: Waktu menautkan habis. Minta kode QR lagi.');
  const wrong = await send({ phone: 'nomor saya' }, `${PATH}/pair-code`);
  expect(wrong.status).toBe(422);
  expect(textOf(wrong.text)).toContain('Ini bukan nomor telepon');
  expect(wrong.text).toMatch(/id="phone"[^>]*value="nomor saya"[^>]* aria-invalid="true"/);
  expect(line.asked).toEqual([]);
  const { text } = await send({ phone: '0812-3456-7890' }, `${PATH}/pair-code`);
  expect(line.asked).toEqual(['code for 6281234567890']);
  expect(text).toMatch(/data-pairing-code>ABCD1234</);
});

test('what went wrong with the link is said with the remedy, and what can be done stands there', async () => {
  const acts = async () => {
    const { text } = await browser.open(PATH);
    return ['pair', 'pair-code', 'reconnect', 'unpair', 'test'].filter((act) => text.includes(`"${PATH}/${act}"`));
  };
  line.is({ state: 'logged-out', reason: 'closed: 401' });
  expect(await said()).toContain('Tautan diputus Perangkat ini dihapus di ponsel perusahaan. Tautkan lagi');
  expect(await acts()).toEqual(['pair', 'pair-code']);
  line.is({ state: 'replaced', reason: 'closed: 440' });
  expect(await said()).toContain('Program lain memakai tautan yang sama');
  expect(await acts()).toEqual(['reconnect', 'unpair']);
  line.is({ state: 'blocked', reason: 'closed: <b>403</b>' });
  const { text } = await browser.open(PATH);
  expect(textOf(text)).toContain('WhatsApp menutup sambungan. <b>403</b>');
  expect(text).not.toContain('<b>403');
  line.is({ state: 'connected', breakerUntil: pages.clock() + 3_600_000 });
  expect(await said()).toMatch(/pesan ke orang yang belum pernah menulis menunggu sampai 21 Nov 2026 \d\d\.00 WIB/);
  expect(await acts()).toEqual(['unpair', 'test']);
  line.is({ state: 'missing' });
  expect(await said()).toContain('npm install');
  expect(await acts()).toEqual([]);
  line.is({ transport: 'off', state: 'off' });
  expect(await acts()).toEqual([]);
});

test('the link is taken away and taken up again on demand', async () => {
  line.asked.length = 0;
  line.is({ state: 'replaced' });
  await send({}, `${PATH}/reconnect`);
  const { text } = await send({}, `${PATH}/unpair`);
  expect(textOf(text)).toContain('Tautan diputus.');
  expect(line.asked).toEqual(['reconnect', 'unpair']);
});

test('a test message is queued for any number, and how it fares is shown next', async () => {
  line.is({ state: 'connected' });
  const wrong = await send({ to: '12' }, `${PATH}/test`);
  expect([wrong.status, textOf(wrong.text)]).toEqual([422, expect.stringContaining('Ini bukan nomor telepon')]);
  const { text, path } = await send({ to: '081298765432' }, `${PATH}/test`);
  expect(path).toBe('/messages');
  expect(textOf(text)).toContain('+6281298765432');
  expect(await listMessages(pages.db, { page: 1, pageSize: 9 })).toMatchObject({ rows: [{ notice: 'test' }] });
});

test('secrets of the Cloud API are set, kept and forgotten; no page ever shows one', async () => {
  const seen: string[] = [];
  const save = async (fields: Record<string, string>) => seen.push((await send(fields)).text);
  await save({ ...CLOUD, token: TOKEN, appSecret: 'canary-app', verifyToken: 'canary-verify' });
  expect(textOf(seen[0]!)).toContain('Pengaturan disimpan');
  expect(await secret()).toBe(TOKEN);
  expect((await readSettings(pages.db)).whatsapp).toMatchObject({
    transport: 'cloud',
    cloud: { phoneNumberId: '106540352242922', templates: { ended: 'paket_berakhir' } },
  });
  expect(textOf(seen[0]!).match(/sudah diisi/g)).toHaveLength(3);
  await save({ ...CLOUD, token: '', perMinute: '9' });
  expect(textOf(seen[1]!)).toContain('Pengaturan disimpan');
  expect(await secret()).toBe(TOKEN);
  expect((await readSettings(pages.db)).whatsapp.perMinute).toBe(9);
  // Beside a fault, too, what was typed as a secret does not come back.
  await save({ ...CLOUD, token: 'canary-second', perDay: 'banyak' });
  expect(await secret()).toBe(TOKEN);
  for (const path of [`${PATH}/state`, PATH, '/audit']) seen.push((await browser.open(path)).text);
  for (const text of seen) expect(text).not.toContain('canary');
  await save({ ...CLOUD, 'forget-token': 'yes' });
  expect(await secret()).toBeNull();
  expect(textOf(seen.at(-1)!).match(/sudah diisi/g)).toHaveLength(2);
  expect(await said()).toContain('https://portal.example.net/webhooks/whatsapp');
});

test.each([
  [{ perMinute: '0' }, 'perMinute', 'Tulis angka bulat dari 1 sampai 600', 'Write a whole number from 1 to 600'],
  [{ perDay: 'banyak' }, 'perDay', 'Tulis angka bulat dari 1 sampai 100000', 'Write a whole number from 1 to 100000'],
  [{ transport: 'pigeon' }, 'transport', 'Pilih salah satu cara mengirim', 'Choose one of the ways of sending'],
  [{ phoneNumberId: 'abc' }, 'cloud', 'Periksa Phone number ID', 'Check the Phone number ID'],
  [{ 'template-ended': 'Paket Berakhir' }, 'cloud', 'Periksa Phone number ID', 'Check the Phone number ID'],
  [{ token: 'EAAG with blanks' }, 'secret', 'Nilai rahasia ini memuat spasi', 'This secret has blanks'],
] as const)(
  '%j is refused at %s in the reader’s words, and nothing of the form is saved',
  async (wrong, id, ...says) => {
    await send(LINE);
    for (const [at, language] of (['id', 'en'] as const).entries()) {
      browser.cookies.set('gerbang_lang', language);
      const { status, text } = await send({ ...CLOUD, ...wrong });
      expect(status).toBe(422);
      expect(text).toContain(`<a href="#${id}">${says[at]}`);
      expect(text).toContain(` id="${id}"`);
    }
    browser.cookies.delete('gerbang_lang');
    expect((await readSettings(pages.db)).whatsapp).toMatchObject({
      transport: 'baileys',
      cloud: { phoneNumberId: null },
    });
    expect(await secret()).toBeNull();
  },
);
