import { Browserlike, type FormFields } from '#test/portal/browserlike';
import { FAST, PACKAGE, type PortalCustomer, passwordOf, rateIs, SLOW } from '#test/world/demo-radius';
import type { Stage } from '#test/world/demo-stage';
import type { Provider } from '#test/world/provider';

/** The second half of the demo: from postpaid to prepaid, through the pages, with WhatsApp and the router's lists. */

const COMPANY = { name: 'Maju Net', phone: '+6281199990000', address: 'Jl. Melati 7, Malang', hours: '' } as const;
const STAFF = { username: 'admin', password: 'kantor-maju-2026' } as const;

/** The first goes the whole way by itself, the last pays online; the other two are for whoever watches. */
export const CUSTOMERS: readonly [PortalCustomer, PortalCustomer, PortalCustomer, PortalCustomer] = [
  { username: 'ani', name: 'Ani Rahayu', phone: '6281234567801', address: null },
  { username: 'wati', name: 'Wati Lestari', phone: '6281234567802', address: null },
  { username: 'toko', name: 'Toko Berkah', phone: '6281234567803', address: '10.77.0.9' },
  { username: 'lina', name: 'Lina Marlina', phone: '6281234567804', address: null },
];

/** What a customer logs in with, as it came by WhatsApp. */
type Account = { readonly portalId: string; readonly pin: string };
export type Served = PortalCustomer & Account;

/** A form that the pages take; whoever sends nonsense gets a page back that is none of those after it. */
export async function send(browser: Browserlike, path: string, fields: FormFields): Promise<string> {
  const page = await browser.submit(path, fields);
  if (page.status !== 200) throw new Error(`${path} answers ${page.status} instead of taking its form`);
  return page.path;
}

/** The whole story; resolves with those customers whom the audience may serve itself, and with the one who pays online. */
export async function prepaidStory(
  stage: Stage,
  provider: Provider,
): Promise<{ readonly served: Served[]; readonly lina: Served | undefined }> {
  const office = await openOffice(stage, provider);
  await pair(stage, provider, office);
  const [ani, wati, toko, lina] = CUSTOMERS;
  const accounts = await moveToPrepaid(stage, provider);
  const account = accounts.get(ani.username);
  if (account !== undefined) await buy(stage, provider, office, { ...ani, ...account });
  const known = (one: PortalCustomer): Served[] => {
    const of = accounts.get(one.username);
    return of === undefined ? [] : [{ ...one, ...of }];
  };
  return { served: [wati, toko].flatMap(known), lina: known(lina)[0] };
}

async function openOffice(stage: Stage, { url, oneTimePassword }: Provider): Promise<Browserlike> {
  stage.heading('the office: the first login chooses a password, the company gives its name');
  const office = new Browserlike(url);
  await office.open('/login');
  await send(office, '/login', { username: STAFF.username, password: oneTimePassword });
  const { password } = STAFF;
  await send(office, '/account/password', { old: oneTimePassword, new: password, again: password });
  await office.open('/settings');
  await send(office, '/settings', { ...COMPANY, zone: '' });
  // The story may be told at night.
  const reminders = { endingSoonHours: '24', quotaShares: '80, 100', quietFrom: '', quietTo: '' };
  await send(office, '/settings/reminders', reminders);
  stage.say(`staff: ${url}/login as ${STAFF.username}, password ${password}`);
  return office;
}

/** As staff do it: ask for a code on the page, type it on the company's phone. */
async function pair(stage: Stage, { whatsapp }: Provider, office: Browserlike): Promise<void> {
  stage.heading('the company’s WhatsApp is paired, by a code that is typed on its phone');
  const page = '/settings/whatsapp';
  await send(office, page, { transport: 'baileys', perMinute: '60', perDay: '1000', apiVersion: 'v23.0' });
  await whenPage(office, page, (text) => /name="phone"/.test(text) || null);
  await send(office, `${page}/pair-code`, { phone: COMPANY.phone });
  const code = await whenPage(office, page, (text) => /data-pairing-code>([^<]+)</.exec(text)?.[1] ?? null);
  stage.say(`the page shows the code ${code}`);
  await whatsapp.typeCode(code.replace(/[^A-Z0-9]/g, ''));
  await stage.expectSoon(whatsapp, 'the number is linked', () => whatsapp.connected && whatsapp.logins > 0, 20_000);
}

/** Asks a page again and again until it says what is looked for. */
async function whenPage<T>(browser: Browserlike, path: string, find: (text: string) => T | null): Promise<T> {
  const until = performance.now() + 30_000;
  for (;;) {
    const found = find((await browser.open(path)).text);
    if (found !== null) return found;
    if (performance.now() > until) throw new Error(`${path} does not come to show what it should`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function moveToPrepaid(stage: Stage, provider: Provider): Promise<Map<string, Account>> {
  const { system, router, api, whatsapp } = provider;
  const [ani, wati, toko, lina] = CUSTOMERS;
  const dialling = [ani, wati, lina];
  stage.heading(
    `${CUSTOMERS.map(({ username }) => username).join(', ')} are postpaid and online; now they are moved to prepaid`,
  );
  for (const { username } of dialling)
    await router.dial(username, passwordOf(username), { method: 'mschap2', load: 0.01 });
  for (const { username } of dialling)
    await stage.expectSoon(router, `${username} has 20M`, rateIs(router, username, FAST, 'prepaid-active'));
  const listed = (list: string) => () => api.listsOf(toko.address!).join() === list;
  const static_ = `${toko.username}, a static line at ${toko.address}, is in the router’s list`;
  await stage.expectSoon(api, `${static_} prepaid-active`, listed('prepaid-active'), 15_000);

  await system.gerbang('prepaid', 'migrate', '--apply', ...CUSTOMERS.map(({ username }) => username));
  for (const { username } of dialling)
    await stage.expectSoon(router, `CoA: ${username} is at 128k`, rateIs(router, username, SLOW, 'prepaid-no-package'));
  await stage.expectSoon(api, `${static_} prepaid-no-package`, listed('prepaid-no-package'), 15_000);
  const accounts = new Map<string, Account>();
  for (const { username, phone } of CUSTOMERS) {
    const read = () => told(provider, phone, /Portal ID: (\d{8})\s+PIN: (\d{6})/);
    const found = await stage.expectSoon(whatsapp, `WhatsApp: ${username} is told Portal ID and PIN`, read, 20_000);
    if (found !== null) accounts.set(username, { portalId: found[1]!, pin: found[2]! });
  }
  return accounts;
}

/** The newest message on that phone that says so. */
function told({ whatsapp }: Provider, phone: string, says: RegExp): RegExpExecArray | null {
  const mine = whatsapp.messages().filter((one) => one.to === phone);
  return mine.map(({ text }) => says.exec(text)).findLast((match) => match !== null) ?? null;
}

/** With a PIN that is new, which is kept. */
export async function logIn(customer: Browserlike, { portalId, pin }: Account): Promise<void> {
  await customer.open('/prepaid/portal/login');
  await send(customer, '/prepaid/portal/login', { portalId, pin });
  await send(customer, '/prepaid/portal/pin/keep', {});
}

/** Orders the package; resolves with the page of the order. */
export async function order(customer: Browserlike): Promise<{ readonly number: string; readonly text: string }> {
  const { text } = await customer.open('/prepaid/portal/packages');
  const plan = new RegExp(`name="plan" value="(\\d+)" aria-label="[^"]*${PACKAGE}"`).exec(text)?.[1];
  if (plan === undefined) throw new Error(`the portal does not sell ${PACKAGE}`);
  const path = await send(customer, '/prepaid/portal/packages', { plan });
  return { number: path.split('/').at(-1)!, text: (await customer.open(path)).text };
}

async function buy(stage: Stage, provider: Provider, office: Browserlike, who: Served): Promise<void> {
  const { url, router, whatsapp } = provider;
  const { username, phone } = who;
  stage.heading(`${username} logs in to the portal, buys a package and pays at the office`);
  const customer = new Browserlike(url);
  await logIn(customer, who);
  const { number } = await order(customer);
  stage.say(`her order ${number} waits for the money; the office has received it`);
  await office.open('/prepaid/purchases');
  await send(office, `/prepaid/purchases/${number}/settle`, { method: 'cash' });
  await stage.expectSoon(router, `CoA: ${username} has 20M`, rateIs(router, username, FAST, 'prepaid-active'));
  const active = () => told(provider, phone, new RegExp(`${PACKAGE}.*aktif`, 's'));
  await stage.expectSoon(whatsapp, `WhatsApp: ${username} is told that it is active`, active, 20_000);
}

/**
 * From now on prints every message that arrives on a phone, and every address that stands in another list of the router
 * than before.
 */
export function watch(stage: Stage, { whatsapp, api }: Provider): { look(): void; end(): void } {
  let shown = 0;
  const lists = new Map<string, string>();
  const look = () => {
    for (const { to, text } of whatsapp.messages().slice(shown)) stage.say(`WhatsApp to +${to}:\n${quoted(text)}`);
    shown = whatsapp.messages().length;
    for (const { address, list } of api.lists()) {
      const before = lists.get(address);
      if (before !== list)
        stage.say(`router: ${address} ${before === undefined ? 'is put in' : `moves from ${before} to`} ${list}`);
      lists.set(address, list);
    }
  };
  const timer = setInterval(look, 100);
  return { look, end: () => clearInterval(timer) };
}

const quoted = (text: string): string =>
  text
    .split('\n')
    .map((line) => `| ${line}`.trimEnd())
    .join('\n');

/** What the audience can do by itself now, with everything it has to type. */
export function invitation({ system, url }: Provider, served: readonly Served[]): string {
  const gerbang = `DATA_DIR=${system.dataDir} npm run -s gerbang --`;
  const cards = served.map(({ username, name, phone, address, portalId, pin }) => {
    const line = address === null ? 'PPPoE' : `static ${address}`;
    return `  ${`${username} (${name}, ${line}, +${phone})`.padEnd(58)} Portal ID ${portalId}   PIN ${pin}`;
  });
  return `
The system stays up, the lines keep using it. Now you, in a browser:

  The office      ${url}/login                  user ${STAFF.username}, password ${STAFF.password}
  The customers   ${url}/prepaid/portal/splash  what they get for whatever page, while they have no package
${cards.join('\n')}

  1. As a customer: open the splash page, log in ("Masuk dan pilih paket") with a Portal ID and its PIN, choose a package, order it.
  2. As the office: "Pembelian" (${url}/prepaid/purchases), "Tunai diterima".
  3. Watch this terminal: the CoA for wati or the list for toko, then the WhatsApp message. The customer's page tells it too.
  4. Look at the customer's timeline: "Customer Prepaid", the name. Everything that just happened stands there.
  5. A package that ends in half a minute (before toko has bought one), in a second terminal in this folder:
     ${gerbang} grant add --username toko --plan ${PACKAGE} --until $(node -p 'new Date(Date.now() + 30000).toISOString()')

Also in the second terminal:

  ${gerbang} session list
  ${gerbang} explain budi
  ${gerbang} grant add --username rina --plan ${PACKAGE}      (watch the CoA here)
  ${gerbang} suspend budi                               (and resume budi)
  ${gerbang} session list --drift                       (what should be otherwise: nothing)
  curl -s ${url}/metrics
`;
}
