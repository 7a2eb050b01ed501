import { isMonthly } from '#domain/plan';
import { HOUR, type Instant } from '#domain/time';
import type { Context } from '#portal/shared/context';
import { type PortalPlan, plansForPortal } from '#storage/plans';

/** A package as customers read it: every value in words already. */
export type OfferedPlan = {
  readonly planId: number;
  readonly revisionId: number;
  readonly name: string;
  readonly description: string;
  readonly priceRupiah: number;
  readonly price: string;
  readonly period: string;
  readonly quota: string;
  readonly speed: string;
  /** What a GB costs, or a day of a package without limit; null of a free one. */
  readonly unitPrice: string | null;
  /** Bought most often of all in the last 90 days. */
  readonly mostBought: boolean;
  /** A subscription can be billed for it. */
  readonly monthly: boolean;
};

/** What is for sale, in the order of the offer. */
export async function offer(context: Context): Promise<OfferedPlan[]> {
  const plans = await plansForPortal(context.db, context.now);
  const most = Math.max(...plans.map((plan) => plan.soldLast90Days));
  const best = plans.length > 1 && most > 0 ? plans.find((plan) => plan.soldLast90Days === most) : undefined;
  return plans.map((plan) => offered(context, plan, plan === best));
}

function offered(context: Context, plan: PortalPlan, mostBought: boolean): OfferedPlan {
  const { format } = context;
  const { downloadBps, uploadBps } = plan.rate;
  return {
    planId: plan.planId,
    revisionId: plan.revisionId,
    name: plan.name,
    description: plan.description,
    priceRupiah: plan.priceRupiah,
    price: priceOf(context, plan.priceRupiah),
    period: periodOf(context, plan),
    quota: format.bytes(plan.allowanceBytes),
    speed:
      downloadBps === uploadBps
        ? format.rate(downloadBps)
        : context.t('packages.both-speeds', { down: format.rate(downloadBps), up: format.rate(uploadBps) }),
    unitPrice: unitPriceOf(context, plan),
    mostBought,
    monthly: isMonthly(plan.period),
  };
}

export const priceOf = (context: Context, rupiah: number): string =>
  rupiah === 0 ? context.t('packages.free') : context.format.rupiah(rupiah);

const periodOf = (context: Context, { period }: PortalPlan): string =>
  'days' in period
    ? context.t('shared.span-days', { count: period.days })
    : context.t('packages.months', { count: period.months });

/** Rounded to what is said in a shop: whole tens. */
const roundRupiah = (amount: number): number => Math.max(10, Math.round(amount / 10) * 10);

function unitPriceOf(context: Context, { priceRupiah, allowanceBytes, period }: PortalPlan): string | null {
  if (priceRupiah === 0) return null;
  if (allowanceBytes !== null) {
    const price = context.format.rupiah(roundRupiah(priceRupiah / (allowanceBytes / 2 ** 30)));
    return context.t('packages.per-gb', { price });
  }
  const days = 'days' in period ? period.days : period.months * 30;
  return context.t('packages.per-day', { price: context.format.rupiah(roundRupiah(priceRupiah / days)) });
}

/** How long is left, as it stands in a ring: days, in the last two days hours. */
export function leftInWords(context: Context, until: Instant): string {
  const ms = until - context.now;
  if (ms >= 48 * HOUR) return context.t('shared.span-days', { count: Math.floor(ms / (24 * HOUR)) });
  return ms >= HOUR
    ? context.t('shared.span-hours', { count: Math.floor(ms / HOUR) })
    : context.t('shared.span-minutes', { count: Math.max(1, Math.ceil(ms / 60_000)) });
}
