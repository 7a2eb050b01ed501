import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { username } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import { grantsOf, type ListedGrant, setRevoked } from '#storage/grants';
import { findSubscriber } from '#storage/subscribers';

export const revokeGrantSchema = z.object({
  username,
  grant: z.coerce
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(say`the number of a grant of this subscriber, see: explain USERNAME`),
  reason: z
    .string()
    .regex(/^[^\p{Cc}]*$/u)
    .max(500)
    .default('')
    .describe(say`why, at most 500 characters, for example sold by mistake`),
});

/**
 * Ends a grant now (one still to come never begins). Without its number: the only grant that has not ended.
 *
 * @throws InvalidInput when there is nobody of that user name, no such grant, or it is not clear which
 */
export async function revokeGrant(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ grant: ListedGrant; revokedAt: Instant }> {
  const given = parseInput(revokeGrantSchema, input);
  const { username, grant: wanted, reason } = given;
  const detail = { username, grant: wanted, ...(reason === '' ? {} : { reason }) };
  return change(desk.db, { actor: desk.actor, why: 'revoke grant', detail }, async (tx) => {
    const subscriber = (await findSubscriber(tx, given.username, 'lock')) ?? noSuchSubscriber(given.username);
    const revokedAt = desk.clock();
    const standing = (await grantsOf(tx, subscriber.id)).filter(
      (grant) => grant.revokedAt === null && grant.until > revokedAt,
    );
    const grant = chosen(standing, given.grant, given.username);
    await setRevoked(tx, grant.id, revokedAt);
    await tx.mark([subscriber.id]);
    return { grant, revokedAt };
  });
}

function chosen(standing: readonly ListedGrant[], id: number | null, username: string): ListedGrant {
  const [first, ...others] = id === null ? standing : standing.filter((grant) => grant.id === id);
  if (first !== undefined && others.length === 0) return first;
  const listed = standing.map((grant) => `${grant.id} (${grant.plan})`).join(', ');
  if (standing.length === 0) throw new InvalidInput([say`${username} has no grant that could be revoked`]);
  if (id === null) throw new InvalidInput([say`${username} has several grants: give one with --grant: ${listed}`]);
  throw new InvalidInput([say`${username} has no grant ${id} that could be revoked; there are: ${listed}`]);
}
