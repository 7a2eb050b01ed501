import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCsv } from '#operations/csv';
import { editSubscriber } from '#operations/edit-subscriber';
import { savePlan } from '#operations/save-plan';
import { suspend } from '#operations/suspend';
import { hasWords, LANGUAGES } from '#portal/shared/words';
import { change } from '#storage/change';
import { addPerson, HOSTILE, type Person } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';
import { files } from '#test/tidy/source';

let pages: TestPortal;
let browser: Browserlike;
let budi: Person;
beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('owner', 'rina');
  budi = await addPerson(pages.desk, { username: 'budi', name: 'Budi' });
  const desk = { ...pages.desk, actor: 'staff:siti' };
  await editSubscriber(desk, { id: budi.id, phone: '081377776666' });
  const plan = { name: 'Paket A', down: '10M', up: '10M', quota: '10GB', period: 'month', price: '50000' };
  const { id } = await savePlan(desk, { id: null, ...plan });
  await savePlan(desk, { id, ...plan, price: '60000' });
  await suspend(pages.desk, 'budi');
  await change(
    pages.db,
    { actor: 'cli:=1+1', why: HOSTILE, detail: { '=cmd()': HOSTILE, text: '@SUM(A1)' } },
    async () => undefined,
  );
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

const said = async (path: string) => textOf((await browser.open(path)).text.split('<table')[1] ?? '');

test('what changed is readable: what it was and what it is', async () => {
  expect(await said('/audit?actor=staff:siti')).toContain('081234567890 → 081377776666');
  expect(await said('/audit?why=save+plan')).toContain('Harga (Rp): 50000 → 60000');
  expect(await said('/audit')).toMatch(/Pelanggan ditangguhkan .*budi/);
});

test('it is narrowed by who, what, whom and when; all of them in the file too', async () => {
  const who = await said('/audit?actor=staff:siti');
  expect([who.includes('siti'), who.includes('Pelanggan ditambahkan')]).toEqual([true, false]);
  const whom = await said('/audit?subscriber=budi');
  expect([whom.includes('Data pelanggan diubah'), whom.includes('Paket disimpan')]).toEqual([true, false]);
  expect(textOf((await browser.open('/audit?subscriber=nobody-of-that-name')).text)).toContain('Tidak ada catatan');
  const [{ day }] = (await pages.db.query(
    `select to_char(now() at time zone 'Asia/Jakarta', 'YYYY-MM-DD') as day`,
  )) as [{ day: string }];
  expect(await said(`/audit?from=${day}&to=${day}`)).toContain('Paket disimpan');
  expect(textOf((await browser.open('/audit?to=2020-01-01')).text)).toContain('Tidak ada catatan');
  expect((await browser.open('/audit?from=2026-13-99&to=x&before=x&actor=%00&why=%00&subscriber=%00')).status).toBe(
    200,
  );
  const { text } = await browser.open('/audit/export.csv?why=save+plan');
  expect([...readCsv(text)].map(({ fields }) => fields[3])).toEqual(['why', 'save plan', 'save plan']);
  expect([...readCsv((await browser.open('/audit/export.csv?subscriber=nobody')).text)]).toHaveLength(1);
});

test('a file of it runs nothing in a spreadsheet and is read back as it was', async () => {
  const { text, headers } = await browser.open('/audit/export.csv');
  expect(headers.get('content-type')).toContain('text/csv');
  expect(headers.get('content-disposition')).toMatch(/^attachment; filename="audit-2026-11-21\.csv"$/);
  const records = [...readCsv(text)];
  const hostile = records.find(({ fields }) => fields[2] === 'cli:=1+1')!;
  expect(JSON.parse(hostile.fields[6]!)).toEqual({ '=cmd()': HOSTILE, text: '@SUM(A1)' });
  for (const line of text.slice(1).split('\r\n')) expect(line).not.toMatch(/^[=+@-]|[,;]"?[=+@][A-Za-z(]/);
});

test('markup in a verb or a detail stays text', async () => {
  const { text } = await browser.open('/audit');
  expect(text).not.toContain('<img src=x');
  expect(textOf(text)).toContain(HOSTILE);
});

test('it goes on page by page without one twice or one left out', async () => {
  for (let at = 0; at < 120; at += 1)
    await change(pages.db, { actor: 'system', why: 'page by page', detail: { round: at } }, async () => undefined);
  const rounds: string[] = [];
  let path: string | undefined = '/audit?why=page+by+page';
  while (path !== undefined) {
    const { text } = await browser.open(path);
    rounds.push(...[...text.matchAll(/round:<\/span> (\d+)/g)].map(([, round]) => round!));
    path = /href="([^"]+)" rel="next"/.exec(text)?.[1]?.replaceAll('&amp;', '&').replaceAll('&#x3D;', '=');
  }
  expect(rounds).toEqual(Array.from({ length: 120 }, (_, at) => String(119 - at)));
});

test('every verb that the program writes has words in both languages', () => {
  const verbs = files('.ts')
    .filter(({ path }) => path.startsWith('policy-server/'))
    .flatMap(({ text }) => [...text.matchAll(/\bwhy: (?:\w+ \? '([^']+)' : )?'([^']+)'/g)])
    .flatMap(([, one, other]) => [one, other].filter((verb) => verb !== undefined));
  expect(verbs).toEqual(expect.arrayContaining(['show router script', 'pin API certificate', 'suspend']));
  const keyOf = (verb: string) => `audit.why-${verb.toLowerCase().replaceAll(' ', '-')}`;
  for (const language of LANGUAGES) expect(verbs.filter((verb) => !hasWords(language, keyOf(verb)))).toEqual([]);
});
