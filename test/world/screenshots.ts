import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { HOUR, MINUTE } from '#domain/time';
import type { WhatsAppStatus } from '#domain/whatsapp';
import type { DriftLine, Live, RouterState } from '#portal/shared/parts';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { entities } from '#storage/entities';
import { lockDataDir } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { NOW } from '#test/operations/desk';
import { memoryGateways } from '#test/payments/memory-gateway';
import { seedProvider } from '#test/portal/admin-first/provider';
import type { Browserlike } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';
import { launchChromium } from '#test/support/chromium';
import { LARGEST_BYTES, type Shot, shotsOf } from '#test/world/screenshots-list';
import { modems, seedBills } from '#test/world/screenshots-money';
import { ACTIVE, API_ERROR, type Cast, seedCast, WALLED } from '#test/world/screenshots-people';
import { seedPolicy } from '#test/world/screenshots-policy';

/**
 * `npm run screenshots`: the pictures of docs/images, taken from the real pages over a provider that is made up, with a
 * clock that stands: the same pages give the same pictures. `--to FOLDER` puts them elsewhere, `--png` makes PNGs.
 */

const { values: flags } = parseArgs({ options: { to: { type: 'string' }, png: { type: 'boolean' } } });
const folder = flags.to ?? fileURLToPath(new URL('../../docs/images', import.meta.url));

const SUBSCRIBERS = 400;
const HOST = 'portal.majunet.example';
const QUALITIES = [60, 45, 30] as const;

const PHONE = { width: 360, height: 720 };
const DESK = { width: 1280, height: 800 };

const whatsapp: WhatsAppStatus = {
  ...{ transport: 'baileys', state: 'connected', me: '6281234567890', since: NOW - 26 * HOUR, sentToday: 42 },
  ...{ qr: null, pairingCode: null, breakerUntil: null, reason: null },
};

const router = (nasId: number, name: string, error: string | null): RouterState => ({
  ...{ nasId, name, state: error === null ? 'connected' : 'silent', error },
  ...{ lastSeenAt: NOW - (error === null ? MINUTE : 47 * MINUTE), wanted: 8, differing: error === null ? 0 : 3 },
});

/** A node with WhatsApp linked and one router that does not answer. */
function live(status: () => WhatsAppStatus, drift: Live['drift']): Partial<Live> {
  const nothing = async () => true;
  return {
    drift,
    onts: modems(NOW),
    radius: () => ({ authPort: 1812, acctPort: 1813, subscribers: SUBSCRIBERS }),
    whatsapp: { status, pairByQr: nothing, pairByCode: nothing, unpair: nothing, reconnect: nothing },
    routers: {
      states: () => [
        router(1, 'pop-dinoyo', null),
        router(2, 'pop-sukun', API_ERROR),
        router(3, 'pop-batu', null),
        router(4, 'pop-kepanjen', null),
      ],
      test: async () => ({ ok: true, says: 'the router answers' }),
    },
  };
}

/** The picture of a page as it stands, in the best quality that is small enough. */
async function picture(page: Page): Promise<Buffer> {
  if (flags.png) return page.screenshot();
  const session = await page.context().newCDPSession(page);
  let taken = Buffer.alloc(0);
  for (const quality of QUALITIES) {
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality });
    taken = Buffer.from(data, 'base64');
    if (taken.length < LARGEST_BYTES) return taken;
  }
  throw new Error(`${page.url()} makes a picture of ${taken.length} octets at quality ${QUALITIES.at(-1)}`);
}

async function take(browser: Browser, shot: Shot, visitor: Browserlike): Promise<Buffer> {
  const size = shot.who === 'staff' ? DESK : PHONE;
  const context = await browser.newContext({
    viewport: { ...size, height: shot.height ?? size.height },
    deviceScaleFactor: shot.who === 'staff' ? 1 : 2,
    colorScheme: shot.dark ? 'dark' : 'light',
    locale: 'id-ID',
    timezoneId: 'Asia/Jakarta',
    ...(shot.address === undefined ? {} : { extraHTTPHeaders: { 'x-forwarded-for': shot.address } }),
  });
  const origin = `http://${HOST}`;
  try {
    await context.addCookies([...visitor.cookies].map(([name, value]) => ({ name, value, url: origin })));
    const page = await context.newPage();
    const answer = await page.goto(`${origin}${shot.path}`, { waitUntil: 'networkidle' });
    if (answer?.status() !== 200 || new URL(page.url()).pathname !== shot.path)
      throw new Error(`${shot.path} answers ${answer?.status()} at ${page.url()}`);
    await shot.prepare?.(page);
    // A cursor blinks: it would be on one picture and not on the next.
    await page.evaluate('document.activeElement?.blur(); document.fonts.ready.then(() => undefined)');
    return await picture(page);
  } finally {
    await context.close();
  }
}

const driftOf = ({ differing: { id, username } }: Cast): DriftLine => ({
  ...{ subscriberId: id, username, nasId: 2, is: 'differs', told: ACTIVE, decided: WALLED },
  reason: `coa: change ${ACTIVE} to ${WALLED}`,
});

async function visitors(portal: TestPortal, cast: Cast): Promise<Record<Shot['who'], Browserlike>> {
  return {
    nobody: portal.browser(),
    covered: await portal.loginPortal(cast.covered),
    walled: await portal.loginPortal(cast.walled.id),
    staff: await portal.loginStaff('owner', 'rina'),
  };
}

async function takeAll(databaseUrl: string): Promise<void> {
  await migrate(databaseUrl);
  const db = openDatabase({ url: databaseUrl, poolSize: 4, entities });
  let status = whatsapp;
  let cast: Cast | null = null;
  const drift = async () => (cast === null ? [] : [driftOf(cast)]);
  const portal = await startPortal({
    ...{
      db,
      live: live(() => status, drift),
      publicUrl: `http://${HOST}`,
      trustedProxies: ['127.0.0.1'],
      gateways: memoryGateways(),
    },
  });
  const browser = await launchChromium({
    args: [`--host-resolver-rules=MAP ${HOST}:80 127.0.0.1:${portal.port}`],
  });
  try {
    await seedProvider(portal.desk, NOW, SUBSCRIBERS);
    cast = await seedCast(portal.desk, NOW);
    await seedBills(portal.desk, cast.covered, NOW);
    await seedPolicy(portal.desk, NOW);
    const who = await visitors(portal, cast);
    mkdirSync(folder, { recursive: true });
    for (const shot of shotsOf(cast)) {
      status = { ...whatsapp, ...shot.whatsapp };
      const taken = await take(browser, shot, who[shot.who]);
      const file = join(folder, `${shot.name}.${flags.png ? 'png' : 'webp'}`);
      writeFileSync(file, taken);
      console.log(`${file}  ${(taken.length / 1000).toFixed(1)} kB`);
    }
    if (portal.logged.length > 0) throw new Error(`the pages complained:\n${portal.logged.join('\n')}`);
  } finally {
    await browser.close();
    await portal.stop();
    await db.close();
  }
}

const temporary = mkdtempSync(join(tmpdir(), 'gerbang-screenshots-'));
const dataDir = join(temporary, 'data');
const lock = lockDataDir(dataDir);
const embedded = await startEmbedded(dataDir);
try {
  await takeAll(embedded.url);
} finally {
  await embedded.stop();
  lock.release();
  rmSync(temporary, { recursive: true, force: true });
}
