import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { sellPackage } from '#operations/sell-package';
import { saveSettings } from '#operations/settings';
import { Context } from '#portal/shared/context';
import type { Browserlike } from '#test/portal/browserlike';
import { addCustomer, addSession, type Company, startCompany } from '#test/portal/customer/company';

const EVIL = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</title><svg onload=alert(1)>',
  '{{constructor}}{{{this}}}',
  '\u202e\u0007"\\',
].join(' ');
/** In a text without control characters, as the forms take it. */
const evil = EVIL.replace(/\p{Cc}/gu, '');
const PAGES = ['splash', 'login', 'home', 'packages', 'history', 'pin'];

let company: Company;
let browser: Browserlike;
let order = '';
beforeAll(async () => {
  company = await startCompany();
  const { desk } = company;
  const name = evil.slice(0, 100).trim();
  await saveSettings(desk, 'company', { name, address: evil, hours: evil.slice(0, 99) });
  await addPlan(desk, { name, down: '5M', up: '5M', period: '7d', price: '10000' });
  await company.db.execute('update plan set description = $1', [evil]);
  const customer = await addCustomer(desk, { username: evil, name: evil });
  await addGrant(desk, { username: evil, plan: name });
  await addSession(company, { subscriberId: customer.id, framedIp: '127.0.0.1', username: EVIL });
  const planRevisionId = await company.planId(name);
  const sold = await sellPackage(desk, { subscriberId: customer.id, planRevisionId, method: 'cash', begins: 'now' });
  order = `orders/${sold.number}`;
  browser = await company.loginPortal(customer.id);
});
afterAll(() => company.stop());

describe('names that are markup', () => {
  test.each([...PAGES, 'order'])('stay text on the page %s', async (page) => {
    const { text, status } = await browser.open(`/prepaid/portal/${page === 'order' ? order : page}`);
    expect(status).toBe(200);
    // All scripts of the page, all handlers and every element that loads something: none but ours.
    expect(text.match(/<script[^>]*>/g)).toHaveLength(1);
    expect(text).not.toMatch(/<img|<svg onload|<iframe/i);
    expect(text.replace(/&[#\w]+;/g, '')).not.toMatch(/<[^>]*\son\w+\s*=/i);
    expect(text.match(/<title>/g)).toHaveLength(1);
  });

  test('run nowhere, whatever gets through: the policy of the page lets only our own files run', async () => {
    const { headers } = await browser.open('/prepaid/portal/home');
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('what a browser sends', () => {
  test.each([
    ['portalId', '"><script>alert(1)</script>'],
    ['back', '/prepaid/portal/"><script>alert(1)</script>'],
  ])('%s comes back as text', async (name, value) => {
    const stranger = company.browser();
    await stranger.open('/prepaid/portal/login');
    const { text } = await stranger.submit('/prepaid/portal/login', { portalId: '1', pin: '1', [name]: value });
    expect(text.match(/<script[^>]*>/g)).toHaveLength(1);
  });

  test('an address with markup in it is text in every link of the page', async () => {
    const { text } = await company.browser().open('/prepaid/portal/splash?"><script>alert(1)</script>');
    expect(text.match(/<script[^>]*>/g)).toHaveLength(1);
  });

  test.each(['gerbang_portal', 'gerbang_device', 'gerbang_lang', 'gerbang_flash', 'gerbang_portal_id', 'gerbang_form'])(
    'a cookie %s of anybody’s making breaks nothing',
    async (name) => {
      const flash = Buffer.from(JSON.stringify({ kind: '"><script>', text: '<script>alert(1)</script>' })).toString(
        'base64url',
      );
      for (const value of [
        '',
        '%00',
        '../../x',
        '"><script>alert(1)</script>'.replace(';', ''),
        'x'.repeat(3_000),
        flash,
        '12345678',
      ]) {
        const page = await company.browser({ [name]: value }).open('/prepaid/portal/login');
        expect(page.status).toBe(200);
        expect(page.text.match(/<script[^>]*>/g)).toHaveLength(1);
      }
    },
  );

  test.each([
    ['an array where a text is meant', 'portalId=1&portalId=2&pin=3&pin=4'],
    ['an object', 'portalId[a]=1&pin[__proto__]=2'],
    ['nothing', ''],
    ['what is no form', '%%%%'],
    ['a text without end', `portalId=${'1'.repeat(60_000)}&pin=1`],
    ['zeros', 'portalId=%00%00%00%00%00%00%00%00&pin=%00'],
  ])('a form with %s is refused in words', async (_what, body) => {
    const stranger = company.browser();
    await stranger.open('/prepaid/portal/login');
    const answer = await stranger.fetch('/prepaid/portal/login', {
      method: 'POST',
      body: `${body}&_csrf=${encodeURIComponent(stranger.token())}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(answer.status).toBe(422);
    expect(answer.text).toContain('<h1>Masuk ke Portal</h1>');
  });

  test('another kind of body, or one too large, is refused as a page', async () => {
    const stranger = company.browser();
    await stranger.open('/prepaid/portal/login');
    const send = (body: string, type: string) =>
      stranger.fetch('/prepaid/portal/login', { method: 'POST', body, headers: { 'content-type': type } });
    for (const [body, type, status] of [
      ['{"portalId":"1"}', 'application/json', 403],
      ['<x/>', 'text/xml', 415],
      ['x'.repeat(70_000), 'application/x-www-form-urlencoded', 413],
    ] as const) {
      const answer = await send(body, type);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('text/html');
    }
  });

  test('a language that is none, and where its switch leads, go nowhere', async () => {
    const stranger = company.browser();
    expect((await stranger.fetch('/language/xx')).status).toBe(404);
    for (const back of ['https://evil.test/', '//evil.test', '/\\evil.test', '/a\r\nSet-Cookie: a=b'])
      expect((await stranger.fetch(`/language/en?back=${encodeURIComponent(back)}`)).location).toBe('/');
  });
});

test.each(['https://evil.test', '//evil.test', '/\\evil.test', '/a\nb', 'javascript:alert(1)', 'x'])(
  'no page can send a browser to %j, whatever it was given',
  (path) => {
    const reply = { redirect: (to: string) => to };
    expect(Context.prototype.redirect.call({ reply } as unknown as Context, path)).toBe('/');
  },
);

test('nothing of all that was a mistake of ours', () => {
  expect(company.logged).toEqual([]);
});
