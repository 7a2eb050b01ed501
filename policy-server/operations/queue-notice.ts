import { SHIPPED_TEXTS } from '#domain/notice-texts';
import { isSecret, type Notice, type NoticeValues, usefulForMs } from '#domain/notices';
import { internationalDigits } from '#domain/phone';
import { fillTemplate } from '#domain/template';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import type { Queryable } from '#storage/database';
import { addressOf, cancelQueued, queueMessage, type Recipient } from '#storage/messages';

export type NewNotice<N extends Notice> = {
  readonly subscriberId: number;
  readonly notice: N;
  /** Printed in the subscriber's language; a function is told which that is. */
  readonly values: NoticeValues<N> | ((to: Recipient) => NoticeValues<N>);
  /** Such as `ending-soon:<grant>`: queued once, ever; null = each time. */
  readonly onceKey: string | null;
  /** Not sent before; now when left out. */
  readonly dueAt?: Instant;
};

/**
 * Queues a notice to a subscriber in the caller's transaction: in the subscriber's language, in the text as it was
 * edited or as shipped. A new PIN takes an older one that was not sent yet out of the queue.
 *
 * Returns whether it is queued: false when there is no usable telephone number, or its once key is there already.
 */
export async function queueNotice<N extends Notice>(
  tx: Queryable,
  desk: Pick<Desk, 'sealer' | 'clock'>,
  { subscriberId, notice, values: given, onceKey, dueAt }: NewNotice<N>,
): Promise<boolean> {
  const recipient = await addressOf(tx, subscriberId, notice);
  const phone = recipient?.phone == null ? null : internationalDigits(recipient.phone);
  if (recipient === null || phone === null) return false;
  const { language } = recipient;
  const values = typeof given === 'function' ? given(recipient) : given;
  const template = recipient.editedText ?? SHIPPED_TEXTS[notice][language];
  const at = desk.clock();
  if (isSecret(notice)) await cancelQueued(tx, subscriberId, notice, at);
  const id = await queueMessage(tx, desk.sealer, {
    id: recipient.messageId,
    subscriberId,
    phone,
    notice,
    body: { text: fillTemplate(template, values), language, values },
    secret: isSecret(notice),
    onceKey,
    at,
    dueAt: dueAt ?? at,
    expiresAt: (dueAt ?? at) + usefulForMs(notice),
  });
  return id !== null;
}
