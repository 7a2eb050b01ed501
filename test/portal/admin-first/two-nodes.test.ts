import { afterAll, beforeAll, expect, test } from 'vitest';
import { addPerson } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

/** Two nodes on one database, behind something that sends the same browser now to the one, now to the other. */
let nodes: TestPortal[];
let first: Browserlike;
let second: Browserlike;

beforeAll(async () => {
  const one = await startPortal({ node: 'web-1:3000' });
  nodes = [one, await startPortal({ db: one.db, node: 'web-2:3000' })];
  first = await one.loginStaff('admin');
  second = nodes[1]!.browser(Object.fromEntries(first.cookies));
});
afterAll(async () => {
  for (const node of nodes) {
    expect(node.logged).toEqual([]);
    await node.stop();
  }
});

/** New PINs for three customers, ended, with the PINs not looked at; where its page is. */
async function work(): Promise<string> {
  const people = await Promise.all([1, 2, 3].map(() => addPerson(nodes[0]!.desk, { billing: 'prepaid' })));
  await first.open('/customers');
  const id = people.map((one) => one.id).join(',');
  const { path } = await first.submit('/customers/bulk/start', { do: 'pins', id });
  await expect
    .poll(async () => (await first.fetch(`${path}/progress`)).text, { timeout: 30_000 })
    .toContain('data-done');
  return path;
}

test('the page of work that another node has says where it is and what to do, and asks again', async () => {
  const path = await work();
  for (const [language, says, remedy] of [
    ['id', 'dimulai di server web-1:3000; halaman ini datang dari server web-2:3000', 'sticky session'],
    ['en', 'begun on server web-1:3000; this page comes from server web-2:3000', 'sticky sessions'],
  ] as const) {
    second.cookies.set('gerbang_lang', language);
    const { status, text } = await second.open(path);
    expect(status).toBe(404);
    expect(textOf(text)).toContain(says);
    expect(textOf(text)).toContain(remedy);
    expect(text).toContain('http-equiv="refresh" content="5"');
  }
  second.cookies.delete('gerbang_lang');
  // A page that is open keeps what it shows: a script leaves out answers that are no success.
  expect((await second.fetch(`${path}/progress`)).status).toBe(404);
  expect((await first.fetch(`${path}/progress`)).status).toBe(200);
});

test('PINs are not lost to a button that reached the other node', async () => {
  const path = await work();
  await second.open('/customers');
  for (const act of ['pins', 'stop']) {
    const { text } = await second.submit(`${path}/${act}`);
    expect(textOf(text)).toContain('Belum ada yang dilakukan: pekerjaannya ada di server web-1:3000');
  }
  await first.open(path);
  expect((await first.submit(`${path}/pins`)).text.match(/class="slip /g)).toHaveLength(3);
});

test('work that its own node does not know is gone, and what names no node is nobody’s', async () => {
  for (const id of [
    `${'A'.repeat(22)}@web-2:3000`,
    `${'A'.repeat(22)}@<img src=x>`,
    `${'A'.repeat(22)}@`,
    'A'.repeat(22),
  ]) {
    const { status, text } = await second.open(`/jobs/${encodeURIComponent(id)}`);
    expect(status).toBe(404);
    expect(textOf(text)).toContain('Pekerjaan ini tidak ada lagi');
    expect(text).not.toMatch(/<img src=x|http-equiv="refresh"/);
  }
});

test.each([
  ['/customers/import', '/customers/import/apply', 'username,password\nani,rahasia-77\n'],
  [
    '/customers/import-mikrotik',
    '/customers/import-mikrotik/apply',
    '/ppp secret\nadd name=beni password=rahasia-77\n',
  ],
  [
    '/customers/import-mikrotik',
    '/customers/import-mikrotik/preview',
    '/ppp secret\nadd name=cici password=rahasia-77\n',
  ],
  ['/migrate', '/migrate/start', 'username\ndodo\n'],
])('a file sent to %s waits where it is, when the yes to it reaches another node at %s', async (path, apply, text) => {
  if (path === '/migrate') await addPerson(nodes[0]!.desk, { username: 'dodo', billing: 'postpaid' });
  await first.open(path);
  const seen = await first.submit(path, { file: new File([text], 'x.txt', { type: 'text/plain' }) });
  const key = /name="key" value="([^"]+)"/.exec(seen.text)![1]!;
  await second.open(path);
  const missed = await second.submit(apply, { key });
  expect(missed.status).toBe(422);
  expect(textOf(missed.text)).toContain('Berkasnya menunggu di server web-1:3000');
  const found = await first.submit(apply, { key });
  expect([found.status, textOf(found.text)]).toEqual([200, expect.not.stringContaining('Berkasnya')]);
});
