import { afterAll, beforeAll, expect, test } from 'vitest';
import { NOTICES } from '#domain/notices';
import { STAFF_ROLES } from '#storage/staff';
import { editedTemplates, editedText } from '#storage/templates';
import { changes, unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

const LIST = '/messages/templates';
const ENDED = `${LIST}/ended/id`;

let pages: TestPortal;
let browser: Browserlike;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('customer-service', 'sari');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const send = async (text: string, act: 'save' | 'preview' = 'save', path = ENDED) => {
  await browser.open(path);
  return browser.submit(path, { text, do: act });
};

test('everybody reads the texts; only who may write to customers changes them', async () => {
  expect(await whoOpens(pages, [LIST, ENDED])).toEqual({ [LIST]: STAFF_ROLES, [ENDED]: STAFF_ROLES });
  const forms = { [ENDED]: { text: 'Halo', do: 'save' }, [`${ENDED}/reset`]: {} };
  const before = await changes(pages);
  expect(await unrefused(pages, forms, ['technician', 'network-engineer'])).toEqual([]);
  expect(await changes(pages)).toBe(before);
  const { text } = await (await pages.loginStaff('technician')).open(ENDED);
  expect(text).toMatch(/<textarea[^>]* readonly/);
  expect(text).not.toContain('value="save"');
});

test('every notice is there in both languages, with when it is sent', async () => {
  const { text } = await browser.open(LIST);
  for (const notice of NOTICES)
    for (const language of ['id', 'en']) expect(text).toContain(`href="${LIST}/${notice}/${language}"`);
  expect(textOf(text)).toContain('Paket berakhir Saat paket berakhir');
});

test('a preview shows what a customer would read, and saves nothing', async () => {
  const { text, status } = await send('Halo {{name}}, paket {{plan}} habis.\n<b>Beli</b>', 'preview');
  expect(status).toBe(200);
  expect(textOf(text)).toContain('Halo Budi Santoso, paket 20GB - 20Mbps habis. <b>Beli</b>');
  expect(text).not.toContain('<b>Beli');
  expect(text).toContain('Halo {{name}}, paket {{plan}} habis.');
  expect(await editedTemplates(pages.db)).toEqual([]);
});

test('a text is saved with who changed it, shown as such, and goes back to the one as shipped', async () => {
  const hostile = 'Halo {{name}}\n</textarea><script>alert(1)</script>';
  const saved = await send(hostile.replace('\n', '\r\n'));
  expect(saved.path).toBe(LIST);
  expect(textOf(saved.text)).toContain('Teks disimpan');
  expect(textOf(saved.text)).toContain('diubah oleh sari');
  expect(await editedText(pages.db, 'ended', 'id')).toBe(hostile);
  expect(await editedText(pages.db, 'ended', 'en')).toBeNull();
  const { text } = await browser.open(ENDED);
  expect(text).not.toContain('</textarea><script>');
  expect(text).toContain('Kembalikan ke teks bawaan');
  const reset = await browser.submit(`${ENDED}/reset`);
  expect(textOf(reset.text)).toContain('Teks bawaan dipakai lagi');
  expect(await editedTemplates(pages.db)).toEqual([]);
  expect((await browser.open(ENDED)).text).not.toContain('Kembalikan ke teks bawaan');
});

test.each([
  ['Halo {{pin}}', '{{pin}} tidak tersedia untuk pesan ini', '{{pin}} is not available in this message'],
  ['  ', 'Isi pesan masih kosong', 'The text is still empty'],
  ['Halo {{name', '{{ dan }} hanya boleh mengapit nama', '{{ and }} may only stand around a name'],
  ['a'.repeat(3100), 'Paling banyak 3072 huruf', 'At most 3072 characters'],
  ['Halo\u0007', 'tanda yang tidak terlihat', 'invisible signs'],
])('the text %j is refused in the reader’s words, and kept to be put right', async (given, indonesian, english) => {
  for (const act of ['save', 'preview'] as const) {
    const { status, text } = await send(given, act);
    expect(status).toBe(422);
    expect(textOf(text)).toContain(indonesian);
    expect(text).toContain(given.trim().slice(0, 40));
  }
  browser.cookies.set('gerbang_lang', 'en');
  expect(textOf((await send(given)).text)).toContain(english);
  browser.cookies.delete('gerbang_lang');
  expect(await editedTemplates(pages.db)).toEqual([]);
});

test('a notice or a language that is none leads nowhere', async () => {
  for (const path of [`${LIST}/nothing/id`, `${LIST}/ended/fr`]) {
    expect((await browser.fetch(path)).status).toBe(404);
    expect((await browser.post(path, { text: 'Halo' })).status).toBe(404);
    expect((await browser.post(`${path}/reset`)).status).toBe(404);
  }
});
