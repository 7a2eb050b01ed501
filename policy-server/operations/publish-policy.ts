import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { type Policy, parsePolicy } from '#domain/policy';
import { checkPolicy, type Dictionary, isPublishable, type PolicyCheck, printPolicy } from '#domain/policy-document';
import { DEFAULT_LIMITS, type RolloutStatus } from '#domain/rollout';
import { say } from '#domain/say';
import { type Instant, SECOND } from '#domain/time';
import type { Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import {
  insertRevision,
  lockPolicies,
  newestRevision,
  policyInForce,
  putInForce,
  type RevisionRow,
  revisionBefore,
  revisionRows,
  storedRevision,
} from '#storage/policy';
import { keepCounts } from '#storage/rollout-sessions';
import {
  activeRollout,
  firstBucket,
  forgetSessions,
  insertRollout,
  lastRollout,
  lockRollout,
  moveBack,
  moveRollout,
  type NewRollout,
  type Rollout,
  reach,
  statusOf,
} from '#storage/rollouts';

export type PolicyDraft = {
  readonly text: string;
  readonly note: string;
  /** The revision it was edited from; null: the document says (`revision:`). */
  readonly base: number | null;
};

export type SaveResult =
  | { readonly is: 'saved'; readonly revision: number }
  /** Somebody saved `inForce` (the newest revision, published or not) meanwhile, and this draft does not have what is in it. */
  | { readonly is: 'conflict'; readonly inForce: number; readonly by: string; readonly at: Instant }
  /** Faults, or cases of its own that fail. */
  | { readonly is: 'refused'; readonly check: PolicyCheck };

/**
 * Keeps a policy document as the next revision; nobody is decided by it until it is rolled out. The same text saved again
 * is the same revision.
 */
export async function savePolicy(desk: Desk, draft: PolicyDraft, dictionary: Dictionary): Promise<SaveResult> {
  const { text, note } = parseInput(draftFields, draft);
  const check = checkPolicy(text, desk.zone, dictionary);
  if (!isPublishable(check)) return { is: 'refused', check };
  const { zone: _, ...document } = check.policy;
  const base = draft.base ?? check.revision;
  const why: { actor: string; why: string; detail: Record<string, unknown>; nothing?: boolean } = {
    actor: desk.actor,
    why: 'save policy',
    detail: {},
  };
  return change(desk.db, why, async (tx): Promise<SaveResult> => {
    await lockPolicies(tx);
    const newest = await newestRevision(tx);
    why.nothing = true;
    if (newest?.source === text) return { is: 'saved', revision: newest.id };
    if (newest !== null && newest.id !== base)
      return { is: 'conflict', inForce: newest.id, by: newest.createdBy, at: newest.createdAt };
    const at = desk.clock();
    const id = await insertRevision(tx, {
      document,
      source: text,
      baseId: base,
      note,
      createdBy: desk.actor,
      at,
      inForce: false,
    });
    why.nothing = false;
    Object.assign(why.detail, { revision: id, ...(base === null ? {} : { base }), note });
    return { is: 'saved', revision: id };
  });
}

const draftFields = z.object({
  text: z.string().min(1).describe(say`a policy document`),
  note: z.string().trim().max(500).describe(say`a note of at most 500 characters`),
});

export type RolloutOrder = {
  readonly revision: number;
  /** Share (above 0, at most 1) of all subscribers that have it first; null: none, it spreads at once. */
  readonly canary: number | null;
  /** Live sessions told a second, over all routers. */
  readonly perSecond: number;
  /** How long a canary is watched once all of it is told. */
  readonly watchSeconds: number;
  readonly limits?: {
    readonly naks?: number;
    readonly timeouts?: number;
    readonly lost?: number;
    readonly samples?: number;
  };
};

/**
 * Begins to put a saved revision in the place of the one in force. One at a time.
 *
 * @throws InvalidInput when there is no such revision, it is in force, or another rollout is under way
 */
export async function startRollout(desk: Desk, order: RolloutOrder): Promise<RolloutStatus> {
  const { revision, canary, perSecond, watchSeconds, limits } = parseInput(orderFields, order);
  const why = { actor: desk.actor, why: 'start policy rollout', detail: {} as Record<string, unknown> };
  const rollout = await change(desk.db, why, async (tx) => {
    await lockPolicies(tx);
    const [inForce, wanted] = [await policyInForce(tx), await storedRevision(tx, revision)];
    if (wanted === null) throw new InvalidInput([say`there is no policy revision ${revision}`]);
    if (inForce === null || inForce.id === revision)
      throw new InvalidInput([say`policy revision ${revision} is in force already`]);
    parsePolicy(wanted.document, desk.zone);
    await refuseAnother(tx);
    const at = desk.clock();
    const salt = randomInt(2 ** 31);
    // A canary of nobody would prove nothing: it has one line at least.
    const { bucket, lines } = await firstBucket(tx, salt);
    const share = canary === null ? 0 : Math.max(canary, (bucket ?? 0) + BUCKET);
    const begun = await insertRollout(tx, {
      from: inForce.id,
      to: revision,
      stage: canary === null ? 'spreading' : 'canary',
      share,
      salt,
      canary,
      perSecond,
      watchSeconds,
      limits,
      startedAt: at,
      startedBy: desk.actor,
    });
    const reached = await reach(tx, { salt, above: 0, below: share, at, perSecond, watchedBy: begun.id });
    await tx.markPolicy(revision);
    Object.assign(why.detail, { rollout: begun.id, from: inForce.id, to: revision, canary, perSecond, reached });
    const seconds = (canary === null ? 0 : watchSeconds) + lines / perSecond;
    const { stage } = begun;
    await moveRollout(tx, begun.id, { stage, share, at, expectedEnd: at + seconds * SECOND });
    return keepCounts(tx, begun.id);
  });
  return statusOf(rollout);
}

/** The least step between two buckets. */
const BUCKET = 2 ** -31;

const part = z.number().gt(0).lte(1);
const orderFields = z.object({
  revision: z.int().positive().describe(say`the number of a policy revision, for example 7`),
  canary: part.nullable().describe(say`a share above 0 and at most 1 (0.01 = 1 %), or nothing`),
  perSecond: z.int().min(1).max(100_000).describe(say`live sessions a second, 1 to 100000, for example 50`),
  watchSeconds: z.int().min(0).max(86_400).describe(say`seconds from 0 to 86400, for example 60`),
  limits: z
    .strictObject({
      naks: part.default(DEFAULT_LIMITS.naks),
      timeouts: part.default(DEFAULT_LIMITS.timeouts),
      lost: part.default(DEFAULT_LIMITS.lost),
      samples: z.int().min(1).max(1_000_000).default(DEFAULT_LIMITS.samples),
    })
    .default(DEFAULT_LIMITS)
    .describe(say`shares above 0 and at most 1, and a number of samples`),
});

async function refuseAnother(q: Queryable): Promise<void> {
  const other = await activeRollout(q);
  if (other !== null) throw new InvalidInput([underWay(other)]);
}

const underWay = ({ to, stage }: Rollout): string =>
  stage === 'rolling-back'
    ? say`policy revision ${to} is being rolled back: wait until live sessions are told`
    : say`policy revision ${to} is being rolled out: wait until it is done, or roll it back`;

/**
 * Takes back the rollout under way or, without one, the revision in force: the one before decides from here on for
 * everybody, and live sessions are told so at the rollout's pace.
 *
 * @throws InvalidInput when there is nothing to go back to, or it is being gone back to already
 */
export async function rollBack(desk: Desk, order: { readonly reason: string }): Promise<RolloutStatus> {
  const { reason } = parseInput(z.object({ reason: z.string().trim().max(500).describe(REASON) }), order);
  const why = { actor: desk.actor, why: 'roll policy back', detail: { reason } as Record<string, unknown> };
  const rollout = await change(desk.db, why, async (tx) => {
    await lockPolicies(tx);
    const at = desk.clock();
    const found = await activeRollout(tx);
    const active = found === null ? null : await lockRollout(tx, found.id);
    if (active?.stage === 'rolling-back') throw new InvalidInput([underWay(active)]);
    const back = active === null ? await backwards(tx, desk, at) : active;
    const { id, salt, perSecond } = back;
    // Whoever had the policy: of a rollout under way its share, of what is in force everybody.
    const below = active?.share ?? 1;
    await forgetSessions(tx, id);
    const { lines } = await firstBucket(tx, salt);
    const expectedEnd = at + ((lines * below) / perSecond) * SECOND;
    await moveRollout(tx, id, { stage: 'rolling-back', share: 0, at, expectedEnd, reason });
    await moveBack(tx, id, { below, to: 0 });
    await tx.markPolicy(back.from);
    Object.assign(why.detail, { rollout: id, from: back.to, to: back.from, share: below });
    return keepCounts(tx, id);
  });
  return statusOf(rollout);
}

const REASON = say`a reason of at most 500 characters`;
const USUAL_PACE = { perSecond: 50, watchSeconds: 60, limits: DEFAULT_LIMITS };

/** The revision before the one in force is in force again. Returns the rollout of the latter, to be rolled back. */
async function backwards(tx: Queryable, desk: Desk, at: Instant): Promise<Rollout> {
  const inForce = await policyInForce(tx);
  const before = inForce === null ? null : await revisionBefore(tx, inForce.id);
  if (inForce === null || before === null) throw new InvalidInput([say`there is no policy revision to go back to`]);
  const { perSecond, watchSeconds, limits } = (await lastRollout(tx)) ?? USUAL_PACE;
  await putInForce(tx, before, at);
  const rollout: NewRollout = {
    from: before,
    to: inForce.id,
    stage: 'rolling-back',
    share: 0,
    salt: 0,
    canary: null,
    perSecond,
    watchSeconds,
    limits,
    startedAt: at,
    startedBy: desk.actor,
  };
  return insertRollout(tx, rollout);
}

/** The rollout under way, or the last one; null before the first. */
export async function rolloutStatus(q: Queryable): Promise<RolloutStatus | null> {
  const rollout = await lastRollout(q);
  return rollout === null ? null : statusOf(rollout);
}

/** Revisions, newest first; `before`: those older than this one. */
export function listRevisions(
  q: Queryable,
  { limit, before = null }: { readonly limit: number; readonly before?: number | null },
): Promise<RevisionRow[]> {
  return revisionRows(q, limit, before);
}

export type Revision = RevisionRow & {
  /** As its author wrote it; of a policy the program made, printed. */
  readonly text: string;
  readonly document: Policy;
};

/** One revision, meant in `zone`; null when there is none of this number. */
export async function revision(q: Queryable, id: number, zone?: string): Promise<Revision | null> {
  const stored = await storedRevision(q, id);
  if (stored === null) return null;
  const { source, ...row } = stored;
  const document = parsePolicy(row.document, zone);
  return { ...row, document, text: source ?? printPolicy(document, id) };
}
