import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { addSubscriber } from '#operations/add-subscriber';
import { sendByHand } from '#operations/messages';
import { desk, eventually, OURS, startPaired, stateOf, stop, useWhatsApp, whatsApp } from '#test/whatsapp/harness';
import { startSystem } from '#test/world/system';

useWhatsApp();

test('the whole program logs in with the stored link, sends what is queued, and counts it', async () => {
  await stop(await startPaired());
  const budi = await addSubscriber(desk, { username: 'budi', password: 'Rumah-77-hijau', phone: '0812-0000-9999' });
  const { id } = await sendByHand({ ...desk, clock: Date.now }, { subscriberId: budi.id, text: 'Halo' });
  const dataDir = mkdtempSync(join(tmpdir(), 'gerbang-whatsapp-'));
  const trust = pathToFileURL(join(import.meta.dirname, '../world/whatsapp-trust.ts')).href;
  const system = await startSystem(dataDir, {
    DATABASE_URL: desk.db.url,
    MASTER_KEY_FILE: desk.masterKeyFile,
    WHATSAPP_URL: whatsApp.url,
    NODE_OPTIONS: `--import=${trust}`,
  });
  try {
    await eventually(() => stateOf(id), 20_000).toBe('read');
    expect(whatsApp.messages()).toMatchObject([{ to: '6281200009999', text: 'Halo' }]);
    const metrics = async () => (await fetch(`http://127.0.0.1:${system.httpPort}/metrics`)).text();
    await eventually(metrics).toContain('gerbang_whatsapp_state{state="connected"} 1');
    await eventually(metrics).toContain('gerbang_message_tries_total{outcome="sent"} 1');
    await eventually(metrics).toContain('gerbang_messages_queued 0');
    expect(system.output()).not.toContain(OURS);
  } finally {
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
  expect(whatsApp.connected).toBe(false);
}, 60_000);
