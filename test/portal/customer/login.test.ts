import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, MINUTE } from '#domain/time';
import { issuePin } from '#operations/issue-pin';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addCustomer, type Company, type Customer, startCompany } from '#test/portal/customer/company';

const LOGIN = '/prepaid/portal/login';
const HOME = '/prepaid/portal/home';

let company: Company;
let count = 0;
beforeAll(async () => {
  company = await startCompany();
});
afterAll(() => company.stop());
beforeEach(() => company.db.execute('delete from login_budget'));

const newCustomer = (options = {}): Promise<Customer> => {
  count += 1;
  return addCustomer(company.desk, { username: `login-${count}`, name: 'Budi Santoso' }, options);
};

/** Opens the form and sends it. */
async function logIn(browser: Browserlike, { portalId, pin }: { portalId: string; pin: string }, more = {}) {
  await browser.open(LOGIN);
  return browser.submit(LOGIN, { portalId, pin, ...more });
}

/** A PIN that is not this one. */
const otherPin = (pin: string): string => String((Number(pin) + 1) % 1_000_000).padStart(6, '0');

describe('logging in', () => {
  test('with Portal ID and PIN leads home', async () => {
    const customer = await newCustomer();
    const page = await logIn(company.browser(), customer);
    expect([page.status, page.path]).toEqual([200, HOME]);
    expect(textOf(page.text)).toContain('Halo, Budi');
  });

  test('digits may be typed with blanks and dashes, or come from another script', async () => {
    const { portalId, pin } = await newCustomer();
    const page = await logIn(company.browser(), {
      portalId: ` ${portalId.slice(0, 4)}-${portalId.slice(4)} `,
      pin: pin.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    });
    expect(page.path).toBe(HOME);
  });

  test('the form asks for numbers with a numeric keyboard, and says what to do without a PIN', async () => {
    const { text } = await company.browser().open(LOGIN);
    expect(text.match(/inputmode="numeric"/g)).toHaveLength(2);
    expect(text).toContain('autocomplete="username"');
    expect(text).toContain('autocomplete="current-password"');
    expect(textOf(text)).toContain('PIN hilang atau belum diterima?');
  });

  test('the ID is kept on this device once a login succeeded, and not before', async () => {
    const customer = await newCustomer();
    const browser = company.browser();
    await logIn(browser, { ...customer, pin: otherPin(customer.pin) });
    expect((await company.browser(Object.fromEntries(browser.cookies)).open(LOGIN)).text).not.toContain(
      customer.portalId,
    );
    await logIn(browser, customer);
    await browser.submit('/prepaid/portal/logout');
    const again = await browser.open(LOGIN);
    expect(again.text).toContain(`value="${customer.portalId}"`);
    expect(again.text).not.toContain(customer.pin);
  });

  test.each([
    ['1234', '123456', 'Portal ID terdiri dari 8 angka'],
    ['abcdefgh', '123456', 'Portal ID terdiri dari 8 angka'],
    ['12345678', '12', 'PIN terdiri dari 6 angka.'],
    ['', '', 'Portal ID terdiri dari 8 angka'],
  ])('%s with %s is told what is wrong beside the field', async (portalId, pin, says) => {
    const page = await logIn(company.browser(), { portalId, pin });
    expect([page.status, page.path]).toEqual([422, LOGIN]);
    expect(textOf(page.text)).toContain(says);
    expect(page.text).toContain('aria-invalid="true"');
  });

  test('cookies are out of reach of scripts and of other sites', async () => {
    const customer = await newCustomer();
    const browser = company.browser();
    await browser.open(LOGIN);
    const answer = await browser.post(LOGIN, { portalId: customer.portalId, pin: customer.pin });
    const lines = answer.headers.getSetCookie().filter((line) => !line.startsWith('gerbang_form'));
    expect(lines.map((line) => line.split('=', 1)[0]).sort()).toEqual([
      'gerbang_device',
      'gerbang_portal',
      'gerbang_portal_id',
    ]);
    for (const line of lines) expect(line).toMatch(/HttpOnly.*SameSite=(Lax|Strict)/i);
    expect(lines.find((line) => line.startsWith('gerbang_device'))).toContain(`Max-Age=${365 * 24 * 3600}`);
  });

  test('where browsers reach us by TLS, cookies go over TLS only', async () => {
    const secure = await startCompany({ publicUrl: 'https://portal.maju.test' });
    const customer = await addCustomer(secure.desk, { username: 'tls' });
    const headers = { host: 'portal.maju.test', 'content-type': 'application/x-www-form-urlencoded' };
    const form = await secure.app.inject({ url: LOGIN, headers });
    const token = /name="_csrf" value="([^"]+)"/.exec(form.body)![1]!;
    const cookie = form.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const payload = new URLSearchParams({ portalId: customer.portalId, pin: customer.pin, _csrf: token }).toString();
    const answer = await secure.app.inject({ method: 'POST', url: LOGIN, headers: { ...headers, cookie }, payload });
    await secure.stop();
    expect([answer.statusCode, answer.headers.location]).toEqual([303, HOME]);
    expect([...form.cookies, ...answer.cookies].every((one) => one.secure === true)).toBe(true);
  });
});

describe('a refused login', () => {
  test('says the same of a wrong PIN and of an ID that nobody has', async () => {
    const customer = await newCustomer();
    const wrong = await logIn(company.browser(), { ...customer, pin: otherPin(customer.pin) });
    const nobody = await logIn(company.browser(), { portalId: '99999999', pin: '481920' });
    const comparable = (page: typeof wrong, portalId: string) =>
      page.text.replace(/name="_csrf" value="[^"]+"/g, '').replaceAll(portalId, 'ID');
    expect(wrong.status).toBe(422);
    expect(nobody.status).toBe(422);
    expect(comparable(wrong, customer.portalId)).toBe(comparable(nobody, '99999999'));
    expect(textOf(wrong.text)).toContain('Portal ID atau PIN tidak cocok.');
  });

  test('the waiting time is said in words, and holds although the PIN is right by then', async () => {
    const customer = await newCustomer();
    const browser = company.browser();
    let page = await logIn(browser, { ...customer, pin: otherPin(customer.pin) });
    for (let tries = 2; tries <= 4; tries += 1) {
      company.setClock(company.clock() + MINUTE);
      page = await logIn(browser, { ...customer, pin: otherPin(customer.pin) });
    }
    expect(textOf(page.text)).toMatch(/Tunggu \d+ detik sebelum mencoba lagi\./);
    expect((await logIn(browser, customer)).status).toBe(422);
    company.setClock(company.clock() + MINUTE);
    expect((await logIn(browser, customer)).path).toBe(HOME);
  });

  test('after ten wrong PINs from devices not known, none is right any more; the known device goes on, and a new PIN opens it', async () => {
    const customer = await newCustomer();
    const own = company.browser();
    await logIn(own, customer);
    await own.submit('/prepaid/portal/logout');
    for (let tries = 1; tries <= 10; tries += 1) {
      company.setClock(company.clock() + 2 * MINUTE);
      expect((await logIn(company.browser(), { ...customer, pin: otherPin(customer.pin) })).status).toBe(422);
    }
    company.setClock(company.clock() + 2 * DAY);
    expect((await logIn(company.browser(), customer)).status).toBe(422);
    expect((await logIn(own, customer)).path).toBe(HOME);
    const issued = await issuePin(company.desk, customer.id, { send: false });
    expect((await logIn(company.browser(), issued)).path).toBe('/prepaid/portal/pin');
  });

  test('guesses sent at the same moment all count', async () => {
    const customer = await newCustomer();
    const browsers = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const browser = company.browser();
        await browser.open(LOGIN);
        return browser;
      }),
    );
    const { portalId, pin } = customer;
    await Promise.all(browsers.map((browser) => browser.submit(LOGIN, { portalId, pin: otherPin(pin) })));
    const [account] = await company.db.query<{ failures: number }>(
      'select failures from portal_account where subscriber_id = $1',
      [customer.id],
    );
    // The delay lets three through at once.
    expect(account!.failures).toBe(3);
  });
});

describe('the way back', () => {
  test('a page that asked for the login is opened after it', async () => {
    const customer = await newCustomer();
    const browser = company.browser();
    const asked = await browser.open('/prepaid/portal/history');
    expect(asked.path).toBe(`${LOGIN}?back=%2Fprepaid%2Fportal%2Fhistory`);
    const back = /name="back" value="([^"]*)"/.exec(asked.text)![1]!;
    const page = await browser.submit(LOGIN, { portalId: customer.portalId, pin: customer.pin, back });
    expect(page.path).toBe('/prepaid/portal/history');
  });

  test.each([
    'https://evil.test/',
    '//evil.test/prepaid/portal/home',
    '/\\evil.test',
    '/\t/evil.test',
    '/prepaid/portal/../..//evil.test',
    '/prepaid/portal/\r\nSet-Cookie: a=b',
    '/prepaid/portal/\\..\\..\\\\evil.test',
    'javascript:alert(1)',
    '/login',
    'prepaid/portal/home',
    '',
  ])('never leads to another site: %j', async (back) => {
    const customer = await newCustomer();
    const browser = company.browser();
    const form = await browser.open(`${LOGIN}?back=${encodeURIComponent(back)}`);
    expect(/name="back" value="([^"]*)"/.exec(form.text)?.[1] ?? '/prepaid/portal/').toMatch(/^\/prepaid\/portal\//);
    const answer = await browser.post(LOGIN, { portalId: customer.portalId, pin: customer.pin, back });
    const target = new URL(answer.location!, company.url);
    expect(answer.status).toBe(303);
    expect(target.origin).toBe(company.url);
    expect(answer.headers.getSetCookie().some((line) => line.startsWith('a='))).toBe(false);
  });
});

describe('a session', () => {
  test('is made anew by each login: one that was put into the browser before is worth nothing', async () => {
    const customer = await newCustomer();
    const fixed = 'A'.repeat(43);
    const browser = company.browser({ gerbang_portal: fixed });
    await logIn(browser, customer);
    expect(browser.cookies.get('gerbang_portal')).not.toBe(fixed);
    expect((await company.browser({ gerbang_portal: fixed }).open(HOME)).path).toContain(LOGIN);
  });

  test('of somebody else that was in the browser ends with the login', async () => {
    const [one, other] = [await newCustomer(), await newCustomer()];
    const browser = await company.loginPortal(one.id);
    const before = browser.cookies.get('gerbang_portal')!;
    await browser.open(HOME);
    await browser.submit(LOGIN, { portalId: other.portalId, pin: other.pin });
    expect((await company.browser({ gerbang_portal: before }).open(HOME)).path).toContain(LOGIN);
  });

  test('ends with logging out, for everybody who has its token', async () => {
    const customer = await newCustomer();
    const browser = await company.loginPortal(customer.id);
    const token = browser.cookies.get('gerbang_portal')!;
    await browser.open(HOME);
    const page = await browser.submit('/prepaid/portal/logout');
    expect([page.path, textOf(page.text).includes('Anda sudah keluar.')]).toEqual([LOGIN, true]);
    expect(browser.cookies.has('gerbang_portal')).toBe(false);
    expect((await company.browser({ gerbang_portal: token }).open(HOME)).path).toContain(LOGIN);
  });

  test('cannot be ended by following a link', async () => {
    const customer = await newCustomer();
    const browser = await company.loginPortal(customer.id);
    expect((await browser.fetch('/prepaid/portal/logout')).status).toBe(404);
    expect((await browser.open(HOME)).path).toBe(HOME);
  });
});

describe('forms of other sites', () => {
  const forms = (customer: Customer): [string, Record<string, string>][] => [
    [LOGIN, { portalId: customer.portalId, pin: customer.pin }],
    ['/prepaid/portal/logout', {}],
    ['/prepaid/portal/pin', { oldPin: customer.pin, newPin: '481920', again: '481920' }],
    ['/prepaid/portal/pin/keep', {}],
    ['/prepaid/portal/packages', { plan: '1' }],
    ['/prepaid/portal/orders/P-00000000/cancel', {}],
  ];

  test('change nothing: without a token, with that of another browser, or from another origin', async () => {
    const customer = await newCustomer({ fresh: true });
    const browser = await company.loginPortal(customer.id);
    await browser.open('/prepaid/portal/pin');
    const stranger = company.browser();
    await stranger.open(LOGIN);
    for (const [path, fields] of forms(customer)) {
      const tries = [
        await browser.post(path, fields, { token: null }),
        await browser.post(path, fields, { token: stranger.token() }),
        await browser.post(path, fields, { headers: { origin: 'https://evil.test' } }),
        await browser.post(path, fields, { headers: { origin: 'null' } }),
        await browser.post(path, fields, { headers: { 'sec-fetch-site': 'cross-site' } }),
      ];
      expect(tries.map((answer) => answer.status)).toEqual([403, 403, 403, 403, 403]);
      expect(textOf(tries[0]!.text)).toContain('tidak ada yang diubah');
    }
    expect((await browser.open(HOME)).path).toBe('/prepaid/portal/pin');
    const [purchases] = await company.db.query<{ count: number }>('select count(*) as count from purchase');
    expect(purchases!.count).toBe(0);
  });
});

describe('the PIN', () => {
  const change = (browser: Browserlike, oldPin: string, newPin: string, again = newPin) =>
    browser.submit('/prepaid/portal/pin', { oldPin, newPin, again });

  test('that was issued has to be changed or kept before anything else', async () => {
    const customer = await newCustomer({ fresh: true });
    const browser = company.browser();
    const first = await logIn(browser, customer, { back: '/prepaid/portal/packages' });
    expect(first.path).toBe('/prepaid/portal/pin?back=%2Fprepaid%2Fportal%2Fpackages');
    expect(textOf(first.text)).toContain('Amankan PIN Anda');
    for (const path of [
      HOME,
      '/prepaid/portal/packages',
      '/prepaid/portal/history',
      '/prepaid/portal/orders/P-00000000',
    ])
      expect((await browser.open(path)).path).toBe('/prepaid/portal/pin');
    const kept = await browser.submit('/prepaid/portal/pin/keep', { back: '/prepaid/portal/packages' });
    expect(kept.path).toBe('/prepaid/portal/packages');
    expect((await logIn(company.browser(), customer)).path).toBe(HOME);
  });

  test('is changed: this browser stays in, every other one is out, and only the new PIN is right', async () => {
    const customer = await newCustomer();
    const [browser, elsewhere] = [company.browser(), company.browser()];
    await logIn(browser, customer);
    await logIn(elsewhere, customer);
    await browser.open('/prepaid/portal/pin');
    const page = await change(browser, customer.pin, '730518');
    expect([page.path, textOf(page.text).includes('PIN sudah diganti.')]).toEqual([HOME, true]);
    expect((await elsewhere.open(HOME)).path).toContain(LOGIN);
    expect((await logIn(company.browser(), customer)).status).toBe(422);
    expect((await logIn(company.browser(), { ...customer, pin: '730518' })).path).toBe(HOME);
    // Known still, so strangers who try cannot lock this browser out.
    const [devices] = await company.db.query<{ count: number }>(
      'select count(*) as count from portal_device where subscriber_id = $1',
      [customer.id],
    );
    expect(devices!.count).toBe(2);
  });

  test.each([
    ['123456', undefined, 'mudah ditebak karena berurutan'],
    ['777777', undefined, 'mudah ditebak karena berulang'],
    ['298765', '298766', 'Kedua PIN baru tidak sama'],
    ['12345', undefined, 'PIN terdiri dari 6 angka'],
    ['765432', undefined, 'mudah ditebak karena berurutan'],
  ])('%s is refused with a word why', async (newPin, again, says) => {
    const customer = await newCustomer();
    const browser = await company.loginPortal(customer.id);
    await browser.open('/prepaid/portal/pin');
    const page = await change(browser, customer.pin, newPin, again);
    expect(page.status).toBe(422);
    expect(textOf(page.text)).toContain(says);
    expect(page.text).not.toContain(customer.pin);
  });

  test('cannot be changed without the old one, nor guessed that way', async () => {
    const customer = await newCustomer();
    const browser = await company.loginPortal(customer.id);
    await browser.open('/prepaid/portal/pin');
    expect(textOf((await change(browser, otherPin(customer.pin), '730518')).text)).toContain(
      'PIN sekarang tidak cocok',
    );
    for (let tries = 2; tries <= 10; tries += 1) await change(browser, otherPin(customer.pin), '730518');
    expect(textOf((await change(browser, customer.pin, '730518')).text)).toContain('terlalu sering salah');
  });
});
