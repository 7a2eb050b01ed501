import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from '#test/world/demo-stage';
import type { Mikrotik } from '#test/world/mikrotik';
import { ROUTER } from '#test/world/provider';
import type { System } from '#test/world/system';

/** The first half of the demo: what RADIUS does, without portal and messages. */

const NAMES = ['budi', 'sari', 'joko', 'rina', 'agus', 'dewi', 'eko', 'fitri', 'gita', 'hadi'];
const LINES = 50;
export const FAST = 20e6;
export const SLOW = 128e3;
/** The package that the customers of the demo buy. */
export const PACKAGE = '20GB';

/** Who is served later in the portal: postpaid until then. */
export type PortalCustomer = {
  readonly username: string;
  readonly name: string;
  /** Digits with the country code. */
  readonly phone: string;
  /** Of a static line; null = PPPoE. */
  readonly address: string | null;
};

const lineName = (i: number) => (i < NAMES.length ? (NAMES[i] as string) : `${NAMES[i % 10]}-${Math.floor(i / 10)}`);
export const passwordOf = (username: string) => `rahasia-${username}`;

/** The company's books before anybody dials: two plans, fifty subscribers of whom ten have no package, and those of the portal. */
export async function setUp(stage: Stage, system: System, customers: readonly PortalCustomer[]): Promise<void> {
  const month = ['--period', 'month', '--price', '75000'];
  await system.gerbang('plan', 'add', '--name', PACKAGE, '--down', '20M', '--up', '20M', '--quota', '20GB', ...month);
  await system.gerbang(
    ...['plan', 'add', '--name', 'coba-50MB', '--down', '20M', '--up', '20M', '--quota', '50MB'],
    ...['--period', 'day', '--price', '5000'],
  );
  const lines = Array.from({ length: LINES }, (_, i) => {
    const username = lineName(i);
    return `${username},${passwordOf(username)},${username},,prepaid,${i < 10 ? '' : PACKAGE},pppoe,,`;
  });
  const served = customers.map(({ username, name, phone, address }) =>
    address === null
      ? `${username},${passwordOf(username)},${name},${phone},postpaid,${PACKAGE},pppoe,,`
      : `${username},,${name},${phone},postpaid,${PACKAGE},static,${ROUTER.name},${address}`,
  );
  const header = 'username,password,name,phone,billing,plan,access,nas,addresses';
  const file = join(system.dataDir, 'demo-subscribers.csv');
  writeFileSync(file, [header, ...lines, ...served, ''].join('\n'));
  stage.say(await system.gerbang('subscriber', 'import', file));
}

export const rateIs = (router: Mikrotik, username: string, bps: number, list: string) => () => {
  const session = router.session(username);
  return session?.limits.downloadBps === bps && session.addressLists.join() === list;
};

/** Dials, packages, expiry at its instant, quota, suspension, a router that loses power. */
export async function radiusStory(stage: Stage, system: System, router: Mikrotik): Promise<void> {
  await dialIn(stage, router);
  await packages(stage, system, router);
  await quota(stage, system, router);
  await suspension(stage, system, router);

  stage.heading('the router loses power: sessions vanish without a Stop, everybody dials again at once');
  router.reboot();
  await stage.expectSoon(router, `all ${LINES} are up again`, () => router.sessions().length === LINES, 15_000);
  const budi = rateIs(router, 'budi', FAST, 'prepaid-active');
  const joko = rateIs(router, 'joko', SLOW, 'prepaid-no-package');
  await stage.expectSoon(router, 'budi still has 20M, joko still 128k', () => budi() && joko());

  stage.heading('why does joko get what he gets? gerbang explain joko');
  console.log(await system.gerbang('explain', 'joko'));
}

async function dialIn(stage: Stage, router: Mikrotik): Promise<void> {
  stage.heading(`${LINES} subscribers dial in over PPPoE (PAP, CHAP, MS-CHAPv1, MS-CHAPv2)`);
  const methods = ['pap', 'chap', 'mschap1', 'mschap2'] as const;
  const usernames = Array.from({ length: LINES }, (_, i) => lineName(i));
  const stranger = await router.dial('tamu', 'tebakan', { method: 'mschap2', redials: false });
  await stage.expectSoon(router, 'a stranger with a wrong password is rejected', () => stranger.state === 'rejected');
  await Promise.all(
    usernames.map((name, i) => router.dial(name, passwordOf(name), { method: methods[i % 4]!, load: 0.01 })),
  );
  await stage.expectSoon(router, `all ${LINES} are up`, () => router.sessions().length === LINES);
  await stage.expectSoon(
    router,
    '40 have a package: 20M, list prepaid-active',
    () => router.addressList('prepaid-active').length === 40,
  );
  await stage.expectSoon(
    router,
    '10 have none: 128k, list prepaid-no-package',
    () => router.addressList('prepaid-no-package').length === 10,
  );
}

async function packages(stage: Stage, system: System, router: Mikrotik): Promise<void> {
  stage.heading('budi buys a package: his live session is changed by CoA, without a redial');
  const before = router.session('budi')?.id;
  await system.gerbang('grant', 'add', '--username', 'budi', '--plan', PACKAGE);
  await stage.expectSoon(router, 'CoA: budi has 20M', rateIs(router, 'budi', FAST, 'prepaid-active'));
  await stage.expectSoon(router, 'it is still the same session', () => router.session('budi')?.id === before);

  stage.heading("sari's package ends in a few seconds: nothing polls, it fires at its instant");
  const until = Date.now() + 6000;
  const end = ['--until', new Date(until).toISOString()];
  await system.gerbang('grant', 'add', '--username', 'sari', '--plan', PACKAGE, ...end);
  await stage.expectSoon(router, 'CoA: sari has 20M', rateIs(router, 'sari', FAST, 'prepaid-active'));
  const slow = rateIs(router, 'sari', SLOW, 'prepaid-no-package');
  await stage.expectSoon(router, 'CoA: sari is back at 128k', slow, 15_000);
  const late = Date.now() - until;
  stage.say(`  her package ended ${late} ms ago`);
  await stage.expectSoon(router, 'not a moment early, and soon after', () => late >= 0 && late < 3000, 100);
}

async function quota(stage: Stage, system: System, router: Mikrotik): Promise<void> {
  stage.heading('joko spends his allowance of 50 MB: the router’s accounting report brings it out');
  await system.gerbang('grant', 'add', '--username', 'joko', '--plan', 'coba-50MB');
  await stage.expectSoon(router, 'CoA: joko has 20M', rateIs(router, 'joko', FAST, 'prepaid-active'));
  const joko = router.session('joko');
  if (joko) {
    router.use(joko, { downloadBytes: 48 * 2 ** 20, uploadBytes: 3 * 2 ** 20 });
    await router.interim(joko);
  }
  await stage.expectSoon(router, 'CoA: joko is at 128k', rateIs(router, 'joko', SLOW, 'prepaid-no-package'));
}

async function suspension(stage: Stage, system: System, router: Mikrotik): Promise<void> {
  stage.heading('agus-1 is suspended: his session is ended and his redials are rejected, until he is resumed');
  await system.gerbang('suspend', 'agus-1');
  const { rejects } = router.counts;
  await stage.expectSoon(router, 'Disconnect: his session is down', () => router.session('agus-1') === null);
  await stage.expectSoon(router, 'he dials again and is rejected', () => router.counts.rejects > rejects);
  await system.gerbang('resume', 'agus-1');
  await stage.expectSoon(router, 'he is up again', () => router.session('agus-1') !== null, 10_000);
}
