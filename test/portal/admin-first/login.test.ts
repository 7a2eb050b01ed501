import { Secret, TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addStaff } from '#operations/staff';
import { textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;
beforeAll(async () => {
  pages = await startPortal();
});
afterAll(() => pages.stop());

let count = 0;
/** Somebody new with a one-time password. */
async function somebody(): Promise<{ username: string; password: string }> {
  count += 1;
  return addStaff(pages.desk, { username: `staf${count}`, role: 'customer-service' });
}

const OWN = 'tiga kata lepas';

/** A browser of somebody who has chosen a password of their own. */
async function settled() {
  const { username, password } = await somebody();
  const browser = pages.browser();
  await browser.open('/login');
  await browser.submit('/login', { username, password });
  await browser.submit('/account/password', { old: password, new: OWN, again: OWN });
  return { username, browser };
}

test('the first login leads to a new password and nowhere else, then to the dashboard', async () => {
  const { username, password } = await somebody();
  const browser = pages.browser();
  await browser.open('/login');
  const first = await browser.submit('/login', { username, password });
  expect(first.path).toBe('/account/password');
  expect((await browser.open('/customers')).path).toBe('/account/password');
  const short = await browser.submit('/account/password', { old: password, new: 'pendek', again: 'pendek' });
  expect([short.status, textOf(short.text)]).toEqual([422, expect.stringContaining('Paling sedikit 10 karakter')]);
  const wrong = await browser.submit('/account/password', { old: 'bukan ini', new: OWN, again: OWN });
  expect(textOf(wrong.text)).toContain('Ini bukan kata sandi Anda yang sekarang');
  const other = await browser.submit('/account/password', { old: password, new: OWN, again: 'lain sekali' });
  expect(textOf(other.text)).toContain('Tidak sama dengan yang di atas');
  const done = await browser.submit('/account/password', { old: password, new: OWN, again: OWN });
  expect(done.path).toBe('/prepaid/dashboard');
  expect(textOf(done.text)).toContain('Kata sandi sudah diganti');
});

test('a login leads back to the page that was asked for, but never to another site', async () => {
  const { username, browser } = await settled();
  await browser.submit('/logout');
  const asked = await browser.open('/customers?standing=expired');
  expect(asked.path).toBe('/login?back=%2Fcustomers%3Fstanding%3Dexpired');
  const back = await browser.submit('/login', { username, password: OWN, back: '/customers?standing=expired' });
  expect(back.path).toBe('/customers?standing=expired');
  for (const evil of ['https://evil.example/', '//evil.example', '/\\evil.example', '/x\r\nset-cookie: a=b']) {
    await browser.submit('/logout');
    const answer = await browser.post('/login', { username, password: OWN, back: evil });
    expect([answer.status, answer.location], evil).toEqual([303, '/prepaid/dashboard']);
  }
});

test('each login makes a new token, and the one that was there before opens nothing', async () => {
  const { username, browser } = await settled();
  const before = browser.cookies.get('gerbang_staff')!;
  const fixed = pages.browser({ gerbang_staff: 'A'.repeat(43) });
  await fixed.open('/login');
  await fixed.submit('/login', { username, password: OWN });
  expect(fixed.cookies.get('gerbang_staff')).not.toBe('A'.repeat(43));
  expect(fixed.cookies.get('gerbang_staff')).not.toBe(before);
  await browser.submit('/logout');
  expect((await pages.browser({ gerbang_staff: before }).fetch('/customers')).location).toContain('/login');
});

test('the cookie cannot be read by scripts nor sent from other sites, and over https not in the clear', async () => {
  const { username, browser } = await settled();
  await browser.submit('/logout');
  const cookieOf = (page: { headers: Headers }) =>
    page.headers.getSetCookie().find((line) => line.startsWith('gerbang_staff='))!;
  const plain = cookieOf(await browser.post('/login', { username, password: OWN }));
  expect(plain).toMatch(/HttpOnly/);
  expect(plain).toMatch(/SameSite=Lax/);
  expect(plain).not.toMatch(/Secure/);
  const secure = await startPortal({ db: pages.db, publicUrl: 'https://portal.test' });
  try {
    const other = secure.browser();
    await other.open('/login');
    expect(cookieOf(await other.post('/login', { username, password: OWN }))).toMatch(/Secure/);
  } finally {
    await secure.stop();
  }
});

test('wrong passwords are answered alike for names there are and are not, and soon with how long to wait', async () => {
  const { username } = await somebody();
  for (const name of [username, 'tidak-ada']) {
    const browser = pages.browser();
    await browser.open('/login');
    const first = await browser.submit('/login', { username: name, password: 'salah sekali' });
    expect([first.status, textOf(first.text)]).toEqual([422, expect.stringContaining('tidak cocok')]);
    expect(first.text).toContain(`value="${name}"`);
    let last = first;
    for (let tries = 0; tries < 4; tries += 1)
      last = await browser.submit('/login', { username: name, password: 'salah sekali' });
    expect(textOf(last.text)).toMatch(/Coba lagi dalam \d+ detik/);
  }
  const empty = await pages.browser().open('/login');
  expect(empty.status).toBe(200);
});

function codeOf(secret: string): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: pages.clock() });
}

test('two-step verification: set up by QR, asked for at the next login, and turned off by a code', async () => {
  const { username, browser } = await settled();
  await browser.open('/account');
  const shown = await browser.submit('/account/totp');
  expect(shown.text).toContain('<svg');
  const secret = /name="secret" value="([A-Z2-7]+)"/.exec(shown.text)![1]!;
  const wrong = await browser.submit('/account/totp/confirm', { secret, code: '000000' });
  expect([wrong.status, textOf(wrong.text)]).toEqual([422, expect.stringContaining('Kode tidak cocok')]);
  expect(wrong.text).toContain(`value="${secret}"`);
  const on = await browser.submit('/account/totp/confirm', { secret, code: codeOf(secret) });
  expect(textOf(on.text)).toContain('Verifikasi dua langkah sudah aktif');

  await browser.submit('/logout');
  pages.setClock(pages.clock() + 60_000);
  const asked = await browser.submit('/login', { username, password: OWN, back: '/customers' });
  expect(asked.path).toBe('/login/code?back=%2Fcustomers');
  const halfway = browser.cookies.get('gerbang_staff');
  expect((await browser.open('/customers')).path).toBe('/login/code');
  expect((await browser.open('/account/password')).path).toBe('/login/code');
  const before = await browser.submit('/account/password', {
    old: OWN,
    new: 'sesuatu yang lain',
    again: 'sesuatu yang lain',
  });
  expect(before.path).toBe('/login/code');
  await browser.open('/login/code');
  const bad = await browser.submit('/login/code', { code: '123456' });
  expect(textOf(bad.text)).toContain('sudah dipakai');
  const inside = await browser.submit('/login/code', { code: codeOf(secret), back: '/customers' });
  expect(inside.path).toBe('/customers');
  expect(browser.cookies.get('gerbang_staff')).not.toBe(halfway);

  pages.setClock(pages.clock() + 60_000);
  await browser.open('/account');
  const off = await browser.submit('/account/totp/off', { code: codeOf(secret) });
  expect(textOf(off.text)).toContain('sudah dimatikan');
});

test('one sees where one is logged in, and ends the others', async () => {
  const { username, browser } = await settled();
  const other = pages.browser();
  await other.open('/login');
  await other.submit('/login', { username, password: OWN });
  expect((await other.fetch('/customers')).status).toBe(200);
  const page = await browser.open('/account');
  expect(page.text.match(/perangkat ini/g)).toHaveLength(1);
  const key = /name="key" value="([0-9a-f]{64})"/.exec(page.text)![1]!;
  await browser.submit('/account/sessions/end', { key });
  expect((await other.fetch('/customers')).status).toBe(303);
  expect((await browser.fetch('/customers')).status).toBe(200);
});

test('all others are ended with one press, and this one goes on', async () => {
  const { username, browser } = await settled();
  const others = [pages.browser(), pages.browser()];
  for (const other of others) {
    await other.open('/login');
    await other.submit('/login', { username, password: OWN });
  }
  await browser.open('/account');
  expect(textOf((await browser.submit('/account/sessions/end', { key: 'others' })).text)).toContain('2 sesi diakhiri');
  for (const other of others) expect((await other.fetch('/customers')).status).toBe(303);
  expect((await browser.fetch('/customers')).status).toBe(200);
});

test('nobody ends a session of somebody else', async () => {
  const victim = await settled();
  const { browser } = await settled();
  const page = await victim.browser.open('/account');
  const own = (
    await pages.db.query<{ key: string }>(
      `select encode(token_hash, 'hex') as key from web_session join staff on staff.id = staff_id where username = $1`,
      [victim.username],
    )
  )[0]!.key;
  expect(page.status).toBe(200);
  await browser.open('/account');
  await browser.submit('/account/sessions/end', { key: own });
  expect((await victim.browser.fetch('/customers')).status).toBe(200);
});

test('the language of the account is the language of the pages', async () => {
  const { browser } = await settled();
  await browser.open('/account');
  const saved = await browser.submit('/account', { name: 'Sari', language: 'en' });
  expect(textOf(saved.text)).toContain('Your account is saved');
  expect((await browser.open('/customers')).text).toContain('<html lang="en">');
});
