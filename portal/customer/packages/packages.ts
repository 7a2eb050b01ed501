import type { FastifyReply } from 'fastify';
import { placePurchase } from '#operations/place-purchase';
import { previewPromo } from '#operations/promos';
import { type OfferedPlan, offer, priceOf } from '#portal/customer/offer';
import { type CustomerStanding, customerStanding } from '#portal/customer/standing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, wholeNumber } from '#portal/shared/forms';

export function packagesPage(doors: Doors): void {
  doors.customer('GET', '/prepaid/portal/packages', (context) =>
    list(context, 200, field(formOf(context.request.query), 'promo')),
  );

  doors.customer('POST', '/prepaid/portal/packages', async (context) => {
    const given = formOf(context.request.body);
    const planRevisionId = wholeNumber(field(given, 'plan'));
    const promo = field(given, 'promo');
    if (planRevisionId === null) return list(context, 422, promo, context.t('packages.choose'));
    const begins = field(given, 'begins') === 'now' ? 'now' : 'after';
    const { subscriberId } = context;
    const promoCode = promo === '' ? null : promo;
    const placed = await attempt(() =>
      placePurchase(context.desk, { subscriberId, planRevisionId, begins, promoCode }),
    );
    if (placed.faults !== undefined) {
      const aboutPromo = placed.faults.find((line) => /\bpromo ?code\b/i.test(line));
      return list(context, 422, promo, aboutPromo === undefined ? await refusal(context) : context.said(aboutPromo));
    }
    if (placed.done.grantId !== null) context.opened.live.wakeEnforcement();
    return context.redirect(`/prepaid/portal/orders/${placed.done.number}`);
  });
}

async function list(context: Context, status: number, typed: string, fault?: string): Promise<FastifyReply> {
  const [offered, standing] = await Promise.all([offer(context), customerStanding(context, context.subscriberId)]);
  const { plans, ...promo } = await withPromo(context, offered, typed);
  const title = context.t('packages.title');
  const model = {
    plans,
    typed,
    ...promo,
    fault,
    suspended: standing?.is === 'suspended',
    running: runningOf(context, standing),
  };
  return context.page('customer/packages/packages', model, { title, status });
}

/** The packages at their prices with a code; one that is for none of them is said to be so, and is not sent with an order. */
async function withPromo(context: Context, plans: readonly OfferedPlan[], code: string) {
  if (code === '') return { plans };
  const { db, desk, subscriberId } = context;
  const uses = plans.map(({ planId, priceRupiah }) =>
    attempt(() => previewPromo(db, desk, { code, planId, subscriberId, priceRupiah })),
  );
  const seen = await Promise.all(uses);
  const fault = seen.find((one) => one.faults !== undefined)?.faults[0] ?? context.t('packages.none');
  if (seen.every((one) => one.faults !== undefined)) return { plans, promoFault: context.said(fault) };
  const lower = (at: number, { priceRupiah }: OfferedPlan) => {
    const one = seen[at]!;
    if (one.faults !== undefined) return { notFor: true };
    return one.done.line.amountRupiah === 0
      ? {}
      : { lower: priceOf(context, priceRupiah + one.done.line.amountRupiah) };
  };
  return { plans: plans.map((plan, at) => ({ ...plan, ...lower(at, plan) })), promo: code.toUpperCase() };
}

/** The package that goes on still: where there is one, somebody who buys has to say when the new one begins. */
function runningOf(context: Context, standing: CustomerStanding | null) {
  if (standing === null || standing.coveredUntil === null || standing.entitlement.plan === null) return null;
  const { plan, leftBytes } = standing.entitlement;
  const until = context.format.dateTime(standing.coveredUntil);
  const spent = leftBytes === 0;
  return {
    text: context.t(spent ? 'packages.running-spent' : 'packages.running', {
      plan: plan.name,
      until,
      left: context.format.bytes(leftBytes),
    }),
    until,
    // With nothing left of it, waiting for its end would mean waiting without internet: `after` is at once then too.
    choose: !spent,
  };
}

/** The package was changed, taken off sale, or the line was suspended while the page was open. */
async function refusal(context: Context): Promise<string> {
  const standing = await customerStanding(context, context.subscriberId);
  return context.t(standing?.is === 'suspended' ? 'packages.suspended' : 'packages.gone');
}
