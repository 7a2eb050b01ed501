import { z } from 'zod';
import { addDays, type InvoiceLine, type LocalDate, type Rupiah, restOf, startOf } from '#domain/billing';
import { InvalidInput } from '#domain/errors';
import { printRupiah } from '#domain/money';
import { type Language, printLocalDate } from '#domain/print-local';
import { billingPeriod, giveBack, minuteOf, periodCharge } from '#domain/proration';
import { say } from '#domain/say';
import { addPeriod, type Instant, localDate, MINUTE } from '#domain/time';
import { actingSubscriber, type Desk } from '#operations/desk';
import { rowNumber } from '#operations/fields';
import { grantPurchase } from '#operations/grant-purchase';
import { giveCredit, type Moment, withTax, worthOf } from '#operations/held';
import { parseInput } from '#operations/input';
import { issueInvoice } from '#operations/issue-invoice';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { lockBuyer, newPurchaseNumber, PURCHASE_WAITS_MS } from '#operations/place-purchase';
import { applyPromo, previewPromo } from '#operations/promos';
import { payFromCredit, settleFromCredit } from '#operations/receive-payment';
import { spanWords } from '#operations/run-invoices';
import { refuseUnlessMonthly } from '#operations/subscriptions';
import { type ChangeTransaction, change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { type HeldGrant, heldGrants } from '#storage/held-grants';
import { type IssuedInvoice, lockInvoice } from '#storage/invoices';
import { findPlan, type ListedPlan } from '#storage/plans';
import { cancelWaiting, insertPurchase, lockPurchase } from '#storage/purchases';
import { readSettings } from '#storage/settings';
import { findSubscriberAccount, type SubscriberAccount } from '#storage/subscribers';
import { type Subscription, setSubscriptionPlan, subscriptionOf } from '#storage/subscriptions';

/** What a change of package would come to, as it is shown before it is accepted. */
export type ChangePreview = {
  readonly billing: 'prepaid' | 'postpaid';
  /** What runs now; null where nothing does. */
  readonly from: { readonly plan: string; readonly until: Instant } | null;
  readonly to: { readonly planId: number; readonly plan: string };
  /** The new package, what is off it by a promo, and what is given back for the rest of the old one; without the tax. */
  readonly lines: readonly InvoiceLine[];
  readonly taxRupiah: Rupiah;
  /** To be paid before it begins; zero: it begins at once. */
  readonly totalRupiah: Rupiah;
  /** What the rest of the old package is worth beyond the new one: it becomes credit of the customer. */
  readonly creditRupiah: Rupiah;
  readonly begins: Instant;
  /** How long the new one lasts: of a subscription to the end of the period that runs. */
  readonly until: Instant;
  /** Of a subscription: the next invoice, at the price of today. */
  readonly next: { readonly on: LocalDate; readonly rupiah: Rupiah } | null;
};

const askSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  planId: rowNumber('a plan'),
  promoCode: z.string().trim().max(100).nullable().default(null).describe(say`a promo code, or nothing`),
});

const placeSchema = askSchema.extend({
  expectedTotalRupiah: z.coerce.number().int().min(0).describe(say`the total as it was shown, in whole rupiah`),
});
type Ask = z.output<typeof askSchema>;

/**
 * What it would cost to change to another package now. Prepaid: the new package for its whole period, less the rest of all
 * that was bought and is not over, by time or, of a limited package, by data where less of that is left. Postpaid: the rest
 * of the period on the new plan, less the rest of it on the old one. Never below zero: what the rest is worth beyond it is
 * credit. The price of a rest follows the time, of a subscription minute by minute, of a package in begun hours.
 *
 * @throws InvalidInput when there is no such subscriber or plan, it is the plan they have, or a postpaid line has no
 * subscription; for a promo code as `applyPromo`
 */
export async function previewChange(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<ChangePreview> {
  const ask = parseInput(askSchema, input);
  const self = actingSubscriber(desk);
  const mayAsk = self === null || self === ask.subscriberId;
  const subscriber = mayAsk ? await findSubscriberAccount(desk.db, ask.subscriberId) : null;
  const { preview } = await quote(
    desk.db,
    desk,
    subscriber ?? noSubscriberOfNumber(ask.subscriberId),
    ask,
    minuteOf(desk.clock()),
    previewPromo,
  );
  return preview;
}

export type PlacedChange = {
  /** Null where only the plan of a subscription changes that has not begun. */
  readonly purchaseNumber: string | null;
  readonly invoicePublicId: string | null;
  readonly totalRupiah: Rupiah;
};

/**
 * Orders the change as it was shown; it happens when its invoice is paid, and at once where nothing is to be paid. What was
 * ordered before and not paid is cancelled. A price that was shown is kept for ten minutes.
 *
 * @throws InvalidInput as `previewChange`, and when the price is another one by now
 */
export async function placeChange(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<PlacedChange> {
  const { expectedTotalRupiah, ...ask } = parseInput(placeSchema, input);
  const detail: Record<string, unknown> = {};
  const { subscriberId } = ask;
  return change(desk.db, { actor: desk.actor, why: 'change package', subscriberId, detail }, async (tx) => {
    const subscriber = await lockBuyer(tx, desk, subscriberId);
    const quoted = (pricedAt: Instant) => quote(tx, desk, subscriber, ask, pricedAt, applyPromo);
    const accepted = await asShown(quoted, minuteOf(desk.clock()), expectedTotalRupiah);
    const placed = await place(tx, desk, subscriber, accepted);
    const { from, to } = accepted.preview;
    Object.assign(detail, { username: subscriber.username, from: from?.plan ?? null, to: to.plan, ...placed });
    return placed;
  });
}

/** For so long a price that was shown is kept. */
const KEPT_MINUTES = 10;

/** The quote of the latest minute in which the total was the one that was shown. */
async function asShown(
  quoted: (pricedAt: Instant) => Promise<Quote>,
  now: Instant,
  totalRupiah: Rupiah,
): Promise<Quote> {
  const current = await quoted(now);
  for (let one = current, back = 1; ; back += 1) {
    if (one.preview.totalRupiah === totalRupiah) return one;
    if (back > KEPT_MINUTES) break;
    one = await quoted(now - back * MINUTE);
  }
  const price = printRupiah(current.preview.totalRupiah);
  throw new InvalidInput([say`the price of this change is ${price} by now; look at it again`]);
}

/** A preview with what is needed to place it. */
type Quote = {
  readonly preview: ChangePreview;
  readonly revisionId: number;
  /** Of the new package alone. */
  readonly priceRupiah: Rupiah;
  readonly replaces: readonly number[];
  /** Where the new package ends; null: after its period. */
  readonly endsAt: Instant | null;
  readonly promoId: number | null;
  /** Without a tax that is added. */
  readonly overRupiah: Rupiah;
  readonly subscription: Subscription | null;
};

/** What is had, and what of it goes. */
type Standing = { readonly subscription: Subscription | null; readonly grants: readonly HeldGrant[] };

async function quote(
  q: Queryable,
  desk: Desk,
  subscriber: SubscriberAccount,
  { planId, promoCode }: Ask,
  pricedAt: Instant,
  promo: typeof applyPromo,
): Promise<Quote> {
  const { zone } = desk;
  const now = desk.clock();
  const plan = await planToChangeTo(q, desk, planId);
  const standing = await standingOf(q, desk, subscriber);
  const { subscription, grants } = standing;
  refuseSame(subscriber, plan, standing, now);
  if (subscription !== null) refuseUnlessMonthly(plan);
  const terms =
    subscription === null ? wholePackage(plan, desk) : restOfPeriod(plan, subscription, { pricedAt, now }, desk);
  const line: InvoiceLine = {
    kind: terms.isPart ? 'proration' : 'plan',
    description: terms.isPart ? `${plan.name} (${daysWords(terms, zone, subscriber.language)})` : plan.name,
    planRevisionId: plan.revisionId,
    amountRupiah: terms.priceRupiah,
  };
  const code = promoCode ?? '';
  const use = { code, planId, subscriberId: subscriber.id, priceRupiah: terms.priceRupiah };
  const discount = code === '' || terms.priceRupiah === 0 ? null : await promo(q, desk, use);
  const lines = [line, ...(discount === null ? [] : [discount.line])];
  const price = lines.reduce((sum, { amountRupiah }) => sum + amountRupiah, 0);
  const rests = grants.map((grant) => worthOf(grant, subscription, { pricedAt, now }, zone));
  const { givenRupiah, overRupiah } = giveBack(price, rests);
  grants.forEach((grant, index) => {
    const given = givenRupiah[index]!;
    if (given > 0) lines.push(restLine(grant, subscription, given, zone, subscriber.language));
  });
  const { taxRupiah, totalRupiah } = await withTax(q, lines);
  const { totalRupiah: creditRupiah } = await withTax(q, [{ amountRupiah: overRupiah }]);
  return {
    preview: {
      billing: subscription === null ? 'prepaid' : 'postpaid',
      from: fromOf(standing, now, zone),
      to: { planId, plan: plan.name },
      lines,
      taxRupiah,
      totalRupiah,
      creditRupiah,
      begins: terms.begins,
      until: terms.until,
      next: subscription === null ? null : { on: subscription.nextOn, rupiah: terms.nextRupiah },
    },
    revisionId: plan.revisionId,
    priceRupiah: terms.priceRupiah,
    replaces: grants.map(({ id }) => id),
    endsAt: subscription === null ? null : terms.until,
    promoId: discount?.promoId ?? null,
    overRupiah,
    subscription,
  };
}

type PlanToBe = Omit<ListedPlan, 'grantsInForce'>;

async function planToChangeTo(q: Queryable, desk: Desk, planId: number): Promise<PlanToBe> {
  const plan = await findPlan(q, { id: planId });
  const hidden = actingSubscriber(desk) !== null && plan?.onPortal === false;
  if (plan === null || plan.retired || hidden)
    throw new InvalidInput([say`there is no plan of number ${planId} on sale`]);
  return plan;
}

/** Of a subscription what covers its period; else all that was bought and is not over, also what is still to come. */
async function standingOf(q: Queryable, desk: Desk, { id, billing, username }: SubscriberAccount): Promise<Standing> {
  const held = await heldGrants(q, id, desk.clock());
  if (billing === 'prepaid') return { subscription: null, grants: held };
  const subscription = await subscriptionOf(q, id);
  if (subscription === null) throw new InvalidInput([say`${username} is postpaid and has no subscription to change`]);
  if (subscription.grantId !== null && subscription.nextOn <= localDate(desk.clock(), desk.zone)) {
    throw new InvalidInput([say`the invoice of the new period is being made just now; try again in a few minutes`]);
  }
  return { subscription, grants: held.filter((grant) => grant.id === subscription.grantId) };
}

function refuseSame({ username }: SubscriberAccount, plan: PlanToBe, { subscription, grants }: Standing, now: Instant) {
  const has = subscription?.planId ?? grants.findLast((grant) => grant.from <= now)?.planId;
  if (has === plan.planId) throw new InvalidInput([say`${username} has "${plan.name}" already`]);
}

/** What is asked for the new package, and for when. */
type Terms = {
  readonly priceRupiah: Rupiah;
  /** For a part of a period only. */
  readonly isPart: boolean;
  readonly begins: Instant;
  readonly until: Instant;
  readonly nextRupiah: Rupiah;
};

function wholePackage({ priceRupiah, period }: PlanToBe, { clock, zone }: Desk): Terms {
  const begins = clock();
  return { priceRupiah, isPart: false, begins, until: addPeriod(begins, period, zone), nextRupiah: priceRupiah };
}

/** The plan's share for what is left of the period; before the first one there is nothing to ask for yet. */
function restOfPeriod(
  { priceRupiah }: PlanToBe,
  { nextOn, billingDay, grantId }: Subscription,
  { pricedAt, now }: Moment,
  { zone }: Desk,
): Terms {
  const next = periodCharge(priceRupiah, nextOn, billingDay, zone);
  if (grantId === null) {
    const [begins, until] = [startOf(nextOn, zone), startOf(next.until, zone)];
    return { priceRupiah: 0, isPart: false, begins, until, nextRupiah: next.amountRupiah };
  }
  const { from, until } = billingPeriod(addDays(nextOn, -1), billingDay);
  const rest = restOf(priceRupiah, startOf(from, zone), startOf(until, zone), pricedAt);
  return { priceRupiah: rest, isPart: true, begins: now, until: startOf(nextOn, zone), nextRupiah: next.amountRupiah };
}

const daysWords = ({ begins, until }: Terms, zone: string, language: Language): string =>
  spanWords(begins, until - 1, zone, language);

function restLine(
  grant: HeldGrant,
  subscription: Subscription | null,
  givenRupiah: Rupiah,
  zone: string,
  language: Language,
): InvoiceLine {
  const until = printLocalDate(endOf(grant, subscription, zone) - 1, zone, language);
  const description = language === 'id' ? `Sisa ${grant.plan} sampai ${until}` : `Rest of ${grant.plan} until ${until}`;
  return { kind: 'proration', description, planRevisionId: null, amountRupiah: -givenRupiah };
}

/** Cover of a subscription outlasts its period a little: that is nothing to speak of. */
const endOf = (grant: HeldGrant, subscription: Subscription | null, zone: string): Instant =>
  subscription === null ? grant.until : startOf(subscription.nextOn, zone);

function fromOf({ subscription, grants }: Standing, now: Instant, zone: string): ChangePreview['from'] {
  const running = grants.findLast((grant) => grant.from <= now) ?? grants.at(-1);
  if (running !== undefined) return { plan: running.plan, until: endOf(running, subscription, zone) };
  return subscription === null ? null : { plan: subscription.plan, until: startOf(subscription.nextOn, zone) };
}

async function place(
  tx: ChangeTransaction,
  desk: Desk,
  { id: subscriberId }: SubscriberAccount,
  accepted: Quote,
): Promise<PlacedChange> {
  const { preview, subscription, revisionId, priceRupiah, replaces, endsAt, overRupiah } = accepted;
  const { totalRupiah } = preview;
  const at = desk.clock();
  await cancelWaiting(tx, subscriberId, at, desk.actor);
  if (subscription !== null && subscription.grantId === null) {
    await setSubscriptionPlan(tx, subscription.id, preview.to.planId, null);
    return { purchaseNumber: null, invoicePublicId: null, totalRupiah };
  }
  const number = newPurchaseNumber();
  const purchaseId = await insertPurchase(tx, {
    number,
    subscriberId,
    planRevisionId: revisionId,
    priceRupiah,
    begins: 'now',
    orderedBy: desk.actor,
    orderedAt: at,
    expiresAt: at + PURCHASE_WAITS_MS,
    replaces,
    endsAt,
  });
  if (purchaseId === null) throw new InvalidInput([say`the order number ${number} is taken; try again`]);
  const invoice = priceRupiah === 0 ? null : await invoiceChange(tx, desk, subscriberId, purchaseId, accepted);
  if (totalRupiah === 0) {
    await giveCredit(tx, desk, {
      subscriberId,
      amountRupiah: overRupiah,
      reference: `given-back:purchase:${purchaseId}`,
    });
    if (invoice === null) await grantPurchase(tx, desk, (await lockPurchase(tx, number))!);
    else await settleFromCredit(tx, desk, (await lockInvoice(tx, invoice.id))!);
    await payFromCredit(tx, desk, subscriberId);
  }
  return { purchaseNumber: number, invoicePublicId: invoice?.publicId ?? null, totalRupiah };
}

async function invoiceChange(
  tx: ChangeTransaction,
  desk: Desk,
  subscriberId: number,
  purchaseId: number,
  { preview, promoId }: Quote,
): Promise<IssuedInvoice> {
  const { billing } = await readSettings(tx);
  return issueInvoice(tx, desk, billing, {
    subscriberId,
    kind: 'package',
    purchaseId,
    lines: preview.lines,
    ...(promoId === null ? {} : { promoId }),
  });
}
