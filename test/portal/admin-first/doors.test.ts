import fastify from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { may, type Permission } from '#operations/permissions';
import { portal } from '#portal/portal';
import { STAFF_ROLES } from '#storage/staff';
import { seedProvider } from '#test/portal/admin-first/provider';
import type { Browserlike } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';

type Route = {
  readonly method: string;
  readonly url: string;
  readonly door?: string;
  readonly may?: Permission;
  readonly halfway?: true;
};

/** Every route of the pages as they are added to a server. */
async function routesOf(): Promise<Route[]> {
  const routes: Route[] = [];
  const app = fastify();
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') routes.push({ method: one, url, ...config });
  });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const parts = {
    node: 'test:3000',
    publicUrl: null,
    zone: 'Asia/Jakarta',
    zoneIsSet: false,
    clock: () => 0,
    opened: () => null,
    log,
  };
  await app.register((scope) => portal(scope, parts));
  await app.ready();
  await app.close();
  return routes;
}

let pages: TestPortal;
let routes: Route[];

beforeAll(async () => {
  pages = await startPortal();
  await seedProvider(pages.desk, pages.clock(), 30);
  routes = await routesOf();
});
afterAll(() => pages.stop());

/** An address of the route that leads to something; null when the test knows none. */
function addressOf({ url }: Route): string | null {
  const parts = url
    .replace(/^\/customers\/:id/, '/customers/1')
    .replace(/^\/prepaid\/customers\/:id/, '/prepaid/customers/1')
    .replace(/^\/prepaid\/subscriptions\/:grant/, '/prepaid/subscriptions/1')
    .replace('/jobs/:id', '/jobs/none');
  return parts.includes(':') || parts.includes('*') ? null : parts;
}

test('every route has a door, and every door of staff says who may', () => {
  expect(routes.length).toBeGreaterThan(40);
  expect(routes.filter((route) => route.door === undefined)).toEqual([]);
  expect(routes.filter((route) => route.door === 'staff' && route.may === undefined)).toEqual([]);
});

/** What the forms of this half ask of a role; a new one has to be thought about here. */
const ASKED: Readonly<Record<string, Permission>> = {
  '/account': 'see',
  '/account/password': 'see',
  '/account/totp': 'see',
  '/account/totp/confirm': 'see',
  '/account/totp/off': 'see',
  '/account/sessions/end': 'see',
  '/jobs/:id/stop': 'subscribers',
  '/jobs/:id/pins': 'subscribers',
  '/customers/bulk': 'subscribers',
  '/customers/bulk/start': 'subscribers',
  '/customers/new': 'subscribers',
  '/customers/import': 'subscribers',
  '/customers/import/apply': 'subscribers',
  '/customers/import-mikrotik': 'subscribers',
  '/customers/import-mikrotik/preview': 'subscribers',
  '/customers/import-mikrotik/apply': 'subscribers',
  '/migrate': 'subscribers',
  '/migrate/start': 'subscribers',
  '/customers/:id/migrate': 'subscribers',
  '/customers/:id/undo': 'subscribers',
  '/customers/:id/ont/reboot': 'sessions',
  '/customers/:id/ont/refresh': 'sessions',
  '/customers/:id/pin': 'subscribers',
  '/customers/:id/suspend': 'subscribers',
  '/customers/:id/resume': 'subscribers',
  '/customers/:id/edit': 'subscribers',
  '/customers/:id/disconnect/:session': 'sessions',
  '/customers/:id/sell': 'money',
  '/customers/:id/credit': 'money',
  '/customers/:id/subscription': 'money',
  '/customers/:id/subscription/ending': 'money',
  '/customers/:id/subscription/change': 'money',
  '/policy/edit': 'policy',
  '/policy/check': 'policy',
  '/policy/save': 'policy',
  '/policy/plan': 'policy',
  '/policy/simulate': 'policy',
  '/policy/publish': 'policy',
  '/policy/rollback': 'policy',
  '/prepaid/subscriptions/:grant/revoke': 'money',
  '/prepaid/purchases/:number/settle': 'money',
  '/prepaid/purchases/:number/cancel': 'money',
};

test('whoever may only look changes no subscriber and no money: each form asks for what it does', () => {
  const half = /^\/(account|jobs|customers|migrate|policy|prepaid\/(customers|subscriptions|purchases))(\/|$)/;
  const forms = routes.filter(({ method, url }) => method === 'POST' && half.test(url));
  expect(Object.fromEntries(forms.map((route) => [route.url, route.may]))).toEqual(ASKED);
});

test('what changes something is never reached by GET', () => {
  const acts = /\/(settle|cancel|suspend|resume|apply|start|stop|end|off|confirm|logout)$/;
  expect(routes.filter(({ method, url }) => method === 'GET' && acts.test(url))).toEqual([]);
});

test('whoever is not logged in is led to the login and back', async () => {
  for (const route of routes.filter(({ method, door }) => method === 'GET' && door === 'staff')) {
    const address = addressOf(route);
    if (address === null) continue;
    const answer = await pages.browser().fetch(address);
    expect([answer.status, answer.location], address).toEqual([303, `/login?back=${encodeURIComponent(address)}`]);
  }
});

test.each(STAFF_ROLES)('%s opens the pages the role allows, and gets 403 from all others', async (role) => {
  const browser = await pages.loginStaff(role);
  let refused = 0;
  for (const route of routes.filter(({ method, door }) => method === 'GET' && door === 'staff')) {
    const address = addressOf(route);
    if (address === null) continue;
    const { status, text } = await browser.fetch(address);
    if (!may(role, route.may!)) {
      expect([status, address]).toEqual([403, address]);
      expect(text).toContain('Tidak diizinkan');
      refused += 1;
    } else expect([200, 302, 303, 404], `${address} answers ${status}`).toContain(status);
  }
  if (role === 'technician') expect(refused).toBeGreaterThan(5);
  expect(pages.logged).toEqual([]);
});

async function facts(): Promise<string> {
  const [row] = await pages.db.query<{ facts: string }>(
    `select concat((select count(*) from audit), ' ', (select count(*) from purchase), ' ', (select count(*) from grants where revoked_at is null),
       ' ', (select sum(version) from subscriber)) as facts`,
  );
  return row!.facts;
}

async function posts(
  browser: Browserlike,
  of: Route[],
  options: { token?: string | null } = {},
): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  for (const route of of) {
    const address = addressOf(route);
    if (address !== null) answers.set(address, (await browser.post(address, {}, options)).status);
  }
  return answers;
}

test('no form of another site is taken: without our token nothing happens', async () => {
  const browser = await pages.loginStaff('owner');
  await browser.open('/account');
  const before = await facts();
  const forms = routes.filter(({ method, door }) => method === 'POST' && door !== 'customer');
  const answers = await posts(browser, forms, { token: null });
  expect(answers.size).toBeGreaterThan(15);
  expect([...answers].filter(([, status]) => status !== 403)).toEqual([]);
  const foreign = await browser.post('/customers/1/suspend', {}, { headers: { origin: 'https://evil.example' } });
  expect(foreign.status).toBe(403);
  expect(await facts()).toBe(before);
});

test('a technician, who may only look, can send no form that changes a subscriber or money', async () => {
  const browser = await pages.loginStaff('technician');
  await browser.open('/account');
  const before = await facts();
  const forms = routes.filter(
    ({ method, may: asks }) => method === 'POST' && asks !== undefined && !may('technician', asks),
  );
  const answers = await posts(browser, forms);
  expect(answers.size).toBeGreaterThan(8);
  expect([...answers].filter(([, status]) => status !== 403)).toEqual([]);
  expect(await facts()).toBe(before);
  const { text } = await browser.open('/customers/1');
  for (const act of ['/sell', '/migrate', '/suspend', '/edit', '/pin'])
    expect(text).not.toContain(`/customers/1${act}"`);
});
