import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { findPlan, retirePlan, usesOfPlan } from '#storage/plans';

/**
 * Takes a plan off sale for good: no list offers it any more. What was sold of it stays in the books. A plan saved later
 * under its name is its next revision.
 *
 * @throws InvalidInput while grants of it are in force or to come, subscriptions are billed for it, or purchases of it wait
 * for their payment; and when there is no such plan
 */
export async function deletePlan(desk: Desk, id: number): Promise<{ readonly name: string }> {
  const detail: Record<string, unknown> = { id };
  return change(desk.db, { actor: desk.actor, why: 'delete plan', detail }, async (tx) => {
    const plan = await findPlan(tx, { id }, 'lock');
    if (plan === null || plan.retired) throw new InvalidInput([say`this plan is no more; go back to the list`]);
    const now = desk.clock();
    const uses = await usesOfPlan(tx, id, now);
    const reasons = [
      ...(uses.grants > 0 ? [say`${uses.grants} grants of it are in force or to come`] : []),
      ...(uses.subscriptions > 0 ? [say`${uses.subscriptions} subscriptions are billed for it`] : []),
      ...(uses.openPurchases > 0 ? [say`${uses.openPurchases} purchases of it wait for their payment`] : []),
    ];
    if (reasons.length > 0) {
      throw new InvalidInput(
        reasons.map(
          (reason) =>
            say`plan "${plan.name}" cannot be deleted: ${reason}; instead, take it off the portal: nobody new buys it there`,
        ),
      );
    }
    await retirePlan(tx, id, now);
    detail.name = plan.name;
    return { name: plan.name };
  });
}
