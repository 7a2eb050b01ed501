import { assert } from '#domain/assert';
import { type Policy, parsePolicy } from '#domain/policy';
import type { Queryable } from '#storage/database';
import { policyInForce } from '#storage/policy';

/** The policy in force, meant in the company's zone. */
export async function currentPolicy(q: Queryable, zone: string): Promise<Policy> {
  const revision = await policyInForce(q);
  assert(revision !== null, 'the first start has published the default policy');
  return { ...parsePolicy(revision.document), zone };
}
