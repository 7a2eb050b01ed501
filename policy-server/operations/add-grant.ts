import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { addPeriod, type Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { beginning, ending, entityName, username } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { grantsOf, insertGrants, type ListedGrant } from '#storage/grants';
import { planNames, plansOnSale } from '#storage/plans';
import { findSubscriber } from '#storage/subscribers';

export const addGrantSchema = (zone: string) =>
  z.object({
    username,
    plan: entityName('prepaid-20mbps').describe(say`the name of a plan, see: plan list`),
    from: beginning(zone).nullable().default(null).describe(beginning(zone).description!),
    until: ending(zone).nullable().default(null).describe(ending(zone).description!),
  });

export type AddedGrant = {
  readonly id: number;
  readonly username: string;
  readonly plan: string;
  readonly from: Instant;
  readonly until: Instant;
};

/**
 * Grants a plan to a subscriber. Without `from` it begins where the cover in force ends, so that nothing bought is
 * lost; now, when there is none or its allowance is spent. Without `until` it lasts the plan's period.
 *
 * @throws InvalidInput for wrong fields, nobody of that user name, no such plan, an end before its beginning
 */
export async function addGrant(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<AddedGrant> {
  const given = parseInput(addGrantSchema(desk.zone), input);
  const detail = { username: given.username, plan: given.plan };
  return change(desk.db, { actor: desk.actor, why: 'add grant', detail }, async (tx) => {
    const subscriber = (await findSubscriber(tx, given.username, 'lock')) ?? noSuchSubscriber(given.username);
    const plan = (await plansOnSale(tx, [given.plan])).get(given.plan) ?? (await noSuchPlan(tx, given.plan));
    const from = given.from ?? startOfNext(await grantsOf(tx, subscriber.id), desk.clock());
    const until = given.until ?? addPeriod(from, plan.period, desk.zone);
    if (until <= from) {
      throw new InvalidInput([say`until is not after from: give a later --until, or an earlier --from`]);
    }
    const [id] = await insertGrants(tx, [
      { subscriberId: subscriber.id, planRevisionId: plan.revisionId, from, until },
    ]);
    await tx.mark([subscriber.id]);
    return { id: id!, username: given.username, plan: plan.name, from, until };
  });
}

/**
 * Where a grant that is bought now begins: at the end of the cover in force, grants that follow it without a gap
 * included; now, when nothing is in force or all of the allowance in force is spent.
 */
export function startOfNext(grants: readonly ListedGrant[], now: Instant): Instant {
  const standing = grants.filter((grant) => grant.revokedAt === null && grant.until > now);
  const inForce = standing.filter((grant) => grant.from <= now);
  if (inForce.every((grant) => grant.allowanceBytes !== null && grant.usedBytes >= grant.allowanceBytes)) return now;
  let end = Math.max(...inForce.map((grant) => grant.until));
  for (const grant of standing.toSorted((one, other) => one.from - other.from)) {
    if (grant.from <= end) end = Math.max(end, grant.until);
  }
  return end;
}

/** The sentence for a plan that nobody sells, with those that there are. */
export async function noSuchPlan(q: Queryable, name: string): Promise<never> {
  const names = await planNames(q);
  const offered =
    names.length === 0 ? say`there is none yet; add one with: plan add` : say`there are: ${names.join(', ')}`;
  throw new InvalidInput([say`there is no plan "${name}"; ${offered}`]);
}
