import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { SHIPPED_TEXTS } from '#domain/notice-texts';
import { BY_HAND, usefulForMs } from '#domain/notices';
import { internationalDigits } from '#domain/phone';
import { say } from '#domain/say';
import { fillTemplate } from '#domain/template';
import type { Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import {
  cancelMessage as cancelStored,
  findMessage,
  isBodyKept,
  messageState,
  openBody,
  pinStillNew,
  queueMessage,
  recipientOf,
  requeueMessage,
} from '#storage/messages';
import { readSettings } from '#storage/settings';
import { editedText } from '#storage/templates';
import { askAgain } from '#storage/whatsapp-contacts';

/** WhatsApp takes 4096 characters in a message. */
const LONGEST_TEXT = 4000;

/**
 * Sends a message again: one that failed or was cancelled goes back into the queue; one that was sent is queued once more
 * as a new message. Returns the id of the message that now waits.
 *
 * @throws InvalidInput when there is no such message, it waits already, or it tells a PIN that is not to be used any more
 */
export async function resend(desk: Desk, messageId: number): Promise<{ readonly id: number }> {
  return change(desk.db, { actor: desk.actor, why: 'resend message', detail: { messageId } }, async (tx) => {
    const message = await findMessage(tx, messageId, 'lock');
    if (message === null) throw new InvalidInput([say`there is no message ${messageId}`]);
    const state = messageState(message);
    if (state === 'queued') throw new InvalidInput([say`message ${messageId} is waiting to be sent already`]);
    if (!isBodyKept(message.bodySealed)) {
      throw new InvalidInput([say`message ${messageId} is so old that its text is not kept any more`]);
    }
    const { subscriberId, notice, secret } = message;
    if (secret && (subscriberId === null || !(await pinStillNew(tx, subscriberId, message.queuedAt)))) {
      throw new InvalidInput([
        say`message ${messageId} tells a PIN that was replaced or used since; issue a new PIN and send that`,
      ]);
    }
    const recipient = subscriberId === null ? null : await recipientOf(tx, subscriberId);
    const phone = internationalDigits(recipient?.phone ?? '') ?? message.phone;
    await askAgain(tx, phone);
    const at = desk.clock();
    const expiresAt = at + usefulForMs(notice);
    if (state === 'failed' || state === 'cancelled') {
      if (phone === message.phone && (await requeueMessage(tx, messageId, at, expiresAt))) return { id: messageId };
    }
    const body = openBody(desk.sealer, messageId, message.bodySealed);
    const copy = { subscriberId, phone, notice, body, secret, onceKey: null, at, expiresAt };
    return { id: (await queueMessage(tx, desk.sealer, copy))! };
  });
}

/**
 * Takes a message back before it is sent.
 *
 * @throws InvalidInput when it is sent, being sent, or decided already
 */
export async function cancelMessage(desk: Desk, messageId: number): Promise<void> {
  await change(desk.db, { actor: desk.actor, why: 'cancel message', detail: { messageId } }, async (tx) => {
    if (await cancelStored(tx, messageId, desk.clock())) return;
    throw new InvalidInput([say`message ${messageId} does not wait any more; it cannot be taken back`]);
  });
}

/**
 * Queues the test message to any number, ahead of all others.
 *
 * @throws InvalidInput when that is no telephone number
 */
export async function sendTest(desk: Desk, phone: string): Promise<{ readonly id: number }> {
  const digits = internationalDigits(phone);
  if (digits === null) {
    throw new InvalidInput([say`phone "${phone}" is not usable; give a telephone number, for example 081234567890`]);
  }
  return change(desk.db, { actor: desk.actor, why: 'send test message', detail: { phone: digits } }, async (tx) => {
    const { company } = await readSettings(tx);
    const language = 'id';
    const values = { company: company.name };
    const text = fillTemplate((await editedText(tx, 'test', language)) ?? SHIPPED_TEXTS.test[language], values);
    const at = desk.clock();
    const id = await queueMessage(tx, desk.sealer, {
      subscriberId: null,
      phone: digits,
      notice: 'test',
      body: { text, language, values },
      secret: false,
      onceKey: null,
      at,
      expiresAt: at + usefulForMs('test'),
    });
    return { id: id! };
  });
}

const byHandSchema = z.object({
  subscriberId: z.coerce.number().int().positive().describe(say`the number of a subscriber`),
  text: z
    .string()
    .transform((text) => text.replace(/\r\n?/g, '\n').trim())
    .refine((text) => text.length > 0 && text.length <= LONGEST_TEXT && !/[^\P{Cc}\n]/u.test(text))
    .describe(say`a text of 1 to ${LONGEST_TEXT} characters`),
});

/**
 * Queues a text that staff wrote, ahead of what is queued by itself.
 *
 * @throws InvalidInput for wrong fields, nobody of that number, a subscriber without a usable telephone number
 */
export async function sendByHand(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly id: number }> {
  const { subscriberId, text } = parseInput(byHandSchema, input);
  return change(desk.db, { actor: desk.actor, why: 'write to subscriber', subscriberId }, async (tx) => {
    const recipient = await recipientOf(tx, subscriberId);
    if (recipient === null) throw new InvalidInput([say`there is no subscriber ${subscriberId}`]);
    const phone = internationalDigits(recipient.phone ?? '');
    if (phone === null) throw new InvalidInput([say`the subscriber has no usable telephone number; enter one first`]);
    const at = desk.clock();
    const id = await queueMessage(tx, desk.sealer, {
      subscriberId,
      phone,
      notice: BY_HAND,
      body: { text, language: recipient.language, values: {} },
      secret: false,
      onceKey: null,
      at,
      expiresAt: at + usefulForMs(BY_HAND),
    });
    return { id: id! };
  });
}
