import { mkdirSync } from 'node:fs';
import { test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { sendTest } from '#operations/messages';
import { saveSettings, setSecretSetting } from '#operations/settings';
import { saveTemplate } from '#operations/templates';
import { HOUR, MINUTE } from '#domain/time';
import { timestamp } from '#storage/values';
import { NOW, startPortal } from '#test/portal/harness';
import { seedProvider } from '#test/portal/admin-first/provider';
import { launchChromium } from '#test/support/chromium';

test('shots', async () => {
  void addGrant;
  const out = process.env.SHOTS!;
  const only = process.env.ONLY;
  mkdirSync(out, { recursive: true });
  const state = (nasId: number, name: string, s: string, error: string | null = null, differing = 0) => ({ nasId, name, state: s, error, lastSeenAt: NOW - 5 * MINUTE, wanted: 6, differing }) as never;
  let status: Record<string, unknown> = { transport: 'baileys', state: 'connected', qr: null, pairingCode: null, me: '6281200000001', since: NOW - 26 * HOUR, breakerUntil: null, reason: null, sentToday: 42 };
  const portal = await startPortal({ live: {
    whatsapp: { status: () => status as never, pairByQr: async () => undefined, pairByCode: async () => undefined, unpair: async () => undefined, reconnect: async () => undefined },
    routers: { states: () => [state(1, 'pop-dinoyo', 'connected'), state(2, 'pop-sukun', 'silent', 'connect ETIMEDOUT 10.20.0.2:8729', 3), state(3, 'pop-batu', 'connected')], test: async (id) => id === 1 ? { ok: true, says: 'pop-dinoyo answers: RouterOS 7.16.1 on CCR2004-1G-12S+2XS' } : { ok: false, says: 'connect ETIMEDOUT 10.20.0.2:8729' } },
  } });
  const { desk, db } = portal;
  const rina = { ...desk, actor: 'staff:rina' };
  await seedProvider(desk, NOW, 120);
  const empty = await startPortal();
  await migrateToPrepaid(rina, [9, 18, 27, 36, 45, 54, 63, 72, 81]);
  await sendTest(rina, '081298765432');
  const set = (sql: string) => db.execute(sql, [timestamp(NOW - 40 * MINUTE)]);
  await set(`update message set queued_at = $1::timestamptz, transport = 'baileys'`);
  await set(`update message set sent_at = $1::timestamptz where id in (2,3,4,5,6)`);
  await set(`update message set delivered_at = $1::timestamptz where id in (3,4,5)`);
  await set(`update message set read_at = $1::timestamptz where id in (4,5)`);
  await set(`update message set failed_at = $1::timestamptz, failure = 'not-on-whatsapp' where id = 7`);
  await set(`update message set failed_at = $1::timestamptz, failure = 'rejected: (#131026) Message undeliverable' where id = 8`);
  await set(`update message set cancelled_at = $1::timestamptz where id = 1`);
  await db.execute(`update message set waiting_for = 'reach-out-lock-463' where id = 9`);
  await saveTemplate(rina, { notice: 'ended', language: 'id', text: 'Halo {{name}},\n\nPaket {{plan}} sudah habis.\nBeli lagi: {{portalUrl}}' });
  await saveSettings(rina, 'whatsapp', { transport: 'baileys' });
  await setSecretSetting(rina, 'whatsapp.cloud.token', 'EAAG-x');
  await db.execute(`update nas set api_user = 'gerbang', api_password_sealed = '', api_fingerprint = repeat('a1b2', 16) where id in (1, 2)`);
  const owner = await portal.loginStaff('owner', 'rina');
  const browser = await launchChromium();
  type Act = (page: import('playwright-core').Page) => Promise<void>;
  const st = (s: object) => () => { status = { transport: 'baileys', state: 'connected', qr: null, pairingCode: null, me: '6281200000001', since: NOW - 26 * HOUR, breakerUntil: null, reason: null, sentToday: 42, ...s }; };
  const pages: Record<string, [string, Act?, (() => void)?, true?]> = {
    messages: ['/messages'], 'messages-none': ['/messages?q=zzz'], 'messages-breaker': ['/messages?state=failed', undefined, st({ breakerUntil: NOW + HOUR })],
    'messages-empty': ['/messages', undefined, undefined, true],
    templates: ['/messages/templates'], 'template': ['/messages/templates/ended/id', async (p) => { await p.click('button[value=preview]'); }],
    'template-fault': ['/messages/templates/ended/id', async (p) => { await p.fill('#text', 'Halo {{nama}}'); await p.click('button[value=save]'); }],
    company: ['/settings'], 'company-fault': ['/settings', async (p) => { await p.fill('#phone', 'abc'); await p.click('main form button'); }],
    reminders: ['/settings/reminders'], garden: ['/settings/walled-garden'], 'garden-fault': ['/settings/walled-garden', async (p) => { await p.fill('#hosts', 'http://x/y'); await p.click('main form button'); }],
    whatsapp: ['/settings/whatsapp'], 'whatsapp-unpaired': ['/settings/whatsapp', async (p) => { await p.click('details.fold summary'); }, st({ state: 'unpaired', me: null })],
    'whatsapp-qr': ['/settings/whatsapp', undefined, st({ state: 'pairing', me: null, qr: '2@abcdefghijklmnopqrstuvwxyz0123456789,abcdefghijklmnopqrstuvwxyz0123456789,abcdefghijklmnopqrstuvwxyz' })],
    'whatsapp-code': ['/settings/whatsapp', undefined, st({ state: 'pairing', me: null, pairingCode: 'ABCD1234' })],
    'whatsapp-out': ['/settings/whatsapp', undefined, st({ state: 'logged-out', me: null, reason: 'logged-out' })],
    'whatsapp-breaker': ['/settings/whatsapp', undefined, st({ breakerUntil: NOW + HOUR, reason: 'reach-out-lock-463' })],
    'whatsapp-cloud': ['/settings/whatsapp', async (p) => { await p.click('details.card summary'); }],
    routers: ['/settings/routers'], 'routers-empty': ['/settings/routers', undefined, undefined, true], router: ['/settings/routers/1'], 'router-bad': ['/settings/routers/2', async (p) => { await p.click('form[action$="/test"] button'); }],
    'router-new': ['/settings/routers/new'], 'router-added': ['/settings/routers/new', async (p) => { await p.fill('#name', `x${Math.random()}`); await p.fill('#address', `10.77.${Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`); await p.click('main form button:not(.plain)'); }],
    'router-edit': ['/settings/routers/1/edit'], 'router-fault': ['/settings/routers/1/edit', async (p) => { await p.fill('#address', 'abc'); await p.fill('#coaPort', '0', { force: true }).catch(() => undefined); await p.click('main form button'); }],
    script: ['/settings/routers/4/script', async (p) => { await p.fill('#server', '10.0.0.2'); }], 'router-greets': ['/settings/routers/4'],
  };
  for (const o of [{ width: 360, dark: false }, { width: 768, dark: true }, { width: 1280, dark: false }, { width: 1280, dark: true }, { width: 360, dark: true }])
    for (const [name, [path, act, before, isEmpty]] of Object.entries(pages)) {
      if (only && !new RegExp(only).test(`${name}-${o.width}${o.dark ? '-dark' : ''}`)) continue;
      const of = isEmpty ? empty : portal;
      st({})(); before?.();
      const context = await browser.newContext({ viewport: { width: o.width, height: 800 }, colorScheme: o.dark ? 'dark' : 'light' });
      const who = isEmpty ? await empty.loginStaff('owner') : owner;
      await context.addCookies([...who.cookies].map(([n, value]) => ({ name: n, value, url: of.url })));
      const page = await context.newPage();
      page.on('pageerror', (e) => console.log('JS', name, e.message));
      await page.goto(of.url + path);
      if (act) { await act(page).catch((e) => console.log('ACT', name, String(e).slice(0, 200))); await page.waitForTimeout(300); }
      const wide = Number(await page.evaluate('document.documentElement.scrollWidth'));
      if (wide > o.width) console.log('SCROLL', name, o.width, wide);
      await page.waitForTimeout(100);
      await page.screenshot({ path: `${out}/${name}-${o.width}${o.dark ? '-dark' : ''}.png`, fullPage: true });
      await context.close();
    }
  await browser.close();
  console.log(portal.logged);
  await portal.stop(); await empty.stop();
}, 300000);
