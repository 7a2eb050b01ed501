import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Probe } from '#domain/nas-evidence';
import { GAP_BUCKETS, gapBucket, noSigns } from '#domain/nas-signs';
import { MINUTE } from '#domain/time';
import { addNas } from '#operations/add-nas';
import { COOKIES } from '#portal/shared/context';
import { recordNasSigns } from '#storage/nas-signs';
import { STAFF_ROLES } from '#storage/staff';
import { HOSTILE } from '#test/portal/admin-first/people';
import { unrefused, whoOpens } from '#test/portal/admin-second/gates';
import { textOf } from '#test/portal/browserlike';
import { NOW, startPortal, type TestPortal } from '#test/portal/harness';
import { looksFaults } from '#test/portal/looks';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

/** The page that says what is wrong with a router. */

let pages: TestPortal;
let sick: string;
let fresh: string;
let block: string;
let probed: Probe = { is: 'silent', said: 'no answer', otherPort: null };
let asked = 0;

beforeAll(async () => {
  const probeNas = async () => {
    asked += 1;
    return probed;
  };
  pages = await startPortal({ live: { probeNas } });
  const add = async (name: string, address: string) => {
    const { id } = await addNas(pages.desk, { name, address, secret: 'canary-of-the-router' });
    return [id, `/settings/routers/${id}/check`] as const;
  };
  const [sickId, sickPath] = await add('menara-sakit', '10.20.0.1');
  const [, freshPath] = await add('menara-baru', '10.20.0.2');
  const [blockId, blockPath] = await add(`${HOSTILE}${'Wijaya'.repeat(10)}`.slice(0, 100), '2001:db8:aaaa:bbbb::/64');
  [sick, fresh, block] = [sickPath, freshPath, blockPath];
  const signs = {
    ...noSigns(sickId, '10.20.0.1'),
    counts: { accepted: 90, accounted: 400, signed: 10, unsigned: 80, againSoon: 60, rateExceeded: 9, rateKept: 2 },
    gaps: Array.from({ length: GAP_BUCKETS }, (_, bucket) => (bucket === gapBucket(300) ? 300 : 0)),
    authAt: NOW,
    acctAt: NOW,
    rightAt: NOW,
    unsignedAt: NOW,
    skew: { ms: -3_600_000, at: NOW },
  };
  await recordNasSigns(pages.db, [signs], NOW - MINUTE);
  const routers = [1, 2].map((n) => ({
    ...noSigns(blockId, `2001:db8:aaaa:bbbb:cccc:dddd:eeee:${n}`),
    counts: { acctForged: n === 1 ? 7 : 0, accounted: n === 1 ? 0 : 9 },
    identity: HOSTILE.slice(0, 64),
    ...(n === 1 ? { wrongAt: NOW } : { rightAt: NOW, acctAt: NOW }),
  }));
  await recordNasSigns(pages.db, routers, NOW - MINUTE);
});
afterAll(async () => {
  expect(pages.logged).toEqual([]);
  await pages.stop();
});

test('what is wrong comes first, in words and with the line that mends it', async () => {
  const browser = await pages.loginStaff('network-engineer');
  const text = textOf((await browser.open(sick)).text);
  expect(text).toContain('4 hal perlu perhatian');
  expect(text).toMatch(
    /Permintaan ulang Salah 60 permintaan dikirim ulang di samping 490: router menunggu kurang dari 0,7 detik.*\/radius set \[find comment="gerbang"\] timeout=3s/,
  );
  expect(text).toContain('Jam router Salah 3600 detik lebih lambat dari server ini (21 Nov 2026 09.00 WIB)');
  expect(text).toContain('/ip firewall filter disable [find action=fasttrack-connection]');
  expect(text.indexOf('Jam router')).toBeLessThan(text.indexOf('Yang baik'));
  expect(text).toMatch(/Yang baik .*Jarak interim Baik datang tiap 300 detik, seperti yang diminta/);
  expect(text).toContain('5 hal belum diketahui');
  expect(text).not.toContain('canary');
});

test('of a router that never spoke nothing is claimed', async () => {
  const browser = await pages.loginStaff('customer-service');
  const page = await browser.open(fresh);
  expect(textOf(page.text)).toContain('Belum ada yang diketahui');
  expect(page.text).not.toMatch(/class="state (bad|warn|good)"/);
  expect(page.text).not.toContain('method="post" action="/settings/routers');
});

test('the routers of a block each have their part; their names are no markup', async () => {
  const browser = await pages.loginStaff('owner');
  const { text } = await browser.open(block);
  expect(textOf(text)).toMatch(/eeee:1 .*Secret Salah .*eeee:2 .*Tidak ada yang salah/s);
  expect(text).not.toContain(HOSTILE);
});

test('the router itself is asked by those who run the network, and by nobody who only looks', async () => {
  expect(await whoOpens(pages, [sick])).toEqual({ [sick]: STAFF_ROLES });
  expect(await unrefused(pages, { [sick]: {} }, ['customer-service'])).toEqual([]);
  expect(asked).toBe(0);
  const browser = await pages.loginStaff('technician');
  await browser.open(sick);
  expect(textOf((await browser.submit(sick, {})).text)).toMatch(
    /CoA sampai Salah baru saja tidak menjawab di port 3799: .*\/radius incoming set accept=yes port=3799/,
  );
  probed = { is: 'answered', said: 'ack', otherPort: null };
  expect(textOf((await browser.submit(sick, {})).text)).toContain('CoA sampai Baik baru saja menjawab di port 3799');
  expect(asked).toBe(2);
});

test('a router that is not there is told as such', async () => {
  const browser = await pages.loginStaff('owner');
  expect((await browser.open('/settings/routers/999/check')).status).toBe(404);
});

describeWithChromium('in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test.each([360, 768, 1280])('at %i px nothing stands out, in either theme', async (width) => {
    const context = await browser.newContext({ bypassCSP: true, viewport: { width, height: 900 } });
    const staff = await pages.loginStaff('owner');
    await context.addCookies([{ name: COOKIES.staff, value: staff.cookies.get(COOKIES.staff)!, url: pages.url }]);
    const page = await context.newPage();
    for (const path of [sick, fresh, block]) {
      await page.goto(pages.url + path);
      expect(await looksFaults(page), path).toEqual([]);
      const shots = process.env.ROUTER_CHECK_SHOTS;
      if (shots !== undefined)
        await page.screenshot({ path: `${shots}/${width}-${path.split('/')[3]}.png`, fullPage: true });
    }
    await context.close();
  });
});
