import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCsv } from '#operations/csv';
import { addPerson, type Person } from '#test/portal/admin-first/people';
import { type Browserlike, type Page, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
let browser: Browserlike;

beforeAll(async () => {
  pages = await startPortal();
  browser = await pages.loginStaff('owner');
});
afterAll(() => pages.stop());

async function people(count: number, given: Readonly<Record<string, unknown>> = {}): Promise<Person[]> {
  const made: Person[] = [];
  for (let at = 0; at < count; at += 1) made.push(await addPerson(pages.desk, { billing: 'postpaid', ...given }));
  return made;
}

const prepaid = async (): Promise<number> =>
  (await pages.db.query<{ count: number }>(`select count(*) as count from subscriber where billing = 'prepaid'`))[0]!
    .count;

/** Looks at the page of the work until it has ended. */
async function ended(path: string): Promise<Page> {
  for (;;) {
    const part = await browser.fetch(`${path}/progress`);
    if (part.text.includes('data-done')) return browser.open(path);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

test('300 are migrated: first a preview, then progress, a stop, and the PINs of those who were moved, once', async () => {
  await people(2);
  await people(300, { tags: ['semua'] });
  await browser.open('/customers?tag=semua');
  const selection = { do: 'migrate', all: 'yes', tag: 'semua', path: '/customers' };
  const preview = await browser.submit('/customers/bulk', selection);
  expect(textOf(preview.text)).toContain('Pindahkan 300 pelanggan ke prepaid');
  expect(textOf(preview.text)).toContain('dan 290 lainnya');
  expect(textOf(preview.text)).toMatch(/Perkiraan waktu: \d+ detik/);
  expect(await prepaid()).toBe(0);

  const running = await browser.submit('/customers/bulk/start', selection);
  expect(running.path).toMatch(/^\/jobs\/[\w-]{22}@test:3000$/);
  expect(running.text).toContain('<progress max="300"');
  expect(running.text).toContain('http-equiv="refresh"');
  while ((await prepaid()) < 5) await new Promise((resolve) => setTimeout(resolve, 10));
  await browser.submit(`${running.path}/stop`);
  const stopped = await ended(running.path);
  const moved = await prepaid();
  expect(moved).toBeGreaterThanOrEqual(5);
  expect(moved).toBeLessThan(300);
  expect(textOf(stopped.text)).toContain(`Dihentikan: ${moved} pelanggan sudah diubah`);
  expect(textOf(stopped.text)).toContain(`${300 - moved} belum dikerjakan`);

  // Somebody else finds nothing there.
  const other = await pages.loginStaff('admin');
  expect((await other.open(running.path)).status).toBe(404);
  await other.open('/customers');
  expect((await other.submit(`${running.path}/pins`)).text).not.toContain('class="slip');

  await browser.open(running.path);
  const sheet = await browser.submit(`${running.path}/pins`);
  expect(sheet.text.match(/class="slip/g)).toHaveLength(moved + 1);
  expect(sheet.headers.get('cache-control')).toBe('no-store');
  const csv = Buffer.from(/base64,([^"]+)"/.exec(sheet.text)![1]!.replaceAll('&#x3D;', '='), 'base64').toString();
  const [head, ...rows] = [...readCsv(csv)].map(({ fields }) => fields);
  expect(head).toContain('pin');
  expect(rows).toHaveLength(moved);
  const [username, , , portalId, pin] = rows[0]!;
  expect(pin).toMatch(/^\d{6}$/);
  const [row] = await pages.db.query<{ portal: string }>(
    'select portal_id as portal from subscriber where username = $1',
    [username],
  );
  expect(row!.portal).toBe(portalId);

  const again = await browser.submit(`${running.path}/pins`);
  expect(again.text).not.toContain(pin);
  expect(textOf(again.text)).toContain('sudah ditampilkan dan tidak disimpan');
  expect((await browser.open(running.path)).text).not.toContain(pin);
});

test('the rest of a stopped migration is done by asking again, and nobody is moved twice', async () => {
  await browser.open('/customers?tag=semua');
  const before = await prepaid();
  const running = await browser.submit('/customers/bulk/start', {
    do: 'migrate',
    all: 'yes',
    tag: 'semua',
    path: '/customers',
  });
  const done = await ended(running.path);
  expect(textOf(done.text)).toContain(`Selesai: ${300 - before} pelanggan diubah`);
  expect(textOf(done.text)).toContain(`${before} dilewati`);
  expect(await prepaid()).toBe(300);
}, 60_000);

test('selected lines are tagged, untagged, suspended, resumed and given new PINs', async () => {
  const some = await people(3, { billing: 'prepaid' });
  const id = some.map((one) => String(one.id));
  const of = async (what: string) =>
    (
      await pages.db.query<{ value: string }>(`select ${what} as value from subscriber where id = any($1::bigint[])`, [
        id.map(Number),
      ])
    ).map(({ value }) => value);
  await browser.open('/customers');
  const preview = await browser.submit('/customers/bulk', { do: 'tag', id, path: '/customers' });
  expect(textOf(preview.text)).toContain('Beri tag pada 3 pelanggan');
  const without = await browser.submit('/customers/bulk/start', { do: 'tag', id, with: 'dua kata' });
  expect([without.status, textOf(without.text)]).toEqual([422, expect.stringContaining('Tag adalah satu kata')]);
  const act = async (what: string, more = {}) =>
    ended((await browser.submit('/customers/bulk/start', { do: what, id: id.join(','), ...more })).path);
  await act('tag', { with: 'baru' });
  expect(await of('tags[1]')).toEqual(['baru', 'baru', 'baru']);
  expect(textOf((await act('tag', { with: 'baru' })).text)).toContain('Selesai: 0 pelanggan diubah');
  await act('untag', { with: 'baru' });
  expect(await of('cardinality(tags)')).toEqual([0, 0, 0]);
  await act('suspend');
  expect(await of('suspended_at is not null')).toEqual([true, true, true]);
  await act('resume');
  expect(await of('suspended_at is null')).toEqual([true, true, true]);
  const pins = await act('pins');
  expect(textOf(pins.text)).toContain('3 PIN siap');
  const [queued] = await pages.db.query<{ count: number }>(
    `select count(*) as count from message where notice = 'portal-pin' and subscriber_id = any($1::bigint[])`,
    [id.map(Number)],
  );
  expect(queued!.count).toBe(3);
});

test('nobody selected is said, and nothing is done', async () => {
  await browser.open('/customers');
  const answer = await browser.submit('/customers/bulk', { do: 'suspend', path: '/prepaid/customers' });
  expect([answer.path, textOf(answer.text)]).toEqual([
    '/prepaid/customers',
    expect.stringContaining('Belum ada pelanggan yang dipilih'),
  ]);
});

test('after a restart the page of the work says what to do', async () => {
  const answer = await browser.open('/jobs/AAAAAAAAAAAAAAAAAAAAAA');
  expect(answer.status).toBe(404);
  expect(textOf(answer.text)).toContain('buat PIN baru');
  expect(pages.logged).toEqual([]);
});

test('a stop of the server ends the work and waits for what was begun', async () => {
  const own = await startPortal();
  const staff = await own.loginStaff('owner');
  for (let at = 0; at < 60; at += 1) await addPerson(own.desk, { billing: 'postpaid' });
  await staff.open('/customers');
  const running = await staff.submit('/customers/bulk/start', { do: 'migrate', all: 'yes', path: '/customers' });
  expect(running.status).toBe(200);
  await own.stop();
  const counted = async () =>
    (await own.db.query<{ count: number }>('select count(*) as count from prepaid_move'))[0]!.count;
  const atStop = await counted();
  expect(atStop).toBeLessThan(60);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await counted()).toBe(atStop);
});
