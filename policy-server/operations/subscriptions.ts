import { z } from 'zod';
import { addDays, daysBetween, type LocalDate, type Rupiah, startOf } from '#domain/billing';
import { InvalidInput } from '#domain/errors';
import { isMonthly, type Period } from '#domain/plan';
import { say } from '#domain/say';
import { type Instant, localDate, parseInstant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { parsedBy, rowNumber } from '#operations/fields';
import { giveCredit, worthOf } from '#operations/held';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { payFromCredit } from '#operations/receive-payment';
import { billDue } from '#operations/run-invoices';
import { type ChangeTransaction, change } from '#storage/change';
import { setRevoked } from '#storage/grants';
import { heldGrants } from '#storage/held-grants';
import { findPlan } from '#storage/plans';
import { setMoveUndone } from '#storage/prepaid-moves';
import { findSubscriberAccount, setBilling } from '#storage/subscribers';
import {
  insertSubscription,
  type Subscription,
  setGrantEnd,
  setSubscriptionEnded,
  subscriptionOf,
} from '#storage/subscriptions';

const localDay = parsedBy(
  (text) => (/^\d{4}-\d\d-\d\d$/.test(text) && parseInstant(text, 'UTC') !== null ? text : null),
  say`a date, for example 2026-12-01`,
);

export const subscribeSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  planId: rowNumber('a plan'),
  billingDay: z.coerce
    .number()
    .int()
    .min(1)
    .max(31)
    .nullable()
    .default(null)
    .describe(say`a day of the month, 1 to 31 (in shorter months it is their last), for example 1`),
  startsOn: localDay.nullable().default(null).describe(localDay.description!),
});

export type Subscribed = {
  readonly subscriptionId: number;
  readonly username: string;
  readonly plan: string;
  readonly billingDay: number;
  readonly startsOn: LocalDate;
  /** When the next invoice comes: `startsOn` itself, when that is a day to come. */
  readonly nextOn: LocalDate;
};

/** How far ahead a subscription may begin. */
const MOST_DAYS_AHEAD = 366;

/**
 * Starts a subscription today or on a local date to come; without `billingDay` it is billed on that day of the month. What
 * is between its begin and the first billing day is asked for as a share of the period. A prepaid subscriber becomes
 * postpaid; packages that run stay as they are. Begins it today, its first invoice is issued at once.
 *
 * @throws InvalidInput for wrong fields, nobody of that number, no such plan on sale, one that is not sold by the month, a day
 * that is over, and when one runs
 */
export async function subscribe(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<Subscribed> {
  const { subscriberId, planId, ...given } = parseInput(subscribeSchema, input);
  const at = desk.clock();
  const today = localDate(at, desk.zone);
  const startsOn = given.startsOn ?? today;
  const ahead = daysBetween(today, startsOn);
  if (ahead < 0) throw new InvalidInput([say`startsOn: ${startsOn} is over; give today or a day to come`]);
  if (ahead > MOST_DAYS_AHEAD) throw new InvalidInput([say`startsOn: ${startsOn} is more than a year ahead`]);
  const billingDay = given.billingDay ?? Number(startsOn.slice(8));
  const detail: Record<string, unknown> = { billingDay, startsOn };
  return change(desk.db, { actor: desk.actor, why: 'start subscription', subscriberId, detail }, async (tx) => {
    const subscriber = (await findSubscriberAccount(tx, subscriberId, 'lock')) ?? noSubscriberOfNumber(subscriberId);
    const { username } = subscriber;
    const running = await subscriptionOf(tx, subscriberId);
    if (running !== null) {
      throw new InvalidInput([say`${username} has a subscription to "${running.plan}"; change it, or end it first`]);
    }
    const plan = await findPlan(tx, { id: planId });
    if (plan === null || plan.retired) throw new InvalidInput([say`there is no plan of number ${planId} on sale`]);
    refuseUnlessMonthly(plan);
    if (subscriber.billing === 'prepaid') {
      await setMoveUndone(tx, subscriberId, at, desk.actor);
      await setBilling(tx, subscriberId, 'postpaid');
    }
    const row = { subscriberId, planId, billingDay, nextOn: startsOn, startedAt: at, startedBy: desk.actor };
    const subscriptionId = await insertSubscription(tx, row);
    await billDue(tx, desk, [subscriberId], today);
    await tx.mark([subscriberId]);
    Object.assign(detail, { username, plan: plan.name });
    const { nextOn } = (await subscriptionOf(tx, subscriberId))!;
    return { subscriptionId, username, plan: plan.name, billingDay, startsOn, nextOn };
  });
}

/** A price for a day or a year, asked for month after month, would be a mistake in somebody's favour. */
export function refuseUnlessMonthly({ name, period }: { readonly name: string; readonly period: Period }): void {
  if (isMonthly(period)) return;
  throw new InvalidInput([say`"${name}" is not sold by the month, and a subscription is billed by the month`]);
}

export const endSubscriptionSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  when: z
    .enum(['period-end', 'now'])
    .default('period-end')
    .describe(say`period-end (the line stays until the period is over) or now (the rest becomes credit)`),
});

export type Ended = {
  readonly username: string;
  readonly plan: string;
  /** Until when the line is covered by what was billed; null when no period had begun. */
  readonly until: Instant | null;
  /** What of the period that was billed is given back, as credit of the subscriber. */
  readonly creditRupiah: Rupiah;
};

/**
 * Ends the subscription: no further period is billed. At the period's end the line stays covered until then; now, it ends
 * at once and the rest of the period, in proportion to its time, becomes credit, which pays open invoices first.
 *
 * @throws InvalidInput for wrong fields, nobody of that number, and when there is none
 */
export async function endSubscription(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<Ended> {
  const { subscriberId, when } = parseInput(endSubscriptionSchema, input);
  const detail: Record<string, unknown> = { when };
  return change(desk.db, { actor: desk.actor, why: 'end subscription', subscriberId, detail }, async (tx) => {
    const { username } = (await findSubscriberAccount(tx, subscriberId, 'lock')) ?? noSubscriberOfNumber(subscriberId);
    const ended = await endRunning(tx, desk, subscriberId, when);
    if (ended === null) throw new InvalidInput([say`${username} has no subscription`]);
    Object.assign(detail, { username, ...ended });
    return { username, ...ended };
  });
}

/** Ends the subscription that runs in the caller's transaction, the subscriber locked; null when there is none. */
export async function endRunning(
  tx: ChangeTransaction,
  desk: Desk,
  subscriberId: number,
  when: 'period-end' | 'now',
): Promise<Omit<Ended, 'username'> | null> {
  const subscription = await subscriptionOf(tx, subscriberId, 'lock');
  if (subscription === null) return null;
  const at = desk.clock();
  const { plan, grantId } = subscription;
  await setSubscriptionEnded(tx, subscription.id, at, desk.actor);
  await tx.mark([subscriberId]);
  if (grantId === null) return { plan, until: null, creditRupiah: 0 };
  const periodEnd = startOf(subscription.nextOn, desk.zone);
  if (when === 'period-end') {
    await setGrantEnd(tx, grantId, periodEnd);
    return { plan, until: periodEnd, creditRupiah: 0 };
  }
  const creditRupiah = await creditRest(tx, desk, subscription, at);
  await setRevoked(tx, grantId, at);
  await payFromCredit(tx, desk, subscriberId);
  return { plan, until: Math.min(at, periodEnd), creditRupiah };
}

async function creditRest(tx: ChangeTransaction, desk: Desk, subscription: Subscription, at: Instant): Promise<Rupiah> {
  const { id, subscriberId, grantId } = subscription;
  const grant = (await heldGrants(tx, subscriberId, at)).find((one) => one.id === grantId);
  const amountRupiah = grant === undefined ? 0 : worthOf(grant, subscription, { pricedAt: at, now: at }, desk.zone);
  return giveCredit(tx, desk, { subscriberId, amountRupiah, reference: `given-back:subscription:${id}` });
}

/** The last day of the period that runs; null before the first. */
export const lastDay = ({ grantId, nextOn }: Pick<Subscription, 'grantId' | 'nextOn'>): LocalDate | null =>
  grantId === null ? null : addDays(nextOn, -1);
