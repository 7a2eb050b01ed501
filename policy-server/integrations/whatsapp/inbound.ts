import type { WAMessageKey, WAMessageUpdate, WASocket } from '@whiskeysockets/baileys';
import type { Clock } from '#domain/clock';
import { type Instant, SECOND } from '#domain/time';
import type { IntegrationLog, TransportEvents } from '#integrations/whatsapp/transport';

/** `WebMessageInfo.Status`: 3 it reached the device, 4 it was read, 5 (of audio) played. */
const DELIVERED = 3;
const READ = 4;

type Hearing = { readonly events: TransportEvents; readonly clock: Clock; readonly log: IntegrationLog };

/**
 * Takes what comes in by itself: receipts of our messages, and who wrote to us (only that and when; what they wrote is
 * looked at nowhere). While the library buffers events, a receipt comes folded into the message it is for.
 */
export function hear(socket: WASocket, hearing: Hearing): void {
  const { events, clock, log } = hearing;
  const receipt = (key: WAMessageKey, status: number | null | undefined) => {
    if (!key.fromMe || key.id == null || status == null || status < DELIVERED) return;
    events.onReceipt(key.id, status >= READ ? 'read' : 'delivered', clock());
  };
  socket.ev.on('messages.update', (updates: WAMessageUpdate[]) => {
    for (const { key, update } of updates) receipt(key, update.status);
  });
  socket.ev.on('messages.upsert', ({ messages }) => {
    for (const { key, status, messageTimestamp } of messages) {
      if (key.fromMe) {
        receipt(key, status);
        continue;
      }
      const at = Math.min(Number(messageTimestamp ?? 0) * SECOND || clock(), clock());
      wrote(socket, key, at, events).catch((error: unknown) =>
        log.warn({ err: error }, 'it could not be noted that somebody wrote to us'),
      );
    }
  });
}

/** A person, not a group, a status or a channel. People come by number or by a pseudonym (LID) that has one. */
async function wrote(socket: WASocket, key: WAMessageKey, at: Instant, events: TransportEvents): Promise<void> {
  const from = [key.remoteJid, key.remoteJidAlt].find((jid) => jid?.endsWith('@s.whatsapp.net'));
  const jid =
    from ??
    (key.remoteJid?.endsWith('@lid') ? await socket.signalRepository.lidMapping.getPNForLID(key.remoteJid) : null);
  const phone = /^\d{8,15}/.exec(jid ?? '')?.[0];
  if (phone !== undefined) events.onWrote(phone, at);
}
