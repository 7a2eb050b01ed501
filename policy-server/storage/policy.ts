import { defaultPolicy, type Policy, parsePolicy } from '#domain/policy';
import type { Queryable, Transaction } from '#storage/database';
import { PolicyRevisionEntity } from '#storage/entities';

/** Writes a policy document as the revision in force. The document is one that `parsePolicy` took. */
export async function publishPolicy(
  tx: Transaction,
  revision: { document: object; note: string; createdBy: string; at: Date },
): Promise<number> {
  const { document, note, createdBy, at } = revision;
  const row = tx.em.create(PolicyRevisionEntity, { document, note, createdBy, createdAt: at, publishedAt: at });
  await tx.em.flush();
  return row.id;
}

/** Nobody else publishes a policy until the transaction ends; they are read all the while. */
export async function lockPolicies(tx: Queryable): Promise<void> {
  await tx.execute('lock table policy_revision in share row exclusive mode');
}

/** The document in force and the number of its revision; null before the first start has written the default. */
export async function policyInForce(q: Queryable): Promise<{ id: number; document: unknown } | null> {
  const [row] = await q.query<{ id: number; document: unknown }>(
    `select id, document from policy_revision where published_at is not null
      order by published_at desc, id desc limit 1`,
  );
  return row ?? null;
}

/** The policy by which lines are decided now, meant in the company's zone. */
export async function currentPolicyOf(q: Queryable, zone: string): Promise<Policy> {
  const revision = await policyInForce(q);
  return revision === null ? defaultPolicy(zone) : parsePolicy(revision.document, zone);
}
