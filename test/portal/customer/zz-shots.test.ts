import { mkdirSync } from 'node:fs';
import { test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { confirmPin } from '#operations/confirm-pin';
import { issuePin } from '#operations/issue-pin';
import { placePurchase } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import { saveSettings } from '#operations/settings';
import { settlePurchase } from '#operations/settle-purchase';
import { plansForPortal } from '#storage/plans';
import { NOW, startPortal } from '#test/portal/harness';
import { launchChromium } from '#test/support/chromium';

test('shots', async () => {
  const out = process.env.SHOTS!;
  mkdirSync(out, { recursive: true });
  const portal = await startPortal();
  const { desk, db } = portal;
  await saveSettings(desk, 'company', {
    name: 'Maju Net',
    phone: '081234567890',
    address: 'Jl. Melati 7, Malang',
    hours: 'Senin–Sabtu 08.00–20.00',
  });
  await addPlan(desk, { name: '10GB - 10Mbps', down: '10M', up: '10M', quota: '10GB', period: '30d', price: '50000' });
  await addPlan(desk, { name: '20GB - 20Mbps', down: '20M', up: '20M', quota: '20GB', period: '30d', price: '75000' });
  await addPlan(desk, { name: '50GB - 50Mbps', down: '50M', up: '25M', quota: '50GB', period: '30d', price: '150000' });
  await addPlan(desk, { name: 'Unlimited - 100Mbps', down: '100M', up: '100M', period: 'month', price: '300000' });
  await addNas(desk, { name: 'tower', address: '10.20.0.1', secret: 'testing123456789' });
  const plans = await plansForPortal(db, NOW);
  const mk = async (username: string, name: string) => {
    const s = await addSubscriber(desk, { username, password: 'pw', name, phone: '081298765432' });
    await issuePin(desk, s.id, { send: false });
    return s;
  };
  const budi = await mk('budi', 'Budi Santoso');
  await confirmPin(desk, budi.id);
  const sri = await mk('sri', 'Ibu Sri Wahyuni');
  await confirmPin(desk, sri.id);
  const agus = await mk('agus', 'Agus');
  await addGrant(desk, { username: 'sri', plan: '20GB - 20Mbps', from: '2026-11-03T10:00+07:00' });
  await db.execute(`update grants set used_bytes = 17::bigint*1073741824 where subscriber_id = $1`, [sri.id]);
  await addGrant(desk, {
    username: 'budi',
    plan: '20GB - 20Mbps',
    from: '2026-10-20T18:00+07:00',
    until: '2026-11-20T18:00+07:00',
  });
  for (let d = 0; d < 28; d++)
    await db
      .execute(`insert into usage_daily values ($1, date '2026-11-21' - $2::int, $3, $4)`, [
        sri.id,
        d,
        1e7 * ((d * 7) % 13),
        1e8 * ((d * 11) % 17),
      ])
      .catch(() => 0);
  await db.execute(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day) values ('k1', 1, '10.20.0.1', 'a1', 'budi', $1, '127.0.0.1', to_timestamp($2), to_timestamp($3), '2026-11-21')`,
    [budi.id, NOW / 1000 - 7200, NOW / 1000 - 60],
  );
  await db.execute(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day) values ('k2', 1, '10.20.0.1', 'a2', 'sri', $1, '10.1.1.1', to_timestamp($2), to_timestamp($3), '2026-11-21')`,
    [sri.id, NOW / 1000 - 7200 * 5, NOW / 1000 - 60],
  );
  await sellPackage(desk, {
    subscriberId: sri.id,
    planRevisionId: plans[1]!.revisionId,
    method: 'cash',
    begins: 'after',
  });
  const waiting = await placePurchase(desk, {
    subscriberId: budi.id,
    planRevisionId: plans[1]!.revisionId,
    begins: 'after',
  });
  const browser = await launchChromium();
  const shot = async (
    name: string,
    path: string,
    who: number | null,
    options: { width: number; dark: boolean; lang?: string },
  ) => {
    const context = await browser.newContext({
      viewport: { width: options.width, height: 640 },
      deviceScaleFactor: 1.5,
      colorScheme: options.dark ? 'dark' : 'light',
    });
    if (who !== null) {
      const b = await portal.loginPortal(who);
      await context.addCookies([...b.cookies].map(([n, value]) => ({ name: n, value, url: portal.url })));
    }
    if (options.lang) await context.addCookies([{ name: 'gerbang_lang', value: options.lang, url: portal.url }]);
    const page = await context.newPage();
    await page.goto(portal.url + path);
    const wide = await page.evaluate('document.documentElement.scrollWidth');
    if (Number(wide) > options.width) console.log('SCROLL', name, wide);
    await page.screenshot({
      path: `${out}/${name}-${options.width}${options.dark ? '-dark' : ''}.png`,
      fullPage: true,
    });
    await context.close();
  };
  for (const o of [
    { width: 320, dark: true },
    { width: 360, dark: false },
    { width: 768, dark: false },
  ]) {
    await shot('splash', '/prepaid/portal/splash', null, o);
    await shot('login', '/prepaid/portal/login', null, o);
    await shot('pin', '/prepaid/portal/pin', agus.id, o);
    await shot('packages', '/prepaid/portal/packages', sri.id, o);
    await shot('order', `/prepaid/portal/orders/${waiting.number}`, budi.id, o);
    await shot('home', '/prepaid/portal/home', sri.id, o);
    await shot('home-none', '/prepaid/portal/home', budi.id, o);
    await shot('history', '/prepaid/portal/history', sri.id, o);
  }
  await db.execute('delete from due');
  await settlePurchase(desk, { number: waiting.number, method: 'cash' });
  await db.execute(`update due set due_at = to_timestamp($1)`, [NOW / 1000 - 1]);
  await shot('connecting', `/prepaid/portal/orders/${waiting.number}`, budi.id, { width: 360, dark: false });
  await db.execute(`delete from due`);
  await shot('online', `/prepaid/portal/orders/${waiting.number}`, budi.id, { width: 360, dark: false });
  await shot('online-en', `/prepaid/portal/orders/${waiting.number}`, budi.id, { width: 320, dark: true, lang: 'en' });
  await shot('splash-active', `/prepaid/portal/splash`, null, { width: 360, dark: false });
  await browser.close();
  console.log(portal.logged);
  await portal.stop();
}, 120000);
