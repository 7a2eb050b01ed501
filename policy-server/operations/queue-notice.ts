import { isSecret, type Notice, type NoticeValues, SHIPPED_TEXTS, usefulForMs } from '#domain/notices';
import { internationalDigits } from '#domain/phone';
import { fillTemplate } from '#domain/template';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import type { Queryable } from '#storage/database';
import { cancelQueued, queueMessage, recipientOf } from '#storage/messages';
import { editedText } from '#storage/templates';

export type NewNotice<N extends Notice> = {
  readonly subscriberId: number;
  readonly notice: N;
  /** Printed in the subscriber's language. */
  readonly values: NoticeValues<N>;
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
  { subscriberId, notice, values, onceKey, dueAt }: NewNotice<N>,
): Promise<boolean> {
  const recipient = await recipientOf(tx, subscriberId);
  const phone = recipient?.phone == null ? null : internationalDigits(recipient.phone);
  if (recipient === null || phone === null) return false;
  const { language } = recipient;
  const template = (await editedText(tx, notice, language)) ?? SHIPPED_TEXTS[notice][language];
  const at = desk.clock();
  if (isSecret(notice)) await cancelQueued(tx, subscriberId, notice, at);
  const id = await queueMessage(tx, desk.sealer, {
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
