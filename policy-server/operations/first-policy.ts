import { defaultPolicy } from '#domain/policy';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { policyInForce, publishPolicy } from '#storage/policy';

/** Publishes the default policy when there is none yet; returns whether it did. */
export async function firstPolicy(desk: Desk): Promise<boolean> {
  if ((await policyInForce(desk.db)) !== null) return false;
  const { zone: _, ...document } = defaultPolicy(desk.zone);
  await change(desk.db, { actor: desk.actor, why: 'default policy' }, async (tx) => {
    const id = await publishPolicy(tx, {
      document,
      note: 'the default',
      createdBy: desk.actor,
      at: new Date(desk.clock()),
    });
    await tx.markPolicy(id);
  });
  return true;
}
