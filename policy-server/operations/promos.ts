import { z } from 'zod';
import { discountOf, type InvoiceLine, type Rupiah } from '#domain/billing';
import { InvalidInput } from '#domain/errors';
import { parseRupiah } from '#domain/money';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { beginning, ending, parsedBy, rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { withoutBlanks } from '#operations/speed-profiles';
import { change } from '#storage/change';
import { type Queryable, violatedConstraint } from '#storage/database';
import { insertPromo, type Promo, promoByCode, setPromoDisabled, usesOf } from '#storage/promos';

const printedCode = (text: string): string => text.trim().toUpperCase();

export const promoCode = z
  .string()
  .transform(printedCode)
  .refine((code) => /^[A-Z0-9][A-Z0-9-]{1,30}$/.test(code))
  .describe(say`a code of 2 to 31 letters, digits and dashes, for example HEMAT50`);

/** What somebody wants a discount on. */
export type PromoUse = {
  readonly code: string;
  readonly planId: number;
  readonly subscriberId: number;
  /** The price before it, without a tax that is added. */
  readonly priceRupiah: Rupiah;
};

export type Discount = { readonly promoId: number; readonly line: InvoiceLine };

/**
 * Gives a promo's discount in the caller's transaction, the subscriber locked: the line is for the invoice, and `promoId`
 * is its `promo_id`, by which uses are counted. The promo's row stays locked until the commit, so that its limits hold
 * however many order at the same moment.
 *
 * @throws InvalidInput when the code is none, is not for this plan or not now, or is used up (by all, or by them)
 */
export const applyPromo = (tx: Queryable, desk: Pick<Desk, 'clock'>, use: PromoUse): Promise<Discount> =>
  discount(tx, desk, use, 'lock');

/** What `applyPromo` would give their next order, which cancels the one that waits; nothing is kept for them. Throws like it. */
export const previewPromo = (q: Queryable, desk: Pick<Desk, 'clock'>, use: PromoUse): Promise<Discount> =>
  discount(q, desk, use, 'read');

async function discount(
  q: Queryable,
  { clock }: Pick<Desk, 'clock'>,
  { code: given, planId, subscriberId, priceRupiah }: PromoUse,
  lock: 'lock' | 'read',
): Promise<Discount> {
  const code = printedCode(given);
  const now = clock();
  const promo = await promoByCode(q, code, lock);
  if (promo === null || promo.disabledAt !== null) throw new InvalidInput([say`there is no promo code "${code}"`]);
  const uses = await usesOf(q, promo.id, subscriberId, now, lock === 'lock' ? 'now' : 'next');
  const fault = unusable(promo, planId, uses, now);
  if (fault !== null) throw new InvalidInput([fault]);
  const amountRupiah = -discountOf(promo, priceRupiah);
  return {
    promoId: promo.id,
    line: { kind: 'discount', description: `Promo ${code}`, planRevisionId: null, amountRupiah },
  };
}

function unusable(promo: Promo, planId: number, uses: { all: number; own: number }, now: number): string | null {
  const { code } = promo;
  if (now < promo.startsAt) return say`the promo code "${code}" is not valid yet`;
  if (now >= promo.endsAt) return say`the promo code "${code}" is over`;
  if (promo.planIds.length > 0 && !promo.planIds.includes(planId)) {
    return say`the promo code "${code}" is for other packages`;
  }
  if (uses.own >= promo.mostUsesEach) return say`you have used the promo code "${code}" already`;
  if (promo.mostUses !== null && uses.all >= promo.mostUses) return say`the promo code "${code}" is used up`;
  return null;
}

const times = z.coerce
  .number()
  .int()
  .min(1)
  .max(1_000_000)
  .describe(say`how many times, 1 to 1000000, for example 100`);

/** A promo as staff give it: `percent` or `fixed`, one of them. */
export const addPromoSchema = (zone: string) =>
  z.object({
    code: promoCode,
    percent: z.coerce
      .number()
      .int()
      .min(1)
      .max(100)
      .nullable()
      .default(null)
      .describe(say`whole percent, 1 to 100, for example 20`),
    fixed: parsedBy(parseRupiah, say`an amount in whole rupiah, for example 25000`)
      .refine((rupiah) => rupiah > 0)
      .nullable()
      .default(null)
      .describe(say`an amount in whole rupiah, for example 25000`),
    mostUses: times.nullable().default(null).describe(times.description!),
    mostUsesEach: times.default(1).describe(times.description!),
    from: beginning(zone).nullable().default(null).describe(beginning(zone).description!),
    until: ending(zone),
    planIds: z.array(rowNumber('a plan')).default([]).describe(say`the plans it is for; none = all`),
  });

/**
 * Adds a promo code, good from now or from `from` on.
 *
 * @throws InvalidInput for wrong fields, a code that is taken, both or neither of percent and fixed, an end before its beginning
 */
export async function addPromo(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<{ readonly id: number }> {
  const given = parseInput(addPromoSchema(desk.zone), withoutBlanks(input));
  const at = desk.clock();
  const { code, percent, fixed: fixedRupiah, mostUses, mostUsesEach, until: endsAt, planIds } = given;
  const startsAt = given.from ?? at;
  const faults: string[] = [];
  if ((percent === null) === (fixedRupiah === null)) faults.push(say`give a percentage or an amount, one of the two`);
  if (endsAt <= startsAt || endsAt <= at) faults.push(say`until is not after from, or is over already`);
  if (faults.length > 0) throw new InvalidInput(faults);
  const promo = { code, percent, fixedRupiah, mostUses, mostUsesEach, startsAt, endsAt, planIds };
  const why = { actor: desk.actor, why: 'add promo', detail: promo };
  try {
    return await change(desk.db, why, async (tx) => ({ id: await insertPromo(tx, promo, at, desk.actor) }));
  } catch (error) {
    if (violatedConstraint(error) !== 'promo_code_key') throw error;
    throw new InvalidInput([say`the code "${code}" belongs to another promo; give another one`]);
  }
}

/**
 * Takes a promo out of use, or back into it. Invoices that have it keep it.
 *
 * @throws InvalidInput when there is no such promo
 */
export async function disablePromo(desk: Desk, id: number, disabled: boolean): Promise<{ readonly code: string }> {
  const detail: Record<string, unknown> = {};
  const why = { actor: desk.actor, why: disabled ? 'disable promo' : 'enable promo', detail };
  return change(desk.db, why, async (tx) => {
    const promo = await setPromoDisabled(tx, id, disabled ? desk.clock() : null);
    if (promo === null) throw new InvalidInput([say`there is no such promo`]);
    detail.code = promo.code;
    return { code: promo.code };
  });
}
