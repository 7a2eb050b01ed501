import { mkdirSync } from 'node:fs';
import { test } from 'vitest';
import { savePlan } from '#operations/save-plan';
import { saveSpeedProfile } from '#operations/speed-profiles';
import { addStaff, disableStaff, editStaff } from '#operations/staff';
import { MINUTE } from '#domain/time';
import { NOW, startPortal } from '#test/portal/harness';
import { seedProvider } from '#test/portal/admin-first/provider';
import { launchChromium } from '#test/support/chromium';

test('shots', async () => {
  const out = process.env.SHOTS!;
  const only = process.env.ONLY;
  mkdirSync(out, { recursive: true });
  const state = (nasId: number, name: string, s: string, error: string | null = null) => ({ nasId, name, state: s, error, lastSeenAt: NOW - 5 * MINUTE, wanted: 6, differing: 0 }) as never;
  const portal = await startPortal({ live: {
    drift: async () => [{ subscriberId: 4, username: 'siti.santoso4', nasId: 1, is: 'differs' as const, told: '20000000/20000000 list=prepaid-active', decided: '128000/128000 list=prepaid-no-package', reason: 'coa' }, { subscriberId: 7, username: 'budi7', nasId: 2, is: 'unconfirmed' as const, told: null, decided: '20000000/20000000 list=prepaid-active', reason: 'x' }],
    routers: { states: () => [state(1, 'pop-dinoyo', 'connected'), state(2, 'pop-sukun', 'silent', 'connect ETIMEDOUT 10.20.0.2:8729'), state(3, 'pop-batu', 'connected')], test: async () => ({ ok: true, says: '' }) },
  } });
  const { desk, db } = portal;
  await seedProvider(desk, NOW);
  await db.execute(`update static_address set wanted_list = case when id % 5 = 0 then 'prepaid-no-package' else told_list end, last_error = case when id = 7 then 'failure: already have such entry' end`);
  await db.execute(`update session set told_live = '128000/128000 list=prepaid-no-package' where id % 6 = 0`);
  const owner = await portal.loginStaff('owner', 'rina');
  const sp = await saveSpeedProfile(desk, { id: null, name: '20 Mbps', down: '20M', up: '20M', burst: '40M/40M 15M/15M 16', profile: 'prepaid-20mbps' });
  await saveSpeedProfile(desk, { id: null, name: '50 Mbps', down: '50M', up: '25M' });
  const [p] = await db.query<{ id: number }>(`select id from plan where name like '20GB%'`);
  const deskR = { ...desk, actor: 'staff:rina' };
  await savePlan(deskR, { id: p!.id, name: '20GB - 20Mbps', speedProfileId: sp.id, quota: '20GB', period: '30d', price: '80000', description: 'Cocok untuk keluarga kecil', position: 2 });
  await savePlan(deskR, { id: null, name: 'Harian 5GB', down: '10M', up: '10M', quota: '5GB', period: 'day', price: '5000', onPortal: false, position: 9 });
  const siti = await addStaff(deskR, { username: 'siti', name: 'Siti Rahayu', role: 'customer-service' });
  const joko = await addStaff(deskR, { username: 'joko', name: 'Joko Susanto', role: 'technician' });
  await editStaff(deskR, { id: siti.id, name: 'Siti Rahayu Wulandari' });
  await disableStaff(deskR, joko.id);
  const browser = await launchChromium();
  const pages: Record<string, string> = {
    packages: '/prepaid/packages', package: `/prepaid/packages/${p!.id}`, 'package-edit': `/prepaid/packages/${p!.id}/edit`, 'package-new': '/prepaid/packages/new', 'package-delete': `/prepaid/packages/${p!.id}/delete`,
    profiles: '/prepaid/speed-profiles', profile: `/prepaid/speed-profiles/${sp.id}`, redirect: '/prepaid/redirect', 'redirect-static': '/prepaid/redirect?tab=static',
    revenue: '/prepaid/reports', 'revenue-week': '/prepaid/reports?step=week&from=2026-09-01&to=2026-11-21', top: '/prepaid/reports?view=packages', activity: '/prepaid/reports?view=activity', ending: '/prepaid/reports?view=ending', expired: '/prepaid/reports?view=expired',
    staff: '/staff', 'staff-new': '/staff/new', 'staff-person': `/staff/${siti.id}`, audit: '/audit',
  };
  for (const o of [{ width: 360, dark: false }, { width: 768, dark: true }, { width: 1280, dark: false }, { width: 1280, dark: true }, { width: 360, dark: true }])
    for (const [name, path] of Object.entries(pages)) {
      if (only && !new RegExp(only).test(`${name}-${o.width}${o.dark ? '-dark' : ''}`)) continue;
      const context = await browser.newContext({ viewport: { width: o.width, height: 800 }, colorScheme: o.dark ? 'dark' : 'light' });
      await context.addCookies([...owner.cookies].map(([n, value]) => ({ name: n, value, url: portal.url })));
      const page = await context.newPage();
      const answer = await page.goto(portal.url + path);
      if (answer!.status() !== 200) console.log('STATUS', name, answer!.status());
      const wide = Number(await page.evaluate('document.documentElement.scrollWidth'));
      if (wide > o.width) console.log('SCROLL', name, o.width, wide);
      await page.waitForTimeout(150);
      await page.screenshot({ path: `${out}/${name}-${o.width}${o.dark ? '-dark' : ''}.png`, fullPage: name !== 'audit' && name !== 'activity' && name !== 'expired' && !name.startsWith('redirect') || o.width > 700 });
      await context.close();
    }
  await browser.close();
  console.log(portal.logged);
  await portal.stop();
}, 300000);
