import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { sameRate } from '#domain/plan';
import { say } from '#domain/say';
import { oddBurst, offerFields, speedFields } from '#operations/add-plan';
import type { Desk } from '#operations/desk';
import { entityName } from '#operations/fields';
import { parseInput } from '#operations/input';
import { withoutBlanks } from '#operations/speed-profiles';
import { change } from '#storage/change';
import { type Queryable, violatedConstraint } from '#storage/database';
import {
  addRevisionOf,
  createPlan,
  findPlan,
  type ListedPlan,
  type PlanOffer,
  type PlanTerms,
  updatePlanOffer,
} from '#storage/plans';
import { findSpeedProfile } from '#storage/speed-profiles';

/** How a plan is offered. */
const saleFields = {
  name: entityName('20GB - 20Mbps'),
  description: z
    .string()
    .regex(/^[^\p{Cc}]*$/u)
    .max(300)
    .default('')
    .describe(say`a text of at most 300 characters, for example Cocok untuk keluarga`),
  onPortal: z
    .preprocess((given) => (given === 'true' || given === 'on' ? true : given === 'false' ? false : given), z.boolean())
    .default(true)
    .describe(say`true or false`),
  position: z.coerce
    .number()
    .int()
    .min(-10_000)
    .max(10_000)
    .default(0)
    .describe(say`a whole number: plans with a smaller one come first, for example 10`),
};

const speedProfileId = z.coerce.number().int().positive().describe(say`one of the speed profiles`);

/** With speeds of its own, or with those of a speed profile. */
export const savePlanSchema = z.object({ ...saleFields, ...speedFields, ...offerFields });
export const savePlanWithProfileSchema = z.object({
  ...saleFields,
  speedProfileId,
  profile: speedFields.profile,
  ...offerFields,
});

export type SavedPlan = {
  readonly id: number;
  readonly name: string;
  readonly revision: number;
  /** The terms changed, so that this revision was made now; what was sold keeps its own. */
  readonly newRevision: boolean;
  readonly warnings: readonly string[];
};

/**
 * Saves a plan, a new one when `id` is null. Speeds come from `speedProfileId` when it is given (with the PPP profile
 * of it unless `profile` names another), else from `down`, `up` and `burst`. Another name, description or place in the
 * offer changes the plan; other terms make its next revision.
 *
 * @throws InvalidInput for wrong fields, a name that is taken, a plan or speed profile that is no more
 */
export async function savePlan(
  desk: Desk,
  { id, ...input }: { readonly id: number | null } & Readonly<Record<string, unknown>>,
): Promise<SavedPlan> {
  const given = withoutBlanks(input);
  const read = given.speedProfileId === undefined || given.speedProfileId === null ? ownSpeeds(given) : null;
  const lent = read === null ? parseInput(savePlanWithProfileSchema, given) : null;
  const { name, description, onPortal, position, quota, period, price } = read ?? lent!;
  return write(desk, id, name, async (tx) => {
    const speeds = lent === null ? read!.speeds : await speedsOf(tx, lent.speedProfileId, lent.profile);
    return {
      offer: { name, description, onPortal, position },
      terms: { allowanceBytes: quota, period, priceRupiah: price, ...speeds },
      speedProfileId: lent?.speedProfileId ?? null,
    };
  });
}

const optional = <Schema extends z.ZodType>(schema: Schema) => schema.optional().describe(schema.description ?? '');
const { shape } = savePlanSchema;

/** Any of the fields of `savePlan` with speeds of its own; '' takes burst, quota, profile or description out. */
export const editPlanSchema = z.object({
  name: optional(shape.name),
  description: optional(shape.description.unwrap().describe(shape.description.description!)),
  onPortal: optional(shape.onPortal.unwrap().describe(shape.onPortal.description!)),
  position: optional(shape.position.unwrap().describe(shape.position.description!)),
  down: optional(shape.down),
  up: optional(shape.up),
  burst: orNone(shape.burst.unwrap(), shape.burst),
  profile: orNone(shape.profile.unwrap(), shape.profile),
  quota: orNone(shape.quota.unwrap(), shape.quota),
  period: optional(shape.period),
  price: optional(shape.price),
});

function orNone<Schema extends z.ZodType>(schema: Schema, described: z.ZodType) {
  return z
    .preprocess((given) => (given === '' ? null : given), schema)
    .optional()
    .describe(described.description!);
}

/**
 * Changes the given fields of a plan and leaves the others. Speeds that are given make the plan's speeds its own.
 *
 * @throws InvalidInput for wrong fields, a name that is taken, a plan that is no more
 */
export async function editPlan(
  desk: Desk,
  { id, ...input }: { readonly id: number } & Readonly<Record<string, unknown>>,
): Promise<SavedPlan> {
  const given = parseInput(editPlanSchema, input);
  const ownSpeeds = given.down !== undefined || given.up !== undefined || given.burst !== undefined;
  return write(desk, id, given.name ?? '', async (_tx, before) => {
    const was = before!;
    const { burst = was.rate.burst, profile = was.profile, quota = was.allowanceBytes } = given;
    return {
      offer: {
        name: given.name ?? was.name,
        description: given.description ?? was.description,
        onPortal: given.onPortal ?? was.onPortal,
        position: given.position ?? was.position,
      },
      terms: {
        rate: { downloadBps: given.down ?? was.rate.downloadBps, uploadBps: given.up ?? was.rate.uploadBps, burst },
        allowanceBytes: quota,
        period: given.period ?? was.period,
        priceRupiah: given.price ?? was.priceRupiah,
        profile,
      },
      speedProfileId: ownSpeeds ? null : was.speedProfileId,
    };
  });
}

type Found = Omit<ListedPlan, 'grantsInForce'>;
type Wanted = { readonly offer: PlanOffer; readonly terms: PlanTerms; readonly speedProfileId: number | null };

/** `wanted` is asked with the plan as it is, locked; null for a new one. */
async function write(
  desk: Desk,
  id: number | null,
  name: string,
  wanted: (tx: Queryable, before: Found | null) => Promise<Wanted>,
): Promise<SavedPlan> {
  const detail: Record<string, unknown> = {};
  try {
    return await change(desk.db, { actor: desk.actor, why: 'save plan', detail }, async (tx) => {
      const before = id === null ? null : ((await findPlan(tx, { id }, 'lock')) ?? noSuchPlan());
      const { offer, terms, speedProfileId } = await wanted(tx, before);
      const planId = before?.planId ?? (await createPlan(tx, offer.name)) ?? nameTaken(offer.name);
      await updatePlanOffer(tx, planId, offer);
      const newRevision = before === null || !sameTerms(before, terms) || before.speedProfileId !== speedProfileId;
      const revision = newRevision ? await addRevisionOf(tx, planId, terms, speedProfileId) : before.revision;
      Object.assign(detail, { id: planId, name: offer.name, revision, before, after: { ...offer, ...terms } });
      return { id: planId, name: offer.name, revision, newRevision, warnings: oddBurst(terms.rate) };
    });
  } catch (error) {
    if (violatedConstraint(error) === 'plan_name_key') nameTaken(name);
    throw error;
  }
}

function ownSpeeds(given: Readonly<Record<string, unknown>>) {
  const { speedProfileId: _, ...rest } = given;
  const { down, up, burst, profile, ...plan } = parseInput(savePlanSchema, rest);
  return { ...plan, speeds: { rate: { downloadBps: down, uploadBps: up, burst }, profile } };
}

async function speedsOf(
  q: Queryable,
  id: number,
  profile: string | null,
): Promise<Pick<PlanTerms, 'rate' | 'profile'>> {
  const found = await findSpeedProfile(q, id);
  if (found === null) throw new InvalidInput([say`speedProfileId: this speed profile is no more; choose another`]);
  return { rate: found.rate, profile: profile ?? found.profile };
}

function sameTerms(one: Found, other: PlanTerms): boolean {
  return (
    sameRate(one.rate, other.rate) &&
    one.profile === other.profile &&
    one.allowanceBytes === other.allowanceBytes &&
    one.priceRupiah === other.priceRupiah &&
    JSON.stringify(one.period) === JSON.stringify(other.period)
  );
}

function nameTaken(name: string): never {
  throw new InvalidInput([say`name "${name}" belongs to another plan; give another name, or edit that plan`]);
}

function noSuchPlan(): never {
  throw new InvalidInput([say`this plan is no more; go back to the list`]);
}
