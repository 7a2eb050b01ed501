import { afterEach, expect, test } from 'vitest';
import { MINUTE } from '#domain/time';
import type { WhatsAppStatus } from '#domain/whatsapp';
import type { MessagesOptions, MessagesSide } from '#policy-server/messages-side';
import { takeClusterLock } from '#storage/cluster-lock';
import { readNote } from '#storage/whatsapp-auth';
import { type Browserlike, type Page, textOf } from '#test/portal/browserlike';
import { startPortal, type TestPortal } from '#test/portal/harness';
import { becomes, desk, eventually, logged, OURS, start, stop, useWhatsApp, whatsApp } from '#test/whatsapp/harness';

useWhatsApp();

const PATH = '/settings/whatsapp';
const portals: TestPortal[] = [];

afterEach(async () => {
  for (const portal of portals.splice(0)) {
    expect(portal.logged).toEqual([]);
    await portal.stop();
  }
});

/** Somebody whose browser gets to this node. */
async function browserOf(side: MessagesSide): Promise<Browserlike> {
  const portal = await startPortal({ db: desk.db, live: { whatsapp: side.control } });
  portals.push(portal);
  return portal.loginStaff('owner');
}

/** Two nodes on one database, the first of which holds the line, and a browser that gets to the second. */
async function twoNodes(changes: Partial<MessagesOptions> = {}): Promise<Nodes> {
  const holder = await start();
  const other = await start(changes);
  expect([holder.metrics() === null, other.metrics() === null]).toEqual([false, true]);
  return { holder, other, browser: await browserOf(other) };
}

type Nodes = { readonly holder: MessagesSide; readonly other: MessagesSide; readonly browser: Browserlike };

const press = async (browser: Browserlike, act: string, fields: Record<string, string> = {}): Promise<Page> => {
  await browser.open(PATH);
  return browser.submit(`${PATH}/${act}`, fields);
};
const codeOn = async (browser: Browserlike) =>
  /data-pairing-code>([^<]+)</.exec((await browser.fetch(`${PATH}/state`)).text)?.[1];
/** What of the status stands in the database, sealed and opened. */
const note = async (): Promise<{ sealed: string; status: Partial<WhatsAppStatus> | null }> => {
  const [row] = await desk.db.query<{ sealed: Buffer }>(
    `select value_sealed as sealed from whatsapp_auth where kind = 'gerbang' and id = 'status'`,
  );
  const told = await readNote<{ status: WhatsAppStatus }>(desk.db, desk.sealer, 'status');
  return { sealed: row?.sealed.toString('latin1') ?? '', status: told?.status ?? null };
};

test('the number is linked by the QR on the page of a node that does not hold the line, and unlinked there', async () => {
  const { holder, other, browser } = await twoNodes();
  const { text } = await press(browser, 'pair');
  expect(textOf(text)).toContain('Menunggu ditautkan');
  expect(text).toContain('http-equiv="refresh"');
  await eventually(async () => (await browser.fetch(`${PATH}/state`)).text).toContain('<div class="qr"><svg');
  const { qr } = other.control.status();
  expect(qr).toBe(holder.control.status().qr);
  whatsApp.scan(qr!, OURS);
  await eventually(async () => textOf((await browser.open(PATH)).text)).toContain(`Terhubung +${OURS}`);
  const unlinked = await press(browser, 'unpair');
  expect(textOf(unlinked.text)).toMatch(/Tautan diputus\..*Belum ditautkan/);
  expect(holder.control.status().state).toBe('unpaired');
});

test('… and by a code, which is nowhere to be read but on the page, and nowhere at all once it was used', async () => {
  const said: string[] = [];
  const listener = await desk.db.listen('gerbang_whatsapp', (payload) => said.push(payload));
  const { holder, browser } = await twoNodes();
  const { text } = await press(browser, 'pair-code', { phone: OURS });
  expect(textOf(text)).toContain('Menunggu ditautkan');
  await eventually(() => codeOn(browser)).toMatch(/^[A-Z0-9]{8}$/);
  const code = (await codeOn(browser))!;
  const during = await note();
  expect(during.status).toMatchObject({ state: 'pairing', pairingCode: code });
  expect(during.sealed).not.toContain(code);
  await whatsApp.typeCode(code);
  await becomes(holder, 'connected');
  await eventually(async () => (await note()).status).toMatchObject({
    state: 'connected',
    qr: null,
    pairingCode: null,
  });
  expect(await codeOn(browser)).toBeUndefined();
  expect(said.length).toBeGreaterThan(2);
  expect([...said, ...logged].filter((line) => line.includes(code))).toEqual([]);
  await listener.close();
});

test('a node that hears no more of a pairing shows its code and its QR no longer than they can be used', async () => {
  let aheadMs = 0;
  const { other } = await twoNodes({ clock: () => Date.now() + aheadMs });
  expect(await other.control.pairByCode(OURS)).toBe(true);
  await eventually(() => other.control.status().pairingCode).toBeTruthy();
  aheadMs = 2 * MINUTE;
  expect(other.control.status().pairingCode).not.toBeNull();
  aheadMs = 4 * MINUTE;
  expect(other.control.status()).toMatchObject({ state: 'pairing', pairingCode: null });
  aheadMs = 0;
  expect(await other.control.pairByQr()).toBe(true);
  await eventually(() => other.control.status().qr).toBeTruthy();
  aheadMs = 2 * MINUTE;
  expect(other.control.status()).toMatchObject({ state: 'pairing', qr: null });
});

test('a node that stops in the middle of a pairing leaves nothing of it in the database; the next takes it up anew', async () => {
  const side = await start();
  await side.control.pairByQr();
  await eventually(async () => (await note()).status?.qr).toBeTruthy();
  await stop(side);
  expect(await note()).toEqual({ sealed: '', status: null });
  await becomes(await start(), 'unpaired');
});

test('when no node that holds the line answers, the page says so instead of nothing', async () => {
  const lock = await takeClusterLock(desk.db, 'whatsapp', () => undefined);
  try {
    const browser = await browserOf(await start({ patienceMs: 100 }));
    expect((await browser.open(PATH)).text).toContain('http-equiv="refresh"');
    for (const act of ['pair', 'pair-code', 'unpair', 'reconnect']) {
      const { text } = await press(browser, act, { phone: OURS });
      expect(textOf(text)).toContain('Server yang memegang sambungan WhatsApp belum menjawab.');
      expect(textOf(text)).not.toContain('Tautan diputus.');
    }
  } finally {
    await lock!.release();
  }
});
