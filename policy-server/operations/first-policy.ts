import { isDeepStrictEqual } from 'node:util';
import { type Condition, defaultPolicy, parsePolicy, type Rule, WALLED_RATE } from '#domain/policy';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { sweepDue } from '#storage/due';
import { lockPolicies, policyInForce, publishPolicy } from '#storage/policy';
import { activeRollout } from '#storage/rollouts';

/** What the start came to: there was no policy, or it was a default of an earlier version, untouched. */
export type FirstPolicy = {
  readonly did: 'published' | 'renewed' | 'nothing';
  /** What the default has and the policy in force, which somebody wrote, does not look at. */
  readonly lacks: readonly ('overdue' | 'paying')[];
};

/**
 * Publishes the default policy when there is none yet, and in place of a default that an earlier version shipped. What
 * somebody wrote is left alone. Of several nodes that start at once, one publishes.
 */
export async function firstPolicy(desk: Desk): Promise<FirstPolicy> {
  const found = await policyInForce(desk.db);
  const needed = neededFor(desk, found?.document);
  if (needed === null) return { did: 'nothing', lacks: lacking(desk, found?.document) };
  const why = needed === 'published' ? 'default policy' : 'renew default policy';
  const { zone: _, ...document } = defaultPolicy(desk.zone);
  const detail: Record<string, unknown> = {};
  try {
    await change(desk.db, { actor: desk.actor, why, detail }, async (tx) => {
      await lockPolicies(tx);
      const now = await policyInForce(tx);
      if (now?.id !== found?.id) throw new PublishedMeanwhile();
      if ((await activeRollout(tx)) !== null) throw new RollingOut();
      const note =
        needed === 'published' ? say`the default` : say`the default of this version, in place of the one before`;
      const at = new Date(desk.clock());
      const id = await publishPolicy(tx, { document, note, createdBy: desk.actor, at });
      Object.assign(detail, { revision: id, ...(now === null ? {} : { before: now.id }) });
      await tx.markPolicy(id);
    });
  } catch (error) {
    // Another node was first; what it published is looked at like any other.
    if (error instanceof PublishedMeanwhile) return firstPolicy(desk);
    // Somebody's own policy is about to take its place: it is left to that.
    if (error instanceof RollingOut) return { did: 'nothing', lacks: lacking(desk, found?.document) };
    throw error;
  }
  await lookAtEverybody(desk);
  return { did: needed, lacks: [] };
}

const LINES_AT_ONCE = 5_000;

/** Whoever is online is due; should that break off, the sweep makes up for it. */
async function lookAtEverybody({ db, clock }: Desk): Promise<void> {
  for (let after: number | null = 0; after !== null; )
    after = (await sweepDue(db, clock(), 0, after, LINES_AT_ONCE)).last;
}

class PublishedMeanwhile extends Error {}
class RollingOut extends Error {}

function neededFor(desk: Desk, document: unknown): 'published' | 'renewed' | null {
  if (document === undefined) return 'published';
  const { rules } = parsePolicy(document, desk.zone);
  return FORMER_DEFAULTS.some((former) => isDeepStrictEqual(rules, former)) ? 'renewed' : null;
}

const WALLED = {
  access: 'walled',
  rate: { is: 'fixed', ...WALLED_RATE },
  addressList: 'prepaid-no-package',
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [],
} as const;

/** The rules of each default that was shipped before this one, word for word. */
export const FORMER_DEFAULTS: readonly (readonly Rule[])[] = [
  // Prepaid alone, before there was money to owe.
  [
    { name: 'suspended', when: { is: 'suspended' }, give: { access: 'denied' } },
    {
      name: 'active',
      when: { is: 'all', of: [{ is: 'covered' }, { is: 'allowance-left' }] },
      give: {
        ...WALLED,
        access: 'full',
        rate: { is: 'plan' },
        addressList: 'prepaid-active',
        profile: { is: 'plan' },
      },
    },
    { name: 'no package', when: { is: 'all', of: [] }, give: WALLED },
  ],
];

function lacking(desk: Desk, document: unknown): FirstPolicy['lacks'] {
  const { rules } = parsePolicy(document, desk.zone);
  return (['overdue', 'paying'] as const).filter((is) => !rules.some(({ when }) => looksAt(when, is)));
}

function looksAt(condition: Condition, is: Condition['is']): boolean {
  if (condition.is === 'not') return looksAt(condition.of, is);
  if (condition.is === 'all' || condition.is === 'any') return condition.of.some((member) => looksAt(member, is));
  return condition.is === is;
}
