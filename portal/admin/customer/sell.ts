import type { FastifyReply } from 'fastify';
import type { Period } from '#domain/plan';
import { newPurchaseNumber } from '#operations/place-purchase';
import { sellPackage } from '#operations/sell-package';
import { navigationKey, noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { type ListedPlan, planOffers } from '#storage/plans';
import type { SubscriberProfile } from '#storage/subscriber-profile';
import { whyOffline } from '#storage/timeline';

/** Selling a package over the counter. */
export function sellRoutes(doors: Doors): void {
  doors.staff('GET', '/customers/:id/sell', 'money', async (context) => {
    const profile = await profileOf(context);
    return profile === null ? noSuchCustomer(context) : sellForm(context, profile, {});
  });

  doors.staff('POST', '/customers/:id/sell', 'money', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const form = formOf(context.request.body);
    if (field(form, 'plan') === '') return sellForm(context, profile, form, [context.t('customer.choose-plan')]);
    const sold = await attempt(() =>
      sellPackage(context.desk, {
        subscriberId: profile.id,
        planRevisionId: field(form, 'plan'),
        begins: field(form, 'begins') || 'after',
        method: field(form, 'method'),
        note: field(form, 'note'),
        // The form carries the number of its sale: sent twice, it sells once.
        number: field(form, 'number') || null,
      }),
    );
    if (sold.faults !== undefined) return sellForm(context, profile, form, sold.faults);
    context.opened.live.wakeEnforcement();
    const { from, until, number } = sold.done;
    const key = from > context.now ? 'customer.sold-later' : 'customer.sold';
    const { format } = context;
    const text = context.t(key, { from: format.dateTime(from), until: format.dateTime(until), number });
    return context.redirect(`/customers/${profile.id}`, { kind: 'good', text });
  });
}

async function sellForm(
  context: Context,
  profile: SubscriberProfile,
  form: Form,
  faults?: readonly string[],
): Promise<FastifyReply> {
  const [all, why] = await Promise.all([planOffers(context.db), whyOffline(context.db, profile.id, context.now)]);
  const onSale = all
    .filter((plan) => !plan.retired)
    .sort((one, other) => one.position - other.position || one.priceRupiah - other.priceRupiah);
  const chosen = field(form, 'plan');
  const covered = why !== null && why.bought.leftBytes !== 0;
  const title = context.t('customer.sell-title', { name: shownName(profile) });
  return context.page(
    'admin/customer/sell',
    {
      title,
      profile,
      faults,
      number: field(form, 'number') || newPurchaseNumber(),
      plans: onSale.map((plan) => planRow(context, plan, chosen)),
      covered,
      endsAt: why?.bought.endsAt ?? null,
      begins: field(form, 'begins') || 'after',
      method: field(form, 'method') || 'cash',
      note: field(form, 'note'),
      mayPlan: context.allowed('plans'),
    },
    { title, active: navigationKey(profile), status: faults === undefined ? 200 : 422 },
  );
}

function planRow(context: Context, plan: Omit<ListedPlan, 'grantsInForce'>, chosen: string) {
  const { revisionId, name, priceRupiah, allowanceBytes, rate, onPortal } = plan;
  const parts = [
    periodWords(context, plan.period),
    context.format.bytes(allowanceBytes),
    context.format.rate(rate.downloadBps),
  ];
  return { revisionId, name, priceRupiah, onPortal, terms: parts.join(' · '), chosen: String(revisionId) === chosen };
}

export const periodWords = (context: Context, period: Period): string =>
  'days' in period
    ? context.t('customer.period-days', { count: period.days })
    : context.t('customer.period-months', { count: period.months });
