import type { FastifyReply } from 'fastify';
import { startOf } from '#domain/billing';
import { isMonthly } from '#domain/plan';
import { localDate } from '#domain/time';
import { type ChangePreview, placeChange, previewChange } from '#operations/change-package';
import { endSubscription, subscribe } from '#operations/subscriptions';
import { navigationKey, noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import { periodWords } from '#portal/admin/customer/sell';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { openInvoices, stateOf } from '#storage/invoices';
import { type ListedPlan, planOffers } from '#storage/plans';
import type { SubscriberProfile } from '#storage/subscriber-profile';
import { lastSubscription, subscriptionOf } from '#storage/subscriptions';

type OnProfile = (context: Context, profile: SubscriberProfile) => Promise<FastifyReply>;

/** The subscription of a postpaid line: start, end, and a change of package with what it costs before it is accepted. */
export function subscriptionRoutes(doors: Doors): void {
  const door = (method: 'GET' | 'POST', path: string, work: OnProfile) =>
    doors.staff(method, `/customers/:id/subscription${path}`, 'money', async (context) => {
      const profile = await profileOf(context);
      return profile === null ? noSuchCustomer(context) : work(context, profile);
    });
  door('GET', '', (context, profile) => startForm(context, profile, {}));
  door('POST', '', start);
  door('GET', '/ending', (context, profile) => endForm(context, profile));
  door('POST', '/ending', end);
  door('GET', '/change', (context, profile) => changeForm(context, profile, formOf(context.request.query)));
  door('POST', '/change', changePackage);
}

/** What the page of a postpaid customer shows of it. */
export async function subscriptionModel(context: Context, { id, billing }: SubscriberProfile) {
  const { db, parts, now } = context;
  if (billing !== 'postpaid') return null;
  const [running, last, open] = await Promise.all([
    subscriptionOf(db, id),
    lastSubscription(db, id),
    openInvoices(db, id, 'period'),
  ]);
  return {
    id,
    running: running === null ? null : { ...running, nextAt: startOf(running.nextOn, parts.zone) },
    last,
    owedRupiah: open.reduce((sum, { owedRupiah }) => sum + owedRupiah, 0),
    overdue: open.some((invoice) => stateOf(invoice, now) === 'overdue'),
    may: context.allowed('money'),
  };
}

async function start(context: Context, profile: SubscriberProfile): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  if (field(form, 'plan') === '') return startForm(context, profile, form, [context.t('customer.choose-plan')]);
  const started = await attempt(() =>
    subscribe(context.desk, {
      subscriberId: profile.id,
      planId: field(form, 'plan'),
      billingDay: field(form, 'billingDay') || null,
      startsOn: field(form, 'startsOn') || null,
    }),
  );
  if (started.faults !== undefined) return startForm(context, profile, form, started.faults);
  const { plan, nextOn } = started.done;
  const at = context.format.date(startOf(nextOn, context.parts.zone));
  return done(context, profile, context.t('subscription.started', { plan, at }));
}

async function startForm(
  context: Context,
  profile: SubscriberProfile,
  form: Form,
  faults?: readonly string[],
): Promise<FastifyReply> {
  const model = {
    plans: await planRows(context, field(form, 'plan')),
    billingDay: field(form, 'billingDay'),
    startsOn: field(form, 'startsOn') || localDate(context.now, context.parts.zone),
  };
  return page(context, profile, 'subscription-start', model, faults);
}

async function end(context: Context, profile: SubscriberProfile): Promise<FastifyReply> {
  const when = field(formOf(context.request.body), 'when');
  const ended = await attempt(() => endSubscription(context.desk, { subscriberId: profile.id, when }));
  if (ended.faults !== undefined) return endForm(context, profile, ended.faults);
  const { until, creditRupiah, plan } = ended.done;
  const values = { plan, at: until === null ? '' : context.format.dateTime(until) };
  const credit =
    creditRupiah > 0 ? context.t('subscription.became-credit', { amount: rupiah(context, creditRupiah) }) : '';
  const key = until !== null && until > context.now ? 'subscription.ended-later' : 'subscription.ended';
  return done(context, profile, `${context.t(key, values)} ${credit}`.trim());
}

async function endForm(
  context: Context,
  profile: SubscriberProfile,
  faults?: readonly string[],
): Promise<FastifyReply> {
  const running = await subscriptionOf(context.db, profile.id);
  if (running === null) return none(context, profile);
  const model = { running, periodEnd: startOf(running.nextOn, context.parts.zone), begun: running.grantId !== null };
  return page(context, profile, 'subscription-end', model, faults);
}

async function changePackage(context: Context, profile: SubscriberProfile): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const placed = await attempt(() =>
    placeChange(context.desk, { ...askOf(profile, form), expectedTotalRupiah: field(form, 'total') }),
  );
  if (placed.faults !== undefined) return changeForm(context, profile, form, placed.faults);
  const { totalRupiah } = placed.done;
  const amount = rupiah(context, totalRupiah);
  return done(
    context,
    profile,
    context.t(totalRupiah === 0 ? 'subscription.changed' : 'subscription.ordered', { amount }),
  );
}

const askOf = ({ id }: SubscriberProfile, form: Form) => ({
  subscriberId: id,
  planId: field(form, 'plan'),
  promoCode: field(form, 'promo') || null,
});

/** First the plans; with one of them chosen, what the change to it comes to, and the button that accepts just that. */
async function changeForm(
  context: Context,
  profile: SubscriberProfile,
  form: Form,
  faults: readonly string[] = [],
): Promise<FastifyReply> {
  const running = await subscriptionOf(context.db, profile.id);
  if (running === null && profile.billing === 'postpaid') return none(context, profile);
  const chosen = field(form, 'plan');
  const shown = chosen === '' ? null : await attempt(() => previewChange(context.desk, askOf(profile, form)));
  const preview = shown === null || shown.faults !== undefined ? null : previewModel(context, shown.done);
  const all = [...faults, ...(shown?.faults ?? [])];
  const plans = (await planRows(context, chosen)).filter(({ planId }) => planId !== running?.planId);
  const model = { plans, running, chosen, promo: field(form, 'promo'), preview };
  return page(context, profile, 'subscription-change', model, all.length === 0 ? undefined : all);
}

const previewModel = (context: Context, preview: ChangePreview) => ({
  ...preview,
  tax: preview.taxRupiah > 0 ? preview.taxRupiah : null,
  credit: preview.creditRupiah > 0 ? preview.creditRupiah : null,
  nextAt: preview.next === null ? null : startOf(preview.next.on, context.parts.zone),
});

async function planRows(context: Context, chosen: string) {
  const onSale = (await planOffers(context.db)).filter((plan) => !plan.retired && isMonthly(plan.period));
  return onSale
    .sort((one, other) => one.position - other.position || one.priceRupiah - other.priceRupiah)
    .map((plan) => planRow(context, plan, chosen));
}

function planRow(context: Context, plan: Omit<ListedPlan, 'grantsInForce'>, chosen: string) {
  const { planId, name, priceRupiah, allowanceBytes, rate } = plan;
  const { format } = context;
  const terms = [periodWords(context, plan.period), format.bytes(allowanceBytes), format.rate(rate.downloadBps)];
  return { planId, name, priceRupiah, terms: terms.join(' · '), chosen: String(planId) === chosen };
}

const rupiah = (context: Context, amount: number): string => context.format.rupiah(amount);

function page(
  context: Context,
  profile: SubscriberProfile,
  template: 'subscription-start' | 'subscription-end' | 'subscription-change',
  model: object,
  faults?: readonly string[],
): Promise<FastifyReply> {
  const title = context.t(`subscription.${template.slice('subscription-'.length)}-title`, { name: shownName(profile) });
  const status = faults === undefined ? 200 : 422;
  return context.page(
    `admin/customer/${template}`,
    { title, profile, faults, ...model },
    { title, active: navigationKey(profile), status },
  );
}

function done(context: Context, profile: SubscriberProfile, text: string): FastifyReply {
  context.opened.live.wakeEnforcement();
  return context.redirect(`/customers/${profile.id}`, { kind: 'good', text });
}

const none = async (context: Context, profile: SubscriberProfile): Promise<FastifyReply> =>
  context.redirect(`/customers/${profile.id}`, { kind: 'bad', text: context.t('subscription.none') });
