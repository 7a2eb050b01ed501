import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { DAY, MINUTE } from '#domain/time';
import { type Loop, startLoop } from '#enforcement/loop';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { loadEntries } from '#storage/facts';
import { STAFF_ROLES } from '#storage/staff';
import { timestamp } from '#storage/values';
import { ACTIVE, done, Network, ScriptedDriver, silent } from '#test/enforcement/network';
import { addPackage, addPerson, type Person } from '#test/portal/admin-first/people';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

/** Ending a session by hand, from the button to the router's answer on the timeline: real pages, a real loop, a scripted router. */

let pages: TestPortal;
let browser: Browserlike;
let driver: ScriptedDriver;
const loops: Loop[] = [];

beforeAll(async () => {
  // The loop goes by the machine's clock, as the database does.
  pages = await startPortal({ now: Date.now() });
  browser = await pages.loginStaff('customer-service', 'siti');
  await addPackage(pages.desk);
  await addNas(pages.desk, { name: 'pop-a', address: '10.20.0.1', secret: 'generate' });
});
beforeEach(() => {
  driver = new ScriptedDriver();
  pages.setClock(Date.now());
});
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop()));
});
afterAll(() => pages.stop());

async function enforce(): Promise<void> {
  const nas = { name: 'pop-a', tags: [], vendor: 'mikrotik' as const, coaPerSecond: 50 };
  const loop = await startLoop({
    ...new Network(pages.db).options(driver, { clock: Date.now }),
    nases: () => new Map([[1, nas]]),
    loadEntries: (ids) => loadEntries(pages.db, pages.desk.sealer, ids),
  });
  loops.push(loop);
}

/** Somebody with a package and so many live sessions that are as decided. */
async function online(sessions = 1): Promise<Person & { readonly sessions: readonly number[] }> {
  const person = await addPerson(pages.desk, { name: 'Budi', sessionLimit: 5 });
  await addGrant(pages.desk, { username: person.username, plan: '20GB - 20Mbps' });
  const rows = await pages.db.query<{ id: number }>(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day, told_live, told_fixed)
     select $1 || i, 1, '10.20.0.1', $1 || i, $1, $2, '100.64.0.1'::inet + i, $3::timestamptz, $3::timestamptz, current_date, $4, 'default'
       from generate_series(1, $5) i returning id`,
    [person.username, person.id, timestamp(Date.now() - DAY), ACTIVE, sessions],
  );
  return { ...person, sessions: rows.map(({ id }) => id) };
}

const said = async (path: string): Promise<string> => textOf((await browser.open(path)).text);
const eventually = (read: () => Promise<string>) => expect.poll(read, { timeout: 30_000, interval: 50 });

/** The page a minute later: what was done just now is in the past. */
async function later(id: number, ms = MINUTE): Promise<string> {
  pages.setClock(Date.now() + ms);
  const text = await said(`/customers/${id}`);
  pages.setClock(Date.now());
  return text;
}

test('a session is ended with a reason, and the router’s answer stands on the timeline with who asked and why', async () => {
  const { id, sessions } = await online();
  const act = `/customers/${id}/disconnect/${sessions[0]}`;
  expect((await browser.open(`/customers/${id}`)).text).toContain(`href="${act}"`);
  const confirm = await browser.open(act);
  expect(textOf(confirm.text)).toContain('Putuskan sesi Budi');
  expect(textOf(confirm.text)).toContain('100.64.0.2');

  const empty = await browser.submit(act, { reason: '  ' });
  expect([empty.status, textOf(empty.text)]).toEqual([422, expect.stringContaining('Tulis dulu alasannya')]);
  const long = await browser.submit(act, { reason: 'x'.repeat(201) });
  expect([long.status, textOf(long.text)]).toEqual([422, expect.stringContaining('paling panjang 200 huruf')]);
  expect(await said(`/customers/${id}`)).not.toContain('Menunggu jawaban router');

  const asked = await browser.submit(act, { reason: 'modem macet' });
  expect(asked.path).toBe(`/customers/${id}`);
  expect(textOf(asked.text)).toContain('Router diminta memutus sesi');
  expect(textOf(asked.text)).toContain('Menunggu jawaban router');
  expect(asked.text, 'it cannot be asked twice while it waits').not.toContain(`href="${act}"`);
  expect(asked.text).toContain(`data-refresh="/customers/${id}/sessions"`);

  await enforce();
  await eventually(() => said(`/customers/${id}/sessions`)).toContain('Router menerima pemutusan');
  expect(driver.said()).toHaveLength(1);
  const shown = await later(id);
  expect(shown).toMatch(/Diputus agar tersambung ulang: diterima router .*diminta staf: modem macet · pop-a/);
  expect(shown).toMatch(/Minta sesi diputus .*oleh siti · modem macet/);
});

test('a router that does not answer is said so, on the timeline and beside the session', async () => {
  const { id, sessions } = await online();
  driver.answer = () => silent;
  await browser.open(`/customers/${id}/disconnect/${sessions[0]}`);
  await browser.submit(`/customers/${id}/disconnect/${sessions[0]}`, { reason: 'redial' });
  await enforce();
  await eventually(() => later(id)).toContain('Diputus agar tersambung ulang: router tidak menjawab');
  expect(await said(`/customers/${id}`)).toContain('Menunggu jawaban router');
  expect(await later(id, 6 * MINUTE)).toContain('Router tidak memutus sesi ini, diminta 6 menit lalu');
  const longAfter = await later(id, 61 * MINUTE);
  expect(longAfter).toContain('Online selama');
  expect(longAfter).not.toContain('Router tidak memutus sesi ini');
});

test('only the session that was named is ended', async () => {
  const { id, sessions } = await online(2);
  driver.answer = () => done;
  await browser.open(`/customers/${id}/disconnect/${sessions[1]}`);
  await browser.submit(`/customers/${id}/disconnect/${sessions[1]}`, { reason: 'x' });
  await enforce();
  await eventually(() => later(id)).toContain('diterima router');
  const ending = await pages.db.query<{ id: number }>(
    'select id from session where subscriber_id = $1 and ending_since is not null',
    [id],
  );
  expect(ending).toEqual([{ id: sessions[1] }]);
});

test('a session that is over, or is another customer’s, is not asked for', async () => {
  const [budi, other] = [await online(), await online()];
  await pages.db.execute('update session set ended_at = now() where id = $1', [budi.sessions[0]]);
  for (const session of [budi.sessions[0], other.sessions[0], 'x', 999_999]) {
    const path = `/customers/${budi.id}/disconnect/${session}`;
    expect(await said(path)).toContain('Sesinya sudah berakhir');
    await browser.open('/account');
    expect(textOf((await browser.submit(path, { reason: 'x' })).text)).toContain('Sesinya sudah berakhir');
  }
  const asked = await pages.db.query('select from session where end_asked_at is not null and id = any($1)', [
    [...budi.sessions, ...other.sessions],
  ]);
  expect(asked).toEqual([]);
});

test.each(STAFF_ROLES)('%s may end a session', async (role) => {
  const { id, sessions } = await online();
  const act = `/customers/${id}/disconnect/${sessions[0]}`;
  const staff = await pages.loginStaff(role);
  const page = await staff.open(`/customers/${id}`);
  expect(page.text).toContain(`href="${act}"`);
  await staff.open('/account');
  const asked = await staff.submit(act, { reason: 'redial' });
  expect(asked.status).toBe(200);
  expect(textOf(asked.text)).toContain('Router diminta memutus sesi');
});
