import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { policyInForce } from '#storage/policy';
import { BOOST, edited, fieldOf, said, saveRevision, startPolicyHouse } from '#test/portal/admin-policy/house';
import { unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { NOW, type TestPortal } from '#test/portal/harness';

const ENGINEERS = ['owner', 'admin', 'network-engineer'];
const HOSTILE = '</textarea><script>alert(1)</script>';

let pages: TestPortal;
let andi: Browserlike;
let rina: Browserlike;

beforeAll(async () => {
  pages = await startPolicyHouse();
  andi = await pages.loginStaff('network-engineer', 'andi');
  rina = await pages.loginStaff('admin', 'rina');
});
afterEach(async () => {
  await pages.db.execute('delete from policy_rollout_session');
  await pages.db.execute('delete from policy_rollout');
  await pages.db.execute('update policy_revision set base_id = null where id > 1');
  await pages.db.execute('delete from policy_revision where id > 1');
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

test('engineers and those who run the company come in; nobody else, and no form works from elsewhere', async () => {
  const GET = ['/policy', '/policy/edit', '/policy/simulate', '/policy/diff?from=1&to=1', '/policy/revisions/1'];
  const more = ['/policy/publish?revision=1', '/policy/plan?revision=1', '/policy/rollout', '/policy/schema'];
  const open = await whoOpens(pages, [...GET, ...more]);
  expect(Object.values(open)).toEqual([...GET, ...more].map(() => ENGINEERS));
  const forms = ['check', 'save', 'plan', 'simulate', 'publish', 'rollback', 'edit'].map((act) => `/policy/${act}`);
  const fields = Object.fromEntries(forms.map((path) => [path, { text: 'x' }]));
  expect(await unrefused(pages, fields, ['technician', 'customer-service'])).toEqual([]);
});

describe('the editor, without a script', () => {
  test('begins with the policy in force and finds nothing wrong with it', async () => {
    const { text } = await andi.open('/policy/edit');
    expect(fieldOf(text, 'text')).toContain('- name: active');
    expect(fieldOf(text, 'base')).toBe('1');
    expect(textOf(text)).toContain('Bisa diterbitkan');
  });

  test('says where a fault is and what to write instead, and loses nothing', async () => {
    const wrong = edited(BOOST.replace('access: full', 'acess: full'));
    const line = wrong.slice(0, wrong.indexOf('acess')).split('\n').length;
    await andi.open('/policy/edit');
    const page = await andi.submit('/policy/check', { text: wrong.replaceAll('\n', '\r\n'), note: 'malam', base: '1' });
    expect(page.status).toBe(200);
    expect(textOf(page.text)).toContain(`Baris ${line}`);
    expect(textOf(page.text)).toContain('access');
    expect([fieldOf(page.text, 'text'), fieldOf(page.text, 'note')]).toEqual([wrong, 'malam']);
  });

  test('is told the same as JSON where a script asks', async () => {
    await andi.open('/policy/edit');
    const wrong = edited(BOOST.replace('access: full', 'acess: full'));
    const answer = await andi.post('/policy/check', { text: wrong }, { headers: { accept: 'application/json' } });
    const { publishable, faults, html } = JSON.parse(answer.text);
    expect(publishable).toBe(false);
    expect(faults[0]).toMatchObject({ line: wrong.slice(0, wrong.indexOf('acess')).split('\n').length });
    expect(html).toContain('data-line');
  });

  test('a case that fails is shown with what came instead, and nothing is saved', async () => {
    const cases = `cases:
  - name: at night twice the speed
    given: {plan: 20M/10M}
    at: 2026-11-21 01:00
    expect: {access: full, rate: 30M/20M}
`;
    await andi.open('/policy/edit');
    const page = await andi.post('/policy/save', { text: edited(BOOST, cases), note: '', base: '1' });
    expect(page.status).toBe(422);
    expect(textOf(page.text)).toContain('1 contoh uji tidak sesuai');
    expect(textOf(page.text)).toMatch(/at night twice the speed.*40/);
    expect(fieldOf(page.text, 'text')).toContain('rate: 30M/20M');
    expect(await said(andi, '/policy')).not.toContain('Revisi 2');
  });

  test('a document that is far too long is refused as one, what is longer still as a form', async () => {
    await andi.open('/policy/edit');
    const long = await andi.post('/policy/check', { text: `${edited(BOOST)}# ${'x'.repeat(300 * 1024)}`, base: '1' });
    expect([long.status, textOf(long.text)]).toEqual([200, expect.stringContaining('Baris 1')]);
    const huge = await andi.post('/policy/check', { text: 'x'.repeat(3 * 2 ** 20), base: '1' });
    expect(huge.status).toBe(413);
  });

  test('nothing is taken for markup', async () => {
    const text = `${edited(BOOST)}# ${HOSTILE}\n`;
    await andi.open('/policy/edit');
    const page = await andi.post('/policy/check', { text, note: HOSTILE, base: '1' });
    expect(fieldOf(page.text, 'text')).toBe(text);
    const revision = await saveRevision(andi, text, HOSTILE);
    for (const path of ['/policy', `/policy/revisions/${revision}`, `/policy/publish?revision=${revision}`])
      expect((await andi.open(path)).text).not.toContain('<script>alert');
    expect((await andi.open(`/policy/diff?from=1&to=${revision}`)).text).toContain('&lt;script&gt;alert');
  });
});

describe('saving', () => {
  test('makes a revision that is not in force, in the history with its note and whose it is', async () => {
    const revision = await saveRevision(andi, edited(BOOST), 'malam dua kali');
    expect((await policyInForce(pages.db))?.id).toBe(1);
    const page = await said(andi, '/policy');
    expect(page).toContain('Berlaku: revisi 1');
    expect(page).toMatch(new RegExp(`Revisi ${revision} malam dua kali andi .* Tersimpan`));
    expect(await said(andi, `/policy/revisions/${revision}`)).toContain('night boost');
    expect(await said(andi, '/policy/revisions/99')).toContain('Revisi itu tidak ada');
  });

  test('of two engineers who edit at once the second gets both texts, and loses nothing', async () => {
    const [one, other] = [await andi.open('/policy/edit'), await rina.open('/policy/edit')];
    const boost = edited(BOOST);
    const slow = edited(BOOST.replace('night boost', 'slow night').replace('plan x 2', '50% of plan'));
    await andi.submit('/policy/save', { text: boost, note: '', base: fieldOf(one.text, 'base') });
    const fields = { text: slow, note: 'pelan', base: fieldOf(other.text, 'base') };
    const conflict = await rina.post('/policy/save', fields);
    expect(conflict.status).toBe(409);
    expect(textOf(conflict.text)).toMatch(/andi menyimpan revisi \d+ sementara Anda menulis/);
    expect(fieldOf(conflict.text, 'text')).toBe(slow);
    expect(fieldOf(conflict.text, 'note')).toBe('pelan');
    expect(conflict.text).toContain('night boost');
    const joined = await rina.submit('/policy/save', { text: slow, note: 'x', base: fieldOf(conflict.text, 'base') });
    expect(joined.path).toMatch(/^\/policy\/publish\?revision=\d+$/);
  });
});

test('what a revision has that another has not stands line by line', async () => {
  const revision = await saveRevision(andi, edited(BOOST));
  const { text } = await andi.open(`/policy/diff?from=1&to=${revision}`);
  expect(text.match(/<tr class="added">/g)).toHaveLength(3);
  expect(text).not.toContain('<tr class="removed">');
  expect(textOf(text)).toContain('3 baris ditambah, 0 dihapus');
  expect(await said(andi, '/policy/diff?from=1&to=1')).toContain('Kedua dokumen sama');
  expect((await andi.open('/policy/diff?from=1&to=77')).path).toBe('/policy');
});

describe('the plan', () => {
  const NIGHT = Date.parse('2026-11-21T18:30:00Z'); // 01.30 in Jakarta

  test('counts who changes, now and later, of a revision and of what is being written', async () => {
    const revision = await saveRevision(andi, edited(BOOST));
    const noon = await said(andi, `/policy/plan?revision=${revision}`);
    expect(noon).toMatch(/Pelanggan berubah 0 dari 60/);
    expect(noon).toMatch(/Berubah nanti [1-9]/);
    pages.setClock(NIGHT);
    try {
      const late = await pages.loginStaff('network-engineer');
      await late.open('/policy/edit');
      const part = await late.post('/policy/plan', { text: edited(BOOST) }, { headers: { 'x-part': '1' } });
      expect(part.headers.get('x-part')).toBe('1');
      expect(part.text).not.toContain('<html');
      expect(part.text).toContain('<svg class="flow"');
      expect(textOf(part.text)).toMatch(/Pelanggan berubah [1-9]\d* dari 60/);
      expect(textOf(part.text)).toMatch(/Penuh 20 Mbps .* Penuh 40 Mbps/);
      expect(textOf(part.text)).toMatch(/aturan night boost/);
    } finally {
      pages.setClock(NOW);
    }
  });

  test('of a document with faults there is none, but what is wrong', async () => {
    await andi.open('/policy/edit');
    const page = await andi.submit('/policy/plan', { text: 'rules: 7', base: '1' });
    expect(textOf(page.text)).toContain('Perbaiki dulu kesalahan di dokumen');
    expect(fieldOf(page.text, 'text')).toBe('rules: 7');
  });
});

describe('the simulator', () => {
  test('says what a subscriber would get at a time, why, and what the router is told', async () => {
    const { username } = await covered();
    await andi.open('/policy/edit');
    const asked = { text: edited(BOOST), base: '1', subscriber: username, at: '2026-11-22T01:00', nas: '', used: '' };
    const page = textOf((await andi.submit('/policy/simulate', asked)).text);
    expect(page).toContain(`Untuk ${username}`);
    expect(page).toMatch(/Penuh 40 Mbps/);
    expect(page).toMatch(/jam antara 00:00 dan 06:00/);
    expect(page).toContain('aturan "night boost"');
    expect(page).toMatch(/sampai 22 Nov 2026 06.00/);
    expect(page).toContain('Mikrotik-Rate-Limit 40000k/40000k');
    expect(page).toMatch(/Menurut yang berlaku sekarang \(revisi 1\) Penuh 20 Mbps/);
  });

  test('answers by the policy in force for whoever only asks, and refuses what makes no sense', async () => {
    const { username } = await covered();
    const ask = (more: string) => said(andi, `/policy/simulate?subscriber=${username}&at=2026-11-22T01:00${more}`);
    expect(await ask('')).toMatch(/Penuh 20 Mbps.*Sama seperti kebijakan yang berlaku/);
    expect(await ask('&used=500GB')).toContain('habis (terpakai');
    expect(await ask('&used=banyak')).toContain('Tulis pemakaian seperti');
    expect(await said(andi, '/policy/simulate?subscriber=nobody&at=2026-11-22T01:00')).toContain('nobody');
    expect(await said(andi, `/policy/simulate?subscriber=${username}&at=besok`)).toContain('Pilih tanggal dan jam');
  });

  /** Somebody on the plan of 20 Mbps whose package runs on. */
  async function covered(): Promise<{ username: string }> {
    const [row] = await pages.db.query<{ username: string }>(
      `select username from subscriber s join grants g on g.subscriber_id = s.id
        join plan_revision r on r.id = g.plan_revision_id
       where r.download_bps = 20000000 and g.ends_at > $1::timestamptz + interval '3 days' and g.starts_at < $1::timestamptz
         and g.revoked_at is null and s.suspended_at is null and s.billing = 'prepaid' and s.access = 'pppoe'
       order by s.id limit 1`,
      [new Date(pages.clock()).toISOString()],
    );
    return row!;
  }
});

describe('publishing', () => {
  const ORDER = { mode: 'canary', canary: '5', watch: '30', perSecond: '20' };

  test('refuses what makes no sense beside its field, and starts nothing', async () => {
    const revision = await saveRevision(andi, edited(BOOST));
    const path = `/policy/publish?revision=${revision}`;
    await andi.open(path);
    const sent = { ...ORDER, revision: String(revision), canary: '0', watch: 'x', perSecond: '0' };
    const page = await andi.post('/policy/publish', sent);
    expect(page.status).toBe(422);
    expect(page.text.match(/aria-invalid="true"/g)).toHaveLength(3);
    expect(await said(andi, '/policy')).toContain('Belum pernah ada yang disebarkan');
  });

  test('begins with a share, shows how far it is, and is taken back', async () => {
    const revision = await saveRevision(andi, edited(BOOST));
    await andi.open(`/policy/publish?revision=${revision}`);
    const begun = await andi.submit('/policy/publish', { ...ORDER, revision: String(revision) });
    expect(begun.path).toBe('/policy');
    expect(textOf(begun.text)).toContain(`Penyebaran revisi ${revision} dimulai`);
    expect(begun.text).toContain('<meta http-equiv="refresh"');
    const part = await andi.open('/policy/rollout');
    expect(textOf(part.text)).toContain('5% dulu, diawasi 30 detik, lalu 20 sesi per detik');
    const second = await andi.post('/policy/publish', { ...ORDER, revision: String(revision) });
    expect(second.status).toBe(422);
    const back = await andi.submit('/policy/rollback', { reason: 'uji coba' });
    expect(textOf(back.text)).toContain('Ditarik: revisi 1 berlaku lagi');
    expect(textOf(back.text)).toContain('uji coba');
    expect((await policyInForce(pages.db))?.id).toBe(1);
    const log = await pages.db.query<{ why: string; actor: string }>(
      'select why, actor from audit order by id desc limit 2',
    );
    expect(log.map(({ actor }) => actor)).toEqual(['staff:andi', 'staff:andi']);
  });

  test('one that stopped by itself is told of on the dashboard, and why', async () => {
    const revision = await saveRevision(andi, edited(BOOST));
    await andi.open(`/policy/publish?revision=${revision}`);
    await andi.submit('/policy/publish', { ...ORDER, revision: String(revision) });
    expect(await said(andi, '/prepaid/dashboard')).not.toContain('berhenti sendiri');
    await pages.db.execute(
      `update policy_rollout set stage = 'stopped', ended_at = $1::timestamptz, reason = 'routers refused 9 of 20 changes'`,
      [new Date(NOW).toISOString()],
    );
    const page = await said(andi, '/prepaid/dashboard');
    expect(page).toContain(`Penyebaran kebijakan revisi ${revision} berhenti sendiri: routers refused 9 of 20 changes`);
    expect(await said(andi, '/policy')).toContain('Berhenti sendiri');
  });

  test('without anything to go back to, that is said', async () => {
    await andi.open('/policy');
    expect(textOf((await andi.submit('/policy/rollback', { reason: '' })).text)).toMatch(/revis/i);
  });
});
