import type { FastifyReply } from 'fastify';
import { placePurchase } from '#operations/place-purchase';
import { offer } from '#portal/customer/offer';
import { type CustomerStanding, customerStanding } from '#portal/customer/standing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, wholeNumber } from '#portal/shared/forms';

export function packagesPage(doors: Doors): void {
  doors.customer('GET', '/prepaid/portal/packages', (context) => list(context, 200));

  doors.customer('POST', '/prepaid/portal/packages', async (context) => {
    const given = formOf(context.request.body);
    const planRevisionId = wholeNumber(field(given, 'plan'));
    if (planRevisionId === null) return list(context, 422, context.t('packages.choose'));
    const begins = field(given, 'begins') === 'now' ? 'now' : 'after';
    const placed = await attempt(() =>
      placePurchase(context.desk, { subscriberId: context.subscriberId, planRevisionId, begins }),
    );
    if (placed.faults !== undefined) return list(context, 422, await refusal(context));
    if (placed.done.grantId !== null) context.opened.live.wakeEnforcement();
    return context.redirect(`/prepaid/portal/orders/${placed.done.number}`);
  });
}

async function list(context: Context, status: number, fault?: string): Promise<FastifyReply> {
  const [plans, standing] = await Promise.all([offer(context), customerStanding(context, context.subscriberId)]);
  const title = context.t('packages.title');
  const model = { plans, fault, suspended: standing?.is === 'suspended', running: runningOf(context, standing) };
  return context.page('customer/packages/packages', model, { title, status });
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
