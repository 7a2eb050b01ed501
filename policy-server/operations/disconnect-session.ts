import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { username } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import { askEnd } from '#storage/sessions';
import { findSubscriber } from '#storage/subscribers';

export const disconnectSessionSchema = z.object({
  username,
  session: z.coerce
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(say`the number of a live session of this subscriber; left out: all of them`),
  reason: z
    .string()
    .trim()
    .regex(/^[^\p{Cc}]+$/u)
    .max(200)
    .describe(say`why, at most 200 characters, for example the modem hangs`),
});

/**
 * Asks that live sessions of a subscriber be ended, so that the line dials again and is answered afresh: that one, or
 * without a number all. Enforcement asks their routers at once and, if need be, for some minutes more; what they answered
 * is on the subscriber's timeline. `sessions` is how many that are.
 *
 * @throws InvalidInput for wrong fields, nobody of that user name, no such live session
 */
export async function disconnectSession(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly sessions: number }> {
  const { username, session, reason } = parseInput(disconnectSessionSchema, input);
  const detail = { username, ...(session === null ? {} : { session }), reason };
  return change(desk.db, { actor: desk.actor, why: 'disconnect session', detail }, async (tx) => {
    const subscriber = (await findSubscriber(tx, username, 'lock')) ?? noSuchSubscriber(username);
    const sessions = await askEnd(tx, subscriber.id, session, { at: desk.clock(), reason });
    if (sessions === 0) throw new InvalidInput([say`there is no such live session: it has ended`]);
    await tx.mark([subscriber.id]);
    return { sessions };
  });
}
