import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import {
  becomes,
  desk,
  eventually,
  OURS,
  pair,
  start,
  startPaired,
  stop,
  useWhatsApp,
  whatsApp,
} from '#test/whatsapp/harness';

useWhatsApp();

const stored = async () =>
  (
    await desk.db.query<{ kind: string }>(
      `select distinct kind from whatsapp_auth where kind <> 'gerbang' order by kind`,
    )
  ).map(({ kind }) => kind);

test('the number is linked by scanning the QR', async () => {
  const side = await start();
  expect(side.control.status()).toMatchObject({ transport: 'baileys', state: 'unpaired', qr: null, me: null });
  await side.control.pairByQr();
  await eventually(() => side.control.status().qr).toMatch(/^https:\/\/wa\.me\/settings\/linked_devices#/);
  expect(side.control.status().state).toBe('pairing');
  whatsApp.scan(side.control.status().qr!, OURS);
  await becomes(side, 'connected');
  expect(side.control.status()).toMatchObject({ qr: null, pairingCode: null, me: OURS, reason: null });
});

test('the number is linked by typing a code on the phone', async () => {
  const side = await start();
  await side.control.pairByCode(OURS);
  await eventually(() => side.control.status().pairingCode).toMatch(/^[1-9A-HJ-NP-TV-Z]{8}$/);
  await whatsApp.typeCode(side.control.status().pairingCode!);
  await becomes(side, 'connected');
  expect(side.control.status()).toMatchObject({ me: OURS, pairingCode: null });
});

test('a pairing that is not finished leaves nothing behind', async () => {
  const side = await start();
  await side.control.pairByCode(OURS);
  await eventually(() => side.control.status().pairingCode).toBeTruthy();
  whatsApp.drop();
  await becomes(side, 'unpaired');
  expect(side.control.status().reason).toMatch(/^pairing-interrupted/);
  expect(await stored()).toEqual([]);
  await pair(side);
  expect(whatsApp.logins).toBe(1);
});

test('after a restart the stored link is used, without pairing again', async () => {
  const first = await startPaired();
  await stop(first);
  expect(whatsApp.connected).toBe(false);
  const second = await start();
  await becomes(second, 'connected');
  expect(second.control.status().me).toBe(OURS);
  expect(whatsApp.logins).toBe(2);
});

test('after a lost connection there is a new one', async () => {
  const side = await startPaired();
  for (let times = 2; times <= 4; times += 1) {
    whatsApp.drop();
    await eventually(() => whatsApp.logins).toBe(times);
    await becomes(side, 'connected');
  }
});

test('logged out on the phone: the link is wiped and the page asks to pair again', async () => {
  const side = await startPaired();
  expect(await stored()).toContain('creds');
  whatsApp.logOut();
  await becomes(side, 'logged-out');
  expect(side.control.status().me).toBeNull();
  await eventually(stored).toEqual([]);
  await stop(side);
  const again = await start();
  await becomes(again, 'unpaired');
  await pair(again);
});

test('another program with our link: we stop rather than throw each other out, until somebody says so', async () => {
  const side = await startPaired();
  whatsApp.replace();
  await becomes(side, 'replaced');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(whatsApp.logins).toBe(1);
  await side.control.reconnect();
  await becomes(side, 'connected');
});

test('unlinked on the page: the phone is told and nothing is kept', async () => {
  const side = await startPaired();
  await side.control.unpair();
  await becomes(side, 'unpaired');
  expect(await stored()).toEqual([]);
  await eventually(() => whatsApp.connected).toBe(false);
});

test('one node holds the line, every node shows and commands it, and the next takes over', async () => {
  const first = await startPaired();
  const second = await start();
  await eventually(() => second.control.status()).toMatchObject({ state: 'connected', me: OURS });
  expect(whatsApp.logins).toBe(1);
  await second.control.reconnect();
  await eventually(() => whatsApp.logins).toBe(2);
  await becomes(first, 'connected');
  expect(second.metrics()).toBeNull();
  await stop(first);
  await eventually(() => second.metrics()).not.toBeNull();
  await becomes(second, 'connected');
  expect(whatsApp.logins).toBe(3);
});

test('without the optional package the state says so, and messages wait', async () => {
  const side = await start({ baileys: { load: async () => null } });
  expect(side.control.status()).toMatchObject({ state: 'missing', transport: 'baileys' });
  expect(side.control.status().reason).toContain('@whiskeysockets/baileys is not installed');
  await side.control.pairByQr();
  expect(side.control.status().state).toBe('missing');
});

test('what the library prints of a session to the console has no keys in it', async () => {
  await startPaired();
  const require = createRequire(import.meta.resolve('@whiskeysockets/baileys'));
  const session = require('libsignal').SessionRecord.createEntry();
  session.currentRatchet = { rootKey: 'secret' };
  expect(inspect(session)).toBe('[session]');
  expect(inspect({ of: [session] }, { depth: 9 })).not.toContain('secret');
});
