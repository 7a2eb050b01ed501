import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';
import { type System, startSystem } from '#test/world/system';

/**
 * `npm run demo`: the product beside a simulated MikroTik with 50 PPPoE subscribers, telling what happens. With `--once`
 * it ends by itself, code 0 when all it expected was seen. `--data FOLDER` keeps the data there (the folder is new).
 */

const { values: flags } = parseArgs({ options: { once: { type: 'boolean' }, data: { type: 'string' } } });

const SECRET = 'demo-secret-of-the-simulated-router';
const NAMES = ['budi', 'sari', 'joko', 'rina', 'agus', 'dewi', 'eko', 'fitri', 'gita', 'hadi'];
const LINES = 50;
const FAST = 20e6;
const SLOW = 128e3;

const began = performance.now();
const say = (text: string) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const heading = (text: string) => console.log(`\n=== ${text}`);

let seen = 0;
const missed: string[] = [];

/** One thing the audience is told to watch for. */
async function expectSoon(router: Mikrotik, what: string, check: () => boolean, timeoutMs = 5000): Promise<void> {
  try {
    await router.until(what, check, timeoutMs);
    seen++;
    say(`  ✓ ${what}`);
  } catch (error) {
    missed.push(what);
    say(`  ✗ NOT SEEN: ${what}\n${error instanceof Error ? error.message : String(error)}`);
  }
}

const lineName = (i: number) => (i < NAMES.length ? (NAMES[i] as string) : `${NAMES[i % 10]}-${Math.floor(i / 10)}`);
const passwordOf = (username: string) => `rahasia-${username}`;

/** The company's books before anybody dials: two plans, fifty subscribers; the first ten begin without a package. */
async function setUp(system: System, coaPort: number): Promise<void> {
  const month = ['--period', 'month', '--price', '75000'];
  await system.gerbang('plan', 'add', '--name', '20GB', '--down', '20M', '--up', '20M', '--quota', '20GB', ...month);
  await system.gerbang(
    ...['plan', 'add', '--name', 'coba-50MB', '--down', '20M', '--up', '20M', '--quota', '50MB'],
    ...['--period', 'day', '--price', '5000'],
  );
  const rows = Array.from({ length: LINES }, (_, i) => {
    const username = lineName(i);
    return `${username},${passwordOf(username)},${username},,prepaid,${i < 10 ? '' : '20GB'},,,`;
  });
  const file = join(system.dataDir, 'demo-subscribers.csv');
  writeFileSync(
    file,
    ['username,password,name,phone,billing,plan,covered_until,static_ip,mac', ...rows, ''].join('\n'),
  );
  say(await system.gerbang('subscriber', 'import', file));
  await system.gerbang(
    ...['nas', 'add', '--name', 'menara-utara', '--address', '127.0.0.1', '--secret', SECRET],
    ...['--coa-port', String(coaPort)],
  );
}

const rateIs = (router: Mikrotik, username: string, bps: number, list: string) => () => {
  const session = router.session(username);
  return session?.limits.downloadBps === bps && session.addressLists.join() === list;
};

async function story(system: System, router: Mikrotik): Promise<void> {
  heading(`${LINES} subscribers dial in over PPPoE (PAP, CHAP, MS-CHAPv1, MS-CHAPv2)`);
  const methods = ['pap', 'chap', 'mschap1', 'mschap2'] as const;
  const usernames = Array.from({ length: LINES }, (_, i) => lineName(i));
  await expectSoon(router, 'a stranger with a wrong password is rejected', await strangerRejected(router));
  await Promise.all(
    usernames.map((name, i) => router.dial(name, passwordOf(name), { method: methods[i % 4]!, load: 0.01 })),
  );
  await expectSoon(router, `all ${LINES} are up`, () => router.sessions().length === LINES);
  await expectSoon(
    router,
    '40 have a package: 20M, list prepaid-active',
    () => router.addressList('prepaid-active').length === 40,
  );
  await expectSoon(
    router,
    '10 have none: 128k, list prepaid-no-package',
    () => router.addressList('prepaid-no-package').length === 10,
  );

  heading('budi buys a package: his live session is changed by CoA, without a redial');
  const before = router.session('budi')?.id;
  await system.gerbang('grant', 'add', '--username', 'budi', '--plan', '20GB');
  await expectSoon(router, 'CoA: budi has 20M', rateIs(router, 'budi', FAST, 'prepaid-active'));
  await expectSoon(router, 'it is still the same session', () => router.session('budi')?.id === before);

  heading("sari's package ends in a few seconds: nothing polls, it fires at its instant");
  const until = Date.now() + 6000;
  await system.gerbang(
    'grant',
    'add',
    '--username',
    'sari',
    '--plan',
    '20GB',
    '--until',
    new Date(until).toISOString(),
  );
  await expectSoon(router, 'CoA: sari has 20M', rateIs(router, 'sari', FAST, 'prepaid-active'));
  await expectSoon(router, 'CoA: sari is back at 128k', rateIs(router, 'sari', SLOW, 'prepaid-no-package'), 15_000);
  const late = Date.now() - until;
  say(`  her package ended ${late} ms ago`);
  await expectSoon(router, 'not a moment early, and soon after', () => late >= 0 && late < 3000, 100);

  heading('joko spends his allowance of 50 MB: the router’s accounting report brings it out');
  await system.gerbang('grant', 'add', '--username', 'joko', '--plan', 'coba-50MB');
  await expectSoon(router, 'CoA: joko has 20M', rateIs(router, 'joko', FAST, 'prepaid-active'));
  const joko = router.session('joko');
  if (joko) {
    router.use(joko, { downloadBytes: 48 * 2 ** 20, uploadBytes: 3 * 2 ** 20 });
    await router.interim(joko);
  }
  await expectSoon(router, 'CoA: joko is at 128k', rateIs(router, 'joko', SLOW, 'prepaid-no-package'));

  heading('agus-1 is suspended: his session is ended and his redials are rejected, until he is resumed');
  await system.gerbang('suspend', 'agus-1');
  const rejects = router.counts.rejects;
  await expectSoon(router, 'Disconnect: his session is down', () => router.session('agus-1') === null);
  await expectSoon(router, 'he dials again and is rejected', () => router.counts.rejects > rejects);
  await system.gerbang('resume', 'agus-1');
  await expectSoon(router, 'he is up again', () => router.session('agus-1') !== null, 10_000);

  heading('the router loses power: sessions vanish without a Stop, everybody dials again at once');
  router.reboot();
  await expectSoon(router, `all ${LINES} are up again`, () => router.sessions().length === LINES, 15_000);
  await expectSoon(
    router,
    'budi still has 20M, joko still 128k',
    () => rateIs(router, 'budi', FAST, 'prepaid-active')() && rateIs(router, 'joko', SLOW, 'prepaid-no-package')(),
  );

  heading('why does joko get what he gets? gerbang explain joko');
  console.log(await system.gerbang('explain', 'joko'));
}

async function strangerRejected(router: Mikrotik): Promise<() => boolean> {
  const stranger = await router.dial('tamu', 'tebakan', { method: 'mschap2', redials: false });
  return () => stranger.state === 'rejected';
}

function hints(system: System): void {
  const gerbang = `DATA_DIR=${system.dataDir} npm run -s gerbang --`;
  console.log(`
The system stays up, the lines keep using it. In a second terminal, in this folder, try:

  ${gerbang} session list
  ${gerbang} explain budi
  ${gerbang} grant add --username rina --plan 20GB      (watch the CoA here)
  ${gerbang} suspend budi                               (and resume budi)
  ${gerbang} session list --drift                       (what should be otherwise: nothing)
  curl -s http://127.0.0.1:${system.httpPort}/metrics

Ctrl-C ends it all.
`);
}

/** From now on every event is printed; interim reports come each few seconds. */
function live(router: Mikrotik): NodeJS.Timeout {
  router.on('event', ({ username, text }) => say(`${username} ${text}`.trim()));
  return setInterval(() => {
    for (const session of router.sessions()) void router.interim(session);
  }, 5000);
}

function dataFolder(): { folder: string; keep: boolean } {
  if (flags.data === undefined) return { folder: mkdtempSync(join(tmpdir(), 'gerbang-demo-')), keep: false };
  mkdirSync(flags.data);
  return { folder: flags.data, keep: true };
}

/** Ctrl-C, at any moment of the story. */
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
});

async function show(system: System, router: Mikrotik): Promise<void> {
  await setUp(system, router.coaPort);
  await story(system, router);
  const notSeen = missed.length > 0 ? `, ${missed.length} were not: ${missed.join('; ')}` : '';
  heading(`${seen} things were seen as expected${notSeen}`);
  if (flags.once) return;
  hints(system);
  const timer = live(router);
  await interrupted;
  clearInterval(timer);
}

async function demo(): Promise<void> {
  const { folder, keep } = dataFolder();
  const open: { stop(): Promise<void> }[] = [];
  try {
    heading('the server starts: embedded PostgreSQL, migrations, RADIUS, the loop');
    const system = await startSystem(folder);
    open.unshift(system);
    say(`ready: RADIUS on ${system.authPort}/${system.acctPort}, HTTP on ${system.httpPort}`);
    const router = await startMikrotik({
      server: { host: '127.0.0.1', authPort: system.authPort, acctPort: system.acctPort },
      secret: SECRET,
      coaPort: 0,
      options: { identity: 'menara-utara', redialMs: 500, retryMs: 1500 },
    });
    open.unshift(router);
    await Promise.race([show(system, router), interrupted]);
  } catch (error) {
    missed.push('the story to its end');
    console.error(`\nThe demo broke off: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    for (const thing of open) await thing.stop();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
  process.exit(missed.length === 0 ? 0 : 1);
}

await demo();
