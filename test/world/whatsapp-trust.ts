import { isMainThread } from 'node:worker_threads';
import { ROOT_PUBLIC } from '#test/world/whatsapp-root';

/**
 * Makes the WhatsApp library of this process trust the stand-in of `whatsapp.ts` instead of WhatsApp: it checks that the
 * certificate of whoever it talks to is signed by WhatsApp's own key, which is the one thing a test has to replace. The
 * product knows nothing of it: a test imports this file, or starts the product with `node --import` of it and
 * WHATSAPP_URL. It must run before the first connection. Workers do not speak WhatsApp, so it does not keep them up.
 */
if (isMainThread) {
  const { WA_CERT_DETAILS } = await import('@whiskeysockets/baileys');
  WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(ROOT_PUBLIC, 'hex');
}
